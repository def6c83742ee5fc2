/* exception.h: threads that stopped because of what they did or met, and who decides how they go on. */
#pragma once

#include "ipc/port.h"

/*
 * Exceptions of a process or a thread are reported to the port under key from now on (NULL: no longer); the caller's reference
 * to the port is used up.  ALREADY_EXISTS, NOT_FOUND: something, nothing is bound.  A port without handles counts as nothing.
 */
status_t exception_bind(struct object *task, struct object *port, uint64_t key);
/* EXCEPTION_RETRY or _KILL_THREAD.  BAD_STATE: it is not stopped (any more). */
status_t exception_resume(struct thread *thread, uint32_t action);
/* arch_user_read or _write on a stopped thread.  BAD_STATE: it is not stopped. */
status_t exception_state(struct thread *thread, void (*move)(struct thread *, thread_state_t *),
                         thread_state_t *state);
