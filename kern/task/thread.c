/*
 * thread.c: the life of a thread, and how it sleeps and is woken.
 *
 * A started thread owns one reference to itself, dropped after its last switch by whoever runs next
 * on its hart. `park` makes sleeping safe against a wake-up that comes first:
 *
 *      RUNNING --park--> PARKED          the thread is switched away from
 *      RUNNING --unpark--> PERMIT        the next park returns at once
 *      PARKED --unpark--> PERMIT         the unparker makes it runnable
 *      PERMIT --park ends--> RUNNING     always done by the thread itself
 *
 * Invariant: only the one unparker that finds PARKED makes the thread runnable.
 * Locks: life and process_link by process->lock; the rest is atomic or the thread's own.
 */
#include "task/thread.h"

#include "lib/kprintf.h"
#include "mm/heap.h"
#include "task/process.h"
#include "task/sched.h"

enum { PARK_RUNNING = 0, PARK_PARKED = 1, PARK_PERMIT = 2 };    /* bits: PERMIT and PARKED is PERMIT */

static void thread_destroy(struct object *object)
{
    struct thread *thread = thread_from_object(object);
    struct process *process = thread->process;

    if (thread->stack) {        /* of a process and never started; one that ran has unlinked itself */
        spin_lock(&process->lock);
        if (list_linked(&thread->process_link))
            list_remove(&thread->process_link);
        spin_unlock(&process->lock);
        arch_stack_destroy(thread->stack);
    }
    if (thread->exceptions.port)
        object_unref(thread->exceptions.port);
    heap_free(thread);
    if (process)
        object_unref(&process->object);
}

const struct object_ops thread_ops = {
    .type = OBJECT_THREAD,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE | RIGHT_DESTROY,
    .name_offset = offsetof(struct thread, name), .destroy = thread_destroy,
};

struct object_reaper *current_reaper(void) { return &current_thread()->reaper; }

static void init(struct thread *thread, struct process *process, const char *name)
{
    object_init(&thread->object, &thread_ops, 0);
    thread->object.related_koid = process ? process->object.koid : 0;
    thread->process = process;
    thread->home = this_hart()->index;
    format_string(thread->name, sizeof(thread->name), "%s", name);
}

status_t thread_create(struct process *process, const char *name, struct thread **out_thread)
{
    struct thread *thread = heap_alloc_zeroed(sizeof(*thread));
    void *stack = thread ? arch_stack_create() : NULL;

    if (!stack) {
        heap_free(thread);
        return ERR_NO_MEMORY;
    }
    thread->stack = stack;
    *out_thread = thread;
    if (!process) {
        init(thread, NULL, name);
        return OK;
    }
    object_ref(&process->object);
    spin_lock(&process->lock);
    bool exiting = process->exiting;

    init(thread, process, name);
    if (!exiting)
        list_push_back(&process->threads, &thread->process_link);
    spin_unlock(&process->lock);
    if (exiting)
        object_unref(&thread->object);
    return exiting ? ERR_BAD_STATE : OK;
}

void thread_init_idle(struct thread *thread, struct hart *hart)
{
    init(thread, NULL, "idle");
    thread->life = LIFE_STARTED;
    atomic_store(&thread->on_hart, hart);
}

static void start(struct thread *thread, void (*main)(void *), void *argument)
{
    assert(thread->life == LIFE_NEW);
    thread->life = LIFE_STARTED;
    arch_thread_init(thread, main, argument);
    sched_make_runnable(thread);
}

/* Where a user thread begins, on its kernel stack. */
static void user_thread_main(void *argument)
{
    const uint64_t *words = argument;

    arch_enter_user(words[0], words[1], words[2], words[3]);
}

void thread_start_locked(struct thread *thread)
{
    assert(spin_held(&thread->process->lock));
    object_ref(&thread->object);
    start(thread, user_thread_main, thread->start);
}

status_t thread_start_kernel(const char *name, void (*main)(void *), void *argument)
{
    struct thread *thread;
    status_t status = thread_create(NULL, name, &thread);

    if (status == OK)
        start(thread, main, argument);
    return status;
}

_Noreturn void thread_exit(void)
{
    struct thread *me = current_thread();

    assert_no_spinlocks();
    if (me->process)
        process_thread_exited();
    object_signal(&me->object, 0, SIGNAL_TERMINATED);
    sched_finish();
}

void thread_free_finished(struct thread *thread)
{
    arch_stack_destroy(thread->stack);
    thread->stack = NULL;
    object_unref(&thread->object);
}

/*
 * Give a thread a reason to leave.  It may run in user mode on another hart: then that hart must look.  It publishes
 * on_hart before it looks at its reasons (sched_switched), and we do the reverse, so one of the two sees the other.
 */
static void tell_to_leave(struct thread *thread, uint32_t reason)
{
    atomic_fetch_or(&thread->leave, reason);
    thread_unpark(thread);

    struct hart *hart = atomic_load(&thread->on_hart);

    if (hart == this_hart())
        hart->reschedule = true;
    else if (hart)
        arch_send_reschedule(1u << hart->index);
}

void thread_kill_locked(struct thread *thread)
{
    assert(spin_held(&thread->process->lock));
    if (thread->life == LIFE_NEW) {
        thread->life = LIFE_DEAD;
        list_remove(&thread->process_link);
        object_signal(&thread->object, 0, SIGNAL_TERMINATED);
        return;
    }
    tell_to_leave(thread, LEAVE_KILLED);
}

void thread_kill(struct thread *thread)
{
    struct process *process = thread->process;

    spin_lock(&process->lock);
    if (thread->life != LIFE_DEAD)
        thread_kill_locked(thread);
    spin_unlock(&process->lock);
}

status_t thread_interrupt(struct thread *thread)
{
    spin_lock(&thread->process->lock);

    bool alive = thread->life == LIFE_STARTED;

    if (alive)
        tell_to_leave(thread, LEAVE_INTERRUPTED);
    spin_unlock(&thread->process->lock);
    return alive ? OK : ERR_BAD_STATE;
}

uint32_t thread_state(struct thread *thread)
{
    if (thread->life == LIFE_NEW)
        return THREAD_NEW;
    if (thread->life == LIFE_DEAD)
        return THREAD_DEAD;
    if (atomic_load(&thread->stop))
        return THREAD_EXCEPTION;
    if (atomic_load(&thread->park) != PARK_PARKED)
        return THREAD_RUNNING;
    return atomic_load(&thread->pager_wait_since) ? THREAD_BLOCKED_PAGER : THREAD_BLOCKED;
}

void thread_park(void)
{
    struct thread *me = current_thread();

    if (atomic_fetch_or(&me->park, PARK_PARKED) == PARK_RUNNING)
        sched_block();
    atomic_exchange_explicit(&me->park, PARK_RUNNING, memory_order_acquire);
}

void thread_wake(struct thread *thread, bool hand_over)
{
    if (atomic_exchange(&thread->park, PARK_PERMIT) != PARK_PARKED)
        return;
    if (hand_over)
        sched_set_next(thread);
    else
        sched_make_runnable(thread);
}

void return_to_user(void)
{
    for (;;) {
        if (thread_killed())
            thread_exit();
        if (thread_leaves(LEAVE_INTERRUPTED)) {
            atomic_fetch_and(&current_thread()->leave, ~(uint32_t)LEAVE_INTERRUPTED);
            user_exception(EXCEPTION_INTERRUPT, 0, OK);
            continue;
        }
        if (!this_hart()->reschedule)
            return;
        this_hart()->reschedule = false;
        sched_yield();
    }
}
