/*
 * t_conform_slow.c: conformance, section 2.7: a pager that does not answer: waits time out (300 s
 * by default, here after one).
 *
 * Machine: cpus=4 append=pager_timeout=1
 */
#include "conform_dirty.h"

/* 2.7: time-out: the call returns TIMED_OUT, and its packet is withdrawn. */
TEST(calls_time_out)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    access_start(&accesses[1], ACCESS_WRITE, rig.vmo, 1, 1);
    op_start(&accesses[2], VMO_OP_COMMIT, rig.vmo, 2, 1);
    op_start(&accesses[3], VMO_OP_PREFETCH, rig.vmo, 3, 1);
    for (unsigned i = 0; i < 4; i++)
        ENDS(i, ERR_TIMED_OUT);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.7: time-out: a mapped access crashes with it. */
TEST(mapped_accesses_time_out)
{
    struct rig rig = rig_create(2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    touch_start(0, ACCESS_LOAD, memory);
    touch_start(1, ACCESS_STORE, memory + AT(1));
    expect_crash(0, ERR_TIMED_OUT);
    expect_crash(1, ERR_TIMED_OUT);
    expect_silence(rig.port);
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 2.7: time-out: ALWAYS_NEED swallows it like any paging error. */
TEST(always_need_times_out)
{
    struct rig rig = rig_create(1);

    op_start(&accesses[0], VMO_OP_ALWAYS_NEED, rig.vmo, 0, 1);
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.7: time-out of a chained waiter's head: each has its own time, none is lost. */
TEST(chained_waiters_time_out)
{
    struct rig rig = rig_create(2);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 1, 1);
    ENDS(0, ERR_TIMED_OUT);
    ENDS(1, ERR_TIMED_OUT);
    expect_silence(rig.port);
    supply(rig, 0, 2);
    CHECK(is_supplied(rig.vmo, 0, 2));
    rig_close(rig);
}

/* 2.7: time-out: a writer that waits for permission, by call and by store. */
TEST(writers_time_out)
{
    struct rig rig = trap_supplied(4, 0, 4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, 0, 2);
    touch_start(1, ACCESS_STORE, memory + AT(3));
    ENDS(0, ERR_TIMED_OUT);
    expect_crash(1, ERR_TIMED_OUT);
    expect_silence(rig.port);
    NOTHING_DIRTY(rig);
    CHECK(is_supplied(rig.vmo, 0, 4));
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.7: time-out: a reader that went on times out too. */
TEST(readers_time_out_after_going_on)
{
    struct rig rig = rig_create(2);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
    wait_until_asleep(accesses[0].thread.handle);
    supply(rig, 0, 1);
    ENDS(0, ERR_TIMED_OUT);
    CHECK(is_supplied(rig.vmo, 0, 1));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
