/*
 * pthread_mutex.c: mutexes of three types, and spin locks.
 *
 * A NORMAL one is a futex word and nothing else; the others know their owner.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>

#define DEPTH_MAX UINT32_MAX
#define SPINS     100                   /* tries between giving up the processor */

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    *mutex = (pthread_mutex_t){ .type = attributes != NULL ? attributes->type
                                                           : PTHREAD_MUTEX_DEFAULT };
    return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    return __atomic_load_n(&mutex->word, __ATOMIC_RELAXED) == 0 ? 0 : EBUSY;
}

static bool is_mine(pthread_mutex_t *mutex)
{
    return __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) == thread_current();
}

static void set_owner(pthread_mutex_t *mutex, struct pthread *owner)
{
    __atomic_store_n(&mutex->owner, owner, __ATOMIC_RELAXED);
}

/* For a mutex that is the caller's already. */
static int lock_again(pthread_mutex_t *mutex)
{
    if (mutex->depth == DEPTH_MAX)
        return EAGAIN;
    mutex->depth++;
    return 0;
}

static int take(pthread_mutex_t *mutex, int64_t deadline)
{
    if (mutex->type == PTHREAD_MUTEX_NORMAL)
        return word_lock(&mutex->word, deadline) ? 0 : ETIMEDOUT;
    if (is_mine(mutex))
        return mutex->type == PTHREAD_MUTEX_RECURSIVE ? lock_again(mutex) : EDEADLK;
    if (!word_lock(&mutex->word, deadline))
        return ETIMEDOUT;
    set_owner(mutex, thread_current());
    return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    return take(mutex, DEADLINE_INFINITE);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    if (mutex->type == PTHREAD_MUTEX_RECURSIVE && is_mine(mutex))
        return lock_again(mutex);
    if (!word_try_lock(&mutex->word))
        return EBUSY;
    if (mutex->type != PTHREAD_MUTEX_NORMAL)
        set_owner(mutex, thread_current());
    return 0;
}

/* A mutex that is free is taken whatever the time says. */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time)
{
    int64_t deadline;
    int error = pthread_mutex_trylock(mutex);
    if (error != EBUSY)
        return error;
    error = deadline_at(clock, time, &deadline);
    return error != 0 ? error : take(mutex, deadline);
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *time)
{
    return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, time);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (mutex->type != PTHREAD_MUTEX_NORMAL) {
        if (!is_mine(mutex))
            return EPERM;
        if (mutex->depth > 0) {
            mutex->depth--;
            return 0;
        }
        set_owner(mutex, NULL);
    }
    word_unlock(&mutex->word);
    return 0;
}

int pthread_mutexattr_init(pthread_mutexattr_t *attributes)
{
    attributes->type = PTHREAD_MUTEX_DEFAULT;
    return 0;
}

int pthread_mutexattr_destroy(pthread_mutexattr_t *attributes)
{
    attributes->type = -1;
    return 0;
}

int pthread_mutexattr_settype(pthread_mutexattr_t *attributes, int type)
{
    if (type < PTHREAD_MUTEX_NORMAL || type > PTHREAD_MUTEX_ERRORCHECK)
        return EINVAL;
    attributes->type = type;
    return 0;
}

int pthread_mutexattr_gettype(const pthread_mutexattr_t *attributes, int *type)
{
    *type = attributes->type;
    return 0;
}

int pthread_mutexattr_setpshared(pthread_mutexattr_t *attributes, int shared)
{
    (void)attributes;
    return shared == PTHREAD_PROCESS_PRIVATE ? 0 :
           shared == PTHREAD_PROCESS_SHARED ? ENOTSUP : EINVAL;
}

int pthread_mutexattr_getpshared(const pthread_mutexattr_t *attributes, int *shared)
{
    (void)attributes;
    *shared = PTHREAD_PROCESS_PRIVATE;
    return 0;
}

/* --- Spin locks. --- */

int pthread_spin_init(pthread_spinlock_t *lock, int shared)
{
    if (shared != PTHREAD_PROCESS_PRIVATE)
        return shared == PTHREAD_PROCESS_SHARED ? ENOTSUP : EINVAL;
    *lock = 0;
    return 0;
}

int pthread_spin_destroy(pthread_spinlock_t *lock)
{
    return __atomic_load_n(lock, __ATOMIC_RELAXED) == 0 ? 0 : EBUSY;
}

int pthread_spin_trylock(pthread_spinlock_t *lock)
{
    return word_try_lock(lock) ? 0 : EBUSY;
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
    for (unsigned spins = 1; !word_try_lock(lock); spins++)
        if (spins % SPINS == 0)
            sched_yield();
    return 0;
}

int pthread_spin_unlock(pthread_spinlock_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
    return 0;
}
