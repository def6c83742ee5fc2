/*
 * vmo_copy.h: bytes between VMOs and the current process' memory.
 */
#pragma once

#include "vm/vmo.h"

/*
 * Copy; *out_done bytes were copied when it returns, also on error.  may_block: a user pager may be asked, else SHOULD_WAIT.
 * OUT_OF_RANGE if the range is not inside; INVALID_ARGS for the user buffer.  No locks held; sleeps.
 */
status_t vmo_copy_to_user(struct vmo *vmo, uint64_t offset, uaddr_t to, uint64_t length, bool may_block, uint64_t *out_done);
status_t vmo_copy_from_user(struct vmo *vmo, uint64_t offset, uaddr_t from, uint64_t length, bool may_block, uint64_t *out_done);
