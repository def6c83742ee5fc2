/*
 * t_pthread_own.c: what each POSIX thread has of its own: clean-up functions, variables, values of keys; and what all do once.
 *
 * Machine: cpus=4
 */
#include "common.h"

#include <errno.h>
#include <pthread.h>

/* --- Clean-up functions. --- */

static int order[8], steps;

static void note(void *argument)
{
    order[steps++] = (int)(intptr_t)argument;
}

static void *with_cleanups(void *argument)
{
    pthread_cleanup_push(note, (void *)1);
    pthread_cleanup_push(note, (void *)2);
    pthread_cleanup_push(note, (void *)3);
    pthread_cleanup_pop(0);
    pthread_cleanup_push(note, (void *)4);
    pthread_cleanup_pop(1);
    if (argument != NULL)
        pthread_exit(NULL);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

TEST(cleanup_functions_run_last_first)
{
    pthread_t thread;

    steps = 0;
    CHECK_EQ(pthread_create(&thread, NULL, with_cleanups, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(steps, 1);
    CHECK_EQ(order[0], 4);
    steps = 0;
    CHECK_EQ(pthread_create(&thread, NULL, with_cleanups, thread), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(steps, 3);
    CHECK(order[0] == 4 && order[1] == 2 && order[2] == 1);
}

/* --- Thread-local variables and errno. --- */

static __thread int counter = 5;
static __thread char zeros[100];
static __thread struct { char bytes[3]; } wide __attribute__((aligned(256))) = { { 1, 2, 3 } };
static __thread struct { char bytes[8]; } wider __attribute__((aligned(1024)));

static bool locals_are_fresh(void)
{
    bool fresh = counter == 5 && wide.bytes[0] == 1 && wide.bytes[2] == 3;

    for (unsigned i = 0; i < sizeof zeros; i++)
        fresh = fresh && zeros[i] == 0;
    for (unsigned i = 0; i < sizeof wider; i++)
        fresh = fresh && wider.bytes[i] == 0;
    return fresh && (uintptr_t)&wide % 256 == 0 && (uintptr_t)&wider % 1024 == 0;
}

static void *use_locals(void *argument)
{
    int mine = (int)(intptr_t)argument;

    CHECK(locals_are_fresh());
    for (int i = 0; i < 100; i++) {
        counter = mine + i;
        errno = mine + i;
        memset(&wider, mine, sizeof wider);
        memset(zeros, mine, sizeof zeros);
        sched_yield();
        CHECK_EQ(counter, mine + i);
        CHECK_EQ(errno, mine + i);
        CHECK_EQ(zeros[99], mine);
        CHECK_EQ(wider.bytes[7], mine);
    }
    return NULL;
}

TEST(each_thread_has_its_own_variables_with_any_alignment)
{
    pthread_t threads[8];

    CHECK(locals_are_fresh());
    for (unsigned round = 0; round < 10; round++) {
        for (uintptr_t i = 0; i < array_size(threads); i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, use_locals, (void *)(i + 1)), 0);
        for (unsigned i = 0; i < array_size(threads); i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK(locals_are_fresh());
}

/* --- Once. --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic int once_runs;
static bool once_finished;

static void run_once(void)
{
    once_runs++;
    sys_nanosleep(after(SECOND / 100));         /* long enough for the others to come */
    once_finished = true;
}

static void *call_once(void *argument)
{
    CHECK_EQ(pthread_once(&once, run_once), 0);
    CHECK(once_finished);
    return argument;
}

TEST(once_runs_once_and_all_wait_for_it)
{
    pthread_t threads[8];

    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_once, NULL), 0);
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(once_runs, 1);
    CHECK_EQ(pthread_once(&once, run_once), 0);
    CHECK_EQ(once_runs, 1);
}

/* --- Keys. --- */

static pthread_key_t key, second_key;
static _Atomic int destroyed, rounds;

static void destroy(void *value)
{
    destroyed += (int)(intptr_t)value;
}

static void *set_value(void *argument)
{
    CHECK_EQ(pthread_getspecific(key), 0);
    CHECK_EQ(pthread_setspecific(key, argument), 0);
    sched_yield();
    CHECK_EQ(pthread_getspecific(key), argument);
    return NULL;
}

TEST(values_are_of_each_thread_and_destroyed_at_its_end)
{
    pthread_t threads[8];

    CHECK_EQ(pthread_key_create(&key, destroy), 0);
    CHECK_EQ(pthread_setspecific(key, (void *)1000), 0);
    for (uintptr_t i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, set_value, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(destroyed, 36);
    CHECK_EQ(pthread_getspecific(key), 1000);
    CHECK_EQ(pthread_key_delete(key), 0);
    CHECK_EQ(destroyed, 36);
    CHECK_EQ(pthread_key_delete(key), EINVAL);
    CHECK_EQ(pthread_setspecific(key, NULL), EINVAL);
    CHECK_EQ(pthread_getspecific(key), 0);
}

static void set_again(void *value)
{
    rounds++;
    pthread_setspecific(second_key, value);
}

static void set_twice(void *value)
{
    if (++rounds < 3)
        pthread_setspecific(second_key, value);
}

static void *set_second(void *argument)
{
    CHECK_EQ(pthread_setspecific(second_key, argument), 0);
    pthread_exit(NULL);
}

TEST(destructors_run_in_several_rounds_but_not_for_ever)
{
    pthread_t thread;

    rounds = 0;
    CHECK_EQ(pthread_key_create(&second_key, set_twice), 0);
    CHECK_EQ(pthread_create(&thread, NULL, set_second, &thread), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(rounds, 3);
    CHECK_EQ(pthread_key_delete(second_key), 0);
    rounds = 0;
    CHECK_EQ(pthread_key_create(&second_key, set_again), 0);
    CHECK_EQ(pthread_create(&thread, NULL, set_second, &thread), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    CHECK_EQ(pthread_key_delete(second_key), 0);
}

TEST(all_keys_can_be_used_and_used_again)
{
    pthread_key_t keys[PTHREAD_KEYS_MAX], more;

    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PTHREAD_KEYS_MAX; i++) {
            CHECK_EQ(pthread_key_create(&keys[i], NULL), 0);
            CHECK_EQ(pthread_getspecific(keys[i]), 0);          /* not of the key before it */
            CHECK_EQ(pthread_setspecific(keys[i], &keys[i]), 0);
        }
        CHECK_EQ(pthread_key_create(&more, NULL), EAGAIN);
        for (unsigned i = 0; i < PTHREAD_KEYS_MAX; i++) {
            CHECK(pthread_getspecific(keys[i]) == &keys[i]);
            CHECK_EQ(pthread_key_delete(keys[i]), 0);
        }
    }
    CHECK_EQ(pthread_setspecific(PTHREAD_KEYS_MAX, NULL), EINVAL);
    CHECK_EQ(pthread_getspecific(UINT32_MAX), 0);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
