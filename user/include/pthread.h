/*
 * pthread.h: POSIX threads.
 *
 * Over the threads and futexes of the kernel.  Functions return 0 or an errno value and leave errno
 * alone.  Not here: cancellation (pthread_cancel and its like), priorities, objects shared between
 * processes.  A mutex that is destroyed while it is held, a thread that is joined twice after it
 * has ended, and whatever else POSIX leaves undefined may do anything.
 */
#pragma once

#include <quire/pthread_types.h>
#include <sched.h>
#include <sys/types.h>
#include <time.h>

#ifndef PTHREAD_STACK_MIN
#define PTHREAD_STACK_MIN 16384
#endif
#ifndef PTHREAD_KEYS_MAX
#define PTHREAD_KEYS_MAX 128
#endif
#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

/* --- Threads. --- */

enum { PTHREAD_CREATE_JOINABLE, PTHREAD_CREATE_DETACHED };

/*
 * Without attributes: joinable, a stack of 256 KiB that takes memory as it is touched, and below it
 * a page that nobody may touch.  EAGAIN: no memory; EINVAL: attributes that were never set up.
 */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
                   void *argument);
/*
 * Wait for the end of a thread and free it; `result` may be NULL.  EDEADLK: it is the caller;
 * EINVAL: it is detached, or somebody else waits for it.
 */
int pthread_join(pthread_t thread, void **result);
/* The thread frees itself at its end.  EINVAL, as for join. */
int pthread_detach(pthread_t thread);
/*
 * Run the clean-up functions and the destructors of keys, and end the thread.  The last thread of
 * the process to end calls exit(0).
 */
void pthread_exit(void *result) __attribute__((noreturn));
pthread_t pthread_self(void);
int pthread_equal(pthread_t one, pthread_t other);
/* Names are for listings; at most 31 characters are kept: ERANGE. */
int pthread_setname_np(pthread_t thread, const char *name);
int pthread_getname_np(pthread_t thread, char *name, size_t size);

int pthread_attr_init(pthread_attr_t *attributes);
int pthread_attr_destroy(pthread_attr_t *attributes);
int pthread_attr_setdetachstate(pthread_attr_t *attributes, int state);
int pthread_attr_getdetachstate(const pthread_attr_t *attributes, int *state);
int pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);
int pthread_attr_getstacksize(const pthread_attr_t *attributes, size_t *size);
int pthread_attr_setguardsize(pthread_attr_t *attributes, size_t size);
int pthread_attr_getguardsize(const pthread_attr_t *attributes, size_t *size);
/* The caller's memory, without a guard; it also holds the thread-local variables. */
int pthread_attr_setstack(pthread_attr_t *attributes, void *stack, size_t size);
int pthread_attr_getstack(const pthread_attr_t *attributes, void **stack, size_t *size);

struct pthread_cleanup {
    void (*function)(void *);
    void *argument;
    struct pthread_cleanup *next;
};
void pthread_cleanup_enter_np(struct pthread_cleanup *cleanup);
void pthread_cleanup_leave_np(struct pthread_cleanup *cleanup, int execute);

/* In pairs, in one block, as POSIX says. */
#define pthread_cleanup_push(function, argument)                                                  \
    {                                                                                             \
        struct pthread_cleanup pthread_cleanup_ = { (function), (argument), NULL };               \
        pthread_cleanup_enter_np(&pthread_cleanup_);
#define pthread_cleanup_pop(execute)                                                              \
        pthread_cleanup_leave_np(&pthread_cleanup_, (execute));                                   \
    }

/* --- Once, and values of each thread. --- */

#define PTHREAD_ONCE_INIT { 0 }

int pthread_once(pthread_once_t *once, void (*function)(void));
/* EAGAIN: no key is left. */
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int pthread_key_delete(pthread_key_t key);
void *pthread_getspecific(pthread_key_t key);
/* ENOMEM; EINVAL: no such key. */
int pthread_setspecific(pthread_key_t key, const void *value);

/* --- Mutexes. --- */

enum {
    PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
    PTHREAD_MUTEX_DEFAULT = PTHREAD_MUTEX_NORMAL,
};
enum { PTHREAD_PROCESS_PRIVATE, PTHREAD_PROCESS_SHARED };

#define PTHREAD_MUTEX_INITIALIZER { 0, PTHREAD_MUTEX_NORMAL, 0, NULL }
#define PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP { 0, PTHREAD_MUTEX_RECURSIVE, 0, NULL }
#define PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP { 0, PTHREAD_MUTEX_ERRORCHECK, 0, NULL }

int pthread_mutexattr_init(pthread_mutexattr_t *attributes);
int pthread_mutexattr_destroy(pthread_mutexattr_t *attributes);
int pthread_mutexattr_settype(pthread_mutexattr_t *attributes, int type);
int pthread_mutexattr_gettype(const pthread_mutexattr_t *attributes, int *type);
/* ENOTSUP: PTHREAD_PROCESS_SHARED. */
int pthread_mutexattr_setpshared(pthread_mutexattr_t *attributes, int shared);
int pthread_mutexattr_getpshared(const pthread_mutexattr_t *attributes, int *shared);

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
/* EBUSY: somebody holds it. */
int pthread_mutex_destroy(pthread_mutex_t *mutex);
/* EDEADLK: an error-checking one that the caller holds; EAGAIN: a recursive one, too deep. */
int pthread_mutex_lock(pthread_mutex_t *mutex);
/* EBUSY. */
int pthread_mutex_trylock(pthread_mutex_t *mutex);
/* ETIMEDOUT; EINVAL: not a time.  `time` is of CLOCK_REALTIME. */
int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *time);
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time);
/* EPERM: the caller does not hold it (not noticed in a NORMAL one). */
int pthread_mutex_unlock(pthread_mutex_t *mutex);

/* --- Conditions. --- */

#define PTHREAD_COND_INITIALIZER { 0, 0, 0 }

int pthread_condattr_init(pthread_condattr_t *attributes);
int pthread_condattr_destroy(pthread_condattr_t *attributes);
int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock);
int pthread_condattr_getclock(const pthread_condattr_t *attributes, clockid_t *clock);
int pthread_condattr_setpshared(pthread_condattr_t *attributes, int shared);
int pthread_condattr_getpshared(const pthread_condattr_t *attributes, int *shared);

int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
/* Waits until the threads that were woken have left it. */
int pthread_cond_destroy(pthread_cond_t *condition);
/* May return for no reason, as POSIX allows: look at what is waited for again. */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
/* ETIMEDOUT; EINVAL: not a time.  `time` is of the condition's clock. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *time);
int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *time);
int pthread_cond_signal(pthread_cond_t *condition);
int pthread_cond_broadcast(pthread_cond_t *condition);

/* --- Locks for one writer or many readers. --- */

/*
 * Neither side starves: a reader waits behind a writer that waits, unless it holds such a lock for
 * reading already, and a writer that leaves lets in the readers that wait.
 */
#define PTHREAD_RWLOCK_INITIALIZER { 0, 0, 0, 0, 0, 0, NULL }

int pthread_rwlockattr_init(pthread_rwlockattr_t *attributes);
int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attributes);
int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes);
int pthread_rwlock_destroy(pthread_rwlock_t *lock);
/* EDEADLK: the caller holds it for writing; EAGAIN: too many readers. */
int pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock);
int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *time);
int pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int pthread_rwlock_trywrlock(pthread_rwlock_t *lock);
int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *time);
/* EPERM: nobody holds it, or another thread holds it for writing. */
int pthread_rwlock_unlock(pthread_rwlock_t *lock);

/* --- Barriers and spin locks. --- */

#define PTHREAD_BARRIER_SERIAL_THREAD (-1)

int pthread_barrierattr_init(pthread_barrierattr_t *attributes);
int pthread_barrierattr_destroy(pthread_barrierattr_t *attributes);
int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attributes,
                         unsigned count);
/* Waits until the threads that were released have left it.  EBUSY: some wait for others. */
int pthread_barrier_destroy(pthread_barrier_t *barrier);
/* PTHREAD_BARRIER_SERIAL_THREAD in one of the threads. */
int pthread_barrier_wait(pthread_barrier_t *barrier);

/* They give up the processor when they have waited for a while. */
int pthread_spin_init(pthread_spinlock_t *lock, int shared);
int pthread_spin_destroy(pthread_spinlock_t *lock);
int pthread_spin_lock(pthread_spinlock_t *lock);
int pthread_spin_trylock(pthread_spinlock_t *lock);
int pthread_spin_unlock(pthread_spinlock_t *lock);

/* --- Fork. --- */

/* `prepare` runs in reverse order before fork, the others after it.  Each may be NULL.  ENOMEM. */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
