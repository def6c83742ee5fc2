/*
 * reclaim.c: the page-out clock, and the thread that turns it.
 *
 * A hand goes round over all frames.  A page that was used since it last came by, through the kernel or through a mapping, is
 * spared; of the others the clean ones go, and dirty ones are written first (putpages): to backing store, or by a pager, which is asked
 * and not waited for.  There are no queues of pages, so a page fault keeps no books for this.
 *
 * From a frame to its VMO: frame_lock keeps the owner of a frame in use alive until it has a reference; with the family lock
 * held, what the frame is stays so.
 *
 * One thread finds frames for all.  Who has none waits until it says that there are some (gains) or that none can be had (failures).
 *
 * Locks: one family lock at a time; room_lock for those who wait.
 */
#include "vm/reclaim.h"

#include "task/process.h"
#include "vm/backing_store.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

#define PREEMPT_EVERY 256u              /* frames looked at between two chances for others */
#define BATCH         32u               /* pages that one VMO loses at a time */
#define BACK_OFF      50000000          /* nanoseconds until the next try, when nothing could be taken */
#define PAGER_TRIES   8u                /* tries while pagers may still clean what they were asked for */
#define CLEAN_SHARE   8u                /* while more than one page in so many is clean, nothing is written */
#define RESERVE       (frame_low / 4)   /* frames that user memory leaves */

enum pass {
    PASS_DONT_NEED,                     /* what DONT_NEED named */
    PASS_CLEAN,                         /* what needs not be written first */
    PASS_CLOCK,                         /* and what backing store takes, and may be asked for */
    PASS_DESPERATE,                     /* used or not, needed or not */
};

/* The hand's way over the frames. */
struct sweep {
    enum pass pass;
    uint64_t wanted, went;              /* pages; those on their way out are counted as gone */
    uint8_t spared;                     /* page->referenced of those that this round spares: 2 or 3 */
    bool no_room;                       /* backing store takes no more */
    bool enough;                        /* as many pages are on their way out as can be */
    bool asked;                         /* a pager was asked to clean some */
};

static _Atomic uint64_t hand;
static atomic_uint hinted;              /* there may be pages that DONT_NEED named */
static struct thread *keeper;           /* the thread that keeps frames free */
static atomic_uint keeper_awake;
static uint64_t frame_high;             /* where page-out stops */

static struct spinlock room_lock = SPINLOCK_INITIALIZER(RANK_RECLAIM);
static struct wait_queue without_frames = { LIST_INITIALIZER(without_frames.sleepers) };    /* room_lock, as the next two */
static uint64_t gains, failures;        /* how often frames came free; how often none could be had */

/* Does this VMO hold the page? */
static bool holds(struct vmo *vmo, const struct page *page)
{
    return page->index >= vmo->base && slot_page(page_list_get(&vmo->pages, page->index - vmo->base)) == page;
}

/*
 * Was the page used since the hand last came by, through whichever VMO?  A neighbour of the one that the hand is at keeps its second
 * chance: it stays as it is, and stays too if the hand spared it in this round.
 */
static bool was_used(struct vmo *vmo, struct page *page, const struct sweep *sweep, bool by_hand)
{
    bool used = (page->referenced == 1) | vmo_test_accessed(vmo, page->index - vmo->base);

    if (page->shares > 1)
        list_for_each(&vmo->family->members, node)
            if (holds(list_entry(node, struct vmo, family_link), page))
                used |= vmo_test_accessed(list_entry(node, struct vmo, family_link), page->index - vmo->base);
    if (used)
        page->referenced = by_hand ? sweep->spared : 1;
    else if (by_hand || page->referenced != sweep->spared)
        page->referenced = 0;
    return page->referenced;
}

enum way_out { STAYS, GOES, IS_WRITTEN };

/* How can the page at this index go now? */
static enum way_out way_out(struct vmo *vmo, uint64_t index, const struct sweep *sweep, bool by_hand)
{
    struct page *page = slot_page(page_list_get(&vmo->pages, index));
    bool desperate = sweep->pass == PASS_DESPERATE;
    enum way_out way = STAYS;

    if (!page || page->busy || (sweep->pass == PASS_DONT_NEED && !page->dont_need) || (!desperate && page->always_need))
        return STAYS;
    if (page->state == PAGE_CLEAN && (vmo->ops || page->block))
        way = GOES;
    else if (sweep->pass >= PASS_CLOCK && (vmo->ops ? page->state == PAGE_DIRTY && vmo->ops->putpages
                                                    : page->state == PAGE_CLEAN && !sweep->no_room))
        way = IS_WRITTEN;
    if (way == STAYS || !was_used(vmo, page, sweep, by_hand && sweep->pass != PASS_DONT_NEED))
        return way;
    page->dont_need = 0;
    if (!desperate)
        return STAYS;
    page->referenced = 0;
    return way;
}

/*
 * The page goes, if it may, and with it neighbours in the VMO, first those before it in its cluster: one write, and one interruption of
 * other harts, for all.  The family lock is held.
 */
static void evict_from(struct vmo *vmo, struct page *page, struct sweep *sweep)
{
    uint64_t index = page->index - vmo->base, end = index + 1, wanted = min_u64(sweep->wanted - sweep->went, BATCH), went;
    enum way_out way = way_out(vmo, index, sweep, true);

    if (way == STAYS)
        return;
    while (index % SWAP_CLUSTER > 0 && end - index < wanted && way_out(vmo, index - 1, sweep, false) == way)
        index--;
    while (end - index < wanted && way_out(vmo, end, sweep, false) == way)
        end++;
    went = way == GOES ? vmo_evict(vmo, index, end - index) : vmo_putpages(vmo, index, end - index);
    sweep->went += went;
    sweep->asked |= way == IS_WRITTEN && vmo->ops;
    if (went == 0 && !vmo->ops) {
        sweep->no_room = !swap_has_room();
        sweep->enough = !sweep->no_room;
    }
}

/* Unless it is ending. */
static bool ref_family(void *family) { return count_unless_zero(&((struct vmo_family *)family)->references); }

/* Can the frame be of use to the sweep?  A guess, without a lock. */
static bool is_worth_a_look(const struct page *page, const struct sweep *sweep)
{
    uint8_t kind = frame_kind(page);

    return kind == FRAME_PAGER || kind == FRAME_DEVICE ||
           (kind == FRAME_ANON && (page->block || (!sweep->no_room && sweep->pass >= PASS_CLOCK)));
}

/* By the time that the lock is had the frame may be another's. */
static void look_at(struct page *page, struct sweep *sweep)
{
    struct vmo_family *family = is_worth_a_look(page, sweep) ? frame_ref_owner(page, ref_family) : NULL;

    if (!family)
        return;
    spin_lock(&family->lock);
    list_for_each(&family->members, node) {
        if (holds(list_entry(node, struct vmo, family_link), page)) {
            evict_from(list_entry(node, struct vmo, family_link), page, sweep);
            break;
        }
    }
    spin_unlock(&family->lock);
    vmo_family_unref(family);
}

/* Once round, or until enough pages went. */
static void sweep_round(struct sweep *sweep, enum pass pass)
{
    sweep->pass = pass;
    for (uint64_t i = 0; i < frame_total && sweep->went < sweep->wanted && !sweep->enough; i++) {
        uint64_t at = atomic_fetch_add(&hand, 1);

        sweep->spared = 2 + at / frame_total % 2;
        look_at(frame_by_number(at % frame_total), sweep);
        if (i % PREEMPT_EVERY == 0)
            sched_preempt_point();
    }
}

/* Is so much of memory clean that nothing should be written? */
static bool much_is_clean(void)
{
    return frames_of_kind[FRAME_PAGER] + frames_of_kind[FRAME_DEVICE] + swap_clean - swap_leaving > frame_total / CLEAN_SHARE;
}

/* The second round finds what the first one spared. */
static void run(struct sweep *sweep, bool desperate)
{
    sweep->no_room = !swap_has_room();
    if (atomic_exchange(&hinted, false)) {
        sweep_round(sweep, PASS_DONT_NEED);
        if (sweep->went == sweep->wanted)
            atomic_store(&hinted, true);
    }
    sweep_round(sweep, much_is_clean() ? PASS_CLEAN : PASS_CLOCK);
    sweep_round(sweep, PASS_CLOCK);
    if (sweep->went == 0 && desperate && !sweep->enough && !swap_in_flight())
        sweep_round(sweep, PASS_DESPERATE);
}

uint64_t reclaim(uint64_t wanted)
{
    struct sweep sweep = { .wanted = wanted };

    run(&sweep, false);
    return sweep.went;
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

/* Those who wait for frames look again: there are some, or there will be none. */
static void tell(uint64_t *what)
{
    spin_lock(&room_lock);
    ++*what;
    wait_queue_wake_all(&without_frames);
    spin_unlock(&room_lock);
}

static void wake_keeper(void)
{
    if (keeper && !atomic_exchange(&keeper_awake, true))
        thread_unpark(keeper);
}

void reclaim_made_room(void)
{
    tell(&gains);
    wake_keeper();
}

bool reclaim_for_retry(void)
{
    status_t status = OK;

    if (!this_hart()->frames_ran_out || !keeper)
        return false;
    spin_lock(&room_lock);
    uint64_t gained = gains, failed = failures;

    atomic_store(&keeper_awake, true);
    thread_unpark(keeper);              /* also if it rests after a failure */
    while (status == OK && gains == gained && failures == failed)
        status = wait_queue_sleep(&without_frames, &room_lock, DEADLINE_INFINITE, WAIT_KILLABLE);
    bool retry = gains != gained;

    spin_unlock(&room_lock);
    return retry;
}

/* The reserve is for the kernel's own needs, half of it also for pagers. */
bool frame_shortage(uint8_t kind)
{
    struct thread *thread = current_thread();
    uint64_t floor = RESERVE;

    wake_keeper();
    if (kind != FRAME_ANON && kind != FRAME_DEVICE)
        return true;
    if (thread && thread->process && process_serves(thread->process))
        floor /= 2;
    return frame_free_count() > floor;
}

/* Whether frames can be had is found out here, for all: one hand, one sweep at a time. */
static void keep(void *unused)
{
    uint32_t tries = 0;                 /* sweeps in vain since pagers were asked */
    bool low = false;                   /* frames are to be had until there are frame_high */

    (void)unused;
    keeper = current_thread();
    for (;;) {
        uint64_t there = frame_free_count(), coming = there + swap_leaving;
        bool urgent = there <= RESERVE;
        struct sweep sweep = { .wanted = 0 };

        low = there < (low ? frame_high : frame_low);
        if (low && coming < frame_high)
            sweep.wanted = (frame_high - coming) | (SWAP_CLUSTER - 1);
        atomic_store(&keeper_awake, false);
        if (!urgent)
            tell(&gains);
        if (sweep.wanted > 0)
            run(&sweep, urgent);
        if (sweep.went > 0) {
            tries = 0;
        } else if (sweep.wanted == 0 || sweep.enough || swap_in_flight()) {
            while (!atomic_load(&keeper_awake))
                thread_park();
        } else {
            if (urgent && (!sweep.asked || ++tries > PAGER_TRIES))
                tell(&failures);
            thread_park_until(arch_time() + BACK_OFF);
        }
    }
}

void reclaim_init(void)
{
    frame_low = max_u64(min_u64(frame_total / 64, 1024), 64);
    frame_high = frame_low * 3 / 2;
    if (thread_start_kernel("page-out", keep, NULL) != OK)
        panic("no memory for the page-out thread");
}
