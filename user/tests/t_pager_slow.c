/*
 * t_pager_slow.c: a pager that does not answer: the waits end by themselves.
 *
 * Machine: cpus=4 append=pager_timeout=1
 */
#include "pager_rig.h"
#include "toucher.h"

TEST(waits_time_out)
{
    struct rig rig = rig_create(8);
    struct tiny toucher = toucher_create(rig.vmo, VM_READ, 8 * PAGE_SIZE);
    int64_t begin = sys_clock_get();

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
    access_start(&accesses[1], ACCESS_WRITE, rig.vmo, 2, 1);
    op_start(&accesses[2], VMO_OP_COMMIT, rig.vmo, 3, 1);
    toucher_start(toucher, toucher_load, 4 * PAGE_SIZE);
    CHECK_STATUS(access_end(&accesses[0]), ERR_TIMED_OUT);
    CHECK_STATUS(access_end(&accesses[1]), ERR_TIMED_OUT);
    CHECK_STATUS(access_end(&accesses[2]), ERR_TIMED_OUT);
    COVERS("vmo_read", TIMED_OUT);
    COVERS("vmo_write", TIMED_OUT);
    COVERS("vmo_op_range", TIMED_OUT);
    CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    CHECK(sys_clock_get() - begin >= SECOND);
    expect_silence(rig.port);                   /* the unread requests went with them */

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);     /* asks anew */
    expect_read(rig, 0, 2);
    supply(rig, 0, 2);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(rig);
}

TEST(an_answer_in_time_is_taken)
{
    struct rig rig = rig_create(2);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 1, 1);
    wait_until_asked(&accesses[0]);
    wait_until_asked(&accesses[1]);
    supply(rig, 1, 1);
    CHECK_OK(access_end(&accesses[1]));
    CHECK_STATUS(access_end(&accesses[0]), ERR_TIMED_OUT);
    supply(rig, 0, 1);                          /* too late for that thread, not for others */
    CHECK(is_supplied(rig.vmo, 0, 2));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
