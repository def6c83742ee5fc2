/*
 * stress.h: many threads at once for some seconds, each of which checks what it sees.
 *
 * A stress program runs for two seconds as a test.  Called as `tests/t_stress_x soak SECONDS SEED`
 * it runs for longer (make soak).  Workers have no thread-local storage and may be killed at any
 * moment, so they note what is wrong in `wrong`, and the test looks there when they have ended.
 */
#pragma once

#include "cow.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS (PAGE_SIZE / 8)

static int64_t stress_time = 2 * SECOND;
static uint64_t stress_seed;

/* The first thing that was not as it should be. */
static struct {
    volatile int line;
    volatile int64_t value;
} wrong;
static volatile bool stopping;

__attribute__((unused)) static void note(int line, int64_t value)
{
    if (!wrong.line) {
        wrong.value = value;
        wrong.line = line;
    }
}

#define EXPECT(condition, value)                                                                  \
    do {                                                                                          \
        if (!(condition))                                                                         \
            note(__LINE__, value);                                                                \
    } while (0)

/* A worker: what it does again and again, and how often it did. */
struct worker {
    struct raw_thread thread;
    void (*step)(struct worker *);
    unsigned number;                    /* among those of its kind */
    uint64_t random;
    volatile uint64_t steps;
    uint64_t words[4 * WORDS];
};

__attribute__((unused)) static void worker_run(void *argument)
{
    struct worker *worker = argument;

    while (!stopping && !wrong.line) {
        worker->step(worker);
        worker->steps++;
    }
}

/* Choices come from the seed, when they are made does not. */
__attribute__((unused)) static uint64_t stress_begin(void)
{
    if (stress_seed == 0)
        stress_seed = (uint64_t)sys_clock_get();
    printf("# seed %llu\n", (unsigned long long)stress_seed);
    stopping = false;
    return stress_seed;
}

__attribute__((unused)) static void workers_start(struct worker *workers, size_t count,
                                                  uint64_t *seed)
{
    for (size_t i = 0; i < count; i++) {
        workers[i].random = next_random(seed);
        workers[i].steps = 0;
        raw_thread_start(&workers[i].thread, worker_run, &workers[i]);
    }
}

struct workers {
    struct worker *first;
    size_t count;
    int64_t end;
};

/* The time is over and everybody has done something, also on a slow host; or something is wrong. */
static inline bool workers_are_done(void *argument)
{
    const struct workers *workers = argument;

    for (size_t i = 0; i < workers->count; i++)
        if (workers->first[i].steps == 0 && !wrong.line)
            return false;
    return wrong.line || sys_clock_get() > workers->end;
}

__attribute__((unused)) static void workers_stop(struct worker *workers, size_t count)
{
    stopping = true;
    if (wrong.line)
        printf("# wrong in line %d: %lld\n", wrong.line, (long long)wrong.value);
    for (size_t i = 0; i < count; i++)
        wait_for_end(workers[i].thread.handle);
    printf("# steps:");
    for (size_t i = 0; i < count; i++)
        printf(" %llu", (unsigned long long)workers[i].steps);
    printf("\n");
    CHECK_EQ(wrong.line, 0);
    CHECK_EQ(wrong.value, 0);
}

/* Let them work for the time of a stress program. */
__attribute__((unused)) static void workers_let_run(struct worker *workers, size_t count)
{
    struct workers all = { workers, count, after(stress_time) };

    CHECK(comes_true_within(stress_time + PATIENCE, workers_are_done, &all));
    workers_stop(workers, count);
}

/* For test_helper: run the cases' stress, for longer if SECONDS SEED are given. */
__attribute__((unused)) static int soak(int count, char **arguments, void (*const stresses[])(void))
{
    if (strcmp(arguments[1], "soak") != 0)
        return 2;
    if (count >= 4) {
        stress_time = atoll(arguments[2]) * SECOND;
        stress_seed = strtoull(arguments[3], NULL, 10);
    }
    for (size_t i = 0; stresses[i]; i++)
        stresses[i]();
    return wrong.line != 0;
}
