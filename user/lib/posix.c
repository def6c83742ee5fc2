/*
 * posix.c: reading and writing descriptors, and the heap under the C library.
 *
 * The console is read line by line: what a line has more than the caller wanted is kept for the
 * next read.  Calls that wait are made again after a signal, unless its handler says otherwise.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <quire/line.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lock.h>
#include <unistd.h>

#define LINE_SIZE 1024u
#define PIPE_ATOMIC 4096u               /* SIGNAL_WRITABLE says that so much does not wait */
#define HEAP_SIZE (64ul << 20)

/* `begun` of the next line have been typed when a signal ended the read. */
static struct __lock line_lock;
static char line[LINE_SIZE];
static size_t line_length, line_taken, begun;

static ssize_t fail(status_t status)
{
    errno = status_errno(status);
    return -1;
}

void _exit(int code)
{
    sys_process_exit(code);
}

/* After a handler, or without one, a breakpoint: the kernel says where. */
void abort(void)
{
    struct sigaction action;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    if (sigaction(SIGABRT, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
        action.sa_handler != SIG_IGN) {
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        raise(SIGABRT);
    }
    signal(SIGTRAP, SIG_DFL);
    process_end_mark(process_self(), SIGABRT);
    __builtin_trap();
}

static status_t read_pipe(int number, handle_t pipe, void *to, size_t length, size_t *out_actual)
{
    if (!descriptor_waits(number) &&
        sys_object_wait_one(pipe, SIGNAL_READABLE, 0, NULL) == ERR_TIMED_OUT)
        return ERR_SHOULD_WAIT;
    return RESTARTED(sys_pipe_read(pipe, to, length, out_actual));
}

/* Without waiting: as many atomic pieces as there is room for. */
static status_t write_some(handle_t pipe, const char *from, size_t length, size_t *out_actual)
{
    status_t status = OK;
    *out_actual = 0;
    while (status == OK && *out_actual < length) {
        size_t piece = length - *out_actual, done = 0;
        if (piece > PIPE_ATOMIC)
            piece = PIPE_ATOMIC;
        if (sys_object_wait_one(pipe, SIGNAL_WRITABLE | SIGNAL_PEER_CLOSED, 0, NULL) ==
            ERR_TIMED_OUT)
            status = ERR_SHOULD_WAIT;
        else
            status = RESTARTED(sys_pipe_write(pipe, from + *out_actual, piece, &done));
        *out_actual += done;
    }
    return *out_actual > 0 ? OK : status;
}

static status_t write_pipe(int number, handle_t pipe, const void *from, size_t length,
                           size_t *out_actual)
{
    if (!descriptor_waits(number))
        return write_some(pipe, from, length, out_actual);
    return RESTARTED(sys_pipe_write(pipe, from, length, out_actual));
}

static status_t read_console(handle_t console, void *to, size_t length, size_t *out_actual)
{
    status_t status = OK;
    __lock_acquire_recursive(&line_lock);
    if (line_taken == line_length) {
        line_taken = line_length = 0;
        status = line_edit(console, NULL, line, sizeof line, &begun);
        if (status == OK) {
            line_length = begun;
            begun = 0;
        }
    }
    size_t rest = line_length - line_taken;
    *out_actual = rest < length ? rest : length;
    memcpy(to, line + line_taken, *out_actual);
    line_taken += *out_actual;
    __lock_release_recursive(&line_lock);
    return status;
}

/* In the child of fork: the thread that was reading is not here. */
void console_fork_child(void)
{
    if (line_lock.owner != (uintptr_t)__builtin_thread_pointer())
        memset(&line_lock, 0, sizeof line_lock);
}

ssize_t read(int number, void *to, size_t length)
{
    handle_t handle;
    size_t actual = 0;
    status_t status;
    switch (descriptor_get(number, &handle)) {
    case DESCRIPTOR_CONSOLE: status = read_console(handle, to, length, &actual); break;
    case DESCRIPTOR_STREAM:  status = RESTARTED(sys_stream_read(handle, to, length, &actual)); break;
    case DESCRIPTOR_PIPE:    status = read_pipe(number, handle, to, length, &actual); break;
    case DESCRIPTOR_NULL:    status = OK; break;
    default:                 status = ERR_BAD_HANDLE;
    }
    return status == OK ? (ssize_t)actual : fail(status);
}

ssize_t write(int number, const void *from, size_t length)
{
    handle_t handle;
    size_t actual = length;
    status_t status;
    switch (descriptor_get(number, &handle)) {
    case DESCRIPTOR_CONSOLE: status = sys_console_write(handle, from, length); break;
    case DESCRIPTOR_STREAM:  status = RESTARTED(sys_stream_write(handle, from, length, &actual)); break;
    case DESCRIPTOR_PIPE:    status = write_pipe(number, handle, from, length, &actual); break;
    case DESCRIPTOR_NULL:    status = OK; break;
    default:                 status = ERR_BAD_HANDLE;
    }
    if (status == ERR_PEER_CLOSED)
        raise(SIGPIPE);
    return status == OK ? (ssize_t)actual : fail(status);
}

/* The handle of a descriptor that has a position. */
static bool find_stream(int number, handle_t *out_handle)
{
    switch (descriptor_get(number, out_handle)) {
    case DESCRIPTOR_FREE:   errno = EBADF; return false;
    case DESCRIPTOR_STREAM: return true;
    default:                errno = ESPIPE; return false;
    }
}

ssize_t pread(int number, void *to, size_t length, off_t offset)
{
    handle_t handle;
    size_t actual = 0;
    if (!find_stream(number, &handle))
        return -1;
    if (offset < 0)
        return fail(ERR_INVALID_ARGS);
    status_t status = RESTARTED(sys_stream_read_at(handle, to, offset, length, &actual));
    return status == OK ? (ssize_t)actual : fail(status);
}

off_t lseek(int number, off_t offset, int whence)
{
    handle_t handle;
    uint64_t position;
    if (!find_stream(number, &handle))
        return -1;
    status_t status = sys_stream_seek(handle, whence, offset, &position);
    if (status == ERR_OUT_OF_RANGE)
        status = ERR_INVALID_ARGS;      /* before the start */
    return status == OK ? (off_t)position : fail(status);
}

int close(int number)
{
    status_t status = descriptor_close(number);
    return status == OK ? 0 : fail(status);
}

int dup(int number)
{
    return fcntl(number, F_DUPFD, 0);
}

static int duplicate_at(int from, int to, int flags)
{
    struct descriptor copy;
    status_t status = descriptor_duplicate(from, &copy);
    if (status != OK)
        return fail(status);
    copy.close_on_exec = (flags & O_CLOEXEC) != 0;
    status = descriptor_put(to, &copy);
    if (status == OK)
        return to;
    descriptor_drop(&copy);
    return fail(ERR_BAD_HANDLE);
}

int dup2(int from, int to)
{
    struct descriptor same;
    return from == to && descriptor_find(from, &same) ? to : duplicate_at(from, to, 0);
}

/* O_CLOEXEC. */
int dup3(int from, int to, int flags)
{
    if (from == to || (flags & ~O_CLOEXEC) != 0)
        return fail(ERR_INVALID_ARGS);
    return duplicate_at(from, to, flags);
}

static int duplicate_from(int number, int lowest, bool close_on_exec)
{
    struct descriptor copy;
    if (lowest < 0 || lowest >= DESCRIPTOR_MAX)
        return fail(ERR_INVALID_ARGS);
    status_t status = descriptor_duplicate(number, &copy);
    if (status != OK)
        return fail(status);
    copy.close_on_exec = close_on_exec;
    if (descriptor_add(&copy, lowest, &number) == OK)
        return number;
    descriptor_drop(&copy);
    errno = EMFILE;
    return -1;
}

/* The console is read by lines: it cannot be without waiting. */
static int set_flags(int number, const struct descriptor *descriptor, int flags)
{
    if (descriptor->kind == DESCRIPTOR_CONSOLE && (flags & O_NONBLOCK) != 0)
        return fail(ERR_INVALID_ARGS);
    status_t status = descriptor_set_flags(number, flags);
    return status == OK ? 0 : fail(status);
}

/*
 * F_DUPFD, F_DUPFD_CLOEXEC; F_GETFD and F_SETFD with FD_CLOEXEC; F_GETFL and F_SETFL with O_APPEND
 * and O_NONBLOCK, which a later duplicate has too, but which are not shared.
 */
int fcntl(int number, int command, ...)
{
    struct descriptor descriptor;
    va_list arguments;
    va_start(arguments, command);
    int argument = va_arg(arguments, int);
    va_end(arguments);
    if (!descriptor_find(number, &descriptor))
        return fail(ERR_BAD_HANDLE);
    switch (command) {
    case F_GETFD:
        return descriptor.close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
        descriptor_set_close_on_exec(number, (argument & FD_CLOEXEC) != 0);
        return 0;
    case F_GETFL:
        return descriptor.flags;
    case F_SETFL:
        return set_flags(number, &descriptor, argument);
    case F_DUPFD: case F_DUPFD_CLOEXEC:
        return duplicate_from(number, argument, command == F_DUPFD_CLOEXEC);
    default:
        return fail(ERR_INVALID_ARGS);
    }
}

/* O_CLOEXEC, O_NONBLOCK. */
int pipe2(int ends[2], int flags)
{
    struct descriptor reader = { .kind = DESCRIPTOR_PIPE, .flags = O_RDONLY | (flags & O_NONBLOCK),
                                 .close_on_exec = (flags & O_CLOEXEC) != 0 }, writer = reader;
    writer.flags |= O_WRONLY;
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0)
        return fail(ERR_INVALID_ARGS);
    status_t status = sys_pipe_create(0, &reader.handle, &writer.handle);
    if (status != OK)
        return fail(status);
    if (descriptor_add(&reader, 0, &ends[0]) == OK) {
        if (descriptor_add(&writer, 0, &ends[1]) == OK)
            return 0;
        descriptor_close(ends[0]);
    } else {
        descriptor_drop(&reader);
    }
    descriptor_drop(&writer);
    errno = EMFILE;
    return -1;
}

int pipe(int ends[2])
{
    return pipe2(ends, 0);
}

int isatty(int number)
{
    handle_t handle;
    enum descriptor_kind kind = descriptor_get(number, &handle);
    if (kind == DESCRIPTOR_CONSOLE)
        return 1;
    errno = kind == DESCRIPTOR_FREE ? EBADF : ENOTTY;
    return 0;
}

/*
 * The heap grows inside one sparse VMO, mapped whole at the first call.  The caller holds the C
 * library's lock.
 */
void *sbrk(ptrdiff_t increment)
{
    static uintptr_t base;
    static size_t used;
    if (base == 0) {
        handle_t vmo;
        status_t status = sys_vmo_create(HEAP_SIZE, 0, &vmo);
        if (status == OK) {
            sys_object_set_name(vmo, "heap", 4);
            status = sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, HEAP_SIZE, &base);
            sys_handle_close(vmo);
        }
        if (status != OK) {
            base = 0;
            fail(status);
            return (void *)-1;
        }
    }
    if (increment > 0 ? (size_t)increment > HEAP_SIZE - used : (size_t)-increment > used) {
        fail(ERR_NO_MEMORY);
        return (void *)-1;
    }
    used += increment;
    return (void *)(base + used - increment);
}
