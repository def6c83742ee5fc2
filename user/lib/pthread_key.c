/*
 * pthread_key.c: once, and keys for values that each thread has of its own.
 *
 * A thread's values are an array, made when it sets the first.  A key that was deleted and made
 * again has another generation, which tells old values from its own.
 *
 * Locks: `lock` guards the table of keys; a thread's values are its own.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { ONCE_NEW, ONCE_RUNS, ONCE_DONE };

struct thread_value {
    const void *value;
    uint32_t generation;
};

static struct {
    uint32_t generation;                /* odd: in use */
    void (*destructor)(void *);
} keys[PTHREAD_KEYS_MAX];
static struct quire_mutex lock;
FORK_TAKES(lock);

int pthread_once(pthread_once_t *once, void (*function)(void))
{
    uint32_t state = ONCE_NEW;
    if (__atomic_compare_exchange_n(&once->state, &state, ONCE_RUNS, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE)) {
        function();
        __atomic_store_n(&once->state, ONCE_DONE, __ATOMIC_RELEASE);
        sys_futex_wake(&once->state, UINT32_MAX);
    }
    while (__atomic_load_n(&once->state, __ATOMIC_ACQUIRE) != ONCE_DONE)
        sys_futex_wait(&once->state, ONCE_RUNS, DEADLINE_INFINITE);
    return 0;
}

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int error = EAGAIN;
    quire_mutex_lock(&lock);
    for (pthread_key_t i = 0; i < PTHREAD_KEYS_MAX && error != 0; i++) {
        if (keys[i].generation & 1)
            continue;
        keys[i].destructor = destructor;
        __atomic_fetch_add(&keys[i].generation, 1, __ATOMIC_RELEASE);
        *key = i;
        error = 0;
    }
    quire_mutex_unlock(&lock);
    return error;
}

/* 0: there is no such key. */
static uint32_t generation_of(pthread_key_t key)
{
    uint32_t generation = 0;
    if (key < PTHREAD_KEYS_MAX)
        generation = __atomic_load_n(&keys[key].generation, __ATOMIC_ACQUIRE);
    return generation & 1 ? generation : 0;
}

int pthread_key_delete(pthread_key_t key)
{
    quire_mutex_lock(&lock);
    bool is_there = generation_of(key) != 0;
    if (is_there)
        __atomic_fetch_add(&keys[key].generation, 1, __ATOMIC_RELEASE);
    quire_mutex_unlock(&lock);
    return is_there ? 0 : EINVAL;
}

void *pthread_getspecific(pthread_key_t key)
{
    const struct thread_value *values = thread_current()->values;
    uint32_t generation = generation_of(key);
    if (values == NULL || generation == 0 || values[key].generation != generation)
        return NULL;
    return (void *)values[key].value;
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
    struct pthread *self = thread_current();
    uint32_t generation = generation_of(key);
    if (generation == 0)
        return EINVAL;
    if (self->values == NULL) {
        if (value == NULL)
            return 0;
        int old_errno = errno;
        self->values = calloc(PTHREAD_KEYS_MAX, sizeof *self->values);
        errno = old_errno;
        if (self->values == NULL)
            return ENOMEM;
    }
    self->values[key] = (struct thread_value){ value, generation };
    return 0;
}

/* One round; true if a destructor ran, which may have set values again. */
static bool destroy_values(struct thread_value *values)
{
    bool ran = false;
    for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++) {
        void *value = (void *)values[key].value;
        values[key].value = NULL;
        quire_mutex_lock(&lock);
        bool is_current = value != NULL && values[key].generation == generation_of(key);
        void (*destructor)(void *) = is_current ? keys[key].destructor : NULL;
        quire_mutex_unlock(&lock);
        if (destructor != NULL) {
            destructor(value);
            ran = true;
        }
    }
    return ran;
}

void thread_values_destroy(struct pthread *self)
{
    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; round++)
        if (!destroy_values(self->values))
            break;
    free(self->values);
    self->values = NULL;
}
