/*
 * switch.S: exchanging one kernel stack for another.
 *
 * A thread that does not run is its stack pointer: the registers that C code may rely on across a
 * call lie on its stack (SWITCH_FRAME, known to thread.c).  The rest was saved by whoever called.
 */
#include "asm_offsets.h"

    .macro each_saved operation
    \operation ra, 0(sp)
    \operation s0, 8(sp)
    \operation s1, 16(sp)
    \operation s2, 24(sp)
    \operation s3, 32(sp)
    \operation s4, 40(sp)
    \operation s5, 48(sp)
    \operation s6, 56(sp)
    \operation s7, 64(sp)
    \operation s8, 72(sp)
    \operation s9, 80(sp)
    \operation s10, 88(sp)
    \operation s11, 96(sp)
    .endm

    .text
/*
 * struct thread *stack_switch(uint64_t *save_sp, uint64_t load_sp, struct thread *previous):
 * returns `previous` on the new stack.
 */
    .globl  stack_switch
stack_switch:
    addi    sp, sp, -112
    each_saved sd
    sd      sp, 0(a0)
    mv      sp, a1
    each_saved ld
    addi    sp, sp, 112
    mv      a0, a2
    ret

/* A new thread's first switch "returns" here: a0 = previous thread, s1 = entry, s2 = argument. */
    .globl  thread_first_run
thread_first_run:
    call    sched_switched
    mv      a0, s2
    jalr    s1
    ebreak                          /* entry must not return */
