/*
 * pthread_cond.c: conditions and barriers.
 *
 * A waiter notes the sequence number while it holds the mutex, and sleeps while the number is the
 * same: a signal that comes between unlocking and sleeping has moved it.  The kernel wakes sleepers
 * in the order in which they came, so a signal is for one who waited before it.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>

int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    *condition = (pthread_cond_t){ .clock = attributes != NULL ? attributes->clock : 0 };
    return 0;
}

int pthread_cond_destroy(pthread_cond_t *condition)
{
    users_drain(&condition->users);
    return 0;
}

static int wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline)
{
    users_enter(&condition->users);
    uint32_t sequence = __atomic_load_n(&condition->sequence, __ATOMIC_SEQ_CST);
    int error = pthread_mutex_unlock(mutex);
    if (error != 0) {
        users_leave(&condition->users);
        return error;
    }
    status_t status = sys_futex_wait(&condition->sequence, sequence, deadline);
    users_leave(&condition->users);
    error = pthread_mutex_lock(mutex);
    return error != 0 ? error : status == ERR_TIMED_OUT ? ETIMEDOUT : 0;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return wait_until(condition, mutex, DEADLINE_INFINITE);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *time)
{
    int64_t deadline;
    int error = deadline_at(clock, time, &deadline);
    return error != 0 ? error : wait_until(condition, mutex, deadline);
}

static clockid_t clock_of(int clock)
{
    return clock != 0 ? (clockid_t)clock : CLOCK_REALTIME;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *time)
{
    return pthread_cond_clockwait(condition, mutex, clock_of(condition->clock), time);
}

static void wake(pthread_cond_t *condition, uint32_t count)
{
    if (__atomic_load_n(&condition->users, __ATOMIC_SEQ_CST) == 0)
        return;
    __atomic_fetch_add(&condition->sequence, 1, __ATOMIC_SEQ_CST);
    sys_futex_wake(&condition->sequence, count);
}

int pthread_cond_signal(pthread_cond_t *condition)
{
    wake(condition, 1);
    return 0;
}

int pthread_cond_broadcast(pthread_cond_t *condition)
{
    wake(condition, UINT32_MAX);
    return 0;
}

int pthread_condattr_init(pthread_condattr_t *attributes)
{
    attributes->clock = 0;
    return 0;
}

int pthread_condattr_destroy(pthread_condattr_t *attributes)
{
    attributes->clock = 0;
    return 0;
}

int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    attributes->clock = clock;
    return 0;
}

int pthread_condattr_getclock(const pthread_condattr_t *attributes, clockid_t *clock)
{
    *clock = clock_of(attributes->clock);
    return 0;
}

int pthread_condattr_setpshared(pthread_condattr_t *attributes, int shared)
{
    (void)attributes;
    return shared == PTHREAD_PROCESS_PRIVATE ? 0 :
           shared == PTHREAD_PROCESS_SHARED ? ENOTSUP : EINVAL;
}

int pthread_condattr_getpshared(const pthread_condattr_t *attributes, int *shared)
{
    (void)attributes;
    *shared = PTHREAD_PROCESS_PRIVATE;
    return 0;
}

/* --- Barriers. --- */

int pthread_barrierattr_init(pthread_barrierattr_t *attributes)
{
    attributes->unused = 0;
    return 0;
}

int pthread_barrierattr_destroy(pthread_barrierattr_t *attributes)
{
    (void)attributes;
    return 0;
}

int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attributes,
                         unsigned count)
{
    (void)attributes;
    if (count == 0)
        return EINVAL;
    *barrier = (pthread_barrier_t){ .count = count };
    return 0;
}

int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
    word_lock(&barrier->guard, DEADLINE_INFINITE);
    bool busy = barrier->arrived != 0;
    word_unlock(&barrier->guard);
    if (busy)
        return EBUSY;
    users_drain(&barrier->users);
    return 0;
}

int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    users_enter(&barrier->users);
    word_lock(&barrier->guard, DEADLINE_INFINITE);
    uint32_t turn = barrier->turn;
    bool is_last = ++barrier->arrived == barrier->count;
    if (is_last) {
        barrier->arrived = 0;
        __atomic_store_n(&barrier->turn, turn + 1, __ATOMIC_RELEASE);
    }
    word_unlock(&barrier->guard);

    if (is_last)
        sys_futex_wake(&barrier->turn, UINT32_MAX);
    else
        while (__atomic_load_n(&barrier->turn, __ATOMIC_ACQUIRE) == turn)
            sys_futex_wait(&barrier->turn, turn, DEADLINE_INFINITE);
    users_leave(&barrier->users);
    return is_last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}
