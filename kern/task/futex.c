/*
 * futex.c: sleep on the value of a word of user memory.
 *
 * The word is compared under process->lock, which a waker takes too: a wake between comparing and sleeping cannot be lost.
 */
#include "task/process.h"

struct waiter {
    struct wait_sleeper sleeper;        /* in process->futexes */
    uaddr_t address;
};

status_t futex_wait(uaddr_t address, uint32_t expected, int64_t deadline)
{
    struct process *process = current_process();
    struct waiter waiter = { .address = address };
    uint32_t value;
    status_t status;

    spin_lock(&process->lock);
    if (arch_copy_from_user(&value, address, sizeof(value)) != 0)
        status = user_missing(address, sizeof(value), false);
    else if (value != expected)
        status = ERR_BAD_STATE;
    else
        status = wait_queue_sleep_as(&process->futexes, &waiter.sleeper, &process->lock, deadline,
                                     WAIT_INTERRUPTIBLE);
    spin_unlock(&process->lock);
    return status;
}

void futex_wake(uaddr_t address, uint32_t count)
{
    struct process *process = current_process();
    struct waiter *last = NULL;
    bool several = false;

    spin_lock(&process->lock);
    list_for_each(&process->futexes.sleepers, node) {
        struct waiter *waiter = list_entry(node, struct waiter, sleeper.link);

        if (count == 0)
            break;
        if (waiter->address != address)
            continue;
        several = last != NULL;
        if (several)
            wait_queue_wake(&last->sleeper, false);
        last = waiter;
        count--;
    }
    if (last)
        wait_queue_wake(&last->sleeper, !several);      /* a single one is handed the processor */
    spin_unlock(&process->lock);
}
