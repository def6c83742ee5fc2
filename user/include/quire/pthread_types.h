/*
 * pthread_types.h: the objects of <pthread.h>, for the headers that only name them.
 *
 * The fields are the library's.  An object that is all zeros is what its INITIALIZER makes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct pthread *pthread_t;
typedef uint32_t pthread_key_t;

typedef struct {
    size_t stack_size, guard_size;
    void *stack;                        /* lowest address of the caller's own, or NULL */
    int detach_state;
} pthread_attr_t;

typedef struct {
    uint32_t word;                      /* futex: 0 free, 1 taken, 2 taken and perhaps waited for */
    uint32_t type;
    uint32_t depth;                     /* of a recursive one */
    struct pthread *owner;              /* unless NORMAL */
} pthread_mutex_t;

typedef struct {
    int type;
} pthread_mutexattr_t;

typedef struct {
    uint32_t sequence;                  /* futex: moves with each signal */
    uint32_t users;                     /* threads inside a wait */
    int clock;                          /* 0: CLOCK_REALTIME */
} pthread_cond_t;

typedef struct {
    int clock;
} pthread_condattr_t;

typedef struct {
    uint32_t guard;                     /* a lock for the rest */
    uint32_t readers;                   /* who hold it */
    uint32_t waiting_readers, waiting_writers;
    uint32_t read_turn;                 /* futex: moves when all waiting readers were let in */
    uint32_t write_turn;                /* futex: moves when a waiting writer may try */
    struct pthread *writer;             /* who holds it */
} pthread_rwlock_t;

typedef struct {
    int unused;
} pthread_rwlockattr_t;

typedef struct {
    uint32_t state;                     /* futex: 0 not yet, 1 running, 2 done */
} pthread_once_t;

typedef struct {
    uint32_t guard;
    uint32_t count, arrived;
    uint32_t turn;                      /* futex: moves when all have arrived */
    uint32_t users;                     /* threads inside a wait */
} pthread_barrier_t;

typedef struct {
    int unused;
} pthread_barrierattr_t;

typedef uint32_t pthread_spinlock_t;
