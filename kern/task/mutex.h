/*
 * mutex.h: a lock that is slept for.
 *
 * Held across frame allocation and short copies, never across a wait for a page or a device.  Taken
 * with no spinlock held; the order is lock_order.def's, checked at every take.  A killed thread
 * still gets the mutex it waits for.
 */
#pragma once

#include "task/wait_queue.h"

struct mutex {
    struct spinlock lock;           /* RANK_MUTEX */
    uint32_t rank_bit;              /* 1 << the rank of the mutex itself */
    _Atomic(struct thread *) owner; /* NULL: free */
    atomic_uint waiting;            /* threads that take the slow way; changed under lock, read without */
    struct wait_queue sleepers;
};

void mutex_init(struct mutex *mutex, enum lock_rank rank);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
bool mutex_held(const struct mutex *mutex);     /* by the calling thread */
