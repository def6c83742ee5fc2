/*
 * timer.h: a wake-up at a time.
 *
 * Timers belong to the hart that set them; each hart keeps its own ordered by deadline, and its
 * clock interrupts at the earliest of them and the end of the time slice.
 */
#pragma once

#include "lib/tree.h"
#include "task/thread.h"

struct timer {
    struct tree_node node;          /* timer queue lock of `hart` */
    struct hart *hart;              /* where it is queued */
    struct thread *thread;          /* whom it unparks */
};

/* Unpark the calling thread at `deadline`.  The storage stays until timer_cancel has returned. */
void timer_set(struct timer *timer, uint64_t deadline);
/* Afterwards nothing touches the timer.  It may have expired before. */
void timer_cancel(struct timer *timer);
/* The earlier of this hart's first deadline and `other` is programmed. */
void timer_program(uint64_t other);
