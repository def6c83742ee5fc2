/*
 * signal_wait.c: waiting for signals, and sending them within the process.
 */
#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static int fail(int code)
{
    errno = code;
    return -1;
}

/* --- Waiting. --- */

int sigsuspend(const sigset_t *mask)
{
    sigset_t old;
    uint32_t before = own_signals.delivered;
    int error = pthread_sigmask(SIG_SETMASK, mask, &old);
    if (error != 0)
        return fail(error);
    while (own_signals.delivered == before)
        sys_futex_wait((const uint32_t *)&own_signals.delivered, before, DEADLINE_INFINITE);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return fail(EINTR);
}

int pause(void)
{
    sigset_t mask = own_signals.blocked;
    return sigsuspend(&mask);
}

/* Take a signal of the set that is pending; 0 if there is none. */
static int take_pending(uint32_t set, siginfo_t *out_info)
{
    signals_hold();
    uint32_t own = own_signals.pending & set, shared = atomic_load(&signals_pending) & set;
    int number = 0;
    if (own != 0) {
        number = __builtin_ctz(own);
        own_signals.pending &= ~SIGNAL_BIT(number);
        *out_info = (siginfo_t){ .si_signo = number, .si_code = SI_TKILL };
    } else if (shared != 0) {
        number = __builtin_ctz(shared);
        signal_read_info(number, out_info);
        if ((atomic_fetch_and(&signals_pending, ~SIGNAL_BIT(number)) & SIGNAL_BIT(number)) == 0)
            number = 0;
    }
    signals_release();
    return number;
}

static int wait_for_signal(uint32_t set, siginfo_t *out_info, int64_t deadline)
{
    for (;;) {
        uint32_t seen = atomic_load(&signals_pending), before = own_signals.delivered;
        int number = take_pending(set, out_info);
        if (number != 0)
            return number;
        if ((seen & set) != 0)
            continue;                   /* another thread took it */
        status_t status = sys_futex_wait((const uint32_t *)&signals_pending, seen, deadline);
        if (status == ERR_TIMED_OUT)
            return fail(EAGAIN);
        if (own_signals.delivered != before)
            return fail(EINTR);
    }
}

int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                 const struct timespec *restrict limit)
{
    int64_t deadline = DEADLINE_INFINITE;
    if (limit != NULL) {
        if (limit->tv_nsec < 0 || limit->tv_nsec >= 1000000000)
            return fail(EINVAL);
        deadline = sys_clock_get() + limit->tv_sec * 1000000000 + limit->tv_nsec;
    }
    int error = signals_start();
    if (error != 0)
        return fail(error);
    siginfo_t unused;
    return wait_for_signal(*set, info != NULL ? info : &unused, deadline);
}

int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info)
{
    return sigtimedwait(set, info, NULL);
}

int sigwait(const sigset_t *restrict set, int *restrict number)
{
    int result;
    do {
        result = sigwaitinfo(set, NULL);
    } while (result < 0 && errno == EINTR);
    if (result < 0)
        return errno;
    *number = result;
    return 0;
}

/* --- To oneself. --- */

/* A handler runs before this returns, if the signal is not blocked. */
int raise(int number)
{
    if (!signal_exists(number))
        return fail(EINVAL);
    if (number == SIGKILL || (!signals_running && !signal_is_harmless(number))) {
        process_end_mark(process_self(), number);
        sys_task_kill(process_self());
    }
    if (!signals_running)
        return 0;
    signals_hold();
    own_signals.pending |= SIGNAL_BIT(number);
    own_signals.wanted |= (own_signals.blocked & SIGNAL_BIT(number)) == 0;
    signals_release();
    return 0;
}

int pthread_kill(pthread_t thread, int number)
{
    info_handle_basic_t info;
    port_packet_t packet = { .key = KEY_REQUEST };
    if (number < 0 || number >= NSIG)
        return EINVAL;
    if (number == 0)
        return 0;
    if (thread == thread_current())
        return raise(number) == 0 ? 0 : errno;
    if (!signals_running || number == SIGKILL)
        return kill(getpid(), number) == 0 ? 0 : errno;
    status_t status = sys_object_get_info(thread->handle, INFO_HANDLE_BASIC, &info, sizeof info,
                                          NULL, NULL);
    if (status != OK)
        return ESRCH;
    packet.user.u64[0] = REQUEST_SEND;
    packet.user.u64[1] = number;
    packet.user.u64[2] = info.koid;
    return sys_port_queue(signals_port, &packet) == OK ? 0 : EAGAIN;
}
