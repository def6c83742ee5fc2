/*
 * page_request.h: a thread that waits for pages of a VMO.
 *
 * The request lives on the waiting thread's kernel stack.  Whoever makes pages present (or fails them) reports the *range*
 * with vmo_complete_range; that counts each overlapping request down and wakes those that reach zero.  A wake-up hands
 * over nothing: the thread looks everything up again.
 *
 * A request that begins inside another of the same kind is chained to it as an overlap and completes with it.
 */
#pragma once

#include "task/thread.h"
#include "vm/vmo.h"

enum request_kind {
    REQUEST_READ,                       /* the page's content */
    REQUEST_DIRTY,                      /* permission to write */
    REQUEST_UNBUSY,                     /* the end of a transfer that holds the page */
};

/* Bits of `throttled`. */
enum { THROTTLED = 1, WAS_THROTTLED = 2 };

struct page_request {
    /* Guarded by the family lock. */
    struct list_node link;              /* vmo->requests, or head->overlaps */
    struct vmo *vmo;                    /* armed for this VMO (a reference); NULL: idle */
    struct page_request *head;          /* the request this one overlaps; NULL: it is its own */
    struct list overlaps;
    uint64_t first, count;              /* pages */
    uint64_t needed;                    /* the page without which the waiter cannot go on */
    uint64_t remaining;                 /* pages not yet reported */
    enum request_kind kind;
    status_t status;
    bool done;
    bool woken;                         /* early; it is not done */
    uint64_t budget_seen;               /* throttled: how the budgets were then */
    /* Set by the waiter. */
    bool may_ask_user;                  /* a user process may be asked */
    bool early;                         /* woken as soon as `needed` is there; the request stays open */
    bool of_fault;                      /* it is a fault, which maps the page that it gets */
    bool follows;                       /* a fault, chained to one of the same process, which maps the page for both */
    uint8_t throttled;                  /* set by the source: armed for nothing, it waits for its pager's dirty budget */
    bool no_transfer;                   /* set by swap_in: armed for nothing, it waits until a transfer of pages is over */
    struct thread *thread;
    uint64_t asked_at;                  /* nanoseconds since boot; for the report of slow pagers */
    bool reported;

    /* Guarded by the source's lock (user sources). */
    struct list_node pending_link;      /* waiting for the packet */
};

static inline void page_request_init(struct page_request *request, bool may_ask_user)
{
    request->vmo = NULL;
    request->early = false;
    request->throttled = 0;
    request->no_transfer = false;
    request->of_fault = request->follows = false;
    request->may_ask_user = may_ask_user;
}

static inline bool page_request_armed(const struct page_request *request) { return request->vmo != NULL; }

/*
 * Arm for [first, first + count): clipped against outstanding requests of the kind, chained if it starts inside one.
 * True if the source has to be asked (a new head), false if it was chained, or if an early waiter came back to its request, still
 * open, for another page of it.  Family lock held.
 */
bool page_request_arm(struct page_request *request, struct vmo *vmo, enum request_kind kind, uint64_t first, uint64_t count);

/*
 * After a lookup that may have armed the request: its status, or if the request is armed, the status of the wait.  ERR_RETRY when the
 * wait ended well: look again from the top; but OK if it follows another fault, then the access itself is worth a try.  CANCELED when
 * the thread is killed (or interrupted, asking a user pager), TIMED_OUT after the limit for user pagers (vm/pager_watch.h), else what
 * the source said.  The request is idle afterwards.  No locks held.
 */
status_t page_request_settle(struct page_request *request, status_t status);
static inline status_t page_request_resolve(struct page_request *request, status_t status)
{
    return status == OK ? OK : page_request_settle(request, status);
}

/* An early waiter is done: it gives up what is still open.  No locks held. */
void page_request_end(struct page_request *request);

/* Report pages as present (OK) or failed.  Wakes by hand-over if it wakes exactly one thread.  Family lock held. */
void vmo_complete_range(struct vmo *vmo, enum request_kind kind, uint64_t first, uint64_t count, status_t status);
/* Complete everything outstanding (detach, close): the waiters look again and meet the new state. */
void vmo_complete_all(struct vmo *vmo);
