/*
 * pthread_rwlock.c: locks for one writer or many readers, neither of which starve.
 *
 * A reader waits while there is a writer or one waits, so writers get their turn; a reader that
 * holds such a lock already is let in past waiting writers, since they may wait for it.  A writer
 * that leaves lets in all the readers that wait: it counts them as readers itself, so no writer can
 * come between.
 *
 * Locks: the guard in each lock, held for a moment only.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>

int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes)
{
    (void)attributes;
    *lock = (pthread_rwlock_t){ 0 };
    return 0;
}

int pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
    word_lock(&lock->guard, DEADLINE_INFINITE);
    bool busy = lock->readers > 0 || lock->writer != NULL;
    word_unlock(&lock->guard);
    return busy ? EBUSY : 0;
}

static void guard(pthread_rwlock_t *lock)
{
    word_lock(&lock->guard, DEADLINE_INFINITE);
}

/*
 * Let in those who can come now: the waiting readers unless only writers wait or it is a writer's
 * turn, else one writer may try.  Gives up the guard.
 */
static void pass_on(pthread_rwlock_t *lock, bool readers_first)
{
    bool is_free = lock->readers == 0 && lock->writer == NULL;
    bool readers = lock->writer == NULL && lock->waiting_readers > 0 &&
                   (readers_first || lock->waiting_writers == 0);
    bool writer = is_free && !readers && lock->waiting_writers > 0;
    if (readers) {
        lock->readers += lock->waiting_readers;
        lock->waiting_readers = 0;
        __atomic_fetch_add(&lock->read_turn, 1, __ATOMIC_RELEASE);
    }
    if (writer)
        __atomic_fetch_add(&lock->write_turn, 1, __ATOMIC_RELEASE);
    word_unlock(&lock->guard);
    if (readers)
        sys_futex_wake(&lock->read_turn, UINT32_MAX);
    if (writer)
        sys_futex_wake(&lock->write_turn, 1);
}

/* Under the guard, which it gives up. */
static int wait_to_read(pthread_rwlock_t *lock, int64_t deadline)
{
    uint32_t turn = lock->read_turn;
    status_t status = OK;
    lock->waiting_readers++;
    word_unlock(&lock->guard);
    while (__atomic_load_n(&lock->read_turn, __ATOMIC_ACQUIRE) == turn) {
        if (status == ERR_TIMED_OUT) {
            guard(lock);
            bool still_waits = lock->read_turn == turn;
            if (still_waits)
                lock->waiting_readers--;
            word_unlock(&lock->guard);
            if (still_waits)
                return ETIMEDOUT;
            break;
        }
        status = sys_futex_wait(&lock->read_turn, turn, deadline);
    }
    return 0;
}

static int read_lock(pthread_rwlock_t *lock, bool may_wait, clockid_t clock,
                     const struct timespec *time)
{
    struct pthread *self = thread_current();
    int64_t deadline = DEADLINE_INFINITE;
    int error = 0;
    guard(lock);
    bool must_wait = lock->writer != NULL || (lock->waiting_writers > 0 && self->read_locks == 0);
    if (lock->writer == self)
        error = may_wait ? EDEADLK : EBUSY;
    else if (lock->readers + lock->waiting_readers == UINT32_MAX)
        error = EAGAIN;
    else if (must_wait && !may_wait)
        error = EBUSY;
    else if (must_wait && time != NULL)
        error = deadline_at(clock, time, &deadline);

    if (error == 0 && must_wait) {
        error = wait_to_read(lock, deadline);
    } else {
        if (error == 0)
            lock->readers++;
        word_unlock(&lock->guard);
    }
    if (error == 0)
        self->read_locks++;
    return error;
}

static int write_lock(pthread_rwlock_t *lock, bool may_wait, clockid_t clock,
                      const struct timespec *time)
{
    struct pthread *self = thread_current();
    int64_t deadline = DEADLINE_INFINITE;
    int error = 0;
    guard(lock);
    while (lock->readers > 0 || lock->writer != NULL) {
        error = !may_wait ? EBUSY : lock->writer == self ? EDEADLK : 0;
        if (error == 0 && time != NULL && deadline == DEADLINE_INFINITE)
            error = deadline_at(clock, time, &deadline);
        if (error != 0)
            break;
        uint32_t turn = lock->write_turn;
        lock->waiting_writers++;
        word_unlock(&lock->guard);
        status_t status = sys_futex_wait(&lock->write_turn, turn, deadline);
        guard(lock);
        lock->waiting_writers--;
        if (status == ERR_TIMED_OUT && (lock->readers > 0 || lock->writer != NULL)) {
            pass_on(lock, false);       /* readers may have waited for this writer only */
            return ETIMEDOUT;
        }
    }
    if (error == 0)
        lock->writer = self;
    word_unlock(&lock->guard);
    return error;
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    return read_lock(lock, true, CLOCK_REALTIME, NULL);
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
    return read_lock(lock, false, CLOCK_REALTIME, NULL);
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *time)
{
    return read_lock(lock, true, CLOCK_REALTIME, time);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    return write_lock(lock, true, CLOCK_REALTIME, NULL);
}

int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    return write_lock(lock, false, CLOCK_REALTIME, NULL);
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *time)
{
    return write_lock(lock, true, CLOCK_REALTIME, time);
}

int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    struct pthread *self = thread_current();
    guard(lock);
    bool was_writer = lock->writer == self;
    if (!was_writer && lock->readers == 0) {
        word_unlock(&lock->guard);
        return EPERM;
    }
    if (was_writer) {
        lock->writer = NULL;
    } else {
        lock->readers--;
        if (self->read_locks > 0)
            self->read_locks--;
    }
    pass_on(lock, was_writer);
    return 0;
}

int pthread_rwlockattr_init(pthread_rwlockattr_t *attributes)
{
    attributes->unused = 0;
    return 0;
}

int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attributes)
{
    (void)attributes;
    return 0;
}
