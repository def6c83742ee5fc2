/*
 * signal_frame.c: a stopped thread enters a handler, and leaves it.
 *
 * It is made to run a handler by putting its registers into a frame on its stack and giving it
 * others: the pc of the handler, and as return address a breakpoint, which stops it again when the
 * handler is done; then the frame's registers are given back.
 *
 * Invariant: the thread is stopped, and only the signal thread runs this.
 * Locks: none.  Memory of other threads is read and written by the kernel (sys_vmo_write,
 * sys_vmo_read), which refuses where this thread would fault.
 */
#include "signal_thread.h"

#include <string.h>

struct signal_frame {
    ucontext_t context;
    siginfo_t info;
};

/* The page through which the kernel copies. */
struct scratch {
    struct signal_frame frame;
    struct thread_signals signals;
};

_Static_assert(sizeof(mcontext_t) == sizeof(thread_state_t), "one is copied to the other");
_Static_assert(sizeof(struct scratch) <= PAGE_SIZE, "scratch is a page");

static struct scratch *scratch(void)
{
    return signal_thread_setup.scratch_page;
}

/* --- Memory of a stopped thread. --- */

bool signal_fetch(void *to, uintptr_t from, size_t length)
{
    if (sys_vmo_write(signal_thread_setup.scratch, 0, (const void *)from, 0, length) != OK)
        return false;
    memcpy(to, scratch(), length);
    return true;
}

bool signal_store(uintptr_t to, const void *from, size_t length)
{
    memcpy(scratch(), from, length);
    return sys_vmo_read(signal_thread_setup.scratch, 0, (void *)to, 0, length) == OK;
}

/* --- Running a handler. --- */

/* False: it would reach below the other stack. */
static bool place_frame(const struct stopped *stopped, const struct sigaction *action,
                        uintptr_t *out_place)
{
    const stack_t *other = &stopped->signals.alternate;
    uintptr_t sp = stopped->state.x[REG_SP];
    bool is_on_it = sp - (uintptr_t)other->ss_sp - 1 < other->ss_size;
    if ((action->sa_flags & SA_ONSTACK) != 0 && other->ss_size > 0 && !is_on_it) {
        sp = (uintptr_t)other->ss_sp + other->ss_size;
        is_on_it = true;
    }
    *out_place = (sp - sizeof(struct signal_frame)) & -16ul;
    return !is_on_it || *out_place - (uintptr_t)other->ss_sp < other->ss_size;
}

bool signal_frame_enter(struct stopped *stopped, struct sigaction *action, const siginfo_t *info)
{
    struct thread_signals *signals = &stopped->signals;
    uint64_t *x = stopped->state.x;
    struct signal_frame *frame = &scratch()->frame;
    uintptr_t sp;
    if (!place_frame(stopped, action, &sp))
        return false;
    memset(frame, 0, sizeof *frame);
    frame->info = *info;
    frame->context.uc_stack = signals->alternate;
    frame->context.uc_sigmask = signals->blocked;
    memcpy(&frame->context.uc_mcontext, &stopped->state, sizeof stopped->state);
    if (sys_vmo_read(signal_thread_setup.scratch, 0, (void *)sp, 0, sizeof *frame) != OK)
        return false;

    x[REG_PC] = (uintptr_t)action->sa_handler;
    x[REG_RA] = (uintptr_t)signal_return;
    x[REG_SP] = sp;
    x[REG_A0] = info->si_signo;
    x[REG_A0 + 1] = sp + offsetof(struct signal_frame, info);
    x[REG_A0 + 2] = sp + offsetof(struct signal_frame, context);
    __asm__("mv %0, gp" : "=r"(x[3]));
    stopped->changed = true;

    signals->blocked |= action->sa_mask & ~SIGNALS_NEVER_BLOCKED;
    if ((action->sa_flags & SA_NODEFER) == 0)
        signals->blocked |= SIGNAL_BIT(info->si_signo);
    signals->delivered++;
    signals->final += (action->sa_flags & SA_RESTART) == 0;
    if ((action->sa_flags & SA_RESETHAND) != 0)
        action->sa_handler = SIG_DFL;
    return true;
}

bool signal_frame_leave(struct stopped *stopped)
{
    static struct signal_frame frame;
    if (!signal_fetch(&frame, stopped->state.x[REG_SP], sizeof frame))
        return false;
    memcpy(&stopped->state, &frame.context.uc_mcontext, sizeof stopped->state);
    stopped->signals.blocked = frame.context.uc_sigmask & ~SIGNALS_NEVER_BLOCKED;
    stopped->changed = true;
    return true;
}
