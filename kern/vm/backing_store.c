/*
 * backing_store.c: the table of segments, and their maps.
 *
 * Blocks are given out in runs of 1, 2, 4 or 8 that begin at a multiple of their length: the first free one of a segment.  The
 * highest priority with a free block gives; within it the segment that gave least, where time in which it had nothing to give
 * does not count (swap_clock).  That a level is full is seen each time, never remembered.
 *
 * Invariant: the bit of a block in leaf->used is clear exactly if segment->free counts it.  No free run of 1 << i blocks
 * begins below hints[i], a multiple of 64.  A segment with blocks in use stays: what never changes in it is read without the lock.
 * Locks: swap_lock guards all; objects are let go after it.
 */
#include "vm/backing_store.h"

#include "mm/frame.h"
#include "mm/heap.h"
#include "task/sched.h"
#include "vm/page_list.h"
#include "vm/reclaim.h"

#define LEAF_BLOCKS  128u
#define NUMBER_BITS  40                 /* a block's number is (segment + 1) << NUMBER_BITS | place in the segment */

/* A frame of a segment's map. */
struct leaf {
    uint64_t used[LEAF_BLOCKS / 64];    /* a bit a block; a run found beyond the segment's end begins at it */
    struct swap_entry entries[LEAF_BLOCKS];
};
static_assert(sizeof(struct leaf) <= PAGE_SIZE, "a leaf is a frame");

struct segment {
    struct backing_store *store;        /* a reference; NULL: the entry is empty */
    struct swap_device device;          /* its object: a reference */
    uint64_t start, end;                /* bytes of the disk that were asked for */
    uint64_t first;                     /* byte of block 0: start may be within a sector */
    uint64_t blocks, free;
    uint64_t given;                     /* blocks, on swap_clock */
    uint64_t hints[4];
    struct page_list leaves;            /* frames of a struct leaf each */
};

static struct spinlock swap_lock = SPINLOCK_INITIALIZER(RANK_SWAP);
static struct segment segments[SEGMENTS_MAX];
static uint64_t swap_clock;             /* `given` of the segment that gave last, before it did */
static info_swap_t totals;
static uint64_t all_free, alert_below, alert_above = UINT64_MAX;     /* pages */
static struct object *alerted;

const struct object_ops backing_store_ops = {
    .type = OBJECT_BACKING_STORE,
    .default_rights = RIGHTS_BASIC | RIGHT_WRITE | RIGHT_DESTROY,
    .destroy = object_free,             /* by then it has no segments */
};

#define for_each_segment(segment) \
    for (struct segment *segment = segments; segment < segments + SEGMENTS_MAX; segment++)

/* The least n with 1 << n >= count. */
static uint32_t order_of(uint64_t count) { return count > 1 ? highest_bit(count - 1) + 1 : 0; }

status_t backing_store_create(int32_t priority, uint32_t cluster_size, struct object **out_store)
{
    struct backing_store *store = heap_alloc_zeroed(sizeof *store);
    uint64_t pages = cluster_size ? min_u64(cluster_size >> PAGE_SHIFT, 8) : 4;

    if (!store)
        return ERR_NO_MEMORY;
    object_init(&store->object, &backing_store_ops, 0);
    store->info.priority = priority == 4 || priority == -1 ? 4 : 0;
    store->info.cluster_size = PAGE_SIZE << order_of(pages);
    *out_store = &store->object;
    return OK;
}

/* --- Segments. --- */

/* Of the block at a place in the segment. */
static struct leaf *leaf_of(struct segment *segment, uint64_t place)
{
    return page_to_virt(slot_page(page_list_get(&segment->leaves, place / LEAF_BLOCKS)));
}

static void free_leaves(struct segment *segment)
{
    struct page_list *list = &segment->leaves;
    struct page *page;

    for (uint64_t i = 0; (page = page_list_next(list, &i, UINT64_MAX)); frame_free(page)) {
        struct page_list_run run = page_list_find_run(list, i, i + 1);

        *run.slots = SLOT_EMPTY;
        page_list_changed(list, &run, i, -1);
    }
}

/* Which alerts are due?  Each once. */
static void raise_alerts(void)
{
    bool below = all_free < alert_below, above = all_free > alert_above;

    if (below)
        alert_below = 0;
    if (above)
        alert_above = UINT64_MAX;
    if (below || above)
        object_signal(alerted, 0, (below ? SIGNAL_USER_0 : 0) | (above ? SIGNAL_USER_1 : 0));
}

void backing_store_set_alerts(struct object *object, uint64_t below, uint64_t above)
{
    spin_lock(&swap_lock);
    object_signal(object, SIGNAL_USER_0 | SIGNAL_USER_1, 0);
    alerted = object;
    alert_below = below;
    alert_above = above;
    raise_alerts();
    spin_unlock(&swap_lock);
}

/* So many blocks more are free (negative: fewer). */
static void count_free(struct segment *segment, int64_t blocks)
{
    segment->free += blocks;
    segment->store->info.pages_free += blocks;
    all_free += blocks;
    raise_alerts();
}

/* Not more than a quarter of memory.  NO_MEMORY: some are there. */
static status_t make_leaves(struct segment *segment)
{
    if (segment->blocks / LEAF_BLOCKS >= frame_total / 4)
        return ERR_NO_MEMORY;
    for (uint64_t i = 0; i * LEAF_BLOCKS < segment->blocks; i++) {
        struct page *page;

        do
            page = frame_alloc_zeroed(FRAME_KERNEL);
        while (!page && reclaim_for_retry());
        if (!page || page_list_set(&segment->leaves, i, slot_of_page(page)) != OK) {
            if (page)
                frame_free(page);
            return ERR_NO_MEMORY;
        }
        sched_preempt_point();
    }
    return OK;
}

static status_t insert(const struct segment *wanted)
{
    status_t status = wanted->store->state == STORE_LIVE ? OK : ERR_BAD_STATE;
    struct segment *empty = NULL;

    for_each_segment(segment) {
        if (!segment->store)
            empty = empty ? empty : segment;
        else if (segment->device.disk == wanted->device.disk &&
                 segment->start < wanted->end && wanted->start < segment->end)
            status = ERR_INVALID_ARGS;
    }
    if (status != OK || !empty)
        return status == OK ? ERR_NO_RESOURCES : status;
    *empty = *wanted;
    object_ref(&wanted->store->object);
    object_ref(wanted->device.object);
    wanted->store->info.pages_total += wanted->blocks;
    count_free(empty, (int64_t)wanted->blocks);
    return OK;
}

status_t backing_store_add_segment(struct backing_store *store, const struct swap_device *device,
                                   uint64_t offset, uint64_t count, uint32_t record_size)
{
    struct segment segment = { .store = store, .device = *device };

    if (record_size == 0 || (record_size & (record_size - 1)) || record_size > PAGE_SIZE ||
        count == 0 || !range_inside(offset, count, device->length / record_size))
        return ERR_INVALID_ARGS;
    segment.start = device->offset + offset * record_size;
    segment.end = segment.start + count * record_size;
    segment.first = (segment.start + device->block_size - 1) & -(uint64_t)device->block_size;
    segment.blocks = (max_u64(segment.end, segment.first) - segment.first) /
                     store->info.cluster_size * (store->info.cluster_size >> PAGE_SHIFT);
    status_t status = make_leaves(&segment);

    spin_lock(&swap_lock);
    if (status == OK)
        status = insert(&segment);
    spin_unlock(&swap_lock);
    if (status != OK)
        free_leaves(&segment);
    return status;
}

status_t backing_store_info(struct backing_store *store, info_backing_store_t *info)
{
    spin_lock(&swap_lock);
    *info = store->info;
    info->system = totals;
    for (uint32_t i = 0; i < hart_count; i++)
        info->system.zero_fills += harts[i].zero_fills;
    status_t status = store->state == STORE_DELETED ? ERR_BAD_STATE : OK;

    spin_unlock(&swap_lock);
    return status;
}

status_t backing_store_drain(struct backing_store *store, bool drain)
{
    spin_lock(&swap_lock);
    status_t status = store->state != (drain ? STORE_LIVE : STORE_DRAINING) ? ERR_BAD_STATE : OK;

    if (status == OK)
        store->state = drain ? STORE_DRAINING : STORE_LIVE;
    spin_unlock(&swap_lock);
    return status;
}

bool backing_store_has_room(const struct backing_store *store)
{
    const info_backing_store_t *info = &store->info;
    uint64_t frames = frame_free_count(), room = frames > 2 * frame_low ? frames - 2 * frame_low : 0;

    spin_lock(&swap_lock);
    for_each_segment(segment)
        if (segment->store && segment->store->state == STORE_LIVE)
            room += segment->free;
    bool enough = room + info->pages_free + info->pages_retired >= info->pages_total;

    spin_unlock(&swap_lock);
    return enough;
}

status_t backing_store_delete(struct backing_store *store)
{
    const info_backing_store_t *info = &store->info;
    struct object *devices[SEGMENTS_MAX];
    uint32_t count = 0;

    spin_lock(&swap_lock);
    status_t status = info->pages_free + info->pages_retired < info->pages_total ? ERR_NO_SPACE :
                      store->state == STORE_DELETED ? ERR_BAD_STATE : OK;

    if (status == OK)
        store->state = STORE_DELETED;
    for_each_segment(segment) {
        if (status == OK && segment->store == store) {
            devices[count++] = segment->device.object;
            all_free -= segment->free;
            raise_alerts();
            free_leaves(segment);
            *segment = (struct segment){ .store = NULL };
        }
    }
    spin_unlock(&swap_lock);
    while (count > 0) {
        object_unref(devices[--count]);
        object_unref(&store->object);
    }
    return status;
}

bool swap_segment_info(uint32_t number, info_segment_t *info)
{
    const struct segment *segment = &segments[number];

    spin_lock(&swap_lock);
    const struct backing_store *store = segment->store;

    if (store)
        *info = (info_segment_t){
            .store_koid = store->object.koid, .disk = segment->device.disk,
            .offset = segment->start, .length = segment->end - segment->start,
            .pages_total = segment->blocks, .pages_free = segment->free,
            .priority = store->info.priority, .cluster_size = store->info.cluster_size,
            .draining = store->state == STORE_DRAINING,
        };
    spin_unlock(&swap_lock);
    return store;
}

struct object *backing_store_find(uint64_t koid)
{
    struct object *found = NULL;

    spin_lock(&swap_lock);
    for_each_segment(segment) {
        if (!found && segment->store && segment->store->object.koid == koid) {
            found = &segment->store->object;
            object_ref(found);
        }
    }
    spin_unlock(&swap_lock);
    return found;
}

/* --- Blocks. --- */

static uint64_t block_at(const struct segment *segment, uint64_t place)
{
    return (uint64_t)(segment - segments + 1) << NUMBER_BITS | place;
}
static struct segment *segment_of(uint64_t block) { return &segments[(block >> NUMBER_BITS) - 1]; }
static uint64_t place_of(uint64_t block) { return block & ((1ul << NUMBER_BITS) - 1); }

/* A bit for each free run of 1 << order blocks. */
static uint64_t free_runs(uint64_t used, uint32_t order)
{
    uint64_t runs = ~used;

    for (uint32_t i = 0; i < order; i++)
        runs &= runs >> (1u << i);
    return runs & UINT64_MAX / ((1ul << (1u << order)) - 1);
}

/* The word with the bit of a block, which is its number there: place % 64. */
static uint64_t *used_of(struct segment *segment, uint64_t place)
{
    return &leaf_of(segment, place)->used[place % LEAF_BLOCKS / 64];
}

static struct swap_entry *entry_of(struct segment *segment, uint64_t place)
{
    return &leaf_of(segment, place)->entries[place % LEAF_BLOCKS];
}

/* The place of the first free run of 1 << order blocks, or segment->blocks. */
static uint64_t find_run(struct segment *segment, uint32_t order)
{
    for (uint64_t *hint = &segment->hints[order]; *hint < segment->blocks; *hint += 64) {
        uint64_t runs = free_runs(*used_of(segment, *hint), order);

        if (runs)
            return *hint + lowest_bit(runs);
    }
    return segment->blocks;
}

static uint64_t turn(const struct segment *segment) { return max_u64(segment->given, swap_clock); }

/* Who has more gives next: first by priority, then by turns. */
static uint64_t merit(const struct segment *segment)
{
    return ((segment->store->info.priority + 1ul) << 60) - turn(segment);
}

static struct segment *choose_segment(void)
{
    struct segment *best = NULL;

    for_each_segment(segment) {
        if (segment->free > 0 && segment->store->state == STORE_LIVE &&
            (!best || merit(segment) > merit(best)))
            best = segment;
    }
    return best;
}

bool swap_has_room(void)
{
    spin_lock(&swap_lock);
    bool found = choose_segment();

    spin_unlock(&swap_lock);
    return found;
}

/* The blocks from `place` on are in use for pages of owner. */
static void take(struct segment *segment, uint64_t place, uint32_t count, void *owner, uint64_t index)
{
    *used_of(segment, place) |= ((1ul << count) - 1) << place % 64;
    for (uint32_t i = 0; i < count; i++)
        *entry_of(segment, place + i) = (struct swap_entry){ owner, index + i, 1 };
    count_free(segment, -(int64_t)count);
    swap_clock = turn(segment);
    segment->given = swap_clock + count;
}

uint64_t swap_alloc(uint32_t wanted, uint64_t after, void *owner, uint64_t index, uint32_t *out_count)
{
    uint64_t block = SWAP_NONE;

    spin_lock(&swap_lock);
    struct segment *segment = choose_segment();

    if (segment) {
        uint32_t count = (uint32_t)min_u64(wanted, segment->store->info.cluster_size >> PAGE_SHIFT);
        uint32_t order = order_of(count);
        uint64_t place;

        while ((place = find_run(segment, order)) == segment->blocks)
            order--;                    /* a free block is a run of one */
        *out_count = count = (uint32_t)min_u64(count, 1u << order);
        block = block_at(segment, place);
        if (after == SWAP_NONE || after == block)
            take(segment, place, count, owner, index);
        else
            block = SWAP_NONE;
    }
    spin_unlock(&swap_lock);
    return block;
}

static struct swap_entry *entry_in_use(uint64_t block)
{
    struct swap_entry *entry = entry_of(segment_of(block), place_of(block));

    assert(entry->holders > 0);
    return entry;
}

void swap_hold(uint64_t block)
{
    spin_lock(&swap_lock);
    entry_in_use(block)->holders++;
    spin_unlock(&swap_lock);
}

void swap_set_holders(uint64_t block, uint32_t holders)
{
    spin_lock(&swap_lock);
    entry_in_use(block)->holders = holders;
    spin_unlock(&swap_lock);
}

/* A block is free, and so are perhaps runs that it is a part of. */
static void give_back(struct segment *segment, uint64_t place)
{
    uint64_t *used = used_of(segment, place), bit = place % 64;

    *used &= ~(1ul << bit);
    count_free(segment, 1);
    for (uint32_t order = 0; order < array_size(segment->hints); order++) {
        if (free_runs(*used, order) >> (bit & -(1ul << order)) & 1)
            segment->hints[order] = min_u64(segment->hints[order], place - bit);
    }
}

void swap_release(uint64_t block, bool good)
{
    spin_lock(&swap_lock);
    bool last = --entry_in_use(block)->holders == 0;

    if (last && good)
        give_back(segment_of(block), place_of(block));
    else if (last)
        segment_of(block)->store->info.pages_retired++;
    spin_unlock(&swap_lock);
}

const struct swap_device *swap_place(uint64_t block, uint64_t *out_offset)
{
    *out_offset = segment_of(block)->first + (place_of(block) << PAGE_SHIFT);
    return &segment_of(block)->device;
}

bool swap_next_used(const struct backing_store *store, uint64_t *block, struct swap_entry *entry,
                    void (*ref)(void *owner))
{
    uint64_t place = *block == SWAP_NONE ? 0 : place_of(*block);
    bool found = false;

    spin_lock(&swap_lock);
    for (struct segment *segment = *block == SWAP_NONE ? segments : segment_of(*block);
         !found && segment < segments + SEGMENTS_MAX; segment++, place = 0) {
        bool looked_at = segment->store && (!store || segment->store == store);

        for (; !found && looked_at && place < segment->blocks; place++) {
            if (*used_of(segment, place) >> place % 64 == 0) {
                place |= 63;            /* no more in this word */
                continue;
            }
            *entry = *entry_of(segment, place);
            *block = block_at(segment, place);
            found = entry->holders > 0;
        }
    }
    if (found)
        ref(entry->owner);
    spin_unlock(&swap_lock);
    return found;
}

void swap_count(uint64_t block, uint32_t way, uint32_t pages, status_t status)
{
    info_backing_store_t *info = &segment_of(block)->store->info;

    spin_lock(&swap_lock);
    totals.calls[way]++;
    totals.pages[way] += status == OK ? pages : 0;
    *(status == OK ? &info->pages[way] : &info->pages_failed[way]) += pages;
    spin_unlock(&swap_lock);
}
