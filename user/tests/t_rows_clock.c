/*
 * t_rows_clock.c: the feature table's rows on the page-out clock and on pagers beside it: 131, 133, 135, 136, 138, 139, 141 and 143.
 *
 * Machine: cpus=4
 */
#include "budget_rig.h"
#include "rows_rig.h"

/* --- Row 131. --- */

enum { SLACK = 64 };                    /* pages that others take or give meanwhile */
enum { IN_FLIGHT = 8 * CLUSTER };       /* pages that page-out writes at once */

static uint64_t free_pages(void)
{
    return system_info().frames[FRAME_FREE];
}

/* Where page-out starts; half more than that is where it stops (kern/vm/reclaim.c). */
static uint64_t low_mark(void)
{
    uint64_t low = system_info().memory_bytes / PAGE_SIZE / 64;

    return low < 64 ? 64 : low > 1024 ? 1024 : low;
}

static bool enough_is_free(void *unused)
{
    (void)unused;
    return free_pages() + SLACK >= low_mark() * 3 / 2;
}

/*
 * Write pages from *page on until page-out starts, which is not before few are free; it stops when enough are.  Pages that were on
 * their way already, up to IN_FLIGHT, do not count.
 */
static void write_until_page_out(handle_t vmo, uint64_t *page)
{
    uint64_t out = counters().system.pages[SWAP_OUT], left, least = UINT64_MAX;

    do {
        left = free_pages();
        least = left < least ? left : least;
        put_byte(vmo, AT(*page), (char)mark_of(*page));
        ++*page;
    } while (counters().system.pages[SWAP_OUT] - out <= IN_FLIGHT);
    CHECK(least <= low_mark() + SLACK);
    CHECK(comes_true(enough_is_free, NULL));
    CHECK(free_pages() <= low_mark() * 3 / 2 + SLACK);
}

TEST(row_131_page_out_starts_low_and_stops_high)
{
    uint64_t first = free_pages() - 2 * low_mark(), page = first;
    handle_t vmo = new_vmo(2 * first);

    CHECK(low_mark() >= 4 * SLACK);
    swap_on();
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, AT(first), NULL, 0));
    write_until_page_out(vmo, &page);
    for (uint64_t i = first; i < page; i++)
        CHECK_EQ(byte_of(vmo, i), mark_of(i));
    CHECK_OK(sys_handle_close(vmo));
}

/* --- The clock. --- */

/* Pages that were used since the clock came by are spared, and the others go, without and with mappings. */
TEST(row_133_used_pages_have_a_second_chance)
{
    struct rig used = rig_create(1), old = rig_create(1);
    handle_t hot = new_vmo(32), cold = new_paged_out(32, 0, 32);
    volatile char *memory = map_vmo(hot, READ_WRITE, 0, AT(32));
    unsigned went = 0;

    supply(used, 0, 1);
    supply(old, 0, 1);
    CHECK_OK(sys_vmo_op_range(used.vmo, VMO_OP_DONT_NEED, 0, AT(1), NULL, 0));
    CHECK_OK(sys_vmo_op_range(old.vmo, VMO_OP_DONT_NEED, 0, AT(1), NULL, 0));
    CHECK_EQ(byte_of(used.vmo, 0), content_of(0));
    CHECK_EQ(evict(1), 1);
    CHECK(committed(old.vmo) == 0 && committed(used.vmo) == 1);
    rig_close(used);
    rig_close(old);

    /* one round clears the marks of all, the next takes those that were not set again */
    for (uint64_t i = 0; i < 32; i++)
        memory[AT(i)] = 'h';
    for (int round = 0; round < 200 && went == 0; round++) {
        mark(cold, 0, 32);
        for (int i = 0; i < 100 && committed(cold) > 0; i++) {
            for (uint64_t j = 0; j < 32; j++)
                CHECK_EQ(memory[AT(j)], 'h');
            evict(16);
        }
        went += committed(cold) == 0 && committed(hot) == 32;
    }
    CHECK(went > 0);
    unmap((char *)memory, AT(32));
    CLOSE(hot, cold);
}

/* The scan asks and goes on: it ends though what it asked for is never written. */
TEST(row_135_the_scan_does_not_wait_for_writes)
{
    struct rig silent = dirty_rig(64, 64, 0), clean = rig_create(64);

    swap_off();
    supply(clean, 0, 64);
    page_out(clean.vmo);
    CHECK_EQ(committed(silent.vmo), 64);
    expect_writeback(silent, 0, 64);
    rig_close(silent);
    rig_close(clean);
}

TEST(row_136_writers_wait_before_memory_is_full_of_dirty_pages)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t dirty = dirty_pages(rig.vmo), memory = system_info().memory_bytes / PAGE_SIZE;

    CHECK(dirty > 0 && dirty <= memory / 4 + MINIMUM);
    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, dirty, 1);
    wait_until_asked(&accesses[0]);
    expect_full_writeback(rig);
    CHECK_EQ(dirty_pages(rig.vmo), dirty);
    begin(rig, 0, dirty);
    end(rig, 0, dirty);
    ENDS(0, OK);
    rig_close(rig);
}

/* Not adopted: what a pager has not cleaned stays in memory, and never comes to be on backing store. */
TEST(row_138_pages_of_pagers_do_not_go_to_backing_store)
{
    struct rig rig = rig_create(64), asked = dirty_rig(64, 64, 0);
    handle_t vmo = new_paged_out(256, 0, 256);

    supply(rig, 0, 64);
    for (uint64_t i = 0; i < 64; i++)
        write_byte(rig, i, 'd');
    mark(vmo, 0, 256);
    page_out(vmo);
    CHECK(committed(rig.vmo) == 64 && committed(asked.vmo) == 64);
    for (uint64_t i = 0; i < 64; i++)
        CHECK(byte_of(rig.vmo, i) == 'd' && byte_of(asked.vmo, i) == 'd');
    rig_close(asked);
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Row 139. --- */

static struct raw_thread evicter;
static volatile bool evicting;

static void evict_on(void *unused)
{
    uint64_t went;

    (void)unused;
    while (evicting)
        sys_system_reclaim(system_handle(), ALL, &went);
}

/* Pages that have a block and are not written yet: eight transfers of page-out at a time, of 16 pages each. */
TEST(row_139_pages_in_flight_are_limited)
{
    enum { PAGES = 1024 };
    handle_t vmo = new_vmo(PAGES);
    uint64_t most = 0;

    swap_off();
    swap_on();                          /* a new store, of which nothing was written yet */
    mark(vmo, 0, PAGES);
    evicting = true;
    raw_thread_start(&evicter, evict_on, NULL);
    while (committed(vmo) > 0) {
        info_backing_store_t info = counters();
        uint64_t used = info.pages_total - info.pages_free;

        if (used > info.pages[SWAP_OUT] && used - info.pages[SWAP_OUT] > most)
            most = used - info.pages[SWAP_OUT];
    }
    evicting = false;
    wait_for_end(evicter.handle);
    printf("# at most %llu pages at once\n", (unsigned long long)most);
    CHECK(most <= IN_FLIGHT);
    CHECK(is_marked(vmo, 0, PAGES));
    CHECK_OK(sys_handle_close(vmo));
}

/* What somebody waits for, writes back or lends to a device is passed by. */
TEST(row_141_the_clock_passes_by_what_is_in_use)
{
    handle_t vmo = new_paged_out(32, 0, 32);
    struct rig rig = dirty_rig(8, 4, 2);

    begin(rig, 2, 1);                   /* one awaits being clean, the next is dirty, one is waited for */
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 6, 1);
    expect_read(rig, 6, 1);
    mark(vmo, 0, 32);
    page_out(vmo);
    while (committed(rig.vmo) > 2)
        evict(ALL);
    CHECK(byte_of(rig.vmo, 2) == 'd' && byte_of(rig.vmo, 3) == 'd' && is_waiting(&accesses[0]));
    CHECK_STATUS(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    supply(rig, 6, 1);
    ENDS(0, OK);
    end(rig, 2, 1);
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

static uint64_t requests_of(handle_t vmo)
{
    static info_pager_vmo_t records[64];
    uint64_t koid = vmo_info(vmo).koid;
    size_t count = 0;

    CHECK_OK(sys_object_get_info(system_handle(), INFO_PAGER_LIST, records, sizeof records, &count,
                                 NULL));
    for (size_t i = 0; i < count; i++)
        if (records[i].vmo_koid == koid)
            return records[i].requests;
    return ALL;
}

/* Nobody is asked for what was never written: behind the end that a VMO had, or in a hole that its pager told of. */
TEST(row_143_nobody_is_asked_for_what_was_never_written)
{
    struct rig rig = rig_create(2);
    handle_t hole = new_vmo(2), vmo = new_resizable_vmo(2);
    uint64_t before;

    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, AT(2), hole, 0));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(64)));
    evict(ALL);
    CHECK(vmo_is_filled(rig.vmo, 0, AT(64), 0) && committed(rig.vmo) == 0);
    CHECK_EQ(requests_of(rig.vmo), 0);
    expect_silence(rig.port);

    swap_on();
    mark(vmo, 0, 2);
    CHECK_OK(sys_vmo_set_size(vmo, AT(512)));
    page_out(vmo);
    CHECK(vmo_is_filled(vmo, AT(2), AT(100), 0));
    before = counters().pages[SWAP_IN];
    CHECK(vmo_is_filled(vmo, AT(102), AT(410), 0));
    CHECK_EQ(counters().pages[SWAP_IN], before);
    CHECK_EQ(committed(vmo), 0);
    CHECK(is_marked(vmo, 0, 2));
    rig_close(rig);
    CLOSE(hole, vmo);
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
