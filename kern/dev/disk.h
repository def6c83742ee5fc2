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
 * A request.  The owner fills the first part and keeps the storage (never on a stack that can be
 * killed) until `done`, which is called with no locks held, perhaps in an interrupt (so it never
 * sleeps), and may free it.
 */
struct disk_request {
    uint32_t op;                        /* BLOCK_READ, _WRITE; _FLUSH only if disk_can_flush */
    uint64_t offset;                    /* bytes on the disk; a multiple of the block size */
    uint32_t segment_count;
    struct { paddr_t address; uint32_t length; } segments[DISK_SEGMENTS];
    void (*done)(struct disk_request *, status_t status);   /* OK or ERR_IO */

    struct list_node link;              /* disk.lock */
    status_t status;                    /* between completion and done */
};

/*
 * Start it, or queue it behind others when the ring is full.  IO at once, without a call of `done`,
 * if the device has stopped for good.  Takes disk.lock; callable under a family lock.
 */
status_t disk_submit(struct disk *disk, struct disk_request *request);

/* Find the disks of `machine`, numbered in its order; report what is there on the console. */
void disks_init(void);
struct disk *disk_by_index(uint32_t index);     /* NULL: no such disk */

/* Sizes and flags never change; counters may be a little old. */
const block_info_t *disk_info(const struct disk *disk);

static inline uint64_t disk_size(const struct disk *disk) { return disk_info(disk)->size; }
static inline bool disk_read_only(const struct disk *disk)
{
    return disk_info(disk)->flags & BLOCK_INFO_READ_ONLY;
}
/* False: writes are on the medium when they complete. */
static inline bool disk_can_flush(const struct disk *disk)
{
    return disk_info(disk)->flags & BLOCK_INFO_FLUSH;
}
