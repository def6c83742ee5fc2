/*
 * cksum.c: the POSIX checksum and length of files, by reading or, with -m, through a mapping.
 *
 * The sum is a CRC with polynomial 0x04c11db7, highest bit first, over the bytes of the file and
 * then those of its length, lowest first, without leading zeros.  Eight tables take eight bytes at
 * a step.
 */
#include <inttypes.h>
#include <quire.h>
#include <quire/fs.h>
#include <stdio.h>
#include <string.h>

static uint32_t tables[8][256];
static char block[4096];

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

static status_t sum_by_reading(const struct fs_file *file, uint32_t *sum, uint64_t *length)
{
    for (;;) {
        size_t actual;
        status_t status = sys_stream_read(file->stream, block, sizeof block, &actual);
        if (status != OK || actual == 0)
            return status;
        *sum = add_bytes(*sum, block, actual);
        *length += actual;
    }
}

static status_t sum_by_mapping(const struct fs_file *file, uint32_t *sum, uint64_t *length)
{
    uint64_t size = file->attributes.size;
    uint64_t mapped = (size + PAGE_SIZE - 1) & -PAGE_SIZE;
    uintptr_t address;
    if (size == 0)
        return OK;
    status_t status = sys_vm_map(process_self(), VM_READ, 0, file->vmo, 0, mapped, &address);
    if (status != OK)
        return status;
    *sum = add_bytes(*sum, (const void *)address, size);
    *length = size;
    return sys_vm_unmap(process_self(), address, mapped);
}

static int print_sum(const char *path, bool map)
{
    struct fs_file file;
    uint32_t sum = 0;
    uint64_t length = 0;
    status_t status = ERR_NOT_FOUND;
    if (root_fs_handle() != HANDLE_INVALID)
        status = fs_open(root_fs_handle(), path, 0, &file);
    if (status == OK) {
        status = map ? sum_by_mapping(&file, &sum, &length) : sum_by_reading(&file, &sum, &length);
        fs_close(&file);
    }
    if (status != OK) {
        fprintf(stderr, "cksum: %s: %s\n", path, status_text(status));
        return 1;
    }
    printf("%" PRIu32 " %" PRIu64 " %s\n", finish(sum, length), length, path);
    return 0;
}

int main(int argument_count, char **arguments)
{
    int code = 0, first = 1;
    bool map = argument_count > 1 && strcmp(arguments[1], "-m") == 0;
    if (map)
        first = 2;
    if (first == argument_count) {
        fprintf(stderr, "usage: cksum [-m] FILE...\n");
        return 2;
    }
    make_tables();
    for (int i = first; i < argument_count; i++)
        code |= print_sum(arguments[i], map);
    return code;
}
