/*
 * signal_thread.c: the signal thread: it stops the other threads and makes them run handlers.
 *
 * A fault, a sys_thread_interrupt and the end of a handler all stop a thread and send a packet here
 * (an exception port).  signal_frame.c makes a stopped thread run a handler, and go on after it.
 *
 * Invariant: a thread that is stopped is resumed before the next packet is taken.
 * Locks: none, and none may be: any lock might be held by a thread that waits to be resumed.  The
 * table of actions is changed here only, on request.  Memory of other threads is read and written
 * by the kernel (sys_vmo_write, sys_vmo_read), which refuses where this thread would fault.
 */
#include "signal_thread.h"

#include <string.h>
#include <sys/wait.h>

enum { THREADS_MAX = 64, DIRECTED_MAX = 32, LEAVING_MAX = 32 };

struct signal_thread_setup signal_thread_setup;

static struct sigaction actions[NSIG];
static siginfo_t infos[NSIG];           /* of what is pending for the process */
static _Atomic uint32_t infos_version;  /* odd while one is written */
static struct {
    uint64_t koid;                      /* 0: this place is free */
    int number;
} directed[DIRECTED_MAX];               /* to single threads that have not stopped yet */
static uint64_t leaving[LEAVING_MAX];   /* threads that take no more signals; 0: free */
static info_thread_t threads[THREADS_MAX];

/* --- Ends. --- */

static void die(int number)
{
    process_end_mark(process_self(), number);
    sys_task_kill(process_self());
}

/*
 * No handler will see this fault: without a port it is the kernel's to report.  The thread faults
 * again as soon as it is resumed.
 */
static void give_up(int number)
{
    process_end_mark(process_self(), number);
    sys_exception_bind(process_self(), HANDLE_INVALID, 0);
}

/* --- What is pending. --- */

/* Move what was sent to this thread alone to it. */
static void take_directed(struct stopped *stopped)
{
    for (size_t i = 0; i < DIRECTED_MAX; i++) {
        if (directed[i].koid != stopped->koid)
            continue;
        stopped->signals.pending |= SIGNAL_BIT(directed[i].number);
        directed[i].koid = 0;
    }
}

static void deliver(struct stopped *stopped, const siginfo_t *info)
{
    int number = info->si_signo;
    _sig_func_ptr handler = actions[number].sa_handler;
    if (handler == SIG_IGN || (handler == SIG_DFL && signal_is_harmless(number)))
        return;
    if (handler == SIG_DFL)
        die(number);
    if (!signal_frame_enter(stopped, &actions[number], info))
        die(SIGSEGV);
}

/* Enter handlers, each interrupted by the next, until all that is left is blocked. */
static void deliver_pending(struct stopped *stopped)
{
    for (;;) {
        uint32_t ready = (stopped->signals.pending | signals_pending) & ~stopped->signals.blocked;
        if (ready == 0)
            return;
        int number = __builtin_ctz(ready);
        siginfo_t info = { .si_signo = number, .si_code = SI_TKILL };
        if ((stopped->signals.pending & SIGNAL_BIT(number)) != 0) {
            stopped->signals.pending &= ~SIGNAL_BIT(number);
        } else {
            info = infos[number];
            if ((atomic_fetch_and(&signals_pending, ~SIGNAL_BIT(number)) & SIGNAL_BIT(number)) == 0)
                continue;               /* sigwait was faster */
        }
        deliver(stopped, &info);
    }
}

/* --- Stopping threads. --- */

static void interrupt(uint64_t koid)
{
    handle_t thread;
    if (sys_object_get_child(process_self(), koid, RIGHT_SAME_RIGHTS, &thread) != OK)
        return;
    sys_thread_interrupt(thread);
    sys_handle_close(thread);
}

static bool is_leaving(uint64_t koid)
{
    for (size_t i = 0; i < LEAVING_MAX; i++)
        if (leaving[i] == koid)
            return true;
    return false;
}

/* May it run a handler? */
static bool is_taker(uint64_t koid)
{
    return koid != signal_thread_setup.koid && !is_leaving(koid);
}

/*
 * Something is pending: stop the first thread, or all but that one, which has it blocked.  Who has
 * it not takes it.
 */
static void interrupt_threads(bool others)
{
    size_t count = 0;
    sys_object_get_info(process_self(), INFO_PROCESS_THREADS, threads, sizeof threads, &count,
                        NULL);
    for (size_t i = 0, seen = 0; i < count; i++) {
        if (!is_taker(threads[i].koid))
            continue;
        if ((seen++ > 0) == others)
            interrupt(threads[i].koid);
    }
}

static bool is_first_thread(uint64_t koid)
{
    size_t count = 0;
    sys_object_get_info(process_self(), INFO_PROCESS_THREADS, threads, sizeof threads, &count,
                        NULL);
    for (size_t i = 0; i < count; i++)
        if (is_taker(threads[i].koid))
            return threads[i].koid == koid;
    return false;
}

/* A signal for the process.  One that nobody blocks and that has no handler needs no thread. */
static void post(const siginfo_t *info)
{
    int number = info->si_signo;
    _sig_func_ptr handler = actions[number].sa_handler;
    if (handler == SIG_IGN || handler == SIG_DFL) {
        bool may_be_blocked = (signals_once_blocked & SIGNAL_BIT(number)) != 0;
        if (!may_be_blocked && (handler == SIG_IGN || signal_is_harmless(number)))
            return;
        if (!may_be_blocked)
            die(number);
    }
    atomic_fetch_add(&infos_version, 1);
    infos[number] = *info;
    atomic_fetch_add(&infos_version, 1);
    atomic_fetch_or(&signals_pending, SIGNAL_BIT(number));
    sys_futex_wake((const uint32_t *)&signals_pending, UINT32_MAX);
    interrupt_threads(false);
}

/* --- Packets. --- */

/* The signal that stands for an exception. */
static void classify(const port_packet_t *packet, siginfo_t *info)
{
    *info = (siginfo_t){ .si_signo = SIGBUS, .si_code = BUS_OBJERR,
                         .si_addr = (void *)packet->exception.address };
    switch (packet->exception.kind) {
    case EXCEPTION_ILLEGAL_INSTRUCTION:
        info->si_signo = SIGILL;
        info->si_code = ILL_ILLOPC;
        break;
    case EXCEPTION_BREAKPOINT:
        info->si_signo = SIGTRAP;
        info->si_code = TRAP_BRKPT;
        break;
    case EXCEPTION_MISALIGNED:
        info->si_code = BUS_ADRALN;
        break;
    case EXCEPTION_ACCESS_FAULT:
        break;
    default:
        switch (packet->exception.reason) {
        case ERR_NOT_FOUND:
            info->si_signo = SIGSEGV;
            info->si_code = SEGV_MAPERR;
            break;
        case ERR_ACCESS_DENIED:
            info->si_signo = SIGSEGV;
            info->si_code = SEGV_ACCERR;
            break;
        case ERR_OUT_OF_RANGE:          /* beyond the end of a file */
            info->si_code = BUS_ADRERR;
            break;
        }
    }
}

static void fault(struct stopped *stopped, const port_packet_t *packet)
{
    siginfo_t info;
    classify(packet, &info);
    _sig_func_ptr handler = actions[info.si_signo].sa_handler;
    bool is_blocked = (stopped->signals.blocked & SIGNAL_BIT(info.si_signo)) != 0;
    if (handler == SIG_DFL || handler == SIG_IGN || is_blocked ||
        stopped->signals.held % HELD_FOR_HEAP > 0 || !stopped->has_signals ||
        !signal_frame_enter(stopped, &actions[info.si_signo], &info))
        give_up(info.si_signo);
}

/* An interrupt, or the end of a handler. */
static void look_for_pending(struct stopped *stopped)
{
    if (!stopped->has_signals) {
        signals_missed = 1;
        return;
    }
    if (stopped->signals.held > 0) {
        stopped->signals.wanted = 1;
        return;
    }
    take_directed(stopped);
    deliver_pending(stopped);
    if (signals_pending != 0 && is_first_thread(stopped->koid))
        interrupt_threads(true);
}

static void thread_stopped(const port_packet_t *packet)
{
    static struct stopped stopped;
    stopped.koid = packet->exception.thread_koid;
    stopped.changed = false;
    status_t status = sys_object_get_child(process_self(), stopped.koid, RIGHT_SAME_RIGHTS,
                                           &stopped.thread);
    if (status != OK)
        return;                         /* it was killed meanwhile */
    if (sys_thread_read_state(stopped.thread, &stopped.state) == OK) {
        stopped.place = (void *)(stopped.state.x[REG_TP] + signal_thread_setup.own_signals_offset);
        stopped.has_signals = stopped.state.x[REG_TP] != 0 &&
            signal_fetch(&stopped.signals, (uintptr_t)stopped.place, sizeof stopped.signals) &&
            stopped.signals.ready;
        if (packet->exception.kind == EXCEPTION_INTERRUPT) {
            look_for_pending(&stopped);
        } else if (packet->exception.kind == EXCEPTION_BREAKPOINT &&
                   packet->exception.pc == (uintptr_t)signal_return) {
            if (!signal_frame_leave(&stopped))
                give_up(SIGSEGV);
            look_for_pending(&stopped);
        } else {
            fault(&stopped, packet);
        }
        if (stopped.has_signals)
            signal_store((uintptr_t)stopped.place, &stopped.signals, sizeof stopped.signals);
        if (stopped.changed)
            sys_thread_write_state(stopped.thread, &stopped.state);
    }
    sys_exception_resume(stopped.thread, EXCEPTION_RETRY);
    sys_handle_close(stopped.thread);
}

static void take_mail(void)
{
    sys_object_signal(process_self(), PROCESS_MAIL, 0);
    for (int number = 1; number < NSIG; number++) {
        uint32_t sender = atomic_load(&signals_mailbox[number]);
        if (sender == 0)
            continue;
        atomic_store(&signals_mailbox[number], 0);
        post(&(siginfo_t){ .si_signo = number, .si_code = SI_USER, .si_pid = sender });
    }
}

static void change_action(struct action_request *request)
{
    int number = request->number;
    request->old = actions[number];
    if (request->changes) {
        actions[number] = request->action;
        if (request->action.sa_handler == SIG_IGN)
            atomic_fetch_and(&signals_pending, ~SIGNAL_BIT(number));
    }
    atomic_store(&request->done, 1);
    sys_futex_wake((const uint32_t *)&request->done, 1);
}

static bool has_ended(uint64_t koid)
{
    handle_t thread;
    if (sys_object_get_child(process_self(), koid, RIGHT_SAME_RIGHTS, &thread) != OK)
        return true;
    sys_handle_close(thread);
    return false;
}

static void forget_directed(void)
{
    for (size_t i = 0; i < DIRECTED_MAX; i++)
        if (has_ended(directed[i].koid))
            directed[i].koid = 0;
}

/* The place for it: the one that it has already, or a free one; DIRECTED_MAX: there is none. */
static size_t place_directed(uint64_t koid, int number)
{
    size_t place = DIRECTED_MAX;
    for (size_t i = 0; i < DIRECTED_MAX; i++) {
        if (directed[i].koid == koid && directed[i].number == number)
            return i;
        if (directed[i].koid == 0)
            place = i;
    }
    return place;
}

static void send_to_thread(uint64_t koid, int number)
{
    size_t place = place_directed(koid, number);
    if (place == DIRECTED_MAX) {
        forget_directed();
        place = place_directed(koid, number);
    }
    if (place == DIRECTED_MAX)
        return;                         /* that many threads are on their way to stop */
    directed[place].koid = koid;
    directed[place].number = number;
    interrupt(koid);
}

/* What it was stopped for, if it comes no more to take it, is for others. */
static void thread_leaves(uint64_t koid)
{
    size_t place = 0;
    while (place < LEAVING_MAX - 1 && leaving[place] != 0 && !has_ended(leaving[place]))
        place++;
    leaving[place] = koid;
    if (signals_pending != 0)
        interrupt_threads(false);
}

static void take_request(const port_packet_t *packet)
{
    const uint64_t *words = packet->user.u64;
    switch (words[0]) {
    case REQUEST_ACTION: change_action((struct action_request *)words[1]); break;
    case REQUEST_SEND:   send_to_thread(words[2], words[1]); break;
    case REQUEST_LEAVE:  thread_leaves(words[2]); break;
    }
}

static void child_is_gone(uint64_t key)
{
    int status = 0;
    siginfo_t info = { .si_signo = SIGCHLD, .si_code = CLD_EXITED };
    info.si_pid = child_ended(key, &status);
    info.si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    if (!WIFEXITED(status))
        info.si_code = CLD_KILLED;
    post(&info);
}

void signal_thread_main(void)
{
    port_packet_t packet;
    for (;;) {
        if (sys_port_wait(signal_thread_setup.port, DEADLINE_INFINITE, &packet) != OK)
            continue;
        if ((packet.key & KEY_CHILD) != 0)
            child_is_gone(packet.key);
        else if (packet.key == KEY_EXCEPTION)
            thread_stopped(&packet);
        else if (packet.key == KEY_MAIL)
            take_mail();
        else
            take_request(&packet);
    }
}

void signal_thread_forget(void)
{
    memset(directed, 0, sizeof directed);
    memset(leaving, 0, sizeof leaving);
    atomic_store(&signals_pending, 0);
    atomic_store(&infos_version, 0);
}

void signal_thread_ignore(uint32_t set)
{
    for (int number = 1; number < NSIG; number++)
        if ((set & SIGNAL_BIT(number)) != 0)
            actions[number].sa_handler = SIG_IGN;
}

void signal_read_info(int number, siginfo_t *out)
{
    uint32_t version;
    do {
        version = atomic_load(&infos_version);
        *out = infos[number];
        atomic_thread_fence(memory_order_seq_cst);
    } while (version % 2 != 0 || version != atomic_load(&infos_version));
}

uint32_t signals_ignored(void)
{
    uint32_t set = 0;
    for (int number = 1; number < NSIG; number++)
        set |= actions[number].sa_handler == SIG_IGN ? SIGNAL_BIT(number) : 0;
    return set;
}
