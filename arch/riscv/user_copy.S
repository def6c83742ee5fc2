/*
 * user_copy.S: copying where either side may be missing, and whole pages.
 *
 * user_copy is the one place where the kernel touches user memory: sstatus.SUM is set only inside.
 * A fault between user_copy_words and user_copy_bytes goes on at user_copy_bytes, which finds the
 * exact byte; a fault in there ends at user_copy_end (user_copy_fixup in trap.c).
 */
#include "asm_offsets.h"

    .macro copy_64 offset
    ld      t2, \offset(a1)
    ld      t3, \offset+8(a1)
    ld      t4, \offset+16(a1)
    ld      t5, \offset+24(a1)
    ld      a3, \offset+32(a1)
    ld      a4, \offset+40(a1)
    ld      a5, \offset+48(a1)
    ld      a6, \offset+56(a1)
    sd      t2, \offset(a0)
    sd      t3, \offset+8(a0)
    sd      t4, \offset+16(a0)
    sd      t5, \offset+24(a0)
    sd      a3, \offset+32(a0)
    sd      a4, \offset+40(a0)
    sd      a5, \offset+48(a0)
    sd      a6, \offset+56(a0)
    .endm

    .text
/* size_t user_copy(void *to, const void *from, size_t length): bytes not copied. */
    .globl  user_copy, user_copy_words, user_copy_bytes, user_copy_end
user_copy:
    li      t0, 1 << 18             /* SUM */
    csrs    sstatus, t0
    li      t1, 64
user_copy_words:
    /* Align the destination; a misaligned source only costs time. */
    bltu    a2, t1, 4f
1:  andi    t2, a0, 7
    beqz    t2, 2f
    lb      t3, 0(a1)
    sb      t3, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    j       1b
2:  li      t6, 256
    bltu    a2, t6, 3f
21: copy_64 0
    copy_64 64
    copy_64 128
    copy_64 192
    addi    a0, a0, 256
    addi    a1, a1, 256
    addi    a2, a2, -256
    bgeu    a2, t6, 21b
3:  bltu    a2, t1, 4f
    copy_64 0
    addi    a0, a0, 64
    addi    a1, a1, 64
    addi    a2, a2, -64
    j       3b
4:  or      t2, a0, a1
    andi    t2, t2, 7
    bnez    t2, user_copy_bytes
    li      t1, 8
    bltu    a2, t1, user_copy_bytes
5:  ld      t2, 0(a1)
    sd      t2, 0(a0)
    addi    a0, a0, 8
    addi    a1, a1, 8
    addi    a2, a2, -8
    bgeu    a2, t1, 5b
user_copy_bytes:
    beqz    a2, user_copy_end
6:  lb      t2, 0(a1)
    sb      t2, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    bnez    a2, 6b
user_copy_end:
    csrc    sstatus, t0
    mv      a0, a2
    ret

/* void arch_zero_page(void *page) */
    .globl  arch_zero_page
arch_zero_page:
    li      t0, 4096
    add     t0, a0, t0
1:  .set    offset, 0
    .rept   64
    sd      zero, offset(a0)
    .set    offset, offset + 8
    .endr
    addi    a0, a0, 512
    bltu    a0, t0, 1b
    ret

/* void arch_copy_page(void *to, const void *from) */
    .globl  arch_copy_page
arch_copy_page:
    li      t0, 4096
    add     t0, a0, t0
1:  .set    offset, 0
    .rept   8
    copy_64 offset
    .set    offset, offset + 64
    .endr
    addi    a0, a0, 512
    addi    a1, a1, 512
    bltu    a0, t0, 1b
    ret
