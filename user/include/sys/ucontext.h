/*
 * ucontext.h: what a handler of SA_SIGINFO gets as its third argument: the registers of the thread
 * as they were, which the handler may change.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

/* Indices of __gregs: the pc has the place of x0. */
enum { REG_PC = 0, REG_RA = 1, REG_SP = 2, REG_TP = 4, REG_S0 = 8, REG_A0 = 10 };

typedef struct {
    uint64_t __gregs[32];
    uint64_t __fpregs[32];
    uint64_t __fcsr;
} mcontext_t;

typedef struct ucontext {
    unsigned long uc_flags;
    struct ucontext *uc_link;
    stack_t uc_stack;
    sigset_t uc_sigmask;                /* blocked again when the handler returns */
    mcontext_t uc_mcontext;
} ucontext_t;
