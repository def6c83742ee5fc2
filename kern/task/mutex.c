/*
 * mutex.c: a lock that is slept for.
 *
 * unlock frees the mutex and wakes the oldest sleeper, who competes for it with anybody who comes
 * by: a thread that runs is not made to wait for one that must first be switched to.
 *
 * Locks: mutex->lock (RANK_MUTEX) guards owner and sleepers.  The ranks a thread holds are checked
 * at each take.
 */
#include "task/mutex.h"

void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
    spin_init(&mutex->lock, RANK_MUTEX);
    mutex->rank_bit = 1u << rank;
    mutex->owner = NULL;
    wait_queue_init(&mutex->sleepers);
}

bool mutex_held(const struct mutex *mutex)
{
    return mutex->owner == current_thread();
}

void mutex_lock(struct mutex *mutex)
{
    struct thread *me = current_thread();

    assert_no_spinlocks();
    if (me->held_mutexes >= mutex->rank_bit)
        panic("lock order: %s taken while thread %lu holds %s",
              lock_rank_name(lowest_bit(mutex->rank_bit)), me->object.koid,
              lock_rank_name(highest_bit(me->held_mutexes)));
    spin_lock(&mutex->lock);
    while (mutex->owner)
        wait_queue_sleep(&mutex->sleepers, &mutex->lock, DEADLINE_INFINITE, WAIT_UNINTERRUPTIBLE);
    mutex->owner = me;
    spin_unlock(&mutex->lock);
    me->held_mutexes |= mutex->rank_bit;
}

void mutex_unlock(struct mutex *mutex)
{
    struct thread *me = current_thread();

    assert(mutex->owner == me);
    me->held_mutexes &= ~mutex->rank_bit;
    spin_lock(&mutex->lock);
    mutex->owner = NULL;
    if (!list_empty(&mutex->sleepers.sleepers))
        wait_queue_wake_one(&mutex->sleepers, false);
    spin_unlock(&mutex->lock);
}
