/*
 * swap.h: devices for the default pager, and what programs ask about them.  All of it needs the default pager's handle.
 */
#pragma once

#include <quire.h>

enum { DEVICE_NAME_SIZE = 32, DEVICE_LIST_SIZE = 512, SWAP_CLUSTER_SIZE = 8 * PAGE_SIZE };

/*
 * Let the default pager use a device, whose content is lost, as the one segment of a store of its own, which lives until it is
 * deleted.  priority: 4, the usual one, goes before 0.  INVALID_ARGS: it is in use already; ACCESS_DENIED: it cannot be written.
 */
status_t swap_add(handle_t device, int32_t priority);

/* --- How much there is. --- */

struct swap_space {
    uint64_t total, free;               /* pages of all segments; what could not be written is not free */
    info_swap_t moved;                  /* since the start of the system */
};

/* `moved` stays as it was while there is no store that could tell.  BAD_HANDLE: no default pager; what info_list answers. */
status_t swap_space_read(struct swap_space *space);
/* All segments in a block of memory from malloc, for the caller to free. */
status_t swap_segments(info_segment_t **out_segments, size_t *out_count);
/* Are some bytes of the segment the device's? */
bool swap_segment_is_on(const info_segment_t *segment, const block_info_t *device);

/* --- Names of devices. --- */

/* Of a range of a disk: "vda", "vda2", or "vda+1024" if no partition is just there.  Returns out. */
char *device_name(uint32_t disk, uint64_t offset, uint64_t length,
                  char out[static DEVICE_NAME_SIZE]);
/* All disks and partitions, with labels: "vda, vda1 (root), vdb".  Returns out; a list too long ends in "...". */
char *device_list(char out[static DEVICE_LIST_SIZE]);
