/*
 * futex.h: sleep on the value of a word of user memory.
 */
#pragma once

#include "task/wait_queue.h"

/*
 * A key is (process, address): futexes are private to a process.  ERR_USER_FAULT: touch the page
 * and call again; BAD_STATE: *address is not `expected`; TIMED_OUT; CANCELED.
 */
status_t futex_wait(uaddr_t address, uint32_t expected, int64_t deadline);
void futex_wake(uaddr_t address, uint32_t count);
void futex_init(void);
