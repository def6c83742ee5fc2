/*
 * thread.c: threads with stacks of their own.
 *
 * A stack is one mapping: a guard at the bottom that no store can pass, the stack, and above it the
 * thread-local variables and what the new thread needs to know.  The thread unmaps it all as its
 * last act.
 */
#include "internal.h"

#define GUARD_SIZE PAGE_SIZE
#define MAPPING_SIZE (GUARD_SIZE + THREAD_STACK_SIZE)

/* At the top of the stack.  Written by the creator before the thread runs. */
struct new_thread {
    void (*function)(void *);
    void *argument;
    handle_t handle;                    /* the thread's own */
    uintptr_t base;
};

void thread_entry(void);                /* start.S */
void thread_run(struct new_thread *self);
_Noreturn void thread_leave(handle_t process, uintptr_t base, size_t length, uint64_t unmap_call,
                            uint64_t exit_call);

enum {
#define SYSCALL(number, result, name, ...) CALL_##name = number,
#include "abi/syscalls.def"
#undef SYSCALL
};

/* The first C code of a thread; its stack pointer is just below the thread-local variables. */
void thread_run(struct new_thread *self)
{
    uintptr_t base = self->base;
    tls_init(__builtin_thread_pointer());
    current_thread_handle = self->handle;
    self->function(self->argument);
    sys_handle_close(current_thread_handle);
    thread_leave(process_self(), base, MAPPING_SIZE, CALL_vm_unmap, CALL_thread_exit);
}

static status_t map_stack(uintptr_t *out_base)
{
    handle_t vmo;
    status_t status = sys_vmo_create(MAPPING_SIZE, 0, &vmo);
    if (status != OK)
        return status;
    status = sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, MAPPING_SIZE, out_base);
    sys_handle_close(vmo);
    if (status == OK) {
        status = sys_vm_protect(process_self(), VM_READ, *out_base, GUARD_SIZE);
        if (status != OK)
            sys_vm_unmap(process_self(), *out_base, MAPPING_SIZE);
    }
    return status;
}

/* Fill in the top of the stack and let the thread run.  It owns `own` from then on. */
static status_t start_on_stack(handle_t thread, handle_t own, uintptr_t base,
                               void (*function)(void *), void *argument)
{
    uintptr_t top = base + MAPPING_SIZE - sizeof(struct new_thread);
    top &= -16ul;
    struct new_thread *self = (struct new_thread *)top;
    *self = (struct new_thread){ function, argument, own, base };
    uintptr_t stack = (top - (uintptr_t)__tls_size) & -16ul;
    return sys_thread_start(thread, (uintptr_t)thread_entry, stack, top, 0);
}

status_t quire_thread_create(void (*function)(void *), void *argument, handle_t *out_thread)
{
    uintptr_t base;
    status_t status = map_stack(&base);
    if (status != OK)
        return status;

    handle_t thread, own = HANDLE_INVALID;
    status = sys_thread_create(process_self(), "thread", 6, 0, &thread);
    if (status != OK)
        goto out_stack;
    status = sys_handle_duplicate(thread, RIGHT_SAME_RIGHTS, &own);
    if (status == OK)
        status = start_on_stack(thread, own, base, function, argument);
    if (status != OK)
        goto out_thread;

    if (out_thread != NULL)
        *out_thread = thread;
    else
        sys_handle_close(thread);
    return OK;

out_thread:
    if (own != HANDLE_INVALID)
        sys_handle_close(own);
    sys_handle_close(thread);
out_stack:
    sys_vm_unmap(process_self(), base, MAPPING_SIZE);
    return status;
}

status_t quire_thread_join(handle_t thread)
{
    status_t status;
    do {
        status = sys_object_wait_one(thread, SIGNAL_TERMINATED, DEADLINE_INFINITE, NULL);
    } while (status == ERR_CANCELED);
    if (status == OK)
        sys_handle_close(thread);
    return status;
}
