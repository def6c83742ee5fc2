/*
 * vmo_pages.h: the slots of a VMO, for the files of kern/vm that move pages about.  Family lock held for all.
 */
#pragma once

#include "vm/vmo.h"

/* The page, CLEAN and not busy, takes the place of nothing, or of what mappings may show there. */
static inline void page_give(struct page *page, struct vmo *vmo, uint64_t index, uint8_t kind)
{
    if (vmo->others_mapped)
        vmo_unmap_pages(vmo, index, 1);
    page->owner = vmo->family;
    page->owner_koid = vmo->object.koid;
    page->index = vmo->base + index;
    page->shares = 1;
    page->busy = 0;
    page->state = PAGE_CLEAN;
    page->referenced = 1;
    frame_set_kind(page, kind);
}

/* A VMO with nothing in it, in no list yet; the caller gives it its place in the family.  NULL without memory. */
struct vmo *vmo_alloc(enum vmo_kind kind, uint64_t size, bool resizable, struct vmo_family *family);

/* Put a page, CLEAN and not busy, into a slot that holds none; the VMO owns it on OK.  NO_MEMORY. */
status_t vmo_put_page(struct vmo *vmo, uint64_t index, struct page *page);

/*
 * Empty the slots of [first, end); with clean_only, those of dirty and of busy pages stay.  The caller has removed the pages from
 * all mappings; those that only this VMO holds are not busy.  Without memory a zero marker that reaches beyond the range stays.
 */
void vmo_drop_slots(struct vmo *vmo, uint64_t first, uint64_t end, bool clean_only);

/* The first busy page of [first, end): false if none. */
bool vmo_find_busy(struct vmo *vmo, uint64_t first, uint64_t end, uint64_t *out_index);

/* Write-back of a DIRTY page begins: AWAITING_CLEAN, busy, mapped writable nowhere. */
void vmo_clean_start(struct vmo *vmo, struct page *page);

/*
 * Wait until no page of [first, end) is busy.  The family lock is dropped meanwhile and held again on return.  CANCELED.
 * Nothing else may be held.
 */
status_t vmo_wait_not_busy(struct vmo *vmo, uint64_t first, uint64_t end);
