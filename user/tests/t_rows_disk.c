/*
 * t_rows_disk.c: the feature table's rows on disks that fail or are slow: what test/test_rows_disk.py starts, and looks at.
 *
 * The second disk, vdb, is the one, and the argument what to do with it.  Everybody's pages go to the first before there is a store
 * on it, so that hardly anything but the test's memory lies there.  Without a second disk a partition that never fails takes its place.
 *
 * Machine: cpus=4
 */
#include "rows_rig.h"

#include <stdio.h>

enum { PAGES = 256, GROUPS = PAGES / CLUSTER };

static uint64_t written_to_first(void)
{
    info_backing_store_t info = { 0 };

    CHECK_OK(sys_backing_store_info(overflow_store, &info, sizeof info));
    return info.pages[SWAP_OUT];
}

/* A page is written, and hardly any others with it: those that the test itself uses.  Three times, since others may be on their way. */
static bool everybody_is_out(void *argument)
{
    unsigned *quiet = argument;
    uint64_t before = written_to_first();
    handle_t vmo = new_filled(1, 'o');

    page_out(vmo);
    CHECK_OK(sys_handle_close(vmo));
    *quiet = written_to_first() - before < CLUSTER ? *quiet + 1 : 0;
    return *quiet == 3;
}

static handle_t new_on_second_disk(void)
{
    handle_t vmo = new_vmo(PAGES), second;
    unsigned quiet = 0;

    delete_other_stores();
    overflow_store = new_store(0, row_device);
    CHECK(comes_true(everybody_is_out, &quiet));
    if (block_open("vdb", &second) != OK)
        CHECK_OK(block_open("swap0", &second));
    row_store = new_store(4, second);
    CHECK_OK(sys_handle_close(second));
    return vmo;
}

static status_t read_page(handle_t vmo, uint64_t page)
{
    unsigned char byte = 0;
    status_t status = sys_vmo_read(vmo, 0, &byte, AT(page), 1);

    return status == OK && byte != mark_of(page) ? ERR_IO_DATA_INTEGRITY : status;
}

/* Read each page, in order or each by itself: how many fail, and how many of them fail again; and what the transfers said. */
static void read_all(handle_t vmo, bool in_order)
{
    uint64_t failed = 0, again = 0, last = 0;

    for (uint64_t i = 0; i < PAGES; i++) {
        uint64_t page = in_order ? i : (GROUPS - 1 - i % GROUPS) * CLUSTER + i / GROUPS;
        status_t status = read_page(vmo, page);

        if (status == OK)
            continue;
        CHECK_STATUS(status, ERR_IO);
        failed++;
        last = page;
        again += read_page(vmo, page) != OK;
    }
    if (again > 0) {
        char *memory = map_vmo(vmo, VM_READ, 0, AT(PAGES));

        expect_fault(&accesses[0], ACCESS_LOAD, memory + AT(last), ERR_IO);
        for (uint64_t i = 0; i < PAGES; i++)
            CHECK(i == last || memory[AT(i)] == (char)mark_of(i));
        unmap(memory, AT(PAGES));
    }
    printf("%llu failed, %llu again, %llu in transfers\n", (unsigned long long)failed,
           (unsigned long long)again, (unsigned long long)counters().pages_failed[SWAP_IN]);
}

static void written_in_spite_of_errors(handle_t vmo)
{
    info_backing_store_t info;

    page_out(vmo);
    info = counters();
    CHECK(is_marked(vmo, 0, PAGES));
    printf("%llu could not be written, %llu blocks retired\n",
           (unsigned long long)info.pages_failed[SWAP_OUT], (unsigned long long)info.pages_retired);
}

static bool all_is_written(void *count)
{
    return counters().pages[SWAP_OUT] >= *(uint64_t *)count;
}

/* All pages got blocks and none had been written when all had been read: then they were read from memory, and stay there. */
static bool is_read_while_written(void *argument)
{
    handle_t vmo = *(handle_t *)argument;
    uint64_t gone, all;
    info_backing_store_t before, now;

    mark(vmo, 0, CLUSTER);
    before = counters();
    gone = vmo_info(vmo).change_events;
    evict(ALL);
    CHECK(is_marked(vmo, 0, CLUSTER));
    now = counters();
    if (now.pages[SWAP_OUT] != before.pages[SWAP_OUT] ||
        now.pages_free + CLUSTER > before.pages_free)
        return false;
    CHECK_EQ(now.pages[SWAP_IN], before.pages[SWAP_IN]);
    all = before.pages[SWAP_OUT] + CLUSTER;
    CHECK(comes_true(all_is_written, &all));
    CHECK(committed(vmo) == CLUSTER && vmo_info(vmo).change_events == gone);
    return true;
}

TEST(pages_of_the_second_disk)
{
    const char *mode = test_argument_count > 1 ? test_arguments[1] : "order";
    handle_t vmo = new_on_second_disk();

    if (strcmp(mode, "slow") == 0) {
        CHECK(comes_true(is_read_while_written, &vmo));
    } else {
        mark(vmo, 0, PAGES);
        if (strcmp(mode, "write") == 0) {
            written_in_spite_of_errors(vmo);
        } else {
            page_out(vmo);
            read_all(vmo, strcmp(mode, "order") == 0);
        }
    }
    CHECK_OK(sys_handle_close(vmo));
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
