/*
 * pthread.c: the life of POSIX threads, over thread.c.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define STACK_SIZE_DEFAULT (256ul << 10)

static const pthread_attr_t defaults = {
    .stack_size = STACK_SIZE_DEFAULT, .guard_size = PAGE_SIZE,
    .detach_state = PTHREAD_CREATE_JOINABLE,
};

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
                   void *argument)
{
    struct pthread *made;
    if (attributes == NULL)
        attributes = &defaults;
    if (attributes->stack_size < PTHREAD_STACK_MIN)
        return EINVAL;
    status_t status = attributes->stack != NULL
        ? thread_new_on(attributes->stack, attributes->stack_size, &made)
        : thread_new(attributes->stack_size, attributes->guard_size, &made);
    if (status != OK)
        return status == ERR_INVALID_ARGS ? EINVAL : EAGAIN;
    made->function = function;
    made->argument = argument;
    if (attributes->detach_state == PTHREAD_CREATE_DETACHED)
        made->state = THREAD_IS_DETACHED;
    *thread = made;
    if (thread_start(made) == OK)
        return 0;
    thread_free(made);
    return EAGAIN;
}

/* Set the bit in the state of a thread that is neither detached nor joined; false if it is. */
static bool claim(struct pthread *thread, uint32_t bit)
{
    uint32_t state = thread->state;
    do {
        if (state & (THREAD_IS_DETACHED | THREAD_IS_JOINED))
            return false;
    } while (!atomic_compare_exchange_weak(&thread->state, &state, state | bit));
    return true;
}

/* Wait for the end of a thread that is claimed and free it. */
static void *finish(struct pthread *thread)
{
    quire_thread_join(thread->handle);
    void *result = thread->result;
    thread_free(thread);
    return result;
}

int pthread_join(pthread_t thread, void **result)
{
    if (thread == thread_current())
        return EDEADLK;
    if (!claim(thread, THREAD_IS_JOINED))
        return EINVAL;
    void *value = finish(thread);
    if (result != NULL)
        *result = value;
    return 0;
}

/* A thread that has ended already will not free itself any more: then this is a join. */
int pthread_detach(pthread_t thread)
{
    uint32_t state = thread->state;
    do {
        if (state & (THREAD_IS_DETACHED | THREAD_IS_JOINED))
            return EINVAL;
        if (state & THREAD_HAS_ENDED) {
            if (!claim(thread, THREAD_IS_JOINED))
                return EINVAL;
            finish(thread);
            return 0;
        }
    } while (!atomic_compare_exchange_weak(&thread->state, &state, state | THREAD_IS_DETACHED));
    return 0;
}

void pthread_exit(void *result)
{
    struct pthread *self = thread_current();
    self->result = result;
    while (self->cleanups != NULL)
        pthread_cleanup_leave_np(self->cleanups, 1);
    thread_end(self);
}

void pthread_cleanup_enter_np(struct pthread_cleanup *cleanup)
{
    struct pthread *self = thread_current();
    cleanup->next = self->cleanups;
    self->cleanups = cleanup;
}

void pthread_cleanup_leave_np(struct pthread_cleanup *cleanup, int execute)
{
    thread_current()->cleanups = cleanup->next;
    if (execute)
        cleanup->function(cleanup->argument);
}

pthread_t pthread_self(void)
{
    return thread_current();
}

int pthread_equal(pthread_t one, pthread_t other)
{
    return one == other;
}

int sched_yield(void)
{
    sys_nanosleep(0);
    return 0;
}

int pthread_setname_np(pthread_t thread, const char *name)
{
    status_t status = sys_object_set_name(thread->handle, name, strlen(name));
    return status == OK ? 0 : status == ERR_OUT_OF_RANGE ? ERANGE : status_errno(status);
}

int pthread_getname_np(pthread_t thread, char *name, size_t size)
{
    info_thread_t info;
    status_t status = sys_object_get_info(thread->handle, INFO_THREAD, &info, sizeof info, NULL,
                                          NULL);
    if (status != OK)
        return status_errno(status);
    if (strlen(info.name) >= size)
        return ERANGE;
    strcpy(name, info.name);
    return 0;
}

/* --- Attributes. --- */

int pthread_attr_init(pthread_attr_t *attributes)
{
    *attributes = defaults;
    return 0;
}

int pthread_attr_destroy(pthread_attr_t *attributes)
{
    *attributes = (pthread_attr_t){ 0 };
    return 0;
}

int pthread_attr_setdetachstate(pthread_attr_t *attributes, int state)
{
    if (state != PTHREAD_CREATE_JOINABLE && state != PTHREAD_CREATE_DETACHED)
        return EINVAL;
    attributes->detach_state = state;
    return 0;
}

int pthread_attr_getdetachstate(const pthread_attr_t *attributes, int *state)
{
    *state = attributes->detach_state;
    return 0;
}

int pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size)
{
    if (size < PTHREAD_STACK_MIN)
        return EINVAL;
    attributes->stack_size = size;
    return 0;
}

int pthread_attr_getstacksize(const pthread_attr_t *attributes, size_t *size)
{
    *size = attributes->stack_size;
    return 0;
}

int pthread_attr_setguardsize(pthread_attr_t *attributes, size_t size)
{
    attributes->guard_size = size;
    return 0;
}

int pthread_attr_getguardsize(const pthread_attr_t *attributes, size_t *size)
{
    *size = attributes->guard_size;
    return 0;
}

int pthread_attr_setstack(pthread_attr_t *attributes, void *stack, size_t size)
{
    if (stack == NULL || size < PTHREAD_STACK_MIN)
        return EINVAL;
    attributes->stack = stack;
    attributes->stack_size = size;
    return 0;
}

int pthread_attr_getstack(const pthread_attr_t *attributes, void **stack, size_t *size)
{
    *stack = attributes->stack;
    *size = attributes->stack_size;
    return 0;
}
