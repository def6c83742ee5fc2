/*
 * pager.c: pager objects, and what a user process does with the VMOs it serves.
 *
 * The kernel side of each pager-backed VMO is a struct user_source (user_source.c).  A pager object is little more
 * than an identity: a VMO belongs to the pager that its source names.
 *
 * Locks: the family lock guards pages.
 */
#include "vm/pager.h"

#include "mm/heap.h"
#include "task/process.h"
#include "task/sched.h"
#include "vm/page_request.h"
#include "vm/reclaim.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

status_t pager_create(bool wants_writeback, struct object **out_pager)
{
    struct pager *pager = heap_alloc_zeroed(sizeof *pager);

    if (!pager)
        return ERR_NO_MEMORY;
    object_init(&pager->object, &pager_ops_object, 0);
    object_get_name(&current_process()->object, pager->owner);
    pager->wants_writeback = wants_writeback;
    *out_pager = &pager->object;
    return OK;
}

/* Nobody can answer any more: each VMO's waiters and all later ones get BAD_STATE; pages that are there stay. */
static void pager_unreachable(struct object *object)
{
    user_source_close_all(pager_from_object(object));
}

const struct object_ops pager_ops_object = {
    .type = OBJECT_PAGER,
    .default_rights = RIGHT_TRANSFER | RIGHT_INSPECT | RIGHT_ATTACH_VMO | RIGHT_MANAGE_VMO,
    .unreachable = pager_unreachable,
    .destroy = object_free,
};

status_t pager_create_vmo(struct pager *pager, uint32_t options, struct port *port, uint64_t key, uint64_t size,
                          struct vmo **out_vmo)
{
    struct user_source *source = user_source_create(pager, port, key);
    status_t status;

    if (!source)
        return ERR_NO_MEMORY;
    status = vmo_create_with_source(VMO_PAGER, size, options & VMO_RESIZABLE, &user_source_ops, source, out_vmo);
    if (status != OK) {
        user_source_unref(source);
        return status;
    }
    (*out_vmo)->trap_dirty = options & VMO_TRAP_DIRTY;
    (*out_vmo)->budget = pager->wants_writeback ? &pager->budget : NULL;
    status = user_source_list(source, *out_vmo);
    if (status != OK)
        object_unref(&(*out_vmo)->object);
    return status;
}

/* A second time it finds nothing to do. */
void pager_detach_vmo(struct vmo *vmo)
{
    vmo_lock(vmo);
    user_source_of(vmo)->detached = true;
    vmo_complete_all(vmo);
    vmo_unmap_pages(vmo, 0, vmo->size >> PAGE_SHIFT);
    vmo_drop_slots(vmo, 0, UINT64_MAX, DROP_CLEAN); /* what was supplied and nobody changed */
    vmo_unlock(vmo);
    user_source_send_complete(user_source_of(vmo));
    dirty_budget_count(&user_source_of(vmo)->pager->budget, 0);
}

/* The pages of aux at [first, end) become its own alone.  Family lock of aux held.  NO_MEMORY. */
static __attribute__((noinline)) status_t unshare_range(struct vmo *aux, uint64_t first, uint64_t end)
{
    struct page *page;
    status_t status = OK;

    for (; status == OK && (page = page_list_next(&aux->pages, &first, end)); first++)
        if (page->shares > 1)
            status = vmo_get_page(aux, first, WANT_WRITE, 1, NULL, &page);
    return status;
}

/* Pages on their way from aux into the VMO: what stands in `count` slots, page by page while any are held, else zeros. */
struct piece {
    uint64_t count, held;
    uint64_t done;                      /* slots of the VMO that are settled */
    struct page *pages[PAGE_LIST_FANOUT];
};

/* The pages of aux, all its own, from `index` on: of [index, end) as many slots as one node holds, or a hole.  Family lock of aux held. */
static void take_run(struct vmo *aux, uint64_t index, uint64_t end, struct piece *piece)
{
    struct page_list_run run = page_list_find_run(&aux->pages, index, end);
    uint64_t held = 0;

    for (uint64_t i = 0; run.slots && i < run.count; i++) {
        struct page *page = slot_page(run.slots[i]);

        piece->pages[i] = page;
        if (!page)
            continue;
        page->owner = NULL;
        if (page->block)
            swap_forget(page);
        run.slots[i] = SLOT_EMPTY;
        held++;
    }
    piece->count = run.count;
    piece->held = held;
    piece->done = 0;
    if (held == 0)
        return;
    if (aux->mappings > 0)
        vmo_unmap_pages(aux, index, run.count);
    aux->resident -= held;
    page_list_changed(&aux->pages, &run, index, -(int64_t)held);
}

/* Pages [first, first + count) were supplied. */
static void report(struct vmo *vmo, uint64_t first, uint64_t count)
{
    user_source_of(vmo)->pages_supplied += count;
    if (vmo->waiting > 0 && count > 0)
        vmo_complete_range(vmo, REQUEST_READ, first, count, OK);
}

/* Fill the empty slots of a run from page `index` on: with pages, or zeros where `pages` is NULL or has none.  How many pages. */
static uint64_t fill_run(struct vmo *vmo, const struct page_list_run *run, uint64_t index, struct page **pages)
{
    uint64_t begin = 0, used = 0, placed = 0, i;

    for (i = 0; i < run->count; i++) {
        struct page *page = pages ? pages[i] : NULL;

        if (run->slots[i] != SLOT_EMPTY) {
            report(vmo, index + begin, i - begin);
            begin = i + 1;
            used++;
            continue;
        }
        run->slots[i] = page ? slot_of_page(page) : slot_zero(ZERO_CLEAN);
        if (!page)
            continue;
        page_give(page, vmo, index + i);
        pages[i] = NULL;
        placed++;
    }
    report(vmo, index + begin, i - begin);
    page_list_changed(&vmo->pages, run, index, i - used);
    vmo->resident += placed;
    return placed;
}

/* Where no node is: make one for pages; zeros need none.  NO_MEMORY. */
static __attribute__((noinline)) status_t fill_gap(struct vmo *vmo, uint64_t first, uint64_t count, bool pages)
{
    struct page_list_run run;
    status_t status;

    if (pages)
        return page_list_make_run(&vmo->pages, first, first + count, &run);
    status = page_list_fill(&vmo->pages, first, first + count, slot_zero(ZERO_CLEAN));
    report(vmo, first, count);
    return status;
}

/*
 * Fill the VMO from page `index` on; pages that have no place stay in the piece.  Family lock held.  NO_MEMORY: it can be called
 * again, and goes on where it stopped: what it put there may be evicted by then.
 */
static status_t put_piece(struct vmo *vmo, uint64_t index, struct piece *piece)
{
    uint64_t end = min_u64(index + piece->count, vmo->source_pages);
    status_t status = OK;

    while (index + piece->done < end && status == OK) {
        uint64_t at = index + piece->done;
        struct page_list_run run = page_list_find_run(&vmo->pages, at, end);
        struct page **pages = piece->held > 0 ? &piece->pages[piece->done] : NULL;

        if (run.slots) {
            piece->held -= fill_run(vmo, &run, at, pages);
        } else if (run.fill == SLOT_EMPTY) {
            status = fill_gap(vmo, at, run.count, pages);
            if (pages || status != OK)
                continue;               /* now with a node */
        }
        piece->done += run.count;
    }
    return status;
}

/* The next piece of aux at [first, end); its pages up to `checked` are looked at first. */
static status_t take_piece(struct vmo *aux, uint64_t first, uint64_t end, uint64_t checked, struct piece *piece)
{
    status_t status = OK;
    uint64_t busy;

    vmo_lock(aux);
    status = swap_bring_in(aux, first, checked);
    if (status == OK && end > aux->size >> PAGE_SHIFT)
        status = ERR_OUT_OF_RANGE;
    else if (status == OK && aux->family->busy > 0 && vmo_find_busy(aux, first, checked, &busy))
        status = ERR_BAD_STATE;
    else if (status == OK && atomic_load_explicit(&aux->family->references, memory_order_relaxed) > 1)
        status = unshare_range(aux, first, checked);
    if (status == OK)
        take_run(aux, first, end, piece);
    vmo_unlock(aux);
    return status;
}

/* Of a piece, what has no place. */
static __attribute__((noinline)) void free_pages(struct piece *piece)
{
    for (uint64_t i = 0; piece->held > 0; i++) {
        if (!piece->pages[i])
            continue;
        frame_free(piece->pages[i]);
        piece->held--;
    }
}

/*
 * [fault 7/8] Move the pages and wake who waits.  Never two family locks at once: between the two the pages are ours.  Aux gives up
 * all its pages even if the VMO refuses them.
 */
status_t pager_supply_pages(struct vmo *vmo, uint64_t offset, uint64_t length, struct vmo *aux,
                            uint64_t aux_offset)
{
    status_t status, refused = OK;
    struct piece piece;

    if (vmo_root(vmo_target(aux))->ops)
        return ERR_NOT_SUPPORTED;
    status = vmo_locate(&aux, &aux_offset, length);
    uint64_t first = aux_offset >> PAGE_SHIFT, end = first + (length >> PAGE_SHIFT), checked = end;

    for (uint64_t index = offset >> PAGE_SHIFT; status == OK && first < end; index += piece.count) {
        do {
            status = take_piece(aux, first, end, checked, &piece);
        } while (status == ERR_NO_MEMORY && reclaim_for_retry());
        if (status != OK)
            break;
        for (bool again = refused == OK; again; again = refused == ERR_NO_MEMORY && reclaim_for_retry()) {
            vmo_lock(vmo);
            if (!range_inside(offset, length, vmo->size))
                refused = ERR_OUT_OF_RANGE;
            else if (user_source_of(vmo)->detached)
                refused = ERR_BAD_STATE;
            else
                refused = put_piece(vmo, index, &piece);
            vmo_unlock(vmo);
        }
        if (piece.held > 0)
            free_pages(&piece);
        first += piece.count;
        checked = min_u64(end, first + PAGE_LIST_FANOUT);
        if (first < end)
            sched_preempt_point();
    }
    return status == OK ? refused : status;
}

static bool may_be_delivered(int64_t status)
{
    return status == ERR_IO || status == ERR_IO_DATA_INTEGRITY || status == ERR_BAD_STATE ||
           status == ERR_NO_SPACE || status == ERR_BUFFER_TOO_SMALL;
}

static void fail_pages(struct vmo *vmo, uint64_t first, uint64_t count, status_t status)
{
    user_source_of(vmo)->failures += count;
    vmo_complete_range(vmo, REQUEST_READ, first, count, status);
    vmo_complete_range(vmo, REQUEST_DIRTY, first, count, status);
}

/* Is `data` something that the operation understands? */
static status_t check_op(const struct vmo *vmo, uint32_t op, uint64_t data)
{
    switch (op) {
    case PAGER_OP_FAIL:
        return may_be_delivered((int64_t)data) ? OK : ERR_INVALID_ARGS;
    case PAGER_OP_DIRTY:
        return data ? ERR_INVALID_ARGS : vmo->trap_dirty ? OK : ERR_NOT_SUPPORTED;
    case PAGER_OP_WRITEBACK_BEGIN:
        return data & ~(uint64_t)VMO_DIRTY_RANGE_IS_ZERO ? ERR_INVALID_ARGS : OK;
    case PAGER_OP_WRITEBACK_END:
        return data && !vmo->budget ? ERR_INVALID_ARGS : OK;
    default:
        return ERR_NOT_SUPPORTED;
    }
}

static void end_writeback(struct vmo *vmo, uint64_t first, uint64_t count, const int32_t *results)
{
    struct user_source *source = user_source_of(vmo);
    bool served = true;
    uint64_t run;

    for (uint64_t i = 0; i < count; i += run) {
        int32_t result = results ? results[i] : VM_PAGER_OK;

        for (run = results ? 1 : count; i + run < count && results[i + run] == result; run++)
            ;
        vmo_writeback_end(vmo, first + i, first + i + run, result);
        served &= result == VM_PAGER_OK || result == VM_PAGER_BAD;
        source->failures += result == VM_PAGER_BAD ? run : 0;
    }
    if (served)
        user_source_written_back(source);
}

status_t pager_op_range(struct vmo *vmo, uint32_t op, uint64_t offset, uint64_t length, uint64_t data,
                        const int32_t *results)
{
    uint64_t first = offset >> PAGE_SHIFT, count = length >> PAGE_SHIFT;
    status_t status = check_op(vmo, op, data);

    if (status != OK)
        return status;
    vmo_lock(vmo);
    if (!range_inside(offset, length, vmo->size))
        status = ERR_OUT_OF_RANGE;
    else if (user_source_of(vmo)->detached && (op == PAGER_OP_FAIL || op == PAGER_OP_DIRTY))
        status = ERR_BAD_STATE;
    else if (count == 0)
        ;
    else if (op == PAGER_OP_FAIL)
        fail_pages(vmo, first, count, (status_t)data);
    else if (op == PAGER_OP_DIRTY)
        status = vmo_dirty_pages(vmo, first, first + count);
    else if (op == PAGER_OP_WRITEBACK_BEGIN)
        vmo_writeback_begin(vmo, first, first + count, data & VMO_DIRTY_RANGE_IS_ZERO);
    else
        end_writeback(vmo, first, count, results);
    if (op == PAGER_OP_DIRTY)           /* whatever came of it, who waits to write looks again */
        vmo_complete_range(vmo, REQUEST_DIRTY, first, count, OK);
    vmo_unlock(vmo);
    return status;
}

bool pager_modified(struct vmo *vmo, bool reset)
{
    bool modified;

    vmo_lock(vmo);
    modified = vmo->modified;
    vmo->modified = modified && !reset;
    vmo_unlock(vmo);
    return modified;
}
