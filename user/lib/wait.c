/*
 * wait.c: children of this process as POSIX knows them.
 *
 * A process number is the low bits of the process' koid.  Each child has a handle, and tells a port
 * of its end, so that one can wait for any.
 *
 * Invariant: a child is in the list until somebody has waited for it; the port then has, or will
 * have, one packet for it.
 * Locks: `lock` guards the list; nobody waits with it.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    struct child *next;
    uint64_t koid;
    handle_t process;
};

static struct quire_mutex lock;
FORK_TAKES(lock);
static struct child *children;
static struct child *expected;          /* not in the list: being made, or memory for the next one */
static handle_t port;
static uint32_t waiting;                /* threads that wait for any child; */
static __thread uint32_t own_waiting;   /* how often this one does: a handler may too */

/* Who was waited for lately: number << 32 | status, in a ring. */
enum { ENDED_MAX = 64 };
static _Atomic uint64_t ended[ENDED_MAX];
static _Atomic uint32_t ended_count;

pid_t number_of(uint64_t koid)
{
    return koid & INT32_MAX;
}

static status_t koid_of(handle_t process, uint64_t *out_koid)
{
    info_handle_basic_t info;
    status_t status = sys_object_get_info(process, INFO_HANDLE_BASIC, &info, sizeof info, NULL,
                                          NULL);
    if (status == OK)
        *out_koid = info.koid;
    return status;
}

static uint64_t signal_key(const struct child *child)
{
    return KEY_CHILD | (uint64_t)child->process << 31 | number_of(child->koid);
}

static status_t watch_locked(struct child *child)
{
    status_t status = port == HANDLE_INVALID ? sys_port_create(0, &port) : OK;
    if (status == OK)
        status = koid_of(child->process, &child->koid);
    if (status == OK)
        status = sys_object_wait_async(child->process, port, child->koid, SIGNAL_TERMINATED,
                                       WAIT_ASYNC_ONCE);
    if (status == OK && signals_port != HANDLE_INVALID)
        sys_object_wait_async(child->process, signals_port, signal_key(child), SIGNAL_TERMINATED,
                              WAIT_ASYNC_ONCE);
    return status;
}

status_t child_expect_locked(handle_t process, pid_t *out_number)
{
    if (expected == NULL)
        expected = malloc(sizeof *expected);
    if (expected == NULL)
        return ERR_NO_MEMORY;
    expected->process = process;
    expected->next = children;
    status_t status = watch_locked(expected);
    if (status == OK)
        *out_number = number_of(expected->koid);
    return status;
}

void child_expected_locked(bool came)
{
    if (came) {
        children = expected;
        expected = NULL;
    } else {
        sys_port_cancel(port, expected->process, expected->koid);
        if (signals_port != HANDLE_INVALID)
            sys_port_cancel(signals_port, expected->process, signal_key(expected));
        sys_handle_close(expected->process);
    }
}

status_t child_add(handle_t process, pid_t *out_number)
{
    lock_hold(&lock);
    status_t status = child_expect_locked(process, out_number);
    if (status == OK)
        child_expected_locked(true);
    lock_release(&lock);
    return status;
}

void children_forget_locked(void)
{
    while (children != NULL) {
        struct child *child = children;
        children = child->next;
        sys_handle_close(child->process);
        free(child);
    }
    if (port != HANDLE_INVALID)
        sys_handle_close(port);
    port = HANDLE_INVALID;
    waiting = own_waiting;
}

void children_watch(void)
{
    lock_hold(&lock);
    for (struct child *child = children; child != NULL; child = child->next)
        if (sys_object_wait_one(child->process, SIGNAL_TERMINATED, 0, NULL) == ERR_TIMED_OUT)
            sys_object_wait_async(child->process, signals_port, signal_key(child),
                                  SIGNAL_TERMINATED, WAIT_ASYNC_ONCE);
    lock_release(&lock);
}

/* There is no child any more: a packet with a key of none for each who waits. */
static void tell_waiting_locked(void)
{
    const port_packet_t packet = { .key = 0 };
    for (uint32_t i = 0; i < waiting; i++)
        sys_port_queue(port, &packet);
}

/* Take a child out of the list, if it has not been waited for; its handle is the caller's then. */
static bool take(uint64_t koid, handle_t *out_process)
{
    bool found = false;
    lock_hold(&lock);
    for (struct child **link = &children; *link != NULL; link = &(*link)->next) {
        struct child *child = *link;
        if (child->koid == koid) {
            *out_process = child->process;
            *link = child->next;
            free(child);
            found = true;
            break;
        }
    }
    if (found && children == NULL)
        tell_waiting_locked();
    lock_release(&lock);
    return found;
}

/* The koid of the child with this number, and a handle that stays when another thread takes it. */
static bool find(pid_t number, uint64_t *out_koid, handle_t *out_process)
{
    bool found = false;
    lock_hold(&lock);
    for (struct child *child = children; child != NULL && !found; child = child->next) {
        found = number_of(child->koid) == number &&
                sys_handle_duplicate(child->process, RIGHT_SAME_RIGHTS, out_process) == OK;
        *out_koid = child->koid;
    }
    lock_release(&lock);
    return found;
}

bool child_find(pid_t number, handle_t *out_process)
{
    uint64_t koid;
    return find(number, &koid, out_process);
}

/* One more waits for any child; false: there is none. */
static bool begin_waiting(void)
{
    lock_hold(&lock);
    bool result = children != NULL;
    waiting += result;
    own_waiting += result;
    lock_release(&lock);
    return result;
}

static void end_waiting(void)
{
    lock_hold(&lock);
    waiting--;
    own_waiting--;
    lock_release(&lock);
}

/* The status of a process that has ended (see the macros of <sys/wait.h>). */
static int status_of(handle_t process, int64_t code)
{
    int signal = process_end_signal(process, code);
    return signal != 0 ? signal : (code & 0xff) << 8;
}

/* Its end is known; the handle is used up. */
static pid_t reap(uint64_t koid, handle_t process, int *out_status)
{
    int64_t code = 0;
    info_process_t info;
    if (sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL) == OK)
        code = info.exit_code;
    int status = status_of(process, code);
    ended[ended_count++ % ENDED_MAX] = (uint64_t)number_of(koid) << 32 | status;
    sys_handle_close(process);
    if (out_status != NULL)
        *out_status = status;
    return number_of(koid);
}

/* The handle may be closed, and in use for something else, if the child is in the ring. */
pid_t child_ended(uint64_t key, int *out_status)
{
    handle_t process = key >> 31 & UINT32_MAX;
    pid_t number = key & INT32_MAX;
    info_process_t info;
    if (sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL) == OK &&
        number_of(info.koid) == number) {
        *out_status = status_of(process, info.exit_code);
        if (sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL) == OK &&
            number_of(info.koid) == number)
            return number;
    }
    for (size_t i = 0; i < ENDED_MAX; i++) {
        uint64_t entry = ended[i];
        if (entry >> 32 == (uint64_t)number)
            *out_status = entry & INT32_MAX;
    }
    return number;
}

static pid_t wait_for_any(int *out_status, int64_t deadline)
{
    for (;;) {
        port_packet_t packet;
        handle_t process;
        if (!begin_waiting()) {
            errno = ECHILD;
            return -1;
        }
        status_t status = RESTARTED(sys_port_wait(port, deadline, &packet));
        end_waiting();
        if (status == ERR_TIMED_OUT)
            return 0;
        if (status == ERR_CANCELED) {
            errno = EINTR;
            return -1;
        }
        if (status == OK && packet.key != 0 && take(packet.key, &process))
            return reap(packet.key, process, out_status);
    }
}

static pid_t wait_for_one(pid_t number, int *out_status, int64_t deadline)
{
    handle_t watched, process;
    uint64_t koid;
    status_t status;
    if (!find(number, &koid, &watched)) {
        errno = ECHILD;
        return -1;
    }
    status = RESTARTED(sys_object_wait_one(watched, SIGNAL_TERMINATED, deadline, NULL));
    if (status == OK)
        sys_port_cancel(port, watched, koid);
    sys_handle_close(watched);
    if (status == ERR_TIMED_OUT)
        return 0;
    if (status == ERR_CANCELED) {
        errno = EINTR;
        return -1;
    }
    if (take(koid, &process))
        return reap(koid, process, out_status);
    errno = ECHILD;
    return -1;
}

/* There are no process groups: 0 and -1 mean any child. */
pid_t waitpid(pid_t number, int *out_status, int options)
{
    int64_t deadline = options & WNOHANG ? 0 : DEADLINE_INFINITE;
    if ((options & ~WNOHANG) != 0 || number < -1) {
        errno = EINVAL;
        return -1;
    }
    return number <= 0 ? wait_for_any(out_status, deadline)
                       : wait_for_one(number, out_status, deadline);
}

pid_t wait(int *out_status)
{
    return waitpid(-1, out_status, 0);
}

pid_t getpid(void)
{
    uint64_t koid = 0;
    koid_of(process_self(), &koid);
    return number_of(koid);
}

/*
 * Who made this process; 1 if that has ended; 0: the kernel.  Without the system object nobody knows
 * whether it has: then it is who made it in any case.
 */
pid_t getppid(void)
{
    info_handle_basic_t info = { 0 };
    handle_t maker;
    sys_object_get_info(process_self(), INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL);
    if (info.related_koid == 0 || system_handle() == HANDLE_INVALID)
        return number_of(info.related_koid);
    status_t status = sys_object_get_child(system_handle(), info.related_koid, RIGHT_SAME_RIGHTS,
                                           &maker);
    bool lives = status != ERR_NOT_FOUND;
    if (status == OK) {
        lives = sys_object_wait_one(maker, SIGNAL_TERMINATED, 0, NULL) == ERR_TIMED_OUT;
        sys_handle_close(maker);
    }
    return lives ? number_of(info.related_koid) : 1;
}
