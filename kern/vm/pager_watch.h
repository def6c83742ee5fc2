/*
 * pager_watch.h: waits for user pagers that take too long.
 *
 * A wait is reported after pager_report seconds and ends with TIMED_OUT after pager_timeout seconds; both are
 * kernel command line options (20 and 300; 0: never).  A waiting thread sets no timer and reads no clock, which would cost
 * every page fault; one kernel thread looks at all waiting threads now and then and wakes those that are late.
 */
#pragma once

#include "vm/page_request.h"

void pager_watch_init(void);            /* reads the options, starts the thread */

/* The time by which the watcher looks again: later than now, so no wait seems longer than it is. */
extern _Atomic uint64_t pager_watch_time;

/* Around the wait of the calling thread. */
static inline void pager_watch_begin(struct page_request *request)
{
    request->asked_at = atomic_load_explicit(&pager_watch_time, memory_order_relaxed);
    request->reported = false;
    atomic_store_explicit(&current_thread()->pager_wait_since, request->asked_at, memory_order_relaxed);
}
static inline void pager_watch_end(void)
{
    atomic_store_explicit(&current_thread()->pager_wait_since, 0, memory_order_relaxed);
}
/* After a wake-up without an answer: OK (wait on; perhaps reported now) or TIMED_OUT.  Family lock held. */
status_t pager_watch_check(struct page_request *request);
