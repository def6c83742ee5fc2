/*
 * mman.h: POSIX mappings.
 *
 * Files are read-only: a shared mapping of one cannot be written, and a private one that can is a
 * copy made when it is mapped.  A page that cannot be read ends the program that touches it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 16, MAP_ANONYMOUS = 32, MAP_ANON = 32 };

#define MAP_FAILED ((void *)-1)

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset);
int munmap(void *address, size_t length);
int mprotect(void *address, size_t length, int protection);
