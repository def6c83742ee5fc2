/*
 * fake.h: calls between the files of the fake machine.
 */
#pragma once

#include "host.h"

bool allocation_may_succeed(void);      /* counts; fake_memory.c */
size_t host_stack_size(void);
void scheduler_start(void);             /* fake_sched.c */
bool expire_next_timer(void);           /* move the clock to the next deadline; false if there is none */
extern uint64_t run_seed;               /* for the message of a failure; drive.c */
extern const char *run_name;
void heap_driver_start(void);           /* drive_heap.c */
