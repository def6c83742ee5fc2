/*
 * exec_page.S: what runs while one program's memory is replaced by another's (exec.c).
 *
 * It is copied to a page of its own and gets a list of system calls: struct exec_call each, and last
 * a struct exec_jump.  A call that fails ends the process.
 */
    .section .rodata
    .globl exec_page_code, exec_page_code_end
    .balign 8
exec_page_code:
    mv s0, a0
1:  ld t0, 0(s0)
    bltz t0, 2f
    ld a0, 8(s0)
    ld a1, 16(s0)
    ld a2, 24(s0)
    ld a3, 32(s0)
    ld a4, 40(s0)
    ld a5, 48(s0)
    ld a6, 56(s0)
    ecall
    bnez a0, 3f
    addi s0, s0, 64
    j 1b
2:  ld sp, 8(s0)
    ld a0, 16(s0)
    li a1, 1
    ld t1, 24(s0)
    fscsr zero
    jr t1
3:  li a0, -1024                        /* EXIT_CODE_KILLED */
    ld t0, 0(s0)
    li t0, 0x12
    ecall
    .balign 8
exec_page_code_end:
