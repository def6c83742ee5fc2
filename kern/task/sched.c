/*
 * sched.c: which thread runs where.
 *
 * A thread that wakes is put on exactly one run queue, and whoever takes it off runs it.  The
 * delicate moment is a thread that was woken while it is still being switched away from: its
 * registers are not saved yet.  Two rules keep everybody off it.  It is queued on the hart where
 * its registers live, and a stealing hart passes it over; so its own hart meets it either as
 * "myself" (it never left) or saved.  Only a hand-over may name a thread that is still leaving
 * another hart, and waits for it: that wait ends, because a thread is handed over only after it
 * began to park, so harts never wait in a circle.
 *
 * Invariant: thread->on_hart is NULL exactly when its registers are saved; a runnable thread is
 * current, `next`, or on one queue.
 * Locks: run_queue.lock (RANK_SCHED), one at a time.  hart->next and hart->current belong to the
 * hart.
 */
#include "task/sched.h"

#include "task/timer.h"

struct run_queue {
    struct spinlock lock;
    struct list threads;                /* struct thread by run_link, next to run first */
    _Atomic uint32_t count;             /* changed under the lock, read without */

    /* The hart's own. */
    uint64_t slice_end;
    uint64_t grace_end;                 /* `next` is released then; 0: no such time is set */
};

static struct run_queue queues[MAX_HARTS] = {
    [0 ... MAX_HARTS - 1] = { .lock = SPINLOCK_INITIALIZER(RANK_SCHED) },
};
static struct thread idle_threads[MAX_HARTS];
static _Atomic uint32_t idle_harts;     /* bit = index: asleep or about to be, not woken yet */

static uint32_t hart_bit(const struct hart *hart)
{
    return 1u << hart->index;
}

static uint32_t queued(const struct hart *hart)
{
    return atomic_load_explicit(&queues[hart->index].count, memory_order_relaxed);
}

static struct hart *hart_of(struct thread *thread)
{
    return atomic_load_explicit(&thread->on_hart, memory_order_acquire);
}

static bool any_idle(void)
{
    return atomic_load_explicit(&idle_harts, memory_order_relaxed) != 0;
}

/*
 * An idle hart that now is the caller's to wake: `preferred`, or this one, or any; NULL if all are
 * busy.
 */
static struct hart *claim_idle(uint32_t preferred)
{
    uint32_t idle = atomic_load_explicit(&idle_harts, memory_order_relaxed);
    uint32_t self = this_hart()->index;

    while (idle) {
        uint32_t index = idle & 1u << preferred ? preferred
                       : idle & 1u << self      ? self : lowest_bit(idle);

        idle = atomic_fetch_and(&idle_harts, ~(1u << index));
        if (idle & 1u << index)
            return &harts[index];
    }
    return NULL;
}

/*
 * A hart sees work in its queue when it goes idle, or its bit is seen here: both orders are
 * sequentially consistent.
 */
static void wake_if_idle(struct hart *hart, bool claimed)
{
    if (!claimed && atomic_load(&idle_harts) & hart_bit(hart))
        claimed = atomic_fetch_and(&idle_harts, ~hart_bit(hart)) & hart_bit(hart);
    if (claimed && hart != this_hart())
        arch_send_reschedule(hart_bit(hart));
}

static void push(struct hart *hart, struct thread *thread)
{
    struct run_queue *queue = &queues[hart->index];

    spin_lock(&queue->lock);
    thread->home = hart->index;
    list_push_back(&queue->threads, &thread->run_link);
    atomic_fetch_add(&queue->count, 1);
    spin_unlock(&queue->lock);
}

/* Take the first thread off a hart's queue; a thief takes only one whose registers are saved. */
static struct thread *take(struct hart *hart, bool steal)
{
    struct run_queue *queue = &queues[hart->index];
    struct thread *found = NULL;

    if (atomic_load(&queue->count) == 0)
        return NULL;
    spin_lock(&queue->lock);
    list_for_each(&queue->threads, node) {
        struct thread *thread = list_entry(node, struct thread, run_link);

        if (!steal || !hart_of(thread)) {
            list_remove(node);
            atomic_fetch_sub(&queue->count, 1);
            found = thread;
            break;
        }
    }
    spin_unlock(&queue->lock);
    return found;
}

void sched_make_runnable(struct thread *thread)
{
    struct hart *hart = hart_of(thread);
    bool claimed = false;

    if (!hart) {
        hart = claim_idle(thread->home);
        claimed = hart != NULL;
        if (!hart)
            hart = &harts[thread->home];
    }
    push(hart, thread);
    wake_if_idle(hart, claimed);
}

/*
 * With nobody idle the handed-over thread waits at most for the rest of the time slice.  Otherwise
 * the clock is set to give it to an idle hart soon, should the caller go on instead of blocking.
 */
void sched_set_next(struct thread *thread)
{
    struct hart *hart = this_hart();
    struct run_queue *queue = &queues[hart->index];
    struct thread *older = hart->next;

    if (any_idle() && !queue->grace_end && hart->current != hart->idle) {
        queue->grace_end = arch_time() + HAND_OVER_GRACE;
        timer_program(min_u64(queue->grace_end, queue->slice_end));
    }
    hart->next = thread;
    if (older)
        sched_make_runnable(older);
}

void sched_release_next(void)
{
    struct hart *hart = this_hart();
    struct thread *thread = hart->next;

    if (thread) {
        hart->next = NULL;
        sched_make_runnable(thread);
    }
}

/*
 * The thread to run now: the one handed over, one of our own, one of another hart's, or the idle
 * thread.
 */
static struct thread *pick(struct hart *hart)
{
    struct thread *thread = hart->next;

    if (thread) {
        hart->next = NULL;
        hart->hand_overs++;
        while (hart_of(thread))
            if (panicking)
                arch_halt();
        return thread;
    }
    thread = take(hart, false);
    for (uint32_t i = 1; i < hart_count && !thread; i++)
        thread = take(&harts[(hart->index + i) % hart_count], true);
    return thread ? thread : hart->idle;
}

/* Run `to` until something switches back.  The caller may be on another hart afterwards. */
static void switch_to(struct thread *to)
{
    struct hart *hart = this_hart();
    struct thread *me = hart->current;

    if (to == me)
        return;
    to->home = hart->index;
    atomic_store(&to->on_hart, hart);
    hart->context_switches++;
    sched_switched(arch_switch(me, to));
}

/*
 * The other half of a switch, on the stack of the thread that runs now.  `previous` may run
 * elsewhere from here on.  A thread that died here is freed, unless we hold a mutex, which the end
 * of objects must not meet; then a later switch does it.
 */
void sched_switched(struct thread *previous)
{
    struct hart *hart = this_hart();
    struct thread *me = hart->current, *dead = hart->finished;

    atomic_store_explicit(&previous->on_hart, NULL, memory_order_release);
    if (atomic_load(&me->killed))
        hart->reschedule = true;        /* look before returning to user mode: see thread_kill */
    if (dead && me->held_mutexes == 0) {
        hart->finished = NULL;
        thread_free_finished(dead);
    }
}

void sched_block(void)
{
    struct hart *hart = this_hart();

    assert_no_spinlocks();
    assert(hart->current != hart->idle);
    switch_to(pick(hart));
}

void sched_yield(void)
{
    struct hart *hart = this_hart();

    if (hart->current == hart->idle || (!hart->next && queued(hart) == 0))
        return;
    push(hart, hart->current);
    sched_block();
}

void sched_preempt_point(void)
{
    assert_no_spinlocks();
    arch_interrupt_window();
    if (this_hart()->reschedule && !thread_killed()) {
        this_hart()->reschedule = false;
        sched_yield();
    }
}

_Noreturn void sched_finish(void)
{
    struct hart *hart = this_hart();
    struct thread *older;

    while ((older = hart->finished)) {
        hart->finished = NULL;
        thread_free_finished(older);
        hart = this_hart();
    }
    hart->finished = hart->current;
    sched_block();
    panic("a finished thread runs");
}

static void start_slice(struct hart *hart)
{
    struct run_queue *queue = &queues[hart->index];

    queue->grace_end = 0;
    queue->slice_end = arch_time() + TIME_SLICE;
    timer_program(queue->slice_end);
}

void sched_tick(void)
{
    struct hart *hart = this_hart();
    struct run_queue *queue = &queues[hart->index];
    uint64_t now = arch_time();

    if (hart->current == hart->idle) {
        timer_program(UINT64_MAX);
        return;
    }
    if (queue->grace_end && now >= queue->grace_end) {
        queue->grace_end = 0;
        sched_release_next();
    }
    if (now >= queue->slice_end) {
        hart->current->run_time += now - (queue->slice_end - TIME_SLICE);
        queue->slice_end = now + TIME_SLICE;
        sched_release_next();
        if (queued(hart)) {
            struct hart *helper = claim_idle(hart->index);

            hart->reschedule = true;
            if (helper)
                wake_if_idle(helper, true);
        }
    }
    timer_program(queue->grace_end ? min_u64(queue->grace_end, queue->slice_end)
                                   : queue->slice_end);
}

void sched_init_hart(struct hart *hart)
{
    struct thread *idle = &idle_threads[hart->index];

    thread_init_idle(idle, hart);
    list_init(&queues[hart->index].threads);
    hart->idle = hart->current = idle;
}

_Noreturn void sched_idle(void)
{
    struct hart *hart = this_hart();

    assert(hart->current == hart->idle);
    for (;;) {
        struct thread *thread = pick(hart);

        if (thread == hart->idle) {
            atomic_fetch_or(&idle_harts, hart_bit(hart));
            thread = pick(hart);    /* again: whoever queued before our bit was set woke nobody */
            if (thread == hart->idle) {
                timer_program(UINT64_MAX);
                arch_idle_wait();
            }
            atomic_fetch_and(&idle_harts, ~hart_bit(hart));
            hart->reschedule = false;
        }
        if (thread != hart->idle) {
            start_slice(hart);
            switch_to(thread);
        }
    }
}
