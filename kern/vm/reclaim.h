/* reclaim.h: taking back frames whose content can be had again from its source. */
#pragma once

#include "vm/vmo.h"

void reclaim_init(void);                /* starts the thread that keeps some frames free */

/*
 * Evict up to `wanted` pages: clean ones of pager-backed and device VMOs, those first that DONT_NEED named, then what was not
 * used for long.  Dirty pages that it comes by are asked to be written back.  ALWAYS_NEED pages stay, unless `desperate`.  Returns
 * how many went.  No locks held; never sleeps.
 */
uint64_t reclaim(uint64_t wanted, bool desperate);
/* After ERR_NO_MEMORY: is it worth trying again?  Not if frames are not what is short.  No locks held. */
bool reclaim_for_retry(void);

/* VMO_OP_ALWAYS_NEED (needed) and _DONT_NEED about the pages that are there.  OUT_OF_RANGE.  Takes the family lock. */
status_t reclaim_hint(struct vmo *vmo, uint64_t offset, uint64_t length, bool needed);
