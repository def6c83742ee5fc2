/*
 * user_copy.S: copying where either side may be missing, and whole pages.
 *
 * This is the one place where the kernel touches user memory: sstatus.SUM is set only inside.
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
/*
 * size_t arch_copy_from_user(void *to, uaddr_t from, size_t length), and its counterpart: bytes not
 * copied.
 */
    .globl  arch_copy_from_user, arch_copy_to_user, arch_store_to_user
    .globl  user_copy_words, user_copy_bytes, user_copy_end
arch_copy_from_user:
    mv      t1, a1
    j       1f
arch_copy_to_user:
    mv      t1, a0
1:  li      t0, 1 << USER_TOP_BIT
    sub     t2, t0, t1
    bltu    t0, t1, outside
    bltu    t2, a2, outside
    li      t0, 1 << 18             /* SUM */
    csrs    sstatus, t0
    li      t1, 64
user_copy_words:
    /* Align the destination; a misaligned source only costs time. */
1:  bltu    a2, t1, 4f
    andi    t2, a0, 7
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
    bltu    a2, t1, 4f
3:  copy_64 0
    addi    a0, a0, 64
    addi    a1, a1, 64
    addi    a2, a2, -64
    bgeu    a2, t1, 3b
4:  beqz    a2, user_copy_end
    or      t2, a0, a1
    andi    t3, t2, 7
    bnez    t3, 6f
    li      t1, 16
    bltu    a2, t1, 51f
50: ld      t2, 0(a1)
    ld      t4, 8(a1)
    sd      t2, 0(a0)
    sd      t4, 8(a0)
    addi    a0, a0, 16
    addi    a1, a1, 16
    addi    a2, a2, -16
    bgeu    a2, t1, 50b
    beqz    a2, user_copy_end
51: li      t1, 8
    bltu    a2, t1, 6f
5:  ld      t2, 0(a1)
    sd      t2, 0(a0)
    addi    a0, a0, 8
    addi    a1, a1, 8
    addi    a2, a2, -8
    bgeu    a2, t1, 5b
    beqz    a2, user_copy_end
6:  li      t1, 4
    andi    t3, t3, 3
    bltu    a2, t1, user_copy_bytes
    bnez    t3, user_copy_bytes
61: lw      t2, 0(a1)
    sw      t2, 0(a0)
    addi    a0, a0, 4
    addi    a1, a1, 4
    addi    a2, a2, -4
    beqz    a2, user_copy_end
    bgeu    a2, t1, 61b
user_copy_bytes:
    beqz    a2, user_copy_end
7:  lb      t2, 0(a1)
    sb      t2, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    bnez    a2, 7b
    j       user_copy_end
8:  sw      a1, 0(a0)
    li      a2, 0
user_copy_end:
    csrc    sstatus, t0
outside:
    mv      a0, a2
    ret

/* size_t arch_store_to_user(uaddr_t to, uint32_t value) */
arch_store_to_user:
    li      t0, 1 << USER_TOP_BIT
    addi    t1, a0, 3
    li      a2, 4                   /* bytes not copied, until they are */
    bgeu    a0, t0, outside
    bgeu    t1, t0, outside
    li      t0, 1 << 18             /* SUM */
    csrs    sstatus, t0
    j       8b

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
