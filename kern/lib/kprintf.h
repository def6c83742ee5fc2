/* kprintf.h: messages from the kernel to the person at the console. */
#pragma once

#include <stdarg.h>
#include "lib/types.h"

/*
 * %d %u %x, also with l and a number of digits (%016lx); %s and %.*s.  One call is one piece of output, never interleaved.
 */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Write at most size - 1 characters and a zero; _v returns how many characters they are.  size is not 0. */
void format_string(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_string_v(char *buffer, size_t size, const char *format, va_list arguments);

/* Supplied by higher layers (dev): goes out at once, waiting for room. */
void console_write_kernel(const char *text, size_t length);
