/*
 * boot.S: the first instructions of every hart.
 *
 * The firmware enters with address translation off, at the physical address of code that is linked
 * at its address in the direct map.  Everything here is relative to the pc, so it runs at both.
 * Turning translation on makes the next instruction fetch fault, because no table maps the low
 * addresses; the trap vector holds the high address of the next line, so the fault *is* the jump
 * and no identity map is needed.
 */
#include "asm_offsets.h"

    .macro enter_high root, scratch
    la      \scratch, 9f
    li      t6, DIRECT_MAP_HIGH
    add     \scratch, \scratch, t6
    csrw    stvec, \scratch
    la      \scratch, \root
    srli    \scratch, \scratch, 12
    li      t6, 8 << 60             /* Sv39 */
    or      \scratch, \scratch, t6
    sfence.vma
    csrw    satp, \scratch
    .balign 4
9:
    .endm

    .section .text.boot, "ax"

/*
 * The boot hart: a0 = its hardware id, a1 = physical address of the device tree.
 *
 * OpenSBI before 1.3 marks a hart as to be started before it stores where: one that looks in
 * between comes here with the old address.  Harts are started one at a time, so it can only be
 * hart_starting.
 */
    .globl _start
_start:
    la      t0, boot_hart_chosen
    li      t1, 1
    amoswap.w.aqrl t1, t1, (t0)
    beqz    t1, 2f
    la      t0, hart_starting
    ld      a1, 0(t0)
    j       secondary_entry
2:
    csrw    sie, zero
    csrw    sscratch, zero
    la      t0, bss_start
    la      t1, bss_end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b
    enter_high kernel_root, t0
    la      sp, boot_stack_end
    la      tp, harts
    li      s0, 0
    call    boot_start
    ebreak

/* Any other hart: a0 = its hardware id, a1 = its struct hart (direct-map address). */
    .globl secondary_entry
secondary_entry:
    csrw    sie, zero
    csrw    sscratch, zero
    enter_high kernel_root, t0
    mv      tp, a1
    ld      sp, HART_KERNEL_SP(tp)
    li      s0, 0
    call    secondary_start
    ebreak

/*
 * bool timer_compare_present(void): can we read stimecmp?  An illegal instruction comes back
 * through stvec.  Boot only, before trap_init_hart; the trap leaves SPP set, which trap_init_hart
 * clears.
 */
    .globl timer_compare_present
timer_compare_present:
    csrr    t1, stvec
    la      t0, 1f
    csrw    stvec, t0
    li      a0, 0
    csrr    t0, 0x14d
    li      a0, 1
    .balign 4
1:  csrw    stvec, t1
    ret

/* int64_t sbi_call(a0, ... a5, function, extension): C and the firmware agree on the registers. */
    .globl sbi_call
sbi_call:
    ecall
    ret

/*
 * The root of the kernel's page table: the direct map, 254 GiB.  boot.c adds the stacks and takes
 * the rights away that the kernel's own gigabyte does not need.
 */
    .data
boot_hart_chosen:
    .word   0
    .balign 4096
    .globl kernel_root
kernel_root:
    .zero   256 * 8
    .set    gigabyte, 0
    .rept   254
    .quad   gigabyte << 28 | 0xe7 | ((gigabyte == 2) & 8)     /* all but user; execute: the kernel's */
    .set    gigabyte, gigabyte + 1
    .endr
    .zero   2 * 8

