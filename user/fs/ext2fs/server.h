/*
 * server.h: the two threads of the file server and what they share.
 *
 * The client thread answers requests on channels, the pager thread asks the disk for the pages that
 * the kernel asks us for. They wait on different ports, so a page never waits behind a client's
 * request.
 */
#pragma once

#include "ext2.h"

#include <quire.h>

/*
 * An open file: one for each inode, and one VMO, however often it is opened.  It is made at the
 * first open and kept, so that what was read stays in memory as long as the kernel has room for it.
 * Immutable: the file system is read-only.  Its address is the key of its page requests.
 */
struct file {
    struct file *next;                  /* files.c */
    struct inode inode;
    handle_t vmo;                       /* with all rights; clients get less */
};

struct server {                         /* immutable once the threads run */
    struct disk disk;
    struct file_system fs;
    handle_t pager;
    handle_t pager_port;                /* PAGE_REQUEST and BLOCK packets */
    handle_t client_port;               /* SIGNAL packets of the clients' channels */
};

extern struct server server;

/* files.c: the open file of a regular inode.  Client thread only. */
status_t file_open(const struct inode *inode, struct file **out_file);

/* file_pager.c */
status_t file_pager_start(void);

/*
 * protocol.c: takes over the first client's channel end; serve does not return unless the port
 * fails.
 */
status_t protocol_start(handle_t channel);
status_t protocol_serve(void);
