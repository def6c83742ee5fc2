/*
 * inode.c: from an inode number to a checked copy of the inode.
 */
#include "ext2.h"

#include <string.h>

/* Where the inode is on the disk. */
static status_t inode_locate(const struct file_system *fs, uint32_t number, uint64_t *out_offset)
{
    uint32_t group = (number - 1) / fs->inodes_per_group;
    uint64_t index = (number - 1) % fs->inodes_per_group;
    uint64_t descriptor_offset =
        (uint64_t)(fs->first_data_block + 1) * fs->block_size + group * sizeof(struct ext2_group);
    struct ext2_group descriptor;
    status_t status = disk_read(fs->disk, descriptor_offset, &descriptor, sizeof(descriptor));

    if (status != OK)
        return status;
    uint64_t block = descriptor.inode_table + index * fs->inode_size / fs->block_size;
    if (!file_system_has_block(fs, descriptor.inode_table) || block >= fs->blocks_count) {
        complain("group %u: its inode table at block %u is outside the file system",
                 (unsigned)group, (unsigned)descriptor.inode_table);
        return ERR_IO;
    }
    *out_offset = (uint64_t)descriptor.inode_table * fs->block_size + index * fs->inode_size;
    return OK;
}

/* The most that direct and indirect pointers can reach. */
static uint64_t largest_size(const struct file_system *fs)
{
    uint64_t pointers = fs->block_size / sizeof(uint32_t);

    return (EXT2_DIRECT + pointers + pointers * pointers + pointers * pointers * pointers) *
           fs->block_size;
}

static void inode_fill(const struct file_system *fs, uint32_t number,
                       const struct ext2_inode *record, struct inode *inode)
{
    uint32_t attribute_blocks = record->attribute_block != 0 ? fs->block_size / 512 : 0;

    *inode = (struct inode){
        .number = number,
        .attributes = {
            .inode = number,
            .size = record->size,
            .blocks = record->blocks,
            .mode = record->mode,
            .links = record->links,
            .user = record->user | (uint32_t)record->user_high << 16,
            .group = record->group | (uint32_t)record->group_high << 16,
            .access_time = (int32_t)record->access_time,
            .modify_time = (int32_t)record->modify_time,
            .change_time = (int32_t)record->change_time,
            .block_size = fs->block_size,
        },
    };
    memcpy(inode->pointers, record->pointers, sizeof(inode->pointers));
    if (inode_type(inode) == FS_MODE_REGULAR)
        inode->attributes.size |= (uint64_t)record->size_high << 32;
    inode->short_link = inode_type(inode) == FS_MODE_LINK && record->blocks <= attribute_blocks;
}

static bool inode_is_consistent(const struct file_system *fs, const struct inode *inode)
{
    uint64_t size = inode->attributes.size;

    switch (inode_type(inode)) {
    case FS_MODE_REGULAR:
        return size <= largest_size(fs);
    case FS_MODE_DIRECTORY:
        return size != 0 && size % fs->block_size == 0;
    case FS_MODE_LINK:
        return size != 0 && size <= (inode->short_link ? sizeof(inode->pointers) - 1 : FS_PATH_MAX);
    case FS_MODE_FIFO:
    case FS_MODE_CHARACTER:
    case FS_MODE_BLOCK:
    case FS_MODE_SOCKET:
        return true;
    default:
        return false;
    }
}

status_t inode_load(const struct file_system *fs, uint32_t number, struct inode *out_inode)
{
    struct ext2_inode record;
    uint64_t offset;

    if (number == 0 || number > fs->inodes_count) {
        complain("inode %u does not exist", (unsigned)number);
        return ERR_IO;
    }
    status_t status = inode_locate(fs, number, &offset);
    if (status == OK)
        status = disk_read(fs->disk, offset, &record, sizeof(record));
    if (status != OK)
        return status;

    inode_fill(fs, number, &record, out_inode);
    if (record.links == 0 || !inode_is_consistent(fs, out_inode)) {
        complain("inode %u is damaged (mode 0%o, %u links, size %llu)", (unsigned)number,
                 record.mode, record.links, (unsigned long long)out_inode->attributes.size);
        return ERR_IO;
    }
    return OK;
}
