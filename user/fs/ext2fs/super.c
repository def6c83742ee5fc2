/*
 * super.c: what kind of ext2 is this, and can we read it?
 *
 * The superblock is checked so far that no later arithmetic on its numbers can overflow or divide
 * by zero: sizes are within the partition, and groups and inodes agree with each other.
 */
#include "ext2.h"

#include <string.h>

static bool super_is_consistent(const struct ext2_super *super, uint64_t disk_size)
{
    if (super->log_block_size > 2)
        return false;
    uint64_t block_size = 1024ul << super->log_block_size;

    if (super->first_data_block != (block_size == 1024) ||
        super->blocks_count <= super->first_data_block)
        return false;
    if (super->blocks_per_group == 0 || super->blocks_per_group > 8 * block_size)
        return false;
    if (super->inodes_per_group == 0 || super->inodes_per_group > 8 * block_size)
        return false;
    uint64_t groups =
        ((uint64_t)super->blocks_count - super->first_data_block + super->blocks_per_group - 1) /
        super->blocks_per_group;
    uint64_t descriptors_end =
        (super->first_data_block + 1) * block_size + groups * sizeof(struct ext2_group);

    return super->inodes_count >= EXT2_ROOT_INODE &&
           super->inodes_count <= groups * super->inodes_per_group &&
           descriptors_end <= super->blocks_count * block_size &&
           super->blocks_count * block_size <= disk_size;
}

static bool inode_size_is_valid(uint32_t size)
{
    return size >= sizeof(struct ext2_inode) && size <= 1024 && (size & (size - 1)) == 0;
}

static status_t super_check(const struct ext2_super *super, uint64_t disk_size)
{
    uint32_t unknown =
        super->revision == 0 ? 0 : super->incompatible & ~EXT2_INCOMPATIBLE_FILE_TYPE;

    if (super->magic != EXT2_MAGIC) {
        complain("this is not an ext2 file system (magic 0x%x, not 0x%x)", super->magic,
                 EXT2_MAGIC);
        return ERR_IO_DATA_INTEGRITY;
    }
    if (super->revision > 1 || unknown != 0) {
        complain("cannot read this file system: revision %u, unknown features 0x%x (mke2fs -O "
                 "none,sparse_super,filetype)",
                 (unsigned)super->revision, (unsigned)unknown);
        return ERR_NOT_SUPPORTED;
    }
    if (!super_is_consistent(super, disk_size) ||
        (super->revision == 1 && !inode_size_is_valid(super->inode_size))) {
        complain("the superblock contradicts itself or the partition of %llu KiB",
                 (unsigned long long)disk_size / 1024);
        return ERR_IO_DATA_INTEGRITY;
    }
    return OK;
}

status_t file_system_mount(struct file_system *fs, struct disk *disk)
{
    struct ext2_super super;
    status_t status = disk_read(disk, EXT2_SUPER_OFFSET, &super, sizeof(super));

    if (status != OK) {
        complain("cannot read the superblock (status %d)", (int)status);
        return status;
    }
    status = super_check(&super, disk->size);
    if (status != OK)
        return status;

    *fs = (struct file_system){
        .disk = disk,
        .block_size = 1024u << super.log_block_size,
        .blocks_count = super.blocks_count,
        .first_data_block = super.first_data_block,
        .blocks_per_group = super.blocks_per_group,
        .inodes_count = super.inodes_count,
        .inodes_per_group = super.inodes_per_group,
        .inode_size = super.revision == 0 ? sizeof(struct ext2_inode) : super.inode_size,
        .group_count =
            (super.blocks_count - super.first_data_block - 1) / super.blocks_per_group + 1,
        .free_blocks = super.free_blocks,
        .free_inodes = super.free_inodes,
        .has_file_type = super.revision == 1 && (super.incompatible & EXT2_INCOMPATIBLE_FILE_TYPE),
    };
    memcpy(fs->label, super.label, sizeof(super.label));

    struct inode root;
    status = inode_load(fs, EXT2_ROOT_INODE, &root);
    if (status == OK && inode_type(&root) != FS_MODE_DIRECTORY) {
        complain("the root is not a directory");
        status = ERR_IO_DATA_INTEGRITY;
    }
    return status;
}

bool file_system_has_block(const struct file_system *fs, uint32_t block)
{
    return block > fs->first_data_block && block < fs->blocks_count;
}
