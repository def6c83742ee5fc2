/*
 * helpers.h: what system calls do with handles and results.
 *
 * A system call has three paragraphs: copy arguments in, one call to the object, copy results out or install
 * the handle.  The objects were found before (syscall.c), except where other checks come first.  Everything
 * that can be refused is refused before anything changes.
 */
#pragma once

#include "abi/arguments.h"
#include "task/process.h"

struct port; struct channel; struct pipe;
struct vmo; struct stream; struct pager; struct block; struct backing_store;

/* Start the boot program, which starts the first program of the boot archive (first_program.c). */
void first_program_start(void);
/* All system calls as the kernel sees them. */
#define IN(T)     uaddr_t
#define OUT(T)    uaddr_t
#define OBJECT(T) struct T *
#define SYSCALL(number, result, name, doc, statuses, count, ...) \
    result sys_##name(PARAMETERS(count, ##__VA_ARGS__));
#define SYSCALL_HELD(number, name, handles, doc, statuses, count, ...) \
    status_t sys_##name(rights_t held, PARAMETERS(count, __VA_ARGS__));
#include "abi/syscalls.def"

/* handle_lookup in the current process; out_object is the address of a `struct vmo *` or whatever the type says. */
static inline status_t sys_lookup(handle_t handle, uint32_t type, rights_t rights, void *out_object)
{
    typedef struct object *__attribute__((may_alias)) any_object;
    struct object *object;
    status_t status = handle_lookup(current_process()->handles, handle, type, rights, &object, NULL);

    if (status == OK)
        *(any_object *)out_object = object;
    return status;
}
/* Make reachable what the last ERR_USER_FAULT was about (user_missing).  INVALID_ARGS, CANCELED. */
status_t sys_resolve_fault(void);
/*
 * Make a handle for a new object and store its value at `out`; the caller's reference is used up in every case.
 * NO_MEMORY, NO_RESOURCES, INVALID_ARGS (out): then the object is gone again.
 */
status_t sys_new_handle(struct object *object, rights_t rights, uaddr_t out);
/* Likewise for a new object of a kind that has no options, with all rights of its type: port, event, pager. */
status_t sys_create(uint32_t options, status_t (*create)(struct object **), uaddr_t out);
/* Likewise for two ends, made by `create`; each has its type's rights without those given. */
status_t sys_create_pair(uint32_t options, status_t (*create)(struct object *[2]), const rights_t without[2],
                         const uaddr_t outs[2]);
/* A handle of what the slot holds, which is used up in every case. */
status_t sys_publish(struct handle_slot slot, uaddr_t out);
/* *rights, asked for, becomes the rights to give: INVALID_ARGS unless all are held, or it is RIGHT_SAME_RIGHTS. */
status_t sys_narrow_rights(rights_t held, rights_t *rights);
/* A name of up to NAME_MAX_LENGTH bytes from user memory, zero terminated.  OUT_OF_RANGE if longer, INVALID_ARGS. */
status_t sys_copy_name(char name[32], uaddr_t from, size_t length);
/* For size_t / uint64_t results whose pointer may be null. */
status_t sys_copy_out_u64(uaddr_t out, uint64_t value);
