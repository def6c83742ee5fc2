/*
 * t_dirty.c: dirty pages and dirty zeros of a pager without TRAP_DIRTY: ZIRCON_PAGER 1.5 to 1.7 and section 3.
 */
#include "dirty_rig.h"

/* --- Pages. --- */

TEST(supplied_pages_are_clean_and_written_ones_dirty)
{
    struct rig rig = rig_create(8);

    supply(rig, 0, 8);
    CHECK(dirty_is(rig, ""));
    write_byte(rig, 1, 'x');
    write_byte(rig, 2, 'x');
    write_byte(rig, 5, 'x');
    CHECK(dirty_is(rig, "1+2 5+1"));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(a_store_through_a_mapping_makes_dirty_a_load_does_not)
{
    struct rig rig = rig_create(4);

    supply(rig, 0, 4);
    char *at = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);
    CHECK_EQ(*(volatile char *)at, content_of(0));
    CHECK(dirty_is(rig, ""));
    *(volatile char *)(at + PAGE_SIZE) = 1;
    CHECK(dirty_is(rig, "1+1"));
    unmap(at, 4 * PAGE_SIZE);
    rig_close(rig);
}

TEST(begin_and_end_clean_what_was_dirty)
{
    struct rig rig = rig_create(4);

    supply(rig, 0, 4);
    write_byte(rig, 0, 'a');
    write_byte(rig, 1, 'b');
    begin(rig, 0, 1);
    CHECK(dirty_is(rig, "0+2"));            /* awaiting clean is still reported */
    end(rig, 0, 2);
    CHECK(dirty_is(rig, "1+1"));            /* never begun, so not ended */
    CHECK_EQ(byte_of(rig, 0), 'a');
    end(rig, 0, 4);
    CHECK(dirty_is(rig, "1+1"));
    rig_close(rig);
}

TEST(a_write_between_begin_and_end_stays_dirty)
{
    struct rig rig = rig_create(2);

    supply(rig, 0, 2);
    char *at = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 2 * PAGE_SIZE);
    at[0] = 'a';
    at[PAGE_SIZE] = 'a';
    begin(rig, 0, 2);
    ((volatile char *)at)[0] = 'b';         /* through a mapping that was writable */
    end(rig, 0, 2);
    CHECK(dirty_is(rig, "0+1"));
    begin(rig, 0, 2);
    write_byte(rig, 0, 'c');
    end(rig, 0, 2);
    CHECK(dirty_is(rig, "0+1"));
    unmap(at, 2 * PAGE_SIZE);
    rig_close(rig);
}

TEST(a_second_begin_is_harmless_and_retries)
{
    struct rig rig = rig_create(1);

    supply(rig, 0, 1);
    write_byte(rig, 0, 'a');
    begin(rig, 0, 1);
    begin(rig, 0, 1);
    end(rig, 0, 1);
    CHECK(dirty_is(rig, ""));
    end(rig, 0, 1);
    CHECK(dirty_is(rig, ""));
    rig_close(rig);
}

TEST(supply_does_not_touch_what_is_dirty)
{
    struct rig rig = rig_create(2);

    supply(rig, 0, 1);
    write_byte(rig, 0, 'a');
    supply(rig, 0, 2);
    CHECK_EQ(byte_of(rig, 0), 'a');
    CHECK(dirty_is(rig, "0+1"));
    rig_close(rig);
}

TEST(a_write_to_a_zero_marker_makes_a_dirty_page_without_a_packet)
{
    struct rig rig = rig_create(3);
    handle_t holes = new_vmo(3);

    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 3 * PAGE_SIZE, holes, 0));
    CHECK(dirty_is(rig, ""));
    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, 0);
    write_byte(rig, 1, 'x');
    CHECK(dirty_is(rig, "1+1"));
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(holes));
    rig_close(rig);
}

TEST(commit_of_a_zero_marker_makes_a_clean_page)
{
    struct rig rig = rig_create(2);
    handle_t holes = new_vmo(2);

    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 2 * PAGE_SIZE, holes, 0));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, 0, 2 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, 2 * PAGE_SIZE);
    CHECK(dirty_is(rig, ""));
    CHECK_OK(sys_handle_close(holes));
    rig_close(rig);
}

/* --- Dirty zeros. --- */

TEST(growing_makes_dirty_zeros)
{
    struct rig rig = rig_create(2);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 6 * PAGE_SIZE));
    CHECK(dirty_is(rig, "2+4z"));
    CHECK_EQ(byte_of(rig, 3), 0);           /* no packet */
    supply(rig, 2, 4);                      /* ignored */
    CHECK_EQ(byte_of(rig, 3), 0);
    expect_silence(rig.port);
    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, 0);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    CHECK(dirty_is(rig, "2+1z"));
    rig_close(rig);
}

TEST(a_write_splits_zeros)
{
    struct rig rig = rig_create(1);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 6 * PAGE_SIZE));
    write_byte(rig, 3, 'x');
    CHECK(dirty_is(rig, "1+2z 3+1 4+2z"));
    rig_close(rig);
}

TEST(ended_zeros_are_gaps_that_the_pager_supplies)
{
    struct rig rig = rig_create(1);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    char *at = map_vmo(rig.vmo, VM_READ, 0, 3 * PAGE_SIZE);
    CHECK_EQ(*(volatile char *)(at + PAGE_SIZE), 0);
    begin(rig, 1, 2);
    CHECK(dirty_is(rig, "1+2z"));
    end(rig, 1, 1);
    CHECK(dirty_is(rig, "2+1z"));
    load_start(&accesses[0], at + PAGE_SIZE);       /* the mapped zeros are gone too */
    wait_until_asked(&accesses[0]);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    access_end(&accesses[0]);
    CHECK_EQ(accesses[0].buffer[0], content_of(1));
    unmap(at, 3 * PAGE_SIZE);
    rig_close(rig);
}

TEST(begin_of_zeros_alone_leaves_pages_dirty)
{
    struct rig rig = rig_create(1);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));
    write_byte(rig, 2, 'x');
    pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, 1, 3, VMO_DIRTY_RANGE_IS_ZERO);
    end(rig, 1, 3);
    CHECK(dirty_is(rig, "2+1"));
    rig_close(rig);
}

TEST(a_write_into_awaiting_zeros_stays_dirty)
{
    struct rig rig = rig_create(1);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));
    begin(rig, 1, 3);
    write_byte(rig, 2, 'x');
    end(rig, 1, 3);
    CHECK(dirty_is(rig, "2+1"));
    rig_close(rig);
}

TEST(zeroing_whole_pages_needs_no_page_and_no_packet)
{
    struct rig rig = rig_create(8);
    handle_t holes = new_vmo(1);

    supply(rig, 1, 2);
    write_byte(rig, 2, 'x');
    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 4 * PAGE_SIZE, PAGE_SIZE, holes, 0));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 0, 6 * PAGE_SIZE, NULL, 0));
    CHECK(dirty_is(rig, "0+4z 5+1z"));      /* the marker at 4 stays clean */
    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, 0);
    CHECK_EQ(byte_of(rig, 2), 0);
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(holes));
    rig_close(rig);
}

TEST(zeroing_answers_who_waits_for_a_gap)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 1, 1);
    wait_until_asked(&accesses[0]);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 0, 4 * PAGE_SIZE, NULL, 0));
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK_EQ(accesses[0].buffer[0], 0);
    expect_silence(rig.port);               /* the unread packet was withdrawn */
    rig_close(rig);
}

TEST(a_huge_range_of_zeros_is_cheap)
{
    struct rig rig = rig_create(1);
    uint64_t pages = 1ull << 29;            /* 2 TiB */

    CHECK_OK(sys_vmo_set_size(rig.vmo, pages * PAGE_SIZE));
    write_byte(rig, pages / 2, 'x');
    vmo_dirty_range_t ranges[4];
    size_t actual;
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, pages * PAGE_SIZE, ranges,
                                          sizeof ranges, &actual, NULL));
    CHECK_EQ(actual, 3);
    CHECK_EQ(ranges[0].length, (pages / 2 - 1) * PAGE_SIZE);
    CHECK_EQ(ranges[2].length, (pages / 2 - 1) * PAGE_SIZE);
    begin(rig, 0, pages);
    end(rig, 0, pages);
    CHECK(dirty_is(rig, ""));
    CHECK_EQ(byte_of(rig, pages / 2), 'x');
    rig_close(rig);
}

TEST(commit_of_dirty_zeros_makes_dirty_pages)
{
    struct rig rig = rig_create(1);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK(dirty_is(rig, "1+1 2+1z"));
    rig_close(rig);
}

/* --- Queries. --- */

TEST(a_query_clips_and_widens_to_pages)
{
    struct rig rig = rig_create(8);

    supply(rig, 0, 8);
    for (uint64_t i = 2; i < 6; i++)
        write_byte(rig, i, 'x');
    CHECK(strcmp(dirty_runs(rig, 3, 2), "3+2") == 0);
    vmo_dirty_range_t range = { 0 };
    size_t actual = 9;
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 3 * PAGE_SIZE + 5, 1, &range,
                                          sizeof range, &actual, NULL));
    CHECK(actual == 1 && range.offset == 3 * PAGE_SIZE && range.length == PAGE_SIZE);
    rig_close(rig);
}

TEST(a_small_buffer_gets_what_fits)
{
    struct rig rig = rig_create(8);
    vmo_dirty_range_t ranges[2];
    size_t actual = 9, avail = 9;

    supply(rig, 0, 8);
    for (uint64_t i = 0; i < 8; i += 2)
        write_byte(rig, i, 'x');
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, 8 * PAGE_SIZE, ranges,
                                          sizeof ranges + 23, &actual, &avail));
    CHECK(actual == 2 && avail == 4 && ranges[1].offset == 2 * PAGE_SIZE);
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, 8 * PAGE_SIZE, ranges, 23, &actual,
                                          NULL));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, 8 * PAGE_SIZE, NULL, 0, NULL,
                                          &avail));
    CHECK_EQ(avail, 4);
    rig_close(rig);
}

TEST(queries_refused)
{
    struct rig rig = rig_create(2);
    handle_t other = new_pager(), event = new_event(), anonymous = new_vmo(1), weak;
    size_t actual;
    pager_vmo_stats_t stats;

    supply(rig, 0, 2);
    write_byte(rig, 0, 'x');
    CHECK_OK(sys_handle_duplicate(rig.vmo, RIGHT_WRITE | RIGHT_MAP, &weak));
    CHECK_STATUS(sys_pager_query_dirty_ranges(HANDLE_INVALID, rig.vmo, 0, 0, NULL, 0, &actual, NULL),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(event, rig.vmo, 0, 0, NULL, 0, &actual, NULL),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, HANDLE_INVALID, 0, 0, NULL, 0, &actual, NULL),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, event, 0, 0, NULL, 0, &actual, NULL),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, weak, 0, 0, NULL, 0, &actual, NULL),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, anonymous, 0, 0, NULL, 0, &actual, NULL),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_query_dirty_ranges(other, rig.vmo, 0, 0, NULL, 0, &actual, NULL),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, 3 * PAGE_SIZE, NULL, 0, &actual, NULL),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, PAGE_SIZE, UINT64_MAX, NULL, 0, &actual, NULL),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, PAGE_SIZE, NULL, 24, &actual, NULL),
                 ERR_INVALID_ARGS);
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, PAGE_SIZE, PAGE_SIZE, NULL, 24, &actual,
                                          NULL));           /* nothing to write */

    CHECK_STATUS(sys_pager_query_vmo_stats(HANDLE_INVALID, rig.vmo, 0, &stats, 4), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_query_vmo_stats(event, rig.vmo, 0, &stats, 4), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, weak, 0, &stats, 4), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_query_vmo_stats(other, rig.vmo, 0, &stats, 4), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 2, &stats, 3), ERR_BUFFER_TOO_SMALL);
    CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 2, &stats, 4), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_query_vmo_stats(rig.pager, rig.vmo, 0, NULL, 4), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(anonymous));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(other));
    rig_close(rig);
}

TEST(operations_refused)
{
    struct rig rig = rig_create(2);

#define OP(op, length, data) sys_pager_op_range(rig.pager, op, rig.vmo, 0, (length) * PAGE_SIZE, data)
    CHECK_STATUS(OP(PAGER_OP_DIRTY, 1, 0), ERR_NOT_SUPPORTED);
    CHECK_STATUS(OP(PAGER_OP_DIRTY, 0, 0), ERR_NOT_SUPPORTED);
    CHECK_STATUS(OP(PAGER_OP_DIRTY, 0, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(OP(PAGER_OP_WRITEBACK_BEGIN, 0, 2), ERR_INVALID_ARGS);
    CHECK_STATUS(OP(PAGER_OP_WRITEBACK_BEGIN, 3, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(OP(PAGER_OP_WRITEBACK_END, 0, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(OP(PAGER_OP_WRITEBACK_END, 3, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(OP(9, 0, 0), ERR_NOT_SUPPORTED);
    rig_close(rig);
}

/* --- Modified or not. --- */

TEST(what_modifies_and_what_does_not)
{
    struct rig rig = rig_create(4);
    char byte;

    CHECK(!is_modified(rig, 0));
    supply(rig, 0, 4);
    CHECK_OK(sys_vmo_read(rig.vmo, 0, &byte, 0, 1));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, 0, 4 * PAGE_SIZE, NULL, 0));
    CHECK_STATUS(sys_vmo_set_size(rig.vmo, VMO_SIZE_MAX + 1), ERR_OUT_OF_RANGE);
    CHECK(!is_modified(rig, 0));
    write_byte(rig, 0, 'x');
    CHECK(is_modified(rig, 0));
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    CHECK(!is_modified(rig, 0));
    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 0, PAGE_SIZE, NULL, 0));
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, PAGE_SIZE + 8, 8, NULL, 0));
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    char *at = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 3 * PAGE_SIZE);
    CHECK_EQ(((volatile char *)at)[2 * PAGE_SIZE], content_of(2));
    CHECK(!is_modified(rig, 0));
    ((volatile char *)at)[2 * PAGE_SIZE] = 1;
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    unmap(at, 3 * PAGE_SIZE);
    rig_close(rig);
}

TEST(a_clones_writes_are_nothing_to_the_pager)
{
    struct rig rig = rig_create(2);
    handle_t clone;

    supply(rig, 0, 2);
    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 2 * PAGE_SIZE, &clone));
    CHECK_OK(sys_vmo_write(clone, 0, "x", 0, 1));
    CHECK_OK(sys_vmo_op_range(clone, VMO_OP_ZERO, PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK(dirty_is(rig, "") && !is_modified(rig, 0));
    CHECK_EQ(byte_of(rig, 1), content_of(1));
    size_t actual;
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, clone, 0, 0, NULL, 0, &actual, NULL),
                 ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(clone));
    rig_close(rig);
}

/* --- After detach. --- */

TEST(detach_keeps_what_is_dirty_and_lets_it_be_cleaned)
{
    struct rig rig = rig_create(4);
    char byte;

    supply(rig, 0, 3);
    write_byte(rig, 1, 'x');
    CHECK_OK(sys_vmo_set_size(rig.vmo, 6 * PAGE_SIZE));
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    expect_complete(rig);
    CHECK(dirty_is(rig, "1+1 4+2z"));
    CHECK_EQ(byte_of(rig, 1), 'x');
    CHECK_EQ(byte_of(rig, 5), 0);
    CHECK_STATUS(sys_vmo_read(rig.vmo, VMO_MAY_BLOCK, &byte, 0, 1), ERR_BAD_STATE);
    write_byte(rig, 1, 'y');                /* dirty already: nobody is asked */
    begin(rig, 0, 6);
    end(rig, 0, 6);
    CHECK(dirty_is(rig, ""));
    CHECK_STATUS(sys_vmo_read(rig.vmo, VMO_MAY_BLOCK, &byte, 4 * PAGE_SIZE, 1), ERR_BAD_STATE);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
