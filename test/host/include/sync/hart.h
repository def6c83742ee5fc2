/*
 * hart.h, found before the kernel's: on the host there is no tp register, and one hart is enough.
 */
#pragma once

#include "lib/types.h"

/* `register struct hart *hart_register __asm__("tp")` becomes a plain declaration. */
#define register    extern
#define __asm__(name)
#define this_hart    this_hart_by_register
#define current_thread current_thread_by_register
#include_next "sync/hart.h"
#undef register
#undef __asm__
#undef this_hart
#undef current_thread

static inline struct hart *this_hart(void)           { return &harts[0]; }
static inline struct thread *current_thread(void)    { return harts[0].current; }
