/* block.h: block devices as objects: a disk or a range of one.  The range is the capability. */
#pragma once

#include "dev/disk.h"
#include "ipc/port.h"

struct block {
    struct object object;

    /* Immutable: where on the disk the range begins and how long it is, in bytes. */
    struct disk *disk;
    uint64_t offset, length;
};

extern const struct object_ops block_ops;

/* A range of a disk, unchecked.  Handles to one of a read-only disk must not have RIGHT_WRITE. */
status_t block_create(struct disk *disk, uint64_t offset, uint64_t length,
                      struct block **out_block);
/* A range of a range.  INVALID_ARGS if misaligned or empty, OUT_OF_RANGE. */
status_t block_create_partition(struct block *block, uint64_t offset, uint64_t length,
                                struct block **out_block);
/*
 * A VMO whose pages are the device's.  What lies beyond the end of the device in its last page is
 * zero and never written.  Two VMOs of one range do not see each other's pages before a sync.
 */
status_t block_create_vmo(struct block *block, struct vmo **out_vmo);
/*
 * sys_block_submit after the handles are looked up.  The packet goes to `port` under `key`, also when the transfer fails.
 * INVALID_ARGS (op, alignment, no length), OUT_OF_RANGE (device, or more than max_transfer), or what vmo_transfer_begin
 * says: then nothing is started and no packet comes.  A flush has no VMO (NULL), no offsets and no length (0).
 */
status_t block_submit(struct block *block, struct port *port, uint64_t key, uint32_t op,
                      struct vmo *vmo, uint64_t vmo_offset, uint64_t offset, uint64_t length);
