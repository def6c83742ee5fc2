/*
 * signal_send.c: signals from process to process, and how a process' end is told.
 *
 * There is no signal in the kernel.  A process that takes its signals itself says so with a user
 * signal of its process object; then they are put into its mailbox, which is found by its address.
 * For any other process the sender carries out the default action, which is to end it or nothing.
 */
#include "signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { TRIES = 1000 };

static const char *const names[NSIG] = {
    [SIGHUP] = "HUP", [SIGINT] = "INT", [SIGQUIT] = "QUIT", [SIGILL] = "ILL", [SIGTRAP] = "TRAP",
    [SIGABRT] = "ABRT", [SIGBUS] = "BUS", [SIGFPE] = "FPE", [SIGKILL] = "KILL", [SIGUSR1] = "USR1",
    [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2", [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM",
    [SIGTERM] = "TERM", [SIGCHLD] = "CHLD", [SIGCONT] = "CONT", [SIGSTOP] = "STOP",
    [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU", [SIGURG] = "URG",
    [SIGWINCH] = "WINCH", [SIGIO] = "IO", [SIGSYS] = "SYS",
};

const char *signal_name(int number)
{
    return number > 0 && number < NSIG ? names[number] : NULL;
}

int signal_number(const char *name)
{
    char *end;
    unsigned long value = strtoul(name, &end, 10);
    if (end != name)
        return *end == 0 && value < NSIG ? (int)value : -1;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int number = 1; number < NSIG; number++)
        if (names[number] != NULL && strcasecmp(names[number], name) == 0)
            return number;
    return -1;
}

static signals_t user_signals(handle_t process)
{
    signals_t now = 0;
    sys_object_wait_one(process, 0, 0, &now);
    return now;
}

/* The first mark stays; of two at the same moment, one of them. */
void process_end_mark(handle_t process, int number)
{
    if ((user_signals(process) & (PROCESS_END | SIGNAL_TERMINATED)) == 0)
        sys_object_signal(process, PROCESS_END, (signals_t)number << PROCESS_END_SHIFT);
}

int process_end_signal(handle_t process, int64_t code)
{
    int marked = (user_signals(process) & PROCESS_END) >> PROCESS_END_SHIFT;
    switch (code) {
    case EXIT_CODE_KILLED: return marked != 0 ? marked : SIGKILL;
    case EXIT_CODE_FAULT:  return marked != 0 ? marked : SIGSEGV;
    default:               return 0;
    }
}

/* NOT_FOUND: there is no mailbox (yet: the process is within exec or fork). */
static status_t put_into_mailbox(handle_t process, int number)
{
    info_map_t mapping;
    handle_t vmo;
    uint32_t sender = getpid();
    status_t status = sys_vm_get_mapping(process, MAILBOX_PAGE, &mapping, &vmo);
    if (status != OK)
        return status;
    if (mapping.base == MAILBOX_PAGE)
        status = sys_vmo_write(vmo, 0, &sender, mapping.vmo_offset + number * sizeof sender,
                               sizeof sender);
    else
        status = ERR_NOT_FOUND;
    sys_handle_close(vmo);
    return status == OK ? sys_object_signal(process, 0, PROCESS_MAIL) : status;
}

status_t process_signal(handle_t process, int number)
{
    if (number <= 0 || number >= NSIG)
        return ERR_INVALID_ARGS;
    for (int i = 0; i < TRIES && number != SIGKILL; i++) {
        signals_t now = user_signals(process);
        if ((now & PROCESS_OWN_SIGNALS) == 0 || (now & SIGNAL_TERMINATED) != 0)
            break;
        status_t status = put_into_mailbox(process, number);
        if (status != ERR_NOT_FOUND)
            return status;
        sys_nanosleep(0);
    }
    if (number != SIGKILL && signal_is_harmless(number))
        return OK;
    process_end_mark(process, number);
    return sys_task_kill(process);
}

static bool is_signal_or_null(int number)
{
    return number >= 0 && number < NSIG;
}

/* To the caller's own process: what the caller does not block is its own. */
static int kill_self(int number)
{
    if (number == 0)
        return 0;
    if (!signals_running || number == SIGKILL || (own_signals.blocked & SIGNAL_BIT(number)) == 0)
        return raise(number);
    atomic_store(&signals_mailbox[number], getpid());
    sys_object_signal(process_self(), 0, PROCESS_MAIL);
    return 0;
}

int kill(pid_t number, int signal)
{
    handle_t process;
    status_t status = ERR_NOT_FOUND;
    if (!is_signal_or_null(signal)) {
        errno = EINVAL;
        return -1;
    }
    if (number == 0 || number == getpid())
        return kill_self(signal);
    if (child_find(number, &process))
        status = OK;
    else if (number > 0 && system_handle() != HANDLE_INVALID)
        status = sys_object_get_child(system_handle(), number, RIGHT_SAME_RIGHTS, &process);
    if (status == OK) {
        status = signal != 0 ? process_signal(process, signal) : OK;
        sys_handle_close(process);
    }
    if (status == OK)
        return 0;
    errno = status == ERR_NOT_FOUND       ? ESRCH
          : status == ERR_ACCESS_DENIED ? EPERM : status_errno(status);
    return -1;
}
