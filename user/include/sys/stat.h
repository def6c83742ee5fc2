/*
 * stat.h: the C library's, and what it has for some systems only.
 */
#pragma once

#include_next <sys/stat.h>

int lstat(const char *restrict path, struct stat *restrict out);
