/*
 * log.c: the server's own words, a line at a time on the console.
 */
#include "ext2.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void complain(const char *format, ...)
{
    char line[200] = "ext2fs: ";
    const size_t prefix = sizeof("ext2fs: ") - 1, room = sizeof(line) - prefix - 1;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line + prefix, room, format, arguments);
    va_end(arguments);
    size_t end = prefix + ((size_t)length < room ? (size_t)length : room - 1);
    line[end++] = '\n';
    write(STDERR_FILENO, line, end);    /* past stdio: its streams belong to one thread at a time */
}
