/*
 * vmo.h: virtual memory objects.
 *
 * A VMO is a sparse array of pages and one *source* for the pages it does not hold (struct pager_ops).
 * All VMOs that share pages are one family, with one lock.  vmo_get_page is the one way to a page: it finds
 * it, makes it, or asks the source and says ERR_SHOULD_WAIT; then the caller drops all locks, waits with
 * page_request_resolve, and looks again from the top.
 */
#pragma once

#include "mm/frame.h"
#include "object/object.h"
#include "vm/page_list.h"

struct vmo;
struct page_request;

enum vmo_kind { VMO_ANONYMOUS, VMO_PAGER, VMO_DEVICE, VMO_REFERENCE };

struct vmo_family {
    struct spinlock lock;               /* RANK_FAMILY */
    atomic_uint references;             /* one a VMO */
};

/* An anonymous page, perhaps shared by snapshots.  Family lock. */
struct anon {
    uint32_t count;                     /* slots that hold it */
    struct page *page;
};

struct vmo {
    struct object object;

    /* Immutable after create. */
    enum vmo_kind kind;
    bool resizable;
    const struct pager_ops *ops;        /* NULL for anonymous VMOs: absent means zero */
    void *source;                       /* the source's own record of this VMO */
    struct vmo_family *family;
    struct vmo *parent;                 /* VMO_REFERENCE: whose pages and sizes these are (a reference); else NULL */

    /* Guarded by family->lock.  A VMO_REFERENCE uses none of it. */
    uint32_t children;                  /* references to this VMO: ZERO_CHILDREN is set while there are none */
    uint64_t size;                      /* bytes, whole pages */
    uint64_t content_size;              /* bytes */
    uint64_t source_pages;              /* from this page on the source owes nothing: absent means zero (the VMO grew) */
    struct page_list pages;
    struct list regions;                /* struct region that map it */
    uint32_t mappings;
    bool zeros_mapped;                  /* the frame of zeros was mapped for a page that is not there */
    struct list requests;               /* struct page_request: threads waiting for pages of this VMO */
    uint32_t waiting;                   /* how many, the chained ones included */
    uint64_t resident;                  /* frames held */
    uint64_t dirty;                     /* pages not clean (pager, device) */
    uint64_t change_events;
    char name[32];
};

extern const struct object_ops vmo_ops;

/*
 * The source of a VMO's missing pages: BSD's pager operations.  Called with the family lock held; they never sleep.
 *
 * getpages: pages [first, first + count) are wanted, `required` must come.  OK: it is there now.  VM_PAGER_PEND is told by
 * ERR_SHOULD_WAIT: `request` was armed (or joined another) and completes when vmo_complete_range reports its range.
 * Anything else is the status for whoever asked.  request may be NULL: then nothing may be started, ERR_SHOULD_WAIT is the answer.
 */
struct pager_ops {
    const char *name;
    bool asks_user;                     /* a user process answers: needs MAY_BLOCK */
    status_t (*getpages)(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required, struct page_request *request);
    /* A request is over, or given up; `successor` (or NULL) waits for the same range and takes its place.  NULL: nothing to do. */
    void (*forget)(struct vmo *vmo, struct page_request *request, struct page_request *successor);
    void (*detach)(struct vmo *vmo);    /* the VMO is being destroyed; no lock held; frees vmo->source */
};

/* size is rounded up to pages.  OUT_OF_RANGE above VMO_SIZE_MAX, NO_MEMORY. */
status_t vmo_create(uint64_t size, bool resizable, struct vmo **out_vmo);
status_t vmo_create_with_source(enum vmo_kind kind, uint64_t size, bool resizable, const struct pager_ops *ops, void *source,
                                struct vmo **out_vmo);
/* An anonymous VMO of frames that the caller gives away (the boot image): physically contiguous, kind FRAME_KERNEL. */
status_t vmo_create_adopting(paddr_t base, uint64_t size, struct vmo **out_vmo);
struct vmo *vmo_from_object(struct object *object);

/*
 * A child that shares every page and size with its parent but is an object of its own: as long as a handle, mapping or stream
 * uses it the parent has a child.  That is how a pager knows whether anybody still uses a VMO.
 */
status_t vmo_create_reference(struct vmo *parent, struct vmo **out_vmo);
/* The VMO that holds the pages: itself, or of a reference its parent.  Functions below that take user's offsets accept both. */
static inline struct vmo *vmo_target(struct vmo *vmo)
{
    return vmo->parent ? vmo->parent : vmo;
}

/* What the first handle to a VMO may do: RESIZE only if it can be resized. */
static inline rights_t vmo_rights(const struct vmo *vmo)
{
    return vmo_ops.default_rights | (vmo->resizable ? RIGHT_RESIZE : 0);
}

static inline void vmo_lock(struct vmo *vmo)   { spin_lock(&vmo->family->lock); }
static inline void vmo_unlock(struct vmo *vmo) { spin_unlock(&vmo->family->lock); }
static inline bool vmo_locked(const struct vmo *vmo) { return spin_held(&vmo->family->lock); }

/* What a lookup wants. */
enum page_want { WANT_READ, WANT_WRITE };

/*
 * The page at `index` for reading or writing.  Family lock held.  *out_page is NULL for content known to be zero that WANT_READ
 * needs no frame for.  ERR_SHOULD_WAIT: request was armed for up to `run` pages from index (see page_request_resolve).
 * OUT_OF_RANGE; NO_MEMORY; else the source's status.  WANT_WRITE makes the page dirty.
 */
status_t vmo_get_page(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run, struct page_request *request,
                      struct page **out_page);
/* May the page that get_page gave be mapped writable?  Family lock held. */
bool vmo_page_writable(struct vmo *vmo, struct page *page);

/*
 * For sources.  vmo_insert_busy puts a frame that is being filled into an empty slot (page->busy = 1); NO_MEMORY.
 * vmo_fill_done ends it: OK makes the pages clean, an error empties the slots and frees the frames; then requests over
 * the range complete with that status.  Both with the family lock held.
 */
status_t vmo_insert_busy(struct vmo *vmo, uint64_t index, struct page *page);
void vmo_fill_done(struct vmo *vmo, uint64_t first, uint64_t count, status_t status);
/* Write-back ended: OK and not written meanwhile -> clean; an error -> dirty again.  Family lock held. */
void vmo_clean_done(struct vmo *vmo, uint64_t first, uint64_t count, status_t status);

/*
 * Transfers between a device and a VMO's own pages (sys_block_submit): take and release [first, first + count) pages.
 * begin fills pages[] and marks each busy.  into_memory (a device read): anonymous VMOs only (NOT_SUPPORTED), absent
 * pages get frames, unzeroed if `whole` says the transfer covers all pages wholly.  Otherwise every page must be there (NOT_FOUND).
 * OUT_OF_RANGE; NO_MEMORY; BAD_STATE if a page is busy already.  Nothing is changed on error.  Take the family lock.
 * end with an error drops the pages that begin made.
 */
struct vmo_transfer {
    struct vmo *vmo;                    /* a reference, from begin to end */
    uint64_t first;
    uint32_t count;
    bool into_memory;
    uint64_t made;                      /* bit i: page i was absent before */
    struct page *pages[33];
};
status_t vmo_transfer_begin(struct vmo *vmo, uint64_t offset, uint64_t length, bool into_memory, struct vmo_transfer *transfer);
void vmo_transfer_end(struct vmo_transfer *transfer, status_t status);
/* Bytes of one transfer at most, so that its pages fit `pages` at any alignment of 512. */
#define VMO_TRANSFER_MAX (32 * PAGE_SIZE)

/* Sizes.  set_size: UNAVAILABLE if not resizable, OUT_OF_RANGE; waits for busy pages that go.  Take the family lock. */
uint64_t vmo_size(struct vmo *vmo);
status_t vmo_set_size(struct vmo *vmo, uint64_t size);
uint64_t vmo_content_size(struct vmo *vmo);
status_t vmo_set_content_size(struct vmo *vmo, uint64_t size);

/* Range operations of sys_vmo_op_range; offset and length as given by the user, checked here. */
status_t vmo_commit(struct vmo *vmo, uint64_t offset, uint64_t length, enum page_want want, bool may_block);
status_t vmo_decommit(struct vmo *vmo, uint64_t offset, uint64_t length);
status_t vmo_zero(struct vmo *vmo, uint64_t offset, uint64_t length, bool may_block);
status_t vmo_sync(struct vmo *vmo, uint64_t offset, uint64_t length);

void vmo_info(struct vmo *vmo, info_vmo_t *info);

/* Remove the PTEs of pages [first, first + count) from every mapping / take write permission away.  Family lock held.
 * Defined in vm/aspace.c. */
void vmo_unmap_pages(struct vmo *vmo, uint64_t first, uint64_t count);
void vmo_protect_pages(struct vmo *vmo, uint64_t first, uint64_t count);
