/*
 * sched.h: the C library's, and giving up the processor.
 */
#pragma once

#include_next <sched.h>

int sched_yield(void);
