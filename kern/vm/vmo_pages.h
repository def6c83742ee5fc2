/*
 * vmo_pages.h: the slots of a VMO, for the files of kern/vm that move pages about.  Family lock held for all.
 */
#pragma once

#include "vm/vmo.h"

/* The page of a slot, whichever way it is held; NULL for an empty slot or a zero marker. */
static inline struct page *slot_any_page(slot_t slot)
{
    if (slot_kind(slot) == SLOT_PAGE)
        return slot_page(slot);
    return slot_kind(slot) == SLOT_ANON ? slot_anon(slot)->page : NULL;
}

/* The page, CLEAN and not busy, takes the place of nothing or of zeros, which mappings may show. */
static inline void page_give(struct page *page, struct vmo *vmo, void *owner, uint64_t index, uint8_t kind)
{
    if (vmo->zeros_mapped)
        vmo_unmap_pages(vmo, index, 1);
    page->owner = owner;
    page->owner_koid = vmo->object.koid;
    page->index = index;
    page->busy = 0;
    page->state = PAGE_CLEAN;
    page->referenced = 1;
    frame_set_kind(page, kind);
}

/* Put a page into an empty slot, CLEAN and not busy; the VMO owns it on OK.  NO_MEMORY. */
status_t vmo_put_anon(struct vmo *vmo, uint64_t index, struct page *page);      /* anonymous VMOs */
status_t vmo_put_page(struct vmo *vmo, uint64_t index, struct page *page);      /* the others; replaces a zero marker */

/* Empty a slot.  The caller has removed it from all mappings and it is not busy.  take: the caller owns the page. */
struct page *vmo_take_page(struct vmo *vmo, uint64_t index);
void vmo_drop_slot(struct vmo *vmo, uint64_t index);

/* The first busy page of [first, end): false if none. */
bool vmo_find_busy(struct vmo *vmo, uint64_t first, uint64_t end, uint64_t *out_index);

/* Write-back of a DIRTY page begins: AWAITING_CLEAN, busy, mapped writable nowhere. */
void vmo_clean_start(struct vmo *vmo, struct page *page);

/*
 * Wait until no page of [first, end) is busy.  The family lock is dropped meanwhile and held again on return.  CANCELED.
 * Nothing else may be held.
 */
status_t vmo_wait_not_busy(struct vmo *vmo, uint64_t first, uint64_t end);
