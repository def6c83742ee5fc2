/*
 * t_rows_pressure.c: the feature table's rows 134 and 137: memory is short for long, and there is backing store.
 *
 * Machine: cpus=1 memory=32M
 */
#define ENOUGH (PAGES / 2)

#include "rows_rig.h"
#include "pressure.h"

/* Under a load of reads the pages of files and pagers come and go, and hardly anything else. */
TEST(row_134_clean_pages_go_before_anonymous_ones)
{
    uint64_t before, events, out;
    handle_t anonymous = new_vmo(512);

    swap_on();
    mark(anonymous, 0, 512);
    before = counters().system.pages[SWAP_OUT];
    pressure();
    out = counters().system.pages[SWAP_OUT] - before;
    events = vmo_info(anonymous).change_events;
    printf("# %llu pages were written to backing store, %llu of them the test's\n",
           (unsigned long long)out, (unsigned long long)events);
    CHECK(out * 20 <= ENOUGH);
    CHECK(is_marked(anonymous, 0, 512));
    CHECK_OK(sys_handle_close(anonymous));
}

/* --- Row 137. --- */

enum { HOG_PAGES = 10240 };             /* 40 MiB */

TEST(row_137_a_silent_pager_stops_nobody_else)
{
    struct rig silent = writeback_create(64, VMO_RESIZABLE);
    handle_t anonymous = new_vmo(HOG_PAGES);

    swap_on();
    supply(silent, 0, 32);
    for (uint64_t i = 0; i < 32; i++)
        write_byte(silent, i, 'd');
    access_start(&accesses[0], ACCESS_READ, silent.vmo, 40, 1);
    wait_until_asked(&accesses[0]);
    for (int round = 0; round < 2; round++) {
        mark(anonymous, 0, HOG_PAGES);
        CHECK(is_marked(anonymous, 0, HOG_PAGES));
    }
    CHECK(vmo_info(anonymous).change_events > HOG_PAGES / 4);
    CHECK(is_waiting(&accesses[0]));
    CHECK(dirty_is(silent, "0+32") && committed(silent.vmo) == 32);
    supply(silent, 40, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(silent);
    CHECK_OK(sys_handle_close(anonymous));
}

TEST(row_137_with_a_load_of_reads)
{
    swap_on();
    pressure_beside_silence();
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
