/*
 * t_dirty_trap.c: who makes a page dirty asks the pager first: ZIRCON_PAGER 1.5 DIRTY, 3.2 and 3.3.
 */
#include "dirty_rig.h"

static void expect_dirty(struct rig rig, uint64_t first, uint64_t count)
{
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, first, count);
}

static void allow(struct rig rig, uint64_t first, uint64_t count)
{
    pager_op(rig, PAGER_OP_DIRTY, first, count, 0);
}

/* A write of `value` by a thread of its own. */
static void write_start(struct access *access, struct rig rig, uint64_t first, uint64_t count, char value)
{
    memset(access->buffer, value, count * PAGE_SIZE);
    access_start(access, ACCESS_WRITE, rig.vmo, first, count);
}

TEST(a_write_to_a_clean_page_waits_for_the_pager)
{
    struct rig rig = trap_create(2);

    supply(rig, 0, 2);
    write_start(&accesses[0], rig, 0, 1, 'x');
    wait_until_asked(&accesses[0]);
    CHECK(dirty_is(rig, "") && byte_of(rig, 0) == (char)content_of(0));
    expect_dirty(rig, 0, 1);
    allow(rig, 0, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(dirty_is(rig, "0+1") && byte_of(rig, 0) == 'x');
    write_byte(rig, 0, 'y');                /* dirty: no second packet */
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(a_store_waits_too)
{
    struct rig rig = trap_create(2);

    supply(rig, 0, 2);
    char *at = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 2 * PAGE_SIZE);
    store_start(&accesses[0], at + PAGE_SIZE, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 1, 1);
    allow(rig, 0, 2);                       /* more than was asked for */
    access_end(&accesses[0]);
    CHECK_EQ(at[PAGE_SIZE], 'x');
    CHECK(dirty_is(rig, "0+2"));
    ((volatile char *)at)[0] = 'y';
    expect_silence(rig.port);
    unmap(at, 2 * PAGE_SIZE);
    rig_close(rig);
}

TEST(a_gap_is_read_first_and_then_made_dirty)
{
    struct rig rig = trap_create(3);

    supply(rig, 0, 1);
    write_start(&accesses[0], rig, 0, 3, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 1);                /* up to the gap */
    allow(rig, 0, 1);
    expect_read(rig, 1, 2);
    supply(rig, 1, 2);
    expect_dirty(rig, 1, 2);
    allow(rig, 1, 2);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(dirty_is(rig, "0+3"));
    rig_close(rig);
}

TEST(a_refusal_reaches_the_writer_and_is_no_state)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    for (int round = 0; round < 2; round++) {
        write_start(&accesses[0], rig, 0, 1, 'x');
        wait_until_asked(&accesses[0]);
        expect_dirty(rig, 0, 1);
        fail(rig, 0, 1, ERR_NO_SPACE);
        CHECK_STATUS(access_end(&accesses[0]), ERR_NO_SPACE);
    }
    CHECK(dirty_is(rig, "") && !is_modified(rig, 0));
    CHECK_EQ(byte_of(rig, 0), (char)content_of(0));
    rig_close(rig);
}

TEST(dirty_of_a_gap_does_nothing_and_makes_writers_look_again)
{
    struct rig rig = trap_create(3);

    supply(rig, 0, 1);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, 0, 2 * PAGE_SIZE, 0), ERR_NOT_FOUND);
    CHECK(dirty_is(rig, ""));
    write_start(&accesses[0], rig, 0, 1, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 1);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, 0, 2 * PAGE_SIZE, 0), ERR_NOT_FOUND);
    expect_dirty(rig, 0, 1);                /* it asks again */
    allow(rig, 0, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, 0, 4 * PAGE_SIZE, 0), ERR_OUT_OF_RANGE);
    rig_close(rig);
}

TEST(zero_markers_and_dirty_zeros_ask_and_become_pages)
{
    struct rig rig = trap_create(1);
    handle_t holes = new_vmo(1);

    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, holes, 0));
    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));
    CHECK(dirty_is(rig, "1+3z"));
    write_start(&accesses[0], rig, 0, 2, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 2);
    allow(rig, 0, 3);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(dirty_is(rig, "0+3 3+1z"));
    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, 3 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(holes));
    rig_close(rig);
}

TEST(zeroing_whole_pages_asks_nobody)
{
    struct rig rig = trap_create(2);

    supply(rig, 0, 1);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 0, 2 * PAGE_SIZE, NULL, 0));
    CHECK(dirty_is(rig, "0+2z"));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(zeroing_part_of_a_page_asks)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    accesses[0].op = VMO_OP_ZERO;
    access_start_bytes(&accesses[0], ACCESS_OP, rig.vmo, 8, 8);
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 1);
    allow(rig, 0, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(dirty_is(rig, "0+1"));
    rig_close(rig);
}

TEST(commit_of_clean_pages_asks_nobody_of_dirty_zeros_it_does)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, 0, PAGE_SIZE, NULL, 0));
    CHECK(dirty_is(rig, ""));
    CHECK_OK(sys_vmo_set_size(rig.vmo, 2 * PAGE_SIZE));
    op_start(&accesses[0], VMO_OP_COMMIT, rig.vmo, 0, 2);
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 1, 1);
    allow(rig, 1, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(dirty_is(rig, "1+1"));
    rig_close(rig);
}

TEST(a_write_to_an_awaiting_page_asks_again)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    allow(rig, 0, 1);                       /* needs no request */
    CHECK(dirty_is(rig, "0+1") && !is_modified(rig, 0));
    begin(rig, 0, 1);
    write_start(&accesses[0], rig, 0, 1, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 1);
    end(rig, 0, 1);                         /* first: the page is clean, the writer still waits */
    CHECK(dirty_is(rig, "") && is_waiting(&accesses[0]));
    allow(rig, 0, 1);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK(dirty_is(rig, "0+1"));

    begin(rig, 0, 1);
    write_start(&accesses[0], rig, 0, 1, 'y');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 1);
    allow(rig, 0, 1);                       /* first: END changes nothing */
    CHECK_STATUS(access_end(&accesses[0]), OK);
    end(rig, 0, 1);
    CHECK(dirty_is(rig, "0+1"));
    rig_close(rig);
}

TEST(detach_ends_waiting_writers)
{
    struct rig rig = trap_create(2);

    supply(rig, 0, 2);
    allow(rig, 1, 1);
    write_start(&accesses[0], rig, 0, 1, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 0, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    expect_complete(rig);
    CHECK(dirty_is(rig, "1+1"));
    write_byte(rig, 1, 'z');
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, 0, PAGE_SIZE, 0), ERR_BAD_STATE);
    rig_close(rig);
}

TEST(a_shrink_ends_waiting_writers)
{
    struct rig rig = trap_create(2);

    supply(rig, 0, 2);
    write_start(&accesses[0], rig, 1, 1, 'x');
    wait_until_asked(&accesses[0]);
    expect_dirty(rig, 1, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, PAGE_SIZE));
    CHECK_STATUS(access_end(&accesses[0]), ERR_OUT_OF_RANGE);
    rig_close(rig);
}

TEST(a_killed_writer_withdraws_its_packet)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    write_start(&accesses[0], rig, 0, 1, 'x');
    wait_until_asked(&accesses[0]);
    CHECK_OK(sys_task_kill(accesses[0].thread.handle));
    wait_for_end(accesses[0].thread.handle);
    expect_silence(rig.port);
    CHECK(dirty_is(rig, ""));
    rig_close(rig);
}

TEST(without_may_block_a_write_does_not_ask)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, "x", 0, 1), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 8, 8, NULL, 0), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    CHECK(dirty_is(rig, "") && !is_modified(rig, 0));
    rig_close(rig);
}

TEST(overlapping_writers_share_a_request)
{
    struct rig rig = trap_create(4);

    supply(rig, 0, 4);
    write_start(&accesses[0], rig, 0, 3, 'a');
    wait_until_asked(&accesses[0]);
    write_start(&accesses[1], rig, 1, 1, 'b');
    wait_until_asked(&accesses[1]);
    expect_dirty(rig, 0, 3);
    expect_silence(rig.port);
    allow(rig, 0, 3);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK_STATUS(access_end(&accesses[1]), OK);
    CHECK(dirty_is(rig, "0+3"));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
