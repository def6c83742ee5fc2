/*
 * unistd.h: the C library's, and what it shows only to those who ask.
 */
#pragma once

#include_next <unistd.h>

int pipe2(int ends[2], int flags);
int dup3(int from, int to, int flags);
int execvpe(const char *file, char *const arguments[], char *const environment[]);
