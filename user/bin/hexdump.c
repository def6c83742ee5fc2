/*
 * hexdump.c: the bytes of a file in hexadecimal and as text, 16 a line.
 *
 * hexdump FILE [OFFSET [LENGTH]]
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int main(int argument_count, char **arguments)
{
    unsigned char line[16];
    if (argument_count < 2) {
        fprintf(stderr, "usage: hexdump FILE [OFFSET [LENGTH]]\n");
        return 2;
    }
    uint64_t offset = argument_count > 2 ? strtoull(arguments[2], NULL, 0) : 0;
    uint64_t rest = argument_count > 3 ? strtoull(arguments[3], NULL, 0) : UINT64_MAX;
    int descriptor = open(arguments[1], O_RDONLY);
    if (descriptor < 0 || lseek(descriptor, offset, SEEK_SET) < 0) {
        fprintf(stderr, "hexdump: %s: %s\n", arguments[1], strerror(errno));
        return 1;
    }
    ssize_t length = 0;
    while (rest > 0 && (length = read(descriptor, line, rest < 16 ? rest : 16)) > 0) {
        print_line(offset, line, length);
        offset += length;
        rest -= length;
    }
    if (length < 0)
        fprintf(stderr, "hexdump: %s: %s\n", arguments[1], strerror(errno));
    return length < 0;
}
