/*
 * sys_exception.c: system calls about stopped threads.
 */
#include "ipc/exception.h"
#include "sys/helpers.h"
#include "vm/fault.h"

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

status_t sys_thread_interrupt(struct thread *thread)
{
    return thread_interrupt(thread);
}

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
