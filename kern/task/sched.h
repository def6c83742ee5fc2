/*
 * sched.h: which thread runs where.
 *
 * Each hart has a queue of runnable threads (round robin, TIME_SLICE), an idle thread, and at most one `next`
 * thread that was handed the processor.  A woken thread goes to an idle hart if there is one, else to its home; a
 * hart with nothing to do steals.  No hart runs a thread before its registers are saved.
 */
#pragma once

#include "task/thread.h"

#define TIME_SLICE      10000000ull     /* nanoseconds */
#define HAND_OVER_GRACE 100000ull       /* then an idle hart may have the thread handed over */

/* Make the caller (the boot or a secondary start-up path) this hart's idle thread. */
void sched_init_hart(struct hart *hart);
/* The idle loop.  Interrupts are taken here. */
_Noreturn void sched_idle(void);

/* Give up the processor to other runnable threads, if any. */
void sched_yield(void);
/* In long kernel loops, holding nothing: take interrupts, let others run if the slice is over. */
void sched_preempt_point(void);
/* Called by the timer interrupt: is the slice over? */
void sched_tick(void);
/* The clock of this hart interrupts at `other`, or its first timer's deadline if that is earlier (timer.c). */
void timer_program(uint64_t other);
/* Queue a thread that does not run: at an idle hart if there is one, else at its home. */
void sched_make_runnable(struct thread *thread);
/* It runs here when the caller blocks; an older one becomes an ordinary runnable one. */
void sched_set_next(struct thread *thread);
/* The handed-over thread, if any, becomes an ordinary runnable one: the caller does not block. */
void sched_release_next(void);
/* Run something else; returns when the caller was made runnable and its turn has come. */
void sched_block(void);
/* Switch away for ever (thread_exit). */
_Noreturn void sched_finish(void);
