/*
 * fs.h: how a program talks to a file server.
 *
 * A client holds one end of a channel, sends requests on it with sys_channel_call, and each is
 * answered by one message with the same transaction id (the kernel chooses it).  Opening a file
 * gives handles; from then on reading and mapping concern only the client, the kernel and, for
 * pages that are not in memory yet, the server's pager thread.
 *
 * The VMOs are pager-backed: the first access to a page waits for a user process, and it fails with
 * ERR_IO if the disk fails, or ERR_BAD_STATE if the server is gone.  sys_vmo_read needs
 * VMO_MAY_BLOCK; streams always may block.
 *
 * A channel end belongs to one process.  Whoever starts a child asks for a new end with fs_connect
 * and gives that to the child (START_ROOT_FS): ends cannot be duplicated, and replies must find the
 * process that asked.
 */
#pragma once

#include "abi/types.h"

#include <stdbool.h>

/* ---- The protocol ---- */

#define FS_NAME_MAX   255u              /* bytes of one name */
#define FS_PATH_MAX   4095u             /* bytes of a path */
#define FS_LINK_MAX   8u                /* symbolic links followed in one path */
#define FS_REPLY_DATA 4096u             /* most bytes after a reply */

/*
 * Numbers are for ever; new operations are added at the end.  An unknown one is answered
 * ERR_NOT_SUPPORTED.
 */
enum fs_operation {
    FS_CONNECT = 1,             /* -> handle: the client end of a new channel to this server */
    FS_OPEN,                    /* path -> attributes; handles: stream, VMO.  Regular files only */
    FS_STAT,                    /* path -> attributes */
    FS_READ_DIRECTORY,          /* path, cookie -> entries, the next cookie; no entries: the end */
    FS_READ_LINK,               /* path -> the link's target */
    FS_STATFS,                  /* -> struct fs_statistics */
    FS_CACHE_STATISTICS,        /* -> struct fs_cache_statistics */
};

/* Flags of a request. */
enum {
    FS_NO_FOLLOW = 1 << 0,      /* if the last name is a symbolic link, the link itself is meant */
};

/*
 * A request: this, then path_length bytes of path without a final zero.  A path begins at the
 * server's root, with or without a leading slash; "" and "/" are the root itself.  The client makes
 * relative paths absolute.
 */
struct fs_request {
    uint32_t transaction;
    uint32_t operation;
    uint32_t flags;
    uint32_t path_length;
    uint64_t cookie;            /* FS_READ_DIRECTORY: 0 to begin, then what the last reply said */
};

struct fs_attributes {
    uint64_t inode, size, blocks;       /* blocks: of 512 bytes, as POSIX counts */
    uint32_t mode;              /* type and permissions with POSIX' numbers: FS_MODE_ below */
    uint32_t links, user, group;
    int64_t  access_time, modify_time, change_time; /* seconds since 1970 */
    uint32_t block_size, reserved;
};

enum {
    FS_MODE_TYPE = 0170000,
    FS_MODE_FIFO = 0010000,
    FS_MODE_CHARACTER = 0020000,
    FS_MODE_DIRECTORY = 0040000,
    FS_MODE_BLOCK = 0060000,
    FS_MODE_REGULAR = 0100000,
    FS_MODE_LINK = 0120000,
    FS_MODE_SOCKET = 0140000,
};

/*
 * A reply: this, then data_length bytes.  Only transaction and status mean something unless status
 * is OK.  The server's very first message, before any request, is a reply with transaction 0: the
 * status of the mount.
 *
 * Errors: NOT_FOUND; WRONG_TYPE: not a directory, file or link where one is needed; INVALID_ARGS: a
 * malformed request, or a name or path too long; NO_RESOURCES: too many links in the path;
 * NOT_SUPPORTED: unknown operation or flag; IO: the disk failed or is damaged there; NO_MEMORY.
 */
struct fs_reply {
    uint32_t transaction;
    status_t status;
    uint32_t data_length;
    uint32_t reserved;
    uint64_t cookie;
    struct fs_attributes attributes;
};

/*
 * The data of FS_READ_DIRECTORY is a run of these, each padded to record_length, a multiple of 8.
 */
struct fs_entry {
    uint64_t inode;
    uint64_t cookie;                    /* resumes behind this entry */
    uint16_t record_length;
    uint8_t  type;                      /* enum fs_entry_type; UNKNOWN: ask with FS_STAT */
    uint8_t  name_length;               /* without the zero that ends the name */
    char     name[];
};

enum fs_entry_type {
    FS_ENTRY_UNKNOWN,
    FS_ENTRY_REGULAR,
    FS_ENTRY_DIRECTORY,
    FS_ENTRY_CHARACTER,
    FS_ENTRY_BLOCK,
    FS_ENTRY_FIFO,
    FS_ENTRY_SOCKET,
    FS_ENTRY_LINK,
};

struct fs_statistics {
    uint64_t blocks, free_blocks, inodes, free_inodes;
    uint32_t block_size, read_only;
    char     type[16], label[17];
    char     reserved[7];
};

/* What the server has done since it was started, and what it keeps. */
struct fs_cache_statistics {
    uint64_t requests;          /* of the kernel, for pages of files */
    uint64_t pages_asked, pages_read;   /* what is read beyond what is asked is read-ahead */
    uint64_t pages_failed;
    uint64_t unused_bytes;      /* kept of files that no client has open */
    uint32_t files, unused_files;
};

/*
 * ---- The client (user/lib/file.c).  All are safe in several threads; paths end with a zero. ----
 */

struct fs_file {
    handle_t stream;            /* READ; a seek position of its own, from 0 */
    handle_t vmo;               /* READ MAP EXECUTE DUPLICATE TRANSFER INSPECT WAIT; never WRITE */
    struct fs_attributes attributes;
};

/*
 * Wait for the server's first message: the status of the mount, PEER_CLOSED if the server died
 * first.
 */
status_t fs_wait_mounted(handle_t fs);

/* A new channel end to the same server, for a child process. */
status_t fs_connect(handle_t fs, handle_t *out_fs);

/*
 * Open a regular file for reading.  flags: FS_NO_FOLLOW.  The caller owns both handles: fs_close,
 * or close them singly.
 */
status_t fs_open(handle_t fs, const char *path, uint32_t flags, struct fs_file *out_file);
void fs_close(struct fs_file *file);

status_t fs_stat(handle_t fs, const char *path, uint32_t flags,
                 struct fs_attributes *out_attributes);
status_t fs_statfs(handle_t fs, struct fs_statistics *out_statistics);
status_t fs_cache_statistics(handle_t fs, struct fs_cache_statistics *out_statistics);

/* The target of a symbolic link, zero terminated.  BUFFER_TOO_SMALL. */
status_t fs_read_link(handle_t fs, const char *path, char *target, size_t size);

/*
 * A walk through a directory.  It holds no handle, so it may simply be dropped; path must stay
 * valid.
 */
struct fs_directory {
    handle_t fs;
    const char *path;
    uint64_t cookie;
    uint32_t position, length;          /* in entries */
    uint64_t entries[FS_REPLY_DATA / 8];
};

void fs_directory_begin(struct fs_directory *directory, handle_t fs, const char *path);
/* The next entry ("." and ".." among them), valid until the next call; NULL at the end. */
status_t fs_directory_next(struct fs_directory *directory, const struct fs_entry **out_entry);
