/*
 * trap.S: the way into the kernel and out again.
 *
 * In user mode sscratch holds this hart's struct hart; in the kernel it is 0 and tp holds the hart.
 * So one swap tells where a trap came from.  A trap from user mode saves the registers at the top
 * of the thread's kernel stack; a trap from the kernel saves them where the stack pointer is.
 *
 * System calls take the short way: trap_entry, syscall_dispatch, two flags looked at, out.  The frame
 * lacks s0-s11 then, which C code keeps, until the thread has a reason to stay; and sstatus needs no saving: SPP is 0 whenever the kernel was entered from user mode, and stays so.
 */
#include "asm_offsets.h"

/* The registers that C code changes, and those that it keeps; but sp and tp. */
    .macro each_changed operation
    \operation ra, X(1)(sp)
    \operation gp, X(3)(sp)
    \operation t0, X(5)(sp)
    \operation t1, X(6)(sp)
    \operation t2, X(7)(sp)
    \operation a0, X(10)(sp)
    \operation a1, X(11)(sp)
    \operation a2, X(12)(sp)
    \operation a3, X(13)(sp)
    \operation a4, X(14)(sp)
    \operation a5, X(15)(sp)
    \operation a6, X(16)(sp)
    \operation a7, X(17)(sp)
    \operation t3, X(28)(sp)
    \operation t4, X(29)(sp)
    \operation t5, X(30)(sp)
    \operation t6, X(31)(sp)
    .endm

    .macro each_kept operation
    \operation s0, X(8)(sp)
    \operation s1, X(9)(sp)
    \operation s2, X(18)(sp)
    \operation s3, X(19)(sp)
    \operation s4, X(20)(sp)
    \operation s5, X(21)(sp)
    \operation s6, X(22)(sp)
    \operation s7, X(23)(sp)
    \operation s8, X(24)(sp)
    \operation s9, X(25)(sp)
    \operation s10, X(26)(sp)
    \operation s11, X(27)(sp)
    .endm

    .macro each_register operation
    each_changed \operation
    each_kept \operation
    .endm

    .text
    .balign 4
    .globl trap_entry
trap_entry:
    csrrw   tp, sscratch, tp
    beqz    tp, from_kernel
    sd      sp, HART_SCRATCH(tp)
    ld      sp, HART_KERNEL_SP(tp)
    addi    sp, sp, -FRAME_SIZE
    each_changed sd
    ld      t1, HART_SCRATCH(tp)
    csrrw   t2, sscratch, zero      /* the user's tp; from now on a trap is from the kernel */
    csrr    t3, sepc
    csrr    t4, scause
    sd      t1, X(2)(sp)
    sd      t2, X(4)(sp)
    li      t5, 8
    bne     t4, t5, other_user_trap

    addi    t3, t3, 4               /* go on behind the ecall */
    sd      t3, X(0)(sp)
    addi    a2, sp, X(10)           /* a0 and a1 are still the user's */
    mv      a3, t0
    call    syscall_dispatch
    sd      a0, X(10)(sp)

    lw      t0, HART_HELD(tp)
    lbu     t1, HART_RESCHEDULE(tp)
    or      t0, t0, t1
    bnez    t0, stay_after_call

    /* a0 is the result. */
    ld      t0, X(0)(sp)
    csrw    sepc, t0
    csrw    sscratch, tp
    ld      ra, X(1)(sp)
    ld      gp, X(3)(sp)
    ld      tp, X(4)(sp)
    ld      t0, X(5)(sp)
    ld      t1, X(6)(sp)
    ld      t2, X(7)(sp)
    ld      a1, X(11)(sp)
    ld      a2, X(12)(sp)
    ld      a3, X(13)(sp)
    ld      a4, X(14)(sp)
    ld      a5, X(15)(sp)
    ld      a6, X(16)(sp)
    ld      a7, X(17)(sp)
    ld      t3, X(28)(sp)
    ld      t4, X(29)(sp)
    ld      t5, X(30)(sp)
    ld      t6, X(31)(sp)
    ld      sp, X(2)(sp)
    sret

stay_after_call:
    each_kept sd
    j       reason_to_stay

other_user_trap:
    each_kept sd
    sd      t3, X(0)(sp)
    mv      a0, sp
    mv      a1, t4
    csrr    a2, stval
    call    trap_from_user
reason_to_stay:
    call    trap_leave

/* To user mode with every register from the frame at sp. */
    .globl  user_resume
user_resume:
    ld      t0, X(0)(sp)
    csrw    sepc, t0
    csrw    sscratch, tp
    ld      tp, X(4)(sp)
    each_register ld
    ld      sp, X(2)(sp)
    sret

/* _Noreturn void user_enter(struct trap_frame *frame): the first time; frame is the stack's top. */
    .globl  user_enter
user_enter:
    mv      sp, a0
    j       reason_to_stay

from_kernel:
    csrrw   tp, sscratch, tp
    addi    sp, sp, -FRAME_SIZE
    sd      t0, HART_SCRATCH(tp)
    srli    t0, sp, STACK_BIT
    andi    t0, t0, 1
    beqz    t0, stack_overflow
    ld      t0, HART_SCRATCH(tp)
    each_register sd
    sd      tp, X(4)(sp)
    addi    t0, sp, FRAME_SIZE
    csrr    t1, sepc
    csrr    t2, sstatus
    sd      t0, X(2)(sp)
    sd      t1, X(0)(sp)
    sd      t2, FRAME_STATUS(sp)
    mv      a0, sp
    csrr    a1, scause
    csrr    a2, stval
    call    trap_from_kernel
    ld      t1, X(0)(sp)
    ld      t2, FRAME_STATUS(sp)
    csrw    sepc, t1
    csrw    sstatus, t2
    each_register ld
    addi    sp, sp, FRAME_SIZE
    sret

/* The stack pointer is in a guard: there is no room for a frame.  Report from another stack. */
stack_overflow:
    mv      a0, sp
    csrr    a1, sepc
    ld      sp, HART_EMERGENCY(tp)
    call    trap_stack_overflow
    ebreak
