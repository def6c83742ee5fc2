/*
 * signal_thread.h: what the signal thread does with a thread that is stopped (signal_frame.c).
 */
#pragma once

#include "signals.h"

/* A thread that is stopped. */
struct stopped {
    handle_t thread;
    uint64_t koid;
    struct thread_signals *place;       /* in the thread's memory */
    struct thread_signals signals;
    thread_state_t state;
    bool has_signals, changed;          /* changed: `state` is to be written */
};

/* Copy from and to memory of a stopped thread: false, with part of it copied, where that cannot be read or written. */
bool signal_fetch(void *to, uintptr_t from, size_t length);
bool signal_store(uintptr_t to, const void *from, size_t length);

/*
 * Change state and signals so that the thread runs the action's handler when it is resumed; SA_RESETHAND resets the action.
 * False, with both as they were: there is no room on the stack.
 */
bool signal_frame_enter(struct stopped *stopped, struct sigaction *action, const siginfo_t *info);
/* The handler is done: what the frame at the stack pointer says.  False: there is none that could be read. */
bool signal_frame_leave(struct stopped *stopped);
