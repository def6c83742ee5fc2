/* fault.h: page faults, and kernel access to user memory, which is the same thing done by hand. */
#pragma once

#include "vm/aspace.h"

/*
 * Make `address` accessible to the current process (access: MMU_READ, MMU_WRITE or MMU_EXECUTE).  May sleep for a pager; no locks held.
 * NOT_FOUND: nothing mapped there; ACCESS_DENIED: mapped without this permission; else what the page path said.
 */
status_t vm_fault(vaddr_t address, uint32_t access);

/* Boot: makes the frame of zeros that is mapped where memory was read and never written. */
void vm_init(void);
extern struct page *zero_frame;

/* Copies to and from the current process' memory.  May sleep; no locks held.  INVALID_ARGS if it cannot be accessed, NO_MEMORY. */
status_t user_copy_in(void *to, uaddr_t from, size_t length);
status_t user_copy_out(uaddr_t to, const void *from, size_t length);
/* Resolve the pages of a range once, after ERR_USER_FAULT; INVALID_ARGS if one cannot be, NO_MEMORY. */
status_t user_touch(uaddr_t address, size_t length, bool write);
