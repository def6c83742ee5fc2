/*
 * start.S: the first instruction of a program, and the last ones of a thread.
 *
 * Room for the first thread's thread-local variables is taken from the top of its stack.
 */
    .section .entry, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv s0, a0
    mv s1, a1
    la t0, __tls_size
    sub sp, sp, t0
    la t0, __tls_align
    neg t0, t0
    and sp, sp, t0
    mv tp, sp
    mv a0, sp
    call tls_init
    mv a0, s0
    mv a1, s1
    call start_program
    unimp

/*
 * thread_entry(struct pthread *, 0): the stack pointer is at the thread-local variables already.
 */
    .globl thread_entry
    .type thread_entry, @function
thread_entry:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv tp, sp
    call thread_run
    unimp

/*
 * thread_leave(process, base, length, unmap call, exit call): unmap the stack that we stand on and
 * end the thread.  Nothing here touches memory.
 */
    .globl thread_leave
    .type thread_leave, @function
thread_leave:
    mv t0, a3
    ecall
    mv t0, a4
    ecall
    unimp
