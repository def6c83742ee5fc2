/* cat.c: print files, or standard input, as they are. */
#include <err.h>
#include <quire/tool.h>
#include <unistd.h>

static char block[16384];

static int copy_out(int descriptor, const char *name)
{
    ssize_t length;
    while ((length = read(descriptor, block, sizeof block)) > 0) {
        ssize_t written;
        for (ssize_t done = 0; done < length; done += written) {
            written = write(STDOUT_FILENO, block + done, length - done);
            if (written < 0)
                err(1, "output");
        }
    }
    if (length < 0)
        warn("%s", name);
    return length < 0;
}

int main(int argument_count, char **arguments)
{
    (void)argument_count;
    return each_file(arguments + 1, copy_out);
}
