/*
 * locks.c: a lock over futexes, and the C library's locks made of it.
 *
 * The word is 0 when free, 1 when taken, 2 when taken and perhaps waited for: only then does unlock
 * call the kernel.  The C library locks its heap, exit list, environment and each FILE through the
 * __retarget_lock_ names.  All of them are recursive here, also those that need not be: a FILE's
 * lock is taken for each character, and inside flockfile.
 */
#include "internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/lock.h>

#define SECOND 1000000000ll
#define DRAINED 0x80000000u             /* of a count of users: somebody waits for its end */

struct __lock __lock___libc_recursive_mutex;
bool library_exiting;

bool word_try_lock(uint32_t *word)
{
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(word, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

bool word_lock(uint32_t *word, int64_t deadline)
{
    if (word_try_lock(word))
        return true;
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
        if (sys_futex_wait(word, 2, deadline) == ERR_TIMED_OUT)
            return false;
    return true;
}

void word_unlock(uint32_t *word)
{
    if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
        sys_futex_wake(word, 1);
}

bool quire_mutex_try_lock(struct quire_mutex *mutex)
{
    return word_try_lock((uint32_t *)&mutex->state);
}

void quire_mutex_lock(struct quire_mutex *mutex)
{
    word_lock((uint32_t *)&mutex->state, DEADLINE_INFINITE);
}

void quire_mutex_unlock(struct quire_mutex *mutex)
{
    word_unlock((uint32_t *)&mutex->state);
}

void users_enter(uint32_t *users)
{
    __atomic_fetch_add(users, 1, __ATOMIC_SEQ_CST);
}

/* The object may be gone when the count says so: the wake-up only uses its address. */
void users_leave(uint32_t *users)
{
    if (__atomic_fetch_sub(users, 1, __ATOMIC_SEQ_CST) == (DRAINED | 1))
        sys_futex_wake(users, UINT32_MAX);
}

void users_drain(uint32_t *users)
{
    uint32_t count = __atomic_fetch_or(users, DRAINED, __ATOMIC_SEQ_CST) | DRAINED;
    while (count != DRAINED) {
        sys_futex_wait(users, count, DEADLINE_INFINITE);
        count = __atomic_load_n(users, __ATOMIC_SEQ_CST);
    }
}

int deadline_at(clockid_t clock, const struct timespec *time, int64_t *out_deadline)
{
    if ((clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) || time->tv_nsec < 0 ||
        time->tv_nsec >= SECOND)
        return EINVAL;
    if (time->tv_sec < 0)
        *out_deadline = 0;
    else if (time->tv_sec >= INT64_MAX / SECOND - 1)
        *out_deadline = DEADLINE_INFINITE;
    else
        *out_deadline = time->tv_sec * SECOND + time->tv_nsec -
                        (clock == CLOCK_REALTIME ? sys_clock_wall() - sys_clock_get() : 0);
    return 0;
}

/* --- The C library's. --- */

/* Each thread has a place for its thread-local variables, so the place names the thread. */
static uintptr_t this_thread(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof **lock);
    if (*lock == NULL)
        abort();
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

/*
 * A handler may need the heap, for fork and exec, so none runs while its thread is in there.  Exit
 * holds the same lock while it runs functions of the program, which may wait for a signal.
 */
void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (lock->owner != this_thread()) {
        bool holds = lock == &__lock___libc_recursive_mutex && !library_exiting;
        if (holds)
            signals_hold_heap();
        quire_mutex_lock(&lock->mutex);
        lock->owner = this_thread();
        lock->holds = holds;
    }
    lock->depth++;
}

bool library_lock_try(struct __lock *lock)
{
    if (lock->owner != this_thread()) {
        if (!quire_mutex_try_lock(&lock->mutex))
            return false;
        lock->owner = this_thread();
        lock->holds = false;
    }
    lock->depth++;
    return true;
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    return library_lock_try(lock);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (--lock->depth > 0)
        return;
    bool holds = lock->holds;
    lock->owner = 0;
    quire_mutex_unlock(&lock->mutex);
    if (holds)
        signals_release_heap();
}

void __retarget_lock_init(_LOCK_T *lock)
{
    __retarget_lock_init_recursive(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    __retarget_lock_close_recursive(lock);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    __retarget_lock_acquire_recursive(lock);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return library_lock_try(lock);
}

void __retarget_lock_release(_LOCK_T lock)
{
    __retarget_lock_release_recursive(lock);
}
