/*
 * wait_queue.c: condition variables over park and unpark.
 *
 * A wake takes the record out of the list and unparks its thread, both under the condition's lock;
 * the sleeper knows by its record being unlinked that it was chosen, and cannot return before the
 * waker has dropped the lock.
 *
 * Invariant: a record is in the list exactly while its thread sleeps there and no wake has chosen
 * it.
 * Locks: the condition's own, held for every call.
 */
#include "task/wait_queue.h"

status_t wait_queue_sleep_as(struct wait_queue *queue, struct wait_sleeper *sleeper,
                             struct spinlock *lock, int64_t deadline, enum wait_mode mode)
{
    status_t status = OK;

    sleeper->thread = current_thread();
    list_push_back(&queue->sleepers, &sleeper->link);
    while (status == OK) {
        bool in_time = true, killed = mode == WAIT_KILLABLE && thread_killed();

        if (!killed) {
            spin_unlock(lock);
            in_time = thread_park_until(deadline);
            spin_lock(lock);
        }
        if (!list_linked(&sleeper->link))
            return OK;
        if (killed)
            status = ERR_CANCELED;
        else if (!in_time)
            status = ERR_TIMED_OUT;
    }
    list_remove(&sleeper->link);
    return status;
}

status_t wait_queue_sleep(struct wait_queue *queue, struct spinlock *lock, int64_t deadline,
                          enum wait_mode mode)
{
    struct wait_sleeper sleeper;

    return wait_queue_sleep_as(queue, &sleeper, lock, deadline, mode);
}

void wait_queue_wake(struct wait_sleeper *sleeper, bool hand_over)
{
    list_remove(&sleeper->link);
    if (hand_over)
        thread_unpark_next(sleeper->thread);
    else
        thread_unpark(sleeper->thread);
}

bool wait_queue_wake_one(struct wait_queue *queue, bool hand_over)
{
    struct list_node *first = list_first(&queue->sleepers);

    if (!first)
        return false;
    wait_queue_wake(list_entry(first, struct wait_sleeper, link), hand_over);
    return true;
}

void wait_queue_wake_all(struct wait_queue *queue)
{
    while (wait_queue_wake_one(queue, false))
        ;
}
