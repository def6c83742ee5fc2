/*
 * signal.c: what threads call: actions and masks; what starts and ends the signal thread.
 *
 * A process that never asked for anything has the default actions and no signal thread: who sends
 * it a signal carries out its default action.  The thread and its mailbox are made when an action
 * or a mask is first set.
 *
 * Locks: `lock` is held while the signal thread changes an action, and by fork.  No handler runs in
 * who holds it.
 */
#include "signals.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>

enum { OWN_STACK_SIZE = 8192 };

__thread volatile struct thread_signals own_signals;
_Atomic uint32_t signals_pending, signals_once_blocked, signals_missed;
bool signals_running;
handle_t signals_port;
_Atomic uint32_t *signals_mailbox;

static struct quire_mutex lock;
FORK_TAKES(lock);
static char stack[OWN_STACK_SIZE] __attribute__((aligned(16)));

static int fail(int code)
{
    errno = code;
    return -1;
}

bool signal_exists(int number)
{
    return number > 0 && number < NSIG;
}

bool signal_is_harmless(int number)
{
    switch (number) {
    case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:     /* nothing can be stopped */
        return true;
    default:
        return false;
    }
}

/* --- Parts that no handler may interrupt. --- */

void signals_hold(void)
{
    own_signals.held++;
    atomic_signal_fence(memory_order_seq_cst);
}

/* The interrupt that came meanwhile was let pass; it comes again. */
static void release(uint32_t count)
{
    atomic_signal_fence(memory_order_seq_cst);
    if ((own_signals.held -= count) == 0 && own_signals.wanted) {
        own_signals.wanted = 0;
        sys_thread_interrupt(thread_self());
    }
}

void signals_release(void)
{
    release(1);
}

void signals_hold_heap(void)
{
    own_signals.held += HELD_FOR_HEAP;
    atomic_signal_fence(memory_order_seq_cst);
}

void signals_release_heap(void)
{
    release(HELD_FOR_HEAP);
}

uint32_t signals_handled(void)
{
    return own_signals.delivered;
}

uint32_t signals_final(void)
{
    return own_signals.final;
}

/* --- The signal thread. --- */

static status_t map_page(uint32_t options, uintptr_t address, handle_t *out_vmo,
                         uintptr_t *out_address)
{
    status_t status = sys_vmo_create(PAGE_SIZE, 0, out_vmo);
    if (status != OK)
        return status;
    status = sys_vm_map(process_self(), VM_READ | VM_WRITE | options, address, *out_vmo, 0,
                        PAGE_SIZE, out_address);
    if (status != OK)
        sys_handle_close(*out_vmo);
    return status;
}

/* A second call, in a child of fork, finds the parent's pages and takes them over. */
static status_t make_pages(struct signal_thread_setup *setup)
{
    handle_t vmo;
    uintptr_t address;
    status_t status = OK;
    if (signals_mailbox == NULL) {
        status = map_page(VM_FIXED, MAILBOX_PAGE, &vmo, &address);
        if (status != OK)
            return status;
        sys_handle_close(vmo);
        signals_mailbox = (_Atomic uint32_t *)address;
    }
    status = map_page(0, 0, &setup->scratch, &address);
    if (status == OK)
        setup->scratch_page = (void *)address;
    return status;
}

static status_t make_thread(struct signal_thread_setup *setup, handle_t *out_thread)
{
    info_handle_basic_t info;
    status_t status = sys_thread_create(process_self(), "signals", 7, THREAD_ANSWERS_EXCEPTIONS,
                                        out_thread);
    if (status != OK)
        return status;
    status = sys_object_get_info(*out_thread, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL);
    setup->koid = info.koid;
    if (status != OK)
        sys_handle_close(*out_thread);
    return status;
}

/* Everything that can refuse, but the start of the thread. */
static status_t connect(const struct signal_thread_setup *setup)
{
    status_t status = sys_object_wait_async(process_self(), setup->port, KEY_MAIL, PROCESS_MAIL,
                                            WAIT_ASYNC_PERSISTENT);
    if (status == OK)
        status = sys_exception_bind(process_self(), setup->port, KEY_EXCEPTION);
    return status;
}

static status_t start(void)
{
    struct signal_thread_setup setup = {
        .own_signals_offset = (uintptr_t)&own_signals - (uintptr_t)__builtin_thread_pointer(),
    };
    handle_t thread;
    status_t status = sys_port_create(0, &setup.port);
    if (status != OK)
        return status;
    status = make_pages(&setup);
    if (status != OK)
        goto out_port;
    status = make_thread(&setup, &thread);
    if (status != OK)
        goto out_pages;
    status = connect(&setup);
    signal_thread_setup = setup;
    if (status == OK)
        status = sys_thread_start(thread, (uintptr_t)signal_thread_entry,
                                  (uintptr_t)stack + sizeof stack, 0, 0);
    sys_handle_close(thread);
    if (status == OK) {
        signals_port = setup.port;
        signals_running = true;
        sys_object_signal(process_self(), 0, PROCESS_OWN_SIGNALS);
        return OK;
    }
out_pages:
    sys_vm_unmap(process_self(), (uintptr_t)setup.scratch_page, PAGE_SIZE);
    sys_handle_close(setup.scratch);
out_port:
    sys_handle_close(setup.port);       /* takes the waits and the binding with it */
    return status;
}

int signals_start(void)
{
    if (signals_running)
        return 0;
    lock_hold(&lock);
    status_t status = signals_running ? OK : start();
    lock_release(&lock);
    if (status == OK)
        children_watch();
    return status == OK ? 0 : status == ERR_NO_MEMORY ? ENOMEM : EAGAIN;
}

/* --- fork and exec. --- */

void signals_expect(handle_t process)
{
    sys_object_signal(process, 0, PROCESS_OWN_SIGNALS);
}

/* What lies in our mailbox is for us. */
status_t signals_fork_parent(handle_t process)
{
    static const uint32_t empty[NSIG];
    info_map_t mapping;
    handle_t vmo;
    if (!signals_running)
        return OK;
    status_t status = sys_vm_get_mapping(process, MAILBOX_PAGE, &mapping, &vmo);
    if (status != OK)
        return status;
    status = sys_vmo_write(vmo, 0, empty, mapping.vmo_offset, sizeof empty);
    sys_handle_close(vmo);
    if (status == OK)
        signals_expect(process);
    return status;
}

status_t signals_fork_child(void)
{
    own_signals.pending = own_signals.wanted = 0;
    if (!signals_running)
        return OK;
    sys_handle_close(signal_thread_setup.port);
    sys_handle_close(signal_thread_setup.scratch);
    sys_vm_unmap(process_self(), (uintptr_t)signal_thread_setup.scratch_page, PAGE_SIZE);
    signals_running = false;
    signals_port = HANDLE_INVALID;
    signal_thread_forget();
    return start();
}

void signals_end(bool inherited)
{
    if (!signals_running)
        return;
    sys_exception_bind(process_self(), HANDLE_INVALID, 0);
    sys_object_signal(process_self(), inherited ? PROCESS_MAIL : PROCESS_MAIL | PROCESS_OWN_SIGNALS,
                      0);
}

uint32_t signals_blocked(void)
{
    return own_signals.blocked;
}

void signals_thread_prepare(uintptr_t thread_pointer)
{
    uintptr_t offset = (uintptr_t)&own_signals - (uintptr_t)__builtin_thread_pointer();
    ((struct thread_signals *)(thread_pointer + offset))->ready = 0;
}

void signals_thread_begin(uint32_t blocked)
{
    own_signals.blocked = blocked;
    own_signals.ready = 1;
    atomic_signal_fence(memory_order_seq_cst);
    if (signals_missed)
        sys_thread_interrupt(thread_self());
}

void signals_thread_end(void)
{
    info_handle_basic_t info;
    port_packet_t packet = { .key = KEY_REQUEST };
    own_signals.blocked = UINT32_MAX;
    if (!signals_running || sys_object_get_info(thread_self(), INFO_HANDLE_BASIC, &info,
                                                sizeof info, NULL, NULL) != OK)
        return;
    packet.user.u64[0] = REQUEST_LEAVE;
    packet.user.u64[2] = info.koid;
    while (sys_port_queue(signals_port, &packet) == ERR_SHOULD_WAIT)
        sys_nanosleep(0);
}

void signals_inheritance(uint32_t *out_ignored, uint32_t *out_blocked)
{
    *out_ignored = signals_running ? signals_ignored() : 0;
    *out_blocked = own_signals.blocked;
}

void signals_inherit(uint32_t ignored, uint32_t blocked)
{
    signal_thread_ignore(ignored);
    atomic_fetch_or(&signals_once_blocked, blocked);
    own_signals.blocked = blocked;
    signals_start();                    /* as soon as there is a mailbox, something may be in it */
}

/* --- Actions. --- */

static int change(struct action_request *request)
{
    port_packet_t packet = { .key = KEY_REQUEST };
    packet.user.u64[0] = REQUEST_ACTION;
    packet.user.u64[1] = (uintptr_t)request;
    if (sys_port_queue(signals_port, &packet) != OK)
        return EAGAIN;
    while (atomic_load(&request->done) == 0)
        sys_futex_wait((const uint32_t *)&request->done, 0, DEADLINE_INFINITE);
    return 0;
}

int sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict old)
{
    struct action_request request = { .number = number, .changes = action != NULL };
    if (!signal_exists(number) || (action != NULL && (number == SIGKILL || number == SIGSTOP)))
        return fail(EINVAL);
    if (action != NULL)
        request.action = *action;
    int error = 0;
    if (signals_running || request.action.sa_handler != SIG_DFL) {
        error = signals_start();
        lock_hold(&lock);
        if (error == 0)
            error = change(&request);
        lock_release(&lock);
    }
    if (error == 0 && old != NULL)
        *old = request.old;
    return error == 0 ? 0 : fail(error);
}

_sig_func_ptr signal(int number, _sig_func_ptr handler)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;
    return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

int siginterrupt(int number, int flag)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0)
        return -1;
    action.sa_flags = flag ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return sigaction(number, &action, NULL);
}

int sigaltstack(const stack_t *restrict stack, stack_t *restrict old)
{
    stack_t current = own_signals.alternate;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    bool is_on_it = here - (uintptr_t)current.ss_sp < current.ss_size;
    if (stack != NULL && is_on_it)
        return fail(EPERM);
    if (stack != NULL && (stack->ss_flags & ~SS_DISABLE) != 0)
        return fail(EINVAL);
    if (stack != NULL && (stack->ss_flags & SS_DISABLE) == 0 && stack->ss_size < MINSIGSTKSZ)
        return fail(ENOMEM);
    if (old != NULL) {
        *old = current;
        old->ss_flags = current.ss_size == 0 ? SS_DISABLE : is_on_it ? SS_ONSTACK : 0;
    }
    if (stack != NULL) {
        signals_hold();
        own_signals.alternate.ss_sp = stack->ss_sp;
        own_signals.alternate.ss_size = stack->ss_flags & SS_DISABLE ? 0 : stack->ss_size;
        signals_release();
    }
    return 0;
}

/* --- Masks. --- */

int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

int sigfillset(sigset_t *set)
{
    *set = UINT32_MAX & ~1u;
    return 0;
}

int sigaddset(sigset_t *set, int number)
{
    if (!signal_exists(number))
        return fail(EINVAL);
    *set |= SIGNAL_BIT(number);
    return 0;
}

int sigdelset(sigset_t *set, int number)
{
    if (!signal_exists(number))
        return fail(EINVAL);
    *set &= ~(sigset_t)SIGNAL_BIT(number);
    return 0;
}

int sigismember(const sigset_t *set, int number)
{
    if (!signal_exists(number))
        return fail(EINVAL);
    return (*set & SIGNAL_BIT(number)) != 0;
}

/*
 * The signal thread says what is pending and then stops threads; we set the mask and then look what
 * is pending: one of the two sees the other.
 */
static void set_mask(uint32_t blocked)
{
    atomic_fetch_or(&signals_once_blocked, blocked);
    own_signals.blocked = blocked & ~SIGNALS_NEVER_BLOCKED;
    atomic_thread_fence(memory_order_seq_cst);
    if (((own_signals.pending | atomic_load(&signals_pending)) & ~own_signals.blocked) != 0)
        sys_thread_interrupt(thread_self());
}

int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    uint32_t before = own_signals.blocked, after;
    if (set != NULL) {
        switch (how) {
        case SIG_BLOCK:   after = before | *set; break;
        case SIG_UNBLOCK: after = before & ~*set; break;
        case SIG_SETMASK: after = *set; break;
        default:          return EINVAL;
        }
        if (after != before) {
            int error = signals_start();
            if (error != 0)
                return error;
            set_mask(after);
        }
    }
    if (old != NULL)
        *old = before;
    return 0;
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    int error = pthread_sigmask(how, set, old);
    return error == 0 ? 0 : fail(error);
}

int sigpending(sigset_t *set)
{
    *set = (own_signals.pending | atomic_load(&signals_pending)) & own_signals.blocked;
    return 0;
}

void sigjmp_keep_mask(sigjmp_buf place, int keep)
{
    place->has_mask = keep;
    place->mask = own_signals.blocked;
}

void siglongjmp(sigjmp_buf place, int value)
{
    if (place->has_mask)
        sigprocmask(SIG_SETMASK, &place->mask, NULL);
    longjmp(place->registers, value);
}
