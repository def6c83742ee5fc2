/*
 * t_interrupt.c: threads are interrupted: running, in each kind of wait, stopped already.
 *
 * Machine: cpus=4
 */
#include "interrupt_rig.h"

static void do_nothing(void *unused) { (void)unused; }

TEST(refusals)
{
    handle_t weak = reduced(thread_self(), RIGHT_READ), thread;

    CHECK_STATUS(sys_thread_interrupt(HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_thread_interrupt(process_self()), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_thread_interrupt(weak), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_thread_create(process_self(), "new", 3, 0, &thread));
    CHECK_STATUS(sys_thread_interrupt(thread), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(thread));
    raw_thread_start(victim, do_nothing, NULL);
    CHECK_OK(sys_object_wait_one(victim->handle, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_thread_interrupt(victim->handle), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(victim->handle));
}

/* --- Running. --- */

TEST(a_thread_that_runs)
{
    victim_start(spin, NULL);
    for (int i = 0; i < 100; i++) {
        uint64_t before = turns;

        while (turns == before)
            sys_nanosleep(0);
        interrupt_victim();
        before = turns;
        sys_nanosleep(after(10000));
        CHECK_EQ(turns, before);
        retry(victim->handle);
    }
    victim_kill();
}

TEST(a_thread_that_begins)
{
    for (int i = 0; i < 100; i++) {
        victim_start(do_nothing, NULL);
        status_t sent = sys_thread_interrupt(victim->handle);
        CHECK(sent == OK || sent == ERR_BAD_STATE);
        while (sent == OK && sys_exception_resume(victim->handle, EXCEPTION_RETRY) != OK &&
               thread_state(victim->handle) != THREAD_DEAD)
            sys_nanosleep(0);
        victim_end();
    }
}

static void interrupt_myself(void *unused)
{
    (void)unused;
    status = sys_thread_interrupt(victim->handle);
}

TEST(a_thread_that_interrupts_itself)
{
    victim_start(interrupt_myself, NULL);
    expect_report(port, victim->handle, EXCEPTION_INTERRUPT, OK);
    CHECK_EQ(state_of(victim->handle).x[10], OK);
    CHECK_EQ(status, 1);
    retry(victim->handle);
    victim_end();
    CHECK_OK(status);
}

static void stop(void *unused)
{
    (void)unused;
    __asm__ volatile(".option push\n.option norvc\nebreak\n.option pop");
    status = 7;
}

/* What comes while it is stopped is reported after, once. */
TEST(a_thread_that_is_stopped)
{
    thread_state_t state;

    victim_start(stop, NULL);
    expect_report(port, victim->handle, EXCEPTION_BREAKPOINT, OK);
    for (int i = 0; i < 3; i++)
        CHECK_OK(sys_thread_interrupt(victim->handle));
    expect_silence(port);
    state = state_of(victim->handle);
    state.x[0] += 4;
    CHECK_OK(sys_thread_write_state(victim->handle, &state));
    retry(victim->handle);
    CHECK_EQ(expect_report(port, victim->handle, EXCEPTION_INTERRUPT, OK).exception.pc,
             state.x[0]);
    CHECK_EQ(status, 1);
    retry(victim->handle);
    victim_end();
    CHECK_EQ(status, 7);
}

/* --- Blocked. --- */

/* In a wait: it ends, the result is in a0 while stopped, and the program sees it after. */
static void check_call(void (*call)(void *), status_t result)
{
    victim_start(call, NULL);
    wait_until_asleep(victim->handle);
    interrupt_victim();
    CHECK_STATUS(state_of(victim->handle).x[10], result);
    CHECK_EQ(status, 1);
    retry(victim->handle);
    victim_end();
    CHECK_STATUS(status, result);
}

static void wait_port(void *unused)
{
    port_packet_t packet;

    (void)unused;
    status = sys_port_wait(thing, DEADLINE_INFINITE, &packet);
}

static void wait_port_many(void *unused)
{
    port_packet_t packet;

    (void)unused;
    status = sys_port_wait_many(thing, after(1000 * SECOND), &packet, 1, (size_t *)&actual);
}

TEST(in_port_wait)
{
    port_packet_t packet = { .key = 5 };

    thing = new_port();
    check_call(wait_port, ERR_CANCELED);
    check_call(wait_port_many, ERR_CANCELED);
    CHECK_OK(sys_port_queue(thing, &packet));
    CHECK_OK(sys_port_wait(thing, 0, &packet));
    CHECK_OK(sys_handle_close(thing));
}

static uint32_t word;

static void wait_futex(void *unused)
{
    (void)unused;
    status = sys_futex_wait(&word, 0, DEADLINE_INFINITE);
}

static void wait_signal(void *unused)
{
    (void)unused;
    status = sys_object_wait_one(thing, SIGNAL_USER_1, DEADLINE_INFINITE, NULL);
}

TEST(in_futex_wait)
{
    check_call(wait_futex, ERR_CANCELED);
    CHECK_OK(sys_futex_wake(&word, 1));
}

TEST(in_nanosleep)
{
    check_call(wait_time, ERR_CANCELED);
}

TEST(in_object_wait_one)
{
    thing = new_event();
    check_call(wait_signal, ERR_CANCELED);
    CHECK_OK(sys_object_signal(thing, 0, SIGNAL_USER_1));
    CHECK_OK(sys_handle_close(thing));
}

static void call_channel(void *unused)
{
    uint32_t message = 0, got, handles;
    channel_call_args_t args = { .wr_bytes = &message, .rd_bytes = &message, .wr_num_bytes = 4,
                                 .rd_num_bytes = 4 };

    (void)unused;
    status = sys_channel_call(thing, 0, DEADLINE_INFINITE, &args, &got, &handles);
}

TEST(in_channel_call)
{
    uint32_t message;
    handle_t peer;

    CHECK_OK(sys_channel_create(0, &thing, &peer));
    check_call(call_channel, ERR_CANCELED);
    CHECK_OK(sys_channel_read(peer, 0, &message, NULL, 4, 0, NULL, NULL));
    CHECK_OK(sys_channel_write(peer, 0, &message, 4, NULL, 0));
    CHECK_OK(sys_channel_read(thing, 0, &message, NULL, 4, 0, NULL, NULL));
    CHECK_OK(sys_handle_close(peer));
    CHECK_OK(sys_handle_close(thing));
}

static void read_pipe(void *unused)
{
    (void)unused;
    status = sys_pipe_read(thing, bytes, sizeof bytes, (size_t *)&actual);
}

static void write_pipe(void *unused)
{
    (void)unused;
    status = sys_pipe_write(thing, bytes, sizeof bytes, (size_t *)&actual);
}

TEST(in_pipe_read)
{
    handle_t writer;

    CHECK_OK(sys_pipe_create(0, &thing, &writer));
    check_call(read_pipe, ERR_CANCELED);
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(thing));
}

TEST(in_pipe_write)
{
    handle_t reader;
    size_t got, all = 0;

    CHECK_OK(sys_pipe_create(0, &reader, &thing));
    check_call(write_pipe, OK);         /* of part: that much was done */
    CHECK(actual > 0 && actual < sizeof bytes);

    size_t written = actual;

    check_call(write_pipe, ERR_CANCELED);
    CHECK_EQ(actual, 0);
    for (; all < written; all += got)
        CHECK_OK(sys_pipe_read(reader, bytes, sizeof bytes, &got));
    CHECK_EQ(all, written);
    CHECK_STATUS(sys_object_wait_one(reader, SIGNAL_READABLE, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(thing));
}

static void read_console(void *unused)
{
    (void)unused;
    status = sys_console_read(console_handle(), bytes, 1, (size_t *)&actual);
}

TEST(in_console_read)
{
    if (sys_object_wait_one(console_handle(), SIGNAL_READABLE, 0, NULL) == OK)
        test_skip("there is typed input, which the shell shall have");
    check_call(read_console, ERR_CANCELED);
}

static void read_vmo(void *unused)
{
    (void)unused;
    status = sys_vmo_read(thing, VMO_MAY_BLOCK, bytes, 0, PAGE_SIZE);
}

static void read_stream(void *unused)
{
    (void)unused;
    status = sys_stream_read(thing, bytes, 4 * PAGE_SIZE, (size_t *)&actual);
}

TEST(in_vmo_read)
{
    struct rig rig = rig_create(4);

    thing = rig.vmo;
    check_call(read_vmo, ERR_CANCELED);
    rig_close(rig);
}

TEST(in_stream_read)
{
    struct rig rig = rig_create(4);
    uint64_t position;

    CHECK_OK(sys_vmo_set_content_size(rig.vmo, 4 * PAGE_SIZE));
    CHECK_OK(sys_stream_create(STREAM_READ, rig.vmo, 0, &thing));
    check_call(read_stream, ERR_CANCELED);
    CHECK_EQ(actual, 0);
    supply(rig, 0, 2);
    check_call(read_stream, OK);
    CHECK_EQ(actual, 2 * PAGE_SIZE);
    CHECK_OK(sys_stream_seek(thing, STREAM_SEEK_CURRENT, 0, &position));
    CHECK_EQ(position, 2 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(thing));
    rig_close(rig);
}

/* The access is abandoned, and made again after. */
TEST(in_a_fault)
{
    struct rig rig = rig_create(4);
    char *at = map_vmo(rig.vmo, VM_READ, 0, 4 * PAGE_SIZE);

    port = new_port();
    touch_start_bound(&accesses[0], port, ACCESS_LOAD, at, 0);
    for (int i = 0; i < 10; i++) {
        wait_until_asked(&accesses[0]);
        expect_read(rig, 0, 1);
        CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
        expect_report(port, accesses[0].thread.handle, EXCEPTION_INTERRUPT, OK);
        retry(accesses[0].thread.handle);
    }
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    access_end(&accesses[0]);
    CHECK_EQ(accesses[0].buffer[0], content_of(0));
    expect_silence(port);
    CHECK_OK(sys_handle_close(port));
    unmap(at, 4 * PAGE_SIZE);
    rig_close(rig);
}

/* Nobody is told, but the wait has ended. */
TEST(without_a_port)
{
    status = 1;
    raw_thread_start(victim, wait_time, NULL);
    wait_until_asleep(victim->handle);
    CHECK_OK(sys_thread_interrupt(victim->handle));
    wait_for_end(victim->handle);
    CHECK_STATUS(status, ERR_CANCELED);

    raw_thread_start(victim, spin, NULL);
    uint64_t before = turns;
    CHECK_OK(sys_thread_interrupt(victim->handle));
    while (turns < before + 1000)
        sys_nanosleep(0);
    CHECK_OK(sys_task_kill(victim->handle));
    wait_for_end(victim->handle);
}

TEST(the_port_closes_meanwhile)
{
    victim_start(wait_time, NULL);
    wait_until_asleep(victim->handle);
    interrupt_victim();
    CHECK_OK(sys_handle_close(port));
    wait_for_end(victim->handle);
    CHECK_STATUS(status, ERR_CANCELED);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
