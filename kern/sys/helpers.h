/*
 * helpers.h: what every system call does with handles and results.
 *
 * A system call has four paragraphs: look up the handles, copy arguments in, one call to the object, copy
 * results out or install the handle.  Everything that can be refused is refused before anything changes.
 */
#pragma once

#include "sys/syscalls.h"
#include "task/process.h"

/* handle_lookup in the current process. */
status_t sys_lookup(handle_t handle, uint32_t type, rights_t rights, struct object **out_object);
/*
 * Make a handle for a new object and store its value at `out`; the caller's reference is used up in every case.
 * NO_MEMORY, NO_RESOURCES, INVALID_ARGS (out): then the object is gone again.
 */
status_t sys_new_handle(struct object *object, rights_t rights, uaddr_t out);
status_t sys_new_handles(struct object *a, rights_t a_rights, uaddr_t a_out, struct object *b, rights_t b_rights, uaddr_t b_out);
/* Likewise for a slot, which is used up in every case. */
status_t sys_publish_slot(struct handle_slot slot, uaddr_t out);
/* A name of up to NAME_MAX_LENGTH bytes from user memory, zero terminated.  OUT_OF_RANGE if longer, INVALID_ARGS. */
status_t sys_copy_name(char name[32], uaddr_t from, size_t length);
/* For size_t / uint64_t results whose pointer may be null. */
status_t sys_copy_out_u64(uaddr_t out, uint64_t value);
