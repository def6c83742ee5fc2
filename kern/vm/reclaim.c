/*
 * reclaim.c: the page-out clock.
 *
 * A hand goes round over all frames.  A page that was used since it last came by, through the kernel or through a mapping, is
 * spared; of the others the clean ones are evicted, and sources are asked to clean the dirty ones, without waiting for them.
 * There are no queues of pages, so a page fault keeps no books for this.
 *
 * From a frame to its VMO: frame_lock keeps the owner of a frame in use alive until it has a reference; with the family lock
 * held, what the frame is stays so.
 *
 * Locks: one family lock at a time.
 */
#include "vm/reclaim.h"

#include "lib/kprintf.h"
#include "task/sched.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

#define PREEMPT_EVERY 256u              /* frames looked at between two chances for others */
#define BATCH         32u               /* frames that a thread without memory takes back; or that one VMO loses at a time */
#define BACK_OFF      50000000          /* nanoseconds until the next try, when nothing could be taken */

enum pass { PASS_DONT_NEED, PASS_CLOCK, PASS_DESPERATE };

static _Atomic uint64_t hand;
static atomic_uint hinted;              /* there may be pages that DONT_NEED named */
static struct thread *keeper;           /* the thread that keeps frames free */
static atomic_uint keeper_awake;

/* May the page at this index go? */
static bool may_go(struct vmo *vmo, uint64_t index, enum pass pass)
{
    struct page *page = slot_page(page_list_get(&vmo->pages, index));

    if (!page || page->busy || (pass == PASS_DONT_NEED && !page->dont_need) || (pass != PASS_DESPERATE && page->always_need))
        return false;
    if ((vmo_test_accessed(vmo, index) || page->referenced) && pass != PASS_DESPERATE) {
        page->referenced = page->dont_need = 0;
        return false;
    }
    if (page->state == PAGE_DIRTY && vmo->ops->putpages)
        vmo->ops->putpages(vmo, index, 1);
    return page->state == PAGE_CLEAN;
}

static bool may_go_out(struct vmo *vmo, uint64_t index)           { return may_go(vmo, index, PASS_CLOCK); }
static bool may_go_out_in_need(struct vmo *vmo, uint64_t index)   { return may_go(vmo, index, PASS_DESPERATE); }

/* One of those that hold the page; NULL: it is another's by now.  The family lock is held. */
static struct vmo *holder_of(struct vmo_family *family, const struct page *page)
{
    list_for_each(&family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);

        if (page->index >= vmo->base && slot_page(page_list_get(&vmo->pages, page->index - vmo->base)) == page)
            return vmo;
    }
    return NULL;
}

/* The page goes, if it may, and what follows it in the VMO: one interruption of other harts for all.  The family lock is held. */
static uint64_t evict_from(struct vmo *vmo, struct page *page, uint64_t wanted, enum pass pass)
{
    uint64_t first = page->index - vmo->base, count = 0;

    if (!vmo->ops)
        return pass == PASS_DONT_NEED ? 0 :
               swap_out(vmo, first, wanted, pass == PASS_DESPERATE ? may_go_out_in_need : may_go_out);
    while (count < min_u64(wanted, BATCH) && may_go(vmo, first + count, pass))
        count++;
    if (count > 0)
        vmo_evict(vmo, first, count);
    vmo->change_events += count;
    return count;
}

/* Unless it is ending. */
static bool ref_family(void *owner)
{
    struct vmo_family *family = owner;
    uint32_t references = atomic_load(&family->references);

    while (references > 0 && !atomic_compare_exchange_weak(&family->references, &references, references + 1))
        ;
    return references > 0;
}

static bool is_of_vmo(const struct page *page)
{
    uint8_t kind = frame_kind(page);

    return kind == FRAME_PAGER || kind == FRAME_DEVICE || kind == FRAME_ANON;
}

/* By the time that the lock is had the frame may be another's. */
static uint64_t look_at(struct page *page, uint64_t wanted, enum pass pass)
{
    struct vmo_family *family = is_of_vmo(page) ? frame_ref_owner(page, ref_family) : NULL;
    struct vmo *vmo;
    uint64_t went = 0;

    if (!family)
        return 0;
    spin_lock(&family->lock);
    vmo = holder_of(family, page);
    if (vmo)
        went = evict_from(vmo, page, wanted, pass);
    spin_unlock(&family->lock);
    vmo_family_unref(family);
    return went;
}

/* Once round, or until `wanted` pages went. */
static uint64_t sweep(uint64_t wanted, enum pass pass)
{
    uint64_t went = 0;

    for (uint64_t i = 0; i < frame_total && went < wanted; i++) {
        went += look_at(frame_by_number(atomic_fetch_add(&hand, 1) % frame_total), wanted - went, pass);
        if (i % PREEMPT_EVERY == 0)
            sched_preempt_point();
    }
    return went;
}

/* The second round finds what the first one spared. */
uint64_t reclaim(uint64_t wanted, bool desperate)
{
    uint64_t went = 0;

    if (atomic_exchange(&hinted, false)) {
        went = sweep(wanted, PASS_DONT_NEED);
        if (went == wanted)
            atomic_store(&hinted, true);
    }
    for (uint32_t round = 0; round < 2 && went < wanted; round++)
        went += sweep(wanted - went, PASS_CLOCK);
    if (went == 0 && desperate)
        went = sweep(wanted, PASS_DESPERATE);
    return went;
}

bool reclaim_for_retry(void)
{
    if (!this_hart()->frames_ran_out || thread_killed())
        return false;
    return reclaim(BATCH, true) > 0 && frame_free_count() > 0 ? true : swap_wait() || frame_free_count() > 0;
}

status_t reclaim_hint(struct vmo *vmo, uint64_t offset, uint64_t length, bool needed)
{
    status_t status = vmo_locate(&vmo, &offset, length);
    struct vmo *root = vmo_root(vmo);
    struct page *page;

    if (status != OK || !root->ops)
        return status;
    vmo_lock(vmo);
    uint64_t index = vmo->base + (offset >> PAGE_SHIFT);
    uint64_t end = vmo->base + min_u64(page_ceil(offset + length) >> PAGE_SHIFT, vmo->source_pages);

    for (; (page = page_list_next(&root->pages, &index, end)); index++) {
        if (vmo != root && page_list_get(&vmo->pages, index - vmo->base) != SLOT_EMPTY)
            continue;                   /* the clone has its own */
        page->always_need |= needed;
        page->dont_need = !page->always_need && page->state == PAGE_CLEAN;
        if (page->dont_need) {
            page->referenced = 0;
            vmo_test_accessed(root, index);
            atomic_store(&hinted, true);
        }
    }
    vmo_unlock(vmo);
    return OK;
}

/* --- Keeping frames free. --- */

void frame_shortage(void)
{
    if (keeper && !atomic_exchange(&keeper_awake, true))
        thread_unpark(keeper);
}

static void keep(void *high_pointer)
{
    uint64_t high = *(const uint64_t *)high_pointer, free;

    keeper = current_thread();
    for (;;) {
        free = frame_free_count();
        if (free < high && reclaim(high - free, false) == 0)
            thread_park_until(arch_time() + BACK_OFF);
        atomic_store(&keeper_awake, false);
        while (!atomic_load(&keeper_awake))
            thread_park();
    }
}

void reclaim_init(void)
{
    static uint64_t high;

    frame_low = max_u64(min_u64(frame_total / 64, 1024), 64);
    high = frame_low * 3 / 2;
    if (thread_start_kernel("page-out", keep, &high) != OK)
        kprintf("quire: no memory for the page-out thread; threads without memory take pages back themselves\n");
}
