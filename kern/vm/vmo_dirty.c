/*
 * vmo_dirty.c: what of a pager-backed VMO the pager has still to write down, and how it says that it has.
 *
 * Slot by slot: a page is CLEAN, DIRTY or AWAITING_CLEAN, a zero marker likewise.  The pager asks what is dirty, brackets
 * its writing with BEGIN and END, and whatever is stored between the two makes the page DIRTY again, so that END leaves it.
 * Zeros that were written down become a gap: from then on it is the pager that supplies them.
 *
 * Locks: the family lock, held by the caller.
 */
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

/* Markers become pages first, which changes nothing that one sees: so a lack of memory leaves all as it was. */
status_t vmo_dirty_pages(struct vmo *vmo, uint64_t first, uint64_t end)
{
    struct page *page;
    status_t status = OK;

    for (uint64_t i = first, count; i < end; i += count)
        if (vmo_slot(vmo, i, end, &count) == SLOT_EMPTY)
            return ERR_NOT_FOUND;
    for (uint64_t i = first; i < end && status == OK; i++)
        if (!slot_page(page_list_get(&vmo->pages, i)))
            status = vmo_make_zero_page(vmo, i, &page);
    for (uint64_t i = first; i < end && status == OK; i++)
        vmo_mark_dirty(vmo, slot_page(page_list_get(&vmo->pages, i)));
    return status;
}

/* The slots of [first, end) that are zero in state `from` go over to `to`; without memory for a border a run of them stays. */
static void move_zeros(struct vmo *vmo, uint64_t first, uint64_t end, slot_t from, slot_t to)
{
    for (uint64_t count; first < end; first += count)
        if (vmo_slot(vmo, first, end, &count) == from)
            page_list_fill(&vmo->pages, first, first + count, to);
}

void vmo_writeback_begin(struct vmo *vmo, uint64_t first, uint64_t end, bool zeros_only)
{
    struct page *page;

    for (uint64_t i = first; !zeros_only && (page = page_list_next(&vmo->pages, &i, end)); i++)
        if (page->state == PAGE_DIRTY)
            page->state = PAGE_AWAITING_CLEAN;
    move_zeros(vmo, first, end, slot_zero(ZERO_DIRTY), slot_zero(ZERO_AWAITING_CLEAN));
    vmo_protect_pages(vmo, first, end - first);
}

void vmo_writeback_end(struct vmo *vmo, uint64_t first, uint64_t end, int32_t result)
{
    bool over = result == VM_PAGER_OK || result == VM_PAGER_BAD;
    int64_t cleaned = 0;
    struct page *page;

    if (result == VM_PAGER_PEND)
        return;
    for (uint64_t i = first; (page = page_list_next(&vmo->pages, &i, end)); i++) {
        if (page->state != PAGE_AWAITING_CLEAN)
            continue;
        page->state = over ? PAGE_CLEAN : PAGE_DIRTY;
        page->referenced |= over;       /* page-out takes it for young */
        cleaned += over;
        if (result == VM_PAGER_BAD)
            vmo_evict(vmo, i, 1);
    }
    if (cleaned > 0)
        vmo_count_dirty(vmo, -cleaned);
    if (over && vmo->others_mapped)
        vmo_unmap_pages(vmo, first, end - first);
    move_zeros(vmo, first, end, slot_zero(ZERO_AWAITING_CLEAN), over ? SLOT_EMPTY : slot_zero(ZERO_DIRTY));
}

/* What of it the pager is told: nothing (UINT64_MAX), a page, or zeros. */
static uint64_t report_of(slot_t slot)
{
    struct page *page = slot_page(slot);

    if (page)
        return page->state == PAGE_DIRTY || page->state == PAGE_AWAITING_CLEAN ? 0 : UINT64_MAX;
    return slot_kind(slot) == SLOT_ZERO && slot_zero_state(slot) != ZERO_CLEAN ? VMO_DIRTY_RANGE_IS_ZERO : UINT64_MAX;
}

bool vmo_next_dirty(struct vmo *vmo, uint64_t *index, uint64_t end, vmo_dirty_range_t *out_range)
{
    uint64_t first = *index, kind = UINT64_MAX;

    vmo_lock(vmo);
    end = min_u64(end, vmo->size >> PAGE_SHIFT);
    for (uint64_t count; *index < end; *index += count) {
        uint64_t this = report_of(vmo_slot(vmo, *index, end, &count));

        if (kind != UINT64_MAX && this != kind)
            break;
        if (kind == UINT64_MAX)
            first = *index;
        kind = this;
    }
    vmo_unlock(vmo);
    *out_range = (vmo_dirty_range_t){ first << PAGE_SHIFT, (*index - first) << PAGE_SHIFT, kind };
    return kind != UINT64_MAX;
}
