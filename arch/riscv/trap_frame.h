/*
 * trap_frame.h: the registers of interrupted code, as trap.S saves them.
 *
 * A thread's user registers are always in the frame at the very top of its kernel stack.
 */
#pragma once

#include "lib/types.h"

struct trap_frame {
    uint64_t x[32];         /* x[0] holds the pc; x[i] register i */
    uint64_t status;        /* sstatus, in frames of traps from the kernel only */
    uint64_t reserved;      /* the stack pointer stays 16-byte aligned */
};
