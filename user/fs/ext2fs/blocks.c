/*
 * blocks.c: from a block of a file to a block of the disk.
 *
 *     pointers[0..11]   -> data
 *     pointers[12]      -> a block of pointers -> data
 *     pointers[13]      -> a block of pointers -> blocks of pointers -> data
 *     pointers[14]      -> one level more
 *
 * A pointer of 0 is a hole: one data block at the bottom, or everything that hangs below it. A
 * block that hangs below itself is an error; the depth is fixed, so it could not keep us for ever.
 */
#include "ext2.h"

#include <string.h>

#define RUN_MAX 128u            /* pointers looked at in one go: 128 KiB with 1 KiB blocks */

static status_t bad_pointer(const struct inode *inode, uint32_t block)
{
    complain("inode %u points at block %u, which is outside the file system",
             (unsigned)inode->number, (unsigned)block);
    return ERR_IO;
}

static status_t bad_loop(const struct inode *inode, uint32_t block)
{
    complain("inode %u: block %u hangs below itself", (unsigned)inode->number, (unsigned)block);
    return ERR_IO;
}

/*
 * Walk from the top pointer of a tree of `level` levels of indirection down to the block of
 * pointers that has the one for data block `index` of that tree.  On a hole *out_block is 0, and
 * *out_span says how many data blocks the hole has from index on; otherwise how many pointers the
 * block has from there.
 */
static status_t blocks_descend(const struct file_system *fs, const struct inode *inode,
                               unsigned level, uint64_t index, uint32_t *out_block,
                               uint64_t *out_span)
{
    uint64_t pointers = fs->block_size / sizeof(uint32_t);
    uint64_t below = 1;                 /* data blocks under one pointer of the block at hand */
    uint32_t block = inode->pointers[EXT2_DIRECT + level - 1], above[2] = { 0, 0 };

    for (unsigned i = 1; i < level; i++)
        below *= pointers;
    for (;; below /= pointers) {
        if (block == 0) {
            *out_block = 0;
            *out_span = below * pointers - index % (below * pointers);
            return OK;
        }
        if (!file_system_has_block(fs, block))
            return bad_pointer(inode, block);
        if (block == above[0] || block == above[1])
            return bad_loop(inode, block);
        if (below == 1)
            break;
        above[1] = above[0];
        above[0] = block;
        uint64_t slot = index / below % pointers;
        status_t status =
            disk_read(fs->disk, (uint64_t)block * fs->block_size + slot * sizeof(uint32_t), &block,
                      sizeof(block));
        if (status != OK)
            return status;
    }
    *out_block = block;
    *out_span = pointers - index % pointers;
    return OK;
}

/* How many of `count` pointers continue the first one: consecutive blocks, or a hole. */
static status_t run_measure(const struct file_system *fs, const struct inode *inode,
                            const uint32_t *pointers, uint64_t count, uint32_t *out_block,
                            uint32_t *out_count)
{
    uint32_t length = 1;

    if (pointers[0] != 0 && !file_system_has_block(fs, pointers[0]))
        return bad_pointer(inode, pointers[0]);
    while (length < count && pointers[length] == (pointers[0] == 0 ? 0 : pointers[0] + length) &&
           (pointers[0] == 0 || file_system_has_block(fs, pointers[length])))
        length++;
    *out_block = pointers[0];
    *out_count = length;
    return OK;
}

status_t blocks_find_run(const struct file_system *fs, const struct inode *inode, uint64_t first,
                         uint64_t limit, uint32_t *out_block, uint32_t *out_count)
{
    uint64_t per_block = fs->block_size / sizeof(uint32_t);
    uint64_t size = per_block, index = first - EXT2_DIRECT, span;   /* of the tree of this level */
    uint32_t found[RUN_MAX], table;
    unsigned level = 1;

    if (limit > RUN_MAX)
        limit = RUN_MAX;
    if (first < EXT2_DIRECT) {
        span = EXT2_DIRECT - first;
        return run_measure(fs, inode, inode->pointers + first, limit < span ? limit : span,
                           out_block, out_count);
    }
    for (; index >= size && level <= 3; level++) {
        index -= size;
        size *= per_block;
    }
    if (level > 3)
        return ERR_OUT_OF_RANGE;

    status_t status = blocks_descend(fs, inode, level, index, &table, &span);
    if (status != OK)
        return status;
    if (limit > span)
        limit = span;
    if (table == 0) {
        *out_block = 0;
        *out_count = limit;
        return OK;
    }
    status =
        disk_read(fs->disk, (uint64_t)table * fs->block_size + index % per_block * sizeof(uint32_t),
                  found, limit * sizeof(uint32_t));
    if (status == OK)
        status = run_measure(fs, inode, found, limit, out_block, out_count);
    if (status == OK && *out_block != 0 && table - *out_block < *out_count)
        status = bad_loop(inode, table);
    return status;
}

status_t blocks_read(const struct file_system *fs, const struct inode *inode, uint64_t offset,
                     void *to, size_t length)
{
    uint8_t *next = to;

    while (length > 0) {
        uint64_t within = offset % fs->block_size;
        size_t piece = fs->block_size - within < length ? fs->block_size - within : length;
        uint32_t block, count;
        status_t status = blocks_find_run(fs, inode, offset / fs->block_size, 1, &block, &count);

        if (status == OK && block == 0)
            memset(next, 0, piece);
        else if (status == OK)
            status = disk_read(fs->disk, (uint64_t)block * fs->block_size + within, next, piece);
        if (status != OK)
            return status;
        next += piece;
        offset += piece;
        length -= piece;
    }
    return OK;
}
