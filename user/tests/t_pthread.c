/*
 * t_pthread.c: the life of POSIX threads: made, joined, detached, ended in every order, with their processes.
 *
 * Machine: cpus=4
 */
#include "common.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 2000
#define SLACK  32                       /* frames: other programs breathe too, but not once a round */

static void *give_back(void *argument)
{
    return argument;
}

static uint64_t used_frames(void)
{
    info_system_t info;

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    return info.memory_bytes / PAGE_SIZE - info.frames[FRAME_FREE];
}

/* The last frames of who has ended go a little later. */
static bool no_more_frames_are_used(void *than)
{
    return used_frames() <= *(uint64_t *)than;
}

static bool alone(void *unused)
{
    info_process_t info = { .num_threads = 99 };

    (void)unused;
    sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL);
    return info.num_threads == 1;
}

static uint32_t regions(void)
{
    info_process_t info = { .num_regions = 0 };

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL));
    return info.num_regions;
}

/* --- Create and join. --- */

TEST(a_thread_gives_its_result_to_who_joins)
{
    pthread_t thread;
    void *result = NULL;

    CHECK_EQ(pthread_create(&thread, NULL, give_back, (void *)77), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ(result, 77);
    CHECK_EQ(pthread_create(&thread, NULL, give_back, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int exit_if_equal(const void *one, const void *other)
{
    if (*(const int *)one == *(const int *)other)
        pthread_exit((void *)123);
    return *(const int *)one - *(const int *)other;
}

static void *exit_in_a_callback(void *argument)
{
    int numbers[] = { 5, 2, 8, 1, 9, 2 };

    qsort(numbers, array_size(numbers), sizeof *numbers, exit_if_equal);
    return argument;
}

TEST(exit_ends_a_thread_from_any_depth)
{
    pthread_t thread;
    void *result = NULL;

    CHECK_EQ(pthread_create(&thread, NULL, exit_in_a_callback, NULL), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ(result, 123);
}

static void *self_of(void *argument)
{
    CHECK(pthread_equal(pthread_self(), *(pthread_t *)argument));
    return pthread_self();
}

TEST(self_and_equal)
{
    static pthread_t thread;
    pthread_t main_thread = pthread_self();
    void *result;

    CHECK(pthread_equal(main_thread, pthread_self()));
    CHECK_EQ(pthread_create(&thread, NULL, self_of, &thread), 0);
    CHECK(!pthread_equal(thread, main_thread));
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(pthread_equal(thread, result));
}

static void *join_argument(void *argument)
{
    void *result = NULL;
    int error = pthread_join((pthread_t)argument, &result);

    return error != 0 ? (void *)(intptr_t)error : result;
}

static uint32_t gate;

static void *wait_for_gate(void *argument)
{
    while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) == 0)
        sys_futex_wait(&gate, 0, DEADLINE_INFINITE);
    return argument;
}

static void open_gate(void)
{
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    sys_futex_wake(&gate, UINT32_MAX);
}

/* All threads but the caller's. */
static bool others_sleep(void *unused)
{
    static info_thread_t list[16];
    size_t count = 0, asleep = 0;

    (void)unused;
    sys_object_get_info(process_self(), INFO_PROCESS_THREADS, list, sizeof list, &count, NULL);
    for (size_t i = 0; i < count; i++)
        asleep += list[i].state == THREAD_BLOCKED;
    return asleep == count - 1;
}

TEST(join_refusals)
{
    pthread_t thread, joiner;
    void *result = NULL;

    CHECK_EQ(pthread_join(pthread_self(), NULL), EDEADLK);
    gate = 0;
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_gate, (void *)5), 0);
    CHECK_EQ(pthread_detach(thread), 0);
    CHECK_EQ(pthread_join(thread, NULL), EINVAL);
    CHECK_EQ(pthread_detach(thread), EINVAL);
    open_gate();
    CHECK(comes_true(alone, NULL));

    gate = 0;
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_gate, (void *)6), 0);
    CHECK_EQ(pthread_create(&joiner, NULL, join_argument, thread), 0);
    CHECK(comes_true(others_sleep, NULL));
    CHECK_EQ(pthread_join(thread, NULL), EINVAL);
    CHECK_EQ(pthread_detach(thread), EINVAL);
    open_gate();
    CHECK_EQ(pthread_join(joiner, &result), 0);
    CHECK_EQ(result, 6);
}

TEST(threads_join_each_other_in_a_chain)
{
    pthread_t threads[8];
    void *result = NULL;

    gate = 0;
    CHECK_EQ(pthread_create(&threads[0], NULL, wait_for_gate, (void *)9), 0);
    for (unsigned i = 1; i < array_size(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, join_argument, threads[i - 1]), 0);
    open_gate();
    CHECK_EQ(pthread_join(threads[array_size(threads) - 1], &result), 0);
    CHECK_EQ(result, 9);
}

TEST(detached_threads_free_themselves)
{
    pthread_attr_t attributes;
    pthread_t thread;
    uint32_t handles = open_handles(), before = regions();

    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(pthread_create(&thread, &attributes, give_back, NULL), 0);
    CHECK(comes_true(alone, NULL));
    for (int i = 0; i < 300; i++) {             /* at every moment of the thread's life */
        CHECK_EQ(pthread_create(&thread, NULL, give_back, NULL), 0);
        for (int turns = i % 7; turns > 0; turns--)
            sched_yield();
        CHECK_EQ(pthread_detach(thread), 0);
    }
    CHECK(comes_true(alone, NULL));
    CHECK_EQ(open_handles(), handles);
    CHECK_EQ(regions(), before);
}

TEST(nothing_is_left_of_thousands_of_threads)
{
    uint32_t handles = open_handles(), before = regions();
    pthread_t thread;
    uint64_t frames = 0;

    for (int i = 0; i < ROUNDS + 100; i++) {
        if (i == 100)
            frames = used_frames();
        CHECK_EQ(pthread_create(&thread, NULL, give_back, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(open_handles(), handles);
    CHECK_EQ(regions(), before);
    CHECK(comes_true(alone, NULL));
    frames += SLACK;
    CHECK(comes_true(no_more_frames_are_used, &frames));
}

TEST(hundreds_of_threads_at_once)
{
    static pthread_t threads[300];
    void *result;

    gate = 0;
    for (uintptr_t i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_gate, (void *)i), 0);
    open_gate();
    for (uintptr_t i = 0; i < array_size(threads); i++) {
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ(result, i);
    }
}

/* --- Attributes. --- */

TEST(attributes_are_kept)
{
    pthread_attr_t attributes;
    static char room[65536];
    size_t size;
    void *stack;
    int state;

    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attributes, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_JOINABLE);
    CHECK_EQ(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attributes, &state), 0);
    CHECK_EQ(state, PTHREAD_CREATE_DETACHED);
    CHECK_EQ(pthread_attr_setdetachstate(&attributes, 2), EINVAL);
    CHECK_EQ(pthread_attr_getstacksize(&attributes, &size), 0);
    CHECK_EQ(size, 256 << 10);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN - 1), EINVAL);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 1 << 20), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attributes, &size), 0);
    CHECK_EQ(size, 1 << 20);
    CHECK_EQ(pthread_attr_setguardsize(&attributes, 12345), 0);
    CHECK_EQ(pthread_attr_getguardsize(&attributes, &size), 0);
    CHECK_EQ(size, 12345);
    CHECK_EQ(pthread_attr_setstack(&attributes, NULL, sizeof room), EINVAL);
    CHECK_EQ(pthread_attr_setstack(&attributes, room, PTHREAD_STACK_MIN - 1), EINVAL);
    CHECK_EQ(pthread_attr_setstack(&attributes, room, sizeof room), 0);
    CHECK_EQ(pthread_attr_getstack(&attributes, &stack, &size), 0);
    CHECK(stack == room);
    CHECK_EQ(size, sizeof room);
    CHECK_EQ(pthread_attr_destroy(&attributes), 0);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, &attributes, give_back, NULL), EINVAL);
}

/* Touches as much stack as it is told. */
static void *use_stack(void *argument)
{
    size_t size = (size_t)argument;
    volatile char *room = __builtin_alloca(size);

    for (size_t at = size; at >= 512; at -= 512)        /* from the top, as calls would */
        room[at - 512] = 1;
    return NULL;
}

TEST(stacks_grow_to_their_size_and_take_memory_only_then)
{
    pthread_attr_t attributes;
    pthread_t threads[16];
    uint64_t frames = used_frames();

    gate = 0;
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 64 << 20), 0);
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], &attributes, wait_for_gate, NULL), 0);
    CHECK(used_frames() < frames + 16 * array_size(threads));
    open_gate();
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);

    CHECK_EQ(pthread_attr_setstacksize(&attributes, 4 << 20), 0);
    CHECK_EQ(pthread_create(&threads[0], &attributes, use_stack, (void *)((4 << 20) - 8192)), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK_EQ(pthread_create(&threads[0], NULL, use_stack, (void *)(240 << 10)), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
}

TEST(a_stack_that_is_too_large_is_refused)
{
    pthread_attr_t attributes;
    pthread_t thread;
    uint32_t handles = open_handles(), before = regions();

    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 1ul << 38), 0);
    CHECK_EQ(pthread_create(&thread, &attributes, give_back, NULL), EAGAIN);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, SIZE_MAX), 0);
    CHECK_EQ(pthread_create(&thread, &attributes, give_back, NULL), EAGAIN);
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setguardsize(&attributes, SIZE_MAX), 0);
    CHECK_EQ(pthread_create(&thread, &attributes, give_back, NULL), EAGAIN);
    CHECK_EQ(open_handles(), handles);
    CHECK_EQ(regions(), before);
}

static void *address_of_frame(void *argument)
{
    (void)argument;
    return __builtin_frame_address(0);
}

TEST(a_stack_of_the_callers)
{
    static char room[32768] __attribute__((aligned(16)));
    pthread_attr_t attributes;
    pthread_t thread;
    void *frame;

    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstack(&attributes, room, sizeof room), 0);
    for (int i = 0; i < 10; i++) {
        memset(room, 0xff, sizeof room);
        CHECK_EQ(pthread_create(&thread, &attributes, address_of_frame, NULL), 0);
        CHECK_EQ(pthread_join(thread, &frame), 0);
        CHECK((char *)frame >= room && (char *)frame < room + sizeof room);
    }
}

TEST(names)
{
    pthread_t thread;
    char name[32];

    gate = 0;
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_gate, NULL), 0);
    CHECK_EQ(pthread_setname_np(thread, "worker"), 0);
    CHECK_EQ(pthread_getname_np(thread, name, sizeof name), 0);
    CHECK(strcmp(name, "worker") == 0);
    CHECK_EQ(pthread_getname_np(thread, name, 6), ERANGE);
    CHECK_EQ(pthread_setname_np(thread, "a name that is much longer than names may be"), ERANGE);
    open_gate();
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- How processes end. --- */

static handle_t result_channel;

static void tell(void *text)
{
    sys_channel_write(result_channel, 0, text, 4, NULL, 0);
}

static void tell_at_exit(void)
{
    tell("exit");
}

static void *slow(void *argument)
{
    sys_nanosleep(after(SECOND / 20));
    tell("slow");
    return argument;
}

static void *sleep_for_ever(void *argument)
{
    sys_nanosleep(DEADLINE_INFINITE);
    tell("woke");
    return argument;
}

static void *join_main(void *argument)
{
    void *result = NULL;

    CHECK_EQ(pthread_join(*(pthread_t *)argument, &result), 0);
    tell(result);
    return NULL;
}

static void *exit_7(void *argument)
{
    (void)argument;
    exit(7);
}

int test_helper(int argc, char **argv)
{
    static pthread_t main_thread;
    pthread_t thread;

    (void)argc;
    result_channel = start_handle(START_USER);
    atexit(tell_at_exit);
    if (strcmp(argv[1], "return") == 0) {
        pthread_create(&thread, NULL, sleep_for_ever, NULL);
        return 3;
    }
    if (strcmp(argv[1], "exit-main") == 0) {
        pthread_create(&thread, NULL, slow, NULL);
        pthread_exit(NULL);
    }
    if (strcmp(argv[1], "join-main") == 0) {
        main_thread = pthread_self();
        pthread_create(&thread, NULL, join_main, &main_thread);
        pthread_exit("main");
    }
    if (strcmp(argv[1], "alone") == 0)
        pthread_exit(NULL);
    if (strcmp(argv[1], "overflow") == 0) {
        pthread_create(&thread, NULL, use_stack, (void *)((256 << 10) + 8192));
        pthread_join(thread, NULL);
        return 0;
    }
    if (strcmp(argv[1], "exit-storm") == 0) {
        for (int i = 0; i < 8; i++)
            pthread_create(&thread, NULL, exit_7, NULL);
        exit(7);
    }
    return 99;
}

/* What the helper said, and how it ended. */
static void check_helper(const char *mode, const char *said, int64_t code)
{
    handle_t near, far;
    char text[64];
    uint32_t length = 0;
    size_t used = 0;

    CHECK_OK(sys_channel_create(0, &near, &far));
    handle_t process = start_helper(mode, far);
    CHECK_EQ(exit_code_of(process), code);
    while (used < sizeof text - 5 &&
           sys_channel_read(near, 0, text + used, NULL, 4, 0, &length, NULL) == OK)
        used += length;
    text[used] = 0;
    CHECK_OK(sys_handle_close(near));
    if (strcmp(text, said) != 0)
        test_failed(__FILE__, __LINE__, "%s said \"%s\", not \"%s\"", mode, text, said);
}

TEST(a_return_from_main_ends_all_threads)
{
    check_helper("return", "exit", 3);
}

TEST(an_exit_of_the_main_thread_lets_the_others_finish)
{
    check_helper("exit-main", "slowexit", 0);
    check_helper("alone", "exit", 0);
}

TEST(the_main_thread_can_be_joined)
{
    check_helper("join-main", "mainexit", 0);
}

TEST(an_overflow_of_a_stack_is_a_fault)
{
    check_helper("overflow", "", EXIT_CODE_FAULT);
}

TEST(exit_in_many_threads_runs_its_functions_once)
{
    for (int i = 0; i < 10; i++)
        check_helper("exit-storm", "exit", 7);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
