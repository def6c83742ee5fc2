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
    status_t status;

    sleeper->thread = current_thread();
    list_push_back(&queue->sleepers, &sleeper->link);
    do {
        if ((mode == WAIT_KILLABLE && thread_killed()) ||
            (mode == WAIT_INTERRUPTIBLE && thread_should_leave())) {
            status = ERR_CANCELED;
            break;
        }
        spin_unlock(lock);
        status = thread_park_until(deadline) ? OK : ERR_TIMED_OUT;
        spin_lock(lock);
        if (!list_linked(&sleeper->link))
            return OK;
    } while (status == OK);
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
