/*
 * vmo_transfer.c: lending a VMO's pages to a device.
 *
 * begin marks the pages busy, so that nothing frees, moves or evicts them until end; pages that were absent before
 * a device read are FILLING: whoever touches one waits.
 *
 * Locks: the family lock, taken here.
 */
#include "lib/string.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

/*
 * The next page: there already, or made for a device read.  The device fills a page of this VMO
 * alone; one that the transfer covers only in part is zeroed first.
 */
static status_t lend(struct vmo_transfer *transfer, bool whole)
{
    struct vmo *vmo = transfer->vmo;
    uint64_t index = transfer->first + transfer->count;
    struct page *page = slot_page(page_list_get(&vmo->pages, index));
    status_t status = OK;

    if (page && transfer->into_memory) {
        status = vmo_get_page(vmo, index, WANT_WRITE, 1, NULL, &page);
    } else if (!page && !transfer->into_memory) {
        status = ERR_NOT_FOUND;
    } else if (!page) {
        page = whole ? frame_alloc(FRAME_ANON) : frame_alloc_zeroed(FRAME_ANON);
        status = vmo_put_page(vmo, index, page);
        if (status == OK) {
            page->state = PAGE_FILLING;
            transfer->made |= 1ull << transfer->count;
        }
    }
    if (status == OK) {
        page_hold(vmo, page);
        transfer->pages[transfer->count++] = page;
    }
    return status;
}

/* The pages come back; those that were made go if the transfer failed. */
static void give_back(struct vmo_transfer *transfer, status_t status)
{
    for (uint32_t i = 0; i < transfer->count; i++) {
        struct page *page = transfer->pages[i];

        page_let_go(transfer->vmo, page);
        if (!(transfer->made & (1ull << i)))
            continue;
        page->state = PAGE_CLEAN;
        if (status != OK)
            vmo_drop_slots(transfer->vmo, transfer->first + i, transfer->first + i + 1, DROP_ALL);
    }
}

static status_t check(struct vmo *vmo, uint64_t offset, uint64_t length, bool into_memory)
{
    uint64_t busy;

    if (into_memory && vmo_root(vmo)->ops)
        return ERR_NOT_SUPPORTED;
    if (!range_inside(offset, length, vmo->size))
        return ERR_OUT_OF_RANGE;
    if (vmo_find_busy(vmo, offset >> PAGE_SHIFT, page_ceil(offset + length) >> PAGE_SHIFT, &busy))
        return ERR_BAD_STATE;
    return OK;
}

status_t vmo_transfer_begin(struct vmo *vmo, uint64_t offset, uint64_t length, bool into_memory,
                            struct vmo_transfer *transfer)
{
    status_t status = vmo_locate(&vmo, &offset, length);
    uint64_t end = offset + length;

    if (status != OK)
        return status;
    transfer->vmo = vmo;
    transfer->into_memory = into_memory;
    transfer->first = offset >> PAGE_SHIFT;
    transfer->count = 0;
    transfer->made = 0;
    vmo_lock(vmo);
    status = check(vmo, offset, length, into_memory);
    if (status == OK) {
        uint32_t count = (page_ceil(end) >> PAGE_SHIFT) - transfer->first;

        assert(count <= array_size(transfer->pages));
        while (transfer->count < count && status == OK) {
            uint64_t page_start = (transfer->first + transfer->count) << PAGE_SHIFT;

            status = lend(transfer, page_start >= offset && page_start + PAGE_SIZE <= end);
        }
        if (status != OK)
            give_back(transfer, status);
    }
    vmo_unlock(vmo);
    if (status == OK)
        object_ref(&vmo->object);
    return status;
}

void vmo_transfer_end(struct vmo_transfer *transfer, status_t status)
{
    struct vmo *vmo = transfer->vmo;

    vmo_lock(vmo);
    give_back(transfer, status);
    vmo_complete_range(vmo, REQUEST_READ, transfer->first, transfer->count, status);
    list_for_each(&vmo->family->members, node)      /* whoever else holds one of the pages */
        vmo_complete_range(list_entry(node, struct vmo, family_link), REQUEST_UNBUSY, 0, UINT64_MAX, OK);
    vmo_unlock(vmo);
    object_unref(&vmo->object);
}
