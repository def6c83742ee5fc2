/*
 * spinlock.h: short critical sections between harts, with the order checked at every take.
 *
 * Interrupts are off in the kernel, so a spinlock needs nothing against them.  Nobody sleeps or returns to user mode holding one.
 */
#pragma once

#include <stdatomic.h>

#include "lib/assert.h"
#include "sync/hart.h"

enum lock_rank {
#define RANK(name, where, guards) RANK_##name,
#include "sync/lock_order.def"
#undef RANK
    RANK_COUNT
};

static_assert(RANK_COUNT <= 32, "ranks fit the bits of hart.held");

struct spinlock {
    _Atomic(struct hart *) owner;   /* NULL: free */
    uint32_t rank_bit;              /* 1 << its rank */
};

#define SPINLOCK_INITIALIZER(rank) { NULL, 1u << (rank) }

static inline void spin_init(struct spinlock *lock, enum lock_rank rank)
{
    atomic_init(&lock->owner, NULL);
    lock->rank_bit = 1u << rank;
}

void spin_contended(struct spinlock *lock);
_Noreturn void spin_order_violation(struct spinlock *lock);
const char *lock_rank_name(uint32_t rank);      /* where a lock of this rank lives, for messages */

static inline bool spin_held(const struct spinlock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == this_hart();
}

static inline void spin_lock(struct spinlock *lock)
{
    struct hart *hart = this_hart();
    struct hart *expected = NULL;

    if (__builtin_expect(hart->held >= lock->rank_bit, 0))
        spin_order_violation(lock);
    hart->held |= lock->rank_bit;
    if (!atomic_compare_exchange_strong_explicit(&lock->owner, &expected, hart,
                                                 memory_order_acquire, memory_order_relaxed))
        spin_contended(lock);
}

static inline void spin_unlock(struct spinlock *lock)
{
    struct hart *hart = this_hart();

    assert(atomic_load_explicit(&lock->owner, memory_order_relaxed) == hart);
    hart->held ^= lock->rank_bit;
    atomic_store_explicit(&lock->owner, NULL, memory_order_release);
}

/* Nothing may be held by this hart. */
static inline void assert_no_spinlocks(void) { assert(this_hart()->held == 0); }
