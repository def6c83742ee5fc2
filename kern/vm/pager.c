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
#include "vm/page_request.h"
#include "vm/user_source.h"
#include "vm/vmo_pages.h"

struct pager *pager_from_object(struct object *object)
{
    assert(object->ops == &pager_ops_object);
    return container_of(object, struct pager, object);
}

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

status_t pager_check_vmo(struct pager *pager, struct vmo *vmo)
{
    return vmo->kind == VMO_PAGER && user_source_of(vmo)->pager == pager ? OK : ERR_INVALID_ARGS;
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
static status_t unshare_range(struct vmo *aux, uint64_t first, uint64_t end)
{
    struct page *page;
    status_t status = OK;

    for (; status == OK && (page = page_list_next(&aux->pages, &first, end)); first++)
        if (page->shares > 1)
            status = vmo_get_page(aux, first, WANT_WRITE, 1, NULL, &page);
    return status;
}

/*
 * Take the pages of aux at [first, end), all its own, out of it, linked through page->link in order, with page->index
 * the number within the range.  Family lock of aux held.
 */
static void splice_out(struct vmo *aux, uint64_t first, uint64_t end, struct list *taken)
{
    struct page_list_run run;

    vmo_unmap_pages(aux, first, end - first);
    for (uint64_t index = first; index < end; index += run.count) {
        int64_t moved = 0;

        run = page_list_find_run(&aux->pages, index, end);
        for (uint64_t i = 0; run.slots && i < run.count; i++) {
            struct page *page = slot_page(run.slots[i]);

            if (!page)
                continue;
            page->owner = NULL;
            page->index = index + i - first;
            list_push_back(taken, &page->link);
            run.slots[i] = SLOT_EMPTY;
            moved++;
        }
        aux->resident -= moved;
        if (moved > 0)
            page_list_changed(&aux->pages, &run, index, -moved);
    }
}

/* The number of the first page taken, UINT64_MAX if there is none. */
static uint64_t first_taken(const struct list *taken)
{
    struct list_node *node = list_first(taken);

    return node ? list_entry(node, struct page, link)->index : UINT64_MAX;
}

/* The first page taken, if it is for slot `number` of the range. */
static struct page *next_taken(struct list *taken, uint64_t number)
{
    return first_taken(taken) == number ? list_entry(list_pop_front(taken), struct page, link) : NULL;
}

/*
 * Fill the empty slots of a run that begins at index from the pages taken, whose numbers count from `first` (where there is
 * none: a zero marker), and report each stretch of newly filled slots.  A page whose slot is in use goes to `kept`.
 */
static void fill_run(struct vmo *vmo, const struct page_list_run *run, uint64_t first, uint64_t index,
                     struct list *taken, struct list *kept)
{
    uint64_t begin = 0, filled = 0, i;

    for (i = 0; i < run->count; i++) {
        struct page *page = next_taken(taken, index + i - first);

        if (run->slots[i] != SLOT_EMPTY) {
            if (page)
                list_push_back(kept, &page->link);
            user_source_report(user_source_of(vmo), vmo, index + begin, i - begin);
            begin = i + 1;
            continue;
        }
        run->slots[i] = page ? slot_of_page(page) : slot_zero(ZERO_CLEAN);
        filled++;
        if (page) {
            page_give(page, vmo, index + i);
            vmo->resident++;
        }
    }
    if (filled > 0)
        page_list_changed(&vmo->pages, run, index, filled);
    user_source_report(user_source_of(vmo), vmo, index + begin, i - begin);
}

/* The next part of [index, end): slot by slot where there are pages on either side, else zeros for a hole as a whole. */
static status_t fill_part(struct vmo *vmo, uint64_t first, uint64_t index, uint64_t end, struct list *taken,
                          struct list *kept, uint64_t *out_count)
{
    struct page_list_run run = page_list_find_run(&vmo->pages, index, end);
    uint64_t zeros = min_u64(run.count, first_taken(taken) - (index - first));
    status_t status = OK;

    *out_count = zeros;
    if (run.slots || zeros < PAGE_LIST_FANOUT) {
        status = page_list_make_run(&vmo->pages, index, end, &run);
        if (status == OK)
            fill_run(vmo, &run, first, index, taken, kept);
        *out_count = run.count;
    } else if (run.fill == SLOT_EMPTY) {
        status = page_list_fill(&vmo->pages, index, index + zeros, slot_zero(ZERO_CLEAN));
        user_source_report(user_source_of(vmo), vmo, index, zeros);
    }
    return status;
}

/* Fill [first, first + count); pages that have no place stay in the list.  Family lock held.  NO_MEMORY: filled in part. */
static status_t splice_in(struct vmo *vmo, uint64_t first, uint64_t count, struct list *taken)
{
    uint64_t end = min_u64(first + count, vmo->source_pages), done;
    struct list kept = LIST_INITIALIZER(kept);
    status_t status = OK;

    for (uint64_t index = first; index < end && status == OK; index += done)
        status = fill_part(vmo, first, index, end, taken, &kept, &done);
    list_splice_back(taken, &kept);
    return status;
}

static void free_pages(struct list *pages)
{
    struct list_node *node;

    while ((node = list_pop_front(pages)) != NULL)
        frame_free(list_entry(node, struct page, link));
}

static status_t take_from_aux(struct vmo *aux, uint64_t offset, uint64_t length, struct list *taken)
{
    status_t status = vmo_locate(&aux, &offset, length);
    uint64_t first = offset >> PAGE_SHIFT, end = first + (length >> PAGE_SHIFT), busy;

    if (status != OK)
        return status;
    vmo_lock(aux);
    if (!range_inside(offset, length, aux->size))
        status = ERR_OUT_OF_RANGE;
    else if (vmo_find_busy(aux, first, end, &busy))
        status = ERR_BAD_STATE;
    else if (atomic_load_explicit(&aux->family->references, memory_order_relaxed) > 1)
        status = unshare_range(aux, first, end);
    if (status == OK)
        splice_out(aux, first, end, taken);
    vmo_unlock(aux);
    return status;
}

/* [fault 7/8] Move the pages and wake who waits.  Never two family locks at once: between the two the pages are ours. */
status_t pager_supply_pages(struct vmo *vmo, uint64_t offset, uint64_t length, struct vmo *aux,
                            uint64_t aux_offset)
{
    struct list taken = LIST_INITIALIZER(taken);
    status_t status;

    if (vmo_root(vmo_target(aux))->ops)
        return ERR_NOT_SUPPORTED;
    status = take_from_aux(aux, aux_offset, length, &taken);
    if (status != OK)
        return status;
    if (length == 0)
        return OK;
    vmo_lock(vmo);
    if (!range_inside(offset, length, vmo->size))
        status = ERR_OUT_OF_RANGE;
    else if (user_source_of(vmo)->detached)
        status = ERR_BAD_STATE;
    else
        status = splice_in(vmo, offset >> PAGE_SHIFT, length >> PAGE_SHIFT, &taken);
    vmo_unlock(vmo);
    free_pages(&taken);
    return status;
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
        served &= result == VM_PAGER_OK;
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
