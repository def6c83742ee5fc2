/*
 * signal.h: POSIX signals, for the C library's <signal.h>.  docs/processes.md tells how they work.
 *
 * A sigset_t has bit 1 << number for each signal.
 */
#pragma once

#define _SYS_SIGNAL_H

#include <stddef.h>
#include <stdint.h>
#include <quire/pthread_types.h>
#include <sys/_timespec.h>
#include <sys/types.h>

#ifndef _SIGSET_T_DECLARED
#define _SIGSET_T_DECLARED
typedef unsigned long sigset_t;
#endif

enum {
    SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7,
    SIGFPE = 8, SIGKILL = 9, SIGUSR1 = 10, SIGSEGV = 11, SIGUSR2 = 12, SIGPIPE = 13, SIGALRM = 14,
    SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20, SIGTTIN = 21,
    SIGTTOU = 22, SIGURG = 23, SIGXCPU = 24, SIGXFSZ = 25, SIGVTALRM = 26, SIGPROF = 27,
    SIGWINCH = 28, SIGIO = 29, SIGPWR = 30, SIGSYS = 31,
};
/* Programs ask with #ifdef whether a signal exists. */
#define SIGHUP SIGHUP
#define SIGINT SIGINT
#define SIGQUIT SIGQUIT
#define SIGILL SIGILL
#define SIGTRAP SIGTRAP
#define SIGABRT SIGABRT
#define SIGBUS SIGBUS
#define SIGFPE SIGFPE
#define SIGKILL SIGKILL
#define SIGUSR1 SIGUSR1
#define SIGSEGV SIGSEGV
#define SIGUSR2 SIGUSR2
#define SIGPIPE SIGPIPE
#define SIGALRM SIGALRM
#define SIGTERM SIGTERM
#define SIGCHLD SIGCHLD
#define SIGCONT SIGCONT
#define SIGSTOP SIGSTOP
#define SIGTSTP SIGTSTP
#define SIGTTIN SIGTTIN
#define SIGTTOU SIGTTOU
#define SIGURG SIGURG
#define SIGWINCH SIGWINCH
#define SIGIO SIGIO
#define SIGSYS SIGSYS
#define NSIG 32

union sigval {
    int sival_int;
    void *sival_ptr;
};

typedef struct {
    int si_signo;
    int si_code;
    int si_errno;
    pid_t si_pid;                       /* who sent it, or the child; 0: nobody */
    uid_t si_uid;
    int si_status;
    void *si_addr;                      /* of a fault */
    union sigval si_value;
} siginfo_t;

/* si_code. */
enum { SI_USER = 0, SI_KERNEL = 128, SI_TKILL = -6, SI_QUEUE = -1 };
enum { SEGV_MAPERR = 1, SEGV_ACCERR = 2 };      /* nothing is mapped there; it may not be done there */
enum { BUS_ADRALN = 1, BUS_ADRERR = 2, BUS_OBJERR = 3 };        /* OBJERR: the page cannot be had */
enum { ILL_ILLOPC = 1 };
enum { TRAP_BRKPT = 1 };
enum { CLD_EXITED = 1, CLD_KILLED = 2 };

typedef void (*_sig_func_ptr)(int);

struct sigaction {
    union {
        _sig_func_ptr sa_handler;
        void (*sa_sigaction)(int number, siginfo_t *info, void *context);
    };
    sigset_t sa_mask;
    int sa_flags;
};

#define SA_NOCLDSTOP 0x00000001         /* children never stop */
#define SA_SIGINFO   0x00000004
#define SA_ONSTACK   0x08000000
#define SA_RESTART   0x10000000
#define SA_NODEFER   0x40000000
#define SA_RESETHAND ((int)0x80000000)

typedef struct sigaltstack {
    void *ss_sp;
    int ss_flags;
    size_t ss_size;
} stack_t;

enum { SS_ONSTACK = 1, SS_DISABLE = 2 };
#define MINSIGSTKSZ 2048
#define SIGSTKSZ    8192

enum { SIG_BLOCK = 1, SIG_UNBLOCK = 2, SIG_SETMASK = 0 };

int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);
int sigaddset(sigset_t *set, int number);
int sigdelset(sigset_t *set, int number);
int sigismember(const sigset_t *set, int number);

int sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict old);
int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old);
int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old);
int pthread_kill(pthread_t thread, int number);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);
int sigwait(const sigset_t *restrict set, int *restrict number);
int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info);
int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                 const struct timespec *restrict limit);
int sigaltstack(const stack_t *restrict stack, stack_t *restrict old);
int siginterrupt(int number, int flag);

/* There are no process groups: 0 is the caller alone, negative numbers are ESRCH. */
int kill(pid_t process, int number);

/*
 * Names without SIG: "INT" for SIGINT; NULL if there is no such signal.  And back, from a name with
 * or without SIG or from digits, 0 among them; -1 for none.
 */
const char *signal_name(int number);
int signal_number(const char *name);
