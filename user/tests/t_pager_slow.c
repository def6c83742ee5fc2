/*
 * t_pager_slow.c: a pager that does not answer: the waits end by themselves.
 *
 * Machine: cpus=4 append=pager_timeout=1
 */
#include "pager_rig.h"
#include "toucher.h"

/* A read of two pages asks for them and gets them, if only at the second try on a slow host. */
static void expect_an_answer(struct rig rig)
{
    int64_t limit = after(PATIENCE);
    port_packet_t packet;
    status_t status;

    do {
        access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
        CHECK(sys_clock_get() < limit && comes_true(waits_or_has_ended, &accesses[0].thread.handle));
        status = sys_port_wait(rig.port, 0, &packet);
        if (status == ERR_TIMED_OUT)
            CHECK_STATUS(access_end(&accesses[0]), ERR_TIMED_OUT);
    } while (status == ERR_TIMED_OUT);
    CHECK_EQ(packet.page_request.command, PAGER_VMO_READ);
    CHECK(packet.page_request.offset == 0 && packet.page_request.length == AT(2));
    int64_t taken = sys_clock_get();
    supply(rig, 0, 2);
    status = access_end(&accesses[0]);
    CHECK(status == OK || (status == ERR_TIMED_OUT && sys_clock_get() - taken > SECOND / 2));
}

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

    expect_an_answer(rig);                      /* asks anew */
    rig_close(rig);
}

/* One of two reads is answered; a host that is too slow for an answer in time is asked again. */
TEST(an_answer_in_time_is_taken)
{
    int64_t limit = after(PATIENCE);

    for (bool in_time = false; !in_time; ) {
        struct rig rig = rig_create(2);
        int64_t begin = sys_clock_get();

        CHECK(begin < limit);
        access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
        access_start(&accesses[1], ACCESS_READ, rig.vmo, 1, 1);
        for (unsigned i = 0; i < 2; i++)
            CHECK(comes_true(waits_or_has_ended, &accesses[i].thread.handle));
        supply(rig, 1, 1);
        in_time = sys_clock_get() - begin < SECOND;
        status_t status = access_end(&accesses[1]);
        CHECK(status == OK || (!in_time && status == ERR_TIMED_OUT));
        CHECK_STATUS(access_end(&accesses[0]), ERR_TIMED_OUT);
        supply(rig, 0, 1);                      /* too late for that thread, not for others */
        CHECK(is_supplied(rig.vmo, 0, 2));
        rig_close(rig);
    }
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
