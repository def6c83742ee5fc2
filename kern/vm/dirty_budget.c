/* dirty_budget.c: see dirty_budget.h.  Locks: budget_lock (RANK_BUDGET), after the family lock. */
#include "vm/dirty_budget.h"

#include "task/wait_queue.h"

static struct spinlock budget_lock = SPINLOCK_INITIALIZER(RANK_BUDGET);
static struct wait_queue waiters = { LIST_INITIALIZER(waiters.sleepers) };
static uint64_t all_dirty;              /* pages of all budgets */
static uint64_t changes;                /* how often waiters were woken */

bool dirty_budget_full(const struct dirty_budget *budget, uint64_t *out_seen)
{
    bool full;

    spin_lock(&budget_lock);
    full = budget->dirty >= DIRTY_MINIMUM && all_dirty >= frame_total / 4;
    *out_seen = changes;
    spin_unlock(&budget_lock);
    return full;
}

void dirty_budget_count(struct dirty_budget *budget, int64_t pages)
{
    spin_lock(&budget_lock);
    budget->dirty += pages;
    all_dirty += pages;
    if (pages <= 0) {
        changes++;
        wait_queue_wake_all(&waiters);
    }
    spin_unlock(&budget_lock);
}

status_t dirty_budget_wait(uint64_t seen, int64_t deadline)
{
    status_t status = OK;

    spin_lock(&budget_lock);
    if (changes == seen)
        status = wait_queue_sleep(&waiters, &budget_lock, deadline, WAIT_INTERRUPTIBLE);
    spin_unlock(&budget_lock);
    return status;
}
