/*
 * server.h: what the parts of the file server share.
 *
 * Two buckets of threads (<quire/ports.h>): the clients' answers requests on channels, the pagers'
 * asks the disk for the pages that the kernel asks us for. A page never waits behind a client's
 * request.
 */
#pragma once

#include "ext2.h"

#include <quire/pager.h>

/*
 * An open file: one for each inode, and one VMO, however often it is opened. It is made at the
 * first open and outlives its last client for a while: what was read need not be read again.
 */
struct file {
    struct pager pager;                 /* first: a file is a pager */
    struct inode inode;                 /* immutable: the file system is read-only */
    /* The rest is guarded by the lock of files.c. */
    struct file *next;                  /* in its bucket */
    bool in_use;                        /* clients have it, and pager_watch will tell their end */
    struct file *older, *newer;         /* among those not in use */
    uint64_t charge;                    /* bytes that it keeps while not in use */
};

struct server {                         /* immutable once the threads run */
    struct disk disk;
    struct file_system fs;
    struct pager_service pagers;
    struct port_bucket clients;
};

extern struct server server;

/*
 * files.c. file_open makes a handle to the file's pages for a client; the path is for listings.
 * files_make_room gives memory back if there is little, or in any case.
 */
status_t file_open(const struct inode *inode, const char *path, size_t length, handle_t *out_vmo);
void file_unused(struct pager *pager);
void file_free(struct pager *pager);
void files_make_room(bool in_any_case);
void files_count(struct fs_cache_statistics *statistics);

/* file_pager.c */
extern const struct pager_ops file_ops;

/* protocol.c: takes over the first client's channel end. */
status_t protocol_start(handle_t channel);
