/*
 * t_thread.c: threads: made, started, ended, killed in every kind of wait, by the hundred.
 *
 * Machine: cpus=4
 */
#include "tiny.h"

static struct raw_thread threads[8];

static void do_nothing(void *argument)
{
    (void)argument;
}

/* --- Making and starting. --- */

TEST(create_refusals)
{
    handle_t event = new_event(), weak, out = 77;
    struct tiny dead = tiny_start(tiny_exit, 0);
    uint32_t before = open_handles();

    CHECK_STATUS(sys_thread_create(HANDLE_INVALID, "x", 1, 0, &out), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_thread_create(event, "x", 1, 0, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_thread_create(thread_self(), "x", 1, 0, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_thread_create(process_self(), "x", 1, 2, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_thread_create(process_self(), "x", NAME_MAX_LENGTH + 1, 0, &out),
                 ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_thread_create(process_self(), bad_pointer(i), 4, 0, &out),
                     ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_thread_create(process_self(), "x", 1, 0, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    CHECK_OK(sys_object_wait_one(dead.process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_thread_create(dead.process, "x", 1, 0, &out), ERR_BAD_STATE);
    CHECK_EQ(out, 77);
    CHECK_EQ(open_handles(), before);

    CHECK_OK(sys_handle_duplicate(process_self(), RIGHT_INSPECT, &weak));
    CHECK_STATUS(sys_thread_create(weak, "x", 1, 0, &out), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    tiny_end_of(dead);
}

TEST(start_refusals)
{
    uintptr_t entry = (uintptr_t)raw_thread_entry;
    uintptr_t stack = (uintptr_t)threads[0].stack + sizeof threads[0].stack;
    handle_t thread, weak;

    CHECK_OK(sys_thread_create(process_self(), "new", 3, 0, &thread));
    CHECK_EQ(thread_state(thread), THREAD_NEW);
    CHECK_STATUS(sys_thread_start(HANDLE_INVALID, entry, stack, 0, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_thread_start(process_self(), entry, stack, 0, 0), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(thread, RIGHT_INSPECT, &weak));
    CHECK_STATUS(sys_thread_start(weak, entry, stack, 0, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_thread_start(thread, 0, stack, 0, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_thread_start(thread, USER_TOP, stack, 0, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_thread_start(thread, entry, 0xffffffc080200000, 0, 0), ERR_INVALID_ARGS);
    CHECK_EQ(thread_state(thread), THREAD_NEW);

    CHECK_OK(sys_thread_start(thread, entry, stack, 0, (uintptr_t)do_nothing));
    CHECK_STATUS(sys_thread_start(thread, entry, stack, 0, (uintptr_t)do_nothing), ERR_BAD_STATE);
    CHECK_OK(sys_object_wait_one(thread, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_thread_start(thread, entry, stack, 0, (uintptr_t)do_nothing), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(thread));
}

TEST(threads_start_only_in_a_running_process)
{
    struct tiny tiny = tiny_create();

    CHECK_STATUS(sys_thread_start(tiny.thread, tiny_entry(tiny_exit), TINY_STACK, 0, 0),
                 ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(tiny.thread));
    CHECK_OK(sys_handle_close(tiny.process));
}

static _Atomic uint64_t result;

static void store_argument(void *argument)
{
    result = (uintptr_t)argument;
}

TEST(the_argument_arrives)
{
    raw_thread_start(&threads[0], store_argument, (void *)0x123456789abcdef0);
    wait_for_end(threads[0].handle);
    CHECK_EQ(result, 0x123456789abcdef0);
}

/* Registers and floating-point registers stay a thread's own, whoever else runs in between. */
static atomic_uint mixed;

static void compute(void *argument)
{
    volatile double sum = (uintptr_t)argument;
    double start = sum;

    for (int i = 0; i < 200000; i++) {
        sum = sum + 0.5;
        if (i % 1000 == 0)
            sys_nanosleep(0);
    }
    if (sum != start + 100000)
        mixed++;
}

TEST(registers_are_kept_over_switches)
{
    mixed = 0;
    for (uintptr_t i = 0; i < array_size(threads); i++)
        raw_thread_start(&threads[i], compute, (void *)i);
    for (unsigned i = 0; i < array_size(threads); i++)
        wait_for_end(threads[i].handle);
    CHECK_EQ(mixed, 0);
}

TEST(create_and_exit_by_the_hundred)
{
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < array_size(threads); i++)
            raw_thread_start(&threads[i], do_nothing, NULL);
        for (unsigned i = 0; i < array_size(threads); i++)
            wait_for_end(threads[i].handle);
    }
}

/* Threads that make threads, on every hart. */
static void make_threads(void *argument)
{
    (void)argument;
    for (int i = 0; i < 50; i++) {
        handle_t thread;

        CHECK_OK(quire_thread_create(do_nothing, NULL, &thread));
        CHECK_OK(quire_thread_join(thread));
    }
}

TEST(threads_make_threads)
{
    handle_t makers[4];

    for (unsigned i = 0; i < array_size(makers); i++)
        CHECK_OK(quire_thread_create(make_threads, NULL, &makers[i]));
    for (unsigned i = 0; i < array_size(makers); i++)
        CHECK_OK(quire_thread_join(makers[i]));
}

TEST(a_busy_thread_does_not_keep_others_from_running)
{
    struct tiny spinners[8];

    for (unsigned i = 0; i < array_size(spinners); i++)
        spinners[i] = tiny_start(tiny_spin, 0);
    for (unsigned i = 0; i < 20; i++) {
        raw_thread_start(&threads[0], do_nothing, NULL);
        wait_for_end(threads[0].handle);
    }
    for (unsigned i = 0; i < array_size(spinners); i++) {
        CHECK_OK(sys_task_kill(spinners[i].process));
        CHECK_EQ(tiny_end_of(spinners[i]).exit_code, EXIT_CODE_KILLED);
    }
}

/* --- Killing. --- */

static void spin(void *argument)
{
    (void)argument;
    for (;;)
        ;
}

static void call_for_ever(void *argument)
{
    (void)argument;
    for (;;)
        sys_clock_get();
}

TEST(kill_ends_a_thread_and_not_its_process)
{
    raw_thread_start(&threads[0], spin, NULL);
    raw_thread_start(&threads[1], call_for_ever, NULL);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(sys_task_kill(threads[i].handle));
        CHECK_OK(sys_task_kill(threads[i].handle));
        wait_for_end(threads[i].handle);
    }
}

TEST(a_thread_that_never_ran_can_be_killed)
{
    handle_t thread;

    CHECK_OK(sys_thread_create(process_self(), "never", 5, 0, &thread));
    CHECK_OK(sys_task_kill(thread));
    CHECK_EQ(thread_state(thread), THREAD_DEAD);
    CHECK_STATUS(sys_thread_start(thread, USER_BASE, USER_TOP, 0, 0), ERR_BAD_STATE);
    wait_for_end(thread);
}

static void die_by_own_hand(void *argument)
{
    sys_task_kill(*(handle_t *)argument);
    result = 1;
}

TEST(a_thread_can_kill_itself)
{
    result = 0;
    CHECK_OK(sys_thread_create(process_self(), "self", 4, 0, &threads[0].handle));
    CHECK_OK(sys_thread_start(threads[0].handle, (uintptr_t)raw_thread_entry,
                              (uintptr_t)threads[0].stack + sizeof threads[0].stack,
                              (uintptr_t)&threads[0].handle, (uintptr_t)die_by_own_hand));
    wait_for_end(threads[0].handle);
    CHECK_EQ(result, 0);
}

static void work(void *argument)
{
    (void)argument;
    for (;;) {
        handle_t event;

        if (sys_event_create(0, &event) == OK)
            sys_handle_close(event);
        sys_nanosleep(0);
        sys_nanosleep(sys_clock_get() + 1000);
    }
}

/*
 * A thread killed between creating and closing leaves at most its one event, so it runs in a
 * process of its own.
 */
int test_helper(int argument_count, char **arguments)
{
    (void)argument_count;
    (void)arguments;
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 4; i++)
            raw_thread_start(&threads[i], work, NULL);
        int64_t moment = after(round * 20000);
        while (sys_clock_get() < moment)
            ;
        for (unsigned i = 0; i < 4; i++) {
            if (sys_task_kill(threads[i].handle) != OK ||
                sys_object_wait_one(threads[i].handle, SIGNAL_TERMINATED, after(PATIENCE),
                                    NULL) != OK)
                return 1;
            sys_handle_close(threads[i].handle);
        }
    }
    return 0;
}

TEST(kill_at_every_moment)
{
    CHECK_EQ(exit_code_of(start_helper("kill", HANDLE_INVALID)), 0);
}

/*
 * --- Killed while asleep in each kind of wait: the thread ends, and what it waited for goes on
 * working. ---
 */

static handle_t thing, page_port;

static void wait_on_port(void *argument)
{
    port_packet_t packet;

    (void)argument;
    sys_port_wait(thing, DEADLINE_INFINITE, &packet);
}

static void wait_on_port_many(void *argument)
{
    port_packet_t packet;
    size_t actual;

    (void)argument;
    sys_port_wait_many(thing, DEADLINE_INFINITE, &packet, 1, &actual);
}

TEST(killed_in_port_wait)
{
    port_packet_t packet = { .key = 5 };

    COVERS("port_wait", CANCELED);
    COVERS("port_wait_many", CANCELED);
    thing = new_port();
    raw_thread_start(&threads[0], wait_on_port, NULL);
    raw_thread_start(&threads[1], wait_on_port_many, NULL);
    kill_asleep(&threads[0]);
    kill_asleep(&threads[1]);
    CHECK_OK(sys_port_queue(thing, &packet));
    packet.key = 0;
    CHECK_OK(sys_port_wait(thing, after(PATIENCE), &packet));
    CHECK_EQ(packet.key, 5);
    CHECK_OK(sys_handle_close(thing));
}

static void call_channel(void *argument)
{
    uint32_t message = 0, bytes, handles;
    channel_call_args_t args = { .wr_bytes = &message, .rd_bytes = &message, .wr_num_bytes = 4,
        .rd_num_bytes = 4 };

    (void)argument;
    sys_channel_call(thing, 0, DEADLINE_INFINITE, &args, &bytes, &handles);
}

TEST(killed_in_channel_call)
{
    handle_t peer;
    uint32_t message;

    COVERS("channel_call", CANCELED);
    CHECK_OK(sys_channel_create(0, &thing, &peer));
    raw_thread_start(&threads[0], call_channel, NULL);
    kill_asleep(&threads[0]);
    /* The request is still there; its answer finds no caller and is an ordinary message. */
    CHECK_OK(sys_channel_read(peer, 0, &message, NULL, 4, 0, NULL, NULL));
    CHECK_OK(sys_channel_write(peer, 0, &message, 4, NULL, 0));
    CHECK_OK(sys_channel_read(thing, 0, &message, NULL, 4, 0, NULL, NULL));
    CHECK_OK(sys_handle_close(thing));
    CHECK_OK(sys_handle_close(peer));
}

static void read_pipe(void *argument)
{
    char byte;
    size_t actual;

    (void)argument;
    sys_pipe_read(thing, &byte, 1, &actual);
}

static char block[65536];

static void write_pipe(void *argument)
{
    size_t actual;

    (void)argument;
    sys_pipe_write(thing, block, sizeof block, &actual);
}

TEST(killed_in_pipe_read)
{
    handle_t writer;
    char byte = 0;
    size_t actual;

    COVERS("pipe_read", CANCELED);
    CHECK_OK(sys_pipe_create(0, &thing, &writer));
    raw_thread_start(&threads[0], read_pipe, NULL);
    kill_asleep(&threads[0]);
    CHECK_OK(sys_pipe_write(writer, "x", 1, NULL));
    CHECK_OK(sys_pipe_read(thing, &byte, 1, &actual));
    CHECK_EQ(byte, 'x');
    CHECK_OK(sys_handle_close(thing));
    CHECK_OK(sys_handle_close(writer));
}

TEST(killed_in_pipe_write)
{
    handle_t reader;
    size_t actual, all = 0;

    COVERS("pipe_write", CANCELED);
    CHECK_OK(sys_pipe_create(0, &reader, &thing));
    CHECK_OK(sys_pipe_write(thing, block, sizeof block, NULL));
    raw_thread_start(&threads[0], write_pipe, NULL);
    kill_asleep(&threads[0]);
    for (; all < sizeof block; all += actual)
        CHECK_OK(sys_pipe_read(reader, block, sizeof block - all, &actual));
    CHECK_OK(sys_pipe_write(thing, "y", 1, NULL));
    CHECK_OK(sys_handle_close(thing));
    CHECK_OK(sys_handle_close(reader));
}

/* A load from a page whose pager does not answer. */
static uintptr_t page;

static void load(void *argument)
{
    (void)argument;
    result = *(volatile char *)page;
}

TEST(killed_in_a_page_fault)
{
    handle_t pager, vmo, aux;
    port_packet_t packet;

    page_port = new_port();
    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, page_port, 1, PAGE_SIZE, &vmo));
    CHECK_OK(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, PAGE_SIZE, &page));
    raw_thread_start(&threads[0], load, NULL);
    CHECK_OK(sys_port_wait(page_port, after(PATIENCE), &packet));
    CHECK_EQ(packet.type, PKT_PAGE_REQUEST);
    wait_until_asleep(threads[0].handle);
    CHECK_EQ(thread_state(threads[0].handle), THREAD_BLOCKED_PAGER);
    kill_asleep(&threads[0]);

    /* The page can still come. */
    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &aux));
    CHECK_OK(sys_vmo_write(aux, 0, "z", 0, 1));
    CHECK_OK(sys_pager_supply_pages(pager, vmo, 0, PAGE_SIZE, aux, 0));
    CHECK_EQ(*(volatile char *)page, 'z');
    CHECK_OK(sys_vm_unmap(process_self(), page, PAGE_SIZE));
    CHECK_OK(sys_handle_close(aux));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(pager));
    CHECK_OK(sys_handle_close(page_port));
}

/* --- What listings show. --- */

TEST(threads_are_listed_while_they_live)
{
    static info_thread_t list[8];
    size_t count;

    thing = new_port();
    raw_thread_start(&threads[0], wait_on_port, NULL);
    wait_until_asleep(threads[0].handle);
    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_THREADS, list, sizeof list, &count,
                                 NULL));
    CHECK_EQ(count, 2);
    CHECK(strcmp(list[1].name, "raw") == 0);
    CHECK_EQ(list[1].state, THREAD_BLOCKED);
    kill_asleep(&threads[0]);
    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_THREADS, list, sizeof list, &count,
                                 NULL));
    CHECK_EQ(count, 1);
    CHECK_OK(sys_handle_close(thing));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
