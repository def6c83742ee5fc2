/*
 * thread.c: threads with stacks of their own.
 *
 * A stack is one mapping, of which only what is touched takes memory: a guard at the bottom that
 * nobody may touch, the stack, and above it the thread-local variables and the record of the
 * thread.  Who frees it is agreed in one word: a detached thread unmaps its own stack as its last
 * act, and any other is unmapped by whoever joins it, after the kernel says that it has ended.
 *
 * Invariant: a thread that is neither detached nor joined keeps its record for ever.
 */
#include "internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#define GUARD_SIZE PAGE_SIZE

void thread_entry(void);                /* start.S */
void thread_run(struct pthread *self);
_Noreturn void thread_leave(handle_t process, uintptr_t base, size_t length, uint64_t unmap_call,
                            uint64_t exit_call);

enum {
#define SYSCALL(number, result, name, ...) CALL_##name = number,
#include "abi/syscalls.def"
#undef SYSCALL
};

static struct pthread first_thread;
static __thread struct pthread *current;        /* NULL in the first thread, at first */
static _Atomic uint32_t thread_count = 1;

struct pthread *thread_current(void)
{
    if (current == NULL) {
        current = &first_thread;
        first_thread.handle = thread_self();
    }
    return current;
}

/* The first C code of a thread; its stack pointer is just below the thread-local variables. */
void thread_run(struct pthread *self)
{
    tls_init(__builtin_thread_pointer());
    current = self;
    current_thread_handle = self->handle;
    signals_thread_begin(self->blocked);
    if (self->plain != NULL)
        self->plain(self->argument);
    else
        self->result = self->function(self->argument);
    thread_end(self);
}

void thread_end(struct pthread *self)
{
    if (self->values != NULL)
        thread_values_destroy(self);
    if (atomic_fetch_sub(&thread_count, 1) == 1)
        exit(0);
    signals_thread_end();
    if (atomic_fetch_or(&self->state, THREAD_HAS_ENDED) & THREAD_IS_DETACHED) {
        sys_handle_close(self->handle);
        if (self->size != 0)
            thread_leave(process_self(), self->base, self->size, CALL_vm_unmap, CALL_thread_exit);
    }
    sys_thread_exit();
}

status_t thread_new_on(void *stack, size_t size, struct pthread **out_thread)
{
    uintptr_t top = (uintptr_t)stack + size - sizeof(struct pthread);
    if (size < sizeof(struct pthread) + (uintptr_t)__tls_size + (uintptr_t)__tls_align + 4096)
        return ERR_INVALID_ARGS;
    *out_thread = (struct pthread *)(top & -16ul);
    **out_thread = (struct pthread){ .handle = HANDLE_INVALID };
    return OK;
}

status_t thread_new(size_t stack_size, size_t guard_size, struct pthread **out_thread)
{
    size_t top_size = sizeof(struct pthread) + (uintptr_t)__tls_size + (uintptr_t)__tls_align + 16;
    if (stack_size > USER_TOP || guard_size > USER_TOP)
        return ERR_NO_MEMORY;
    guard_size = (guard_size + PAGE_SIZE - 1) & -PAGE_SIZE;
    size_t size = guard_size + ((stack_size + top_size + PAGE_SIZE - 1) & -PAGE_SIZE);

    handle_t vmo;
    uintptr_t base;
    status_t status = sys_vmo_create(size, 0, &vmo);
    if (status != OK)
        return status;
    sys_object_set_name(vmo, "thread stack", 12);
    status = sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, size, &base);
    sys_handle_close(vmo);
    if (status != OK)
        return status;
    if (guard_size != 0)
        status = sys_vm_protect(process_self(), 0, base, guard_size);
    if (status != OK) {
        sys_vm_unmap(process_self(), base, size);
        return status;
    }
    thread_new_on((void *)(base + guard_size), size - guard_size, out_thread);
    (*out_thread)->base = base;
    (*out_thread)->size = size;
    return OK;
}

void thread_free(struct pthread *thread)
{
    if (thread->size != 0)
        sys_vm_unmap(process_self(), thread->base, thread->size);
}

/* On failure its handle is closed. */
status_t thread_start(struct pthread *thread)
{
    uintptr_t stack = ((uintptr_t)thread - (uintptr_t)__tls_size) & -(uintptr_t)__tls_align;
    status_t status = OK;
    if (thread->handle == HANDLE_INVALID)
        status = sys_thread_create(process_self(), "thread", 6, 0, &thread->handle);
    if (status != OK)
        return status;
    thread->blocked = signals_blocked();
    signals_thread_prepare(stack);
    atomic_fetch_add(&thread_count, 1);
    status = sys_thread_start(thread->handle, (uintptr_t)thread_entry, stack, (uintptr_t)thread, 0);
    if (status != OK) {
        atomic_fetch_sub(&thread_count, 1);
        sys_handle_close(thread->handle);
    }
    return status;
}

/*
 * A detached thread.  Its creator gets a second handle, made before the thread can close its own.
 */
status_t quire_thread_create(void (*function)(void *), void *argument, handle_t *out_thread)
{
    struct pthread *thread;
    handle_t handle = HANDLE_INVALID;
    status_t status = thread_new(THREAD_STACK_SIZE, GUARD_SIZE, &thread);
    if (status != OK)
        return status;
    thread->plain = function;
    thread->argument = argument;
    thread->state = THREAD_IS_DETACHED;
    status = sys_thread_create(process_self(), "thread", 6, 0, &thread->handle);
    if (status != OK)
        goto out_stack;
    if (out_thread != NULL) {
        status = sys_handle_duplicate(thread->handle, RIGHT_SAME_RIGHTS, &handle);
        if (status != OK) {
            sys_handle_close(thread->handle);
            goto out_stack;
        }
    }
    status = thread_start(thread);
    if (status == OK) {
        if (out_thread != NULL)
            *out_thread = handle;
        return OK;
    }
    if (handle != HANDLE_INVALID)
        sys_handle_close(handle);
out_stack:
    thread_free(thread);
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

/* In the child of fork: its only thread is the caller. */
void threads_fork_child(void)
{
    if (current != NULL)
        current->handle = thread_self();
    thread_count = 1;
}
