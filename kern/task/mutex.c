/*
 * mutex.c: a lock that is slept for.
 *
 * unlock frees the mutex and wakes the oldest sleeper, who competes for it with anybody who comes
 * by: a thread that runs is not made to wait for one that must first be switched to.
 *
 * A free mutex is taken, and one that nobody waits for is freed, without mutex->lock.  No wake-up is
 * lost: a waiter is counted and then looks at the owner, unlock clears the owner and then looks at
 * the count.  It may look after another thread has taken the mutex, whose memory must outlive that.
 *
 * Locks: mutex->lock (RANK_MUTEX) guards sleepers and changes of `waiting`.  The ranks a thread
 * holds are checked at each take.
 */
#include "task/mutex.h"

void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
    spin_init(&mutex->lock, RANK_MUTEX);
    mutex->rank_bit = 1u << rank;
    atomic_init(&mutex->owner, NULL);
    atomic_init(&mutex->waiting, 0);
    wait_queue_init(&mutex->sleepers);
}

bool mutex_held(const struct mutex *mutex)
{
    return atomic_load_explicit(&mutex->owner, memory_order_relaxed) == current_thread();
}

static inline bool take_if_free(struct mutex *mutex, struct thread *me)
{
    struct thread *nobody = NULL;

    return atomic_compare_exchange_strong(&mutex->owner, &nobody, me);
}

/* Out of line, so that the way past it saves few registers. */
static __attribute__((noinline)) void take_when_free(struct mutex *mutex, struct thread *me)
{
    spin_lock(&mutex->lock);
    atomic_fetch_add(&mutex->waiting, 1);
    while (!take_if_free(mutex, me))
        wait_queue_sleep(&mutex->sleepers, &mutex->lock, DEADLINE_INFINITE, WAIT_UNINTERRUPTIBLE);
    atomic_fetch_sub(&mutex->waiting, 1);
    spin_unlock(&mutex->lock);
}

void mutex_lock(struct mutex *mutex)
{
    struct thread *me = current_thread();

    assert_no_spinlocks();
    if (me->held_mutexes >= mutex->rank_bit)
        panic("lock order: %s taken while thread %lu holds %s",
              lock_rank_name(lowest_bit(mutex->rank_bit)), me->object.koid,
              lock_rank_name(highest_bit(me->held_mutexes)));
    if (!take_if_free(mutex, me))
        take_when_free(mutex, me);
    me->held_mutexes |= mutex->rank_bit;
}

static __attribute__((noinline)) void wake_oldest(struct mutex *mutex)
{
    spin_lock(&mutex->lock);
    wait_queue_wake_one(&mutex->sleepers, false);
    spin_unlock(&mutex->lock);
}

void mutex_unlock(struct mutex *mutex)
{
    assert(mutex_held(mutex));
    current_thread()->held_mutexes &= ~mutex->rank_bit;
    atomic_store(&mutex->owner, NULL);
    if (atomic_load(&mutex->waiting) > 0)
        wake_oldest(mutex);
}
