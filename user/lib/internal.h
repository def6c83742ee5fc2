/*
 * internal.h: what the files of the library share among themselves.
 */
#pragma once

#include <quire.h>
#include <quire/fs.h>
#include <sys/types.h>
#include <time.h>

/* --- start.c --- */

extern char __tdata_start[], __tdata_end[], __tbss_end[];
extern char __tls_size[];               /* an absolute symbol: its address is the value */

extern char __tls_align[];              /* the same; a power of two, at most PAGE_SIZE */

void tls_init(void *area);
extern __thread handle_t current_thread_handle;         /* INVALID: thread_self() will find it */
/* In a child of fork: its own process; the copies of the parent's and of its thread's handles are closed. */
void own_process_replace(handle_t own_process);
extern const char *program_name;        /* argv[0] */

/* --- thread.c --- */

/* A thread of this process; pthread_t is a pointer to one.  At the top of its stack. */
struct pthread {
    void (*plain)(void *);              /* what it runs: this, of quire_thread_create, */
    void *(*function)(void *);          /* or this, of pthread_create */
    void *argument, *result;
    handle_t handle;
    _Atomic uint32_t state;             /* THREAD_IS_ bits */
    uintptr_t base;                     /* what is unmapped at the end; size 0: nothing */
    size_t size;
    struct pthread_cleanup *cleanups;
    struct thread_value *values;        /* pthread_key.c; NULL until it is needed */
    uint32_t read_locks;                /* pthread_rwlock.c: how many it holds */
    uint32_t blocked;                   /* signals, at first; its creator's */
};

enum {
    THREAD_IS_DETACHED = 1 << 0,        /* frees itself */
    THREAD_IS_JOINED   = 1 << 1,        /* somebody waits for it and frees it */
    THREAD_HAS_ENDED   = 1 << 2,        /* uses its stack for the last time */
};

struct pthread *thread_current(void);
/* Map a stack with a guard below it and put the record of a thread at its top.  NO_MEMORY ... */
status_t thread_new(size_t stack_size, size_t guard_size, struct pthread **out_thread);
/* The same in [stack, stack + size).  INVALID_ARGS: too small. */
status_t thread_new_on(void *stack, size_t size, struct pthread **out_thread);
/* Run it: what it runs, and its handle and state have been filled in by then, or are by this. */
status_t thread_start(struct pthread *thread);
/* Unmap the stack of a thread that was not started or has ended. */
void thread_free(struct pthread *thread);
/* End the calling thread, without a look at clean-up functions. */
void thread_end(struct pthread *thread) __attribute__((noreturn));
void threads_fork_child(void);
/* pthread_key.c; not linked, and not called, unless values are used. */
void thread_values_destroy(struct pthread *thread) __attribute__((weak));

/* --- locks.c --- */

/* The lock that the C library knows only by pointer. */
struct __lock {
    struct quire_mutex mutex;
    _Atomic uintptr_t owner;            /* thread pointer of who holds it */
    uint32_t depth;
    bool holds;                         /* signals are held with it */
};
/* Set by exit: from then on handlers may run where the library's own lock is held. */
extern bool library_exiting;
/* Take it if no other thread has it. */
bool library_lock_try(struct __lock *lock);

/* A futex word as a lock, as in struct quire_mutex.  False: not taken until the deadline. */
bool word_try_lock(uint32_t *word);
bool word_lock(uint32_t *word, int64_t deadline);
void word_unlock(uint32_t *word);
/* A count of threads that use an object, and the wait until it is 0, after which none comes. */
void users_enter(uint32_t *users);
void users_leave(uint32_t *users);
void users_drain(uint32_t *users);
/* Absolute time to deadline.  EINVAL. */
int deadline_at(clockid_t clock, const struct timespec *time, int64_t *out_deadline);

/* --- atfork.c: what is held while a process is copied, so that it is whole in the copy. --- */

/* Names a lock (struct quire_mutex *) that fork takes; whoever holds it takes at most the heap's. */
#define FORK_TAKES(lock)                                                                         \
    static struct quire_mutex *const fork_takes_##lock                                           \
        __attribute__((section("fork_locks"), used)) = &(lock)

/*
 * fork calls the first before the copy, then the others in the two processes, the last when
 * thread_self() is the child's own.
 */
void fork_prepare(void);
void fork_parent(void);
void fork_child(void);

/* --- stdio.c --- */

void streams_fork_prepare(void);
void streams_fork_parent(void);
void streams_fork_child(void);

/* --- posix.c --- */

void console_fork_child(void);

/* --- descriptor.c --- */

enum { DESCRIPTOR_MAX = 64 };
#define TAG_NONBLOCKING (1u << 31)      /* with START_FD in a start message: O_NONBLOCK is set */
enum descriptor_kind {
    DESCRIPTOR_FREE, DESCRIPTOR_CONSOLE, DESCRIPTOR_STREAM, DESCRIPTOR_PIPE,
    DESCRIPTOR_NULL,                    /* an event: nothing to read, what is written is lost */
};

struct descriptor {
    enum descriptor_kind kind;
    bool close_on_exec;
    int flags;                          /* O_APPEND, O_NONBLOCK, and the access mode */
    handle_t handle;
    handle_t pages;                     /* a stream's VMO, for mmap and fstat; or HANDLE_INVALID */
    struct fs_attributes attributes;    /* as open found the file; mode 0: it was inherited */
};

/*
 * Put a handle at descriptor `number`, closing what was there; the handle moves.  A VMO becomes the
 * pages of the stream that is there already.  WRONG_TYPE, OUT_OF_RANGE: not moved.
 */
status_t descriptor_set(int number, handle_t handle);
/* Fill in the kind of a new descriptor from its handle; the rest is zero.  WRONG_TYPE. */
status_t descriptor_describe(handle_t handle, struct descriptor *out);
/* Take in a descriptor, handles and all, at the first free number from `lowest`.  NO_RESOURCES. */
status_t descriptor_add(const struct descriptor *descriptor, int lowest, int *out_number);
/* The same at `number`, closing what was there.  OUT_OF_RANGE. */
status_t descriptor_put(int number, const struct descriptor *descriptor);
/* A copy with handles of its own.  BAD_HANDLE. */
status_t descriptor_duplicate(int number, struct descriptor *out);
/* Close the handles of a descriptor that is not in the table. */
void descriptor_drop(const struct descriptor *descriptor);
/* A look at a descriptor: its handles are borrowed.  False if the number is not open. */
bool descriptor_find(int number, struct descriptor *out);
/* Kind and borrowed handle; DESCRIPTOR_FREE if the number is not open. */
enum descriptor_kind descriptor_get(int number, handle_t *out_handle);
bool descriptor_waits(int number);      /* O_NONBLOCK is not set */
/* Set the flag, or O_APPEND and O_NONBLOCK; BAD_HANDLE. */
status_t descriptor_set_close_on_exec(int number, bool value);
status_t descriptor_set_flags(int number, int flags);
/* Close it; BAD_HANDLE. */
status_t descriptor_close(int number);

/* --- path.c --- */

/* The current directory: absolute, without symbolic links. */
void current_directory(char out[static FS_PATH_MAX + 1]);
/* `path` from the root on.  NOT_FOUND: it is empty; INVALID_ARGS: too long. */
status_t path_absolute(const char *path, char out[static FS_PATH_MAX + 1]);
/* Set errno for what the file server said about a path, and return -1. */
int path_fail(status_t status);
/* fs_stat of any path. */
status_t path_stat(const char *path, uint32_t flags, struct fs_attributes *out_attributes);

/* --- wait.c --- */

/* A new child, which waitpid will know.  The handle moves on success. */
status_t child_add(handle_t process, pid_t *out_number);
/* For fork, which holds the lock: the same in two steps, the second says if it came to be.  If not, the handle is closed. */
status_t child_expect_locked(handle_t process, pid_t *out_number);
void child_expected_locked(bool came);
/* In a new child: there are no children, and it expects none. */
void children_forget_locked(void);
/* A handle to a child that nobody has waited for; the caller closes it. */
bool child_find(pid_t number, handle_t *out_process);
/* Have the signal thread told of the end of each child that has not ended. */
void children_watch(void);
/* For the signal thread: what a packet with this key tells; also of a child that is waited for. */
pid_t child_ended(uint64_t key, int *out_status);
/* The process number of a koid. */
pid_t number_of(uint64_t koid);

/* --- signal.c, signal_send.c --- */

/* No handler runs in the calling thread until the second call; they nest. */
void signals_hold(void);
void signals_release(void);
/* A lock that a handler may need too. */
static inline void lock_hold(struct quire_mutex *lock)
{
    signals_hold();
    quire_mutex_lock(lock);
}
static inline void lock_release(struct quire_mutex *lock)
{
    quire_mutex_unlock(lock);
    signals_release();
}

/* How many handlers ran in this thread, and how many of them without SA_RESTART. */
uint32_t signals_handled(void);
uint32_t signals_final(void);
/* A call that waits, made again until a handler without SA_RESTART has interrupted it. */
#define RESTARTED(call)                                                                           \
    ({                                                                                            \
        uint32_t final_ = signals_final();                                                        \
        status_t status_;                                                                         \
        do {                                                                                      \
            status_ = (call);                                                                     \
        } while (status_ == ERR_CANCELED && signals_final() == final_);                           \
        status_;                                                                                  \
    })

/* The signal thread's port; HANDLE_INVALID: there is none. */
extern handle_t signals_port;
/* What a child's end is told it with, or-ed with the child's handle << 31 and its number. */
#define KEY_CHILD (1ull << 63)
/* To a child of fork with its memory, before it runs; and in it, with no lock held. */
status_t signals_fork_parent(handle_t process);
status_t signals_fork_child(void);
/* What a new program inherits, as sets. */
void signals_inheritance(uint32_t *out_ignored, uint32_t *out_blocked);
void signals_inherit(uint32_t ignored, uint32_t blocked);
/* Of the calling thread: what a thread that it makes has blocked. */
uint32_t signals_blocked(void);
/* Before a thread runs, on the place of its thread-local variables; and by itself, when they are there. */
void signals_thread_prepare(uintptr_t thread_pointer);
void signals_thread_begin(uint32_t blocked);
/* Its last act: from then on it takes no signals. */
void signals_thread_end(void);
/* The same as signals_hold, for the heap: the handler of a fault still runs. */
void signals_hold_heap(void);
void signals_release_heap(void);
/* To a process that does not run yet: it will take its signals itself; who sends one waits for that. */
void signals_expect(handle_t process);
/* Before exec maps the new program: nobody is told of anything any more. */
void signals_end(bool inherited);
/* Say which signal is going to end a process. */
void process_end_mark(handle_t process, int number);

/* --- Places in every address space. --- */

#define STACK_SIZE  262144ul            /* of the first thread */
#define STACK_TOP   (USER_TOP - PAGE_SIZE)
#define STACK_BASE  (STACK_TOP - STACK_SIZE)
#define EXEC_PAGES_SIZE (2 * PAGE_SIZE) /* exec.c */
#define EXEC_PAGES  (STACK_BASE - EXEC_PAGES_SIZE)
#define MAILBOX_PAGE (EXEC_PAGES - PAGE_SIZE)   /* signals.h */
#define IMAGE_TOP   (STACK_BASE - (1ul << 30))  /* room for mappings between program and stack */

/* --- elf.c --- */

enum { ELF_SEGMENTS_MAX = 16 };

struct elf_segment {
    uint64_t address, file_offset, file_size, memory_size;
    uint32_t flags;                     /* VM_READ | VM_WRITE | VM_EXECUTE */
};

struct elf_image {
    uint64_t entry;
    uint32_t segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX];      /* by address, no two in one page */
};

/*
 * Read and check the headers of a program.  INVALID_ARGS unless it can be loaded between base and
 * top.
 */
status_t elf_read(handle_t vmo, uint64_t base, uint64_t top, struct elf_image *out_image);
/* How a segment is mapped: the arguments of sys_vm_map. */
struct elf_mapping {
    uint32_t options;
    bool is_copy;                       /* the VMO was made for this, else it is the file */
    handle_t vmo;
    uintptr_t address;
    uint64_t offset, length;
};

/* Say how its segments are to be mapped; each is dropped when that is done.  None on failure. */
status_t elf_prepare(const struct elf_image *image, handle_t vmo,
                     struct elf_mapping mappings[static ELF_SEGMENTS_MAX]);
void elf_mapping_drop(const struct elf_mapping *mapping);
/* Map its segments into a new process. */
status_t elf_map(const struct elf_image *image, handle_t vmo, handle_t process);
