/* disk.h: asynchronous requests to a disk (virtio-blk), many in flight. */
#pragma once

#include "vm/vmo.h"

struct disk;

#define DISK_PIECES 34                  /* of memory in one request */

/* A piece of memory as the device sees it. */
enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_DEVICE_WRITES = 2, DESCRIPTOR_INDIRECT = 4 };
struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

/*
 * A request.  The owner prepares it with init and add, submits it, and keeps the storage, from the heap, until
 * `done`: that is called with no locks held, perhaps in an interrupt (so it never sleeps), and may free it.
 */
struct disk_request {
    uint32_t op;                        /* BLOCK_READ, _WRITE; _FLUSH only with BLOCK_INFO_FLUSH */
    uint32_t pieces;                    /* how many were added */
    uint64_t length;                    /* of all of them, in bytes */
    void (*done)(struct disk_request *, status_t status);   /* OK or ERR_IO */

    struct list_node link;              /* disk.lock */
    status_t status;                    /* between completion and done */

    /* What the device sees: a table of pieces, the header first and the result last. */
    struct { uint32_t type, reserved; uint64_t sector; } header;
    volatile uint8_t result;
    struct virtio_descriptor table[DISK_PIECES + 2];
};

/* offset: bytes on the disk, a multiple of the block size. */
void disk_request_init(struct disk_request *request, uint32_t op, uint64_t offset,
                       void (*done)(struct disk_request *, status_t status));
void disk_request_add(struct disk_request *request, paddr_t address, uint32_t length);
/*
 * Start it, or queue it behind others when the ring is full.  IO at once, without a call of `done`,
 * if the device has stopped for good.  Takes disk.lock; callable under a family lock.
 */
status_t disk_submit(struct disk *disk, struct disk_request *request);

/* Find the disks of `machine`, numbered in its order; report what is there on the console. */
void disks_init(void);
struct disk *disk_by_index(uint32_t index);     /* NULL: no such disk */

/* Size and flags never change; counters may be a little old.  Without BLOCK_INFO_FLUSH what was
 * written is on the medium. */
const block_info_t *disk_info(const struct disk *disk);
