/*
 * t_pthread_locks.c: mutexes and conditions: what each answers, and that they keep threads apart under load.
 *
 * Machine: cpus=4
 */
#include "pthread_rig.h"

#include <errno.h>
#include <stdlib.h>

#define TURNS 3000

/* --- Mutexes. --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int try_mutex(void)
{
    int error = pthread_mutex_trylock(&mutex);

    return error != 0 ? error : pthread_mutex_unlock(&mutex);
}

static int unlock_mutex(void)
{
    return pthread_mutex_unlock(&mutex);
}

static int wait_for_mutex(void)
{
    int64_t start = sys_clock_get();
    struct timespec time = in(CLOCK_REALTIME, SECOND / 50);

    CHECK_EQ(pthread_mutex_timedlock(&mutex, &no_time), EINVAL);
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &time), ETIMEDOUT);
    CHECK(sys_clock_get() - start >= SECOND / 50 - SECOND / 1000);
    time = in(CLOCK_MONOTONIC, SECOND / 100);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &time), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, 99, &time), EINVAL);
    time.tv_sec = -1;
    return pthread_mutex_timedlock(&mutex, &time);
}

static void make_mutex(int type)
{
    pthread_mutexattr_t attributes;
    int read = -1;

    CHECK_EQ(pthread_mutexattr_init(&attributes), 0);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
    CHECK_EQ(pthread_mutexattr_gettype(&attributes, &read), 0);
    CHECK_EQ(read, type);
    CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
    CHECK_EQ(pthread_mutexattr_destroy(&attributes), 0);
}

static void check_held_mutex(void)
{
    CHECK_EQ(elsewhere(try_mutex), EBUSY);
    CHECK_EQ(elsewhere(wait_for_mutex), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_destroy(&mutex), EBUSY);
}

static void check_free_mutex(void)
{
    struct timespec past = { -5, 0 };

    CHECK_EQ(elsewhere(try_mutex), 0);
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &past), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
}

TEST(mutex_attributes)
{
    pthread_mutexattr_t attributes;
    int shared = -1;

    CHECK_EQ(pthread_mutexattr_init(&attributes), 0);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, 3), EINVAL);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, -1), EINVAL);
    CHECK_EQ(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), ENOTSUP);
    CHECK_EQ(pthread_mutexattr_setpshared(&attributes, 7), EINVAL);
    CHECK_EQ(pthread_mutexattr_getpshared(&attributes, &shared), 0);
    CHECK_EQ(shared, PTHREAD_PROCESS_PRIVATE);
}

TEST(a_normal_mutex)
{
    make_mutex(PTHREAD_MUTEX_NORMAL);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    check_held_mutex();
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    check_free_mutex();
}

TEST(an_error_checking_mutex)
{
    make_mutex(PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_EQ(elsewhere(unlock_mutex), EPERM);
    check_held_mutex();
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
    check_free_mutex();
}

TEST(a_recursive_mutex)
{
    make_mutex(PTHREAD_MUTEX_RECURSIVE);
    CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(i % 2 ? pthread_mutex_lock(&mutex) : pthread_mutex_trylock(&mutex), 0);
    CHECK_EQ(elsewhere(unlock_mutex), EPERM);
    for (int i = 0; i < 99; i++)
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    check_held_mutex();
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
    check_free_mutex();
}

TEST(initialisers)
{
    pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), EDEADLK);
}

static volatile uint64_t shared_count;
static bool inside;

static void *count_under_mutex(void *argument)
{
    for (int i = 0; i < TURNS; i++) {
        struct timespec time = in(CLOCK_REALTIME, 1000 * (i % 50));
        int error = i % 3 == 0 ? pthread_mutex_trylock(&mutex) :
                    i % 3 == 1 ? pthread_mutex_timedlock(&mutex, &time) : EBUSY;

        if (error != 0) {
            CHECK(error == EBUSY || error == ETIMEDOUT);
            CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        }
        CHECK(!inside);
        inside = true;
        shared_count = shared_count + 1;
        if (i % 64 == 0)
            sched_yield();
        inside = false;
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    return argument;
}

TEST(mutexes_keep_threads_apart)
{
    for (int type = PTHREAD_MUTEX_NORMAL; type <= PTHREAD_MUTEX_ERRORCHECK; type++) {
        make_mutex(type);
        shared_count = 0;
        start_all(count_under_mutex);
        join_all();
        CHECK_EQ(shared_count, THREADS * TURNS);
        CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
    }
}

/* --- Conditions. --- */

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER;
static int ready, waiting;

TEST(condition_attributes_and_errors)
{
    pthread_condattr_t attributes;
    pthread_cond_t other;
    struct timespec time;
    clockid_t clock;
    int shared;

    make_mutex(PTHREAD_MUTEX_ERRORCHECK);
    CHECK_EQ(pthread_condattr_init(&attributes), 0);
    CHECK_EQ(pthread_condattr_getclock(&attributes, &clock), 0);
    CHECK_EQ(clock, CLOCK_REALTIME);
    CHECK_EQ(pthread_condattr_setclock(&attributes, 99), EINVAL);
    CHECK_EQ(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), 0);
    CHECK_EQ(pthread_condattr_getclock(&attributes, &clock), 0);
    CHECK_EQ(clock, CLOCK_MONOTONIC);
    CHECK_EQ(pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), ENOTSUP);
    CHECK_EQ(pthread_condattr_getpshared(&attributes, &shared), 0);
    CHECK_EQ(shared, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_cond_init(&other, &attributes), 0);
    CHECK_EQ(pthread_condattr_destroy(&attributes), 0);

    CHECK_EQ(pthread_cond_wait(&other, &mutex), EPERM);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_cond_timedwait(&other, &mutex, &no_time), EINVAL);
    int64_t start = sys_clock_get();
    time = in(CLOCK_MONOTONIC, SECOND / 50);
    CHECK_EQ(pthread_cond_timedwait(&other, &mutex, &time), ETIMEDOUT);
    CHECK(sys_clock_get() - start >= SECOND / 50 - SECOND / 1000);
    start = sys_clock_get();
    time = in(CLOCK_REALTIME, SECOND / 50);
    CHECK_EQ(pthread_cond_timedwait(&condition, &mutex, &time), ETIMEDOUT);
    CHECK(sys_clock_get() - start >= SECOND / 50 - SECOND / 1000);
    time.tv_sec = 1;
    CHECK_EQ(pthread_cond_clockwait(&other, &mutex, CLOCK_REALTIME, &time), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);          /* it was taken again each time */
    CHECK_EQ(pthread_cond_destroy(&other), 0);
    CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
}

static void *wait_until_ready(void *argument)
{
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    waiting++;
    while (ready == 0)
        CHECK_EQ(pthread_cond_wait(&condition, &mutex), 0);
    ready--;
    waiting--;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return argument;
}

static bool all_wait(void *count)
{
    pthread_mutex_lock(&mutex);
    int now = waiting;
    pthread_mutex_unlock(&mutex);
    return now == *(int *)count;
}

TEST(a_signal_wakes_one_and_a_broadcast_all)
{
    int all = THREADS, less_one = THREADS - 1, none = 0;

    make_mutex(PTHREAD_MUTEX_NORMAL);
    ready = waiting = 0;
    CHECK_EQ(pthread_cond_signal(&condition), 0);       /* nobody waits: nothing is kept */
    CHECK_EQ(pthread_cond_broadcast(&condition), 0);
    start_all(wait_until_ready);
    CHECK(comes_true(all_wait, &all));
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ready = 1;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_cond_signal(&condition), 0);
    CHECK(comes_true(all_wait, &less_one));
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ready = THREADS - 1;
    CHECK_EQ(pthread_cond_broadcast(&condition), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK(comes_true(all_wait, &none));
    join_all();
    CHECK_EQ(ready, 0);
}

/* A bounded queue between four producers and four consumers. */
#define ITEMS 4000
static uint32_t queue[5], queue_head, queue_used;
static _Atomic uint64_t sum;
static _Atomic uint32_t taken;

static void *produce_or_consume(void *argument)
{
    bool producer = (uintptr_t)argument % 2 == 0;

    for (uint32_t i = 1; i <= ITEMS; i++) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        while (producer ? queue_used == array_size(queue) : queue_used == 0) {
            struct timespec time = in(CLOCK_REALTIME, PATIENCE);
            CHECK_EQ(pthread_cond_timedwait(producer ? &room : &condition, &mutex, &time), 0);
        }
        if (producer) {
            queue[(queue_head + queue_used++) % array_size(queue)] = i;
        } else {
            sum += queue[queue_head];
            taken++;
            queue_head = (queue_head + 1) % array_size(queue);
            queue_used--;
        }
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        CHECK_EQ(pthread_cond_signal(producer ? &condition : &room), 0);
    }
    return NULL;
}

TEST(a_queue_with_two_conditions_loses_nothing)
{
    make_mutex(PTHREAD_MUTEX_NORMAL);
    sum = taken = 0;
    start_all(produce_or_consume);
    join_all();
    CHECK_EQ(taken, ITEMS * THREADS / 2);
    CHECK_EQ(sum, (uint64_t)ITEMS * (ITEMS + 1) / 2 * (THREADS / 2));
    CHECK_EQ(queue_used, 0);
}

/* The condition is in memory that is scribbled over as soon as destroy returns. */
static pthread_cond_t *short_lived;

static void *wait_on_short_lived(void *argument)
{
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    waiting++;
    while (ready == 0)
        CHECK_EQ(pthread_cond_wait(short_lived, &mutex), 0);
    waiting--;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return argument;
}

TEST(a_condition_may_go_right_after_a_broadcast)
{
    int all = THREADS;

    make_mutex(PTHREAD_MUTEX_NORMAL);
    for (int round = 0; round < 30; round++) {
        short_lived = malloc(sizeof *short_lived);
        CHECK_EQ(pthread_cond_init(short_lived, NULL), 0);
        ready = waiting = 0;
        start_all(wait_on_short_lived);
        CHECK(comes_true(all_wait, &all));
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        ready = 1;
        CHECK_EQ(pthread_cond_broadcast(short_lived), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        CHECK_EQ(pthread_cond_destroy(short_lived), 0);
        memset(short_lived, 0xa5, sizeof *short_lived);
        join_all();
        for (unsigned i = 0; i < sizeof *short_lived; i++)
            CHECK_EQ(((uint8_t *)short_lived)[i], 0xa5);
        free(short_lived);
    }
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
