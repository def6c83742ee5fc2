/*
 * assert.h: checks of the kernel's own invariants; always compiled in.
 *
 * Never used on what a user or a device says: those get a status.
 */
#pragma once

#include <stdbool.h>

/* Print the message with hart, thread and backtrace, and stop every hart. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Some hart is in panic: the others stop where they would wait. */
extern volatile bool panicking;

#define assert(condition) \
    do { \
        if (__builtin_expect(!(condition), 0)) \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition); \
    } while (0)

#define static_assert _Static_assert
