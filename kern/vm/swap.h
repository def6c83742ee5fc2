/*
 * swap.h: anonymous pages on backing store.
 *
 * A slot of an anonymous VMO may name a block in place of a page (SLOT_BLOCK).  All slots of a family that held the page name the
 * same block, and get the page back together.  A page that came back keeps its block until it is written to: as long as it does, it
 * can go again without being written.
 */
#pragma once

#include "vm/vmo.h"

#define SWAP_CLUSTER   16u              /* pages of one transfer at most */
#define SWAP_TRANSFERS 16u

/* Pages on their way. */
struct swap_transfer {
    struct vmo_family *family;          /* a reference */
    struct vmo *vmo;                    /* on the way in: for whom, a reference; out: NULL */
    uint64_t number;                    /* of the first page, in the family's coordinate */
    uint64_t block;                     /* of the first page; the others follow */
    uint32_t count;
    bool used;                          /* pool_lock */
    struct page *pages[SWAP_CLUSTER];
};

extern struct swap_transfer swap_transfers[SWAP_TRANSFERS];
extern _Atomic uint64_t swap_leaving;   /* pages on their way out */
extern _Atomic uint64_t swap_clean;     /* pages that have a block, also those on their way out */

/* The family lock is held for the next six. */

/*
 * The slot at index names a block: read it, and neighbours of it.  ERR_SHOULD_WAIT with the request armed, or its
 * no_transfer set; NO_MEMORY.
 */
status_t swap_in(struct vmo *vmo, uint64_t index, struct page_request *request);
/* Anonymous pages of a VMO, CLEAN and not busy: drop lets go of those that have blocks, putpages writes others (struct pager_ops). */
uint64_t swap_drop(struct vmo *vmo, uint64_t first, uint64_t count);
uint64_t swap_putpages(struct vmo *vmo, uint64_t first, uint64_t count);
/* No slot of [first, end) names a block, and no page is on its way.  The lock is dropped meanwhile.  IO, NO_MEMORY, CANCELED. */
status_t swap_bring_in(struct vmo *vmo, uint64_t first, uint64_t end);
/* The page, which has a block, is written to: the block is out of date. */
void swap_forget(struct page *page);
/* Nobody holds the page any more, which has a block.  False: it is on its way out, and freed at the end of that. */
bool swap_forget_last(struct page *page);

/* swap_in found all transfers in use: wait until one is over.  RETRY; CANCELED.  No locks held. */
status_t swap_wait(struct page_request *request);
/* Are any pages on their way, out or in?  Takes no lock. */
bool swap_in_flight(void);

/*
 * Move what a store holds elsewhere and let go of its segments.  NO_SPACE: the others have no room for it; IO, NO_MEMORY, CANCELED: then the
 * store goes on as before.  BAD_STATE: deleted, or that is going on already.  No locks held; sleeps.
 */
struct backing_store;
status_t swap_delete_store(struct backing_store *store);

/* The next block in use of all, from *block on (SWAP_NONE: the first), which it becomes.  False: there is none. */
bool swap_page_info(uint64_t *block, info_swap_page_t *info);

/*
 * Supplied by a higher layer (dev): begin to move the pages between memory and `offset` bytes into the device's disk.  swap_done is called at
 * the end, with no locks held; not if it returns IO, at once.  Callable under a family lock.
 */
status_t swap_submit(struct swap_transfer *transfer, bool out, struct object *device, uint64_t offset);
void swap_done(struct swap_transfer *transfer, status_t status);
