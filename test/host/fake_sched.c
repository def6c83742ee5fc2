/*
 * fake_sched.c: simulated threads.
 *
 * A thread is a coroutine on the stack the kernel made for it; the director, the driver's own thread, is the
 * program's stack.  Everything that sleeps comes back to the director, which picks who runs next: any order is
 * one that harts could produce.  park, unpark, kill and exit are the kernel's own code.
 *
 * Invariant: hart->current is the director while the director runs; `runnable` and hart->next hold each thread at
 * most once.
 */
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <ucontext.h>

#include "fake.h"
#include "vm/aspace.h"

#define THREADS_MAX 256u

struct coroutine {                      /* at the low end of a thread's stack */
    ucontext_t context;
    const void *bottom;
    size_t size;
    void (*entry)(void *);
    void *argument;
};

static struct thread director;
static struct coroutine director_coroutine;
static struct thread *runnable[THREADS_MAX];
static uint32_t runnable_count;
static uint32_t odds;

static struct coroutine *coroutine_of(const struct thread *thread)
{
    return thread == &director ? &director_coroutine : thread->stack;
}

struct process *director_process(void)
{
    return director.process;
}

void scheduler_start(void)
{
    handle_t handle;

    harts[0].current = &director;
    thread_init_idle(&director, &harts[0]);
    check(process_create("director", NULL, &director.process) == OK);
    /* Its table has entries from now on. */
    struct handle_slot slot = handle_slot_make(&director.process->object, RIGHT_NONE);

    check(handle_add(director.process->handles, 1, &slot, &handle, NULL) == OK);
    check(handle_remove(director.process->handles, handle, &slot) == OK);
    handle_slot_close(slot);
}

/* --- Switching. --- */

static void switch_to(struct thread *to, bool dying)
{
    struct thread *from = current_thread();
    struct coroutine *leave = coroutine_of(from), *enter = coroutine_of(to);
    void *fake_stack = NULL;

    assert_no_spinlocks();
    atomic_store(&from->on_hart, NULL);
    atomic_store(&to->on_hart, this_hart());
    this_hart()->current = to;
    __sanitizer_start_switch_fiber(dying ? NULL : &fake_stack, enter->bottom, enter->size);
    swapcontext(&leave->context, &enter->context);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

static void first_run(void)
{
    struct coroutine *me = coroutine_of(current_thread());

    __sanitizer_finish_switch_fiber(NULL, &director_coroutine.bottom, &director_coroutine.size);
    me->entry(me->argument);
    fail("a thread's entry returned");
}

void arch_thread_init(struct thread *thread, void (*entry)(void *), void *argument)
{
    struct coroutine *coroutine = thread->stack;
    size_t head = (sizeof *coroutine + 63) & ~63ul;

    *coroutine = (struct coroutine){
        .bottom = (char *)thread->stack + head, .size = host_stack_size() - head, .entry = entry, .argument = argument,
    };
    getcontext(&coroutine->context);
    coroutine->context.uc_stack.ss_sp = (void *)coroutine->bottom;
    coroutine->context.uc_stack.ss_size = coroutine->size;
    makecontext(&coroutine->context, first_run, 0);
}

_Noreturn void arch_enter_user(uaddr_t entry, uaddr_t stack, uint64_t a0, uint64_t a1)
{
    void (*body)(void *) = (void (*)(void *))entry;

    (void)stack, (void)a0;
    return_to_user();
    body((void *)a1);
    thread_exit();
}

void arch_user_sync(void)   { }
uaddr_t arch_user_pc(void)  { return 0; }

/* --- Who runs. --- */

void sched_make_runnable(struct thread *thread)
{
    check(runnable_count < THREADS_MAX);
    for (uint32_t i = 0; i < runnable_count; i++)
        check(runnable[i] != thread);
    runnable[runnable_count++] = thread;
}

void sched_set_next(struct thread *thread)
{
    sched_release_next();
    this_hart()->next = thread;
}

void sched_release_next(void)
{
    struct thread *next = this_hart()->next;

    this_hart()->next = NULL;
    if (next)
        sched_make_runnable(next);
}

static struct thread *pick(void)
{
    struct hart *hart = this_hart();
    struct thread *thread = hart->next;

    if (thread && (runnable_count == 0 || one_in(2))) {
        hart->next = NULL;
        return thread;
    }
    if (runnable_count == 0)
        return NULL;
    uint32_t i = choose(runnable_count);

    thread = runnable[i];
    runnable[i] = runnable[--runnable_count];
    return thread;
}

/* Called by the director: run the thread until it comes back. */
static void run(struct thread *thread)
{
    struct hart *hart = this_hart();

    check(current_thread() == &director && thread != &director);
    switch_to(thread, false);
    if (hart->finished) {
        struct thread *finished = hart->finished;

        hart->finished = NULL;
        thread_free_finished(finished);
    }
}

/* As run_one, but the director itself may be the one: then *out_woken. */
static bool run_any(bool *out_woken)
{
    struct thread *thread = pick();

    if (thread == &director)
        *out_woken = true;
    else if (thread)
        run(thread);
    return thread != NULL;
}

bool run_one(void)
{
    bool woken = false, ran = run_any(&woken);

    check(!woken);
    return ran;
}

void run_all(void)
{
    while (run_one())
        ;
}

/* The director is asleep: nobody may pick it while the disk's answer is worked on. */
static bool answer_alone(void)
{
    uint32_t odds_before = odds;

    odds = 0;
    bool answered = disk_answer();

    odds = odds_before;
    return answered;
}

void sched_block(void)
{
    bool woken = false;

    if (current_thread() != &director) {
        switch_to(&director, false);
        return;
    }
    while (!woken) {
        if (!run_any(&woken) && !answer_alone() && !expire_next_timer())
            fail("the director sleeps for ever");
    }
}

_Noreturn void sched_finish(void)
{
    this_hart()->finished = current_thread();
    switch_to(&director, true);
    fail("a dead thread runs");
}

void sched_yield(void)
{
    if (current_thread() != &director) {
        sched_make_runnable(current_thread());
        switch_to(&director, false);
    }
}

void interleave_odds(uint32_t n)
{
    odds = n;
}

/* No lock is held here: whoever else is runnable may come first. */
void interleave(void)
{
    struct hart *hart = this_hart();

    if (odds == 0 || hart->finished || runnable_count + (hart->next != NULL) == 0 || !one_in(odds))
        return;
    if (current_thread() != &director) {
        sched_yield();
        return;
    }
    for (uint64_t count = choose_between(1, 4); count > 0; count--) {
        bool woken = false;

        run_any(&woken);
        if (woken)
            return;
    }
}

void sched_preempt_point(void)      { interleave(); }
void sched_tick(void)               { }
bool sched_any_idle(void)           { return false; }

/* --- For drivers. --- */

struct thread *spawn(struct process *process, void (*body)(void *), void *argument)
{
    const uint64_t words[] = { (uint64_t)body, 0, 0, (uint64_t)argument };
    struct handle_slot no_handle = { NULL, 0 };
    struct thread *thread;

    if (thread_create(process, "simulated", &thread) != OK)
        return NULL;
    if (!process->started)
        check_equal(process_start(thread, true, no_handle, words), OK);
    else
        check_equal(process_start(thread, false, no_handle, words), OK);
    return thread;
}

bool thread_ended(struct thread *thread)
{
    return thread->life == LIFE_DEAD && !thread->stack;
}

bool thread_blocked(struct thread *thread)
{
    uint32_t state = thread_state(thread);

    return state == THREAD_BLOCKED || state == THREAD_BLOCKED_PAGER;
}
