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
    pager->object.related_koid = current_process()->object.koid;
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
    .unreachable = pager_unreachable, .destroy = object_free,
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

/* Pages on their way from aux into the VMO: what stands in `count` slots, page by page while any are held, else zeros. */
struct piece {
    uint64_t count, held;
    struct page *pages[PAGE_LIST_FANOUT];
};

static __attribute__((noinline)) void forget_blocks(const struct piece *piece)
{
    for (uint64_t i = 0; i < piece->count; i++)
        if (piece->pages[i] && piece->pages[i]->block)
            swap_forget(piece->pages[i]);
}

/* Take the pages, all its own, out of at most `room` slots of one node; or a hole up to `end`.  Family lock of aux held. */
static void take_run(struct vmo *aux, uint64_t first, uint64_t end, uint64_t room, struct piece *piece)
{
    struct page_list_run run = page_list_find_run(&aux->pages, first, end);
    uint64_t held = 0, blocks = 0;

    if (run.slots)
        run.count = min_u64(run.count, room);
    for (uint64_t i = 0; run.slots && i < run.count; i++) {
        slot_t slot = run.slots[i];

        piece->pages[i] = slot_page(slot);
        if (slot_kind(slot) != SLOT_PAGE)
            continue;
        slot_page(slot)->owner = NULL;
        blocks |= slot_page(slot)->block;
        run.slots[i] = SLOT_EMPTY;
        held++;
    }
    piece->count = run.count;
    piece->held = held;
    if (held == 0)
        return;
    if (blocks)
        forget_blocks(piece);
    if (aux->mappings > 0)
        vmo_unmap_pages(aux, first, run.count);
    aux->resident -= held;
    page_list_changed(&aux->pages, &run, first, -(int64_t)held);
}

/* The pages of [first, end) that aux holds are in memory, not busy, and its alone.  Its family lock held; BAD_STATE, as swap_bring_in. */
static NOINLINE status_t make_own(struct vmo *aux, uint64_t first, uint64_t end)
{
    struct page *page;
    uint64_t busy;
    status_t status = swap_bring_in(aux, first, end);

    if (status == OK && vmo_find_busy(aux, first, end, &busy))
        status = ERR_BAD_STATE;
    for (; status == OK && (page = page_list_next(&aux->pages, &first, end)); first++)
        if (page->shares > 1)
            status = vmo_get_page(aux, first, WANT_WRITE, 1, NULL, &page);
    return status;
}

/* The next piece of aux at [first, end).  Before the first one all its pages are looked at, then only those it may have. */
static status_t take_piece(struct vmo *aux, uint64_t first, uint64_t end, uint64_t room, struct piece *piece)
{
    uint64_t checked = piece->count ? min_u64(end, first + PAGE_LIST_FANOUT) : end;
    status_t status = OK;

    vmo_lock(aux);
    if ((aux->swapped | aux->family->busy) > 0 ||
        atomic_load_explicit(&aux->family->references, memory_order_relaxed) > 1)
        status = make_own(aux, first, checked);
    if (status == OK && end > aux->size >> PAGE_SHIFT)
        status = ERR_OUT_OF_RANGE;
    if (status == OK)
        take_run(aux, first, end, room, piece);
    vmo_unlock(aux);
    return status;
}

/* Pages [first, first + count) were supplied. */
static inline void report(struct vmo *vmo, uint64_t first, uint64_t count)
{
    user_source_of(vmo)->pages_supplied += count;
    if (vmo->waiting > 0 && count > 0)
        vmo_complete_range(vmo, REQUEST_READ, first, count, OK);
}

/* Of pages that were taken, those that have no place. */
static NOINLINE void free_pages(struct page **pages, uint64_t count)
{
    for (; count > 0; count--, pages++)
        if (*pages)
            frame_free(*pages);
}

/* Fill the empty slots of a run from page `index` on: with the pages, or zeros where there is none. */
static INLINE void
fill_run(struct vmo *vmo, const struct page_list_run *run, uint64_t index, struct page **pages)
{
    uint64_t begin = 0, used = 0, zeros = 0, i;

    for (i = 0; i < run->count; i++) {
        struct page *page = pages[i];

        if (run->slots[i] != SLOT_EMPTY) {
            report(vmo, index + begin, i - begin);
            free_pages(&pages[i], 1);
            begin = i + 1;
            used++;
        } else if (!page) {
            run->slots[i] = slot_zero(ZERO_CLEAN);
            zeros++;
        } else {
            run->slots[i] = slot_of_page(page);
            page_give(page, vmo, index + i);
            frame_mark(page, FRAME_PAGER);
        }
    }
    run->node->used += i - used;
    vmo->resident += i - used - zeros;
    frame_recount(FRAME_ANON, FRAME_PAGER, i - used - zeros);
    report(vmo, index + begin, i - begin);
}

/* Make what is empty of [first, end) zeros.  NO_MEMORY: in part. */
static NOINLINE status_t put_zeros(struct vmo *vmo, uint64_t first, uint64_t end)
{
    status_t status = OK;

    for (uint64_t count; first < end && status == OK; first += count) {
        struct page_list_run run = page_list_find_run(&vmo->pages, first, end);
        uint64_t gap = page_list_gap(&vmo->pages, first, end - first);

        count = gap ? gap : run.slots ? 1 : run.count;
        status = page_list_fill(&vmo->pages, first, first + gap, slot_zero(ZERO_CLEAN));
        report(vmo, first, gap);
    }
    return status;
}

/*
 * Fill the VMO from page `index` on with a piece whose pages belong into one node; the supply goes up to page `all`.  Those that have
 * no place stay in the piece if none has.  NO_MEMORY: nothing, or zeros in part, and it may be called again.
 */
static INLINE status_t put_piece(struct vmo *vmo, uint64_t index, uint64_t all, struct piece *piece)
{
    uint64_t end = index + piece->count;
    status_t status = OK;

    vmo_lock(vmo);
    end = min_u64(end, vmo->source_pages);
    if (all > vmo->size >> PAGE_SHIFT) {
        status = ERR_OUT_OF_RANGE;
    } else if (user_source_of(vmo)->detached) {
        status = ERR_BAD_STATE;
    } else if (piece->held == 0) {
        status = put_zeros(vmo, index, end);
    } else if (index < end) {
        struct page_list_run run = page_list_find_run(&vmo->pages, index, end), made;

        if (!run.slots && run.fill == SLOT_EMPTY &&
            (status = page_list_make_run(&vmo->pages, index, end, &made)) == OK)
            run = made;
        if (run.slots) {
            fill_run(vmo, &run, index, piece->pages);
            piece->held = 0;
            if (run.count < piece->count)
                free_pages(&piece->pages[run.count], piece->count - run.count);
        }
    }
    vmo_unlock(vmo);
    return status;
}

/* Likewise, after it met no memory; what can be had of that is taken back first. */
static NOINLINE status_t put_again(struct vmo *vmo, uint64_t index, uint64_t all, struct piece *piece)
{
    status_t status = ERR_NO_MEMORY;

    while (status == ERR_NO_MEMORY && reclaim_for_retry())
        status = put_piece(vmo, index, all, piece);
    return status;
}

/*
 * [fault 7/8] Move the pages and wake who waits.  Never two family locks at once: between the two the pages are ours.  Aux gives up
 * all its pages even if the VMO refuses them.
 */
status_t pager_supply_pages(struct vmo *vmo, uint64_t offset, uint64_t length, struct vmo *aux,
                            uint64_t aux_offset)
{
    uint64_t first = aux_offset >> PAGE_SHIFT, end = first + (length >> PAGE_SHIFT), index = offset >> PAGE_SHIFT;
    uint64_t all = index + (length >> PAGE_SHIFT);
    status_t status = OK, refused = OK;
    struct piece piece;

    piece.count = 0;
    while (first < end) {
        status = take_piece(aux, first, end, PAGE_LIST_FANOUT - index % PAGE_LIST_FANOUT, &piece);
        if (status == ERR_NO_MEMORY && reclaim_for_retry())
            continue;
        if (status != OK)
            break;
        if (refused == OK && (refused = put_piece(vmo, index, all, &piece)) == ERR_NO_MEMORY)
            refused = put_again(vmo, index, all, &piece);
        if (piece.held > 0)
            free_pages(piece.pages, piece.count);
        first += piece.count;
        index += piece.count;
        if (first < end)
            sched_preempt_point();
    }
    object_unref(&aux->object);
    object_unref(&vmo->object);
    return status == OK ? refused : status;
}

static bool may_be_delivered(int64_t status)
{
    return status == ERR_IO || status == ERR_IO_DATA_INTEGRITY || status == ERR_BAD_STATE ||
           status == ERR_NO_SPACE || status == ERR_BUFFER_TOO_SMALL;
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
        atomic_store(&source->writeback_asked, 0);
}

status_t pager_op_range(struct vmo *vmo, uint32_t op, uint64_t offset, uint64_t length, uint64_t data,
                        const int32_t *results)
{
    uint64_t first = offset >> PAGE_SHIFT, count = length >> PAGE_SHIFT;
    status_t status = check_op(vmo, op, data), answer = OK;

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
        answer = (status_t)data;
    else if (op == PAGER_OP_DIRTY)
        status = vmo_dirty_pages(vmo, first, first + count);
    else if (op == PAGER_OP_WRITEBACK_BEGIN)
        vmo_writeback_begin(vmo, first, first + count, data & VMO_DIRTY_RANGE_IS_ZERO);
    else
        end_writeback(vmo, first, count, results);
    if (answer != OK) {
        user_source_of(vmo)->failures += count;
        vmo_complete_range(vmo, REQUEST_READ, first, count, answer);
    }
    if (answer != OK || op == PAGER_OP_DIRTY)       /* whatever came of DIRTY, who waits to write looks again */
        vmo_complete_range(vmo, REQUEST_DIRTY, first, count, answer);
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
