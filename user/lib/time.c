/*
 * time.c: POSIX clocks and sleeping.
 */
#include "internal.h"

#include <errno.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ll

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    (void)zone;
    int64_t now = sys_clock_wall();
    time->tv_sec = now / SECOND;
    time->tv_usec = now % SECOND / 1000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        errno = EINVAL;
        return -1;
    }
    int64_t now = clock == CLOCK_REALTIME ? sys_clock_wall() : sys_clock_get();
    time->tv_sec = now / SECOND;
    time->tv_nsec = now % SECOND;
    return 0;
}

/* Any handler interrupts a sleep; `rest` may be NULL. */
int nanosleep(const struct timespec *time, struct timespec *rest)
{
    uint32_t before = signals_handled();
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= SECOND) {
        errno = EINVAL;
        return -1;
    }
    int64_t now = sys_clock_get();
    bool too_long = time->tv_sec >= (INT64_MAX - now) / SECOND - 1;
    int64_t end = too_long ? DEADLINE_INFINITE : now + time->tv_sec * SECOND + time->tv_nsec;
    while (sys_nanosleep(end) == ERR_CANCELED) {
        if (signals_handled() == before)
            continue;
        int64_t left = end - sys_clock_get();
        if (rest != NULL)
            *rest = (struct timespec){ .tv_sec = left > 0 ? left / SECOND : 0,
                                       .tv_nsec = left > 0 ? left % SECOND : 0 };
        errno = EINTR;
        return -1;
    }
    return 0;
}

unsigned sleep(unsigned seconds)
{
    struct timespec rest;
    if (nanosleep(&(struct timespec){ .tv_sec = seconds }, &rest) == 0)
        return 0;
    return rest.tv_sec + (rest.tv_nsec > 0);
}

int usleep(useconds_t microseconds)
{
    return nanosleep(&(struct timespec){ .tv_sec = microseconds / 1000000,
                                         .tv_nsec = microseconds % 1000000 * 1000 }, NULL);
}
