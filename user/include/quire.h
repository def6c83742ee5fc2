/*
 * quire.h: everything a program can ask of Quire.
 *
 * The kernel's types and numbers, one prototype for each system call (expanded from
 * abi/syscalls.def, where each is explained), and the library functions above them.  POSIX names
 * come from the C library's own headers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/arguments.h"
#include "abi/start.h"
#include "abi/types.h"

/* --- The system calls. --- */

#define IN(type) const type *
#define OUT(type) type *
#define OBJECT(type) handle_t
#define SYSCALL(number, result, name, meaning, statuses, count, ...) \
    result sys_##name(PARAMETERS(count, __VA_ARGS__));
#include "abi/syscalls.def"
#undef OBJECT
#undef OUT
#undef IN

void sys_process_exit(int64_t code) __attribute__((noreturn));
void sys_thread_exit(void) __attribute__((noreturn));

/*
 * --- What the program was started with.  Borrowed handles; HANDLE_INVALID if it was given none.
 * ---
 */

handle_t process_self(void);
handle_t thread_self(void);             /* of the calling thread */
handle_t console_handle(void);
handle_t system_handle(void);
handle_t initrd_handle(void);
handle_t default_pager_handle(void);
handle_t root_fs_handle(void);          /* channel to the root file system: see <quire/fs.h> */
/* The handle that the parent passed under this tag (START_USER and up). */
handle_t start_handle(uint32_t tag);
/* Give this process a root file system, which its children get too.  The handle moves. */
void root_fs_set(handle_t channel);

/* --- Status codes. --- */

const char *status_name(status_t status);       /* "ERR_NOT_FOUND" */
const char *status_text(status_t status);       /* "no such thing" */
int status_errno(status_t status);              /* the nearest errno value */

/* How a process that did not exit by itself looks to its parent. */
#define EXIT_CODE_KILLED (-1024)
#define EXIT_CODE_FAULT  (-1028)

/* --- Programs. --- */

struct spawn_handle {
    handle_t handle;
    uint32_t tag;                       /* START_USER and up: found by start_handle in the child */
};

struct spawn_arguments {
    handle_t image;                         /* borrowed; READ, MAP, EXECUTE; holds the file */
    const char *const *arguments;           /* argv, ends with NULL; argv[0] names the process */
    const char *const *environment;         /* ends with NULL; NULL itself: the caller's; PWD is
                                               always the caller's current directory */
    const struct spawn_handle *handles;     /* move into the child; they are gone in every case */
    size_t handle_count;
    const int *descriptors;                 /* caller's descriptor for the child's i, or -1; */
    size_t descriptor_count;                /* NULL: 0, 1 and 2 */
};

/*
 * Start a program.  The child also gets duplicates of the console, system, initrd and default pager
 * handles and a connection of its own to the root file system.  INVALID_ARGS: not a program that
 * can run here; OUT_OF_RANGE: arguments too long; or what the kernel said.  Nothing is left behind
 * on failure.
 */
status_t spawn(const struct spawn_arguments *arguments, handle_t *out_process);
/* Which signal ended a process with this exit code; 0 if it exited by itself. */
int process_end_signal(handle_t process, int64_t code);
/* Send a signal (<signal.h>) to a process, as kill does. */
status_t process_signal(handle_t process, int number);
/* Wait for a process to end, close the handle, and tell its exit code. */
status_t process_wait(handle_t process, int64_t *out_code);
/*
 * Find a program by name (the folders of PATH, then bin/ in the boot archive) or by path, as a VMO
 * that can be spawned.
 */
status_t program_open(const char *name, handle_t *out_image);
/* program_open, spawn with the standard descriptors, process_wait. */
status_t program_run(const char *const *arguments, int64_t *out_code);
/* A file of the boot archive, copied into a VMO that cannot be written.  `path` without leading slash. */
status_t initrd_open(const char *path, handle_t *out_vmo);
/*
 * The path of file number `index` of the archive and its size; NOT_FOUND past the end.  The name is
 * not zero terminated.
 */
status_t initrd_entry(size_t index, const char **out_path, size_t *out_length, uint64_t *out_size);

/* --- Threads. --- */

#define THREAD_STACK_SIZE 65536ul

/*
 * Run function(argument) in a new thread with a stack of its own, which is freed when the function
 * returns.  out_thread may be NULL.  To join: quire_thread_join, or wait for TERMINATED and close
 * the handle.
 */
status_t quire_thread_create(void (*function)(void *), void *argument, handle_t *out_thread);
status_t quire_thread_join(handle_t thread);

/* A lock that sleeps; zero is unlocked. */
struct quire_mutex {
    _Atomic uint32_t state;
};
void quire_mutex_lock(struct quire_mutex *mutex);
bool quire_mutex_try_lock(struct quire_mutex *mutex);
void quire_mutex_unlock(struct quire_mutex *mutex);

/* --- Disks. --- */

#define PARTITION_LABEL_MAX 36

struct partition {
    uint64_t offset, length;            /* bytes */
    uint8_t type[16];                   /* GUID as it is on the disk */
    char label[PARTITION_LABEL_MAX + 1];
};

/* Open a disk or partition by name (vda, vda1, ...) or a partition of any disk by its label. */
status_t block_open(const char *name, handle_t *out_device);
/*
 * Entry `number`, from 1, of a disk's partition table; NOT_FOUND if unused or there is no (valid)
 * table.
 */
status_t partition_read(handle_t disk, uint32_t number, struct partition *out_partition);
/*
 * All partitions of a disk, in a block of memory from malloc, for the caller to free.  NOT_FOUND: there is no (valid) table;
 * IO_DATA_INTEGRITY: its entries are damaged, or they overlap.
 */
status_t partition_list(handle_t disk, struct partition **out_partitions, size_t *out_count);

/* --- Lists of INFO_ topics. --- */

/*
 * All records of a list topic in a block of memory from malloc, for the caller to free.
 */
status_t info_list(handle_t handle, uint32_t topic, size_t record_size, void **out_records,
                   size_t *out_count);
