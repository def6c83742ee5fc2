/*
 * futex.c: sleep on the value of a word of user memory.
 *
 * The word is compared under the lock of its bucket, which a waker takes too: a wake between
 * comparing and sleeping cannot be lost.
 *
 * Locks: bucket lock (RANK_FUTEX) guards the sleepers of all words that hash to it.
 */
#include "task/futex.h"

#include "task/process.h"

#define BUCKETS 64u

struct bucket {
    struct spinlock lock;               /* RANK_FUTEX */
    struct wait_queue queue;            /* struct waiter */
};

struct waiter {
    struct wait_sleeper sleeper;        /* first: the queue links these */
    struct process *process;
    uaddr_t address;
};

static struct bucket buckets[BUCKETS];

void futex_init(void)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        spin_init(&buckets[i].lock, RANK_FUTEX);
        wait_queue_init(&buckets[i].queue);
    }
}

static struct bucket *bucket_of(struct process *process, uaddr_t address)
{
    uint64_t mixed = (process->object.koid * 31 + (address >> 2)) * 0x9e3779b97f4a7c15ull;

    return &buckets[(mixed >> 32) % BUCKETS];
}

status_t futex_wait(uaddr_t address, uint32_t expected, int64_t deadline)
{
    struct process *process = current_process();
    struct bucket *bucket = bucket_of(process, address);
    struct waiter waiter = { .process = process, .address = address };
    uint32_t value;
    status_t status;

    spin_lock(&bucket->lock);
    if (arch_copy_from_user(&value, address, sizeof(value)) != 0)
        status = user_missing(address, sizeof(value), false);
    else if (value != expected)
        status = ERR_BAD_STATE;
    else
        status = wait_queue_sleep_as(&bucket->queue, &waiter.sleeper, &bucket->lock, deadline,
                                     WAIT_INTERRUPTIBLE);
    spin_unlock(&bucket->lock);
    return status;
}

void futex_wake(uaddr_t address, uint32_t count)
{
    struct process *process = current_process();
    struct bucket *bucket = bucket_of(process, address);
    struct waiter *last = NULL;
    bool several = false;

    spin_lock(&bucket->lock);
    list_for_each(&bucket->queue.sleepers, node) {
        struct waiter *waiter = list_entry(node, struct waiter, sleeper.link);

        if (count == 0)
            break;
        if (waiter->process != process || waiter->address != address)
            continue;
        several = last != NULL;
        if (several)
            wait_queue_wake(&last->sleeper, false);
        last = waiter;
        count--;
    }
    if (last)
        wait_queue_wake(&last->sleeper, !several);      /* a single one is handed the processor */
    spin_unlock(&bucket->lock);
}
