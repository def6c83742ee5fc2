/*
 * vmo.c: what a VMO holds, and the one way to a page of it.
 *
 * vmo_get_page answers from the page list; where the list is empty it makes a zero page (anonymous memory), looks into the root
 * (clones), or asks the source.  A page that others hold too is copied for who writes to it.  It never sleeps: ERR_SHOULD_WAIT
 * means that the caller's request is armed, and the caller drops its locks, waits, and looks again from the top.
 *
 * Page states of pager-backed and device VMOs:
 *
 *   (empty) -- vmo_insert_busy --> FILLING -- vmo_transfer_done(OK) --> CLEAN, (error) --> (empty)
 *   (empty) -- supply --> CLEAN -- written --> DIRTY -- vmo_clean_start --> AWAITING_CLEAN
 *   AWAITING_CLEAN -- vmo_transfer_done(OK) --> CLEAN, (error) --> DIRTY; written meanwhile --> DIRTY
 *
 * A device's pages are cleaned by the kernel, a user's pager does it with vmo_writeback_begin and _end (vmo_dirty.c).
 *
 * Invariant: a page is mapped writable only while it is DIRTY, or anonymous and held by one slot.  A page
 * that is busy for a VMO stays in that VMO's slot, also when others hold it too.
 * Locks: family->lock for everything that is not immutable.
 */
#include "vm/vmo.h"

#include "mm/heap.h"
#include "vm/dirty_budget.h"
#include "vm/backing_store.h"
#include "vm/page_request.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

/* --- Making and ending VMOs. --- */

struct vmo *vmo_alloc(enum vmo_kind kind, uint64_t size, bool resizable, struct vmo_family *family)
{
    struct vmo *vmo = heap_alloc_zeroed(sizeof *vmo);

    if (!vmo)
        return NULL;
    object_init(&vmo->object, &vmo_ops, SIGNAL_ZERO_CHILDREN);
    vmo->kind = kind;
    vmo->resizable = resizable;
    vmo->family = family;
    vmo->size = page_ceil(size);
    vmo->content_size = size;
    page_list_init(&vmo->pages);
    list_init(&vmo->regions);
    list_init(&vmo->requests);
    return vmo;
}

status_t vmo_create_with_source(enum vmo_kind kind, uint64_t size, bool resizable,
                                const struct pager_ops *ops, void *source, struct vmo **out_vmo)
{
    struct vmo_family *family;
    struct vmo *vmo;

    if (size > VMO_SIZE_MAX)
        return ERR_OUT_OF_RANGE;
    family = heap_alloc(sizeof *family);
    vmo = family ? vmo_alloc(kind, size, resizable, family) : NULL;
    if (!vmo) {
        heap_free(family);
        return ERR_NO_MEMORY;
    }
    spin_init(&family->lock, RANK_FAMILY);
    atomic_init(&family->references, 1);
    family->busy = family->leaving = 0;
    list_init(&family->members);
    list_push_back(&family->members, &vmo->family_link);
    vmo->ops = ops;
    vmo->source = source;
    vmo->source_pages = ops ? vmo->size >> PAGE_SHIFT : 0;
    *out_vmo = vmo;
    return OK;
}

status_t vmo_create(uint64_t size, bool resizable, struct vmo **out_vmo)
{
    return vmo_create_with_source(VMO_ANONYMOUS, size, resizable, NULL, NULL, out_vmo);
}

status_t vmo_create_adopting(paddr_t base, uint64_t size, struct vmo **out_vmo)
{
    status_t status = vmo_create(size, false, out_vmo);

    if (status != OK)
        return status;
    vmo_lock(*out_vmo);
    for (uint64_t i = 0; i < (*out_vmo)->size >> PAGE_SHIFT && status == OK; i++)
        status = vmo_put_page(*out_vmo, i, phys_to_page(base + (i << PAGE_SHIFT)));
    vmo_unlock(*out_vmo);
    if (status != OK)
        object_unref(&(*out_vmo)->object);
    return status;
}

void vmo_family_unref(struct vmo_family *family)
{
    if (atomic_fetch_sub(&family->references, 1) == 1) {
        frame_wait_for_readers();
        heap_free(family);
    }
}

/* It leaves the family: nobody's child, and its children are nobody's.  Family lock held. */
static void leave_family(struct vmo *vmo)
{
    struct vmo *parent = vmo->counted_by;

    if (parent && --parent->children == 0)
        object_signal(&parent->object, 0, SIGNAL_ZERO_CHILDREN);
    if (!list_linked(&vmo->family_link))
        return;                         /* a reference or slice */
    list_remove(&vmo->family_link);
    list_for_each(&vmo->family->members, node) {
        struct vmo *member = list_entry(node, struct vmo, family_link);

        if (member->counted_by == vmo)
            member->counted_by = NULL;
    }
}

/* Nobody can reach the VMO any more; may run in a disk's completion. */
static void vmo_destroy(struct object *object)
{
    struct vmo *vmo = vmo_from_object(object);
    struct vmo_family *family = vmo->family;

    assert(list_empty(&vmo->regions) && list_empty(&vmo->requests));
    vmo_lock(vmo);
    leave_family(vmo);
    vmo_drop_slots(vmo, 0, UINT64_MAX, DROP_ALL);
    vmo_unlock(vmo);
    if (vmo->ops && vmo->ops->detach)
        vmo->ops->detach(vmo);
    if (vmo->parent)
        object_unref(&vmo->parent->object);
    if (vmo->kind < VMO_REFERENCE)
        vmo_family_unref(family);
    heap_free(vmo);
}

const struct object_ops vmo_ops = {
    .type = OBJECT_VMO,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE | RIGHT_MAP,
    .name_offset = offsetof(struct vmo, name), .destroy = vmo_destroy,
};

/* --- Slots. --- */

status_t vmo_put_page(struct vmo *vmo, uint64_t index, struct page *page)
{
    assert(vmo_locked(vmo));
    if (!page || page_list_set(&vmo->pages, index, slot_of_page(page)) != OK) {
        if (page)
            frame_free(page);
        return ERR_NO_MEMORY;
    }
    page_give(page, vmo, index);
    frame_set_kind(page, vmo_frame_kind(vmo));
    vmo->resident++;
    return OK;
}

void vmo_count_dirty(struct vmo *vmo, int64_t pages)
{
    vmo->dirty += pages;
    if (vmo->budget)
        dirty_budget_count(vmo->budget, pages);
}

/* One holder less.  Inline: a fork and its end do this for each page. */
static INLINE void drop_page(struct vmo *vmo, struct page *page)
{
    vmo->resident--;
    if (vmo->ops && page->state != PAGE_CLEAN)
        vmo_count_dirty(vmo, -1);
    if (--page->shares == 0 && (!page->block || swap_forget_last(page)))
        frame_free(page);
}

/* The slot is not empty. */
static INLINE void drop_slot(struct vmo *vmo, slot_t slot)
{
    if (slot_kind(slot) == SLOT_PAGE) {
        drop_page(vmo, slot_page(slot));
    } else if (slot_kind(slot) == SLOT_BLOCK) {
        vmo->swapped--;
        swap_release(slot_block(slot), true);
    }
}

/* Does DROP_CLEAN leave what is in this slot? */
static bool is_clean(slot_t slot)
{
    struct page *page = slot_page(slot);

    return page ? page->state == PAGE_CLEAN && page->busy == 0 : slot_zero_state(slot) == ZERO_CLEAN;
}

/* How many slots of a run were emptied. */
static uint64_t drop_run(struct vmo *vmo, const struct page_list_run *run, enum drop how)
{
    uint64_t dropped = 0, left = run->node->used;

    for (uint64_t i = 0; i < run->count && left > 0; i++) {
        slot_t slot = run->slots[i];

        if (slot == SLOT_EMPTY)
            continue;
        left--;
        if (how == DROP_CLEAN && !is_clean(slot))
            continue;
        run->slots[i] = SLOT_EMPTY;
        dropped++;
        drop_slot(vmo, slot);
    }
    return dropped;
}

void vmo_drop_slots(struct vmo *vmo, uint64_t first, uint64_t end, enum drop how)
{
    assert(vmo_locked(vmo));
    for (struct page_list_run run; first < end; first += run.count) {
        run = page_list_find_run(&vmo->pages, first, end);
        if (run.slots)
            page_list_changed(&vmo->pages, &run, first, -(int64_t)drop_run(vmo, &run, how));
        else if (run.fill != SLOT_EMPTY && (how == DROP_ALL || is_clean(run.fill)))
            page_list_fill(&vmo->pages, first, first + run.count, SLOT_EMPTY);
    }
}

uint64_t vmo_evict(struct vmo *vmo, uint64_t first, uint64_t count)
{
    if (!vmo->ops)
        return swap_drop(vmo, first, count);
    vmo_unmap_pages(vmo, first, count);
    vmo_drop_slots(vmo, first, first + count, DROP_CLEAN);
    vmo->change_events += count;
    return count;
}

status_t vmo_put_zeros(struct vmo *vmo, uint64_t first, uint64_t end, enum zero_state state)
{
    status_t status = OK;

    for (uint64_t count; first < end && status == OK; first += count) {
        slot_t slot = vmo_slot(vmo, first, end, &count);

        if (slot_kind(slot) == SLOT_ZERO)
            continue;
        if (count > 1)
            status = page_list_fill(&vmo->pages, first, first + count, slot_zero(state));
        else
            status = page_list_set(&vmo->pages, first, slot_zero(state));
        drop_slot(vmo, slot);
    }
    return status;
}

bool vmo_find_busy(struct vmo *vmo, uint64_t first, uint64_t end, uint64_t *out_index)
{
    struct page *page = NULL;

    for (*out_index = first; vmo->family->busy > vmo->family->leaving; ++*out_index) {
        page = page_list_next(&vmo->pages, out_index, end);
        if (!page || page->busy)
            break;
    }
    return page != NULL;
}

/* --- Looking a page up. --- */

/* A device is using the page: wait for its content, or for the end of the transfer. */
static status_t wait_for_device(struct vmo *vmo, uint64_t index, enum request_kind kind, struct page_request *request)
{
    if (request)
        page_request_arm(request, vmo, kind, index, 1);
    return ERR_SHOULD_WAIT;
}

/* A page of its own for a slot that holds none, or one that others hold too: zeros, or the bytes of `from`. */
static status_t make_page(struct vmo *vmo, uint64_t index, const struct page *from, const struct page_request *request,
                          struct page **out_page)
{
    struct page *page = frame_alloc(FRAME_ANON);

    if (!page)
        return ERR_NO_MEMORY;
    if (from)
        arch_copy_page(page_to_virt(page), page_to_virt(from));
    else
        arch_zero_page(page_to_virt(page));
    if (page_list_set(&vmo->pages, index, slot_of_page(page)) != OK) {
        frame_free(page);
        return ERR_NO_MEMORY;
    }
    /* What mappings show here is right no more.  A fault enters the page itself: then only others matter. */
    if ((vmo->others_mapped || from) && (vmo->ops || vmo->mappings > (request && request->of_fault)))
        vmo_unmap_pages(vmo, index, 1);
    page_init(page, vmo, index);
    if (vmo->ops)
        frame_set_kind(page, vmo_frame_kind(vmo));
    else if (!from)
        this_hart()->zero_fills++;
    vmo->resident++;
    *out_page = page;
    return OK;
}

/* The page is written to and others hold it too: a copy takes its place, here and in the mappings. */
static status_t unshare(struct vmo *vmo, uint64_t index, struct page_request *request, struct page **page)
{
    struct page *shared = *page;
    status_t status;

    if (shared->busy)
        return wait_for_device(vmo, index, REQUEST_UNBUSY, request);
    status = make_page(vmo, index, shared, request, page);
    if (status == OK)
        drop_page(vmo, shared);
    return status;
}

void vmo_mark_dirty(struct vmo *vmo, struct page *page)
{
    if (page->state == PAGE_CLEAN)
        vmo_count_dirty(vmo, 1);
    page->state = PAGE_DIRTY;
}

status_t vmo_make_zero_page(struct vmo *vmo, uint64_t index, struct page **out_page)
{
    bool dirty = slot_zero_state(page_list_get(&vmo->pages, index)) != ZERO_CLEAN;
    status_t status = make_page(vmo, index, NULL, NULL, out_page);

    if (status == OK && dirty)
        vmo_mark_dirty(vmo, *out_page);
    return status;
}

/*
 * A slot that is not dirty is written to, or zeros that are become a page: that may use up the pager's budget, and the pager may
 * want to be asked, for it and what follows of the kind, up to a gap.  OK: nothing stands in the way.
 */
static status_t ask_to_dirty(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run, slot_t slot,
                             struct page_request *request)
{
    struct page *page = slot_page(slot);
    uint64_t count = 1;
    status_t status = OK;

    if ((page && (page->state == PAGE_DIRTY || want == WANT_COMMIT)) ||
        (want == WANT_COMMIT && slot_zero_state(slot) == ZERO_CLEAN))
        return OK;
    if (vmo->budget && !(page && page->state == PAGE_AWAITING_CLEAN))
        status = vmo->ops->throttle(vmo, request);
    if (status != OK || !vmo->trap_dirty)
        return status;
    for (; count < run && index + count < vmo->size >> PAGE_SHIFT; count++) {
        slot = page_list_get(&vmo->pages, index + count);
        page = slot_page(slot);
        if (slot == SLOT_EMPTY || (page && page->state == PAGE_DIRTY))
            break;
    }
    return vmo->ops->dirty(vmo, index, count, request);
}

/* A clone holds nothing here: it shows what its root has, or gets a copy of it. */
static status_t get_from_root(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run,
                              struct page_request *request, struct page **out_page)
{
    struct vmo *root = vmo->parent;
    status_t status = vmo_get_page(root, vmo->base + index, WANT_READ, run, request, out_page);

    if (status != OK)
        return status;
    if (want != WANT_READ)
        return make_page(vmo, index, *out_page, request, out_page);
    if (!*out_page)
        root->others_mapped = true;
    return OK;
}

/* Nothing in the slot: zero, or the root's or the source's to give.  OK with *out_page NULL: zero; ERR_RETRY: look again. */
static status_t get_absent(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run,
                           struct page_request *request, struct page **out_page)
{
    status_t status;

    if (index >= vmo->source_pages) {
        *out_page = NULL;
        return want != WANT_READ ? make_page(vmo, index, NULL, request, out_page) : OK;
    }
    run = min_u64(run, vmo->source_pages - index);
    if (run > 1)
        run = page_list_gap(&vmo->pages, index, run);
    if (!vmo->ops)
        return get_from_root(vmo, index, want, run, request, out_page);
    status = vmo->ops->getpages(vmo, index, run, index, request);
    return status == OK ? ERR_RETRY : status;
}

/* [fault 4/8] What does the VMO hold at this index? */
status_t vmo_find_page(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run,
                       struct page_request *request, struct page **out_page)
{
    status_t status = OK;
    struct page *page;
    slot_t slot;

    assert(vmo_locked(vmo));
    if (index >= vmo->size >> PAGE_SHIFT)
        return ERR_OUT_OF_RANGE;
    slot = page_list_get(&vmo->pages, index);
    page = slot_page(slot);
    if (slot == SLOT_EMPTY)
        status = get_absent(vmo, index, want, run, request, &page);
    else if (page && page->state == PAGE_FILLING)
        status = wait_for_device(vmo, index, REQUEST_READ, request);
    else if (slot_kind(slot) == SLOT_BLOCK)
        status = swap_in(vmo, index, request);
    else if (want != WANT_READ && vmo->ops)
        status = ask_to_dirty(vmo, index, want, run, slot, request);
    if (status == OK && slot != SLOT_EMPTY && want != WANT_READ) {
        if (!page)
            status = vmo->ops ? vmo_make_zero_page(vmo, index, &page) : make_page(vmo, index, NULL, request, &page);
        else if (page->shares > 1)
            status = unshare(vmo, index, request, &page);
        else if (page->block)
            swap_forget(page);
    }
    if (status == ERR_RETRY)
        return vmo_find_page(vmo, index, want, run, request, out_page);
    if (status != OK)
        return status;
    if (page) {
        page->referenced = 1;
        if (want == WANT_WRITE && vmo->ops)
            vmo_mark_dirty(vmo, page);
    }
    *out_page = page;
    return OK;
}
