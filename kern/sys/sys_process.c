/* sys_process.c: system calls about processes, threads that run or are stopped, futexes, time and random numbers. */
#include "ipc/exception.h"
#include "lib/random.h"
#include "sys/helpers.h"
#include "vm/fault.h"

/* May a thread start at this entry with this stack? */
static bool is_user_start(uintptr_t entry, uintptr_t stack)
{
    return entry >= USER_BASE && entry < USER_TOP && stack >= USER_BASE && stack <= USER_TOP;
}

status_t sys_process_create(uaddr_t name_from, size_t name_length, uint32_t options, uaddr_t out)
{
    char name[32];
    struct process *process;
    status_t status = options & ~(uint32_t)PROCESS_COPY_HANDLES ? ERR_INVALID_ARGS :
                      sys_copy_name(name, name_from, name_length);

    if (status == OK)
        status = process_create(name, options ? current_process()->handles : NULL, &process);
    if (status != OK)
        return status;
    process->object.related_koid = current_process()->object.koid;
    return sys_new_handle(&process->object, process_ops.default_rights, out);
}

/*
 * arg1 moves only if the process starts, so the process is first given a second handle to the same
 * object, and the caller's is closed after.
 */
status_t sys_process_start(struct process *process, struct thread *thread, uintptr_t entry,
                           uintptr_t stack, handle_t arg1, uintptr_t arg2)
{
    struct handle_table *own = current_process()->handles;
    const uint64_t words[] = { entry, stack, 0, arg2 };
    struct handle_slot slot = { NULL, RIGHT_NONE }, moved;
    struct object *object;
    status_t status = OK;

    if (arg1 != HANDLE_INVALID) {
        status = handle_lookup(own, arg1, OBJECT_ANY, RIGHT_TRANSFER, &object, &slot.rights);
        if (status != OK)
            return status;
        slot = handle_slot_make(object, slot.rights);
        object_unref(object);
    }
    status = is_user_start(entry, stack) && thread->process == process ?
             process_start(thread, true, slot, words) : ERR_INVALID_ARGS;
    if (status != OK && slot.object)
        handle_slot_close(slot);
    else if (slot.object && handle_remove(own, arg1, &moved) == OK)
        handle_slot_close(moved);
    return status;
}

void sys_process_exit(int64_t code)
{
    process_kill(current_process(), code, false);
    thread_exit();
}

status_t sys_task_kill(rights_t held, struct object *object)
{
    if (object->ops != &process_ops && object->ops != &thread_ops)
        return ERR_WRONG_TYPE;
    if (!(held & RIGHT_DESTROY))
        return ERR_ACCESS_DENIED;
    if (object->ops == &process_ops)
        process_kill(process_from_object(object), EXIT_CODE_KILLED, true);
    else
        thread_kill(thread_from_object(object));
    return OK;
}

status_t sys_thread_create(struct process *process, uaddr_t name_from, size_t name_length,
                           uint32_t options, uaddr_t out)
{
    char name[32];
    struct thread *thread;
    status_t status = options & ~(uint32_t)THREAD_ANSWERS_EXCEPTIONS ? ERR_INVALID_ARGS :
                      sys_copy_name(name, name_from, name_length);

    if (status == OK)
        status = thread_create(process, name, &thread);
    if (status == OK)
        thread->answers_exceptions = options;
    return status == OK ? sys_new_handle(&thread->object, thread_ops.default_rights, out) : status;
}

status_t sys_thread_start(struct thread *thread, uintptr_t entry, uintptr_t stack, uintptr_t arg1,
                          uintptr_t arg2)
{
    const uint64_t words[] = { entry, stack, arg1, arg2 };
    struct handle_slot none = { NULL, RIGHT_NONE };

    return is_user_start(entry, stack) ? process_start(thread, false, none, words)
                                       : ERR_INVALID_ARGS;
}

void sys_thread_exit(void) { thread_exit(); }

/* --- Stopped threads. --- */

status_t sys_exception_bind(struct object *task, handle_t port_handle, uint64_t key)
{
    struct object *port = NULL;
    status_t status = OK;

    if (task->ops != &process_ops && task->ops != &thread_ops)
        return ERR_WRONG_TYPE;
    if (port_handle != HANDLE_INVALID)
        status = sys_lookup(port_handle, OBJECT_PORT, RIGHT_WRITE, &port);
    if (status == OK)
        status = exception_bind(task, port, key);
    return status;
}

status_t sys_exception_resume(struct thread *thread, uint32_t action)
{
    if (action != EXCEPTION_RETRY && action != EXCEPTION_KILL_THREAD)
        return ERR_INVALID_ARGS;
    return exception_resume(thread, action);
}

status_t sys_thread_interrupt(struct thread *thread) { return thread_interrupt(thread); }

status_t sys_thread_read_state(struct thread *thread, uaddr_t to)
{
    thread_state_t state;
    status_t status = exception_state(thread, arch_user_read, &state);

    return status == OK ? user_copy_out(to, &state, sizeof(state)) : status;
}

status_t sys_thread_write_state(struct thread *thread, uaddr_t from)
{
    thread_state_t state;
    status_t status = user_copy_in(&state, from, sizeof(state));

    return status == OK ? exception_state(thread, arch_user_write, &state) : status;
}

/* --- Futexes, time, random numbers. --- */

static bool is_futex_address(uaddr_t address)
{
    return address % sizeof(uint32_t) == 0 && address >= USER_BASE && address < USER_TOP;
}

status_t sys_futex_wait(uaddr_t address, uint32_t expected, int64_t deadline)
{
    status_t status;

    if (!is_futex_address(address))
        return ERR_INVALID_ARGS;
    do
        status = futex_wait(address, expected, deadline);
    while (status == ERR_USER_FAULT && (status = sys_resolve_fault()) == OK);
    return status;
}

status_t sys_futex_wake(uaddr_t address, uint32_t count)
{
    if (!is_futex_address(address))
        return ERR_INVALID_ARGS;
    futex_wake(address, count);
    return OK;
}

int64_t sys_clock_get(void) { return (int64_t)arch_time(); }

int64_t sys_clock_wall(void) { return (int64_t)arch_wall_time(); }

status_t sys_nanosleep(int64_t deadline)
{
    if (deadline <= 0 || arch_time() >= (uint64_t)deadline) {
        sched_yield();
        return OK;
    }
    do
        if (thread_should_leave())
            return ERR_CANCELED;
    while (thread_park_until(deadline));
    return OK;
}

status_t sys_random(uaddr_t buffer, size_t length)
{
    uint8_t bytes[256];

    while (length) {
        size_t part = min_u64(length, sizeof(bytes));
        status_t status;

        random_bytes(bytes, part);
        status = user_copy_out(buffer, bytes, part);
        if (status != OK || thread_killed())
            return status;
        buffer += part;
        length -= part;
        sched_preempt_point();
    }
    return OK;
}
