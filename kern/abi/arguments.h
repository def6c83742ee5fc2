/*
 * arguments.h: the only macros that know how many arguments a system call has.
 *
 * PARAMETERS(n, type, name, ...)  ->  `type name, ...`, or `void`
 * FROM_WORDS(n, type, name, ...)  ->  `(type)w0, (type)w1, (type)words[2], ...`: words of the trap to
 *     typed arguments (kern/sys/syscall.c)
 */
#pragma once

#define PARAMETERS_0() void
#define PARAMETERS_1(t0, a0) t0 a0
#define PARAMETERS_2(t0, a0, t1, a1) t0 a0, t1 a1
#define PARAMETERS_3(t0, a0, t1, a1, t2, a2) t0 a0, t1 a1, t2 a2
#define PARAMETERS_4(t0, a0, t1, a1, t2, a2, t3, a3) t0 a0, t1 a1, t2 a2, t3 a3
#define PARAMETERS_5(t0, a0, ...) t0 a0, PARAMETERS_4(__VA_ARGS__)
#define PARAMETERS_6(t0, a0, t1, a1, ...) t0 a0, t1 a1, PARAMETERS_4(__VA_ARGS__)
#define PARAMETERS_7(t0, a0, t1, a1, t2, a2, ...) t0 a0, t1 a1, t2 a2, PARAMETERS_4(__VA_ARGS__)
#define PARAMETERS_8(t0, a0, t1, a1, t2, a2, t3, a3, ...) t0 a0, t1 a1, t2 a2, t3 a3, PARAMETERS_4(__VA_ARGS__)
#define PARAMETERS(n, ...) PARAMETERS_##n(__VA_ARGS__)

#define FROM_WORDS_0()
#define FROM_WORDS_1(t0, a0) (t0)w0
#define FROM_WORDS_2(t0, a0, t1, a1) (t0)w0, (t1)w1
#define FROM_WORDS_3(t0, a0, t1, a1, t2, a2) (t0)w0, (t1)w1, (t2)words[2]
#define FROM_WORDS_4(t0, a0, t1, a1, t2, a2, t3, a3) (t0)w0, (t1)w1, (t2)words[2], (t3)words[3]
#define FROM_WORDS_5(t0, a0, t1, a1, t2, a2, t3, a3, t4, a4) \
    (t0)w0, (t1)w1, (t2)words[2], (t3)words[3], (t4)words[4]
#define FROM_WORDS_6(t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
    (t0)w0, (t1)w1, (t2)words[2], (t3)words[3], (t4)words[4], (t5)words[5]
#define FROM_WORDS_7(t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
    (t0)w0, (t1)w1, (t2)words[2], (t3)words[3], (t4)words[4], (t5)words[5], (t6)words[6]
#define FROM_WORDS_8(t0, a0, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7) \
    (t0)w0, (t1)w1, (t2)words[2], (t3)words[3], (t4)words[4], (t5)words[5], (t6)words[6], (t7)words[7]
#define FROM_WORDS(n, ...) FROM_WORDS_##n(__VA_ARGS__)
