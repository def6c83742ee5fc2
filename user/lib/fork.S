/*
 * fork.S: the thread that returns from fork twice.
 *
 * struct fork_place: ra, sp, tp, s0 to s11, fs0 to fs11: what a function call keeps.
 */
    .text

/* fork_mark(struct fork_place *): 0 now, and once more in the child, the handle given to it. */
    .globl fork_mark
    .type fork_mark, @function
fork_mark:
    sd ra, 0(a0)
    sd sp, 8(a0)
    sd tp, 16(a0)
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\number, (24 + 8 * \number)(a0)
    fsd fs\number, (120 + 8 * \number)(a0)
    .endr
    frcsr t0
    sd t0, 216(a0)
    li a0, 0
    ret

/* The child's first instruction: a0 is the handle, a1 the struct fork_place. */
    .globl fork_continue
    .type fork_continue, @function
fork_continue:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    ld ra, 0(a1)
    ld sp, 8(a1)
    ld tp, 16(a1)
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld s\number, (24 + 8 * \number)(a1)
    fld fs\number, (120 + 8 * \number)(a1)
    .endr
    ld t0, 216(a1)
    fscsr t0
    ret
