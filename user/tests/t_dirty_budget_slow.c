/*
 * t_dirty_budget_slow.c: a pager that does not write back: who waits for its dirty budget is told after a time (300 s by
 * default, here after one).
 *
 * Machine: cpus=4 memory=32M append=pager_timeout=1
 */
#include "budget_rig.h"
#include "exception_rig.h"

TEST(calls_time_out)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);

    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, next, 1);
    op_start(&accesses[1], VMO_OP_COMMIT, rig.vmo, next + 1, 1);
    CHECK_STATUS(access_end(&accesses[0]), ERR_TIMED_OUT);
    CHECK_STATUS(access_end(&accesses[1]), ERR_TIMED_OUT);
    CHECK_EQ(dirty_pages(rig.vmo), next);
    rig_close(rig);
}

TEST(stores_time_out)
{
    struct rig rig = full_rig(RIG_KEY);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, AT(dirty_pages(rig.vmo)), AT(1));
    handle_t reports = new_port();

    touch_start_bound(&accesses[0], reports, ACCESS_STORE, memory, 's');
    expect_report(reports, accesses[0].thread.handle, EXCEPTION_STORE_FAULT, ERR_TIMED_OUT);
    CHECK_OK(sys_exception_resume(accesses[0].thread.handle, EXCEPTION_KILL_THREAD));
    wait_for_end(accesses[0].thread.handle);
    unmap(memory, AT(1));
    CHECK_OK(sys_handle_close(reports));
    rig_close(rig);
}

/* Others make pages dirty and clean, which wakes who waits: his time goes on. */
TEST(the_time_goes_on_while_others_get_on)
{
    struct rig silent = full_rig(RIG_KEY), busy = empty_rig(2, MINIMUM);
    int64_t limit = after(PATIENCE);

    access_start(&accesses[0], ACCESS_WRITE, silent.vmo, dirty_pages(silent.vmo), 1);
    while (thread_state(accesses[0].thread.handle) != THREAD_DEAD) {
        CHECK(sys_clock_get() < limit);
        CHECK_EQ(fill(busy, 8), 8);
        write_back(busy);
    }
    CHECK_STATUS(access_end(&accesses[0]), ERR_TIMED_OUT);
    rig_close(busy);
    rig_close(silent);
}

/* Six pages, for each of which there is room after a third of a second: was the host fast enough for that? */
static bool write_slowly(void)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);
    int64_t begun = sys_clock_get(), last = begun;
    bool in_time = true;

    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, next, 6);
    for (uint64_t i = 0; i < 6; i++) {
        CHECK(comes_true(waits_or_has_ended, &accesses[0].thread.handle));
        sys_nanosleep(begun + (int64_t)(i + 1) * SECOND / 3);
        begin(rig, i, 1);
        end(rig, i, 1);
        in_time = in_time && sys_clock_get() - last < SECOND;
        last = sys_clock_get();
    }
    status_t status = access_end(&accesses[0]);
    CHECK(status == OK || (!in_time && status == ERR_TIMED_OUT));
    CHECK(sys_clock_get() - begun > SECOND);
    rig_close(rig);
    return in_time;
}

/* A long write is not late as long as it gets on. */
TEST(each_page_has_its_own_time)
{
    int64_t limit = after(PATIENCE);

    while (!write_slowly())
        CHECK(sys_clock_get() < limit);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
