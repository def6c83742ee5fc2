/*
 * vmo_transfer.c: lending a VMO's pages to a device.
 *
 * A page that a device holds is busy: nothing frees, moves or evicts it, and it stays in its slot.  Its state says
 * what comes after: one that was absent is FILLING, and whoever touches it waits; a dirty one that a device VMO
 * writes back is AWAITING_CLEAN; any other is only lent.
 *
 * Locks: the family lock; begin takes it, the others are called with it.
 */
#include "lib/string.h"
#include "vm/page_request.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

status_t vmo_insert_busy(struct vmo *vmo, uint64_t index, struct page *page)
{
    assert(!slot_page(page_list_get(&vmo->pages, index)));
    if (vmo_put_page(vmo, index, page) != OK)
        return ERR_NO_MEMORY;
    page->state = PAGE_FILLING;
    page_hold(vmo, page);
    return OK;
}

void vmo_clean_start(struct vmo *vmo, struct page *page)
{
    assert(vmo_locked(vmo) && page->state == PAGE_DIRTY && page->busy == 0);
    page->state = PAGE_AWAITING_CLEAN;
    page_hold(vmo, page);
    vmo_protect_pages(vmo, page->index, 1);
}

/* FILLING counts as neither clean nor dirty: it becomes clean first, so that the books are right either way. */
void vmo_transfer_done(struct vmo *vmo, uint64_t first, uint64_t count, status_t status)
{
    bool filled = false;

    assert(vmo_locked(vmo));
    for (uint64_t i = first; i < first + count; i++) {
        struct page *page = slot_page(page_list_get(&vmo->pages, i));

        assert(page && page->busy > 0);
        page_let_go(vmo, page);
        if (page->state == PAGE_FILLING) {
            filled = true;
            page->state = PAGE_CLEAN;
            if (status != OK)
                vmo_drop_slots(vmo, i, i + 1, DROP_ALL);
        } else if (page->state == PAGE_AWAITING_CLEAN && vmo->kind == VMO_DEVICE) {
            page->state = status == OK ? PAGE_CLEAN : PAGE_DIRTY;
            vmo->dirty -= status == OK;
        }
    }
    if (filled)
        vmo_complete_range(vmo, REQUEST_READ, first, count, status);
    list_for_each(&vmo->family->members, node)      /* whoever else holds one of the pages */
        vmo_complete_range(list_entry(node, struct vmo, family_link), REQUEST_UNBUSY, 0, UINT64_MAX, OK);
}

/* --- Transfers that a user starts. --- */

/* A page that is there, this VMO's alone if it is to be filled; or a new one, zeroed if it is filled only in part. */
static status_t lend(struct vmo *vmo, uint64_t index, bool into_memory, bool whole, struct page **out_page)
{
    struct page *page = slot_page(page_list_get(&vmo->pages, index));
    status_t status = OK;

    if (!page && into_memory) {
        *out_page = whole ? frame_alloc(FRAME_ANON) : frame_alloc_zeroed(FRAME_ANON);
        return vmo_insert_busy(vmo, index, *out_page);
    }
    if (!page)
        return ERR_NOT_FOUND;
    if (into_memory)
        status = vmo_get_page(vmo, index, WANT_WRITE, 1, NULL, &page);
    if (status == OK)
        page_hold(vmo, page);
    *out_page = page;
    return status;
}

status_t vmo_transfer_begin(struct vmo *vmo, uint64_t offset, uint64_t length, bool into_memory,
                            struct vmo_transfer *transfer)
{
    status_t status = vmo_locate(&vmo, &offset, length);
    uint64_t end = offset + length, at = page_floor(offset), busy;

    if (status != OK)
        return status;
    transfer->vmo = vmo;
    transfer->first = offset >> PAGE_SHIFT;
    transfer->count = 0;
    vmo_lock(vmo);
    if (into_memory && vmo_root(vmo)->ops)
        status = ERR_NOT_SUPPORTED;
    else
        status = swap_bring_in(vmo, transfer->first, page_ceil(end) >> PAGE_SHIFT);
    if (status == OK && !range_inside(offset, length, vmo->size))
        status = ERR_OUT_OF_RANGE;
    if (status == OK && vmo_find_busy(vmo, offset >> PAGE_SHIFT, page_ceil(end) >> PAGE_SHIFT, &busy))
        status = ERR_BAD_STATE;
    for (; status == OK && at < end; at += PAGE_SIZE) {
        assert(transfer->count < array_size(transfer->pages));
        status = lend(vmo, at >> PAGE_SHIFT, into_memory, at >= offset && at + PAGE_SIZE <= end,
                      &transfer->pages[transfer->count]);
        transfer->count += status == OK;
    }
    if (status == OK)
        object_ref(&vmo->object);
    else
        vmo_transfer_done(vmo, transfer->first, transfer->count, status);
    vmo_unlock(vmo);
    return status;
}
