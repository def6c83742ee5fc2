/*
 * t_backing_store.c: backing stores and segments, by the native calls.
 *
 * Machine: cpus=4
 */
#include "fail.h"

#include <stdlib.h>

#define PAGES (SCRATCH / PAGE_SIZE)
#define HIGH  4
#define LOW   0

static handle_t new_store(int32_t priority, uint32_t cluster_size)
{
    handle_t store = HANDLE_INVALID;

    CHECK_OK(sys_backing_store_create(default_pager_handle(), priority, cluster_size, &store));
    return store;
}

static info_backing_store_t store_info(handle_t store)
{
    info_backing_store_t info = { 0 };

    CHECK_OK(sys_backing_store_info(store, &info, sizeof info));
    return info;
}

static void delete_store(handle_t store)
{
    CHECK_OK(sys_backing_store_delete(store));
    CHECK_OK(sys_handle_close(store));
}

static size_t list_segments(info_segment_t records[static 31])
{
    size_t actual = 0, available = 0;

    CHECK_OK(sys_object_get_info(default_pager_handle(), INFO_SEGMENT_LIST, records, 31 * sizeof records[0], &actual, &available));
    CHECK_EQ(actual, available);
    return actual;
}

static uint64_t koid_of(handle_t handle)
{
    info_handle_basic_t info = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    return info.koid;
}

TEST(create_refuses)
{
    handle_t event = new_event(), reader = reduced(default_pager_handle(), RIGHT_INSPECT), out = 77;

    edge();
    uint64_t before = system_info().objects[OBJECT_BACKING_STORE];
    CHECK_STATUS(sys_backing_store_create(HANDLE_INVALID, 0, 0, &out), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_backing_store_create(event, 0, 0, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_create(system_handle(), 0, 0, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_create(reader, 0, 0, &out), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_backing_store_create(default_pager_handle(), 0, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_EQ(system_info().objects[OBJECT_BACKING_STORE], before);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(event));
}

TEST(priorities_and_cluster_sizes)
{
    static const struct { int32_t asked; uint32_t priority; } priorities[] = {
        { 4, 4 }, { -1, 4 }, { 0, 0 }, { 1, 0 }, { 3, 0 }, { 5, 0 }, { -2, 0 }, { INT32_MAX, 0 },
    };
    static const struct { uint32_t asked, pages; } sizes[] = {
        { 0, 4 }, { 1, 1 }, { 4096, 1 }, { 8191, 1 }, { 8192, 2 }, { 3 * 4096, 4 }, { 5 * 4096, 8 }, { 100 * 4096, 8 },
        { UINT32_MAX, 8 },
    };

    for (size_t i = 0; i < array_size(priorities); i++) {
        handle_t store = new_store(priorities[i].asked, 0);
        info_backing_store_t info = store_info(store);
        CHECK_EQ(info.priority, priorities[i].priority);
        CHECK_EQ(info.pages_total, 0);
        CHECK_EQ(info.pages_free, 0);
        CHECK_OK(sys_handle_close(store));
    }
    for (size_t i = 0; i < array_size(sizes); i++) {
        handle_t store = new_store(0, sizes[i].asked);
        CHECK_EQ(store_info(store).cluster_size, sizes[i].pages * PAGE_SIZE);
        CHECK_OK(sys_handle_close(store));
    }
}

TEST(add_segment_refuses)
{
    handle_t device = open_scratch(), store = new_store(HIGH, PAGE_SIZE), event = new_event();
    handle_t no_write = reduced(store, RIGHT_INSPECT | RIGHT_DESTROY);
    handle_t reader = reduced(device, RIGHT_READ), writer = reduced(device, RIGHT_WRITE);
    static const uint32_t record_sizes[] = { 0, 3, 513, 4095, 8192, 1u << 31, UINT32_MAX };

    CHECK_STATUS(sys_backing_store_add_segment(HANDLE_INVALID, device, 0, 8, 4096), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_backing_store_add_segment(store, HANDLE_INVALID, 0, 8, 4096), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_backing_store_add_segment(event, device, 0, 8, 4096), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_add_segment(store, event, 0, 8, 4096), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_add_segment(default_pager_handle(), device, 0, 8, 4096), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_add_segment(no_write, device, 0, 8, 4096), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_backing_store_add_segment(store, reader, 0, 8, 4096), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_backing_store_add_segment(store, writer, 0, 8, 4096), ERR_ACCESS_DENIED);
    for (size_t i = 0; i < array_size(record_sizes); i++)
        CHECK_STATUS(sys_backing_store_add_segment(store, device, 0, 1, record_sizes[i]), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 0, PAGES + 1, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 1, PAGES, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, PAGES, 1, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 0, 0, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, UINT64_MAX, 1, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, UINT64_MAX, 2, 512), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 1, UINT64_MAX, 512), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 1ull << 52, 1, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 0, (1ull << 52) + 1, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 0, 1ull << 55, 512), ERR_INVALID_ARGS);
    CHECK_EQ(store_info(store).pages_total, 0);
    delete_store(store);
    CHECK_OK(sys_handle_close(no_write));
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(device));
}

TEST(whole_clusters_count)
{
    static const struct { uint32_t cluster; uint64_t offset, count; uint32_t record; uint64_t pages; } segments[] = {
        { 4, 0, PAGES, 4096, PAGES },   { 4, 0, 7, 4096, 4 },         { 4, 5, 3, 4096, 0 },
        { 1, 3, 8 * 9, 512, 9 },        { 1, 3, 8 * 9 + 7, 512, 9 },  { 2, 1, 8 * 9, 512, 8 },
        { 8, 17, 4 * 65, 1024, 64 },    { 1, 4096, 8192, 1, 2 },      { 1, 1, 8191, 1, 1 },
        { 1, 511, 1, 1, 0 },            { 1, 2 * PAGES - 3, 3, 2048, 1 },
    };
    handle_t device = open_scratch();

    for (size_t i = 0; i < array_size(segments); i++) {
        handle_t store = new_store(HIGH, segments[i].cluster * PAGE_SIZE);
        CHECK_OK(sys_backing_store_add_segment(store, device, segments[i].offset, segments[i].count, segments[i].record));
        info_backing_store_t info = store_info(store);
        CHECK_EQ(info.pages_total, segments[i].pages);
        CHECK_EQ(info.pages_free, segments[i].pages);
        delete_store(store);
    }
    CHECK_OK(sys_handle_close(device));
}

/* The disk's own extents count, whatever handle names them. */
TEST(segments_do_not_overlap)
{
    handle_t device = open_scratch(), part, other, a = new_store(HIGH, 0), b = new_store(LOW, 0);

    CHECK_OK(sys_block_create_partition(device, 64 * PAGE_SIZE, 64 * PAGE_SIZE, RIGHT_SAME_RIGHTS, &part));
    CHECK_OK(block_open("swap0", &other));
    CHECK_OK(sys_backing_store_add_segment(a, device, 100, 100, 4096));
    info_backing_store_t before = store_info(a);
    CHECK_STATUS(sys_backing_store_add_segment(a, device, 50, 51, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(a, device, 199, 1, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(b, device, 150, 100, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(b, device, 0, PAGES, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(b, device, 120, 1, 512 * 8), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(b, device, 200 * 8 - 1, 2, 512), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(b, part, 0, 64, 4096), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_backing_store_add_segment(b, part, 36, 1, 4096), ERR_INVALID_ARGS);
    CHECK_EQ(store_info(b).pages_total, 0);
    CHECK_EQ(store_info(a).pages_total, before.pages_total);
    /* touching is allowed, and so is the same place of another range */
    CHECK_OK(sys_backing_store_add_segment(b, part, 0, 36, 4096));
    CHECK_OK(sys_backing_store_add_segment(b, device, 200 * 8, 800, 512));
    CHECK_OK(sys_backing_store_add_segment(b, other, 100, 100, 4096));
    CHECK_EQ(store_info(b).pages_total, 36 + 100 + 100);
    /* what was let go of can be had */
    delete_store(a);
    CHECK_OK(sys_backing_store_add_segment(b, part, 36, 28, 4096));
    CHECK_OK(sys_backing_store_add_segment(b, device, 128, 72, 4096));
    delete_store(b);
    CHECK_OK(sys_handle_close(other));
    CHECK_OK(sys_handle_close(part));
    CHECK_OK(sys_handle_close(device));
}

/* And the list. */
TEST(the_table_has_an_end)
{
    handle_t device = open_scratch(), a = new_store(HIGH, PAGE_SIZE), b = new_store(LOW, PAGE_SIZE);
    static info_segment_t records[31];
    block_info_t info;

    size_t used = list_segments(records);
    CHECK_OK(sys_block_get_info(device, &info));
    for (uint64_t i = used; i < 31; i++)
        CHECK_OK(sys_backing_store_add_segment(i % 2 ? a : b, device, i * 8, 8, 4096));
    CHECK_STATUS(sys_backing_store_add_segment(a, device, 31 * 8, 8, 4096), ERR_NO_RESOURCES);
    CHECK_STATUS(sys_backing_store_add_segment(a, device, 30 * 8, 8, 4096), ERR_INVALID_ARGS);
    CHECK_EQ(list_segments(records), 31);
    uint64_t seen = 0;
    for (size_t i = 0; i < 31; i++) {
        bool first = records[i].store_koid == koid_of(a);
        if (!first && records[i].store_koid != koid_of(b))
            continue;
        CHECK_EQ(records[i].priority, first ? HIGH : LOW);
        CHECK_EQ(records[i].disk, info.disk);
        CHECK_EQ(records[i].length, 8 * PAGE_SIZE);
        CHECK_EQ(records[i].pages_total, 8);
        CHECK_EQ(records[i].pages_free, 8);
        CHECK_EQ(records[i].cluster_size, PAGE_SIZE);
        CHECK_EQ(records[i].draining, false);
        CHECK_EQ((records[i].offset - info.disk_offset) % (8 * PAGE_SIZE), 0);
        seen++;
    }
    CHECK_EQ(seen, 31 - used);
    CHECK_EQ(store_info(a).pages_total + store_info(b).pages_total, 8 * seen);
    delete_store(a);
    delete_store(b);
    CHECK_EQ(list_segments(records), used);
    CHECK_OK(sys_handle_close(device));
}

/* --- Adds of one range at one moment. --- */

enum { ADDERS = 4, RACES = 200 };

static struct adder {
    struct raw_thread thread;
    handle_t store, device;
    atomic_uint *round;
    atomic_uint done;
    status_t status;
} adders[ADDERS];

static void add_each_round(void *argument)
{
    struct adder *adder = argument;

    for (unsigned round = 1; round <= RACES; round++) {
        while (atomic_load(adder->round) < round)
            ;
        adder->status = sys_backing_store_add_segment(adder->store, adder->device, round % 7, 300, 4096);
        atomic_store(&adder->done, round);
    }
}

TEST(row_12_of_several_adds_of_one_range_one_succeeds)
{
    static atomic_uint round;
    handle_t device = open_scratch();

    atomic_store(&round, 0);
    for (unsigned i = 0; i < ADDERS; i++) {
        adders[i] = (struct adder){ .device = device, .round = &round, .store = new_store(HIGH, 0) };
        raw_thread_start(&adders[i].thread, add_each_round, &adders[i]);
    }
    for (unsigned number = 1; number <= RACES; number++) {
        unsigned winners = 0;

        atomic_store(&round, number);
        for (unsigned i = 0; i < ADDERS; i++) {
            while (atomic_load(&adders[i].done) < number)
                sys_nanosleep(0);
            CHECK(adders[i].status == OK || adders[i].status == ERR_INVALID_ARGS);
            winners += adders[i].status == OK;
        }
        for (unsigned i = 0; i < ADDERS; i++) {
            delete_store(adders[i].store);
            adders[i].store = new_store(HIGH, 0);
        }
        CHECK_EQ(winners, 1);
    }
    for (unsigned i = 0; i < ADDERS; i++) {
        wait_for_end(adders[i].thread.handle);
        delete_store(adders[i].store);
    }
    CHECK_OK(sys_handle_close(device));
}

TEST(info_refuses)
{
    handle_t store = new_store(HIGH, 0), event = new_event(), blind = reduced(store, RIGHT_WRITE);
    info_backing_store_t info, untouched;

    edge();
    memset(&info, 0x5a, sizeof info);
    untouched = info;
    CHECK_STATUS(sys_backing_store_info(HANDLE_INVALID, &info, sizeof info), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_backing_store_info(event, &info, sizeof info), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_info(blind, &info, sizeof info), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_backing_store_info(store, &info, 0), ERR_BUFFER_TOO_SMALL);
    CHECK_STATUS(sys_backing_store_info(store, &info, sizeof info - 1), ERR_BUFFER_TOO_SMALL);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_backing_store_info(store, bad_pointer(i), sizeof info), ERR_INVALID_ARGS);
    CHECK_OK(sys_backing_store_delete(store));
    CHECK_STATUS(sys_backing_store_info(store, &info, sizeof info), ERR_BAD_STATE);
    CHECK(memcmp(&info, &untouched, sizeof info) == 0);
    CHECK_OK(sys_handle_close(blind));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(store));
}

TEST(a_deleted_store_does_nothing)
{
    handle_t device = open_scratch(), store = new_store(HIGH, 0), event = new_event(), weak = reduced(store, RIGHT_WRITE);

    CHECK_STATUS(sys_backing_store_delete(HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_backing_store_delete(event), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_backing_store_delete(weak), ERR_ACCESS_DENIED);
    CHECK_OK(sys_backing_store_add_segment(store, device, 0, PAGES, 4096));
    CHECK_OK(sys_backing_store_delete(store));
    CHECK_STATUS(sys_backing_store_delete(store), ERR_BAD_STATE);
    CHECK_STATUS(sys_backing_store_add_segment(store, device, 0, PAGES, 4096), ERR_BAD_STATE);
    CHECK_STATUS(sys_backing_store_add_segment(weak, device, 0, PAGES, 4096), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(store));
    CHECK_OK(sys_handle_close(device));
}

/* Without a handle a store lives as long as it has segments, and who may list them may open it. */
TEST(the_default_pager_opens_stores)
{
    handle_t device = open_scratch(), store = new_store(HIGH, 0), empty = new_store(LOW, 0), found = 77;
    handle_t reader = reduced(default_pager_handle(), RIGHT_INSPECT);
    uint64_t koid = koid_of(store), stores = system_info().objects[OBJECT_BACKING_STORE];

    CHECK_STATUS(sys_object_get_child(default_pager_handle(), koid, RIGHT_SAME_RIGHTS, &found), ERR_NOT_FOUND);
    CHECK_OK(sys_backing_store_add_segment(store, device, 0, 16, 4096));
    CHECK_OK(sys_handle_close(store));
    CHECK_OK(sys_handle_close(device));
    CHECK_EQ(system_info().objects[OBJECT_BACKING_STORE], stores);
    CHECK_STATUS(sys_object_get_child(default_pager_handle(), koid_of(empty), RIGHT_SAME_RIGHTS, &found), ERR_NOT_FOUND);
    CHECK_STATUS(sys_object_get_child(reader, koid, RIGHT_WRITE, &found), ERR_INVALID_ARGS);
    CHECK_EQ(found, 77);
    CHECK_OK(sys_object_get_child(reader, koid, RIGHT_SAME_RIGHTS, &found));
    CHECK_EQ(store_info(found).pages_total, 16);
    CHECK_STATUS(sys_backing_store_delete(found), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(found));
    CHECK_OK(sys_object_get_child(default_pager_handle(), koid, RIGHT_SAME_RIGHTS, &found));
    delete_store(found);
    CHECK_EQ(system_info().objects[OBJECT_BACKING_STORE], stores - 1);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(empty));
}

/* --- Without memory. --- */

static void prepare_store(void)
{
    held[0] = new_store(HIGH, 0);
    held[1] = open_scratch();
}

static status_t create_store(void)
{
    return sys_backing_store_create(default_pager_handle(), HIGH, 0, &made[0]);
}

static status_t add_all(void)
{
    return sys_backing_store_add_segment(held[0], held[1], 0, PAGES, 4096);
}

static void undo_add(status_t status)
{
    CHECK_EQ(store_info(held[0]).pages_total, status == OK ? PAGES : 0);
    CHECK_OK(sys_backing_store_delete(held[0]));
    close_held();
}

TEST(nothing_is_lost_without_memory)
{
    static const struct attempt create = { NULL, create_store, close_made }, add = { prepare_store, add_all, undo_add };

    made[0] = made[1] = HANDLE_INVALID;
    try(&create, 1);
    try(&add, PAGES / 128 + 1);
}

TEST(alerts_need_the_default_pager)
{
    handle_t event = new_event(), reader = reduced(default_pager_handle(), RIGHT_INSPECT);

    CHECK_STATUS(sys_default_pager_set_alerts(HANDLE_INVALID, 0, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_default_pager_set_alerts(event, 0, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_default_pager_set_alerts(reader, 0, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_default_pager_set_alerts(default_pager_handle(), 0, UINT64_MAX));
    CHECK_STATUS(sys_object_wait_one(default_pager_handle(), SIGNAL_USER_0 | SIGNAL_USER_1, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_default_pager_set_alerts(default_pager_handle(), 1ull << 40, UINT64_MAX));
    CHECK_OK(sys_object_wait_one(default_pager_handle(), SIGNAL_USER_0, 0, NULL));
    CHECK_OK(sys_default_pager_set_alerts(default_pager_handle(), 0, UINT64_MAX));
    CHECK_STATUS(sys_object_wait_one(default_pager_handle(), SIGNAL_USER_0 | SIGNAL_USER_1, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(event));
}

TEST(nothing_is_left)
{
    static info_segment_t records[31];

    CHECK_EQ(list_segments(records), 0);
    check_nothing_is_left();
}
