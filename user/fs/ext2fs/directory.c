/*
 * directory.c: the names in a directory.
 *
 * A directory is a file of blocks; in each, entries follow one another without a gap, the last one
 * reaching to the block's end.  An offset from outside (a client's cookie) may point anywhere: the
 * walk always begins at the start of a block and passes over what lies before the offset.
 */
#include "ext2.h"

#include <stddef.h>
#include <string.h>

#define ENTRY_HEADER offsetof(struct ext2_entry, name)

status_t directory_begin(struct directory_cursor *cursor, const struct file_system *fs,
                         const struct inode *directory, uint64_t from)
{
    if (inode_type(directory) != FS_MODE_DIRECTORY)
        return ERR_WRONG_TYPE;
    cursor->fs = fs;
    cursor->directory = directory;
    cursor->from = from;
    cursor->position = from - from % fs->block_size;
    return OK;
}

static uint32_t entry_name_length(const struct file_system *fs, const struct ext2_entry *entry)
{
    return entry->name_length | (fs->has_file_type ? 0 : (uint32_t)entry->type << 8);
}

/* `room`: bytes to the end of the block. */
static bool entry_is_valid(const struct file_system *fs, const struct ext2_entry *entry,
                           uint32_t room)
{
    if (room < ENTRY_HEADER || entry->record_length < ENTRY_HEADER ||
        entry->record_length % 4 != 0 || entry->record_length > room)
        return false;
    if (entry->inode == 0)
        return true;
    uint32_t length = entry_name_length(fs, entry);
    return entry->inode <= fs->inodes_count && length >= 1 && length <= FS_NAME_MAX &&
           ENTRY_HEADER + length <= entry->record_length &&
           memchr(entry->name, '/', length) == NULL && memchr(entry->name, '\0', length) == NULL;
}

status_t directory_next(struct directory_cursor *cursor, struct directory_entry *out_entry)
{
    const struct file_system *fs = cursor->fs;
    const struct inode *directory = cursor->directory;

    while (cursor->position < directory->attributes.size) {
        uint64_t at = cursor->position;
        uint32_t within = at % fs->block_size;

        if (within == 0) {
            status_t status = blocks_read(fs, directory, at, cursor->block, fs->block_size);
            if (status != OK)
                return status;
        }
        const struct ext2_entry *entry = (const struct ext2_entry *)(cursor->block + within);
        if (!entry_is_valid(fs, entry, fs->block_size - within)) {
            complain("directory %u is damaged at byte %llu", (unsigned)directory->number,
                     (unsigned long long)at);
            return ERR_IO;
        }
        cursor->position += entry->record_length;
        if (at < cursor->from || entry->inode == 0)
            continue;
        *out_entry = (struct directory_entry){
            .inode = entry->inode,
            .type =
                fs->has_file_type && entry->type <= FS_ENTRY_LINK ? entry->type : FS_ENTRY_UNKNOWN,
            .name_length = entry->name_length,
            .name = entry->name,
            .next = cursor->position,
        };
        return OK;
    }
    *out_entry = (struct directory_entry){ .inode = 0 };
    return OK;
}

status_t directory_find(const struct file_system *fs, const struct inode *directory,
                        const char *name, size_t length, uint32_t *out_number)
{
    struct directory_cursor cursor;
    struct directory_entry entry;
    status_t status = directory_begin(&cursor, fs, directory, 0);

    while (status == OK) {
        status = directory_next(&cursor, &entry);
        if (status != OK)
            break;
        if (entry.inode == 0)
            return ERR_NOT_FOUND;
        if (entry.name_length == length && memcmp(entry.name, name, length) == 0) {
            *out_number = entry.inode;
            return OK;
        }
    }
    return status;
}
