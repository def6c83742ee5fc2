/*
 * t_pager_early.c: a read goes on as soon as the page that it needs next is there: ZIRCON_PAGER 2.5 and 2.6.
 */
#include "pager_rig.h"

static bool has_begun(void *argument)
{
    const volatile struct access *access = argument;

    return access->buffer[0] == (char)content_of(access->offset / PAGE_SIZE);
}

/* It has read its first page and waits for the next one. */
static void wait_until_further(struct access *access)
{
    CHECK(comes_true(has_begun, access));
    wait_until_asked(access);
}

TEST(one_request_however_the_pages_come)
{
    static const uint64_t orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 }, { 0, 3, 1, 2 } };

    for (size_t i = 0; i < 4; i++) {
        struct rig rig = rig_create(4);
        memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
        access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 4);
        wait_until_asked(&accesses[0]);
        expect_read(rig, 0, 4);
        for (size_t k = 0; k < 4; k++) {
            wait_until_asked(&accesses[0]);
            supply(rig, orders[i][k], 1);
        }
        CHECK_STATUS(access_end(&accesses[0]), OK);
        CHECK(access_read_content(&accesses[0]));
        expect_silence(rig.port);
        rig_close(rig);
    }
}

TEST(a_failure_of_the_page_needed_next_ends_the_read_at_once)
{
    struct rig rig = rig_create(3);

    memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 3);
    supply(rig, 0, 1);
    wait_until_further(&accesses[0]);
    fail(rig, 1, 1, ERR_IO);                /* page 2 is still owed */
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    CHECK_EQ(accesses[0].buffer[0], content_of(0));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(a_failure_further_on_is_asked_for_again)
{
    struct rig rig = rig_create(3);

    memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 3);
    fail(rig, 2, 1, ERR_IO);
    supply(rig, 0, 2);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 2, 1);
    supply(rig, 2, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(access_read_content(&accesses[0]));
    rig_close(rig);
}

TEST(an_overlap_has_a_wake_point_of_its_own)
{
    struct rig rig = rig_create(3);

    memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 1, 2);
    wait_until_asked(&accesses[1]);
    expect_read(rig, 0, 3);
    expect_silence(rig.port);
    supply(rig, 1, 2);
    CHECK_STATUS(access_end(&accesses[1]), OK);     /* though the request it hangs on is not over */
    CHECK(is_waiting(&accesses[0]));
    supply(rig, 0, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(access_read_content(&accesses[0]) && access_read_content(&accesses[1]));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(who_hangs_on_a_reader_that_failed_takes_its_request_over)
{
    struct rig rig = rig_create(3);

    memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 2, 1);
    wait_until_asked(&accesses[1]);
    fail(rig, 0, 1, ERR_IO);
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    expect_read(rig, 0, 3);                 /* it was unread, and stays */
    CHECK(is_waiting(&accesses[1]));
    supply(rig, 2, 1);
    CHECK_STATUS(access_end(&accesses[1]), OK);
    rig_close(rig);
}

TEST(a_killed_reader_leaves_no_request)
{
    struct rig rig = rig_create(3);

    memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 3);
    supply(rig, 0, 1);
    wait_until_further(&accesses[0]);
    CHECK_OK(sys_task_kill(accesses[0].thread.handle));
    wait_for_end(accesses[0].thread.handle);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 1, 2);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 1, 2);                 /* a request of its own */
    supply(rig, 1, 2);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    rig_close(rig);
}

/* The page that the clone waits for becomes its own meanwhile: it goes on, and what it waits for next it asks for anew. */
TEST(a_clone_that_gets_the_page_otherwise_goes_on)
{
    struct rig rig = rig_create(3);
    handle_t clone, zeros = new_vmo(1);

    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 3 * PAGE_SIZE, &clone));
    access_start(&accesses[0], ACCESS_READ, clone, 0, 3);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 3);
    CHECK_OK(sys_vmo_op_range(clone, VMO_OP_ZERO, PAGE_SIZE, PAGE_SIZE, NULL, 0));
    supply(rig, 0, 1);
    supply(rig, 2, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK_EQ(accesses[0].buffer[PAGE_SIZE], 0);
    CHECK_EQ(accesses[0].buffer[2 * PAGE_SIZE], content_of(2));
    CHECK_OK(sys_handle_close(zeros));
    CHECK_OK(sys_handle_close(clone));
    rig_close(rig);
}

TEST(detach_ends_a_read_that_has_begun)
{
    struct rig rig = rig_create(2);

    memset(accesses[0].buffer, 0, sizeof accesses[0].buffer);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 2);
    supply(rig, 0, 1);
    wait_until_further(&accesses[0]);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    expect_complete(rig);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
