/*
 * t_conform_zeros.c: conformance, sections 3.5 and 3.6: zero content, and write-back of it; and the
 * rows of 4.2 that are about what is dirty.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

/* --- 3.5: growing and shrinking. --- */

/* 3.5: growing: the new part is dirty zeros, with no READ on access, by call or by mapping. */
TEST(growing_makes_dirty_zeros)
{
    struct rig rig = rig_create(2);

    resize(rig, 6);
    DIRTY_IS(rig, "2+4z");
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(6));
    CHECK(page_is(rig.vmo, 3, 0) && memory[AT(4)] == 0);
    expect_silence(rig.port);
    DIRTY_IS(rig, "2+4z");
    CHECK_EQ(committed(rig.vmo), 0);
    unmap((char *)memory, AT(6));
    rig_close(rig);
}

/* 3.5: a supply there is ignored. */
TEST(supply_of_what_grew_is_ignored)
{
    struct rig rig = rig_create(2);

    resize(rig, 4);
    supply(rig, 0, 4);
    CHECK(is_supplied(rig.vmo, 0, 2) && page_is(rig.vmo, 2, 0) && page_is(rig.vmo, 3, 0));
    DIRTY_IS(rig, "2+2z");
    CHECK_EQ(committed(rig.vmo), 2);
    rig_close(rig);
}

/* 3.5: shrinking cuts it; growing again makes one range of it. */
TEST(shrinking_cuts_zeros)
{
    struct rig rig = rig_create(2);

    resize(rig, 6);
    resize(rig, 3);
    DIRTY_IS(rig, "2+1z");
    resize(rig, 5);
    DIRTY_IS(rig, "2+3z");
    resize(rig, 1);
    NOTHING_DIRTY(rig);
    resize(rig, 3);
    DIRTY_IS(rig, "1+2z");
    rig_close(rig);
}

/* 3.5: a range of zeros as large as a VMO can be is as cheap as one page. */
TEST(zeros_of_any_size)
{
    struct rig rig = rig_create(1);
    uint64_t pages = VMO_SIZE_MAX / PAGE_SIZE, middle = pages / 2;
    vmo_dirty_range_t ranges[4];
    size_t actual;

    resize(rig, pages);
    write_byte(rig, middle, 'x');
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(pages), ranges, sizeof ranges,
                                          &actual, NULL));
    CHECK_EQ(actual, 3);
    CHECK(ranges[0].offset == AT(1) && ranges[0].length == AT(middle - 1));
    CHECK(ranges[2].offset == AT(middle + 1) && ranges[2].length == AT(middle - 1));
    begin(rig, 0, pages);
    end(rig, 0, pages);
    NOTHING_DIRTY(rig);
    CHECK_EQ(byte_of(rig.vmo, middle), 'x');
    CHECK_EQ(byte_of(rig.vmo, pages - 1), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* --- 3.5: writing. --- */

/* 3.5: after END the slots are gaps; a later write costs READ then DIRTY. */
TEST(a_write_after_end)
{
    struct rig rig = trap_create(1);

    resize(rig, 3);
    begin(rig, 1, 2);
    end(rig, 1, 2);
    ask_write(0, rig, 1, 1, 'x');
    serve_read(rig, 1, 1);
    serve_dirty(rig, 1, 1);
    ENDS(0, OK);
    DIRTY_IS(rig, "1+1");
    rig_close(rig);
}

/* 3.5: a write inside splits the range. */
TEST(a_write_splits_zeros)
{
    struct rig rig = rig_create(1);
    volatile char *memory;

    resize(rig, 6);
    write_byte(rig, 3, 'x');
    DIRTY_IS(rig, "1+2z 3+1 4+2z");
    memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(6));
    memory[AT(5)] = 'x';
    DIRTY_IS(rig, "1+2z 3+1 4+1z 5+1");
    unmap((char *)memory, AT(6));
    rig_close(rig);
}

/* --- 3.5: OP_ZERO. --- */

/* 3.5: whole pages: gaps, clean and dirty pages become dirty zeros, without memory or packets. */
TEST(zero_of_whole_pages)
{
    struct rig rig = rig_supplied(4, 0, 3);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    write_byte(rig, 1, 'x');
    memory[AT(2)] = 'x';
    begin(rig, 2, 1);
    zero_pages(rig, 0, 4);
    DIRTY_IS(rig, "0+4z");
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    for (uint64_t page = 0; page < 4; page++)
        CHECK(page_is(rig.vmo, page, 0) && memory[AT(page)] == 0);
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 3.5: over an existing dirty zero or a marker it changes nothing: a marker stays clean, awaiting
 * zeros go on awaiting. */
TEST(zero_of_zeros)
{
    struct rig rig = rig_create(1);

    supply_zeros(rig, 0, 1);
    resize(rig, 4);
    begin(rig, 3, 1);
    zero_pages(rig, 0, 4);
    DIRTY_IS(rig, "1+3z");
    end(rig, 0, 4);
    DIRTY_IS(rig, "1+2z");
    rig_close(rig);
}

/* 3.5: it completes outstanding READs over the gaps that it filled. */
TEST(zero_answers_readers)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 1, 1);
    ask_read(1, rig, 3, 1);
    zero_pages(rig, 0, 3);
    ENDS(0, OK);
    CHECK_EQ(accesses[0].buffer[0], 0);
    serve_read(rig, 3, 1);                      /* the first packet was withdrawn */
    ends_with_content(1);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 3.5: but it does not complete outstanding DIRTY requests. */
TEST(zero_does_not_answer_writers)
{
    struct rig rig = trap_supplied(2, 0, 2);

    ask_write(0, rig, 0, 1, 'x');
    expect_dirty(rig, 0, 1);
    zero_pages(rig, 0, 2);
    WAITS(0);
    allow(rig, 0, 1);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+1 1+1z");
    CHECK_EQ(byte_of(rig.vmo, 0), 'x');
    rig_close(rig);
}

/* 3.5: parts of pages are writes: READ if absent, DIRTY if trapped. */
TEST(zero_of_parts_is_a_write)
{
    struct rig rig = trap_create(3);

    supply(rig, 2, 1);
    accesses[0].op = VMO_OP_ZERO;
    access_start_bytes(&accesses[0], ACCESS_OP, rig.vmo, 8, AT(2));    /* 0 and 2 in part, 1 */
    serve_read(rig, 0, 1);
    serve_dirty(rig, 0, 1);
    serve_dirty(rig, 2, 1);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+1 1+1z 2+1");
    CHECK(byte_of(rig.vmo, 0) == content_of(0) && byte_of(rig.vmo, 2) == 0);
    CHECK(vmo_is_filled(rig.vmo, AT(2) + 8, 8, content_of(2)));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 3.5: but on content known to be zero a part is nothing: no packet, not even a page. */
TEST(zero_of_parts_of_zeros)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 1);

        supply_zeros(rig, 0, 1);
        resize(rig, 2);
        for (uint64_t page = 0; page < 2; page++)
            CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(page) + 8, 8, NULL, 0));
        CHECK_EQ(committed(rig.vmo), 0);
        DIRTY_IS(rig, "1+1z");
        expect_silence(rig.port);
        rig_close(rig);
    }
}

/* 3.5: in a clone: zeros in the clone, no packets, the parent untouched. */
TEST(zero_in_a_clone)
{
    struct rig rig = trap_supplied(4, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);

    put_byte(clone, AT(1), 'x');
    CHECK_OK(range_op(clone, VMO_OP_ZERO, 0, 4));
    for (uint64_t page = 0; page < 4; page++)
        CHECK(page_is(clone, page, 0));
    CHECK(is_supplied(rig.vmo, 0, 2));
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_SHOULD_WAIT);
    NOTHING_DIRTY(rig);
    NOT_MODIFIED(rig);
    expect_silence(rig.port);
    CLOSE(clone);
    rig_close(rig);
}

/* 3.5: COMMIT over a dirty zero makes a Dirty page, so no dirtiness is lost; with the trap after a
 * DIRTY. */
TEST(commit_of_dirty_zeros)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 1);

        resize(rig, 4);
        if (kind == TRAP) {
            ask_op(0, VMO_OP_COMMIT, rig.vmo, 2, 1);
            serve_dirty(rig, 2, 1);
            ENDS(0, OK);
        } else {
            CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 2, 1));
        }
        DIRTY_IS(rig, "1+1z 2+1 3+1z");
        CHECK_EQ(committed(rig.vmo), 1);
        rig_close(rig);
    }
}

/* 3.5: COMMIT over a zero that awaits being clean: Dirty too, and END leaves it. */
TEST(commit_of_awaiting_zeros)
{
    struct rig rig = rig_create(1);

    resize(rig, 3);
    begin(rig, 1, 2);
    CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 1, 1));
    end(rig, 1, 2);
    DIRTY_IS(rig, "1+1");
    rig_close(rig);
}

/* --- 3.6: write-back of zeros. --- */

/* 3.6: END cleans what BEGIN marked and END names; a second pair goes on from there. */
TEST(zeros_are_written_back_in_parts)
{
    struct rig rig = rig_create(1);

    resize(rig, 9);
    begin(rig, 1, 6);
    end(rig, 1, 3);
    DIRTY_IS(rig, "4+5z");
    end(rig, 1, 8);
    DIRTY_IS(rig, "7+2z");
    begin(rig, 7, 2);
    end(rig, 7, 2);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.6: BEGIN of a shorter prefix does not shorten a longer one. */
TEST(a_shorter_begin_takes_nothing_back)
{
    struct rig rig = rig_create(1);

    resize(rig, 6);
    begin(rig, 1, 4);
    begin(rig, 1, 2);
    end(rig, 1, 5);
    DIRTY_IS(rig, "5+1z");
    rig_close(rig);
}

/* 3.6: growing adds zeros that are not awaiting. */
TEST(growing_while_zeros_await)
{
    struct rig rig = rig_create(1);

    resize(rig, 3);
    begin(rig, 1, 2);
    resize(rig, 5);
    DIRTY_IS(rig, "1+4z");
    end(rig, 0, 5);
    DIRTY_IS(rig, "3+2z");
    rig_close(rig);
}

/* 3.6: shrinking keeps what awaits, clipped. */
TEST(shrinking_while_zeros_await)
{
    struct rig rig = rig_create(1);

    resize(rig, 6);
    begin(rig, 1, 3);
    resize(rig, 3);
    CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_END, 1, 3, 0), ERR_OUT_OF_RANGE);
    resize(rig, 5);
    end(rig, 1, 4);
    DIRTY_IS(rig, "3+2z");
    rig_close(rig);
}

/* 3.6: a write splits, both halves keep what applied to them; the page is Dirty and stays so. */
TEST(a_write_while_zeros_await)
{
    struct rig rig = rig_create(1);

    resize(rig, 8);
    begin(rig, 1, 5);
    write_byte(rig, 3, 'x');
    DIRTY_IS(rig, "1+2z 3+1 4+4z");
    end(rig, 1, 7);
    DIRTY_IS(rig, "3+1 6+2z");
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_SHOULD_WAIT);
    CHECK_EQ(byte_of(rig.vmo, 3), 'x');
    rig_close(rig);
}

/* 3.6: difference: BEGIN in the middle of a range of zeros has effect. */
TEST(begin_in_the_middle_of_zeros)
{
    struct rig rig = rig_create(1);

    resize(rig, 6);
    begin(rig, 3, 1);
    end(rig, 1, 5);
    DIRTY_IS(rig, "1+2z 4+2z");
    rig_close(rig);
}

/* 3.6: difference: two BEGINs before the first END: what both named is cleaned. */
TEST(two_begins_before_an_end)
{
    struct rig rig = rig_create(5);

    resize(rig, 10);
    begin(rig, 5, 2);
    begin(rig, 7, 3);
    end(rig, 5, 5);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.6: difference: zeros made just before a range that awaits take nothing away from it. */
TEST(growing_to_the_left)
{
    struct rig rig = rig_create(2);

    resize(rig, 4);
    begin(rig, 2, 2);
    zero_pages(rig, 1, 1);
    DIRTY_IS(rig, "1+3z");
    end(rig, 1, 3);
    DIRTY_IS(rig, "1+1z");
    rig_close(rig);
}

/* --- 4.2. --- */

/* 4.2: COMMIT over gap, clean, dirty, awaiting: READ for the gap alone; no state changes. */
TEST(commit_keeps_states)
{
    struct rig rig = trap_supplied(4, 0, 3);

    allow(rig, 1, 2);
    begin(rig, 2, 1);
    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 4);
    serve_read(rig, 3, 1);
    ENDS(0, OK);
    expect_silence(rig.port);
    DIRTY_IS(rig, "1+2");
    end(rig, 0, 4);
    DIRTY_IS(rig, "1+1");
    rig_close(rig);
}

/* 4.2: COMMIT: a FAIL of the DIRTY that it needs is its status. */
TEST(commit_is_refused)
{
    struct rig rig = trap_create(0);

    resize(rig, 1);
    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 1);
    expect_dirty(rig, 0, 1);
    fail(rig, 0, 1, ERR_NO_SPACE);
    ENDS(0, ERR_NO_SPACE);
    DIRTY_IS(rig, "0+1z");
    rig_close(rig);
}

/* 4.2: PREFETCH, ALWAYS_NEED and DONT_NEED leave dirty zeros and all states alone. */
TEST(hints_keep_states)
{
    static const uint32_t ops[] = { VMO_OP_PREFETCH, VMO_OP_ALWAYS_NEED, VMO_OP_DONT_NEED };
    struct rig rig = trap_supplied(3, 0, 2);

    supply_zeros(rig, 2, 1);
    allow(rig, 1, 1);
    resize(rig, 5);
    for (size_t i = 0; i < array_size(ops); i++) {
        CHECK_OK(range_op(rig.vmo, ops[i], 0, 5));
        DIRTY_IS(rig, "1+1 3+2z");
        CHECK_EQ(committed(rig.vmo), 2);
    }
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.2: ZERO: for parts the FAIL status of the DIRTY too; nothing is zeroed. */
TEST(zero_of_a_part_is_refused)
{
    struct rig rig = trap_supplied(1, 0, 1);

    ask_part_op(0, VMO_OP_ZERO, rig, 0, 8);
    expect_dirty(rig, 0, 1);
    fail(rig, 0, 1, ERR_NO_SPACE);
    ENDS(0, ERR_NO_SPACE);
    CHECK(is_supplied(rig.vmo, 0, 1));
    NOTHING_DIRTY(rig);
    NOT_MODIFIED(rig);
    rig_close(rig);
}

/* 4.2: DECOMMIT is NOT_SUPPORTED: neither dirty pages nor dirty zeros go. */
TEST(decommit_drops_nothing_dirty)
{
    struct rig rig = rig_supplied(2, 0, 2);

    write_byte(rig, 0, 'x');
    resize(rig, 3);
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_DECOMMIT, 0, 3), ERR_NOT_SUPPORTED);
    DIRTY_IS(rig, "0+1 2+1z");
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
