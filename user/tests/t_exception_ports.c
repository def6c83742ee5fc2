/*
 * t_exception_ports.c: who is asked about a thread that stopped: its port, that of its process, those of others; and many
 * threads and handlers at once.
 *
 * Machine: cpus=4
 */
#include "exception_rig.h"
#include "tiny.h"

static struct raw_thread threads[4];
static struct raw_thread *const stopper = &threads[0];

/* --- Who is asked. --- */

TEST(the_thread_before_its_process)
{
    handle_t inner = new_port(), outer = new_port();

    bind_to(process_self(), outer);
    raw_thread_start_bound(stopper, inner, breakpoint, NULL);
    expect_report(inner, stopper->handle, EXCEPTION_BREAKPOINT, OK);
    expect_silence(outer);

    unbind(stopper->handle);            /* it stays stopped */
    CHECK_EQ(thread_state(stopper->handle), THREAD_EXCEPTION);
    CHECK_OK(sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD));
    wait_for_end(stopper->handle);
    expect_silence(outer);
    unbind(process_self());
    CHECK_OK(sys_handle_close(outer));
    CHECK_OK(sys_handle_close(inner));
}

TEST(without_its_own_the_process_port)
{
    handle_t inner = new_port(), outer = new_port();

    bind_to(process_self(), outer);
    raw_thread_start_bound(stopper, inner, breakpoint, NULL);
    expect_report(inner, stopper->handle, EXCEPTION_BREAKPOINT, OK);
    unbind(stopper->handle);
    retry(stopper->handle);             /* at the same breakpoint */
    expect_report(outer, stopper->handle, EXCEPTION_BREAKPOINT, OK);
    expect_silence(inner);
    CHECK_OK(sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD));
    wait_for_end(stopper->handle);
    unbind(process_self());
    CHECK_OK(sys_handle_close(outer));
    CHECK_OK(sys_handle_close(inner));
}

/* The thread's port closes before, with the report unread, or after it was read. */
TEST(the_next_port_when_one_closes)
{
    handle_t outer = new_port();

    bind_to(process_self(), outer);
    for (int moment = 0; moment < 3; moment++) {
        handle_t inner = new_port();

        raw_thread_create(stopper);
        bind_to(stopper->handle, inner);
        if (moment == 0)
            CHECK_OK(sys_handle_close(inner));
        raw_thread_go(stopper, breakpoint, NULL);
        if (moment == 2)
            expect_report(inner, stopper->handle, EXCEPTION_BREAKPOINT, OK);
        while (moment == 1 && thread_state(stopper->handle) != THREAD_EXCEPTION)
            sys_nanosleep(0);
        if (moment > 0)
            CHECK_OK(sys_handle_close(inner));
        expect_report(outer, stopper->handle, EXCEPTION_BREAKPOINT, OK);
        CHECK_OK(sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD));
        wait_for_end(stopper->handle);
    }
    unbind(process_self());
    CHECK_OK(sys_handle_close(outer));
}

/* Likewise in another process that has no second port: it dies with a line. */
TEST(a_closed_port_ends_the_process)
{
    for (int moment = 0; moment < 3; moment++) {
        struct tiny tiny = tiny_create();
        handle_t port = new_port();

        bind_to(tiny.process, port);
        if (moment == 0)
            CHECK_OK(sys_handle_close(port));
        CHECK_OK(sys_process_start(tiny.process, tiny.thread, USER_BASE + 64 * PAGE_SIZE,
                                   TINY_STACK, HANDLE_INVALID, 0));
        if (moment == 2)
            expect_report(port, tiny.thread, EXCEPTION_FETCH_FAULT, ERR_NOT_FOUND);
        while (moment == 1 && thread_state(tiny.thread) != THREAD_EXCEPTION)
            sys_nanosleep(0);
        if (moment > 0)
            CHECK_OK(sys_handle_close(port));
        CHECK_EQ(tiny_end_of(tiny).exit_code, EXIT_CODE_FAULT);
    }
}

TEST(a_debugger_of_another_process)
{
    struct tiny tiny = tiny_create();
    handle_t port = new_port(), thread;
    thread_state_t state;
    port_packet_t packet;

    bind_to(tiny.process, port);
    CHECK_OK(sys_process_start(tiny.process, tiny.thread, USER_BASE + 64 * PAGE_SIZE, TINY_STACK,
                               HANDLE_INVALID, 0));
    packet = expect_report(port, tiny.thread, EXCEPTION_FETCH_FAULT, ERR_NOT_FOUND);
    CHECK_OK(sys_object_get_child(tiny.process, packet.exception.thread_koid, RIGHT_SAME_RIGHTS,
                                  &thread));
    state = state_of(thread);
    state.x[0] = tiny_entry(tiny_exit);
    state.x[11] = 99;
    CHECK_OK(sys_thread_write_state(thread, &state));
    retry(thread);
    CHECK_OK(sys_handle_close(thread));
    CHECK_EQ(tiny_end_of(tiny).exit_code, 99);
    CHECK_OK(sys_handle_close(port));
}

/* --- Many at once. --- */

#define ROUNDS 500u

static _Atomic uint64_t sum;

/* Each breakpoint is stepped over by the handler, who puts a number into a0. */
static void stop_often(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        register uint64_t a0 __asm__("a0") = i;

        __asm__ volatile(".option push\n.option norvc\nebreak\n.option pop" : "+r"(a0));
        sum += a0;
    }
}

static handle_t shared_port;

static void serve(void *argument)
{
    port_packet_t packet;
    thread_state_t state;
    handle_t thread;

    (void)argument;
    while (sys_port_wait(shared_port, DEADLINE_INFINITE, &packet) == OK && packet.type != PKT_USER) {
        CHECK_OK(sys_object_get_child(process_self(), packet.exception.thread_koid,
                                      RIGHT_SAME_RIGHTS, &thread));
        state = state_of(thread);
        CHECK_EQ(state.x[0], packet.exception.pc);
        state.x[0] += 4;
        state.x[10] += 1;
        CHECK_OK(sys_thread_write_state(thread, &state));
        CHECK_OK(sys_exception_resume(thread, EXCEPTION_RETRY));
        CHECK_OK(sys_handle_close(thread));
    }
}

TEST(many_threads_and_handlers)
{
    port_packet_t end = { .type = PKT_USER };
    handle_t servers[2];

    sum = 0;
    shared_port = new_port();
    bind_to(process_self(), shared_port);
    for (unsigned i = 0; i < array_size(servers); i++)
        CHECK_OK(quire_thread_create(serve, NULL, &servers[i]));
    for (unsigned i = 0; i < 4; i++)
        raw_thread_start(&threads[i], stop_often, NULL);
    for (unsigned i = 0; i < 4; i++)
        wait_for_end(threads[i].handle);
    for (unsigned i = 0; i < array_size(servers); i++)
        CHECK_OK(sys_port_queue(shared_port, &end));
    for (unsigned i = 0; i < array_size(servers); i++)
        CHECK_OK(quire_thread_join(servers[i]));
    CHECK_EQ(sum, 4ul * ROUNDS * (ROUNDS + 1) / 2);
    unbind(process_self());
    CHECK_OK(sys_handle_close(shared_port));
}

static void stop_for_ever(void *argument)
{
    (void)argument;
    for (;;)
        breakpoint(NULL);
}

/* Resumed, killed and the port closed at any moment: in a process of its own, which may die. */
int test_helper(int argument_count, char **arguments)
{
    bool closes = strcmp(arguments[1], "close") == 0;
    uint64_t random = 88172645463325252;

    (void)argument_count;
    for (unsigned round = 0; round < 200; round++) {
        handle_t port = new_port(), outer = new_port();

        bind_to(process_self(), outer);
        for (unsigned i = 0; i < 4; i++) {
            raw_thread_start_bound(&threads[i], port, stop_for_ever, NULL);
        }
        int64_t moment = after(next_random(&random) % 100000);
        while (sys_clock_get() < moment)
            sys_exception_resume(threads[next_random(&random) % 4].handle, EXCEPTION_RETRY);
        if (closes)
            sys_handle_close(port);
        for (unsigned i = 0; i < 4; i++) {
            sys_exception_resume(threads[i].handle, EXCEPTION_RETRY);
            if (sys_task_kill(threads[i].handle) != OK ||
                sys_object_wait_one(threads[i].handle, SIGNAL_TERMINATED, after(PATIENCE),
                                    NULL) != OK)
                return 1;
            sys_handle_close(threads[i].handle);
        }
        port_packet_t packet;
        if (!closes && sys_port_wait(port, 0, &packet) != ERR_TIMED_OUT)
            return 2;
        if (sys_port_wait(outer, 0, &packet) != ERR_TIMED_OUT)
            return 3;
        if (!closes)
            sys_handle_close(port);
        sys_handle_close(outer);
    }
    return 0;
}

TEST(ended_at_every_moment)
{
    info_system_t before = system_info();

    CHECK_EQ(exit_code_of(start_helper("kill", HANDLE_INVALID)), 0);
    CHECK_EQ(exit_code_of(start_helper("close", HANDLE_INVALID)), 0);
    CHECK(objects_come_down_to(OBJECT_PORT, before.objects[OBJECT_PORT]));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
