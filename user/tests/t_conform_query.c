/*
 * t_conform_query.c: conformance, sections 1.6 and 1.7: what is dirty, and whether anything was
 * modified; and 1.0 for these two calls.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

static status_t try_query(handle_t pager, handle_t vmo)
{
    return sys_pager_query_dirty_ranges(pager, vmo, 0, 0, NULL, 0, NULL, NULL);
}

static status_t try_stats(handle_t pager, handle_t vmo)
{
    pager_vmo_stats_t stats;

    return sys_pager_query_vmo_stats(pager, vmo, 0, &stats, sizeof stats);
}

/* --- Handles and rights. --- */

/* 1.0: queries: the pager handle is checked first: invalid, not a pager, lacks MANAGE_VMO. */
TEST(queries_check_the_pager_handle)
{
    struct rig rig = rig_create(1);
    handle_t event = new_event(), weak = with_rights(new_pager(), RIGHT_ATTACH_VMO);

    CHECK_STATUS(sys_pager_query_dirty_ranges(HANDLE_INVALID, event, 0, 0, NULL, 0, NULL, NULL),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(event, HANDLE_INVALID, 0, 0, NULL, 0, NULL, NULL),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(weak, HANDLE_INVALID, 0, 0, NULL, 0, NULL, NULL),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_query_vmo_stats(HANDLE_INVALID, event, 0, NULL, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_query_vmo_stats(event, HANDLE_INVALID, 0, NULL, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_query_vmo_stats(weak, HANDLE_INVALID, 0, NULL, 0), ERR_ACCESS_DENIED);
    CLOSE(event, weak);
    rig_close(rig);
}

/* 1.0: queries: then the VMO handle: invalid, not a VMO, lacks READ. */
TEST(queries_check_the_vmo_handle)
{
    struct rig rig = rig_create(1);
    handle_t event = new_event(), weak = reduced(rig.vmo, RIGHT_WRITE | RIGHT_MAP);

    CHECK_STATUS(try_query(rig.pager, HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(try_query(rig.pager, event), ERR_WRONG_TYPE);
    CHECK_STATUS(try_query(rig.pager, weak), ERR_ACCESS_DENIED);
    CHECK_STATUS(try_stats(rig.pager, HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(try_stats(rig.pager, event), ERR_WRONG_TYPE);
    CHECK_STATUS(try_stats(rig.pager, weak), ERR_ACCESS_DENIED);
    CLOSE(event, weak);
    rig_close(rig);
}

/* 1.0: queries need MANAGE_VMO of the pager and READ of the VMO, no more. */
TEST(rights_of_queries)
{
    struct rig rig = rig_create(1);
    handle_t reader = reduced(rig.vmo, RIGHT_READ);

    rig.pager = with_rights(rig.pager, RIGHT_MANAGE_VMO);
    CHECK_OK(try_query(rig.pager, reader));
    CHECK_OK(try_stats(rig.pager, reader));
    CLOSE(reader);
    rig_close(rig);
}

/* 1.0: queries: a VMO that is not this pager's is INVALID_ARGS, before anything of their own. */
TEST(queries_of_foreign_vmos)
{
    struct rig rig = rig_fixed(2), other = rig_create(2);
    const handle_t foreign[] = {
        new_vmo(2), other.vmo, new_child(rig.vmo, ON_WRITE, 0, 2),
        new_child(rig.vmo, VMO_CHILD_SLICE, 0, 2), new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0),
    };

    for (size_t i = 0; i < array_size(foreign); i++) {
        CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, foreign[i], 9 * PAGE_SIZE, PAGE_SIZE,
                                                  NULL, 24, NULL, NULL),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, foreign[i], 0, NULL, 0),
                     ERR_INVALID_ARGS);
    }
    close_all(&foreign[2], 3);
    CLOSE(foreign[0]);
    rig_close(other);
    rig_close(rig);
}

/* --- query_dirty_ranges. --- */

/* 1.6: offset and length need not be aligned: they are widened to pages. */
TEST(a_query_is_widened_to_pages)
{
    struct rig rig = rig_supplied(8, 0, 8);
    vmo_dirty_range_t range = { 0 };
    size_t actual = 9;

    for (uint64_t page = 2; page < 6; page++)
        write_byte(rig, page, 'x');
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, AT(3) + 5, 1, &range, sizeof range,
                                          &actual, NULL));
    CHECK(actual == 1 && range.offset == AT(3) && range.length == AT(1) && range.options == 0);
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, AT(4) - 1, 2, &range, sizeof range,
                                          &actual, NULL));
    CHECK(actual == 1 && range.offset == AT(3) && range.length == AT(2));
    rig_close(rig);
}

/* 1.6: what is found is clipped to the range. */
TEST(a_query_is_clipped)
{
    struct rig rig = rig_supplied(8, 0, 8);

    for (uint64_t page = 1; page < 7; page++)
        write_byte(rig, page, 'x');
    resize(rig, 12);
    CHECK(strcmp(dirty_runs(rig, 0, 3), "1+2") == 0);
    CHECK(strcmp(dirty_runs(rig, 3, 2), "3+2") == 0);
    CHECK(strcmp(dirty_runs(rig, 6, 4), "6+1 8+2z") == 0);
    CHECK(strcmp(dirty_runs(rig, 7, 1), "") == 0);
    CHECK(strcmp(dirty_runs(rig, 12, 0), "") == 0);
    rig_close(rig);
}

/* 1.6: outside the VMO is OUT_OF_RANGE. */
TEST(a_query_stays_inside_the_vmo)
{
    struct rig rig = rig_supplied(2, 0, 2);
    size_t actual;

    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(2) + 1, NULL, 0, &actual,
                                              NULL),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, AT(2) + 1, 0, NULL, 0, &actual,
                                              NULL),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, AT(1), UINT64_MAX, NULL, 0,
                                              &actual, NULL),
                 ERR_OUT_OF_RANGE);
    rig_close(rig);
}

/* 1.6: reports, in increasing order, maximal runs of {Dirty or AwaitingClean} pages. */
TEST(dirty_and_awaiting_pages_are_one_run)
{
    struct rig rig = rig_supplied(9, 0, 9);

    for (uint64_t page = 1; page < 6; page++)
        write_byte(rig, page, 'x');
    write_byte(rig, 8, 'x');
    begin(rig, 2, 2);
    DIRTY_IS(rig, "1+5 8+1");
    rig_close(rig);
}

/* 1.6: and of dirty zeros, awaiting or not; a page run and a zero run never merge. */
TEST(pages_and_zeros_are_different_runs)
{
    struct rig rig = rig_supplied(2, 0, 2);

    write_byte(rig, 1, 'x');
    resize(rig, 8);
    begin(rig, 3, 2);
    write_byte(rig, 6, 'x');
    DIRTY_IS(rig, "1+1 2+4z 6+1 7+1z");
    rig_close(rig);
}

/* 1.6: clean pages, zero markers and gaps are not reported. */
TEST(what_is_clean_is_not_reported)
{
    struct rig rig = rig_supplied(3, 0, 1);

    supply_zeros(rig, 1, 1);
    NOTHING_DIRTY(rig);
    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 3);
    serve_read(rig, 2, 1);
    ENDS(0, OK);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 1.6: floor(buffer_size / 24) entries are written, not a byte more; avail counts them all. */
TEST(a_small_buffer_gets_what_fits)
{
    struct rig rig = rig_supplied(8, 0, 8);

    for (uint64_t page = 0; page < 8; page += 2)
        write_byte(rig, page, 'x');
    for (size_t size = 0; size <= 5 * 24; size++) {
        unsigned char bytes[5 * 24];
        size_t actual = 99, avail = 99, fit = size / 24 < 4 ? size / 24 : 4;

        memset(bytes, 0xee, sizeof bytes);
        CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(8), bytes, size, &actual,
                                              &avail));
        CHECK(actual == fit && avail == 4);
        for (size_t i = fit * 24; i < sizeof bytes; i++)
            CHECK_EQ(bytes[i], 0xee);
        for (size_t i = 0; i < fit; i++)
            CHECK_EQ(((vmo_dirty_range_t *)bytes)[i].offset, AT(2 * i));
    }
    rig_close(rig);
}

/* 1.6: actual and avail may each be null. */
TEST(counts_may_be_null)
{
    struct rig rig = rig_supplied(4, 0, 4);
    vmo_dirty_range_t range = { 0 };
    size_t count = 99;

    write_byte(rig, 1, 'x');
    write_byte(rig, 3, 'x');
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(4), &range, sizeof range, NULL,
                                          NULL));
    CHECK_EQ(range.offset, AT(1));
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(4), &range, sizeof range,
                                          &count, NULL));
    CHECK_EQ(count, 1);
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(4), &range, sizeof range, NULL,
                                          &count));
    CHECK_EQ(count, 2);
    rig_close(rig);
}

/* 1.6: a null buffer of size 0 is the way to count. */
TEST(a_query_counts)
{
    struct rig rig = rig_supplied(4, 0, 4);
    size_t actual = 99, avail = 99;

    write_byte(rig, 1, 'x');
    write_byte(rig, 3, 'x');
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(4), NULL, 0, &actual, &avail));
    CHECK(actual == 0 && avail == 2);
    rig_close(rig);
}

/* 1.6: a bad buffer, or bad places for the counts, are INVALID_ARGS. */
TEST(bad_buffers_are_invalid)
{
    struct rig rig = rig_supplied(2, 0, 2);
    size_t actual;

    write_byte(rig, 0, 'x');
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(2), bad_pointer(i), 24,
                                                  &actual, NULL),
                     ERR_INVALID_ARGS);
    for (unsigned i = 1; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(2), NULL, 0,
                                                  bad_pointer(i), NULL),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(2), NULL, 0, NULL,
                                                  bad_pointer(i)),
                     ERR_INVALID_ARGS);
    }
    DIRTY_IS(rig, "0+1");
    rig_close(rig);
}

/* 1.6: a bad buffer only matters if something must be copied. */
TEST(unused_buffers_may_be_bad)
{
    struct rig rig = rig_supplied(2, 0, 2);

    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        size_t actual = 99;

        CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(2), bad_pointer(i), 240,
                                              &actual, NULL));
        CHECK_EQ(actual, 0);
    }
    rig_close(rig);
}

static struct {
    struct raw_thread thread;
    struct rig rig;
    vmo_dirty_range_t *ranges;
    size_t actual;
    status_t status;
} query;

static void query_run(void *unused)
{
    (void)unused;
    query.status = sys_pager_query_dirty_ranges(query.rig.pager, query.rig.vmo, 0, AT(4),
                                                query.ranges, 240, &query.actual, NULL);
}

/* 1.6: a buffer that is not there is faulted in, and the walk goes on where it was. */
TEST(a_query_into_a_paged_buffer)
{
    struct rig served = rig_create(1);

    query.rig = rig_supplied(4, 0, 4);
    write_byte(query.rig, 0, 'x');
    write_byte(query.rig, 2, 'x');
    char *memory = map_vmo(served.vmo, READ_WRITE, 0, AT(1));
    query.ranges = (vmo_dirty_range_t *)(memory + 64);
    raw_thread_start(&query.thread, query_run, NULL);
    serve_read(served, 0, 1);
    wait_for_end(query.thread.handle);
    CHECK_OK(query.status);
    CHECK(query.actual == 2 && query.ranges[0].offset == 0 && query.ranges[1].offset == AT(2));
    unmap(memory, AT(1));
    rig_close(query.rig);
    rig_close(served);
}

/* 1.6: one pages through the runs by starting again at the end of the last entry. */
TEST(paging_through_the_runs)
{
    struct rig rig = rig_supplied(64, 0, 64);
    vmo_dirty_range_t ranges[3];
    uint64_t from = 0, found = 0;
    size_t actual;

    for (uint64_t page = 1; page < 64; page += 3)
        write_byte(rig, page, 'x');
    do {
        CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, from, AT(64) - from, ranges,
                                              sizeof ranges, &actual, NULL));
        for (size_t i = 0; i < actual; i++)
            CHECK(ranges[i].offset == AT(1 + 3 * found++) && ranges[i].length == AT(1));
        if (actual > 0)
            from = ranges[actual - 1].offset + ranges[actual - 1].length;
    } while (actual > 0);
    CHECK_EQ(found, 21);
    rig_close(rig);
}

/* --- query_vmo_stats. --- */

/* 1.7: the buffer is too small: BUFFER_TOO_SMALL, before the options. */
TEST(stats_check_the_size_first)
{
    struct rig rig = rig_create(1);
    pager_vmo_stats_t stats;

    CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 0, &stats, 0), ERR_BUFFER_TOO_SMALL);
    CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 6, &stats, 3), ERR_BUFFER_TOO_SMALL);
    CHECK_OK(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 0, &stats, 4));
    CHECK_EQ(sizeof stats, 4);
    rig_close(rig);
}

/* 1.7: options other than RESET are INVALID_ARGS, before the buffer. */
TEST(stats_check_the_options)
{
    struct rig rig = rig_create(1);
    pager_vmo_stats_t stats;

    for (unsigned bit = 1; bit < 32; bit++) {
        CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 1u << bit, &stats, 4),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 1u | 1u << bit, &stats, 4),
                     ERR_INVALID_ARGS);
    }
    rig_close(rig);
}

/* 1.7: a bad buffer is INVALID_ARGS, and nothing is reset. */
TEST(stats_check_the_buffer)
{
    struct rig rig = rig_create(1);

    resize(rig, 2);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, PAGER_RESET_VMO_STATS,
                                               bad_pointer(i), 4),
                     ERR_INVALID_ARGS);
    MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: one 32-bit word: MODIFIED or 0; RESET clears it after reading. */
TEST(reset_clears_after_reading)
{
    struct rig rig = rig_supplied(1, 0, 1);
    pager_vmo_stats_t stats[2] = { { 9 }, { 9 } };

    NOT_MODIFIED(rig);
    write_byte(rig, 0, 'x');
    CHECK_OK(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 0, stats, sizeof stats));
    CHECK(stats[0].modified == PAGER_VMO_STATS_MODIFIED && stats[1].modified == 9);
    CHECK(is_modified(rig, 0));
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    CHECK(!is_modified(rig, PAGER_RESET_VMO_STATS));
    write_byte(rig, 0, 'y');
    MODIFIED(rig);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
