/*
 * cksum.c: the POSIX checksum and length of files, by reading or, with -m, through a mapping.
 *
 * The sum is a CRC with polynomial 0x04c11db7, highest bit first, over the bytes of the file and
 * then those of its length, lowest first, without leading zeros.  Eight tables take eight bytes at
 * a step.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t tables[8][256];
static char block[4096];
static bool maps;

static void make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte << 24;
        for (int bit = 0; bit < 8; bit++)
            sum = sum << 1 ^ (sum >> 31 ? 0x04c11db7 : 0);
        tables[0][byte] = sum;
    }
    for (int i = 1; i < 8; i++)
        for (uint32_t byte = 0; byte < 256; byte++)
            tables[i][byte] = tables[i - 1][byte] << 8 ^ tables[0][tables[i - 1][byte] >> 24];
}

static uint32_t add_bytes(uint32_t sum, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    for (; length >= 8; length -= 8, bytes += 8)
        sum = tables[7][bytes[0] ^ sum >> 24] ^ tables[6][bytes[1] ^ (sum >> 16 & 255)] ^
              tables[5][bytes[2] ^ (sum >> 8 & 255)] ^ tables[4][bytes[3] ^ (sum & 255)] ^
              tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^ tables[0][bytes[7]];
    for (; length > 0; length--)
        sum = sum << 8 ^ tables[0][*bytes++ ^ sum >> 24];
    return sum;
}

static uint32_t finish(uint32_t sum, uint64_t length)
{
    for (; length != 0; length >>= 8) {
        uint8_t byte = length;
        sum = add_bytes(sum, &byte, 1);
    }
    return ~sum;
}

static int sum_by_reading(int descriptor, uint32_t *sum, uint64_t *length)
{
    ssize_t actual;
    while ((actual = read(descriptor, block, sizeof block)) > 0) {
        *sum = add_bytes(*sum, block, actual);
        *length += actual;
    }
    return actual < 0 ? -1 : 0;
}

static int sum_by_mapping(int descriptor, uint32_t *sum, uint64_t *length)
{
    struct stat info;
    if (fstat(descriptor, &info) != 0)
        return -1;
    if (info.st_size == 0)
        return 0;
    const void *bytes = mmap(NULL, info.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (bytes == MAP_FAILED)
        return -1;
    *sum = add_bytes(*sum, bytes, info.st_size);
    *length = info.st_size;
    return munmap((void *)bytes, info.st_size);
}

static int print_sum(int descriptor, const char *name)
{
    uint32_t sum = 0;
    uint64_t length = 0;
    int result = (maps ? sum_by_mapping : sum_by_reading)(descriptor, &sum, &length);
    if (result != 0) {
        warn("%s", name);
        return 1;
    }
    bool has_name = strcmp(name, "-") != 0;
    printf("%" PRIu32 " %" PRIu64 "%s%s\n", finish(sum, length), length, has_name ? " " : "",
           has_name ? name : "");
    return 0;
}

int main(int argument_count, char **arguments)
{
    int option;
    while ((option = getopt(argument_count, arguments, "m")) != -1) {
        if (option != 'm')
            return usage("cksum [-m] [FILE...]");
        maps = true;
    }
    make_tables();
    return each_file(arguments + optind, print_sum);
}
