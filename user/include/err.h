/*
 * err.h: messages of programs: the program's name, the text, and (without x) what errno means.
 * err and errx then end the program.
 */
#pragma once

void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));
void err(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void errx(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
