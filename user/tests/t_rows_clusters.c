/*
 * t_rows_clusters.c: rows 40 to 47 of the feature table: pages in clusters, and how long they keep their blocks.  Rows 39 and 46
 * need disks of their own: test/test_rows_disks.py, which runs this program with arguments.
 *
 * Machine: cpus=2 memory=64M
 */
#include "row_rig.h"

#include <stdio.h>

/* The counters, all stores together. */
static info_swap_t counters(handle_t store)
{
    return store_info(store).system;
}

TEST(row_40_pages_of_a_cluster_are_there_one_by_one)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = new_vmo(64);

    add_pages(store, 0, 512);
    for (uint64_t i = 0; i < 64; i += 4) {
        write_page(vmo, i, 1);
        write_page(vmo, i + 2, 1);
    }
    evict(vmo);
    CHECK_EQ(blocks_of(vmo), 32);
    for (uint64_t i = 0; i < 64; i++) {
        if (i % 2 == 0)
            check_page(vmo, i, 1);
        else
            CHECK(vmo_is_filled(vmo, i * PAGE_SIZE, PAGE_SIZE, 0));
    }
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

TEST(row_41_a_write_frees_the_block)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(64, 2);

    add_pages(store, 0, 512);
    evict(vmo);
    check_all(vmo, 64, 2);
    size_t own = blocks_of(vmo);
    CHECK_EQ(own, 64);
    for (uint64_t i = 0; i < 64; i++) {
        write_page(vmo, i, 3);
        CHECK_EQ(blocks_of(vmo), 63 - i);
    }
    check_all(vmo, 64, 3);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

/* Only a page that comes back to be written to: what is only read keeps its block, which is row 43. */
TEST(row_42_page_in_for_a_write_frees_the_block_at_once)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(64, 4);

    add_pages(store, 0, 512);
    evict(vmo);
    for (uint64_t i = 0; i < 64; i += 2)
        write_page(vmo, i, 5);
    CHECK_EQ(blocks_of(vmo), 32);
    uint64_t written = counters(store).pages[SWAP_OUT];
    evict(vmo);
    CHECK(counters(store).pages[SWAP_OUT] - written >= 32);
    CHECK_EQ(blocks_of(vmo), 64);
    for (uint64_t i = 0; i < 64; i++)
        check_page(vmo, i, i % 2 ? 4 : 5);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

TEST(row_43_a_clean_page_goes_again_without_a_write)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(512, 6);

    add_pages(store, 0, 1024);
    evict(vmo);
    uint64_t places[2] = { 0 };
    blocks_of(vmo);
    places[0] = all_blocks[0].disk_offset;
    for (int round = 0; round < 3; round++) {
        check_all(vmo, 512, 6);
        uint64_t written = counters(store).pages[SWAP_OUT];
        evict(vmo);
        CHECK(counters(store).pages[SWAP_OUT] - written <= FOREIGN);
    }
    CHECK_EQ(blocks_of(vmo), 512);
    places[1] = all_blocks[0].disk_offset;
    CHECK_EQ(places[0], places[1]);
    check_all(vmo, 512, 6);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

TEST(row_44_an_object_that_grew_pages_out_its_new_part)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = HANDLE_INVALID;

    add_pages(store, 0, 512);
    CHECK_OK(sys_vmo_create(4 * PAGE_SIZE, VMO_RESIZABLE, &vmo));
    for (uint64_t i = 0; i < 4; i++)
        write_page(vmo, i, 7);
    evict(vmo);
    CHECK_OK(sys_vmo_set_size(vmo, 100000 * PAGE_SIZE));
    for (uint64_t i = 64; i < 100000; i *= 6)
        write_page(vmo, i, 7);
    evict(vmo);
    for (uint64_t i = 64; i < 100000; i *= 6)
        check_page(vmo, i, 7);
    for (uint64_t i = 0; i < 4; i++)
        check_page(vmo, i, 7);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

/* Where a page is on backing store is told by the slot that held it, and by the segment's map: nothing is made for it. */
TEST(row_45_a_sparse_object_costs_what_is_touched)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = HANDLE_INVALID;
    enum { TOUCHED = 24 };

    add_pages(store, 0, 512);
    CHECK_OK(sys_vmo_create(1ull << 40, 0, &vmo));
    uint64_t frames = system_info().frames[FRAME_KERNEL];
    for (uint64_t i = 0; i < TOUCHED; i++)
        write_page(vmo, i << 23, 8);
    uint64_t touched = system_info().frames[FRAME_KERNEL];
    CHECK(touched - frames <= 8 * TOUCHED);
    evict(vmo);
    CHECK(system_info().frames[FRAME_KERNEL] <= touched + 4);
    CHECK_EQ(blocks_of(vmo), TOUCHED);
    for (uint64_t i = 0; i < TOUCHED; i++)
        check_page(vmo, i << 23, 8);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

TEST(row_47_a_fragmented_segment_gives_shorter_runs)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(768, 9), late;
    static bool stays[768];

    add_pages(store, 0, 512);
    fill_up(store);
    /* every second block of it becomes free, but for those of others; nothing else of the VMO is to go */
    size_t own = blocks_of(vmo);
    for (size_t i = 0; i < own; i++)
        stays[all_blocks[i].vmo_offset / PAGE_SIZE] = all_blocks[i].disk_offset / PAGE_SIZE % 2 == 0;
    for (uint64_t i = 0; i < 768; i++)
        if (!stays[i])
            drop_pages(vmo, i, 1);
    info_swap_t before = counters(store);
    late = filled(64, 10);
    evict(late);
    info_swap_t after = counters(store);
    CHECK_EQ(blocks_of(late), 64);
    CHECK(after.calls[SWAP_OUT] - before.calls[SWAP_OUT] >= 32);
    check_all(late, 64, 10);
    CHECK_OK(sys_handle_close(late));
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

/* --- With disks of their own: the arguments are the row and the disks; test/test_rows_disks.py reads what is printed. --- */

static handle_t store_on(const char *name, int32_t priority)
{
    handle_t device = HANDLE_INVALID, store = new_store(priority, 8);
    block_info_t info = { 0 };

    CHECK_OK(block_open(name, &device));
    CHECK_OK(sys_block_get_info(device, &info));
    CHECK_OK(sys_backing_store_add_segment(store, device, 0, info.size / PAGE_SIZE, PAGE_SIZE));
    CHECK_OK(sys_handle_close(device));
    return store;
}

static void report(const char *what, handle_t store, handle_t vmo, uint64_t pages, uint64_t seed)
{
    info_backing_store_t info = store_info(store);
    uint64_t right = 0;

    for (uint64_t i = 0; i < pages; i++)
        right += page_is_right(vmo, i, seed);
    printf("%s: %llu pages right, %llu failed to go, %llu went, %llu came\n", what, (unsigned long long)right,
           (unsigned long long)info.pages_failed[SWAP_OUT], (unsigned long long)info.pages[SWAP_OUT],
           (unsigned long long)info.pages[SWAP_IN]);
}

static bool has_failed(void *store)
{
    page_out();
    return store_info(*(handle_t *)store).pages_failed[SWAP_OUT] > 0;
}

/* Writes to the first disk fail: what was to go there is as it was, in memory or on the second disk. */
static void row_39(const char *failing, const char *sound)
{
    handle_t bad = store_on(failing, HIGH), vmo = filled(256, 1);

    CHECK(comes_true(has_failed, &bad));
    report("one disk", bad, vmo, 256, 1);
    handle_t good = store_on(sound, LOW);
    evict(vmo);
    report("failing", bad, vmo, 256, 1);
    report("sound", good, vmo, 256, 1);
}

/* Much to write and to read at once. */
static void row_46(const char *slow)
{
    handle_t store = store_on(slow, HIGH), vmo = filled(2048, 2);

    evict(vmo);
    report("slow", store, vmo, 2048, 2);
}

int test_helper(int argument_count, char **arguments)
{
    drop_stores_but(0);
    if (argument_count == 4 && strcmp(arguments[1], "row_39") == 0)
        row_39(arguments[2], arguments[3]);
    else if (argument_count == 3 && strcmp(arguments[1], "row_46") == 0)
        row_46(arguments[2]);
    else
        return 2;
    return 0;
}
