/*
 * timer.h: something to do at a time.
 *
 * Timers belong to the hart that set them; each hart keeps its own ordered by deadline, and its clock interrupts
 * at the earliest of them and the end of the time slice.
 */
#pragma once

#include "arch.h"
#include "lib/tree.h"

struct timer {
    struct tree_node node;          /* timer queue lock of `hart` */
    struct hart *hart;              /* where it was last queued; NULL (at first): nowhere yet */
    uint64_t deadline;
    void (*expired)(struct timer *);    /* in the interrupt, no locks held except the timer queue's: may unpark */
};

/* Queue on this hart.  The storage stays valid until it has expired or timer_cancel has returned. */
void timer_set(struct timer *timer, uint64_t deadline, void (*expired)(struct timer *));
/* Afterwards `expired` is not running and will not run.  The timer may have expired, or never been set. */
void timer_cancel(struct timer *timer);
/* The earlier of this hart's first deadline and `other` is programmed. */
void timer_program(uint64_t other);
