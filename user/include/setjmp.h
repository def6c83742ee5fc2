/*
 * setjmp.h: the C library's, and the forms that keep the signal mask.
 */
#pragma once

#include_next <setjmp.h>

#include <sys/signal.h>

typedef struct {
    jmp_buf registers;
    int has_mask;
    sigset_t mask;
} sigjmp_buf[1];

void sigjmp_keep_mask(sigjmp_buf place, int keep);
void siglongjmp(sigjmp_buf place, int value) __attribute__((noreturn));

#define sigsetjmp(place, keep) (sigjmp_keep_mask(place, keep), setjmp((place)->registers))
