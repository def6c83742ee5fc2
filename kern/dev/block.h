/*
 * block.h: block devices as objects: a disk or a range of one.  The range is the capability.
 */
#pragma once

#include "dev/disk.h"
#include "ipc/port.h"

struct block;

extern const struct object_ops block_ops;

status_t block_create(struct disk *disk, uint64_t offset, uint64_t length, struct block **out_block);
struct block *block_from_object(struct object *object);
/* A range of a range.  INVALID_ARGS if misaligned or empty, OUT_OF_RANGE. */
status_t block_create_partition(struct block *block, uint64_t offset, uint64_t length, struct block **out_block);
void block_get_info(struct block *block, block_info_t *info);
/* A VMO whose pages are the device's (dev/device_vmo.c). */
status_t block_create_vmo(struct block *block, bool writable, struct vmo **out_vmo);
/* sys_block_submit after the handles are looked up.  The packet goes to `port` under `key`. */
status_t block_submit(struct block *block, struct port *port, uint64_t key, uint32_t op, struct vmo *vmo, uint64_t vmo_offset,
                      uint64_t offset, uint64_t length);
