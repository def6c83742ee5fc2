/*
 * dirty_budget.h: how many pages a pager may have dirty.
 *
 * Dirty pages cannot be taken away, so pagers that write back when asked (PAGER_WANTS_WRITEBACK) share a quarter of memory for
 * them.  Each may always have DIRTY_MINIMUM pages, so that one that never answers does not stop the others.  Who wants to make
 * one more dirty waits until some are clean; the wait can end as every wait for a user pager can.
 */
#pragma once

#include "vm/vmo.h"

#define DIRTY_MINIMUM 64u               /* pages */
#define WRITEBACK_RETRY 1000000000ul    /* nanoseconds until a pager is asked again that has not cleaned what it was asked to */

struct dirty_budget { uint64_t dirty; };        /* budget_lock: pages */

/* May no more page become dirty?  *out_seen is for dirty_budget_wait.  Takes the lock (RANK_BUDGET). */
bool dirty_budget_full(const struct dirty_budget *budget, uint64_t *out_seen);
/* So many pages became dirty, or (negative) are so no more; 0: something else changed.  Who waits looks again unless positive. */
void dirty_budget_count(struct dirty_budget *budget, int64_t pages);
/* Sleep until somebody was to look again since `seen` was read.  TIMED_OUT, CANCELED.  No locks held. */
status_t dirty_budget_wait(uint64_t seen, int64_t deadline);
