/*
 * signal_rig.h: signals that are counted, masks of one signal, and children that end of them.
 */
#pragma once

#include "posix.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define UNUSED __attribute__((unused))

static atomic_int counts[NSIG], last;
static siginfo_t last_info;

static inline void count(int number)
{
    atomic_fetch_add(&counts[number], 1);
    atomic_store(&last, number);
}

static inline void count_info(int number, siginfo_t *info, UNUSED void *context)
{
    last_info = *info;
    count(number);
}

static inline void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

    CHECK_EQ(sigaction(number, &action, NULL), 0);
    atomic_store(&counts[number], 0);
}

static inline sigset_t only(int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

static inline void mask(int how, int number)
{
    sigset_t set = only(number);

    CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static inline bool is_pending(int number)
{
    sigset_t set;

    return sigpending(&set) == 0 && sigismember(&set, number);
}

static inline void rest(void)
{
    sys_nanosleep(after(1000000));
}

/* How a child ended: its code, or minus the signal. */
static inline int end_of(pid_t pid)
{
    int status = 0;

    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Likewise, of one that runs the function. */
static inline int in_child(int (*function)(void *), void *argument)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(function(argument));
    return end_of(pid);
}

static inline void leave_with_9(UNUSED int number)
{
    _exit(9);
}

static atomic_bool enough;

/* Signals do not queue, so nobody knows how many have to be sent. */
static inline void *send_many(void *target)
{
    while (!enough) {
        pthread_kill(target, SIGUSR1);
        rest();
    }
    return NULL;
}
