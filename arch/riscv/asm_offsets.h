/* asm_offsets.h: where the assembly files find fields of C structures; trap.c and thread.c check each. */
#pragma once

#define FRAME_SIZE      272         /* struct trap_frame */
#define FRAME_STATUS    256
#define X(n)            ((n) * 8)

#define HART_KERNEL_SP  0           /* struct hart */
#define HART_SCRATCH    8
#define HART_EMERGENCY  24
#define HART_HELD       64
#define HART_RESCHEDULE 81

#define USER_TOP_BIT    38
#define STACK_BIT       14          /* set in every address of a kernel stack, clear in its guard */

/* Boot assembly only. */
#define DIRECT_MAP_HIGH 0xffffffc000000000
