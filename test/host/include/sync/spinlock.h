/*
 * spinlock.h, found before the kernel's: a thread that takes its first spinlock may be overtaken by
 * others there.  On many harts everything that happens between two critical sections can happen so.
 */
#pragma once

#define spin_lock spin_lock_at_once
#include_next "sync/spinlock.h"
#undef spin_lock

void interleave(void);              /* fake_sched.c */

static inline void spin_lock(struct spinlock *lock)
{
    if (this_hart()->held == 0)
        interleave();
    spin_lock_at_once(lock);
}
