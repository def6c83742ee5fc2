/*
 * wait_queue.c: condition variables over park and unpark.
 *
 * Invariant: a record is in the list exactly while its thread sleeps there and no wake has chosen
 * it; so the sleeper knows that it was chosen, and cannot return before the waker drops the lock.
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
        if (thread_leaves(mode)) {
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

void wait_queue_wake_all(struct wait_queue *queue)
{
    while (wait_queue_wake_one(queue, false))
        ;
}
