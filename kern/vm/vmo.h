/*
 * vmo.h: virtual memory objects.
 *
 * A VMO is a sparse array of pages and one *source* for the pages it does not hold (struct pager_ops).
 * vmo_get_page is the one way to a page: it finds it, makes it, or asks the source and says ERR_SHOULD_WAIT;
 * then the caller drops all locks, waits with page_request_resolve, and looks again from the top.
 *
 * Copy-on-write has two layers at most (docs/copy-on-write.md).  A snapshot of an anonymous VMO holds the same pages, each
 * of which counts its holders (page->shares); who writes to a shared one copies it first.  A clone of a VMO with
 * a source, its root, holds the pages that were written through it and sees the root's for the others.
 * All VMOs that share pages are one family, with one lock.
 */
#pragma once

#include "mm/frame.h"
#include "object/object.h"
#include "vm/page_list.h"

struct vmo;
struct page_request;

struct dirty_budget;

enum vmo_kind { VMO_ANONYMOUS, VMO_PAGER, VMO_DEVICE, VMO_REFERENCE, VMO_SLICE };

struct vmo_family {
    struct spinlock lock;               /* RANK_FAMILY */
    atomic_uint references;             /* one a member, one for page-out while it looks at a page */
    struct list members;                /* struct vmo with pages of their own; lock */
    uint64_t busy;                      /* pages of theirs that devices hold; lock */
    uint64_t leaving;                   /* those of them on their way out (vm/swap.h), for which nobody waits; lock */
};

struct vmo {
    struct object object;

    /* Immutable after create. */
    enum vmo_kind kind;
    bool resizable;
    bool trap_dirty;                    /* who makes a page dirty asks the pager first */
    const struct pager_ops *ops;        /* NULL for anonymous VMOs: absent means zero */
    void *source;                       /* the source's own record of this VMO */
    struct dirty_budget *budget;        /* its dirty pages count there (vm/dirty_budget.h); NULL: nowhere */
    struct vmo_family *family;
    struct vmo *parent;                 /* whose pages a reference or slice shows; a clone's root.  A reference; or NULL */
    uint64_t base;                      /* of page 0: page number in the family's coordinate, the root's; a slice's in its parent */
    uint64_t parent_koid;               /* whose child it was made as, or 0 */

    /* Guarded by family->lock.  References and slices use nothing below `content_changes`, references not even the sizes. */
    struct vmo *counted_by;             /* the VMO whose child it is counted as; NULL: none, or that one is gone */
    uint32_t children;                  /* ZERO_CHILDREN is set while there are none */
    uint64_t size;                      /* bytes, whole pages */
    uint64_t content_size;              /* bytes */
    uint64_t content_changes;           /* how often it was set, or a stream write began */
    struct list_node family_link;       /* family->members */
    uint64_t source_pages;              /* from this page on source or root owe nothing: absent means zero */
    struct page_list pages;
    struct list regions;                /* struct region that map it */
    uint32_t mappings;
    bool modified;                      /* written to, resized or zeroed since the pager last reset it */
    bool others_mapped;                 /* something was mapped where it holds no page: zeros, or its root's page */
    struct list requests;               /* struct page_request: threads waiting for pages of this VMO */
    uint32_t waiting;                   /* how many, the chained ones included */
    uint64_t resident;                  /* pages held, shared ones included */
    uint64_t swapped;                   /* blocks held in place of pages, likewise */
    uint64_t swap_next;                 /* behind the pages that were read back last, and how many they could have been */
    uint32_t swap_window;
    uint64_t dirty;                     /* pages not clean (pager, device) */
    uint64_t change_events;             /* pages that the kernel took away */
    char name[32];                      /* object.lock */
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
    bool asks_user;                     /* a user process answers: needs MAY_BLOCK */
    status_t (*getpages)(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required, struct page_request *request);
    /* May these pages, none of them dirty, become so?  trap_dirty only; answers as getpages. */
    status_t (*dirty)(struct vmo *vmo, uint64_t first, uint64_t count, struct page_request *request);
    /* May one more of its pages become dirty, by its budget?  Only if it has one; answers as getpages. */
    status_t (*throttle)(struct vmo *vmo, struct page_request *request);
    /*
     * Pages [first, first + count), all dirty, should be cleaned, memory is short: asks, or begins, never waits.  How many of them will go
     * when they are clean, if nobody uses them.  NULL: this source does not.
     */
    uint64_t (*putpages)(struct vmo *vmo, uint64_t first, uint64_t count);
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
#define vmo_from_object(object) object_as(vmo, object)

/*
 * Children (vm/vmo_child.c).  VMO_CHILD_REFERENCE: every page and size is the parent's.  _SLICE: a window on a parent that cannot
 * be resized.  Both are objects of their own: while a handle, mapping or stream uses one, the parent has a child, and so a
 * pager knows whether anybody uses its VMO.  _SNAPSHOT, of anonymous memory: its bytes at this moment, zeros beyond its end.
 * _SNAPSHOT_AT_LEAST_ON_WRITE: likewise; of a VMO with a source a clone, of a clone a snapshot of what it holds, over the same root.
 * offset and size in bytes.  INVALID_ARGS: options, alignment; OUT_OF_RANGE; NOT_SUPPORTED; NO_MEMORY; CANCELED while waiting for
 * a page that a device holds.  Takes the family lock; may sleep.
 */
status_t vmo_create_child(struct vmo *parent, uint32_t options, uint64_t offset, uint64_t size, struct vmo **out_vmo);

/* The VMO that holds the pages: itself, or of a reference or slice its parent. */
static inline struct vmo *vmo_target(struct vmo *vmo)
{
    return vmo->kind >= VMO_REFERENCE ? vmo->parent : vmo;
}
/* Of a VMO that holds pages: the one whose source supplies those it does not hold; itself if it is no clone. */
static inline struct vmo *vmo_root(struct vmo *vmo) { return vmo->parent ? vmo->parent : vmo; }
/* The VMO whose sizes count; a slice has its own. */
static inline struct vmo *vmo_sized(struct vmo *vmo) { return vmo->kind == VMO_REFERENCE ? vmo->parent : vmo; }
/* One word each: what it says may be old by the time it is used, with the lock as without it. */
static inline uint64_t vmo_size(struct vmo *vmo)         { return *(volatile uint64_t *)&vmo_sized(vmo)->size; }
static inline uint64_t vmo_content_size(struct vmo *vmo) { return *(volatile uint64_t *)&vmo_sized(vmo)->content_size; }
/* From a VMO and an offset of the user's to the VMO that holds the pages and the offset there.  OUT_OF_RANGE if
 * [offset, offset + length) is not inside, which may change until the caller has the family lock. */
static inline status_t vmo_locate(struct vmo **vmo, uint64_t *offset, uint64_t length)
{
    if (!range_inside(*offset, length, vmo_size(*vmo)))
        return ERR_OUT_OF_RANGE;
    if ((*vmo)->kind == VMO_SLICE)
        *offset += (*vmo)->base << PAGE_SHIFT;
    *vmo = vmo_target(*vmo);
    return OK;
}

/* What the first handle to a VMO may do: RESIZE only if it can be resized. */
static inline rights_t vmo_rights(const struct vmo *vmo)
{
    return vmo_ops.default_rights | (vmo->resizable ? RIGHT_RESIZE : 0);
}

void vmo_family_unref(struct vmo_family *family);
static inline void vmo_lock(struct vmo *vmo)   { spin_lock(&vmo->family->lock); }
static inline void vmo_unlock(struct vmo *vmo) { spin_unlock(&vmo->family->lock); }
static inline bool vmo_locked(const struct vmo *vmo) { return spin_held(&vmo->family->lock); }

/* What a lookup wants.  COMMIT: a frame, also for zeros, which stay as clean or as dirty as they are. */
enum page_want { WANT_READ, WANT_WRITE, WANT_COMMIT };

/*
 * The page at `index` for reading or writing.  Family lock held.  *out_page is NULL for content known to be zero that WANT_READ
 * needs no frame for.  ERR_SHOULD_WAIT: request was armed for up to `run` pages from index (see page_request_resolve).
 * OUT_OF_RANGE; NO_MEMORY; else the source's status.  WANT_WRITE makes the page dirty, or its own copy, which is mapped nowhere yet.
 */
status_t vmo_find_page(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run, struct page_request *request,
                       struct page **out_page);
/* The same, soon done where a page is just read that is there, near the last one found. */
static inline status_t vmo_get_page(struct vmo *vmo, uint64_t index, enum page_want want, uint64_t run,
                                    struct page_request *request, struct page **out_page)
{
    struct page *page = want == WANT_READ ? slot_page(page_list_recent(&vmo->pages, index)) : NULL;

    if (!page || page->state == PAGE_FILLING || index >= vmo->size >> PAGE_SHIFT)
        return vmo_find_page(vmo, index, want, run, request, out_page);
    page->referenced = 1;
    *out_page = page;
    return OK;
}
/* May the page that get_page gave be mapped writable?  Family lock held. */
static inline bool vmo_page_writable(const struct vmo *vmo, const struct page *page)
{
    if (vmo->ops)
        return page->state == PAGE_DIRTY;
    /* Neither another's nor the root's, nor equal to a block. */
    return page->shares == 1 && (!page->block || page->state == PAGE_DIRTY) && frame_kind(page) == FRAME_ANON;
}

/*
 * Pages that a device holds (vm/vmo_transfer.c), which are busy meanwhile.
 *
 * begin, for sys_block_submit, takes the pages that [offset, offset + length) touches.  into_memory (a device read): anonymous VMOs
 * only (NOT_SUPPORTED), absent pages get frames.  Otherwise every page must be there (NOT_FOUND).  OUT_OF_RANGE; NO_MEMORY;
 * BAD_STATE if a page is busy already.  Nothing is changed on error.  Takes the family lock.
 * insert_busy, for sources, puts a frame that is to be filled into an empty slot; NO_MEMORY: it is freed.  Family lock held.
 * done ends all: pages that were filled are clean, or gone after an error; those that a device VMO wrote back and nobody wrote to
 * meanwhile are clean, or dirty again; who waited for them looks again, or gets the error.  Family lock held.
 */
struct vmo_transfer {
    struct vmo *vmo;                    /* the target: a reference, which the caller gives back when it is done */
    uint64_t first;
    uint32_t count;
    struct page *pages[33];
};
status_t vmo_transfer_begin(struct vmo *vmo, uint64_t offset, uint64_t length, bool into_memory, struct vmo_transfer *out_transfer);
status_t vmo_insert_busy(struct vmo *vmo, uint64_t index, struct page *page);
void vmo_transfer_done(struct vmo *vmo, uint64_t first, uint64_t count, status_t status);
/* Bytes of one transfer at most, so that its pages fit `pages` at any alignment of 512. */
#define VMO_TRANSFER_MAX (32 * PAGE_SIZE)

/* Sizes.  set_size: UNAVAILABLE if not resizable, OUT_OF_RANGE; waits for busy pages that go.  The setters take the family lock. */
status_t vmo_set_size(struct vmo *vmo, uint64_t size);
status_t vmo_set_content_size(struct vmo *vmo, uint64_t size);

/* Range operations of sys_vmo_op_range; offset and length as given by the user, checked here. */
status_t vmo_commit(struct vmo *vmo, uint64_t offset, uint64_t length, enum page_want want, bool may_block);
status_t vmo_decommit(struct vmo *vmo, uint64_t offset, uint64_t length);
status_t vmo_zero(struct vmo *vmo, uint64_t offset, uint64_t length, bool may_block);
status_t vmo_sync(struct vmo *vmo, uint64_t offset, uint64_t length);

/*
 * Dirty pages and zeros of a pager-backed VMO (vm/vmo_dirty.c); pages [first, end) are inside it.  Family lock held.
 * dirty_pages: all become dirty pages; NOT_FOUND if the pager has to supply one first, NO_MEMORY: then none did.
 * writeback_begin: what is dirty awaits being clean, zeros_only leaves pages out.  writeback_end: what still awaits it came out as
 * the VM_PAGER_ result says: OK, it is clean, zeros are the source's to give again; PEND, it goes on awaiting it; BAD, it is
 * dropped; else it is dirty again.  next_dirty, which takes the lock itself: the first run of dirty pages, or of dirty zeros, from
 * page *index on, which moves behind it; false at the end.
 */
status_t vmo_dirty_pages(struct vmo *vmo, uint64_t first, uint64_t end);
void vmo_writeback_begin(struct vmo *vmo, uint64_t first, uint64_t end, bool zeros_only);
void vmo_writeback_end(struct vmo *vmo, uint64_t first, uint64_t end, int32_t result);
bool vmo_next_dirty(struct vmo *vmo, uint64_t *index, uint64_t end, vmo_dirty_range_t *out_range);

/*
 * Between a VMO and the current process' memory; *out_done bytes were copied when it returns, also on error.  may_block: a user
 * pager may be asked, else SHOULD_WAIT.  OUT_OF_RANGE if the range is not inside; INVALID_ARGS for the user buffer.  No locks
 * held; sleeps.
 */
enum vmo_copy { VMO_TO_USER, VMO_FROM_USER };
status_t vmo_copy(struct vmo *vmo, uint64_t offset, uaddr_t user, uint64_t length, enum vmo_copy direction, bool may_block,
                  uint64_t *out_done);

void vmo_info(struct vmo *vmo, info_vmo_t *info);

/* Remove the PTEs of pages [first, first + count) from every mapping, also where clones show them / take write permission away.
 * Family lock held.  Defined in vm/aspace.c. */
void vmo_unmap_pages(struct vmo *vmo, uint64_t first, uint64_t count);
void vmo_protect_pages(struct vmo *vmo, uint64_t first, uint64_t count);
/* Was the page used through a mapping since this was last asked?  Likewise. */
bool vmo_test_accessed(struct vmo *vmo, uint64_t index);
