/*
 * process.h: an address space, a handle table and threads.
 *
 * A process is running from sys_process_start until its last thread has died; then its handles are closed, its
 * mappings removed and TERMINATED raised.  The object itself stays while someone holds a handle to it.
 */
#pragma once

#include "object/handle.h"
#include "task/wait_queue.h"

struct aspace;      /* vm/aspace.h */

/* How a process that was killed, or died by a fault, looks to its parent. */
#define EXIT_CODE_KILLED (-1024)
#define EXIT_CODE_FAULT  (-1028)

struct process {
    struct object object;

    /* Immutable after create. */
    struct handle_table *handles;
    struct aspace *aspace;          /* freed with the object; its regions go at exit */

    char name[32];                  /* object.lock */
    struct exception_binding exceptions;    /* object.lock */
    struct list_node all_link;      /* processes_lock; by koid */
    _Atomic uint64_t serves_until;  /* it took a packet for a pager: until then it counts as serving that, nanoseconds since boot */

    /* Guarded by lock. */
    struct spinlock lock;           /* RANK_PROCESS */
    struct list threads;            /* struct thread, new or started, without references, by koid */
    uint32_t thread_count;          /* started and not dead */
    struct wait_queue futexes;      /* struct waiter of futex.c */
    bool started, exiting, exited;
    bool was_killed;
    int64_t exit_code;
};

extern const struct object_ops process_ops, thread_ops;

/* With a copy of `handles` (handle_table_copy), or none if NULL.  NO_MEMORY. */
status_t process_create(const char *name, struct handle_table *handles, struct process **out_process);
/*
 * Start a thread with these words (see thread.start), as the first one of its process or not: BAD_STATE unless it is
 * new, and the process is or, for further ones, is running.  `handle`, if its object is not NULL, moves into the process
 * on success, and its value is a0.  NO_MEMORY, NO_RESOURCES (handle).
 */
status_t process_start(struct thread *thread, bool as_first, struct handle_slot handle, const uint64_t words[4]);
/* Kill all threads; the first caller decides the exit code and gets true.  Returns at once. */
bool process_kill(struct process *process, int64_t code, bool killed);
/* The calling thread is dead; the last one ends its process.  Part of thread_exit. */
void process_thread_exited(void);
/* Do page faults, or page-out, depend on this process? */
static inline bool process_serves(const struct process *process) { return arch_time() < process->serves_until; }
static inline struct process *current_process(void) { return current_thread()->process; }
#define process_from_object(object) object_as(process, object)

/* A reference to the thread of `process`, or process (NULL), with least koid >= `koid`; NULL. */
struct object *process_next(struct process *process, uint64_t koid);

/*
 * Sleep while the word at `address` of the current process is `expected`; wake up to `count` who do.
 * BAD_STATE: it is not; TIMED_OUT; CANCELED; ERR_USER_FAULT (see user_missing).
 */
status_t futex_wait(uaddr_t address, uint32_t expected, int64_t deadline);
void futex_wake(uaddr_t address, uint32_t count);

/* Supplied by higher layers (vm). */
struct aspace *aspace_create(void);             /* NULL: no memory */
void aspace_clear(struct aspace *aspace);       /* unmap everything; further maps are BAD_STATE */
void aspace_destroy(struct aspace *aspace);
struct arch_mmu *aspace_mmu(struct aspace *aspace);
