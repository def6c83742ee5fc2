/*
 * disk.h: asynchronous requests to a disk (virtio-blk), many in flight.
 */
#pragma once

#include "lib/list.h"
#include "lib/status.h"
#include "vm/vmo.h"

struct disk;

#define DISK_SEGMENTS 34                /* scatter-gather entries of one request */

/*
 * A request.  The owner fills the first part and keeps the storage (never on a stack that can be killed) until `done`, which is
 * called with no locks held, perhaps in an interrupt (so it never sleeps), and may free it.
 */
struct disk_request {
    uint32_t op;                        /* BLOCK_READ, _WRITE; _FLUSH only if the disk has BLOCK_INFO_FLUSH */
    uint64_t offset;                    /* bytes on the disk; a multiple of the block size */
    uint32_t segment_count;
    struct { paddr_t address; uint32_t length; } segments[DISK_SEGMENTS];
    void (*done)(struct disk_request *, status_t status);   /* OK or ERR_IO */

    struct list_node link;              /* disk.lock */
    status_t status;                    /* between completion and done */
};

/* Start it, or queue it behind others when the ring is full.  Takes disk.lock; callable under a family lock. */
void disk_submit(struct disk *disk, struct disk_request *request);

/* Find the disks of `machine`, numbered by ascending address; report what is there on the console. */
void disks_init(void);
struct disk *disk_by_index(uint32_t index);     /* NULL: no such disk */
uint64_t disk_size(const struct disk *disk);    /* bytes */
uint32_t disk_block_size(const struct disk *disk);      /* a power of two, 512 to PAGE_SIZE */
uint32_t disk_max_transfer(const struct disk *disk);    /* bytes of one request, in whole pages */
bool disk_read_only(const struct disk *disk);
bool disk_can_flush(const struct disk *disk);   /* false: writes are on the medium when they complete */
void disk_info(struct disk *disk, block_info_t *info);
