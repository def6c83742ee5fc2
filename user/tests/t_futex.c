/*
 * t_futex.c: sleeping on the value of a word: who is woken, when, and what a lock made of it
 * withstands.
 *
 * Machine: cpus=4
 */
#include "common.h"

#define FUTEX(word) ((const uint32_t *)(word))

static _Atomic uint32_t word, other_word;

TEST(wait_refusals)
{
    char *bytes = (char *)&word;

    word = 1;
    CHECK_STATUS(sys_futex_wait(FUTEX(bytes + 1), 1, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_futex_wait(FUTEX(bytes + 2), 1, 0), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_futex_wait(bad_pointer(i), 0, DEADLINE_INFINITE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_futex_wait(FUTEX(&word), 2, DEADLINE_INFINITE), ERR_BAD_STATE);
    CHECK_STATUS(sys_futex_wait(FUTEX(&word), 0, 0), ERR_BAD_STATE);
}

TEST(wake_refusals)
{
    char *bytes = (char *)&word;

    CHECK_STATUS(sys_futex_wake(FUTEX(bytes + 3), 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_futex_wake(NULL, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_futex_wake((void *)USER_TOP, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_futex_wake((void *)0xffffffc080200000, 1), ERR_INVALID_ARGS);
    CHECK_OK(sys_futex_wake(FUTEX(&word), UINT32_MAX));         /* nobody sleeps: fine */
    CHECK_OK(sys_futex_wake(FUTEX(edge()), 1));                 /* nothing is read */
}

TEST(wait_times_out_at_its_deadline)
{
    int64_t deadline = after(SECOND / 50);

    word = 1;
    CHECK_STATUS(sys_futex_wait(FUTEX(&word), 1, deadline), ERR_TIMED_OUT);
    CHECK(sys_clock_get() >= deadline);
    CHECK_STATUS(sys_futex_wait(FUTEX(&word), 1, 0), ERR_TIMED_OUT);
    CHECK_STATUS(sys_futex_wait(FUTEX(&word), 1, -5), ERR_TIMED_OUT);
    CHECK_STATUS(sys_futex_wait(FUTEX(&word), 1, 1), ERR_TIMED_OUT);
}

TEST(a_word_that_was_never_touched_or_cannot_be_written_will_do)
{
    static const uint32_t constant = 7;
    uintptr_t fresh;
    handle_t vmo;

    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
    CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, PAGE_SIZE, &fresh));
    CHECK_STATUS(sys_futex_wait(FUTEX(fresh), 1, DEADLINE_INFINITE), ERR_BAD_STATE);
    CHECK_STATUS(sys_futex_wait(FUTEX(fresh + 4), 0, after(1000)), ERR_TIMED_OUT);
    CHECK_STATUS(sys_futex_wait(&constant, 7, after(1000)), ERR_TIMED_OUT);
    CHECK_STATUS(sys_futex_wait(&constant, 8, DEADLINE_INFINITE), ERR_BAD_STATE);
    CHECK_OK(sys_vm_unmap(process_self(), fresh, PAGE_SIZE));
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Waiting threads. --- */

struct waiter {
    const _Atomic uint32_t *word;
    int64_t deadline;
    _Atomic status_t status;
    struct raw_thread thread;
};

static struct waiter waiters[8];
static atomic_uint woken;

static void wait_on_word(void *argument)
{
    struct waiter *waiter = argument;

    waiter->status = sys_futex_wait(FUTEX(waiter->word), *waiter->word, waiter->deadline);
    woken++;
}

static void start_waiter(struct waiter *waiter, const _Atomic uint32_t *on)
{
    waiter->word = on;
    waiter->deadline = DEADLINE_INFINITE;
    waiter->status = 1;
    raw_thread_start(&waiter->thread, wait_on_word, waiter);
    wait_until_asleep(waiter->thread.handle);
}

static void start_all(void)
{
    woken = 0;
    for (unsigned i = 0; i < array_size(waiters); i++)
        start_waiter(&waiters[i], &word);
}

TEST(wake_takes_the_oldest_first)
{
    start_all();
    CHECK_OK(sys_futex_wake(FUTEX(&word), 0));
    for (unsigned i = 0; i < array_size(waiters); i++) {
        CHECK_EQ(woken, i);
        CHECK_OK(sys_futex_wake(FUTEX(&word), 1));
        wait_for_end(waiters[i].thread.handle);
        CHECK_OK(waiters[i].status);
    }
}

TEST(wake_takes_as_many_as_it_is_told)
{
    start_all();
    CHECK_OK(sys_futex_wake(FUTEX(&word), 3));
    for (unsigned i = 0; i < 3; i++)
        wait_for_end(waiters[i].thread.handle);
    for (unsigned i = 3; i < array_size(waiters); i++)
        CHECK_EQ(waiters[i].status, 1);
    CHECK_OK(sys_futex_wake(FUTEX(&word), UINT32_MAX));
    for (unsigned i = 3; i < array_size(waiters); i++)
        wait_for_end(waiters[i].thread.handle);
    CHECK_EQ(woken, array_size(waiters));
}

TEST(words_do_not_disturb_each_other)
{
    start_waiter(&waiters[0], &word);
    start_waiter(&waiters[1], &other_word);
    CHECK_OK(sys_futex_wake(FUTEX(&other_word), UINT32_MAX));
    wait_for_end(waiters[1].thread.handle);
    CHECK_EQ(waiters[0].status, 1);
    CHECK_OK(sys_futex_wake(FUTEX(&word), 1));
    wait_for_end(waiters[0].thread.handle);
}

TEST(killed_waiters_take_no_wake)
{
    COVERS("futex_wait",
           CANCELED);             /* ends the call of a thread that is killed: it dies there */
    start_all();
    for (unsigned i = 0; i < array_size(waiters) - 1; i++)
        kill_asleep(&waiters[i].thread);
    CHECK_OK(sys_futex_wake(FUTEX(&word), 1));
    wait_for_end(waiters[array_size(waiters) - 1].thread.handle);
    CHECK_EQ(woken, 1);
}

TEST(the_same_address_in_another_process_is_another_word)
{
    start_waiter(&waiters[0], &word);
    CHECK_EQ(exit_code_of(start_helper("wake", HANDLE_INVALID)), 0);
    CHECK_EQ(waiters[0].status, 1);
    CHECK_OK(sys_futex_wake(FUTEX(&word), 1));
    wait_for_end(waiters[0].thread.handle);
}

int test_helper(int argument_count, char **arguments)
{
    (void)argument_count;
    (void)arguments;
    return sys_futex_wake(FUTEX(&word), UINT32_MAX) == OK ? 0 : 1;
}

/* --- Storms. --- */

enum { STORM_THREADS = 4, STORM_ROUNDS = 5000, TURNS = 1500 };

static struct quire_mutex mutex;
static uint64_t counter;                /* mutex */

static void count_up(void *argument)
{
    (void)argument;
    for (int i = 0; i < STORM_ROUNDS; i++) {
        quire_mutex_lock(&mutex);
        uint64_t seen = *(volatile uint64_t *)&counter;
        if (i % 16 == 0)
            sys_nanosleep(0);           /* let the others run into the lock */
        *(volatile uint64_t *)&counter = seen + 1;
        quire_mutex_unlock(&mutex);
    }
}

TEST(a_mutex_keeps_four_threads_apart)
{
    handle_t threads[STORM_THREADS];

    counter = 0;
    for (unsigned i = 0; i < STORM_THREADS; i++)
        CHECK_OK(quire_thread_create(count_up, NULL, &threads[i]));
    for (unsigned i = 0; i < STORM_THREADS; i++)
        CHECK_OK(quire_thread_join(threads[i]));
    CHECK_EQ(counter, STORM_THREADS * STORM_ROUNDS);
}

TEST(mutex_try_lock_tells_the_truth)
{
    CHECK(quire_mutex_try_lock(&mutex));
    CHECK(!quire_mutex_try_lock(&mutex));
    quire_mutex_unlock(&mutex);
    CHECK(quire_mutex_try_lock(&mutex));
    quire_mutex_unlock(&mutex);
}

/* The turn goes round: each thread waits for its number and passes it on. */
static _Atomic uint32_t turn, turns_taken;

static void take_turns(void *argument)
{
    uint32_t mine = (uintptr_t)argument;

    for (int i = 0; i < TURNS; i++) {
        uint32_t now;

        while ((now = turn) != mine)
            sys_futex_wait(FUTEX(&turn), now, DEADLINE_INFINITE);
        turns_taken++;
        turn = (mine + 1) % STORM_THREADS;
        sys_futex_wake(FUTEX(&turn), UINT32_MAX);
    }
}

/* A turn takes long where waking a hart takes long, so the limit is on one of them. */
static bool turn_is_taken(void *seen)
{
    return turns_taken != *(uint32_t *)seen;
}

TEST(no_wake_is_lost)
{
    turn = turns_taken = 0;
    for (uintptr_t i = 0; i < STORM_THREADS; i++)
        raw_thread_start(&waiters[i].thread, take_turns, (void *)i);
    for (uint32_t seen = 0; seen < STORM_THREADS * TURNS; seen = turns_taken)
        CHECK(comes_true(turn_is_taken, &seen));
    for (unsigned i = 0; i < STORM_THREADS; i++)
        wait_for_end(waiters[i].thread.handle);
    CHECK_EQ(turns_taken, STORM_THREADS * TURNS);
}

/* Wakes and deadlines cross: each wait ends by one or the other. */
static atomic_bool stop;
static atomic_uint strange;

static void wait_shortly(void *argument)
{
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        status_t status = sys_futex_wait(FUTEX(&word), word, after(i % 50 * 1000));

        if (status != OK && status != ERR_TIMED_OUT)
            strange++;
    }
    stop = true;
}

static void wake_always(void *argument)
{
    (void)argument;
    while (!stop)
        sys_futex_wake(FUTEX(&word), 1);
}

TEST(wakes_and_deadlines_may_cross)
{
    stop = false;
    strange = 0;
    raw_thread_start(&waiters[0].thread, wake_always, NULL);
    raw_thread_start(&waiters[1].thread, wait_shortly, NULL);
    raw_thread_start(&waiters[2].thread, wait_shortly, NULL);
    for (unsigned i = 0; i < 3; i++)
        wait_for_end(waiters[i].thread.handle);
    CHECK_EQ(strange, 0);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
