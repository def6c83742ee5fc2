/*
 * tool.h: what many small programs share.  Messages are in <err.h>.
 */
#pragma once

enum { EXIT_USAGE = 2 };

/* Print "usage: TEXT"; returns EXIT_USAGE, for main to return. */
int usage(const char *text);

/*
 * Call use for each file of a list that ends with NULL, opened for reading; for standard input if
 * the list is empty, and for "-".  A file that does not open is reported.  Returns 1 if there was
 * such a file, or-ed with what use returned.
 */
int each_file(char *const *names, int (*use)(int descriptor, const char *name));
