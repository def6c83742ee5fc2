/*
 * hart.h: what the kernel keeps for each hart (hardware thread).
 *
 * In the kernel the tp register points at this hart's struct; user code has tp for itself, and sscratch holds the
 * pointer meanwhile.  The kernel is never preempted and interrupts are off inside it (they are taken from user mode,
 * in the idle loop and at interrupt windows), so a value read from this_hart() is good until the thread blocks.
 */
#pragma once

#include "lib/types.h"

struct thread;
struct arch_mmu;

struct hart {
    uint64_t kernel_sp;             /* top of the current thread's stack; offset 0, trap.S */
    uint64_t scratch[2];            /* trap.S */
    uint64_t emergency_sp;          /* for reporting a stack overflow; offset 24, trap.S */
    struct thread *current;         /* who runs here now */
    struct thread *next;            /* who runs here when current blocks: direct hand-over */
    struct thread *idle;
    struct thread *finished;        /* died here; freed by who runs next */
    uint32_t held;                  /* ranks of the spinlocks held, one bit each */
    uint32_t index;                 /* 0 .. hart_count - 1 */
    uint64_t id;                    /* the hardware's number for it: data, not an index */
    bool     online;
    volatile bool reschedule;       /* look at the run queue before returning to user mode */
    _Atomic(struct arch_mmu *) space;   /* the address space that it is in; NULL: only the kernel's half */
    _Atomic(const void *) reading;  /* the handle table that it looks at without its lock, or NULL */
    uint32_t fail_countdown;        /* current's: which allocation from now on fails; 0: none */
    bool     frames_ran_out;        /* the last allocation failed because no frame was free */

    /* Counters, written by this hart alone. */
    uint64_t context_switches, hand_overs, page_faults, syscalls, interrupts, tlb_shootdowns, zero_fills;
    uint64_t idle_time;             /* nanoseconds asleep; in a sleep, less when it began */
};

extern struct hart harts[MAX_HARTS];
extern uint32_t hart_count;

register struct hart *hart_register __asm__("tp");      /* this_hart() is its one reader */

static inline struct hart *this_hart(void) { return hart_register; }

static inline struct thread *current_thread(void) { return this_hart()->current; }
