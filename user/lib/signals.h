/*
 * signals.h: what the parts of signal handling share (docs/processes.md has the picture).
 *
 * signal.c and signal_wait.c are what threads call; signal_thread.c is the signal thread, which stops the others and
 * makes them run handlers (signal_frame.c); signal_send.c sends to processes.
 */
#pragma once

#include "internal.h"

#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#define SIGNAL_BIT(number) (1u << (number))
#define SIGNALS_NEVER_BLOCKED (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

/*
 * User signals of a process object.  MAIL: look into the mailbox.  Five bits say which signal ended
 * the process.  OWN: it takes its signals out of its mailbox; else the sender does what has to be
 * done.
 */
#define PROCESS_MAIL        SIGNAL_USER_0
#define PROCESS_END_SHIFT   25
#define PROCESS_END         (31u << PROCESS_END_SHIFT)
#define PROCESS_OWN_SIGNALS (SIGNAL_USER_0 << 7)

/*
 * Of each thread, in its thread-local variables.  The signal thread reads and writes it, only while
 * the thread is stopped; so each single access here is atomic, and `held` makes longer ones so.
 */
struct thread_signals {
    uint32_t blocked;                   /* a set, like all below */
    uint32_t pending;                   /* sent to this thread alone */
    uint32_t delivered;                 /* counts handlers */
    uint32_t final;                     /* counts those without SA_RESTART */
    uint32_t held;                      /* no handler may run now; see HELD_FOR_HEAP */
    uint32_t wanted;                    /* one would have run meanwhile */
    uint32_t ready;                     /* this has been initialised */
    stack_t alternate;                  /* ss_size 0: none */
};

extern __thread volatile struct thread_signals own_signals;

/* Counted in `held` for the heap's lock: the handler of a fault may run. */
#define HELD_FOR_HEAP (1u << 16)

/* Sent to the process, not yet taken by a thread. */
extern _Atomic uint32_t signals_pending;
/* Signals that some thread has blocked at some time. */
extern _Atomic uint32_t signals_once_blocked;
/* Some thread was stopped before it was ready: such a one stops itself again when it is. */
extern _Atomic uint32_t signals_missed;
/*
 * Is there a signal thread?  Then the mailbox is at MAILBOX_PAGE, where other processes find it:
 * word `number` is not 0 when that signal was sent, and is the sender then.
 */
extern bool signals_running;
extern _Atomic uint32_t *signals_mailbox;

/* What the port tells, by key. */
enum { KEY_EXCEPTION, KEY_MAIL, KEY_REQUEST };  /* and KEY_CHILD */

/* For the signal thread: USER packets with these in u64[0]. */
enum {
    REQUEST_ACTION,                     /* u64[1]: a struct action_request */
    REQUEST_SEND,                       /* signal u64[1] to the thread with koid u64[2] */
    REQUEST_LEAVE,                      /* the thread with koid u64[2] takes no more */
};

struct action_request {
    int number;
    bool changes;
    struct sigaction action, old;
    _Atomic uint32_t done;
};

/* What the signal thread is started with; it changes nothing of it. */
struct signal_thread_setup {
    handle_t port, scratch;             /* scratch: a VMO of one page, mapped at scratch_page */
    void *scratch_page;
    uintptr_t own_signals_offset;       /* of own_signals from a thread pointer */
    uint64_t koid;                      /* of the signal thread */
};

extern struct signal_thread_setup signal_thread_setup;
void signal_thread_main(void);
/* Before it runs: the actions that a new program begins with. */
void signal_thread_ignore(uint32_t set);
/* In a child of fork: what was sent to the parent is forgotten; actions stay. */
void signal_thread_forget(void);
/* What is known of the last signal of this number to the process, for who waits for it. */
void signal_read_info(int number, siginfo_t *out);
/* The signals whose action is SIG_IGN. */
uint32_t signals_ignored(void);
/* signal.S: where handlers return to; where the signal thread begins. */
extern const char signal_return[];
void signal_thread_entry(void);

/* Is it the number of a signal? */
bool signal_exists(int number);
/* Start the signal thread if there is none: 0, ENOMEM, EAGAIN. */
int signals_start(void);
/* Is the default action of a signal to do nothing? */
bool signal_is_harmless(int number);
