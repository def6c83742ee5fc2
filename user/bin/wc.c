/*
 * wc.c: count lines, words and bytes of files, or of standard input.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char block[4096];

static int count(int descriptor, const char *name)
{
    uint64_t lines = 0, words = 0, bytes = 0;
    bool in_word = false;
    ssize_t length;
    while ((length = read(descriptor, block, sizeof block)) > 0) {
        bytes += length;
        for (ssize_t i = 0; i < length; i++) {
            bool blank = isspace((unsigned char)block[i]);
            lines += block[i] == '\n';
            words += !blank && !in_word;
            in_word = !blank;
        }
    }
    if (length < 0) {
        fprintf(stderr, "wc: %s: %s\n", name, strerror(errno));
        return 1;
    }
    printf("%7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %s\n", lines, words, bytes, name);
    return 0;
}

int main(int argument_count, char **arguments)
{
    int code = 0;
    if (argument_count == 1)
        return count(0, "");
    for (int i = 1; i < argument_count; i++) {
        int descriptor = open(arguments[i], O_RDONLY);
        if (descriptor < 0) {
            fprintf(stderr, "wc: %s: %s\n", arguments[i], strerror(errno));
            code = 1;
            continue;
        }
        code |= count(descriptor, arguments[i]);
        close(descriptor);
    }
    return code;
}
