/*
 * stdio.h: the C library's, and what POSIX has besides.
 */
#pragma once

#include_next <stdio.h>

#include <sys/types.h>

ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict file);
