/*
 * spinlock.c: what the inline half of a spinlock leaves over: waiting, and the message about a broken order.
 *
 * A waiter looks until the lock seems free and only then tries to take it, so the line stays shared meanwhile. There is no
 * queue of tickets: an emulated hart may lose its processor at any time, and a ticket lock would make everybody behind it wait.
 */
#include "sync/spinlock.h"

#include "arch.h"

void spin_contended(struct spinlock *lock)
{
    struct hart *expected;

    do {
        while (atomic_load_explicit(&lock->owner, memory_order_relaxed))
            if (panicking)
                arch_halt();
        expected = NULL;
    } while (!atomic_compare_exchange_weak_explicit(&lock->owner, &expected, this_hart(),
                                                    memory_order_acquire, memory_order_relaxed));
}

const char *lock_rank_name(uint32_t rank)
{
    static const char *const names[] = {
#define RANK(name, where, guards) [RANK_##name] = where,
#include "sync/lock_order.def"
#undef RANK
    };

    return rank < RANK_COUNT ? names[rank] : "a lock of no rank";
}

void spin_order_violation(struct spinlock *lock)
{
    panic("lock order: %s taken while this hart holds %s",
          lock_rank_name(lowest_bit(lock->rank_bit)),
          lock_rank_name(highest_bit(this_hart()->held)));
}
