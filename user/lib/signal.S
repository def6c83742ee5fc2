/*
 * signal.S: where handlers return to, and the signal thread's first instructions.
 */
    .text

/* The breakpoint is reported to the signal thread, which takes the registers from the stack. */
    .globl signal_return
signal_return:
    ebreak
    unimp

/* It has no thread-local variables. */
    .globl signal_thread_entry
    .type signal_thread_entry, @function
signal_thread_entry:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv tp, zero
    call signal_thread_main
    unimp
