/*
 * t_dirty_budget_ends.c: what ends a wait for the dirty budget of a pager, other than its write-back: kills, interrupts, and
 * what happens to the VMOs.
 *
 * Machine: cpus=4 memory=32M
 */
#include "budget_rig.h"
#include "exception_rig.h"

/* --- Giving up. --- */

TEST(a_waiter_can_be_killed)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, AT(next), AT(2));

    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, next, 1);
    store_start(&accesses[1], memory + AT(1), 's');
    wait_until_asked(&accesses[0]);
    wait_until_asked(&accesses[1]);
    kill_asleep(&accesses[0].thread);
    kill_asleep(&accesses[1].thread);
    CHECK_EQ(dirty_pages(rig.vmo), next);
    unmap(memory, AT(2));
    rig_close(rig);
}

TEST(a_waiting_call_can_be_interrupted)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);

    for (int i = 0; i < 3; i++) {
        ask(0, ACCESS_WRITE, rig.vmo, next, 1);
        CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
        CHECK_STATUS(access_end(&accesses[0]), ERR_CANCELED);
    }
    CHECK_EQ(dirty_pages(rig.vmo), next);
    rig_close(rig);
}

/* The store is made again afterwards. */
TEST(a_waiting_store_can_be_interrupted)
{
    struct rig rig = full_rig(RIG_KEY);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, AT(dirty_pages(rig.vmo)), AT(1));
    handle_t reports = new_port();

    touch_start_bound(&accesses[0], reports, ACCESS_STORE, memory, 's');
    wait_until_asked(&accesses[0]);
    CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
    expect_report(reports, accesses[0].thread.handle, EXCEPTION_INTERRUPT, OK);
    retry(accesses[0].thread.handle);
    wait_until_asked(&accesses[0]);
    write_back(rig);
    wait_for_end(accesses[0].thread.handle);
    CHECK_EQ(*memory, 's');
    unmap(memory, AT(1));
    CHECK_OK(sys_handle_close(reports));
    rig_close(rig);
}

/* --- What else ends a wait. --- */

/* A writer of a page that is there waits for a second VMO of the pager; `accesses[0]` is he. */
static struct rig with_waiter(struct rig full)
{
    struct rig second = { full.pager, new_port(), HANDLE_INVALID };

    second.vmo = new_pager_vmo(full.pager, second.port, OTHER_KEY, 2);
    supply(second, 0, 2);
    access_start_bytes(&accesses[0], ACCESS_WRITE, second.vmo, 10, 20);
    wait_until_asked(&accesses[0]);
    return second;
}

static void close_second(struct rig second)
{
    CHECK_OK(sys_handle_close(second.vmo));
    CHECK_OK(sys_handle_close(second.port));
}

TEST(detach_ends_the_wait)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);

    CHECK_OK(sys_pager_detach_vmo(second.pager, second.vmo));
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);      /* the clean page is gone */
    expect_packet(second.port, OTHER_KEY, PAGER_VMO_COMPLETE, 0, 0);
    close_second(second);
    rig_close(rig);
}

TEST(closing_the_pager_ends_the_wait)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);

    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(access_end(&accesses[0]));             /* pages that are there can be used */
    close_second(second);
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(the_end_of_a_vmo_makes_room)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);

    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(dirty_pages(second.vmo), 1);
    close_second(second);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(a_shrink_makes_room)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(10)));
    CHECK_OK(access_end(&accesses[0]));
    close_second(second);
    rig_close(rig);
}

TEST(zeroing_makes_room)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);

    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(3), AT(2), NULL, 0));
    CHECK_OK(access_end(&accesses[0]));
    close_second(second);
    rig_close(rig);
}

TEST(bad_pages_make_room)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);
    int32_t result = VM_PAGER_BAD;

    begin(rig, 0, 1);
    CHECK_OK(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_END, rig.vmo, 0, AT(1), (uintptr_t)&result));
    CHECK_OK(access_end(&accesses[0]));
    close_second(second);
    rig_close(rig);
}

/* The page that is waited for is cut off, or dropped. */
TEST(the_page_goes_under_the_waiter)
{
    struct rig rig = full_rig(RIG_KEY), second = with_waiter(rig);

    CHECK_OK(sys_vmo_set_size(second.vmo, 0));
    CHECK_STATUS(access_end(&accesses[0]), ERR_OUT_OF_RANGE);
    close_second(second);
    second = with_waiter(rig);
    evict(ALL);
    expect_packet(second.port, OTHER_KEY, PAGER_VMO_READ, 0, 1);
    supply(second, 0, 1);
    wait_until_asked(&accesses[0]);
    write_back(rig);
    CHECK_OK(access_end(&accesses[0]));
    close_second(second);
    rig_close(rig);
}

TEST(a_closed_port_does_not_end_the_wait)
{
    struct rig rig = full_rig(RIG_KEY);

    ask(0, ACCESS_WRITE, rig.vmo, dirty_pages(rig.vmo), 1);
    CHECK_OK(sys_handle_close(rig.port));
    CHECK(is_waiting(&accesses[0]));
    write_back(rig);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.pager));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
