/*
 * ext2.h: the ext2 file system: its records on the disk, and what we know of it in memory.
 *
 * Nothing on the disk is believed: every number that leads somewhere is checked where it is read,
 * and what is wrong ends that one operation with ERR_IO and a line in the log.  This part of the
 * server knows no system calls: it reads metadata through disk_read and nothing else.
 */
#pragma once

#include "disk.h"

#include <quire/fs.h>

#define EXT2_MAGIC            0xef53
#define EXT2_SUPER_OFFSET     1024      /* bytes, whatever the block size */
#define EXT2_ROOT_INODE       2
#define EXT2_BLOCK_MAX        4096      /* largest block size */
#define EXT2_DIRECT           12        /* pointers of an inode that lead to data */
#define EXT2_POINTERS         15        /* and three more: indirect, double, triple */
#define EXT2_INCOMPATIBLE_FILE_TYPE 0x2 /* directory entries tell the type; all else is refused */

/* All numbers on the disk are little endian, as the machine's. */
struct ext2_super {
    uint32_t inodes_count, blocks_count, reserved_blocks, free_blocks, free_inodes;
    uint32_t first_data_block;
    uint32_t log_block_size, log_fragment_size, blocks_per_group, fragments_per_group;
    uint32_t inodes_per_group;
    uint32_t mount_time, write_time;
    uint16_t mount_count, max_mount_count, magic, state, errors, minor_revision;
    uint32_t last_check, check_interval, creator, revision;
    uint16_t default_user, default_group;
    uint32_t first_inode;               /* from here on revision 1 */
    uint16_t inode_size, group_of_this_copy;
    uint32_t compatible, incompatible, read_only_compatible;
    uint8_t  uuid[16];
    char     label[16];
    uint8_t  rest[888];
};

struct ext2_group {
    uint32_t block_bitmap, inode_bitmap, inode_table;
    uint16_t free_blocks, free_inodes, directories, flags;
    uint32_t reserved[3];
};

struct ext2_inode {
    uint16_t mode, user;
    uint32_t size, access_time, change_time, modify_time, delete_time;
    uint16_t group, links;
    uint32_t blocks, flags, version;
    uint32_t pointers[EXT2_POINTERS];   /* or the text of a short symbolic link */
    uint32_t generation, attribute_block, size_high, fragment;
    uint8_t  fragment_number, fragment_size;
    uint16_t reserved0, user_high, group_high;
    uint32_t reserved1;
};

struct ext2_entry {
    uint32_t inode;                     /* 0: unused */
    uint16_t record_length;
    uint8_t  name_length, type;         /* without the feature: low and high byte of the length */
    char     name[];
};

_Static_assert(sizeof(struct ext2_super) == 1024, "the superblock is 1 KiB");
_Static_assert(sizeof(struct ext2_group) == 32, "a group descriptor is 32 bytes");
_Static_assert(sizeof(struct ext2_inode) == 128, "the part of an inode that all revisions have");

struct file_system {                    /* immutable once mounted */
    struct disk *disk;
    uint32_t block_size, blocks_count, first_data_block, blocks_per_group;
    uint32_t inodes_count, inodes_per_group, inode_size, group_count;
    uint32_t free_blocks, free_inodes;  /* as the superblock says; nothing depends on them */
    bool has_file_type;
    char label[17];
};

struct inode {                          /* a checked copy */
    uint32_t number;
    bool short_link;                    /* a symbolic link whose target is in pointers */
    struct fs_attributes attributes;
    uint32_t pointers[EXT2_POINTERS];
};

/* A line in the log, whole even when two threads write. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * super.c.  On failure one line says why: NOT_SUPPORTED for features that we lack, IO,
 * IO_DATA_INTEGRITY.
 */
status_t file_system_mount(struct file_system *fs, struct disk *disk);
/* May a pointer on the disk lead here? */
bool file_system_has_block(const struct file_system *fs, uint32_t block);

/* inode.c. */
status_t inode_load(const struct file_system *fs, uint32_t number, struct inode *out_inode);

static inline uint32_t inode_type(const struct inode *inode)
{
    return inode->attributes.mode & FS_MODE_TYPE;
}

/*
 * blocks.c: where file block `first` is, and how many of the next `limit` (at least 1) follow it
 * directly on the disk. *out_block 0: a hole of that many blocks.  May find fewer than there are:
 * ask again from there.
 */
status_t blocks_find_run(const struct file_system *fs, const struct inode *inode, uint64_t first,
                         uint64_t limit, uint32_t *out_block, uint32_t *out_count);
/* Copy metadata (directories, links) out of a file; a hole reads as zeros. */
status_t blocks_read(const struct file_system *fs, const struct inode *inode, uint64_t offset,
                     void *to, size_t length);

/* directory.c: a walk through a directory, from any offset. */
struct directory_cursor {
    const struct file_system *fs;
    const struct inode *directory;
    uint64_t from;                      /* entries before it are not wanted */
    uint64_t position;                  /* the next entry */
    uint8_t block[EXT2_BLOCK_MAX];      /* that holds it, unless it is the first in its block */
};

struct directory_entry {
    uint32_t inode;                     /* 0: the end */
    uint8_t  type, name_length;
    const char *name;                   /* in the cursor's block: not zero terminated */
    uint64_t next;                      /* the offset behind it */
};

/* WRONG_TYPE if it is no directory. */
status_t directory_begin(struct directory_cursor *cursor, const struct file_system *fs,
                         const struct inode *directory, uint64_t from);
status_t directory_next(struct directory_cursor *cursor, struct directory_entry *out_entry);
/* NOT_FOUND. */
status_t directory_find(const struct file_system *fs, const struct inode *directory,
                        const char *name, size_t length, uint32_t *out_number);

/* path.c.  FS_NO_FOLLOW in flags. */
status_t path_resolve(const struct file_system *fs, const char *path, size_t length, uint32_t flags,
                      struct inode *out_inode);
/* The target of a symbolic link: *out_length bytes, not zero terminated.  WRONG_TYPE. */
status_t link_read(const struct file_system *fs, const struct inode *inode,
                   char target[static FS_PATH_MAX], size_t *out_length);
