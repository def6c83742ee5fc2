/*
 * tool.h: what many small programs share.  Messages are in <err.h>.
 */
#pragma once

#include <quire.h>

enum { EXIT_USAGE = 2 };

/* Print "usage: TEXT"; returns EXIT_USAGE, for main to return. */
int usage(const char *text);

/*
 * Call use for each file of a list that ends with NULL, opened for reading; for standard input if
 * the list is empty, and for "-".  A file that does not open is reported.  Returns 1 if there was
 * such a file, or-ed with what use returned.
 */
int each_file(char *const *names, int (*use)(int descriptor, const char *name));

/* --- For programs that look at the system. --- */

enum { SIZE_TEXT = 8 };

/* A size in few digits: "0B", "999B", "9.8K", "124M"; returns out. */
char *size_text(uint64_t bytes, char out[static SIZE_TEXT]);
/* Nanoseconds from a text in seconds, at least 0.01; -1: it is not one. */
int64_t interval_read(const char *text);
/* A whole number from 1 on; -1: it is not one. */
long count_read(const char *text);
/* A handle to look at a process with (READ, INSPECT).  NOT_FOUND: it has ended. */
status_t process_open(uint64_t koid, handle_t *out_process);
status_t system_info(info_system_t *out_info);
