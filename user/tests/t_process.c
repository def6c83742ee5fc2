/*
 * t_process.c: processes: made, started, ended and killed, at every moment.
 *
 * Machine: cpus=4
 */
#include "tiny.h"

TEST(create_refusals)
{
    handle_t out = 77;
    uint32_t before = open_handles();

    CHECK_STATUS(sys_process_create("x", 1, 0x80, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_process_create("x", NAME_MAX_LENGTH + 1, 0, &out), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_process_create("x", SIZE_MAX, 0, &out), ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_process_create(bad_pointer(i), 4, 0, &out), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_process_create("x", 1, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_EQ(open_handles(), before);
}

TEST(a_new_process_is_empty)
{
    handle_t process;

    CHECK_OK(sys_process_create("empty", 5, 0, &process));
    info_process_t info = process_info(process);
    CHECK(strcmp(info.name, "empty") == 0);
    CHECK(!info.started && !info.exited && !info.killed);
    CHECK_EQ(info.num_threads, 0);
    CHECK_EQ(info.num_handles, 0);
    CHECK_EQ(info.num_regions, 0);
    CHECK_STATUS(sys_object_wait_one(process, SIGNAL_TERMINATED, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(process));
}

TEST(start_refusals_change_nothing)
{
    struct tiny tiny = tiny_create(), other = tiny_create();
    uintptr_t entry = tiny_entry(tiny_exit);
    handle_t event = new_event(), weak;

    CHECK_STATUS(sys_process_start(0, tiny.thread, entry, TINY_STACK, 0, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_process_start(tiny.process, 0, entry, TINY_STACK, 0, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, entry, TINY_STACK, 0x12345, 0),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_process_start(tiny.thread, tiny.thread, entry, TINY_STACK, 0, 0),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_process_start(tiny.process, tiny.process, entry, TINY_STACK, 0, 0),
                 ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(tiny.process, RIGHT_INSPECT, &weak));
    CHECK_STATUS(sys_process_start(weak, tiny.thread, entry, TINY_STACK, 0, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_duplicate(tiny.thread, RIGHT_INSPECT, &weak));
    CHECK_STATUS(sys_process_start(tiny.process, weak, entry, TINY_STACK, 0, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    event = with_rights(event, RIGHT_WAIT);
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, entry, TINY_STACK, event, 0),
                 ERR_ACCESS_DENIED);

    CHECK_STATUS(sys_process_start(tiny.process, other.thread, entry, TINY_STACK, 0, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, 0xffffffc080200000, TINY_STACK, 0,
                                   0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, entry, UINTPTR_MAX, 0, 0),
                 ERR_INVALID_ARGS);
    CHECK(!process_info(tiny.process).started);
    CHECK_EQ(process_info(tiny.process).num_handles, 0);

    CHECK_OK(sys_process_start(tiny.process, tiny.thread, entry, TINY_STACK, 0, 5));
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, entry, TINY_STACK, 0, 0),
                 ERR_BAD_STATE);
    CHECK_EQ(tiny_end_of(tiny).exit_code, 5);
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(other.process));
    CHECK_OK(sys_handle_close(other.thread));
}

TEST(a_refused_start_leaves_the_handle_with_the_caller)
{
    struct tiny tiny = tiny_start(tiny_exit, 0);
    handle_t event = new_event();

    CHECK_OK(sys_object_wait_one(tiny.process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, USER_BASE, TINY_STACK, event, 0),
                 ERR_BAD_STATE);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    tiny_end_of(tiny);
    CHECK_OK(sys_handle_close(event));
}

TEST(exit_codes_arrive)
{
    static const int64_t codes[] = { 0, 1, -1, 255, 256, INT64_MAX, INT64_MIN, EXIT_CODE_KILLED };

    for (unsigned i = 0; i < array_size(codes); i++) {
        info_process_t info = tiny_end_of(tiny_start(tiny_exit, codes[i]));
        CHECK_EQ(info.exit_code, codes[i]);
        CHECK(info.started && info.exited && !info.killed);
        CHECK_EQ(info.num_threads, 0);
        CHECK_EQ(info.num_regions, 0);
        CHECK_EQ(info.resident_bytes, 0);
    }
}

TEST(the_last_thread_ends_the_process_with_0)
{
    info_process_t info = tiny_end_of(tiny_start(tiny_thread_exit, 9));

    CHECK_EQ(info.exit_code, 0);
    CHECK(info.exited && !info.killed);
}

TEST(the_first_argument_moves_into_the_process)
{
    struct tiny tiny = tiny_create();
    handle_t ours, theirs;

    CHECK_OK(sys_channel_create(0, &ours, &theirs));
    CHECK_OK(sys_process_start(tiny.process, tiny.thread, tiny_entry(tiny_sleep), TINY_STACK,
                               theirs, 0));
    CHECK_STATUS(sys_handle_close(theirs), ERR_BAD_HANDLE);
    CHECK_EQ(process_info(tiny.process).num_handles, 1);
    CHECK_STATUS(sys_object_wait_one(ours, SIGNAL_PEER_CLOSED, 0, NULL), ERR_TIMED_OUT);

    /* Its handles close when it dies, though the process object lives on. */
    CHECK_OK(sys_task_kill(tiny.process));
    CHECK_OK(sys_object_wait_one(ours, SIGNAL_PEER_CLOSED, after(PATIENCE), NULL));
    tiny_end_of(tiny);
    CHECK_OK(sys_handle_close(ours));
}

TEST(kill_refusals)
{
    struct tiny tiny = tiny_start(tiny_sleep, 0);
    handle_t event = new_event(), weak;

    CHECK_STATUS(sys_task_kill(HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_task_kill(event), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(tiny.process, RIGHT_SAME_RIGHTS, &weak));
    weak = with_rights(weak, RIGHT_WRITE | RIGHT_INSPECT);
    CHECK_STATUS(sys_task_kill(weak), ERR_ACCESS_DENIED);
    CHECK(!process_info(tiny.process).exited);
    CHECK_OK(sys_task_kill(tiny.process));
    info_process_t info = tiny_end_of(tiny);
    CHECK(info.killed);
    CHECK_EQ(info.exit_code, EXIT_CODE_KILLED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

TEST(kill_ends_whatever_it_does)
{
    const char *const routines[] = { tiny_spin, tiny_sleep, tiny_call };

    for (unsigned i = 0; i < array_size(routines); i++) {
        struct tiny tiny = tiny_start(routines[i], 0);
        for (unsigned j = 0; j < i; j++)
            sys_nanosleep(0);
        CHECK_OK(sys_task_kill(tiny.process));
        CHECK_OK(sys_task_kill(tiny.process));  /* again: nothing more happens */
        CHECK_EQ(tiny_end_of(tiny).exit_code, EXIT_CODE_KILLED);
    }
}

TEST(kill_at_every_moment)
{
    for (unsigned i = 0; i < 150; i++) {
        struct tiny tiny = tiny_start(i % 3 == 0 ? tiny_call : i % 3 == 1 ? tiny_spin : tiny_exit,
                                      3);
        int64_t moment = after(i * 10000);
        while (sys_clock_get() < moment)
            ;
        CHECK_OK(sys_task_kill(tiny.process));
        info_process_t info = tiny_end_of(tiny);
        CHECK(info.exited);
        CHECK(info.exit_code == EXIT_CODE_KILLED || (i % 3 == 2 && info.exit_code == 3));
    }
}

TEST(a_process_that_never_ran_can_be_killed)
{
    struct tiny tiny = tiny_create();
    handle_t thread = 77;

    CHECK_OK(sys_task_kill(tiny.process));
    CHECK_OK(sys_object_wait_one(tiny.process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_OK(sys_object_wait_one(tiny.thread, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_process_start(tiny.process, tiny.thread, USER_BASE, TINY_STACK, 0, 0),
                 ERR_BAD_STATE);
    CHECK_STATUS(sys_thread_create(tiny.process, "late", 4, 0, &thread), ERR_BAD_STATE);
    CHECK_EQ(thread, 77);
    CHECK_EQ(thread_state(tiny.thread), THREAD_DEAD);
    CHECK_EQ(tiny_end_of(tiny).exit_code, EXIT_CODE_KILLED);
}

TEST(exit_of_one_thread_ends_the_others)
{
    struct tiny tiny = tiny_start(tiny_spin, 0);
    handle_t threads[3];

    for (unsigned i = 0; i < array_size(threads); i++) {
        CHECK_OK(sys_thread_create(tiny.process, "more", 4, 0, &threads[i]));
        CHECK_OK(sys_thread_start(threads[i],
                                  tiny_entry(i == 0 ? tiny_sleep : i == 1 ? tiny_call : tiny_exit),
                                  TINY_STACK, 0, 42));
    }
    for (unsigned i = 0; i < array_size(threads); i++)
        wait_for_end(threads[i]);
    CHECK_EQ(tiny_end_of(tiny).exit_code, 42);
}

TEST(a_process_lives_without_handles_to_it)
{
    handle_t ours, theirs;
    struct tiny tiny = tiny_create();

    CHECK_OK(sys_channel_create(0, &ours, &theirs));
    CHECK_OK(sys_process_start(tiny.process, tiny.thread, tiny_entry(tiny_exit), TINY_STACK,
                               theirs, 0));
    CHECK_OK(sys_handle_close(tiny.process));
    CHECK_OK(sys_handle_close(tiny.thread));
    CHECK_OK(sys_object_wait_one(ours, SIGNAL_PEER_CLOSED, after(PATIENCE), NULL));
    CHECK_OK(sys_handle_close(ours));
}

static bool is_listed(uint64_t koid)
{
    static info_process_t list[64];
    size_t count;

    CHECK_OK(sys_object_get_info(system_handle(), INFO_PROCESS_LIST, list, sizeof list, &count,
                                 NULL));
    for (size_t i = 0; i < count; i++) {
        if (list[i].koid == koid)
            return true;
    }
    return false;
}

static bool is_not_listed(void *koid)
{
    return !is_listed(*(uint64_t *)koid);
}

TEST(the_system_lists_processes_until_they_are_gone)
{
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    struct tiny tiny = tiny_start(tiny_sleep, 0);
    uint64_t koid = process_info(tiny.process).koid;
    handle_t found;

    CHECK(is_listed(koid));
    CHECK_OK(sys_object_get_child(system_handle(), koid, RIGHT_SAME_RIGHTS, &found));
    CHECK_OK(sys_task_kill(found));
    CHECK_OK(sys_handle_close(found));
    tiny_end_of(tiny);
    CHECK(comes_true(is_not_listed, &koid));
    CHECK_STATUS(sys_object_get_child(system_handle(), koid, RIGHT_SAME_RIGHTS, &found),
                 ERR_NOT_FOUND);
}

/* --- Whole programs. --- */

int test_helper(int argument_count, char **arguments)
{
    handle_t given = start_handle(START_USER);
    uint32_t length;
    char bytes[64];

    if (argument_count == 2 && strcmp(arguments[1], "answer") == 0) {
        if (sys_channel_read(given, 0, bytes, NULL, sizeof bytes, 0, &length, NULL) != OK ||
            sys_channel_write(given, 0, bytes, length, NULL, 0) != OK)
            return 1;
        return 23;
    }
    return 2;
}

TEST(a_program_gets_its_arguments_and_handles)
{
    handle_t ours, theirs;
    char bytes[64];
    uint32_t length;

    CHECK_OK(sys_channel_create(0, &ours, &theirs));
    CHECK_OK(sys_channel_write(ours, 0, "ping", 4, NULL, 0));
    CHECK_EQ(exit_code_of(start_helper("answer", theirs)), 23);
    CHECK_OK(sys_channel_read(ours, 0, bytes, NULL, sizeof bytes, 0, &length, NULL));
    CHECK_EQ(length, 4);
    CHECK(memcmp(bytes, "ping", 4) == 0);
    CHECK_OK(sys_handle_close(ours));
}

TEST(what_is_no_program_is_refused)
{
    static const char *const arguments[] = { "nothing", NULL };
    char garbage[256];
    handle_t vmo, process = 77;

    CHECK_OK(sys_random(garbage, sizeof garbage));
    garbage[0] = 0;
    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
    CHECK_OK(sys_vmo_write(vmo, 0, garbage, 0, sizeof garbage));
    struct spawn_arguments spawning = { .image = vmo, .arguments = arguments };
    CHECK_STATUS(spawn(&spawning, &process), ERR_INVALID_ARGS);
    CHECK_OK(sys_vmo_write(vmo, 0, "\177ELF\2\1\1", 0, 7));
    CHECK_STATUS(spawn(&spawning, &process), ERR_INVALID_ARGS);
    CHECK_EQ(process, 77);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_STATUS(program_open("no-such-program", &vmo), ERR_NOT_FOUND);
}

/* --- Nothing is kept. --- */

static uint64_t live_objects(void)
{
    info_system_t info;
    uint64_t sum = 0;

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    for (unsigned i = 0; i < array_size(info.objects); i++)
        sum += info.objects[i];
    return sum;
}

static bool objects_are(void *count)
{
    return live_objects() == *(uint64_t *)count;
}

/*
 * A round of processes leaves exactly as many objects as the round before.  Other programs (the file server) make and end
 * some of their own, so not every round can show it; what a process leaked would show in each.
 */
TEST(hundreds_of_processes_leave_no_object_behind)
{
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    uint64_t last = 0;

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 100; i++)
            CHECK_EQ(tiny_end_of(tiny_start(tiny_exit, i)).exit_code, i);
        if (comes_true_within(SECOND, objects_are, &last))
            return;
        last = live_objects();
    }
    CHECK(!"no round of eight left what the round before left");
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
