/*
 * t_object.c: what all objects have: signals that one waits for, information, children, names.
 *
 * Machine: cpus=4
 */
#include "common.h"

#include <stdlib.h>

/* --- Signals. --- */

TEST(event_create_refusals)
{
    handle_t event = 77;

    CHECK_STATUS(sys_event_create(1, &event), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_event_create(0x80000000, &event), ERR_INVALID_ARGS);
    CHECK_EQ(event, 77);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_event_create(0, bad_pointer(i)), ERR_INVALID_ARGS);
}

TEST(signal_sets_and_clears)
{
    handle_t event = new_event();
    signals_t seen = 0;

    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0 | SIGNAL_USER_1));
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_1, 0, &seen));
    CHECK_EQ(seen, SIGNAL_USER_0 | SIGNAL_USER_1);
    CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, 0, &seen), ERR_TIMED_OUT);
    CHECK_EQ(seen, SIGNAL_USER_1);
    CHECK_OK(sys_object_signal(event, SIGNAL_USER_ALL, SIGNAL_USER_ALL));      /* clear, then set */
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_0, 0, &seen));
    CHECK_EQ(seen, SIGNAL_USER_ALL);
    CHECK_OK(sys_handle_close(event));
}

TEST(signal_refusals_change_nothing)
{
    handle_t event = new_event(), weak;
    signals_t seen = 77;

    CHECK_STATUS(sys_object_signal(HANDLE_INVALID, 0, SIGNAL_USER_0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_signal(event, 0, SIGNAL_READABLE | SIGNAL_USER_0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_object_signal(event, SIGNAL_TERMINATED, SIGNAL_USER_0), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_duplicate(event, RIGHT_WAIT, &weak));
    CHECK_STATUS(sys_object_signal(weak, 0, SIGNAL_USER_0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_object_wait_one(event, ~0u, 0, &seen), ERR_TIMED_OUT);
    CHECK_EQ(seen, 0);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

TEST(wait_one_refusals)
{
    handle_t event = new_event(), weak;

    CHECK_STATUS(sys_object_wait_one(HANDLE_INVALID, ~0u, 0, NULL), ERR_BAD_HANDLE);
    CHECK_OK(sys_handle_duplicate(event, RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_object_wait_one(weak, ~0u, 0, NULL), ERR_ACCESS_DENIED);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    for (unsigned i = 1; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_object_wait_one(event, ~0u, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_OK(sys_object_wait_one(event, ~0u, 0, NULL));
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

TEST(wait_one_times_out_at_its_deadline)
{
    handle_t event = new_event();
    signals_t seen = 77;
    int64_t deadline = after(SECOND / 50);

    CHECK_STATUS(sys_object_wait_one(event, ~0u, deadline, &seen), ERR_TIMED_OUT);
    CHECK(sys_clock_get() >= deadline);
    CHECK_EQ(seen, 0);
    CHECK_STATUS(sys_object_wait_one(event, ~0u, -1, NULL), ERR_TIMED_OUT);
    CHECK_STATUS(sys_object_wait_one(event, ~0u, INT64_MIN, NULL), ERR_TIMED_OUT);
    CHECK_STATUS(sys_object_wait_one(event, ~0u, 1, NULL), ERR_TIMED_OUT);
    CHECK_STATUS(sys_object_wait_one(event, 0, deadline, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(event));
}

/* --- Waiters in threads. --- */

struct signal_wait {
    handle_t event;
    signals_t wanted, seen;
    _Atomic status_t status;
    struct raw_thread thread;
};

static struct signal_wait waits[8];

static void wait_for_signal(void *argument)
{
    struct signal_wait *wait = argument;

    wait->status = sys_object_wait_one(wait->event, wait->wanted, DEADLINE_INFINITE, &wait->seen);
}

static void start_wait(struct signal_wait *wait, handle_t event, signals_t wanted)
{
    wait->event = event;
    wait->wanted = wanted;
    wait->seen = 0;
    wait->status = 1;
    raw_thread_start(&wait->thread, wait_for_signal, wait);
    wait_until_asleep(wait->thread.handle);
}

TEST(a_signal_wakes_all_who_wait_for_it_and_nobody_else)
{
    handle_t event = new_event();

    for (unsigned i = 0; i < array_size(waits); i++)
        start_wait(&waits[i], event, i % 2 ? SIGNAL_USER_1 : SIGNAL_USER_0);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    for (unsigned i = 0; i < array_size(waits); i += 2) {
        wait_for_end(waits[i].thread.handle);
        CHECK_OK(waits[i].status);
        CHECK_EQ(waits[i].seen, SIGNAL_USER_0);
    }
    for (unsigned i = 1; i < array_size(waits); i += 2)
        CHECK_EQ(waits[i].status, 1);
    CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, SIGNAL_USER_1));
    for (unsigned i = 1; i < array_size(waits); i += 2) {
        wait_for_end(waits[i].thread.handle);
        CHECK_OK(waits[i].status);
    }
    CHECK_OK(sys_handle_close(event));
}

TEST(a_pulse_is_seen_by_who_waits)
{
    handle_t event = new_event();

    start_wait(&waits[0], event, SIGNAL_USER_0);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
    wait_for_end(waits[0].thread.handle);
    CHECK_OK(waits[0].status);
    CHECK_EQ(waits[0].seen, SIGNAL_USER_0);
    CHECK_OK(sys_handle_close(event));
}

TEST(killed_waiters_leave_the_others_alone)
{
    handle_t event = new_event();

    COVERS("object_wait_one",
           CANCELED);        /* ends the call of a thread that is killed: it dies there */
    for (unsigned i = 0; i < array_size(waits); i++)
        start_wait(&waits[i], event, SIGNAL_USER_0);
    for (unsigned i = 0; i < array_size(waits); i += 2)
        kill_asleep(&waits[i].thread);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    for (unsigned i = 0; i < array_size(waits); i++) {
        if (i % 2)
            wait_for_end(waits[i].thread.handle);
        CHECK_EQ(waits[i].status, i % 2 ? OK : 1);
    }
    CHECK_OK(sys_handle_close(event));
}

/* --- Information. --- */

TEST(info_refusals)
{
    handle_t event = new_event(), port = new_port(), weak;
    info_process_t process = { .koid = 77 };
    info_handle_basic_t basic;
    size_t actual = 77, avail = 77;

    CHECK_STATUS(sys_object_get_info(0, INFO_PROCESS, &process, sizeof process, NULL, NULL),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_get_info(event, INFO_PROCESS, &process, sizeof process, NULL, NULL),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_object_get_info(port, INFO_VMO, &process, sizeof process, NULL, NULL),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_object_get_info(event, 0, &process, sizeof process, NULL, NULL),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_object_get_info(event, 999, &process, sizeof process, NULL, NULL),
                 ERR_NOT_SUPPORTED);
    CHECK_OK(sys_handle_duplicate(process_self(), RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_object_get_info(weak, INFO_PROCESS, &process, sizeof process, NULL, NULL),
                 ERR_ACCESS_DENIED);
    CHECK_OK(sys_object_get_info(weak, INFO_HANDLE_BASIC, &basic, sizeof basic, NULL, NULL));
    CHECK_EQ(basic.rights, RIGHT_WRITE);

    CHECK_STATUS(sys_object_get_info(process_self(), INFO_PROCESS, &process, sizeof process - 1,
                                     &actual, &avail),
                 ERR_BUFFER_TOO_SMALL);
    CHECK_EQ(actual, 0);
    CHECK_EQ(avail, 1);
    CHECK_EQ(process.koid, 77);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(event));
}

TEST(info_refuses_bad_pointers)
{
    info_process_t process;

    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_object_get_info(process_self(), INFO_PROCESS, bad_pointer(i),
                                         sizeof process, NULL, NULL),
                     ERR_INVALID_ARGS);
    for (unsigned i = 1; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_object_get_info(process_self(), INFO_PROCESS, &process, sizeof process,
                                         bad_pointer(i), NULL),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_object_get_info(process_self(), INFO_PROCESS, &process, sizeof process,
                                         NULL, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    }
}

TEST(info_basic_names_the_other_end)
{
    info_handle_basic_t a, b;
    handle_t ends[2];

    CHECK_OK(sys_channel_create(0, &ends[0], &ends[1]));
    CHECK_OK(sys_object_get_info(ends[0], INFO_HANDLE_BASIC, &a, sizeof a, NULL, NULL));
    CHECK_OK(sys_object_get_info(ends[1], INFO_HANDLE_BASIC, &b, sizeof b, NULL, NULL));
    CHECK_EQ(a.type, OBJECT_CHANNEL);
    CHECK(a.koid != b.koid);
    CHECK_EQ(a.related_koid, b.koid);
    CHECK_EQ(b.related_koid, a.koid);
    CHECK_OK(sys_handle_close(ends[0]));
    CHECK_OK(sys_handle_close(ends[1]));
}

TEST(info_of_this_process_and_thread)
{
    info_process_t process;
    info_thread_t thread;

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS, &process, sizeof process, NULL,
                                 NULL));
    CHECK(process.started && !process.exited && !process.killed);
    CHECK_EQ(process.num_threads, 1);
    CHECK(process.num_regions > 3);
    CHECK(process.resident_bytes > 0 && process.resident_bytes <= process.mapped_bytes);
    CHECK_OK(sys_object_get_info(thread_self(), INFO_THREAD, &thread, sizeof thread, NULL, NULL));
    CHECK_EQ(thread.state, THREAD_RUNNING);
}

TEST(lists_fill_what_fits)
{
    info_map_t maps[2];
    size_t actual, avail;
    void *records;
    size_t count;

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, maps, sizeof maps, &actual,
                                 &avail));
    CHECK_EQ(actual, 2);
    CHECK(avail > 2);
    CHECK(maps[0].base + maps[0].length <= maps[1].base);
    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, NULL, 0, &actual, &avail));
    CHECK_EQ(actual, 0);
    CHECK(avail > 2);
    CHECK_OK(info_list(process_self(), INFO_PROCESS_THREADS, sizeof(info_thread_t), &records,
                       &count));
    CHECK_EQ(count, 1);
    free(records);
}

TEST(info_of_the_system)
{
    info_system_t before, now;
    uint64_t frames = 0;
    handle_t event;

    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &before, sizeof before, NULL, NULL));
    for (unsigned i = 0; i < FRAME_KINDS; i++)
        frames += before.frames[i];
    CHECK_EQ(frames * PAGE_SIZE, before.memory_bytes);
    CHECK(before.harts >= 1 && before.objects[OBJECT_PROCESS] >= 2);
    event = new_event();
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &now, sizeof now, NULL, NULL));
    CHECK_EQ(now.objects[OBJECT_EVENT], before.objects[OBJECT_EVENT] + 1);
    CHECK(now.syscalls > before.syscalls && now.uptime > before.uptime);
    CHECK_OK(sys_handle_close(event));
}

/* --- Children. --- */

static uint64_t koid_of(handle_t handle)
{
    info_handle_basic_t basic = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &basic, sizeof basic, NULL, NULL));
    return basic.koid;
}

TEST(get_child_finds_threads_and_processes)
{
    handle_t child;

    CHECK_OK(sys_object_get_child(process_self(), koid_of(thread_self()), RIGHT_SAME_RIGHTS,
                                  &child));
    CHECK_EQ(koid_of(child), koid_of(thread_self()));
    CHECK_OK(sys_handle_close(child));
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    CHECK_OK(sys_object_get_child(system_handle(), koid_of(process_self()), RIGHT_INSPECT, &child));
    CHECK_EQ(koid_of(child), koid_of(process_self()));
    CHECK_OK(sys_handle_close(child));
}

TEST(get_child_refusals)
{
    uint64_t koid = koid_of(thread_self());
    handle_t event = new_event(), weak, out = 77;

    CHECK_STATUS(sys_object_get_child(HANDLE_INVALID, koid, RIGHT_SAME_RIGHTS, &out),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_get_child(event, koid, RIGHT_SAME_RIGHTS, &out), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(process_self(), RIGHT_WRITE | RIGHT_DUPLICATE, &weak));
    CHECK_STATUS(sys_object_get_child(weak, koid, RIGHT_SAME_RIGHTS, &out), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_STATUS(sys_object_get_child(process_self(), 1, RIGHT_SAME_RIGHTS, &out), ERR_NOT_FOUND);
    CHECK_STATUS(sys_object_get_child(process_self(), koid_of(process_self()), RIGHT_SAME_RIGHTS,
                                      &out),
                 ERR_NOT_FOUND);
    CHECK_STATUS(sys_object_get_child(process_self(), koid, RIGHT_EXECUTE, &out), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_object_get_child(process_self(), koid, RIGHT_SAME_RIGHTS, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    /* Nobody gets more rights to a thread than he has to its process. */
    CHECK_OK(sys_handle_duplicate(process_self(), RIGHT_INSPECT | RIGHT_DUPLICATE, &weak));
    CHECK_STATUS(sys_object_get_child(weak, koid, RIGHT_DESTROY, &out), ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

/* --- Names. --- */

TEST(set_name_shows_in_listings)
{
    char longest[NAME_MAX_LENGTH + 1] = "0123456789012345678901234567890";
    info_thread_t before, now;

    CHECK_OK(sys_object_get_info(thread_self(), INFO_THREAD, &before, sizeof before, NULL, NULL));
    CHECK_OK(sys_object_set_name(thread_self(), longest, NAME_MAX_LENGTH));
    CHECK_OK(sys_object_get_info(thread_self(), INFO_THREAD, &now, sizeof now, NULL, NULL));
    CHECK(strcmp(now.name, longest) == 0);
    CHECK_OK(sys_object_set_name(thread_self(), NULL, 0));
    CHECK_OK(sys_object_get_info(thread_self(), INFO_THREAD, &now, sizeof now, NULL, NULL));
    CHECK_EQ(now.name[0], 0);
    CHECK_OK(sys_object_set_name(thread_self(), before.name, strlen(before.name)));
}

TEST(set_name_refusals_change_nothing)
{
    handle_t event = new_event(), weak;
    info_thread_t before, now;

    CHECK_OK(sys_object_get_info(thread_self(), INFO_THREAD, &before, sizeof before, NULL, NULL));
    CHECK_STATUS(sys_object_set_name(HANDLE_INVALID, "x", 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_set_name(event, "x", 1), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(thread_self(), RIGHT_INSPECT, &weak));
    CHECK_STATUS(sys_object_set_name(weak, "x", 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_object_set_name(thread_self(), "x", NAME_MAX_LENGTH + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_object_set_name(thread_self(), "x", SIZE_MAX), ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_object_set_name(thread_self(), bad_pointer(i), 4), ERR_INVALID_ARGS);
    CHECK_OK(sys_object_get_info(thread_self(), INFO_THREAD, &now, sizeof now, NULL, NULL));
    CHECK(strcmp(now.name, before.name) == 0);

    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
