/*
 * atfork.c: a process whose threads are at rest where it matters, so that its copy is whole.
 *
 * Only the caller of fork lives on in the child.  So before the copy it takes every lock whose data
 * the child needs (FORK_TAKES), the heap's last, and both sides give them back.  The locks of
 * streams are different, since a thread may hold one for as long as it waits for input: stdio.c.
 *
 * Locks: `handlers_lock` is held from prepare to the end, so the list does not change meanwhile.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/lock.h>

struct handlers {
    struct handlers *older, *newer;
    void (*prepare)(void), (*parent)(void), (*child)(void);
};

extern struct quire_mutex *const __start_fork_locks[] __attribute__((weak));
extern struct quire_mutex *const __stop_fork_locks[] __attribute__((weak));

static struct quire_mutex handlers_lock;
static struct handlers *oldest, *newest;

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    struct handlers *handlers = malloc(sizeof *handlers);
    if (handlers == NULL)
        return ENOMEM;
    quire_mutex_lock(&handlers_lock);
    *handlers = (struct handlers){ newest, NULL, prepare, parent, child };
    *(newest != NULL ? &newest->newer : &oldest) = handlers;
    newest = handlers;
    quire_mutex_unlock(&handlers_lock);
    return 0;
}

void fork_prepare(void)
{
    quire_mutex_lock(&handlers_lock);
    for (struct handlers *handlers = newest; handlers != NULL; handlers = handlers->older)
        if (handlers->prepare != NULL)
            handlers->prepare();
    streams_fork_prepare();
    for (struct quire_mutex *const *lock = __start_fork_locks; lock < __stop_fork_locks; lock++)
        quire_mutex_lock(*lock);
    __LIBC_LOCK();
}

static void release(void)
{
    __LIBC_UNLOCK();
    for (struct quire_mutex *const *lock = __start_fork_locks; lock < __stop_fork_locks; lock++)
        quire_mutex_unlock(*lock);
}

void fork_parent(void)
{
    release();
    streams_fork_parent();
    for (struct handlers *handlers = oldest; handlers != NULL; handlers = handlers->newer)
        if (handlers->parent != NULL)
            handlers->parent();
    quire_mutex_unlock(&handlers_lock);
}

void fork_child(void)
{
    threads_fork_child();
    console_fork_child();
    release();
    streams_fork_child();
    for (struct handlers *handlers = oldest; handlers != NULL; handlers = handlers->newer)
        if (handlers->child != NULL)
            handlers->child();
    quire_mutex_unlock(&handlers_lock);
}
