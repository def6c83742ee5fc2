/*
 * stdio.h: the C library's, and what POSIX has besides.
 */
#pragma once

#include_next <stdio.h>

#include <sys/types.h>

/*
 * A stream for the calling thread alone, for several calls; may be nested.  Each call is whole
 * without it.  ftrylockfile: 0, or not 0: another thread has it.
 */
void flockfile(FILE *file);
int ftrylockfile(FILE *file);
void funlockfile(FILE *file);

/* Here the same as without _unlocked. */
#undef getc_unlocked
#undef putc_unlocked
#undef getchar_unlocked
#undef putchar_unlocked
#define getc_unlocked(file)          getc(file)
#define putc_unlocked(c, file)       putc(c, file)
#define getchar_unlocked()           getchar()
#define putchar_unlocked(c)          putchar(c)

ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict file);
