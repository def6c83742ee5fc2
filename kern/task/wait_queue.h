/*
 * wait_queue.h: threads that wait for a condition guarded by some spinlock.
 *
 * The condition's lock is held for every call; wait_queue_sleep drops it while asleep.  The record is on the
 * sleeper's stack, unlinked under the lock before the call returns, so nothing touches a stack that is gone.
 */
#pragma once

#include "task/sched.h"

struct wait_queue { struct list sleepers; };

/* The reasons to leave that end a wait, with ERR_CANCELED. */
enum wait_mode {
    WAIT_UNINTERRUPTIBLE = 0,           /* for waits that end by themselves */
    WAIT_KILLABLE = LEAVE_KILLED,
    WAIT_INTERRUPTIBLE = LEAVE_KILLED | LEAVE_INTERRUPTED,      /* on what other programs do */
};

/* The record of one sleeper; users with several conditions in one queue embed it in their own. */
struct wait_sleeper {
    struct list_node link;      /* the condition's lock */
    struct thread *thread;
};

static inline void wait_queue_init(struct wait_queue *queue) { list_init(&queue->sleepers); }

/*
 * Sleep until woken.  Call with `lock` held and no other; it is held again on return.  OK: a wake chose this thread
 * (the condition may have changed again since).  ERR_TIMED_OUT, or ERR_CANCELED as `mode` says: no wake was consumed.
 */
status_t wait_queue_sleep_as(struct wait_queue *queue, struct wait_sleeper *sleeper,
                             struct spinlock *lock, int64_t deadline, enum wait_mode mode);
static inline status_t wait_queue_sleep(struct wait_queue *queue, struct spinlock *lock,
                                        int64_t deadline, enum wait_mode mode)
{
    struct wait_sleeper sleeper;

    return wait_queue_sleep_as(queue, &sleeper, lock, deadline, mode);
}

/*
 * Wake this sleeper, the oldest one (false if there is none), or all.  hand_over: it is this hart's next (thread_wake).
 */
static inline void wait_queue_wake(struct wait_sleeper *sleeper, bool hand_over)
{
    list_remove(&sleeper->link);
    thread_wake(sleeper->thread, hand_over);
}
static inline bool wait_queue_wake_one(struct wait_queue *queue, bool hand_over)
{
    struct list_node *first = list_first(&queue->sleepers);

    if (first)
        wait_queue_wake(list_entry(first, struct wait_sleeper, link), hand_over);
    return first;
}
void wait_queue_wake_all(struct wait_queue *queue);
