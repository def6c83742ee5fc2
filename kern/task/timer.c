/*
 * timer.c: sleeping until a time.
 *
 * Each hart keeps the timers set on it in a tree by deadline.  The clock is programmed for the earlier of the first
 * deadline and `other` (the end of the time slice); cancelling does not reprogram it, an interrupt too many costs less.
 *
 * Invariant: the clock of a hart interrupts no later than its first deadline.
 * Locks: each hart's queue has its lock (RANK_TIMER).  Wake-ups happen under it, so a thread
 * that has taken it since it woke may drop its timer.
 */
#include "task/sched.h"

struct timer_queue {
    struct spinlock lock;
    struct tree timers;             /* struct thread by timer */
    uint64_t other;
};

static struct timer_queue queues[MAX_HARTS] = {
    [0 ... MAX_HARTS - 1] = { SPINLOCK_INITIALIZER(RANK_TIMER), { NULL }, UINT64_MAX },
};

static void program_locked(struct timer_queue *queue)
{
    struct tree_node *first = tree_first(&queue->timers);

    arch_timer_set(first ? min_u64(first->key, queue->other) : queue->other);
}

void timer_program(uint64_t other)
{
    struct timer_queue *queue = &queues[this_hart()->index];

    spin_lock(&queue->lock);
    queue->other = other;
    program_locked(queue);
    spin_unlock(&queue->lock);
}

bool thread_park_timed(int64_t deadline)
{
    struct hart *hart = this_hart();
    struct timer_queue *queue = &queues[hart->index];
    struct tree_node *timer = &hart->current->timer;

    if (deadline <= 0 || arch_time() >= (uint64_t)deadline)
        return false;
    spin_lock(&queue->lock);
    tree_insert(&queue->timers, timer, (uint64_t)deadline);
    if (tree_first(&queue->timers) == timer && (uint64_t)deadline < queue->other)
        program_locked(queue);
    spin_unlock(&queue->lock);
    thread_park();
    spin_lock(&queue->lock);            /* of where the timer was set, wherever we are now */
    if (timer->linked)
        tree_remove(&queue->timers, timer);
    spin_unlock(&queue->lock);
    return arch_time() < (uint64_t)deadline;
}

void interrupt_timer(void)
{
    struct timer_queue *queue = &queues[this_hart()->index];
    uint64_t now = arch_time();
    struct tree_node *node;

    spin_lock(&queue->lock);
    while ((node = tree_first(&queue->timers)) && node->key <= now) {
        tree_remove(&queue->timers, node);
        thread_unpark(tree_entry(node, struct thread, timer));
    }
    spin_unlock(&queue->lock);
    sched_tick();
}
