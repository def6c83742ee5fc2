/* vmo_pages.h: the slots of a VMO, for the files of kern/vm that move pages about.  Family lock held for all. */
#pragma once

#include "vm/swap.h"

/* As what the pages of a VMO are counted. */
static_assert(FRAME_PAGER - FRAME_ANON == VMO_PAGER && FRAME_DEVICE - FRAME_ANON == VMO_DEVICE, "in the same order");
static inline uint8_t vmo_frame_kind(const struct vmo *vmo) { return FRAME_ANON + vmo->kind; }

/* The page belongs to the VMO now, CLEAN and not busy.  The caller counts it as that. */
static inline void page_init(struct page *page, struct vmo *vmo, uint64_t index)
{
    page->owner = vmo->family;
    page->owner_koid = vmo->object.koid;
    page->index = vmo->base + index;
    page->shares = 1;
    page->block = 0;
    page->busy = page->always_need = page->dont_need = 0;
    page->state = PAGE_CLEAN;
    page->referenced = 1;
}

/* Likewise, in place of nothing or of what mappings may show there. */
static inline void page_give(struct page *page, struct vmo *vmo, uint64_t index)
{
    if (vmo->others_mapped)
        vmo_unmap_pages(vmo, index, 1);
    page_init(page, vmo, index);
}

/* The slot at `index`, and how many below `end` are told by it: one, or a run of zeros or of nothing. */
static inline slot_t vmo_slot(struct vmo *vmo, uint64_t index, uint64_t end, uint64_t *out_count)
{
    struct page_list_run run = page_list_find_run(&vmo->pages, index, end);

    *out_count = run.slots ? 1 : run.count;
    return run.slots ? *run.slots : run.fill;
}

/* So many pages became dirty (negative: are so no more). */
void vmo_count_dirty(struct vmo *vmo, int64_t pages);

/* A transfer takes hold of the page, and lets go. */
static inline void page_hold(struct vmo *vmo, struct page *page)
{
    page->busy++;
    vmo->family->busy++;
}
static inline void page_let_go(struct vmo *vmo, struct page *page)
{
    page->busy--;
    vmo->family->busy--;
}

/* A VMO with nothing in it, in no list yet; the caller gives it its place in the family.  NULL without memory. */
struct vmo *vmo_alloc(enum vmo_kind kind, uint64_t size, bool resizable, struct vmo_family *family);

/* Put a page, CLEAN and not busy, into a slot that holds none; it is used up.  NO_MEMORY, also for NULL. */
status_t vmo_put_page(struct vmo *vmo, uint64_t index, struct page *page);

/*
 * Empty the slots of [first, end).  DROP_CLEAN: what is busy or dirty stays.  The caller has removed the pages from all mappings;
 * those that only this VMO holds are not busy.  Without memory a zero marker that reaches beyond the range stays.
 */
enum drop { DROP_ALL, DROP_CLEAN };
void vmo_drop_slots(struct vmo *vmo, uint64_t first, uint64_t end, enum drop how);

/* Zero markers in place of the pages and gaps of [first, end), as above; markers stay.  NO_MEMORY: up to some gap. */
status_t vmo_put_zeros(struct vmo *vmo, uint64_t first, uint64_t end, enum zero_state state);
/* Whole pages, none busy: gone where absent is zero, else zero markers, of which a user's pager is told.  NO_MEMORY: in part. */
status_t vmo_zero_pages(struct vmo *vmo, uint64_t first, uint64_t end);
/* Bytes within one page, unless they are known to be zero.  Answers as vmo_get_page. */
status_t vmo_zero_part(struct vmo *vmo, uint64_t offset, uint64_t length, struct page_request *request);
/* More pages: zeros, of which a user's pager is told.  NO_MEMORY. */
status_t vmo_grow(struct vmo *vmo, uint64_t new_end);
/* A page that was not dirty becomes so; a zero page takes the place of a zero marker, with its state.  NO_MEMORY. */
void vmo_mark_dirty(struct vmo *vmo, struct page *page);
status_t vmo_make_zero_page(struct vmo *vmo, uint64_t index, struct page **out_page);

/*
 * Page-out.  Clean pages that are not busy (anonymous ones: that have a block) go, from all mappings too: their source, or backing store,
 * gives them again.  Others are written first, by who is their source.  How many go.
 */
uint64_t vmo_evict(struct vmo *vmo, uint64_t first, uint64_t count);
static inline uint64_t vmo_putpages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    return vmo->ops ? vmo->ops->putpages(vmo, first, count) : swap_putpages(vmo, first, count);
}
/* The first busy page of [first, end): false if none. */
bool vmo_find_busy(struct vmo *vmo, uint64_t first, uint64_t end, uint64_t *out_index);

/* Write-back of a DIRTY page begins: AWAITING_CLEAN, busy, mapped writable nowhere. */
void vmo_clean_start(struct vmo *vmo, struct page *page);

/* Wait until no page of [first, end) is busy.  CANCELED.  Only the family lock is held, and dropped meanwhile. */
status_t vmo_wait_not_busy(struct vmo *vmo, uint64_t first, uint64_t end);
