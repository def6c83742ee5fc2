/*
 * locks.c: a mutex over futexes, and the C library's locks made of it.
 *
 * The word is 0 when free, 1 when taken, 2 when taken and perhaps waited for: only then does unlock
 * call the kernel.  The C library locks its heap, its exit list and each FILE through the
 * __retarget_lock_ names.
 */
#include "internal.h"

#include <stdlib.h>
#include <sys/lock.h>

struct __lock __lock___libc_recursive_mutex;

bool quire_mutex_try_lock(struct quire_mutex *mutex)
{
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(&mutex->state, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void quire_mutex_lock(struct quire_mutex *mutex)
{
    if (quire_mutex_try_lock(mutex))
        return;
    while (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_ACQUIRE) != 0)
        sys_futex_wait((const uint32_t *)&mutex->state, 2, DEADLINE_INFINITE);
}

void quire_mutex_unlock(struct quire_mutex *mutex)
{
    if (__atomic_exchange_n(&mutex->state, 0, __ATOMIC_RELEASE) == 2)
        sys_futex_wake((const uint32_t *)&mutex->state, 1);
}

/* Each thread has a place for its thread-local variables, so the place names the thread. */
static uintptr_t this_thread(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof **lock);
    if (*lock == NULL)
        abort();
}

void __retarget_lock_close(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    quire_mutex_lock(&lock->mutex);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return quire_mutex_try_lock(&lock->mutex);
}

void __retarget_lock_release(_LOCK_T lock)
{
    quire_mutex_unlock(&lock->mutex);
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    __retarget_lock_init(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (lock->owner != this_thread()) {
        quire_mutex_lock(&lock->mutex);
        lock->owner = this_thread();
    }
    lock->depth++;
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    if (lock->owner != this_thread()) {
        if (!quire_mutex_try_lock(&lock->mutex))
            return 0;
        lock->owner = this_thread();
    }
    lock->depth++;
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (--lock->depth > 0)
        return;
    lock->owner = 0;
    quire_mutex_unlock(&lock->mutex);
}
