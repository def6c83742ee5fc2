/*
 * vmo.c: what a VMO holds, and the one way to a page of it.
 *
 * vmo_get_page answers from the page list; where the list is empty it makes a zero page (anonymous memory) or
 * asks the source.  It never sleeps: ERR_SHOULD_WAIT means that the caller's request is armed, and the caller
 * drops its locks, waits, and looks again from the top.
 *
 * Page states of pager-backed and device VMOs, changed here only:
 *
 *   (empty) -- vmo_insert_busy --> FILLING -- vmo_fill_done(OK) --> CLEAN, (error) --> (empty)
 *   (empty) -- supply --> CLEAN -- written --> DIRTY -- vmo_clean_start --> AWAITING_CLEAN
 *   AWAITING_CLEAN -- vmo_clean_done(OK) --> CLEAN, (error) --> DIRTY; written meanwhile --> DIRTY
 *
 * Invariant: a page is mapped writable only while it is DIRTY, or anonymous and held by one slot.
 * Locks: family->lock for everything that is not immutable.
 */
#include "vm/vmo.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

static void vmo_destroy(struct object *object);

const struct object_ops vmo_ops = {
    .type = OBJECT_VMO,
    .name = "vmo",
    .default_rights = RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE |
                      RIGHT_MAP | RIGHT_WAIT | RIGHT_INSPECT,
    .destroy = vmo_destroy,
};

struct vmo *vmo_from_object(struct object *object)
{
    assert(object->ops == &vmo_ops);
    return container_of(object, struct vmo, object);
}

/* --- Making and ending VMOs. --- */

status_t vmo_create_with_source(enum vmo_kind kind, uint64_t size, bool resizable,
                                const struct pager_ops *ops, void *source, struct vmo **out_vmo)
{
    struct vmo_family *family;
    struct vmo *vmo;

    if (size > VMO_SIZE_MAX)
        return ERR_OUT_OF_RANGE;
    family = heap_alloc(sizeof *family);
    vmo = heap_alloc_zeroed(sizeof *vmo);
    if (!family || !vmo) {
        heap_free(family);
        heap_free(vmo);
        return ERR_NO_MEMORY;
    }
    spin_init(&family->lock, RANK_FAMILY);
    atomic_init(&family->references, 1);

    object_init(&vmo->object, &vmo_ops, SIGNAL_ZERO_CHILDREN);
    vmo->kind = kind;
    vmo->resizable = resizable;
    vmo->ops = ops;
    vmo->source = source;
    vmo->family = family;
    vmo->size = page_ceil(size);
    vmo->content_size = size;
    vmo->source_pages = ops ? vmo->size >> PAGE_SHIFT : 0;
    page_list_init(&vmo->pages);
    list_init(&vmo->regions);
    list_init(&vmo->requests);
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
        status = vmo_put_anon(*out_vmo, i, phys_to_page(base + (i << PAGE_SHIFT)));
    vmo_unlock(*out_vmo);
    if (status != OK)
        object_unref(&(*out_vmo)->object);
    return status;
}

status_t vmo_create_reference(struct vmo *parent, struct vmo **out_vmo)
{
    struct vmo *target = vmo_target(parent);
    struct vmo *vmo = heap_alloc_zeroed(sizeof *vmo);

    if (!vmo)
        return ERR_NO_MEMORY;
    object_init(&vmo->object, &vmo_ops, SIGNAL_ZERO_CHILDREN);
    vmo->kind = VMO_REFERENCE;
    vmo->resizable = target->resizable;
    vmo->family = target->family;
    vmo->parent = target;
    object_ref(&target->object);
    vmo_lock(target);
    if (target->children++ == 0)
        object_signal(&target->object, SIGNAL_ZERO_CHILDREN, 0);
    vmo_unlock(target);
    *out_vmo = vmo;
    return OK;
}

static void reference_destroy(struct vmo *vmo)
{
    struct vmo *target = vmo->parent;

    vmo_lock(target);
    if (--target->children == 0)
        object_signal(&target->object, 0, SIGNAL_ZERO_CHILDREN);
    vmo_unlock(target);
    object_unref(&target->object);
    heap_free(vmo);
}

/* Nobody can reach the VMO any more; may run in a disk's completion. */
static void vmo_destroy(struct object *object)
{
    struct vmo *vmo = vmo_from_object(object);
    struct vmo_family *family = vmo->family;
    uint64_t index = 0;
    slot_t slot;

    if (vmo->parent) {
        reference_destroy(vmo);
        return;
    }
    assert(list_empty(&vmo->regions) && list_empty(&vmo->requests) && vmo->children == 0);
    vmo_lock(vmo);
    while (page_list_next(&vmo->pages, index, UINT64_MAX, &index, &slot))
        vmo_drop_slot(vmo, index);
    vmo_unlock(vmo);
    if (vmo->ops && vmo->ops->detach)
        vmo->ops->detach(vmo);
    if (atomic_fetch_sub(&family->references, 1) == 1)
        heap_free(family);
    heap_free(vmo);
}

/* --- Slots. --- */

status_t vmo_put_anon(struct vmo *vmo, uint64_t index, struct page *page)
{
    struct anon *anon = heap_alloc(sizeof *anon);

    assert(vmo_locked(vmo));
    if (!anon)
        return ERR_NO_MEMORY;
    *anon = (struct anon){ .count = 1, .page = page };
    if (page_list_set(&vmo->pages, index, slot_of_anon(anon)) != OK) {
        heap_free(anon);
        return ERR_NO_MEMORY;
    }
    page_give(page, vmo, anon, index, FRAME_ANON);
    vmo->resident++;
    return OK;
}

status_t vmo_put_page(struct vmo *vmo, uint64_t index, struct page *page)
{
    assert(vmo_locked(vmo) && vmo->kind != VMO_ANONYMOUS);
    if (page_list_set(&vmo->pages, index, slot_of_page(page)) != OK)
        return ERR_NO_MEMORY;
    page_give(page, vmo, vmo, index, vmo->kind == VMO_DEVICE ? FRAME_DEVICE : FRAME_PAGER);
    vmo->resident++;
    return OK;
}

struct page *vmo_take_page(struct vmo *vmo, uint64_t index)
{
    slot_t slot = page_list_take(&vmo->pages, index);
    struct page *page = slot_any_page(slot);

    if (!page)
        return NULL;
    assert(page->busy == 0);
    vmo->resident--;
    if (slot_kind(slot) == SLOT_ANON)
        heap_free(slot_anon(slot));
    else if (page->state != PAGE_CLEAN)
        vmo->dirty--;
    return page;
}

void vmo_drop_slot(struct vmo *vmo, uint64_t index)
{
    struct page *page = vmo_take_page(vmo, index);

    if (page)
        frame_free(page);
}

bool vmo_find_busy(struct vmo *vmo, uint64_t first, uint64_t end, uint64_t *out_index)
{
    for (struct page_list_run run; first < end; first += run.count) {
        run = page_list_find_run(&vmo->pages, first, end);
        for (uint64_t i = 0; run.slots && i < run.count; i++) {
            struct page *page = slot_any_page(run.slots[i]);

            if (page && page->busy) {
                *out_index = first + i;
                return true;
            }
        }
    }
    return false;
}

/* --- Looking a page up. --- */

/* The page is on its way from a device: wait for it. */
static status_t wait_for_fill(struct vmo *vmo, uint64_t index, struct page_request *request)
{
    if (request)
        page_request_arm(request, vmo, REQUEST_READ, index, 1);
    return ERR_SHOULD_WAIT;
}

/* A slot known to be zero is written to. */
static status_t make_zero_page(struct vmo *vmo, uint64_t index, struct page **out_page)
{
    struct page *page = frame_alloc_zeroed(FRAME_ANON);
    status_t status;

    if (!page)
        return ERR_NO_MEMORY;
    status = vmo->kind == VMO_ANONYMOUS ? vmo_put_anon(vmo, index, page) : vmo_put_page(vmo, index, page);
    if (status != OK) {
        frame_free(page);
        return status;
    }
    *out_page = page;
    return OK;
}

static void mark_dirty(struct vmo *vmo, struct page *page)
{
    if (page->state == PAGE_CLEAN)
        vmo->dirty++;
    page->state = PAGE_DIRTY;
}

/* Nothing in the slot: zero, or the source's to give.  OK with *out_page NULL: zero; ERR_RETRY: look again. */
static status_t get_absent(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run,
                           struct page_request *request, struct page **out_page)
{
    uint64_t next;
    slot_t slot;
    status_t status;

    if (index >= vmo->source_pages) {
        if (want == WANT_WRITE)
            return make_zero_page(vmo, index, out_page);
        *out_page = NULL;
        return OK;
    }
    run = min_u64(run, vmo->source_pages - index);
    if (run > 1 && page_list_next(&vmo->pages, index, index + run, &next, &slot))
        run = next - index;
    status = vmo->ops->getpages(vmo, index, run, index, request);
    return status == OK ? ERR_RETRY : status;
}

/* [fault 4/8] What does the VMO hold at this index? */
status_t vmo_get_page(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run,
                      struct page_request *request, struct page **out_page)
{
    status_t status = OK;
    struct page *page;
    slot_t slot;

    assert(vmo_locked(vmo));
    if (index >= vmo->size >> PAGE_SHIFT)
        return ERR_OUT_OF_RANGE;
    slot = page_list_get(&vmo->pages, index);
    page = slot_any_page(slot);
    if (!page) {
        if (slot_kind(slot) == SLOT_EMPTY)
            status = get_absent(vmo, index, want, run, request, &page);
        else if (want == WANT_WRITE)
            status = make_zero_page(vmo, index, &page);
        if (status == ERR_RETRY)
            return vmo_get_page(vmo, index, want, run, request, out_page);
        if (status != OK)
            return status;
    } else if (page->state == PAGE_FILLING) {
        return wait_for_fill(vmo, index, request);
    }
    if (page && want == WANT_WRITE && vmo->kind != VMO_ANONYMOUS)
        mark_dirty(vmo, page);
    if (page)
        page->referenced = 1;
    *out_page = page;
    return OK;
}

bool vmo_page_writable(struct vmo *vmo, struct page *page)
{
    return vmo->kind == VMO_ANONYMOUS || page->state == PAGE_DIRTY;
}

/* --- For sources. --- */

status_t vmo_insert_busy(struct vmo *vmo, uint64_t index, struct page *page)
{
    assert(page_list_get(&vmo->pages, index) == SLOT_EMPTY);
    if (vmo_put_page(vmo, index, page) != OK)
        return ERR_NO_MEMORY;
    page->state = PAGE_FILLING;
    page->busy = 1;
    return OK;
}

/* FILLING counts as neither clean nor dirty: make it clean first, so that the books are right either way. */
void vmo_fill_done(struct vmo *vmo, uint64_t first, uint64_t count, status_t status)
{
    assert(vmo_locked(vmo));
    for (uint64_t i = first; i < first + count; i++) {
        struct page *page = slot_any_page(page_list_get(&vmo->pages, i));

        assert(page && page->state == PAGE_FILLING && page->busy == 1);
        page->busy = 0;
        page->state = PAGE_CLEAN;
        if (status != OK)
            vmo_drop_slot(vmo, i);
    }
    vmo_complete_range(vmo, REQUEST_READ, first, count, status);
    vmo_complete_range(vmo, REQUEST_UNBUSY, first, count, OK);
}

void vmo_clean_start(struct vmo *vmo, struct page *page)
{
    assert(vmo_locked(vmo) && page->state == PAGE_DIRTY && page->busy == 0);
    page->state = PAGE_AWAITING_CLEAN;
    page->busy = 1;
    vmo_protect_pages(vmo, page->index, 1);
}

void vmo_clean_done(struct vmo *vmo, uint64_t first, uint64_t count, status_t status)
{
    assert(vmo_locked(vmo));
    for (uint64_t i = first; i < first + count; i++) {
        struct page *page = slot_any_page(page_list_get(&vmo->pages, i));

        assert(page && page->busy > 0);
        page->busy--;
        if (page->state != PAGE_AWAITING_CLEAN)
            continue;
        page->state = status == OK ? PAGE_CLEAN : PAGE_DIRTY;
        if (status == OK)
            vmo->dirty--;
    }
    vmo_complete_range(vmo, REQUEST_UNBUSY, first, count, OK);
}
