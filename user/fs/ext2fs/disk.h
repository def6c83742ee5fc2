/*
 * disk.h: the partition under the file system.
 */
#pragma once

#include "abi/types.h"

#include <stdbool.h>

struct disk {
    handle_t device;            /* the partition: file data is read from it by sys_block_submit */
    handle_t vmo;               /* the same as memory, for metadata; the kernel caches it */
    uint64_t size;
    uint32_t max_transfer;
};

/* Takes over the partition handle. */
status_t disk_init(struct disk *disk, handle_t device);

/*
 * Copy metadata out of the partition; waits for the device, never for another process.
 * OUT_OF_RANGE; IO.
 */
status_t disk_read(struct disk *disk, uint64_t offset, void *to, size_t length);
