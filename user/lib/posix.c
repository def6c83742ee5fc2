/*
 * posix.c: the calls under the C library's stdio and heap.
 *
 * The console is read line by line: what a line has more than the caller wanted is kept for the
 * next read.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define LINE_SIZE 1024u
#define HEAP_SIZE (64ul << 20)

static struct quire_mutex line_lock;
static char line[LINE_SIZE];
static size_t line_length, line_taken;

static ssize_t fail(status_t status)
{
    errno = status_errno(status);
    return -1;
}

void _exit(int code)
{
    sys_process_exit(code);
}

/* An illegal instruction: the kernel says where, and the parent sees a fault. */
void abort(void)
{
    __builtin_trap();
}

static status_t read_console(handle_t console, void *to, size_t length, size_t *out_actual)
{
    status_t status = OK;
    quire_mutex_lock(&line_lock);
    if (line_taken == line_length) {
        line_taken = line_length = 0;
        status = line_read(console, line, sizeof line, &line_length);
    }
    size_t rest = line_length - line_taken;
    *out_actual = rest < length ? rest : length;
    memcpy(to, line + line_taken, *out_actual);
    line_taken += *out_actual;
    quire_mutex_unlock(&line_lock);
    return status;
}

ssize_t read(int number, void *to, size_t length)
{
    handle_t handle;
    size_t actual = 0;
    status_t status;
    switch (descriptor_get(number, &handle)) {
    case DESCRIPTOR_CONSOLE: status = read_console(handle, to, length, &actual); break;
    case DESCRIPTOR_STREAM:  status = sys_stream_read(handle, to, length, &actual); break;
    case DESCRIPTOR_PIPE:    status = sys_pipe_read(handle, to, length, &actual); break;
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
    case DESCRIPTOR_STREAM:  status = sys_stream_write(handle, from, length, &actual); break;
    case DESCRIPTOR_PIPE:    status = sys_pipe_write(handle, from, length, &actual); break;
    default:                 status = ERR_BAD_HANDLE;
    }
    return status == OK ? (ssize_t)actual : fail(status);
}

off_t lseek(int number, off_t offset, int whence)
{
    handle_t handle;
    switch (descriptor_get(number, &handle)) {
    case DESCRIPTOR_FREE:   return fail(ERR_BAD_HANDLE);
    case DESCRIPTOR_STREAM: break;
    default:                errno = ESPIPE; return -1;
    }
    uint64_t position;
    status_t status = sys_stream_seek(handle, whence, offset, &position);
    return status == OK ? (off_t)position : fail(status);
}

int close(int number)
{
    status_t status = descriptor_close(number);
    return status == OK ? 0 : fail(status);
}

int isatty(int number)
{
    handle_t handle;
    if (descriptor_get(number, &handle) == DESCRIPTOR_CONSOLE)
        return 1;
    errno = ENOTTY;
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    (void)zone;
    int64_t now = sys_clock_wall();
    time->tv_sec = now / 1000000000;
    time->tv_usec = now % 1000000000 / 1000;
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
