/*
 * sched.c: which thread runs where.
 *
 * A thread that wakes is put on exactly one run queue, and whoever takes it off runs it.  The delicate moment is a thread
 * that was woken while it is still being switched away from: its registers are not saved yet.  Two rules keep everybody off
 * it.  It is queued on the hart where its registers live, and a stealing hart passes it over; so its own hart meets it either
 * as "myself" (it never left) or saved.  Only a hand-over may name a thread that is still leaving another hart, and waits for
 * it: that wait ends, because a thread is handed over only after it began to park, so harts never wait in a circle.
 *
 * Invariant: thread->on_hart is NULL exactly when its registers are saved; a runnable thread is current, `next`, or on one queue.
 * Locks: run_queue.lock (RANK_SCHED), one at a time.  hart->next and hart->current belong to the hart.
 */
#include "task/sched.h"

#define NEVER UINT64_MAX

struct __attribute__((aligned(64))) run_queue {
    struct spinlock lock;
    struct list threads;                /* struct thread by run_link, next to run first */
    _Atomic uint32_t count;             /* changed under the lock, read without */

    /* The hart's own.  The clock interrupts at the earlier of both. */
    uint64_t slice_end;
    uint64_t grace_end;                 /* `next` is released then */
};

static struct run_queue queues[MAX_HARTS] = {
    [0 ... MAX_HARTS - 1] = { .lock = SPINLOCK_INITIALIZER(RANK_SCHED) },
};
static struct thread idle_threads[MAX_HARTS];
static _Atomic uint32_t idle_harts;     /* bit = index: asleep or about to be, not woken yet */

static struct run_queue *queue_of(const struct hart *hart) { return &queues[hart->index]; }

static struct hart *hart_of(struct thread *thread)
{
    return atomic_load_explicit(&thread->on_hart, memory_order_acquire);
}

static uint32_t bit_of(const struct hart *hart) { return 1u << hart->index; }

static bool any_idle(void) { return atomic_load_explicit(&idle_harts, memory_order_relaxed) != 0; }

/* True if the hart was idle: then the caller has to wake it. */
static bool claim(const struct hart *hart)
{
    uint32_t bit = bit_of(hart);

    return atomic_load(&idle_harts) & bit && atomic_fetch_and(&idle_harts, ~bit) & bit;
}

/* Claim an idle hart: `preferred`, or this one, or any; NULL if all are busy. */
static struct hart *claim_any(struct hart *preferred)
{
    if (claim(preferred))
        return preferred;
    if (claim(this_hart()))
        return this_hart();
    for (uint32_t i = 0; i < hart_count; i++)
        if (claim(&harts[i]))
            return &harts[i];
    return NULL;
}

static void wake(const struct hart *hart)
{
    if (hart != this_hart())
        arch_send_reschedule(bit_of(hart));
}

static void push(struct hart *hart, struct thread *thread)
{
    struct run_queue *queue = queue_of(hart);

    spin_lock(&queue->lock);
    thread->home = hart->index;
    list_push_back(&queue->threads, &thread->run_link);
    atomic_fetch_add(&queue->count, 1);
    spin_unlock(&queue->lock);
}

/* Take the first thread off a hart's queue whose registers are saved, or live here. */
static struct thread *take(struct hart *from)
{
    struct run_queue *queue = queue_of(from);
    struct thread *found = NULL;

    if (atomic_load(&queue->count) == 0)
        return NULL;
    spin_lock(&queue->lock);
    list_for_each(&queue->threads, node) {
        struct thread *thread = list_entry(node, struct thread, run_link);
        struct hart *hart = hart_of(thread);

        if (!hart || hart == this_hart()) {
            list_remove(node);
            atomic_fetch_sub(&queue->count, 1);
            found = thread;
            break;
        }
    }
    spin_unlock(&queue->lock);
    return found;
}

/*
 * A hart sees work in its queue when it goes idle, or its bit is seen here after the push: both
 * orders are sequentially consistent.
 */
void sched_make_runnable(struct thread *thread)
{
    struct hart *hart = hart_of(thread), *home = &harts[thread->home];
    struct hart *claimed = !hart && any_idle() ? claim_any(home) : NULL;

    if (!hart)
        hart = claimed ? claimed : home;
    push(hart, thread);
    if (claimed || claim(hart))
        wake(hart);
}

static void set_clock(struct run_queue *queue, uint64_t slice_end, uint64_t grace_end)
{
    queue->slice_end = slice_end;
    queue->grace_end = grace_end;
    timer_program(min_u64(slice_end, grace_end));
}

/* What sched_set_next need not do while this hart hands over and nobody is idle. */
static NOINLINE void watch_next(struct hart *hart, struct thread *older)
{
    struct run_queue *queue = queue_of(hart);

    if (any_idle() && queue->grace_end == NEVER && hart->current != hart->idle)
        set_clock(queue, queue->slice_end, arch_time() + HAND_OVER_GRACE);
    if (older)
        sched_make_runnable(older);
}

/*
 * With nobody idle the handed-over thread waits at most for the rest of the time slice.  Otherwise
 * the clock is set to give it to an idle hart soon, should the caller go on instead of blocking.
 */
void sched_set_next(struct thread *thread)
{
    struct hart *hart = this_hart();
    struct thread *older = hart->next;

    hart->next = thread;
    if (older || any_idle())
        watch_next(hart, older);
}

void sched_release_next(void)
{
    struct hart *hart = this_hart();
    struct thread *thread = hart->next;

    hart->next = NULL;
    if (thread)
        sched_make_runnable(thread);
}

/*
 * The thread to run now, when that is not at hand: one handed over that is still leaving another
 * hart, one of ours, one of another hart's, or idle.
 */
static NOINLINE struct thread *pick_slowly(struct hart *hart)
{
    struct thread *thread = hart->next;

    hart->next = NULL;
    while (thread && hart_of(thread))
        if (panicking)
            arch_halt();
    for (uint32_t i = 0; i < hart_count && !thread; i++)
        thread = take(&harts[(hart->index + i) % hart_count]);
    return thread ? thread : hart->idle;
}

static inline struct thread *pick(struct hart *hart)
{
    struct thread *thread = hart->next;

    hart->hand_overs += !!thread;
    if (!thread || hart_of(thread))
        return pick_slowly(hart);
    hart->next = NULL;
    return thread;
}

/* Run `to` until something switches back.  The caller may be on another hart afterwards. */
static inline void switch_to(struct thread *to)
{
    struct hart *hart = this_hart();
    struct thread *me = hart->current;

    if (to == me)
        return;
    to->home = hart->index;
    atomic_store(&to->on_hart, hart);
    hart->context_switches++;
    me->fail_countdown = hart->fail_countdown;
    sched_switched(arch_switch(me, to));
}

/* Free the thread that died here.  It may sleep, and go on where another one died. */
static void free_finished(void)
{
    struct thread *dead;

    while ((dead = this_hart()->finished)) {
        this_hart()->finished = NULL;
        thread_free_finished(dead);
    }
}

/*
 * The other half of a switch, on the stack of the thread that runs now.  `previous` may run
 * elsewhere from here on.  A thread that died here is freed.
 */
void sched_switched(struct thread *previous)
{
    struct hart *hart = this_hart();

    atomic_store_explicit(&previous->on_hart, NULL, memory_order_release);
    hart->fail_countdown = hart->current->fail_countdown;
    thread_should_leave();              /* if so it will look before returning to user mode */
    free_finished();
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

    if (hart->current == hart->idle || (!hart->next && queue_of(hart)->count == 0))
        return;
    push(hart, hart->current);
    sched_block();
}

void sched_preempt_point(void)
{
    assert_no_spinlocks();
    arch_interrupt_window();
    if (!this_hart()->reschedule)
        return;
    this_hart()->reschedule = false;
    atomic_thread_fence(memory_order_seq_cst);
    if (!thread_killed())
        sched_yield();
    thread_should_leave();              /* sets it again: no kill or interrupt is lost */
}

_Noreturn void sched_finish(void)
{
    free_finished();
    this_hart()->finished = current_thread();
    sched_block();
    panic("a finished thread runs");
}

void sched_tick(void)
{
    struct hart *hart = this_hart();
    struct run_queue *queue = queue_of(hart);
    uint64_t now = arch_time(), slice_end = queue->slice_end, grace_end = queue->grace_end;

    if (now >= slice_end || now >= grace_end) {
        grace_end = NEVER;
        sched_release_next();
    }
    if (now >= slice_end) {
        hart->current->run_time += now - (slice_end - TIME_SLICE);
        slice_end = now + TIME_SLICE;
        if (queue->count > 0) {
            struct hart *helper = claim_any(hart);

            hart->reschedule = true;
            if (helper)
                wake(helper);
        }
    }
    set_clock(queue, slice_end, grace_end);
}

void sched_init_hart(struct hart *hart)
{
    struct thread *idle = &idle_threads[hart->index];

    thread_init_idle(idle, hart);
    list_init(&queue_of(hart)->threads);
    hart->idle = hart->current = idle;
}

_Noreturn void sched_idle(void)
{
    struct hart *hart = this_hart();

    assert(hart->current == hart->idle);
    for (;;) {
        struct thread *thread = pick(hart);

        if (thread == hart->idle) {
            atomic_fetch_or(&idle_harts, bit_of(hart));
            thread = pick(hart);    /* again: whoever queued before our bit was set woke nobody */
            if (thread == hart->idle) {
                set_clock(queue_of(hart), NEVER, NEVER);
                arch_idle_wait();
            }
            atomic_fetch_and(&idle_harts, ~bit_of(hart));
            hart->reschedule = false;
        }
        if (thread != hart->idle) {
            set_clock(queue_of(hart), arch_time() + TIME_SLICE, NEVER);
            switch_to(thread);
        }
    }
}
