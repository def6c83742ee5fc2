/*
 * page_request.c: threads waiting for pages.
 *
 * The rendezvous of all sources.  A request names a range; whoever changes pages reports the range that changed,
 * and the requests it touches count down.  The count may end early (a page evicted and supplied twice counts
 * twice); that is harmless, because a woken thread looks again and asks anew.
 *
 * Invariant: a request is in vmo->requests or in its head's list of overlaps exactly while armed and not done.
 * Locks: the family lock; nothing is held asleep.
 */
#include "vm/page_request.h"

#include "task/process.h"
#include "vm/dirty_budget.h"
#include "vm/pager_watch.h"
#include "vm/reclaim.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

static void forget(struct page_request *request, struct page_request *successor)
{
    struct vmo *vmo = request->vmo;

    if (request->kind != REQUEST_UNBUSY && vmo->ops && vmo->ops->forget)
        vmo->ops->forget(vmo, request, successor);
}

/*
 * The waiter gives up.  If others hang on its request, the first of them takes it over, and the source does not notice.
 */
static void cancel(struct vmo *vmo, struct page_request *request)
{
    struct page_request *successor = NULL;

    list_remove(&request->link);
    vmo->waiting--;
    if (request->head)
        return;
    if (!list_empty(&request->overlaps)) {
        successor = list_entry(list_pop_front(&request->overlaps), struct page_request, link);
        successor->head = NULL;
        successor->first = request->first;
        successor->count = request->count;
        successor->remaining = request->remaining;
        list_splice_back(&successor->overlaps, &request->overlaps);
        list_for_each(&successor->overlaps, node)
            list_entry(node, struct page_request, link)->head = successor;
        list_push_back(&vmo->requests, &successor->link);
    }
    forget(request, successor);
}

/* The request is idle again. */
static void disarm(struct page_request *request)
{
    struct vmo *vmo = request->vmo;

    request->vmo = NULL;
    object_unref(&vmo->object);
}

/* An early waiter comes back to its open request for page `first`: true if the request covers that; else it is over. */
static bool continue_early(struct page_request *request, struct vmo *vmo, enum request_kind kind, uint64_t first)
{
    bool open;

    if (!page_request_armed(request))
        return false;
    open = !request->done && request->vmo == vmo && request->kind == kind && first - request->first < request->count;
    if (open) {
        request->needed = first;
        request->woken = false;
        request->status = OK;           /* a failure of the page before is none of this one */
    } else {
        if (!request->done)
            cancel(request->vmo, request);
        disarm(request);                /* not the last reference: the caller works with the VMO */
    }
    return open;
}

bool page_request_arm(struct page_request *request, struct vmo *vmo, enum request_kind kind,
                      uint64_t first, uint64_t count)
{
    assert(vmo_locked(vmo) && count > 0);
    if (continue_early(request, vmo, kind, first))
        return false;
    object_ref(&vmo->object);
    request->vmo = vmo;
    request->kind = kind;
    request->head = NULL;
    request->first = request->needed = first;
    request->status = OK;
    request->done = false;
    request->woken = false;
    request->thread = current_thread();
    request->pending_link.next = NULL;
    list_init(&request->overlaps);
    vmo->waiting++;

    list_for_each(&vmo->requests, node) {
        struct page_request *other = list_entry(node, struct page_request, link);

        if (other->kind != kind)
            continue;
        if (other->first <= first && first < other->first + other->count) {
            request->head = other;
            request->follows = request->of_fault && other->of_fault &&
                               request->thread->process == other->thread->process;
            request->count = min_u64(count, other->first + other->count - first);
            list_push_back(&other->overlaps, &request->link);
            return false;
        }
        if (other->first > first && other->first < first + count)
            count = other->first - first;
    }
    request->count = request->remaining = count;
    list_push_back(&vmo->requests, &request->link);
    return true;
}

/* The request is over: its thread may return as soon as the family lock is dropped. */
static void finish(struct page_request *request, bool hand_over)
{
    list_remove(&request->link);
    request->vmo->waiting--;
    request->done = true;
    thread_wake(request->thread, hand_over);
}

/* Does a user process owe the answer? */
static bool waits_for_user(const struct page_request *request)
{
    return request->kind != REQUEST_UNBUSY && request->vmo->ops && request->vmo->ops->asks_user;
}

static inline void finish_with_overlaps(struct page_request *request)
{
    forget(request, NULL);
    list_for_each(&request->overlaps, node)
        finish(list_entry(node, struct page_request, link), false);
    finish(request, waits_for_user(request));
}

/* A report counts for a request if it covers the page that the waiter needs: is that enough to wake it? */
static bool note(struct page_request *request, uint64_t first, uint64_t end, status_t status)
{
    if (request->needed < first || request->needed >= end)
        return false;
    if (status != OK)
        request->status = status;
    request->woken |= request->early;
    return request->early;
}

void vmo_complete_range(struct vmo *vmo, enum request_kind kind, uint64_t first, uint64_t count,
                        status_t status)
{
    uint64_t end = first + count;

    assert(vmo_locked(vmo));
    list_for_each(&vmo->requests, node) {
        struct page_request *request = list_entry(node, struct page_request, link);
        uint64_t from = max_u64(first, request->first);
        uint64_t to = min_u64(end, request->first + request->count);

        if (request->kind != kind || from >= to)
            continue;
        bool early = note(request, first, end, status);

        list_for_each(&request->overlaps, overlap)
            if (note(list_entry(overlap, struct page_request, link), first, end, status))
                thread_unpark(list_entry(overlap, struct page_request, link)->thread);
        request->remaining -= min_u64(to - from, request->remaining);
        if (request->remaining == 0)
            finish_with_overlaps(request);
        else if (early)
            thread_wake(request->thread, true);
    }
}

void vmo_complete_all(struct vmo *vmo)
{
    assert(vmo_locked(vmo));
    list_for_each(&vmo->requests, node)
        finish_with_overlaps(list_entry(node, struct page_request, link));
}

/* An interrupt ends a wait for a user process; a device answers by itself. */
static bool should_give_up(bool watched)
{
    return watched ? thread_should_leave() : thread_killed();
}

/* Sleep until the request completes, or is given up: its status.  It stays open if it woke early. */
static status_t wait(struct page_request *request)
{
    struct vmo *vmo = request->vmo;
    bool watched = waits_for_user(request), open = false;
    status_t status;

    assert_no_spinlocks();
    if (watched)
        pager_watch_begin(request);
    for (;;) {
        if (!should_give_up(watched))
            thread_park();
        vmo_lock(vmo);
        status = request->status;
        open = request->woken && !request->done && status == OK;
        if (request->done || open)
            break;
        if (!request->woken)
            status = should_give_up(watched) ? ERR_CANCELED : watched ? pager_watch_check(request) : OK;
        if (status != OK) {
            cancel(vmo, request);
            break;
        }
        vmo_unlock(vmo);
    }
    request->woken = false;
    vmo_unlock(vmo);
    if (watched)
        pager_watch_end();
    if (!open)
        disarm(request);
    return status;
}

void page_request_end(struct page_request *request)
{
    struct vmo *vmo = request->vmo;

    if (!page_request_armed(request))
        return;
    vmo_lock(vmo);
    if (!request->done)
        cancel(vmo, request);
    vmo_unlock(vmo);
    disarm(request);
}

/* After a while it looks again in any case, which asks for write-back again. */
static status_t wait_for_budget(struct page_request *request)
{
    uint64_t now = arch_time(), since = request->throttled & WAS_THROTTLED ? request->asked_at : now;
    status_t status;

    request->throttled = WAS_THROTTLED;
    pager_watch_begin(request);
    request->asked_at = since;
    status = dirty_budget_wait(request->budget_seen, now + WRITEBACK_RETRY);
    pager_watch_end();
    return status == ERR_CANCELED ? status : pager_watch_check(request);
}

/* A fault cannot be refused, nor a pager for whom one waits: somebody's memory is taken for it. */
static status_t wait_for_memory(const struct page_request *request)
{
    bool insists = request->of_fault || process_serves(current_process());

    if (!this_hart()->frames_ran_out || thread_killed())
        return ERR_NO_MEMORY;
    return reclaim_for_retry() || (insists && out_of_memory_kill()) ? ERR_RETRY : ERR_NO_MEMORY;
}

status_t page_request_settle(struct page_request *request, status_t status)
{
    if (status == ERR_NO_MEMORY)
        return wait_for_memory(request);
    if (status == ERR_SHOULD_WAIT && request->no_transfer)
        return swap_wait(request);
    if (status == ERR_SHOULD_WAIT && (request->throttled & THROTTLED))
        status = wait_for_budget(request);
    else if (status != ERR_SHOULD_WAIT || !page_request_armed(request))
        return status;
    else
        status = wait(request);
    return status == OK && !request->follows ? ERR_RETRY : status;
}

status_t vmo_wait_not_busy(struct vmo *vmo, uint64_t first, uint64_t end)
{
    uint64_t index;

    while (vmo_find_busy(vmo, first, end, &index)) {
        struct page_request request;
        status_t status;

        page_request_init(&request, false);
        page_request_arm(&request, vmo, REQUEST_UNBUSY, index, 1);
        vmo_unlock(vmo);
        status = wait(&request);
        vmo_lock(vmo);
        if (status == ERR_CANCELED)
            return status;
    }
    return OK;
}
