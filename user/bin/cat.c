/*
 * cat.c: print files, or standard input, as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char block[4096];

static int copy_out(int descriptor, const char *name)
{
    ssize_t length;
    while ((length = read(descriptor, block, sizeof block)) > 0) {
        for (ssize_t done = 0; done < length;) {
            ssize_t written = write(1, block + done, length - done);
            if (written < 0) {
                fprintf(stderr, "cat: output: %s\n", strerror(errno));
                return 1;
            }
            done += written;
        }
    }
    if (length < 0)
        fprintf(stderr, "cat: %s: %s\n", name, strerror(errno));
    return length < 0;
}

int main(int argument_count, char **arguments)
{
    int code = 0;
    if (argument_count == 1)
        return copy_out(0, "input");
    for (int i = 1; i < argument_count; i++) {
        int descriptor = open(arguments[i], O_RDONLY);
        if (descriptor < 0) {
            fprintf(stderr, "cat: %s: %s\n", arguments[i], strerror(errno));
            code = 1;
            continue;
        }
        code |= copy_out(descriptor, arguments[i]);
        close(descriptor);
    }
    return code;
}
