/*
 * drive_clock.c: which pages page-out takes, and in which order.
 *
 * Pages of anonymous VMOs, their snapshots, a device VMO and a clone of it are used, named by DONT_NEED and ALWAYS_NEED, written to,
 * lent and paged out.  Before the hand goes round the driver looks at each frame, afterwards at which of them went, and checks what
 * the clock promises: nothing goes that is busy, dirty or needed; what was used since the hand last came by, by whichever holder,
 * goes after all that was not; what DONT_NEED named goes first; while much is clean nothing is written that could be spared.
 */
#include "host.h"
#include "mm/frame.h"
#include "vm/aspace.h"
#include "vm/reclaim.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

#define VMOS    6u
#define PAGES   48u
#define FRAMES  240u                    /* for all of them */

struct sight {                          /* of a frame before the hand came */
    bool evictable;                     /* by its state: clean, not busy */
    bool used, needed, not_needed;
    bool clean;                         /* need not be written */
    uint64_t index;
};

static struct { struct vmo *vmo; uint64_t mapped; } shown[VMOS];     /* 0: the device's; 1: its clone; else anonymous */
static struct backing_store *store;
static struct sight sights[PLENTY];
static bool sure[PLENTY];               /* page-out knows that DONT_NEED named it */
static bool asked;                      /* the device was asked to clean a page */
static struct vmo_transfer lent;
static bool lending;
/* Where the hand begins anew a page may lose its second chance: how often one went before another that was not used. */
static uint64_t sweeps, early;

static struct aspace *aspace(void)      { return director_process()->aspace; }

static uint64_t number_of(const struct page *page)
{
    const char *first = (const char *)frame_by_number(0);

    return (uint64_t)((const char *)page - first) / (uint64_t)((const char *)frame_by_number(1) - first);
}

/* --- A device whose pages are there, or not. --- */

static status_t device_getpages(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required, struct page_request *request)
{
    struct page *page = frame_alloc_zeroed(FRAME_DEVICE);

    (void)count, (void)required, (void)request;
    return vmo_put_page(vmo, first, page);
}

static uint64_t device_putpages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    for (; count > 0; first++, count--)
        check_equal(slot_page(page_list_get(&vmo->pages, first))->state, PAGE_DIRTY);
    asked = true;
    return 0;
}

static const struct pager_ops device_ops = { .getpages = device_getpages, .putpages = device_putpages };

static void write_back(void)
{
    struct vmo *vmo = shown[0].vmo;
    uint64_t index = choose(PAGES);
    struct page *page = slot_page(page_list_get(&vmo->pages, index));

    if (!page || page->state != PAGE_DIRTY || page->busy)
        return;
    vmo_lock(vmo);
    vmo_clean_start(vmo, page);
    vmo_transfer_done(vmo, index, 1, one_in(4) ? ERR_IO : OK);
    vmo_unlock(vmo);
}

/* --- Using pages. --- */

static void show(uint32_t i, struct vmo *vmo)
{
    shown[i].vmo = vmo;
    check_equal(aspace_map(aspace(), VM_READ | VM_WRITE, VM_READ | VM_WRITE, 0, vmo, 0, PAGES << PAGE_SHIFT, &shown[i].mapped), OK);
}

static void hide(uint32_t i)
{
    check_equal(aspace_unmap(aspace(), shown[i].mapped, PAGES << PAGE_SHIFT), OK);
    object_unref(&shown[i].vmo->object);
    shown[i].vmo = NULL;
}

/* A run of pages, or each second of them, so that used and unused ones are neighbours. */
static void use_pages(void)
{
    uint32_t i = (uint32_t)choose(VMOS);
    uint64_t first = choose(PAGES), count = choose_between(1, one_in(3) ? PAGES : 6), stride = choose_between(1, 3), done;
    bool mapped = one_in(2), write = one_in(3);
    uint8_t byte = 1;

    if (!shown[i].vmo || lending)
        return;
    step("%s %lu pages from %lu of vmo %u, stride %lu", write ? "write to" : "read", count, first, i, stride);
    for (uint64_t page = first; page < min_u64(first + count, PAGES); page += stride) {
        status_t status = mapped ? user_access(shown[i].mapped + (page << PAGE_SHIFT), write, &byte)
                                 : vmo_copy(shown[i].vmo, page << PAGE_SHIFT, WINDOW_BASE, 1,
                                            write ? VMO_FROM_USER : VMO_TO_USER, true, &done);
        check(status == OK || status == ERR_NO_MEMORY);
    }
}

static void change_vmo(void)
{
    uint32_t i = (uint32_t)choose_between(2, VMOS - 1), from = (uint32_t)choose_between(1, VMOS - 1);
    struct vmo *vmo;

    if (shown[i].vmo && !lending && one_in(2)) {
        step("close vmo %u", i);
        hide(i);
    } else if (!shown[i].vmo && shown[from].vmo && !lending && one_in(2)) {
        step("vmo %u is a snapshot of vmo %u", i, from);
        check_equal(vmo_create_child(shown[from].vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, PAGES << PAGE_SHIFT, &vmo), OK);
        show(i, vmo);
    } else if (!shown[i].vmo) {
        check_equal(vmo_create(PAGES << PAGE_SHIFT, false, &vmo), OK);
        show(i, vmo);
    }
}

static void hint(void)
{
    uint64_t first = choose(PAGES), count = choose_between(1, 12);
    bool needed = one_in(3);

    count = min_u64(count, PAGES - first);
    step("%lu pages from %lu of the device's are %s", count, first, needed ? "needed" : "not needed");
    check_equal(reclaim_hint(shown[choose(2)].vmo, first << PAGE_SHIFT, count << PAGE_SHIFT, needed), OK);
    for (uint64_t i = 0; i < frame_total; i++)
        sure[i] |= frame_by_number(i)->kind == FRAME_DEVICE && frame_by_number(i)->dont_need;
}

static void lend(void)
{
    uint32_t i = (uint32_t)choose(VMOS);

    if (lending) {
        end_transfer(&lent, OK);
        lending = false;
    } else if (shown[i].vmo) {
        lending = vmo_transfer_begin(shown[i].vmo, choose(PAGES - 4) << PAGE_SHIFT, choose_between(1, 4) << PAGE_SHIFT, false,
                                     &lent) == OK;
        step("%s pages of vmo %u", lending ? "lend" : "no", i);
    }
}

/* --- The hand. --- */

static bool is_shown(const struct page *page)
{
    return page->kind == FRAME_ANON || page->kind == FRAME_DEVICE;
}

static void look(void)
{
    struct mapping mapping;

    for (uint64_t i = 0; i < frame_total; i++) {
        struct page *page = frame_by_number(i);
        bool live = is_shown(page);

        sights[i] = (struct sight){
            .evictable = live && page->state == PAGE_CLEAN && !page->busy, .used = page->referenced == 1,
            .needed = page->always_need, .not_needed = sure[i] && page->dont_need,
            .clean = live && (page->kind == FRAME_DEVICE || page->block), .index = live ? page->index : 0,
        };
    }
    for (uint64_t i = 0; mmu_mapping(aspace_mmu(aspace()), i, &mapping); i++)
        if (mapping.accessed && phys_to_page(mapping.frame))
            sights[number_of(phys_to_page(mapping.frame))].used = true;
}

/* Since look(). */
static bool went(uint64_t number)
{
    const struct page *page = frame_by_number(number);

    return sights[number].evictable && (page->kind == FRAME_FREE || page->state == PAGE_AWAITING_CLEAN);
}

static uint64_t count_gone(void)
{
    uint64_t gone = 0;

    for (uint64_t i = 0; i < frame_total; i++) {
        if (is_shown(frame_by_number(i)) || sights[i].evictable)
            gone += went(i);
        if (went(i))
            sure[i] = false;
    }
    return gone;
}

/* How many clean ones there are for sure when the order is chosen: is that much? */
static bool much_stays_clean(void)
{
    uint64_t clean = 0;

    for (uint64_t i = 0; i < frame_total; i++)
        clean += sights[i].clean && !sights[i].not_needed && frame_by_number(i)->kind != FRAME_KERNEL;
    return clean > frame_total / 8 + PAGES;
}

static bool little_is_clean(void)
{
    uint64_t clean = 0;

    for (uint64_t i = 0; i < frame_total; i++)
        clean += sights[i].clean;
    return clean + swap_leaving <= frame_total / 8;
}

/* Page-out has half of them; what ends does so later. */
static bool transfers_left(void)
{
    uint32_t used = 0;

    for (uint32_t i = SWAP_TRANSFERS / 2; i < SWAP_TRANSFERS; i++)
        used += swap_transfers[i].used;
    return used < SWAP_TRANSFERS / 2;
}

/* A page went: who had to go before it?  While backing store takes more, that is. */
static void check_order(uint64_t number, uint64_t other, bool much, bool little)
{
    const struct sight *gone = &sights[number], *stays = &sights[other];
    bool first = stays->not_needed && !stays->used;

    if (!stays->evictable || stays->needed || stays->used || went(other))
        return;
    if (first && !(gone->not_needed && !gone->used))
        fail("frame %lu (page %lu) went, but frame %lu (page %lu), which DONT_NEED named, stays", number, gone->index, other,
             stays->index);
    if (gone->used && (stays->clean || little) && transfers_left() && swap_has_room() && ++early > 20 + sweeps / 200)
        fail("frame %lu (page %lu), which was used, went, but frame %lu (page %lu), which was not, stays", number, gone->index,
             other, stays->index);
    if (much && !gone->clean && stays->clean)
        fail("frame %lu (page %lu) was written, but frame %lu (page %lu), which is clean, stays", number, gone->index, other,
             stays->index);
}

static void sweep(void)
{
    uint64_t wanted = choose_between(1, one_in(4) ? 300 : 24);

    look();
    bool much = much_stays_clean(), little = little_is_clean();
    uint64_t answer = reclaim(wanted), gone = count_gone();

    step("%lu pages wanted: %lu", wanted, answer);
    sweeps++;
    check_equal(answer, gone);
    check(gone <= wanted);
    for (uint64_t i = 0; i < frame_total; i++) {
        check(!went(i) || !sights[i].needed);
        for (uint64_t j = 0; went(i) && j < frame_total; j++)
            check_order(i, j, much, little);
        if (gone < wanted && transfers_left() && swap_has_room() && sights[i].evictable && !sights[i].needed && !sights[i].used)
            check(went(i));
    }
    for (uint64_t i = 0; i < frame_total && gone < wanted; i++)
        sure[i] = false;                /* those that stay are dirty or busy, and are forgotten */
}

/* The page-out thread, when hardly any frame is left: what is needed goes when nothing else is there that could. */
static void run_out(void)
{
    uint64_t needed_gone = 0, others_stay = 0;

    look();
    frame_low = 4 * frame_free_count() + 8;
    step("memory is short");
    reclaim_made_room();
    do
        run_all();
    while (disk_answer());
    frame_low = 0;
    for (uint64_t i = 0; i < frame_total; i++) {
        check(!went(i) || sights[i].evictable);
        needed_gone += went(i) && sights[i].needed;
        others_stay += sights[i].evictable && !sights[i].needed && !went(i) && (sights[i].clean || swap_has_room());
        sure[i] &= !went(i) && frame_by_number(i)->dont_need;
    }
    if (needed_gone > 0 && others_stay > 0)
        fail("%lu pages that ALWAYS_NEED named went, but %lu others stay", needed_gone, others_stay);
    memset(sure, 0, sizeof sure);
}

/* Who was used on his way out stays. */
static bool answer_one(void)
{
    static bool stays[PLENTY];

    for (uint64_t i = 0; i < frame_total; i++) {
        const struct page *page = frame_by_number(i);

        stays[i] = is_shown(page) && page->state == PAGE_AWAITING_CLEAN && page->referenced;
    }
    bool answered = disk_answer();

    for (uint64_t i = 0; i < frame_total; i++)
        check(!stays[i] || frame_by_number(i)->kind == FRAME_ANON);
    return answered;
}

/* --- The driver. --- */

static void clock_step(void)
{
    switch (choose(10)) {
    case 0:
        change_vmo();
        break;
    case 1:
        hint();
        break;
    case 2:
        one_in(2) ? lend() : write_back();
        break;
    case 3:
    case 4:
        sweep();
        break;
    case 5:
        while (answer_one())
            ;
        break;
    case 6:
        if (one_in(30))
            run_out();
        break;
    default:
        use_pages();
    }
}

void drive_clock(uint32_t steps)
{
    struct vmo *vmo;

    disks_start();
    disk_store(1, (uint32_t)choose_between(60, 250), 1u << choose(4), &store);
    memory_size(frames_live() + FRAMES);
    memset(sure, 0, sizeof sure);
    sweeps = early = 0;
    check_equal(vmo_create_with_source(VMO_DEVICE, PAGES << PAGE_SHIFT, false, &device_ops, NULL, &vmo), OK);
    show(0, vmo);
    check_equal(vmo_create_child(vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, PAGES << PAGE_SHIFT, &vmo), OK);
    show(1, vmo);
    while (steps-- > 0 && choices_left()) {
        clock_step();
        check_mappings(aspace());
    }
    if (lending)
        lend();
    for (uint32_t i = VMOS; i-- > 0;)
        if (shown[i].vmo)
            hide(i);
    do
        run_all();
    while (disk_answer());
    check_equal(swap_clean, 0);
    check_equal(backing_store_delete(store), OK);
    object_unref(&store->object);
    disks_end();
    frame_low = 0;
    memory_size(PLENTY);
}
