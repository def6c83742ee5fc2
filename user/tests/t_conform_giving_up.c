/*
 * t_conform_giving_up.c: conformance, section 2.7: a waiter gives up.  The time-out is in
 * t_conform_slow.c.
 *
 * Machine: cpus=4
 */
#include "conform.h"

static void kill_waiter(unsigned number)
{
    kill_asleep(&accesses[number].thread);
}

static void kill_toucher(unsigned number)
{
    kill_waiter(number);
    CLOSE(reports[number]);
}

/* --- 2.7: kill. --- */

/* 2.7: kill in a user fault: the request goes, the thread dies without a report. */
TEST(kill_in_a_fault)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    touch_asks(0, ACCESS_LOAD, memory);
    CHECK_OK(sys_task_kill(accesses[0].thread.handle));
    wait_for_end(accesses[0].thread.handle);
    expect_silence(reports[0]);
    expect_silence(rig.port);
    CLOSE(reports[0]);
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 2.7: kill in vmo_read, vmo_write and COMMIT. */
TEST(kill_in_calls)
{
    struct rig rig = rig_create(2);
    static const enum access_kind kinds[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_OP };

    accesses[0].op = VMO_OP_COMMIT;
    for (size_t i = 0; i < array_size(kinds); i++) {
        ask(0, kinds[i], rig.vmo, 0, 2);
        kill_waiter(0);
        CHECK_EQ(accesses[0].status, 1);
        expect_silence(rig.port);
    }
    rig_close(rig);
}

/* 2.7: kill while the kernel copies from a user buffer that is paged. */
TEST(kill_in_a_copy_from_the_user)
{
    struct rig rig = rig_create(1);
    handle_t plain = new_vmo(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    accesses[0].address = memory;
    access_start(&accesses[0], ACCESS_WRITE_FROM, plain, 0, 1);
    wait_until_asked(&accesses[0]);
    kill_waiter(0);
    expect_silence(rig.port);
    unmap((char *)memory, AT(1));
    CLOSE(plain);
    rig_close(rig);
}

static struct {
    struct raw_thread thread;
    handle_t vmo;
    char *buffer;
} copy_out;

static void read_into_buffer(void *unused)
{
    (void)unused;
    sys_vmo_read(copy_out.vmo, 0, copy_out.buffer, 0, PAGE_SIZE);
}

/* 2.7: kill while the kernel copies to a user buffer that is paged. */
TEST(kill_in_a_copy_to_the_user)
{
    struct rig rig = rig_create(1);

    copy_out.vmo = new_vmo(1);
    copy_out.buffer = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));
    raw_thread_start(&copy_out.thread, read_into_buffer, NULL);
    CHECK(comes_true(waits_for_pager, &copy_out.thread.handle));
    kill_asleep(&copy_out.thread);
    expect_silence(rig.port);
    unmap(copy_out.buffer, AT(1));
    CLOSE(copy_out.vmo);
    rig_close(rig);
}

/* 2.7: a killed waiter whose packet was read: a late answer is no error, the next one asks anew. */
TEST(an_answer_to_the_dead)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    kill_waiter(0);
    fail(rig, 0, 1, ERR_IO);
    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    serve_read(rig, 0, 1);
    ends_with_content(0);
    rig_close(rig);
}

/* 2.7: an overlap that gives up is unlinked; the main request goes on. */
TEST(kill_of_an_overlap)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 0, 4);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    kill_waiter(1);
    WAITS(0);
    serve_read(rig, 0, 4);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* The first overlap takes over the request; the pager sees one packet, as it would have. */
static void kill_the_head(bool in_line, bool read_before)
{
    struct rig rig = rig_create(8);

    if (in_line)
        ask(3, ACCESS_READ, rig.vmo, 7, 1);
    ask(0, ACCESS_READ, rig.vmo, 0, 3);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    ask(2, ACCESS_READ, rig.vmo, 2, 1);
    if (read_before)
        expect_read(rig, 0, 3);
    kill_waiter(0);
    if (in_line)
        serve_read(rig, 7, 1);
    if (!read_before)
        expect_read(rig, 0, 3);
    expect_silence(rig.port);
    supply(rig, 0, 2);
    WAITS(2);
    supply(rig, 2, 1);
    ends_with_content(1);
    ends_with_content(2);
    if (in_line)
        ends_with_content(3);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.7: kill of a request with overlaps: the first takes its place in the unread packet. */
TEST(the_heir_of_an_unread_packet)
{
    kill_the_head(false, false);
}

/* 2.7: or of the packet that was read; no new packet comes. */
TEST(the_heir_of_a_packet_that_was_read)
{
    kill_the_head(false, true);
}

/* 2.7: or in the line. */
TEST(the_heir_in_the_line)
{
    kill_the_head(true, false);
}

/* 2.7: without overlaps the request is removed, and the next in line comes. */
TEST(kill_lets_the_next_in)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    ask(2, ACCESS_READ, rig.vmo, 2, 1);
    kill_waiter(0);
    kill_waiter(1);
    serve_read(rig, 2, 1);
    ends_with_content(2);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.7: kill of who waits through a clone. */
TEST(kill_in_a_clone)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 2);
    volatile char *memory = map_vmo(clone, READ_WRITE, 0, AT(2));

    touch_asks(0, ACCESS_STORE, memory);
    ask(1, ACCESS_READ, clone, 1, 1);
    kill_toucher(0);
    serve_read(rig, 2, 1);
    ENDS(1, OK);
    expect_silence(rig.port);
    unmap((char *)memory, AT(2));
    CLOSE(clone);
    rig_close(rig);
}

/* --- 2.7: interrupt, which is what suspend is here. --- */

/* 2.7: an interrupted fault cancels its request; resumed, it asks with a second packet. */
TEST(an_interrupted_fault_asks_again)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    for (unsigned read_before = 0; read_before < 2; read_before++) {
        touch_asks(0, ACCESS_LOAD, memory);
        if (read_before)
            expect_read(rig, 0, 1);
        CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
        expect_report(reports[0], accesses[0].thread.handle, EXCEPTION_INTERRUPT, OK);
        expect_silence(rig.port);
        retry(accesses[0].thread.handle);
        wait_until_asked(&accesses[0]);
        expect_read(rig, 0, 1);
        kill_toucher(0);
    }
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 2.7: an interrupted call cancels its request; here it ends with CANCELED, and is made again. */
TEST(an_interrupted_call_ends)
{
    struct rig rig = rig_create(2);
    static const enum access_kind kinds[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_OP };

    accesses[0].op = VMO_OP_COMMIT;
    for (size_t i = 0; i < array_size(kinds); i++) {
        ask(0, kinds[i], rig.vmo, 0, 2);
        CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
        ENDS(0, ERR_CANCELED);
        expect_silence(rig.port);
    }
    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    serve_read(rig, 0, 2);
    ends_with_content(0);
    rig_close(rig);
}

/* 2.7: while waiting the thread's state is BLOCKED_PAGER. */
TEST(the_state_is_blocked_pager)
{
    struct rig rig = rig_create(1);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    CHECK(comes_true(waits_for_pager, &accesses[0].thread.handle));
    expect_read(rig, 0, 1);
    CHECK_EQ(thread_state(accesses[0].thread.handle), THREAD_BLOCKED_PAGER);
    supply(rig, 0, 1);
    ends_with_content(0);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
