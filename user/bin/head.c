/* head.c: the first lines (-n or -NUMBER, 10) or bytes (-c) of files, or of standard input. */
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char block[4096];
static uint64_t limit = 10;
static bool by_bytes, titles;

/* How much of the block is still wanted; *rest goes down by it. */
static size_t wanted(size_t length, uint64_t *rest)
{
    if (by_bytes) {
        size_t taken = *rest < length ? *rest : length;
        *rest -= taken;
        return taken;
    }
    for (size_t i = 0; i < length; i++)
        if (block[i] == '\n' && --*rest == 0)
            return i + 1;
    return length;
}

static int print_head(int descriptor, const char *name)
{
    static bool another;
    uint64_t rest = limit;
    ssize_t length = 0;
    if (titles)
        printf("%s==> %s <==\n", another ? "\n" : "", name);
    another = true;
    while (rest > 0 && (length = read(descriptor, block, sizeof block)) > 0)
        fwrite(block, 1, wanted(length, &rest), stdout);
    if (length < 0)
        warn("%s", name);
    return length < 0;
}

static void set_limit(const char *number)
{
    char *end;
    limit = strtoull(number, &end, 10);
    if (*end != 0 || *number == 0 || *number == '-')
        errx(1, "not a number: %s", number);
}

int main(int argument_count, char **arguments)
{
    int option;
    if (argument_count > 1 && arguments[1][0] == '-' && isdigit((unsigned char)arguments[1][1])) {
        set_limit(arguments[1] + 1);
        optind = 2;
    }
    while ((option = getopt(argument_count, arguments, "n:c:")) != -1) {
        if (option != 'n' && option != 'c')
            return usage("head [-n LINES | -LINES | -c BYTES] [FILE...]");
        by_bytes = option == 'c';
        set_limit(optarg);
    }
    titles = argument_count - optind > 1;
    return each_file(arguments + optind, print_head);
}
