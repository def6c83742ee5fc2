/*
 * thread.h: threads, and how they sleep and are woken.
 *
 * park / unpark is the one way to sleep: thread_unpark leaves a permit, thread_park consumes it or sleeps until there
 * is one.  So a wake-up between "check the condition" and "sleep" is never lost, and spurious wake-ups happen: every
 * sleeper checks its condition again under the condition's lock.  Nothing is held while parked.
 */
#pragma once

#include "arch.h"
#include "lib/tree.h"
#include "object/object.h"

struct process;
struct exception_stop;                      /* ipc/exception.c */

enum { LEAVE_KILLED = 1, LEAVE_INTERRUPTED = 2 };       /* to die; to report an interrupt */
enum thread_life { LIFE_NEW, LIFE_STARTED, LIFE_DEAD };

/* User memory that a copy with faults disabled could not reach. */
struct user_missing {
    uaddr_t address;
    size_t length;
    bool write;
};

/* Where exceptions of a process or a thread are reported.  Guarded by the object's lock. */
struct exception_binding {
    struct object *port;                    /* a reference, NULL: nowhere */
    uint64_t key;
};

struct thread {
    struct object object;                   /* first: a thread is an object */

    /* Immutable after create. */
    struct process *process;                /* a reference; NULL for kernel threads */
    void *stack;                            /* lowest address */
    bool answers_exceptions;                /* its process' port is not asked about it */
    char name[32];                          /* object.lock */
    struct exception_binding exceptions;    /* object.lock */
    _Atomic(struct exception_stop *) stop;  /* changed under object.lock; NULL unless stopped */

    /* Guarded by process.lock. */
    struct list_node process_link;
    enum thread_life life;
    uint64_t start[4];                      /* entry, stack, a0, a1: how it enters user mode */

    /* Any hart, atomically. */
    atomic_uint park;                       /* PARK_ states in thread.c */
    _Atomic(struct hart *) on_hart;         /* where its registers live; NULL when saved */
    atomic_uint leave;                      /* LEAVE_ bits; waits end, and return_to_user acts on them */
    _Atomic uint64_t pager_wait_since;      /* when it began to wait for a user pager, or 0 */

    /* Guarded by the run queue's lock of `home`. */
    struct list_node run_link;
    uint32_t home;                          /* index of the hart it last ran on, or is queued at */

    struct tree_node timer;                 /* when to end its sleep; the lock of a timer queue */

    /* The thread's own. */
    struct trap_frame *user_frame;          /* its user registers, at the top of its stack */
    uint64_t run_time;                      /* nanoseconds, sampled at the clock's ticks */
    struct object_reaper reaper;            /* objects it has still to end */
    struct user_missing missing;            /* what its last ERR_USER_FAULT was about */
    uint32_t fail_countdown;                /* the hart's, while it does not run */
    struct arch_thread arch;
};

/* A thread of a process (not started), or of the kernel (NULL).  NO_MEMORY; BAD_STATE: the process is exiting. */
status_t thread_create(struct process *process, const char *name, struct thread **out_thread);
/* Start a user thread as thread->start says; caller holds process->lock. */
void thread_start_locked(struct thread *thread);
/* Start a kernel thread; main must not return but may call thread_exit. */
status_t thread_start_kernel(const char *name, void (*main)(void *), void *argument);
_Noreturn void thread_exit(void);
/*
 * Flag and wake; the thread dies when it next would return to user mode.  One that was never
 * started is dead at once.  Takes process->lock; _locked is for who holds it.  Idempotent.
 */
void thread_kill(struct thread *thread);
void thread_kill_locked(struct thread *thread);
/* Report an INTERRUPT exception before it next returns to user mode; its wait for others ends with
 * CANCELED.  Takes process->lock.  BAD_STATE: not started, or dead. */
status_t thread_interrupt(struct thread *thread);
/* Is there such a reason for the calling thread to leave the kernel?  Then it will look before it does. */
static inline bool thread_leaves(uint32_t reasons)
{
    bool leaves = atomic_load(&current_thread()->leave) & reasons;

    if (leaves)
        this_hart()->reschedule = true;
    return leaves;
}
/* Of the calling thread, which from then on does not return to user mode: who ends a wait for it dies. */
static inline bool thread_killed(void) { return thread_leaves(LEAVE_KILLED); }
/* Killed or interrupted: the calling thread, about to sleep for others, goes to return_to_user. */
static inline bool thread_should_leave(void) { return thread_leaves(LEAVE_KILLED | LEAVE_INTERRUPTED); }
/* ERR_USER_FAULT, with a note of what to make reachable for the next try (sys_resolve_fault). */
static inline status_t user_missing(uaddr_t address, size_t length, bool write)
{
    current_thread()->missing = (struct user_missing){ address, length, write };
    return ERR_USER_FAULT;
}
/* Free the stack of a thread that ran for the last time, and drop its own reference (sched.c). */
void thread_free_finished(struct thread *thread);
/* The running code becomes a hart's idle thread (sched_init_hart). */
void thread_init_idle(struct thread *thread, struct hart *hart);
#define thread_from_object(object) object_as(thread, object)
/* THREAD_ state for listings. */
uint32_t thread_state(struct thread *thread);

/* Sleep until unparked (or spuriously).  No spinlock held. */
void thread_park(void);
/* Likewise, at most until `deadline` (absolute): false if it has passed (timer.c). */
bool thread_park_timed(int64_t deadline);
static inline bool thread_park_until(int64_t deadline)
{
    if (deadline != DEADLINE_INFINITE)
        return thread_park_timed(deadline);
    thread_park();
    return true;
}
/*
 * Give the permit: the thread runs soon, here or on an idle hart.  With hand_over, on this hart as soon as the caller
 * blocks, within the same time slice; if that turns out not to block (sched_release_next) it becomes an ordinary
 * runnable one.  The caller knows that it lives.
 */
void thread_wake(struct thread *thread, bool hand_over);
static inline void thread_unpark(struct thread *thread) { thread_wake(thread, false); }
