/*
 * err.c: messages of programs, and the loop that most of them are.
 */
#include "internal.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <quire/tool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After what was printed before; `code` is an errno value, or 0 for none. */
static void message(int code, const char *format, va_list arguments)
{
    const char *slash = strrchr(program_name, '/');
    fflush(stdout);
    flockfile(stderr);
    fprintf(stderr, "%s: ", slash != NULL ? slash + 1 : program_name);
    vfprintf(stderr, format, arguments);
    if (code != 0)
        fprintf(stderr, ": %s", strerror(code));
    fprintf(stderr, "\n");
    funlockfile(stderr);
}

void warn(const char *format, ...)
{
    va_list arguments;
    int code = errno;
    va_start(arguments, format);
    message(code, format, arguments);
    va_end(arguments);
}

void warnx(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message(0, format, arguments);
    va_end(arguments);
}

void err(int exit_code, const char *format, ...)
{
    va_list arguments;
    int code = errno;
    va_start(arguments, format);
    message(code, format, arguments);
    va_end(arguments);
    exit(exit_code);
}

void errx(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message(0, format, arguments);
    va_end(arguments);
    exit(exit_code);
}

int usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    return EXIT_USAGE;
}

int each_file(char *const *names, int (*use)(int descriptor, const char *name))
{
    int code = 0;
    if (names[0] == NULL)
        return use(STDIN_FILENO, "-");
    for (; *names != NULL; names++) {
        if (strcmp(*names, "-") == 0) {
            code |= use(STDIN_FILENO, *names);
            continue;
        }
        int descriptor = open(*names, O_RDONLY);
        if (descriptor < 0) {
            warn("%s", *names);
            code = 1;
            continue;
        }
        code |= use(descriptor, *names);
        close(descriptor);
    }
    return code;
}
