/*
 * t_interrupt_storm.c: threads are interrupted by the thousand, and lose nothing by it.
 *
 * Machine: cpus=4
 */
#include "interrupt_rig.h"

static void check_registers(handle_t thread, const thread_state_t *expected)
{
    thread_state_t state = state_of(thread);

    for (unsigned i = 1; i < 31; i++)
        if (i != 5 && i != 10)          /* number and result of the call */
            CHECK_EQ(state.x[i], expected->x[i]);
    CHECK(memcmp(state.f, expected->f, sizeof state.f) == 0);
    CHECK_EQ(state.fcsr, expected->fcsr);
}

/* A thread that makes calls for ever, with all registers as given. */
static void start_register_calls(thread_state_t *given)
{
    thread_state_t state;

    victim_start(all_registers_go, given);
    expect_report(port, victim->handle, EXCEPTION_BREAKPOINT, OK);
    state = state_of(victim->handle);
    state.x[0] = (uintptr_t)register_calls;
    CHECK_OK(sys_thread_write_state(victim->handle, &state));
    retry(victim->handle);
}

/* `late` reports may still come, of interrupts that somebody sent before. */
static void end_register_calls(const thread_state_t *given, unsigned late)
{
    thread_state_t state, stored;
    port_packet_t packet;

    interrupt_victim();
    check_registers(victim->handle, given);
    state = state_of(victim->handle);
    state.x[0] = (uintptr_t)registers_store;
    state.x[31] = (uintptr_t)&stored;
    CHECK_OK(sys_thread_write_state(victim->handle, &state));
    retry(victim->handle);
    while (late > 0 && sys_object_wait_one(victim->handle, SIGNAL_TERMINATED, 0, NULL) != OK)
        if (sys_port_wait(port, after(SECOND / 1000), &packet) == OK) {
            CHECK_EQ(packet.exception.kind, EXCEPTION_INTERRUPT);
            retry(victim->handle);
            late--;
        }
    victim_end();
    for (unsigned i = 1; i < 31; i++)
        if (i != 5 && i != 10)
            CHECK_EQ(stored.x[i], given->x[i]);
    CHECK(memcmp(stored.f, given->f, sizeof stored.f) == 0);
    CHECK_EQ(stored.fcsr, given->fcsr);
}

TEST(ten_thousand_one_by_one)
{
    thread_state_t given = pattern(11);

    start_register_calls(&given);
    for (int i = 0; i < 10000; i++) {
        port_packet_t packet;

        CHECK_OK(sys_thread_interrupt(victim->handle));
        CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
        CHECK_EQ(packet.exception.kind, EXCEPTION_INTERRUPT);
        if (i % 16 == 0)
            check_registers(victim->handle, &given);
        retry(victim->handle);
    }
    expect_silence(port);
    end_register_calls(&given, 0);
}

static atomic_uint storming;

static void storm(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5000; i++)
        if (sys_thread_interrupt(victim->handle) != OK)
            break;
    storming--;
}

/* Those that come before the last one is reported are one with it. */
TEST(ten_thousand_from_two_sides)
{
    thread_state_t given = pattern(13);
    port_packet_t packet;
    unsigned reports = 0;

    start_register_calls(&given);
    storming = 2;
    raw_thread_start(&threads[1], storm, NULL);
    raw_thread_start(&threads[2], storm, NULL);
    for (;;) {
        bool over = storming == 0;

        if (sys_port_wait(port, after(SECOND / 100), &packet) == OK) {
            CHECK_EQ(packet.exception.kind, EXCEPTION_INTERRUPT);
            check_registers(victim->handle, &given);
            retry(victim->handle);
            reports++;
        } else if (over) {
            break;
        }
    }
    CHECK(reports >= 1 && reports <= 10000);
    wait_for_end(threads[1].handle);
    wait_for_end(threads[2].handle);
    end_register_calls(&given, 1);
}

/* What does not wait for others is not cut short. */
static atomic_uint cut_short, rounds_done;
static atomic_bool interrupted_enough;

static void work_long(void *unused)
{
    (void)unused;
    while (!interrupted_enough) {
        if (sys_random(bytes, sizeof bytes) != OK ||
            sys_vmo_op_range(thing, VMO_OP_COMMIT, 0, 4 << 20, NULL, 0) != OK ||
            sys_vmo_op_range(thing, VMO_OP_DECOMMIT, 0, 4 << 20, NULL, 0) != OK ||
            sys_vmo_write(thing, 0, bytes, 0, sizeof bytes) != OK)
            cut_short++;
        rounds_done++;
    }
}

TEST(long_calls_are_not_cut_short)
{
    port_packet_t packet;
    unsigned reports = 0;

    cut_short = rounds_done = 0;
    interrupted_enough = false;
    thing = new_vmo((4 << 20) / PAGE_SIZE);
    victim_start(work_long, NULL);
    for (; rounds_done < 20 || reports <= 20; reports++) {
        CHECK_OK(sys_thread_interrupt(victim->handle));
        CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
        retry(victim->handle);
    }
    interrupted_enough = true;
    wait_for_end(victim->handle);
    CHECK_EQ(cut_short, 0);
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(thing));
}

/* Bytes through a pipe, both sides interrupted: what the calls say adds up. */
static handle_t pipe_ends[2];
static uint64_t sent, received, canceled;

static void send_bytes(void *unused)
{
    static char piece[9000];

    (void)unused;
    for (unsigned i = 0; i < 3000; i++) {
        size_t done = 0;

        if (sys_pipe_write(pipe_ends[1], piece, i * 37 % sizeof piece + 1, &done) != OK)
            canceled++;
        sent += done;
    }
    sys_handle_close(pipe_ends[1]);
}

static void receive_bytes(void *unused)
{
    static char piece[5000];

    (void)unused;
    for (;;) {
        size_t done = 0;
        status_t read = sys_pipe_read(pipe_ends[0], piece, sizeof piece, &done);

        if (read == OK && done == 0)
            return;
        received += done;
    }
}

TEST(bytes_in_a_pipe_add_up)
{
    handle_t koids[2];
    port_packet_t packet;

    sent = received = canceled = 0;
    port = new_port();
    CHECK_OK(sys_pipe_create(0, &pipe_ends[0], &pipe_ends[1]));
    for (int i = 0; i < 2; i++) {
        raw_thread_create(&threads[i]);
        bind_to(threads[i].handle, port);
        koids[i] = threads[i].handle;
    }
    raw_thread_go(&threads[0], send_bytes, NULL);
    raw_thread_go(&threads[1], receive_bytes, NULL);
    while (thread_state(threads[0].handle) != THREAD_DEAD ||
           thread_state(threads[1].handle) != THREAD_DEAD) {
        for (int i = 0; i < 2; i++)
            sys_thread_interrupt(threads[i].handle);
        while (sys_port_wait(port, after(SECOND / 10000), &packet) == OK)
            for (int i = 0; i < 2; i++)
                if (packet.exception.thread_koid == koid_of(koids[i]))
                    retry(koids[i]);
    }
    for (int i = 0; i < 2; i++)
        wait_for_end(threads[i].handle);
    CHECK_EQ(sent, received);
    CHECK(sent > 0);
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(pipe_ends[0]));
}

/* Killed with interrupts on the way, stopped or not. */
TEST(killed_under_interrupts)
{
    for (unsigned round = 0; round < 200; round++) {
        victim_start(round % 2 ? spin : wait_time, NULL);
        int64_t moment = after(round * 300);
        while (sys_clock_get() < moment) {
            sys_thread_interrupt(victim->handle);
            sys_exception_resume(victim->handle, EXCEPTION_RETRY);
        }
        CHECK_OK(sys_task_kill(victim->handle));
        sys_thread_interrupt(victim->handle);
        victim_end();
    }
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
