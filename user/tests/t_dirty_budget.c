/*
 * t_dirty_budget.c: how many pages a pager may have dirty.  Pagers that want to be asked for write-back share a quarter of
 * memory for dirty pages; each may always have 64.  Who wants to make one more dirty waits until some are clean.
 *
 * Machine: cpus=4 memory=32M
 */
#include "budget_rig.h"
#include "stream_rig.h"

/* --- Where the limit is. --- */

TEST(a_quarter_of_memory_may_be_dirty)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t frames = 0;
    info_system_t info = system_info();

    for (int kind = 0; kind < FRAME_KINDS; kind++)
        frames += info.frames[kind];
    CHECK_EQ(dirty_pages(rig.vmo), frames / 4);
    CHECK(info.frames[FRAME_FREE] > frames / 8);
    rig_close(rig);
}

TEST(beyond_it_calls_that_may_not_block_fail)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo), committed_before = committed(rig.vmo);

    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, "x", AT(next), 1), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, "x", AT(next) + 100, PAGE_SIZE), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, AT(next), AT(2), NULL, 0), ERR_SHOULD_WAIT);
    CHECK(!is_modified(rig, 0));
    CHECK(dirty_pages(rig.vmo) == next && committed(rig.vmo) == committed_before);
    CHECK_EQ(byte_of(rig.vmo, next), 0);
    CHECK(dirty_runs(rig, next, 1)[0] != 0);        /* zeros, as before */
    rig_close(rig);
}

TEST(what_is_dirty_may_be_written_again)
{
    struct rig rig = full_rig(RIG_KEY);

    write_byte(rig, 5, 'x');
    begin(rig, 5, 1);
    write_byte(rig, 5, 'y');                        /* awaits being clean: it counts already */
    CHECK_EQ(byte_of(rig.vmo, 5), 'y');
    rig_close(rig);
}

TEST(reading_zeroing_and_sizes_are_free)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);

    CHECK_EQ(byte_of(rig.vmo, next), 0);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(next), AT(2), NULL, 0));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(next) + 5, 7, NULL, 0));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(next + 1000)));
    supply(rig, next, 1);
    CHECK_EQ(dirty_pages(rig.vmo), next);
    rig_close(rig);
}

TEST(clones_are_outside)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);
    handle_t clone;

    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, AT(next + 4), &clone));
    for (uint64_t i = next; i < next + 4; i++)
        CHECK_OK(sys_vmo_write(clone, 0, "c", AT(i), 1));
    CHECK_OK(sys_handle_close(clone));
    rig_close(rig);
}

TEST(pagers_that_are_not_asked_are_outside)
{
    struct rig rig = full_rig(RIG_KEY), plain = rig_create(0);

    CHECK_OK(sys_vmo_set_size(plain.vmo, AT(200)));
    for (uint64_t i = 0; i < 200; i++)
        write_byte(plain, i, 'p');
    CHECK_EQ(dirty_pages(plain.vmo), 200);
    rig_close(plain);
    rig_close(rig);
}

/* What the pager itself makes dirty counts, and is never refused. */
TEST(op_dirty_is_not_refused)
{
    struct rig rig = full_rig(RIG_KEY), trap = { rig.pager, rig.port, HANDLE_INVALID };

    CHECK_OK(sys_pager_create_vmo(rig.pager, VMO_TRAP_DIRTY, rig.port, OTHER_KEY, AT(4), &trap.vmo));
    supply(trap, 0, 4);
    pager_op(trap, PAGER_OP_DIRTY, 0, 4, 0);
    CHECK_EQ(dirty_pages(trap.vmo), 4);
    CHECK_OK(sys_handle_close(trap.vmo));
    rig_close(rig);
}

/* --- Each has its minimum. --- */

TEST(a_second_pager_gets_its_minimum)
{
    struct rig silent = full_rig(RIG_KEY), second = empty_rig(OTHER_KEY, 100);

    CHECK_EQ(fill(second, 100), MINIMUM);
    ask(0, ACCESS_WRITE, second.vmo, MINIMUM, 1);
    expect_packet(second.port, OTHER_KEY, PAGER_VMO_WRITEBACK, 0, 100);
    write_back(second);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(fill(second, 100), MINIMUM - 1);       /* and the one of the writer */
    CHECK(dirty_pages(second.vmo) == MINIMUM);
    rig_close(second);
    rig_close(silent);
}

TEST(the_second_profits_from_the_first)
{
    struct rig first = full_rig(RIG_KEY), second = empty_rig(OTHER_KEY, 100);

    CHECK_EQ(fill(second, 100), MINIMUM);
    ask(0, ACCESS_WRITE, second.vmo, MINIMUM, 1);
    write_back(first);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(second);
    rig_close(first);
}

/* --- Waiting. --- */

TEST(a_writer_waits_and_goes_on)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);

    ask(0, ACCESS_WRITE, rig.vmo, next, 2);
    expect_full_writeback(rig);
    CHECK(is_waiting(&accesses[0]));
    CHECK_EQ(dirty_pages(rig.vmo), next);
    write_back(rig);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(dirty_pages(rig.vmo), 2);
    rig_close(rig);
}

TEST(a_store_waits_and_goes_on)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, AT(next), AT(1));

    CHECK_EQ(*memory, 0);
    store_start(&accesses[0], memory + 8, 's');
    wait_until_asked(&accesses[0]);
    expect_full_writeback(rig);
    CHECK_EQ(*memory, 0);
    write_back(rig);
    wait_for_end(accesses[0].thread.handle);
    CHECK(memory[8] == 's' && dirty_pages(rig.vmo) == 1);
    unmap(memory, AT(1));
    rig_close(rig);
}

TEST(a_stream_waits_and_goes_on)
{
    struct rig rig = full_rig(RIG_KEY);
    handle_t stream = appender(rig);
    uint64_t size = 0, content = 0;

    CHECK_OK(sys_vmo_get_size(rig.vmo, &size));
    CHECK_OK(sys_vmo_set_content_size(rig.vmo, size));
    write_waits(0, stream, AT(3));
    CHECK_OK(sys_vmo_get_content_size(rig.vmo, &content));
    CHECK_EQ(content, size + 3 * PAGE_SIZE);        /* reserved; nothing else waits */
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_WRITEBACK, 0, size / PAGE_SIZE + 3);
    write_back(rig);
    write_ends(0, OK, AT(3));
    CHECK_EQ(byte_of(rig.vmo, size / PAGE_SIZE + 2), 'w');
    CHECK_EQ(dirty_pages(rig.vmo), 3);
    CHECK_OK(sys_handle_close(stream));
    rig_close(rig);
}

static void read_run(void *argument)
{
    struct access *access = argument;

    access->status = sys_vmo_read(access->vmo, 0, (char *)access->address, 0, PAGE_SIZE);
}

/* The kernel stores into memory that is mapped: it waits as a store does. */
TEST(a_copy_into_mapped_pages_waits)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, AT(next), AT(1));
    handle_t source = new_vmo(1);

    vmo_fill(source, 0, PAGE_SIZE, 'k');
    accesses[0].vmo = source;
    accesses[0].address = memory;
    raw_thread_start(&accesses[0].thread, read_run, &accesses[0]);
    wait_until_asked(&accesses[0]);
    write_back(rig);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(memory[17], 'k');
    unmap(memory, AT(1));
    CHECK_OK(sys_handle_close(source));
    rig_close(rig);
}

TEST(several_wait)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t next = dirty_pages(rig.vmo);

    for (unsigned i = 0; i < 3; i++)
        access_start(&accesses[i], ACCESS_WRITE, rig.vmo, next + 2 * i, 1);
    op_start(&accesses[3], VMO_OP_COMMIT, rig.vmo, next + 8, 4);
    for (unsigned i = 0; i < 4; i++)
        wait_until_asked(&accesses[i]);
    begin(rig, 0, 5);
    end(rig, 0, 5);                                 /* room for five of seven */
    for (int64_t limit = after(PATIENCE); dirty_pages(rig.vmo) != next; )
        CHECK(sys_clock_get() < limit);
    write_back(rig);
    for (unsigned i = 0; i < 4; i++)
        CHECK_OK(access_end(&accesses[i]));
    CHECK(dirty_pages(rig.vmo) <= 7);
    rig_close(rig);
}

/* All VMOs of the pager that have dirty pages are asked for, those without are not, nor are other pagers. */
TEST(all_vmos_of_the_pager_are_asked_for)
{
    struct rig rig = full_rig(RIG_KEY), some = { rig.pager, new_port(), HANDLE_INVALID };
    struct rig none = { rig.pager, new_port(), HANDLE_INVALID }, stranger = empty_rig(OTHER_KEY, 4);
    uint64_t next = dirty_pages(rig.vmo);

    write_back(rig);
    some.vmo = new_pager_vmo(some.pager, some.port, 1, 3);
    none.vmo = new_pager_vmo(none.pager, none.port, 2, 3);
    supply(some, 0, 3);
    supply(none, 0, 3);
    write_byte(some, 2, 'd');
    write_byte(stranger, 2, 'd');
    while (sys_vmo_write(rig.vmo, 0, "x", AT(dirty_pages(rig.vmo)), 1) == OK)
        ;
    ask(0, ACCESS_WRITE, rig.vmo, next + 5, 1);
    expect_full_writeback(rig);
    expect_packet(some.port, 1, PAGER_VMO_WRITEBACK, 0, 3);
    expect_silence(none.port);
    expect_silence(stranger.port);
    write_back(some);                               /* one page is enough */
    CHECK_OK(access_end(&accesses[0]));
    CHECK_OK(sys_handle_close(some.vmo));
    CHECK_OK(sys_handle_close(some.port));
    CHECK_OK(sys_handle_close(none.vmo));
    CHECK_OK(sys_handle_close(none.port));
    rig_close(stranger);
    rig_close(rig);
}

TEST(who_waits_asks_again)
{
    struct rig rig = full_rig(RIG_KEY);
    int32_t result = VM_PAGER_AGAIN;

    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, dirty_pages(rig.vmo), 1);
    expect_full_writeback(rig);
    begin(rig, 0, 1);
    CHECK_OK(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_END, rig.vmo, 0, AT(1), (uintptr_t)&result));
    expect_full_writeback(rig);                     /* a second later */
    begin(rig, 0, 1);
    end(rig, 0, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(rig);
}

/* --- TRAP_DIRTY. --- */

TEST(budget_first_then_permission)
{
    struct rig rig = full_rig(RIG_KEY), trap = { rig.pager, new_port(), HANDLE_INVALID };

    CHECK_OK(sys_pager_create_vmo(rig.pager, VMO_TRAP_DIRTY, trap.port, OTHER_KEY, AT(2), &trap.vmo));
    supply(trap, 0, 2);
    ask(0, ACCESS_WRITE, trap.vmo, 0, 1);
    expect_full_writeback(rig);
    expect_silence(trap.port);                      /* no DIRTY before there is room */
    write_back(rig);
    expect_packet(trap.port, OTHER_KEY, PAGER_VMO_DIRTY, 0, 1);
    pager_op(trap, PAGER_OP_DIRTY, 0, 1, 0);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(dirty_pages(trap.vmo), 1);
    CHECK_OK(sys_handle_close(trap.vmo));
    CHECK_OK(sys_handle_close(trap.port));
    rig_close(rig);
}

TEST(permission_alone_for_what_awaits_being_clean)
{
    struct rig rig = full_rig(RIG_KEY), trap = { rig.pager, new_port(), HANDLE_INVALID };

    CHECK_OK(sys_pager_create_vmo(rig.pager, VMO_TRAP_DIRTY, trap.port, OTHER_KEY, AT(2), &trap.vmo));
    supply(trap, 0, 2);
    pager_op(trap, PAGER_OP_DIRTY, 0, 1, 0);
    begin(trap, 0, 1);
    access_start(&accesses[0], ACCESS_WRITE, trap.vmo, 0, 1);
    expect_packet(trap.port, OTHER_KEY, PAGER_VMO_DIRTY, 0, 1);
    pager_op(trap, PAGER_OP_DIRTY, 0, 1, 0);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_OK(sys_handle_close(trap.vmo));
    CHECK_OK(sys_handle_close(trap.port));
    rig_close(rig);
}

/* --- The books. --- */

TEST(the_room_is_all_there_again)
{
    struct rig rig = full_rig(RIG_KEY);
    uint64_t room = dirty_pages(rig.vmo);

    for (int i = 0; i < 3; i++) {
        write_back(rig);
        CHECK_EQ(dirty_pages(rig.vmo), 0);
        CHECK_EQ(fill(rig, room + MORE), room);
    }
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
