/*
 * pthread_rig.h: eight POSIX threads that do the same, and single ones that are asked.
 */
#pragma once

#include "common.h"

#include <pthread.h>
#include <time.h>

#define THREADS 8

static pthread_t threads[THREADS];
__attribute__((unused)) static const struct timespec no_time = { 0, 1000000000 };

static inline void start_all(void *(*function)(void *))
{
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, function, (void *)i), 0);
}

static inline void join_all(void)
{
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* This much from now on that clock. */
static inline struct timespec in(clockid_t clock, int64_t nanoseconds)
{
    struct timespec time;

    clock_gettime(clock, &time);
    nanoseconds += time.tv_nsec;
    time.tv_sec += nanoseconds / SECOND;
    time.tv_nsec = nanoseconds % SECOND;
    return time;
}

/* --- What another thread is told, by a function that it calls once. --- */

static inline void *call_in_thread(void *function)
{
    return (void *)(intptr_t)((int (*)(void))function)();
}

static inline int elsewhere(int (*function)(void))
{
    pthread_t thread;
    void *result;

    CHECK_EQ(pthread_create(&thread, NULL, call_in_thread, (void *)function), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    return (int)(intptr_t)result;
}
