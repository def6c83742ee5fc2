/*
 * t_pthread_rwlock.c: reader-writer locks, barriers and spin locks: what each answers, and that they keep threads apart under
 * load.
 *
 * Machine: cpus=4
 */
#include "pthread_rig.h"

#include <errno.h>
#include <stdlib.h>

#define TURNS 3000

/* --- Locks for readers and writers. --- */

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int ready;

static int try_read(void)
{
    int error = pthread_rwlock_tryrdlock(&lock);

    return error != 0 ? error : pthread_rwlock_unlock(&lock);
}

static int try_write(void)
{
    int error = pthread_rwlock_trywrlock(&lock);

    return error != 0 ? error : pthread_rwlock_unlock(&lock);
}

static int timed_read(void)
{
    struct timespec time = in(CLOCK_REALTIME, SECOND / 50);

    CHECK_EQ(pthread_rwlock_timedrdlock(&lock, &no_time), EINVAL);
    return pthread_rwlock_timedrdlock(&lock, &time);
}

static int timed_write(void)
{
    struct timespec time = in(CLOCK_REALTIME, SECOND / 50);

    CHECK_EQ(pthread_rwlock_timedwrlock(&lock, &no_time), EINVAL);
    return pthread_rwlock_timedwrlock(&lock, &time);
}

static int unlock_it(void)
{
    return pthread_rwlock_unlock(&lock);
}

TEST(a_reader_writer_lock)
{
    CHECK_EQ(pthread_rwlock_init(&lock, NULL), 0);
    CHECK_EQ(pthread_rwlock_unlock(&lock), EPERM);

    CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);
    CHECK_EQ(pthread_rwlock_tryrdlock(&lock), 0);
    CHECK_EQ(elsewhere(try_read), 0);
    CHECK_EQ(elsewhere(try_write), EBUSY);
    CHECK_EQ(elsewhere(timed_write), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_destroy(&lock), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    CHECK_EQ(elsewhere(try_write), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    CHECK_EQ(elsewhere(try_write), 0);

    CHECK_EQ(pthread_rwlock_wrlock(&lock), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&lock), EDEADLK);
    CHECK_EQ(pthread_rwlock_rdlock(&lock), EDEADLK);
    CHECK_EQ(pthread_rwlock_tryrdlock(&lock), EBUSY);
    CHECK_EQ(pthread_rwlock_trywrlock(&lock), EBUSY);
    CHECK_EQ(elsewhere(unlock_it), EPERM);
    CHECK_EQ(elsewhere(try_read), EBUSY);
    CHECK_EQ(elsewhere(timed_read), ETIMEDOUT);
    CHECK_EQ(elsewhere(timed_write), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    CHECK_EQ(elsewhere(try_write), 0);
    CHECK_EQ(pthread_rwlock_destroy(&lock), 0);
}

static void *write_once(void *argument)
{
    CHECK_EQ(pthread_rwlock_wrlock(&lock), 0);
    ready = 1;
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    return argument;
}

static bool writer_waits(void *unused)
{
    (void)unused;
    return __atomic_load_n(&lock.waiting_writers, __ATOMIC_ACQUIRE) > 0;
}

static int read_within_time(void)
{
    int error = timed_read();

    return error != 0 ? error : pthread_rwlock_unlock(&lock);
}

TEST(a_waiting_writer_goes_before_new_readers_but_not_before_nested_ones)
{
    pthread_t writer;

    CHECK_EQ(pthread_rwlock_init(&lock, NULL), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);
    ready = 0;
    CHECK_EQ(pthread_create(&writer, NULL, write_once, NULL), 0);
    CHECK(comes_true(writer_waits, NULL));
    CHECK_EQ(elsewhere(try_read), EBUSY);
    CHECK_EQ(elsewhere(read_within_time), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);          /* nested: would wait for itself */
    CHECK_EQ(ready, 0);
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    CHECK_EQ(ready, 1);
}

static _Atomic bool writer_gave_up, reader_is_behind;

static void *write_for_a_while(void *patience)
{
    struct timespec time = in(CLOCK_REALTIME, (intptr_t)patience);

    CHECK_EQ(pthread_rwlock_timedwrlock(&lock, &time), ETIMEDOUT);
    writer_gave_up = true;
    return NULL;
}

/* Whoever finds the lock busy while readers have it is behind a writer. */
static void *read_behind_the_writer(void *argument)
{
    reader_is_behind = pthread_rwlock_tryrdlock(&lock) == EBUSY;
    if (reader_is_behind)
        CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    return argument;
}

static bool writer_waits_or_gave_up(void *unused)
{
    return writer_gave_up || writer_waits(unused);
}

/* The writer's patience grows until a reader comes in time, however slow the host is. */
TEST(readers_behind_a_writer_that_gives_up_are_let_in)
{
    pthread_t writer, reader;

    reader_is_behind = false;
    for (int64_t patience = SECOND / 50; !reader_is_behind; patience *= 2) {
        CHECK(patience < PATIENCE);
        writer_gave_up = false;
        CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);
        CHECK_EQ(pthread_create(&writer, NULL, write_for_a_while, (void *)(intptr_t)patience), 0);
        CHECK(comes_true(writer_waits_or_gave_up, NULL));
        CHECK_EQ(pthread_create(&reader, NULL, read_behind_the_writer, NULL), 0);
        CHECK_EQ(pthread_join(reader, NULL), 0);
        CHECK_EQ(pthread_join(writer, NULL), 0);
        CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    }
}

static volatile uint64_t left, right;
static _Atomic uint32_t readers_inside;

static void *read_and_write(void *argument)
{
    for (uint32_t i = 0; i < TURNS; i++) {
        struct timespec time = in(CLOCK_REALTIME, 20000);
        bool writes = (i + (uintptr_t)argument) % 4 == 0;

        if (writes) {
            if (i % 3 != 0 || pthread_rwlock_timedwrlock(&lock, &time) != 0)
                CHECK_EQ(pthread_rwlock_wrlock(&lock), 0);
            CHECK_EQ(readers_inside, 0);
            left = left + 1;
            if (i % 32 == 0)
                sched_yield();
            right = right + 1;
        } else {
            if (i % 3 != 0 || pthread_rwlock_timedrdlock(&lock, &time) != 0)
                CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);
            readers_inside++;
            CHECK_EQ(left, right);
            if (i % 32 == 0)
                sched_yield();
            readers_inside--;
        }
        CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    }
    return NULL;
}

static bool all_read(void *unused)
{
    (void)unused;
    return readers_inside == THREADS;
}

/* Each stays inside until all are. */
static void *meet_inside(void *argument)
{
    CHECK_EQ(pthread_rwlock_rdlock(&lock), 0);
    readers_inside++;
    CHECK(comes_true(all_read, NULL));
    CHECK_EQ(pthread_rwlock_unlock(&lock), 0);
    return argument;
}

TEST(readers_share_and_writers_are_alone)
{
    CHECK_EQ(pthread_rwlock_init(&lock, NULL), 0);
    start_all(meet_inside);
    join_all();
    left = right = readers_inside = 0;
    start_all(read_and_write);
    join_all();
    CHECK_EQ(left, THREADS * TURNS / 4);
    CHECK_EQ(right, left);
    CHECK_EQ(pthread_rwlock_destroy(&lock), 0);
}

/* --- Barriers and spin locks. --- */

static pthread_barrier_t barrier;
static _Atomic uint32_t arrived[200], serial_threads;

static void *meet(void *argument)
{
    for (unsigned i = 0; i < array_size(arrived); i++) {
        arrived[i]++;
        int result = pthread_barrier_wait(&barrier);
        CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
        CHECK_EQ(arrived[i], THREADS);
        serial_threads += result != 0;
    }
    return argument;
}

TEST(barriers)
{
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 0), EINVAL);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 1), 0);
    CHECK_EQ(pthread_barrier_wait(&barrier), PTHREAD_BARRIER_SERIAL_THREAD);
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    start_all(meet);
    join_all();
    CHECK_EQ(serial_threads, array_size(arrived));
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
}

static pthread_barrier_t *short_barrier;

static void *meet_and_destroy(void *argument)
{
    if (pthread_barrier_wait(short_barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        CHECK_EQ(pthread_barrier_destroy(short_barrier), 0);
        memset(short_barrier, 0xa5, sizeof *short_barrier);
    }
    return argument;
}

TEST(a_barrier_may_go_when_it_has_opened)
{
    for (int round = 0; round < 30; round++) {
        short_barrier = malloc(sizeof *short_barrier);
        CHECK_EQ(pthread_barrier_init(short_barrier, NULL, THREADS), 0);
        start_all(meet_and_destroy);
        join_all();
        for (unsigned i = 0; i < sizeof *short_barrier; i++)
            CHECK_EQ(((uint8_t *)short_barrier)[i], 0xa5);
        free(short_barrier);
    }
}

static pthread_spinlock_t spin;
static volatile uint64_t shared_count;

static void *count_under_spin_lock(void *argument)
{
    for (int i = 0; i < TURNS; i++) {
        CHECK_EQ(pthread_spin_lock(&spin), 0);
        shared_count = shared_count + 1;
        CHECK_EQ(pthread_spin_unlock(&spin), 0);
    }
    return argument;
}

TEST(spin_locks)
{
    CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_SHARED), ENOTSUP);
    CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(pthread_spin_trylock(&spin), 0);
    CHECK_EQ(pthread_spin_trylock(&spin), EBUSY);
    CHECK_EQ(pthread_spin_destroy(&spin), EBUSY);
    CHECK_EQ(pthread_spin_unlock(&spin), 0);
    shared_count = 0;
    start_all(count_under_spin_lock);
    join_all();
    CHECK_EQ(shared_count, THREADS * TURNS);
    CHECK_EQ(pthread_spin_destroy(&spin), 0);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
