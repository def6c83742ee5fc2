/*
 * hexdump.c: the bytes of a file in hexadecimal and as text, 16 a line.
 *
 * hexdump [-s OFFSET] [-n LENGTH] [FILE...]
 */
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t skip, rest = UINT64_MAX;

static void print_line(uint64_t offset, const unsigned char *bytes, size_t length)
{
    printf("%08" PRIx64 " ", offset);
    for (size_t i = 0; i < 16; i++) {
        if (i % 8 == 0)
            putchar(' ');
        if (i < length)
            printf("%02x ", bytes[i]);
        else
            printf("   ");
    }
    printf(" |");
    for (size_t i = 0; i < length; i++)
        putchar(isprint(bytes[i]) ? bytes[i] : '.');
    printf("|\n");
}

/* Read until the block is full, or the file or what is wanted of it ends. */
static ssize_t fill(int descriptor, unsigned char *block, size_t size)
{
    size_t wanted = rest < size ? rest : size, used = 0;
    ssize_t length;
    do {
        length = read(descriptor, block + used, wanted - used);
        used += length > 0 ? length : 0;
    } while (length > 0 && used < wanted);
    return length < 0 ? length : (ssize_t)used;
}

static int dump(int descriptor, const char *name)
{
    static unsigned char block[4096];
    uint64_t offset = skip;
    ssize_t length;
    if (skip > 0 && lseek(descriptor, skip, SEEK_SET) < 0)
        err(1, "%s", name);
    while (rest > 0 && (length = fill(descriptor, block, sizeof block)) != 0) {
        if (length < 0) {
            warn("%s", name);
            return 1;
        }
        for (ssize_t at = 0; at < length; at += 16)
            print_line(offset + at, block + at, length - at < 16 ? length - at : 16);
        offset += length;
        rest -= length;
    }
    printf("%08" PRIx64 "\n", offset);
    return 0;
}

/* Digits, or 0x and hexadecimal digits. */
static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 0);
    if (*end != 0 || end == text || *text == '-')
        errx(EXIT_USAGE, "not a number: %s", text);
    return value;
}

int main(int argument_count, char **arguments)
{
    int option;
    while ((option = getopt(argument_count, arguments, "s:n:")) != -1) {
        if (option == 's')
            skip = number(optarg);
        else if (option == 'n')
            rest = number(optarg);
        else
            return usage("hexdump [-s OFFSET] [-n LENGTH] [FILE...]");
    }
    return each_file(arguments + optind, dump);
}
