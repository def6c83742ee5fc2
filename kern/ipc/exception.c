/*
 * exception.c: threads that stop because of what they did or met, or were interrupted.
 *
 * The thread queues a packet to the port bound to it and sleeps until it is resumed.  No port, or one that closes before the
 * answer: its process' port is asked.  Nobody there either: the process dies and one line on the console says why; an interrupted
 * thread just goes on.  The record of the stop, with its packet, is on the stopped thread's kernel stack, so it needs no memory.
 *
 * Invariant: thread->stop is set exactly while the thread can be resumed: who resumes it takes that
 * away, so there is one answer to a stop.  The thread takes object.lock before it leaves its stack.
 * Locks: object.lock of the task for its binding, of the thread for its stop and its registers;
 * then port.lock for the sleep and the answer.
 */
#include "ipc/exception.h"

#include "lib/kprintf.h"
#include "task/process.h"

struct exception_stop {
    struct packet packet;
    struct wait_sleeper sleeper;        /* port->stopped */
    struct port *port;
    uint32_t action;                    /* EXCEPTION_ what to do, 0: not said yet */
};

static struct exception_binding *binding_of(struct object *task)
{
    return task->ops == &process_ops ? &process_from_object(task)->exceptions :
                                       &thread_from_object(task)->exceptions;
}

status_t exception_bind(struct object *task, struct object *port, uint64_t key)
{
    struct exception_binding *binding = binding_of(task);
    struct object *unused = port;

    spin_lock(&task->lock);
    bool bound = binding->port && atomic_load(&binding->port->handles) > 0;

    if (!bound || !port) {
        unused = binding->port;
        *binding = (struct exception_binding){ port, key };
    }
    spin_unlock(&task->lock);
    if (unused)
        object_unref(unused);
    return bound == !port ? OK : bound ? ERR_ALREADY_EXISTS : ERR_NOT_FOUND;
}

/* --- The thread that stops. --- */

/* What the port bound to `task` says: 0 if there is none, it closed, or the thread was killed. */
static uint32_t ask(struct object *task, uint32_t kind, uint64_t address, status_t reason)
{
    struct thread *me = current_thread();
    struct exception_stop stop = { .packet.content = { .type = PKT_EXCEPTION,
        .exception = { me->object.koid, kind, reason, address, arch_user_pc() } } };
    status_t status = OK;

    spin_lock(&task->lock);
    struct exception_binding binding = *binding_of(task);

    if (binding.port)
        object_ref(binding.port);
    spin_unlock(&task->lock);
    if (!binding.port)
        return 0;
    stop.port = container_of(binding.port, struct port, object);
    stop.packet.content.key = binding.key;

    spin_lock(&me->object.lock);
    atomic_store(&me->stop, &stop);
    port_queue_packet(stop.port, &stop.packet, true);
    spin_unlock(&me->object.lock);

    spin_lock(&stop.port->lock);
    while (status == OK && stop.action == 0 && !stop.port->closed)
        status = wait_queue_sleep_as(&stop.port->stopped, &stop.sleeper, &stop.port->lock,
                                     DEADLINE_INFINITE, WAIT_KILLABLE);
    spin_unlock(&stop.port->lock);

    spin_lock(&me->object.lock);
    atomic_store(&me->stop, NULL);
    spin_unlock(&me->object.lock);
    port_withdraw(stop.port, &stop.packet);
    object_unref(binding.port);
    return stop.action;
}

static const char *status_meaning(status_t status)
{
    switch (status) {
#define ERROR(name, value, meaning) case ERR_##name: return " (" #name ": " meaning ")";
#include "abi/errors.def"
#undef ERROR
    default: return " (unknown status)";
    }
}

/*
 * The line of the first of the process' threads, should several fault together.  It is printed
 * before the thread ends, so before anybody hears of the death.
 */
static _Noreturn void die(uint32_t kind, uint64_t address, status_t reason)
{
    static const char *const what[] = {
        [EXCEPTION_LOAD_FAULT] = "load from",
        [EXCEPTION_STORE_FAULT] = "store to",
        [EXCEPTION_FETCH_FAULT] = "jump to",
        [EXCEPTION_MISALIGNED] = "misaligned access to",
        [EXCEPTION_ACCESS_FAULT] = "access without memory at",
        [EXCEPTION_ILLEGAL_INSTRUCTION] = "illegal instruction",
        [EXCEPTION_BREAKPOINT] = "breakpoint",
    };
    struct process *process = current_process();
    const char *detail = "", *kind_of_address = "";
    char name[sizeof(process->name)], where[64] = "";

    if (!process_kill(process, EXIT_CODE_FAULT, true))
        thread_exit();
    if (reason == ERR_ACCESS_DENIED)
        kind_of_address = "protected ";
    else if (reason == ERR_NOT_FOUND)
        kind_of_address = "unmapped ";
    else if (reason != OK)
        detail = status_meaning(reason);
    if (kind != EXCEPTION_ILLEGAL_INSTRUCTION && kind != EXCEPTION_BREAKPOINT)
        format_string(where, sizeof(where), " %saddress 0x%lx", kind_of_address, address);
    object_get_name(&process->object, name);
    kprintf("quire: %s[%lu]: %s%s at pc 0x%lx%s\n", name, process->object.koid, what[kind], where,
            arch_user_pc(), detail);
    thread_exit();
}

void user_exception(uint32_t kind, uint64_t address, status_t reason)
{
    struct thread *me = current_thread();
    uint32_t action;

    if (reason == ERR_CANCELED)
        return;         /* not a report: what ended the wait for a page is looked at on the way out */
    arch_user_sync();
    action = ask(&me->object, kind, address, reason);
    if (action == 0 && !thread_killed() && !me->answers_exceptions)
        action = ask(&me->process->object, kind, address, reason);
    arch_user_sync();
    if (action == EXCEPTION_KILL_THREAD || thread_killed())
        thread_exit();
    if (action == 0 && kind != EXCEPTION_INTERRUPT)
        die(kind, address, reason);
}

/* --- Those who decide. --- */

status_t exception_resume(struct thread *thread, uint32_t action)
{
    spin_lock(&thread->object.lock);
    struct exception_stop *stop = atomic_exchange(&thread->stop, NULL);

    if (stop) {
        spin_lock(&stop->port->lock);
        stop->action = action;
        if (list_linked(&stop->sleeper.link))
            wait_queue_wake(&stop->sleeper, true);
        spin_unlock(&stop->port->lock);
    }
    spin_unlock(&thread->object.lock);
    return stop ? OK : ERR_BAD_STATE;
}

status_t exception_state(struct thread *thread, void (*move)(struct thread *, thread_state_t *),
                         thread_state_t *state)
{
    spin_lock(&thread->object.lock);
    bool stopped = atomic_load(&thread->stop) != NULL;

    if (stopped)
        move(thread, state);
    spin_unlock(&thread->object.lock);
    return stopped ? OK : ERR_BAD_STATE;
}
