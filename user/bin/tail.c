/*
 * tail.c: the last lines of files, or of standard input: tail [-n LINES] [FILE...].
 *
 * A file is read from its end backwards, a block at a time, to where the last lines begin.  What
 * cannot seek is read whole.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static uint64_t limit = 10;
static bool titles;

/* Where the last `limit` lines of text begin, which continues what was counted behind it. */
static bool find_start(const char *text, size_t length, uint64_t *newlines, size_t *out_start)
{
    for (size_t i = length; i > 0; i--) {
        if (text[i - 1] == '\n' && (*newlines)++ == limit) {
            *out_start = i;
            return true;
        }
    }
    return false;
}

/* A newline as the very last byte ends a line; without it a last line is begun all the same. */
static uint64_t lines_at_end(char last)
{
    return last == '\n' ? 0 : 1;
}

static int copy_from(int descriptor, off_t offset)
{
    char block[BLOCK];
    ssize_t length;
    while ((length = pread(descriptor, block, sizeof block, offset)) > 0) {
        fwrite(block, 1, length, stdout);
        offset += length;
    }
    return length < 0 ? -1 : 0;
}

static int tail_of_file(int descriptor, off_t size)
{
    char block[BLOCK];
    uint64_t newlines = 0;
    size_t start = 0;
    off_t offset = size;
    while (offset > 0) {
        size_t length = offset % BLOCK != 0 ? offset % BLOCK : BLOCK;
        ssize_t actual = pread(descriptor, block, length, offset - length);
        if (actual != (ssize_t)length)
            return -1;
        if (offset == size)
            newlines = lines_at_end(block[length - 1]);
        offset -= length;
        if (find_start(block, length, &newlines, &start))
            return copy_from(descriptor, offset + start);
    }
    return copy_from(descriptor, 0);
}

static int tail_of_stream(int descriptor)
{
    char *text = NULL;
    size_t used = 0, size = 0, start = 0;
    ssize_t length;
    do {
        if (size - used < BLOCK) {
            size = 2 * size + BLOCK;
            text = realloc(text, size);
            if (text == NULL)
                err(1, "input");
        }
        length = read(descriptor, text + used, BLOCK);
        used += length > 0 ? length : 0;
    } while (length > 0);
    uint64_t newlines = used > 0 ? lines_at_end(text[used - 1]) : 0;
    find_start(text, used, &newlines, &start);
    fwrite(text + start, 1, used - start, stdout);
    free(text);
    return length < 0 ? -1 : 0;
}

static int print_tail(int descriptor, const char *name)
{
    static bool another;
    if (titles)
        printf("%s==> %s <==\n", another ? "\n" : "", name);
    another = true;
    if (limit == 0)
        return 0;
    off_t size = lseek(descriptor, 0, SEEK_END);
    int result = size >= 0 ? tail_of_file(descriptor, size) : tail_of_stream(descriptor);
    if (result != 0)
        warn("%s", name);
    return result != 0;
}

int main(int argument_count, char **arguments)
{
    int option;
    char *end = "";
    while ((option = getopt(argument_count, arguments, "n:")) != -1) {
        if (option != 'n')
            return usage("tail [-n LINES] [FILE...]");
        limit = strtoull(optarg, &end, 10);
        if (*end != 0 || *optarg == 0 || *optarg == '-')
            errx(1, "not a number: %s", optarg);
    }
    titles = argument_count - optind > 1;
    return each_file(arguments + optind, print_tail);
}
