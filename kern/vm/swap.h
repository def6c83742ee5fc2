/*
 * swap.h: anonymous pages on backing store.
 *
 * A slot of an anonymous VMO may name a block in place of a page (SLOT_BLOCK).  All slots of a family that held the page name the
 * same block, and get the page back together.  A page that came back keeps its block until it is written to: as long as it does, it
 * can go again without being written.
 */
#pragma once

#include "vm/vmo.h"

#define SWAP_CLUSTER 16u                /* pages of one transfer at most */

/* The family lock is held for all of these but swap_wait. */

/* The slot at index names a block: read it, and neighbours of it.  ERR_SHOULD_WAIT with the request armed; NO_MEMORY; IO. */
status_t swap_in(struct vmo *vmo, uint64_t index, struct page_request *request);
/*
 * The page at index and up to `wanted` - 1 behind it are to go, if `may_go` says so of them: at once if their block holds them, else
 * when they are written.  How many went or will go; 0: no room on backing store, or enough is on its way.
 */
uint64_t swap_out(struct vmo *vmo, uint64_t index, uint64_t wanted, bool (*may_go)(struct vmo *vmo, uint64_t index));
/*
 * No slot of [first, end) names a block, and none of its pages is on its way.  The family lock is dropped meanwhile.  IO, NO_MEMORY,
 * CANCELED.
 */
status_t swap_bring_in(struct vmo *vmo, uint64_t first, uint64_t end);
/* The page is written to: its block is out of date. */
void swap_forget(struct page *page);
/* Sleep until pages on their way out are gone: false if there are none, or the thread is killed. */
bool swap_wait(void);
