/*
 * mutex.c: a lock that is slept for.
 *
 * unlock frees the mutex and wakes the oldest sleeper, who competes for it with anybody who comes
 * by: a thread that runs is not made to wait for one that must first be switched to.  A sleeper
 * keeps its place until it succeeds.
 *
 * Invariant: while the mutex is free and has sleepers, the first of them has been unparked.
 * Locks: mutex->lock (RANK_MUTEX) guards owner and sleepers.  The ranks a thread holds are checked
 * at each take.
 */
#include "task/mutex.h"

#include "task/thread.h"

struct mutex_sleeper {
    struct list_node link;          /* mutex.lock */
    struct thread *thread;
};

void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
    spin_init(&mutex->lock, RANK_MUTEX);
    mutex->rank = rank;
    mutex->owner = NULL;
    list_init(&mutex->sleepers);
}

bool mutex_held(const struct mutex *mutex)
{
    return mutex->owner == current_thread();
}

/* Sleep until the mutex is free.  mutex->lock is held, and again on return. */
static void wait_until_free(struct mutex *mutex, struct thread *me)
{
    struct mutex_sleeper sleeper = { .thread = me };

    list_push_back(&mutex->sleepers, &sleeper.link);
    do {
        spin_unlock(&mutex->lock);
        thread_park();
        spin_lock(&mutex->lock);
    } while (mutex->owner);
    list_remove(&sleeper.link);
}

void mutex_lock(struct mutex *mutex)
{
    struct thread *me = current_thread();

    assert_no_spinlocks();
    if (me->held_mutexes >> mutex->rank)
        panic("lock order: %s taken while thread %lu holds %s", lock_rank_name(mutex->rank),
              me->object.koid, lock_rank_name(highest_bit(me->held_mutexes)));
    spin_lock(&mutex->lock);
    if (mutex->owner)
        wait_until_free(mutex, me);
    mutex->owner = me;
    spin_unlock(&mutex->lock);
    me->held_mutexes |= 1u << mutex->rank;
}

void mutex_unlock(struct mutex *mutex)
{
    struct thread *me = current_thread();

    assert(mutex->owner == me);
    me->held_mutexes &= ~(1u << mutex->rank);
    spin_lock(&mutex->lock);
    mutex->owner = NULL;

    struct list_node *first = list_first(&mutex->sleepers);

    if (first)
        thread_unpark(list_entry(first, struct mutex_sleeper, link)->thread);
    spin_unlock(&mutex->lock);
}
