/*
 * t_edges.c: files at their edges: the last byte, the first behind it, and holes, around every page
 * and every block boundary, by pread and through a mapping.
 *
 * The files are made by mkfs/mkdisk.py: byte i is i % 251 + 1; in the file with holes, only where
 * is_data says so.
 */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/data/edges/"
#define UNIT 1024                       /* holes are as fine as the smallest block */
#define AROUND 3                        /* bytes to both sides of a boundary */

static const int boundaries[] = { 512, 1024, 2048, 4096, 8192, 12288, 49152, 131072 };

static unsigned char plain_byte(uint64_t i)
{
    return i % 251 + 1;
}

static bool is_data(uint64_t unit)
{
    return unit * unit % 7 < 3 && unit / 8 % 3 != 1;
}

static unsigned char holed_byte(uint64_t i)
{
    return is_data(i / UNIT) ? plain_byte(i) : 0;
}

static int open_checked(const char *path, off_t *out_size)
{
    struct stat info;
    int file = open(path, O_RDONLY);

    if (file < 0 && root_fs_handle() == HANDLE_INVALID)
        test_skip("no root file system");
    CHECK(file >= 0);
    CHECK_EQ(fstat(file, &info), 0);
    *out_size = info.st_size;
    return file;
}

/* pread of `length` bytes at `offset` gives what is there, and no more. */
static void check_read(int file, uint64_t size, uint64_t offset, size_t length,
                       unsigned char (*byte_at)(uint64_t))
{
    unsigned char bytes[2 * PAGE_SIZE];
    uint64_t expected = offset >= size ? 0 : size - offset < length ? size - offset : length;

    CHECK_EQ(pread(file, bytes, length, offset), expected);
    for (uint64_t i = 0; i < expected; i++)
        CHECK_EQ(bytes[i], byte_at(offset + i));
}

/* Every offset around `place`, with lengths that end before, at and behind it, and a page later. */
static void check_around(int file, uint64_t size, uint64_t place,
                         unsigned char (*byte_at)(uint64_t))
{
    for (int i = -AROUND; i <= AROUND; i++) {
        if ((int64_t)place + i < 0)
            continue;
        for (size_t length = 0; length <= 2 * AROUND; length++)
            check_read(file, size, place + i, length, byte_at);
        check_read(file, size, place + i, PAGE_SIZE, byte_at);
    }
}

/* All bytes of the file through a mapping, and the zeros from its end to the end of the page. */
static void check_mapping(int file, uint64_t size, unsigned char (*byte_at)(uint64_t))
{
    uint64_t mapped = (size + PAGE_SIZE - 1) & -PAGE_SIZE;
    const unsigned char *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);

    CHECK(bytes != MAP_FAILED);
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != byte_at(i))
            CHECK_EQ(bytes[i], byte_at(i));
    for (uint64_t i = size; i < mapped; i++)
        CHECK_EQ(bytes[i], 0);
    CHECK_EQ(munmap((void *)bytes, size), 0);
}

TEST(ends_of_files_around_every_boundary)
{
    char path[64];
    off_t size;

    for (size_t i = 0; i < array_size(boundaries); i++) {
        for (int distance = -1; distance <= 1; distance++) {
            snprintf(path, sizeof path, FOLDER "size-%d", boundaries[i] + distance);
            int file = open_checked(path, &size);
            CHECK_EQ(size, boundaries[i] + distance);
            check_around(file, size, size, plain_byte);
            check_around(file, size, size / 2, plain_byte);
            check_around(file, size, boundaries[i] + PAGE_SIZE, plain_byte);
            check_mapping(file, size, plain_byte);
            CHECK_EQ(lseek(file, 0, SEEK_END), size);
            CHECK_EQ(read(file, path, 1), 0);
            CHECK_EQ(close(file), 0);
        }
    }
}

TEST(holes_around_every_block_and_page)
{
    off_t size;
    int file = open_checked(FOLDER "holes", &size);

    CHECK_EQ(size, 96 * UNIT + 77);
    for (off_t place = 0; place <= size; place += UNIT)
        check_around(file, size, place, holed_byte);
    check_around(file, size, size, holed_byte);
    check_mapping(file, size, holed_byte);
    CHECK_EQ(close(file), 0);
}

TEST(a_file_of_holes_alone)
{
    off_t size;
    int file = open_checked(FOLDER "nothing-but-a-hole", &size);
    unsigned char *bytes = malloc(size);

    CHECK(bytes && size == 10000);
    CHECK_EQ(pread(file, bytes, size, 0), size);
    for (off_t i = 0; i < size; i++)
        CHECK_EQ(bytes[i], 0);
    free(bytes);
    CHECK_EQ(close(file), 0);
}

TEST(a_line_behind_a_large_hole)
{
    off_t size;
    char text[16];
    int file = open_checked("/data/far.bin", &size);

    CHECK_EQ(size, (80 << 20) + 9);
    CHECK_EQ(pread(file, text, sizeof text, 80 << 20), 9);
    CHECK(memcmp(text, "far away\n", 9) == 0);
    CHECK_EQ(pread(file, text, 2, (80 << 20) - 1), 2);
    CHECK(text[0] == 0 && text[1] == 'f');
    CHECK_EQ(pread(file, text, 1, 40 << 20), 1);
    CHECK_EQ(text[0], 0);
    CHECK_EQ(close(file), 0);
}

TEST(an_empty_file)
{
    char byte;
    off_t size;
    int file = open_checked("/data/empty", &size);

    CHECK_EQ(size, 0);
    CHECK_EQ(read(file, &byte, 1), 0);
    CHECK_EQ(pread(file, &byte, 1, 4096), 0);
    CHECK(mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == ENXIO);
    CHECK_EQ(close(file), 0);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
