/* reclaim.h: page-out: taking back frames whose content can be had again, from its source or from backing store. */
#pragma once

#include "vm/vmo.h"

void reclaim_init(void);                /* starts the thread that keeps some frames free */

/*
 * Let up to `wanted` pages go: clean ones and ones that backing store takes, those first that DONT_NEED named, then what was not
 * used for long.  Dirty pages of pagers that it comes by are asked to be written back.  ALWAYS_NEED pages stay.  Returns how many went, or
 * are on their way out.  No locks held; never sleeps.
 */
uint64_t reclaim(uint64_t wanted);
/*
 * After ERR_NO_MEMORY: wait until there are frames.  False: there will be none, or frames are not what was short, or the thread is
 * killed.  No locks held; sleeps.
 */
bool reclaim_for_retry(void);
/* Pages that were on their way are there, or gone.  Callable from a completion, no family lock held. */
void reclaim_made_room(void);

/*
 * Neither page-out nor anybody else gives frames: kill the process that has most memory of its own (docs/default-pager.md says which
 * are spared), with a line on the console, or wait a while if one is dying.  False: there is none to kill, or it is the caller's.
 */
bool out_of_memory_kill(void);

/* VMO_OP_ALWAYS_NEED (needed) and _DONT_NEED about the pages that are there.  OUT_OF_RANGE.  Takes the family lock. */
status_t reclaim_hint(struct vmo *vmo, uint64_t offset, uint64_t length, bool needed);
