/*
 * t_conform_merging.c: conformance, sections 2.4 and 2.5: merging and splitting between waiters,
 * completion.
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* --- 2.4: merging and splitting. --- */

/* 2.4: a request that starts inside another is chained to it: no packet. */
TEST(a_request_inside_another_sends_nothing)
{
    struct rig rig = rig_create(8);

    ask(0, ACCESS_READ, rig.vmo, 0, 4);
    expect_read(rig, 0, 4);
    ask(1, ACCESS_READ, rig.vmo, 0, 4);
    memset(accesses[2].buffer, content_of(2), PAGE_SIZE);      /* whoever is first */
    ask(2, ACCESS_WRITE, rig.vmo, 2, 1);
    ask_op(3, VMO_OP_COMMIT, rig.vmo, 3, 1);
    expect_silence(rig.port);
    supply(rig, 0, 4);
    ends_with_content(0);
    ends_with_content(1);
    ENDS(2, OK);
    ENDS(3, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.4: reads and faults on the same page share one packet. */
TEST(calls_and_faults_share_requests)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

    touch_asks(0, ACCESS_LOAD, memory);
    touch_asks(1, ACCESS_STORE, memory + 1);
    ask(2, ACCESS_READ, rig.vmo, 0, 1);
    serve_read(rig, 0, 1);
    CHECK_EQ(touch_end(0), content_of(0));
    touch_end(1);
    ENDS(2, OK);
    expect_silence(rig.port);
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 2.4: an overlap that reaches further asks for the part beyond when it wakes. */
TEST(an_overlap_asks_for_the_part_beyond)
{
    struct rig rig = rig_create(16);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 1, 6);
    expect_read(rig, 1, 6);
    ask_op(1, VMO_OP_COMMIT, rig.vmo, 5, 5);
    expect_silence(rig.port);
    supply(rig, 1, 6);
    ENDS(0, OK);
    serve_read(rig, 7, 3);
    ENDS(1, OK);
    rig_close(rig);
}

/* 2.4: a request in which another starts is cut there, and goes on behind it afterwards. */
TEST(a_request_is_cut_where_another_starts)
{
    struct rig rig = rig_create(40);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 8, 16);
    expect_read(rig, 8, 16);
    ask_op(1, VMO_OP_COMMIT, rig.vmo, 0, 32);
    expect_read(rig, 0, 8);
    expect_silence(rig.port);
    supply(rig, 0, 8);
    WAITS(1);                                   /* now chained to the first */
    expect_silence(rig.port);
    supply(rig, 8, 16);
    ENDS(0, OK);
    serve_read(rig, 24, 8);
    ENDS(1, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.4: requests that touch but do not overlap are each their own. */
TEST(neighbours_are_not_merged)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    ask(1, ACCESS_READ, rig.vmo, 2, 2);
    expect_read(rig, 0, 2);
    expect_read(rig, 2, 2);
    supply(rig, 2, 2);
    ends_with_content(1);
    WAITS(0);
    supply(rig, 0, 2);
    ends_with_content(0);
    rig_close(rig);
}

/* --- 2.5: completion. --- */

/* 2.5: the request completes when the last of its bytes is reported, in any order. */
TEST(parts_complete_a_request_in_any_order)
{
    struct rig rig = rig_create(8);
    static const uint64_t order[] = { 3, 1, 4, 0, 2 };

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 5);
    expect_read(rig, 0, 5);
    for (size_t i = 0; i < array_size(order); i++) {
        WAITS(0);
        supply(rig, order[i], 1);
    }
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: a page that failed and is supplied counts twice: harmless, the waiter looks again. */
TEST(an_early_completion_is_harmless)
{
    struct rig rig = rig_create(2);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    fail(rig, 1, 1, ERR_IO);
    supply(rig, 1, 1);
    WAITS(0);                                   /* for page 0, with or without a new packet */
    supply(rig, 0, 1);
    ENDS(0, OK);
    CHECK(is_supplied(rig.vmo, 0, 2));
    rig_close(rig);
}

/* 2.5: whole pages that are zeroed complete a request like supplied ones. */
TEST(zeroing_completes_requests)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 0, 2));
    ENDS(0, OK);
    CHECK(accesses[0].buffer[0] == 0 && accesses[0].buffer[AT(1)] == 0);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
