/*
 * drive_stores.c: backing stores against a model that knows every block.
 *
 * Stores get segments on two disks through overlapping ranges of them, with good and bad arguments and without memory.  Blocks are
 * given out, held, released, retired; stores are drained and deleted.  The model has an array of holders for each segment; it
 * computes from it where the next run of blocks must be, and what every counter says.
 */
#include "stores_model.h"

#include "mm/frame.h"

/* --- Stores and segments. --- */

static void create_store(void)
{
    static const uint32_t sizes[] = { 0, 1, 4095, 4096, 8191, 8192, 3 * 4096, 5 * 4096, 100 * 4096, UINT32_MAX };
    static const uint32_t clusters[] = { 4, 1, 1, 1, 1, 2, 4, 8, 8, 8 };
    static const int32_t priorities[] = { 4, -1, 0, 1, 3, 5, INT32_MIN };
    uint32_t size = choose(array_size(sizes)), priority = choose(array_size(priorities)), number = choose(STORES);
    struct object *object;

    if (stores[number].store)
        return;
    bool fails = one_in(8);
    fail_allocation(fails ? 1 : 0);
    status_t status = backing_store_create(priorities[priority], sizes[size], &object);
    fail_allocation(0);
    step("create store %u: priority %d, cluster size %u", number, priorities[priority], sizes[size]);
    check_equal(status, fails ? ERR_NO_MEMORY : OK);
    if (status == OK)
        stores[number] = (struct model_store){ .store = (struct backing_store *)object, .priority = priority < 2 ? 4 : 0,
                                               .cluster = clusters[size] };
}

static bool overlaps(uint32_t disk, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (segments[i].store >= 0 && segments[i].disk == disk && segments[i].start < end && start < segments[i].end)
            return true;
    return false;
}

static struct model_segment *empty_segment(void)
{
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (segments[i].store < 0)
            return &segments[i];
    return NULL;
}

/* What adding must say when there is memory. */
static status_t expected_of_add(const struct model_store *store, const struct swap_device *range, uint64_t offset, uint64_t count,
                                uint32_t record)
{
    unsigned __int128 end = ((unsigned __int128)offset + count) * record;

    if (record == 0 || __builtin_popcount(record) != 1 || record > PAGE_SIZE || count == 0 || end > range->length ||
        overlaps(range->disk, range->offset + offset * record, range->offset + (uint64_t)end))
        return ERR_INVALID_ARGS;
    if (store->deleted || store->draining)
        return ERR_BAD_STATE;
    return empty_segment() ? OK : ERR_NO_RESOURCES;
}

static uint64_t choose_extent(uint64_t records)
{
    static const uint64_t odd[] = { 0, UINT64_MAX, UINT64_MAX / 2 + 1, 1ull << 52 };

    if (one_in(16))
        return odd[choose(array_size(odd))];
    return one_in(8) ? records - 1 + choose(3) : choose(one_in(3) ? records + 1 : records / 24 + 1);
}

static void add_segment(void)
{
    static const uint32_t odd[] = { 0, 3, 513, 8192, 1u << 31, UINT32_MAX };
    uint32_t number = choose(STORES), record = one_in(10) ? odd[choose(array_size(odd))] : 1u << choose(13);
    const struct swap_device *range = &ranges[choose(RANGES)];
    struct model_store *store = &stores[number];
    uint64_t records = range->length / (record ? record : 1), offset = choose_extent(records), count = choose_extent(records);

    if (!store->store)
        return;
    status_t expected = expected_of_add(store, range, offset, count, record);
    struct model_segment *segment = empty_segment();
    bool fails = one_in(8);
    fail_allocation(fails ? 1 + choose(5) : 0);
    status_t status = backing_store_add_segment(store->store, range, offset, count, record);
    bool failed = allocation_failed();
    step("store %u: add segment %lu + %lu of %u bytes on disk %u: %d", number, offset, count, record, range->disk, status);
    check_equal(status, failed ? ERR_NO_MEMORY : expected);
    if (status != OK)
        return;
    *segment = (struct model_segment){ .store = (int)number, .disk = range->disk, .start = range->offset + offset * record };
    segment->end = segment->start + count * record;
    segment->first = (segment->start + 511) / 512 * 512;
    if (segment->end > segment->first)
        segment->blocks = (segment->end - segment->first) / PAGE_SIZE / store->cluster * store->cluster;
    new_turns();
}

static void delete_store(uint32_t number)
{
    struct model_store *store = &stores[number];

    if (!store->store)
        return;
    status_t expected = store->deleted ? ERR_BAD_STATE : blocks_in_use(number) > 0 ? ERR_NO_SPACE : OK;
    status_t status = backing_store_delete(store->store);
    step("delete store %u: %d", number, status);
    check_equal(status, expected);
    if (status != OK)
        return;
    store->deleted = true;
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (segments[i].store == (int)number)
            segments[i].store = -1;
    new_turns();
}

static void drain_store(void)
{
    uint32_t number = choose(STORES);
    struct model_store *store = &stores[number];
    bool drain = one_in(2), can = !store->deleted && store->draining != drain;

    if (!store->store)
        return;
    step("%s store %u", drain ? "drain" : "revive", number);
    check_equal(backing_store_drain(store->store, drain), can ? OK : ERR_BAD_STATE);
    store->draining = can ? drain : store->draining;
    new_turns();
}

/* A deleted store, or one without segments, goes with its last reference. */
static void forget_store(uint32_t number)
{
    if (stores[number].store && stores[number].deleted) {
        object_unref(&stores[number].store->object);
        stores[number].store = NULL;
    }
}

/* --- Blocks. --- */

/* The first aligned free run of this length; segment->blocks: none. */
static uint64_t first_run(const struct model_segment *segment, uint32_t length)
{
    for (uint64_t at = 0; at + length <= segment->blocks; at += length) {
        uint32_t i = 0;

        while (i < length && is_free(&segment->block[at + i]))
            i++;
        if (i == length)
            return at;
    }
    return segment->blocks;
}

static struct model_segment *segment_with(uint64_t block, uint64_t *out_place)
{
    uint64_t offset;
    const struct swap_device *device = swap_place(block, &offset);

    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (segments[i].store >= 0 && segments[i].disk == device->disk && segments[i].start <= offset &&
            offset + PAGE_SIZE <= segments[i].end) {
            check_equal((offset - segments[i].first) % PAGE_SIZE, 0);
            check_equal(offset % 512, 0);
            *out_place = (offset - segments[i].first) / PAGE_SIZE;
            return &segments[i];
        }
    fail("block %lx lies at byte %lu of disk %u, in no segment", block, offset, device->disk);
}

/* No segment of the level that could give all the time is more than a cluster or two behind or ahead. */
static void check_turns(const struct model_segment *segment)
{
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (can_give(&segments[i]) && stores[segments[i].store].priority == stores[segment->store].priority)
            check(segment->gave <= segments[i].gave + 2 * CLUSTER_MAX);
}

static bool somebody_gives(uint32_t *out_priority)
{
    bool found = false;

    *out_priority = 0;
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (can_give(&segments[i])) {
            found = true;
            *out_priority = max_u64(*out_priority, stores[segments[i].store].priority);
        }
    return found;
}

/* Some must begin where other pages of the family end, as the next of a transfer do. */
static void allocate(uint64_t after)
{
    uint32_t wanted = (uint32_t)(one_in(10) ? 1000 : choose_between(1, CLUSTER_MAX)), count = 99, priority;
    void *owner = &families[choose(array_size(families))];
    uint64_t index = choose(1000), place = 0;
    bool gives = somebody_gives(&priority);
    check_equal(swap_has_room(), gives);
    uint64_t first = swap_alloc(wanted, after, owner, index, &count);

    step("allocate %u after %lx: %u from %lx on", wanted, after, first == SWAP_NONE ? 0 : count, first);
    if (after != SWAP_NONE && first == SWAP_NONE) {
        first = swap_alloc(wanted, SWAP_NONE, owner, index, &count);
        check(first != after || !gives);
    } else if (after != SWAP_NONE) {
        check_equal(first, after);
    }
    check_equal(first != SWAP_NONE, gives);
    if (first == SWAP_NONE)
        return;
    struct model_segment *segment = segment_with(first, &place);
    const struct model_store *store = &stores[segment->store];
    uint32_t most = (uint32_t)min_u64(wanted, store->cluster), length = round_up(most);

    check(can_give(segment));
    check_equal(store->priority, priority);
    while (first_run(segment, length) == segment->blocks)
        length /= 2;
    check_equal(place, first_run(segment, length));
    check_equal(count, min_u64(most, length));
    for (uint32_t i = 0; i < count; i++)
        segment->block[place + i] = (struct model_block){ first + i, owner, index + i, 1, false };
    segment->gave += count;
    check_turns(segment);
    if (!can_give(segment))
        new_turns();
    if (one_in(3) && choices_left())
        allocate(first + (one_in(4) ? choose(10) : count));
}

/* A block that is in use, at random; NULL: none. */
static struct model_block *used_block(struct model_segment **out_segment)
{
    uint32_t start = choose(SEGMENTS_MAX);

    for (uint32_t i = 0; i < SEGMENTS_MAX; i++) {
        struct model_segment *segment = &segments[(start + i) % SEGMENTS_MAX];
        uint64_t from = segment->store >= 0 && segment->blocks ? choose(segment->blocks) : 0;

        for (uint64_t j = 0; segment->store >= 0 && j < segment->blocks; j++)
            if (segment->block[(from + j) % segment->blocks].holders > 0) {
                *out_segment = segment;
                return &segment->block[(from + j) % segment->blocks];
            }
    }
    return NULL;
}

static void hold(void)
{
    struct model_segment *segment;
    struct model_block *block = used_block(&segment);

    if (!block)
        return;
    if (one_in(2)) {
        step("hold %lx", block->number);
        swap_hold(block->number);
        block->holders++;
    } else {
        block->holders = (uint32_t)choose_between(1, 5);
        step("%u hold %lx", block->holders, block->number);
        swap_set_holders(block->number, block->holders);
    }
}

static void release(struct model_segment *segment, struct model_block *block, bool good)
{
    bool gave = can_give(segment);

    step("release %lx%s", block->number, good ? "" : ", which is bad");
    swap_release(block->number, good);
    if (--block->holders == 0 && !good) {
        block->retired = true;
        stores[segment->store].retired++;
    }
    if (!gave)
        new_turns();
}

static void release_some(void)
{
    struct model_segment *segment;

    for (uint64_t count = one_in(6) ? choose(200) : 1; count > 0; count--) {
        struct model_block *block = used_block(&segment);

        if (block)
            release(segment, block, !one_in(40));
    }
}

static void count_transfer(void)
{
    struct model_segment *segment;
    struct model_block *block = used_block(&segment);
    uint32_t way = choose(2), pages = (uint32_t)choose_between(1, 8);
    status_t status = one_in(3) ? ERR_IO : OK;

    if (!block)
        return;
    swap_count(block->number, way, pages, status);
    totals.calls[way]++;
    totals.pages[way] += status == OK ? pages : 0;
    (status == OK ? stores[segment->store].pages : stores[segment->store].failed)[way] += pages;
}

/* --- What can be seen. --- */

/* Memory counts only beyond what page-out keeps free. */
static void check_room(uint32_t number)
{
    uint64_t room = choose(one_in(2) ? 100 : 1000);

    frame_low = (frame_free_count() - room) / 2;
    room = one_in(4) ? 0 : frame_free_count() - 2 * frame_low;
    frame_low = room ? frame_low : frame_free_count();
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (segments[i].store >= 0 && !stores[segments[i].store].draining)
            room += count_free(&segments[i]);
    check_equal(backing_store_has_room(stores[number].store), room >= blocks_in_use(number));
    frame_low = 0;
}

static void check_store(uint32_t number)
{
    const struct model_store *store = &stores[number];
    info_backing_store_t info;
    uint64_t total = 0, unused = 0;

    if (!store->store)
        return;
    check_equal(backing_store_info(store->store, &info), store->deleted ? ERR_BAD_STATE : OK);
    if (store->deleted)
        return;
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        if (segments[i].store == (int)number) {
            total += segments[i].blocks;
            unused += count_free(&segments[i]);
        }
    check_equal(info.pages_total, total);
    check_equal(info.pages_free, unused);
    check_equal(info.pages_retired, store->retired);
    check_equal(info.priority, store->priority);
    check_equal(info.cluster_size, store->cluster * PAGE_SIZE);
    for (uint32_t way = SWAP_IN; way <= SWAP_OUT; way++) {
        check_equal(info.system.calls[way], totals.calls[way]);
        check_equal(info.system.pages[way], totals.pages[way]);
        check_equal(info.pages[way], store->pages[way]);
        check_equal(info.pages_failed[way], store->failed[way]);
    }
    check_room(number);
    struct object *found = backing_store_find(store->store->object.koid);
    bool has_segments = false;

    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        has_segments |= segments[i].store == (int)number;
    check_equal(found != NULL, has_segments);
    if (found) {
        check(found == &store->store->object);
        object_unref(found);
    }
}

static void check_segments(void)
{
    info_segment_t info;

    for (uint32_t i = 0; i < SEGMENTS_MAX; i++) {
        const struct model_segment *segment = &segments[i];

        check_equal(swap_segment_info(i, &info), segment->store >= 0);
        if (segment->store < 0)
            continue;
        const struct model_store *store = &stores[segment->store];

        check_equal(info.store_koid, store->store->object.koid);
        check_equal(info.disk, segment->disk);
        check_equal(info.offset, segment->start);
        check_equal(info.length, segment->end - segment->start);
        check_equal(info.pages_total, segment->blocks);
        check_equal(info.pages_free, count_free(segment));
        check_equal(info.priority, store->priority);
        check_equal(info.cluster_size, store->cluster * PAGE_SIZE);
        check_equal(info.draining, store->draining);
    }
}

static void reference_owner(void *owner)
{
    check((uint8_t *)owner >= families && (uint8_t *)owner < families + array_size(families));
    owner_references++;
}

/* The walk over the blocks in use meets each, in order, as it is. */
static void check_walk(uint32_t number)
{
    uint64_t block = SWAP_NONE, last = 0, place;
    uint32_t count = 0;
    struct swap_entry entry;

    if (!stores[number].store)
        return;
    owner_references = 0;
    for (; swap_next_used(stores[number].store, &block, &entry, reference_owner); block++, count++) {
        struct model_segment *segment = segment_with(block, &place);

        check(block > last);
        last = block;
        check_equal(segment->store, number);
        check_equal(segment->block[place].number, block);
        check(segment->block[place].owner == entry.owner);
        check_equal(segment->block[place].index, entry.index);
        check_equal(segment->block[place].holders, entry.holders);
    }
    check_equal(count, blocks_in_use(number));
    check_equal(owner_references, count);
}

/* --- The driver. --- */

static void start(void)
{
    struct object *object;

    memset(stores, 0, sizeof stores);
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        segments[i].store = -1;
    for (uint32_t i = 0; i < RANGES; i++) {
        uint64_t offset = i < DISKS ? 0 : choose(RANGE_BYTES / 512) * 512;

        check_equal(event_create(&object), OK);
        ranges[i] = (struct swap_device){
            .object = object, .offset = offset, .length = RANGE_BYTES - offset, .disk = i % DISKS, .block_size = 512,
        };
        if (i >= DISKS)
            ranges[i].length = choose_between(1, ranges[i].length / 512) * 512;
    }
    check_equal(backing_store_create(0, 0, &object), OK);
    info_backing_store_t info;
    check_equal(backing_store_info((struct backing_store *)object, &info), OK);
    totals = info.system;
    object_unref(object);
}

static void end(void)
{
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        for (uint64_t j = 0; segments[i].store >= 0 && j < segments[i].blocks; j++)
            while (segments[i].block[j].holders > 0)
                release(&segments[i], &segments[i].block[j], true);
    check_segments();
    for (uint32_t i = 0; i < STORES; i++) {
        check_store(i);
        delete_store(i);
        forget_store(i);
    }
    for (uint32_t i = 0; i < RANGES; i++) {
        check_equal(ranges[i].object->references, 1);
        object_unref(ranges[i].object);
    }
}

void drive_stores(uint32_t steps)
{
    start();
    while (steps-- > 0 && choices_left()) {
        switch (choose(16)) {
        case 0: create_store(); break;
        case 1:
        case 2: add_segment(); break;
        case 3: one_in(6) ? delete_store(choose(STORES)) : forget_store(choose(STORES)); break;
        case 4: one_in(4) ? drain_store() : check_walk(choose(STORES)); break;
        case 5: hold(); break;
        case 6: count_transfer(); break;
        case 7: check_store(choose(STORES)); break;
        case 8: check_segments(); break;
        case 9:
        case 10: release_some(); break;
        default:
            for (uint64_t count = one_in(4) ? choose(100) : 1; count > 0; count--)
                allocate(SWAP_NONE);
        }
    }
    end();
}
