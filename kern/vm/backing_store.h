/*
 * backing_store.h: backing stores, and which of their blocks keeps what.
 *
 * A store has segments: ranges of disks, cut into blocks of one page.  A segment's map tells whose page each block holds; it is
 * made with the segment, so nothing else here needs memory.  Nothing here touches a device.
 * Every function takes swap_lock (RANK_SWAP) unless it says otherwise.
 */
#pragma once

#include "object/object.h"

#define SEGMENTS_MAX 31u                /* of all stores */
#define SWAP_NONE    0ul                /* the number of no block */

/* A range of a disk, in bytes. */
struct swap_device {
    struct object *object;              /* what the disk is read and written through */
    uint64_t offset, length;
    uint32_t disk, block_size;          /* which disk; transfers begin and end at multiples of block_size */
};

struct backing_store {
    struct object object;
    info_backing_store_t info;          /* swap_lock; priority and cluster size are immutable; the system's counters are unused */
    enum { STORE_LIVE, STORE_DRAINING /* gives out nothing */, STORE_DELETED } state;       /* swap_lock */
};

/* So many slots of the family `owner`, at `index` of its coordinate, hold the block.  0: it is free, or retired. */
struct swap_entry {
    void *owner;
    uint64_t index;
    uint32_t holders;
};

extern const struct object_ops backing_store_ops;

/* priority: 4 and -1 are 4, the rest 0.  cluster_size: bytes, made 1, 2, 4 or 8 pages; 0: 4.  NO_MEMORY. */
status_t backing_store_create(int32_t priority, uint32_t cluster_size, struct object **out_store);
/*
 * Use the records [offset, offset + count) of the device.  INVALID_ARGS: no such records, or a segment of any store has some of
 * the bytes; BAD_STATE: not live; NO_RESOURCES: the table is full; NO_MEMORY.
 */
status_t backing_store_add_segment(struct backing_store *store, const struct swap_device *device,
                                   uint64_t offset, uint64_t count, uint32_t record_size);
/* BAD_STATE: deleted. */
status_t backing_store_info(struct backing_store *store, info_backing_store_t *info);
/* Give out none of its blocks from now on, or (false) give them out again.  BAD_STATE: deleted, or that is so already. */
status_t backing_store_drain(struct backing_store *store, bool drain);
/* Have the other stores, and memory, room for what it holds? */
bool backing_store_has_room(const struct backing_store *store);
/* Tell once with USER_0, USER_1 of the object (one object, for ever) that fewer than `below`, more than `above` pages are free. */
void backing_store_set_alerts(struct object *object, uint64_t below, uint64_t above);
/* Let go of all segments.  BAD_STATE: deleted; NO_SPACE: a block is in use, and nothing has changed.  No locks held. */
status_t backing_store_delete(struct backing_store *store);
/* What an entry of the table of segments says; false: it is empty. */
bool swap_segment_info(uint32_t number, info_segment_t *info);

/* The store that has this koid and segments, with a reference; NULL. */
struct object *backing_store_find(uint64_t koid);

/*
 * Up to `wanted` (not 0) consecutive blocks, *out_count of them, held once each for pages of owner at index, index + 1, ...: the
 * number of the first; SWAP_NONE: all are in use.  `after`, if not SWAP_NONE: the next ones must begin there, or there are none.
 */
uint64_t swap_alloc(uint32_t wanted, uint64_t after, void *owner, uint64_t index, uint32_t *out_count);
/* Is any block free that may be given out? */
bool swap_has_room(void);
/* One slot more has the block; or so many have it. */
void swap_hold(uint64_t block);
void swap_set_holders(uint64_t block, uint32_t holders);
/* One fewer.  The last one frees it; not good (it cannot be written): retires it, and nobody gets it again. */
void swap_release(uint64_t block, bool good);
/* Which device holds a block that is in use, and at which byte of the disk.  Takes no lock. */
const struct swap_device *swap_place(uint64_t block, uint64_t *out_offset);
/* The first block of the store (NULL: of any) from *block (SWAP_NONE: any) on that is in use; `ref` keeps its owner.  False: there is none. */
bool swap_next_used(const struct backing_store *store, uint64_t *block, struct swap_entry *entry,
                    void (*ref)(void *owner));
/* So many pages were written to (SWAP_OUT) or read from blocks, beginning with this one, or could not be. */
void swap_count(uint64_t block, uint32_t way, uint32_t pages, status_t status);
