/*
 * t_signal.c: signals: actions, masks, interrupted calls, waiting, names.
 *
 * Machine: cpus=4 memory=128M
 */
#include "signal_rig.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- Without any handler. --- */

static int raise_it(void *number)
{
    raise(*(int *)number);
    return 50;
}

static int kill_self(void *number)
{
    kill(getpid(), *(int *)number);
    return 50;
}

TEST(default_actions)
{
    static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGKILL, SIGUSR1, SIGUSR2,
                                  SIGPIPE, SIGALRM, SIGTERM };
    static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH };

    for (size_t i = 0; i < array_size(deadly); i++) {
        CHECK_EQ(in_child(raise_it, (void *)&deadly[i]), -deadly[i]);
        CHECK_EQ(in_child(kill_self, (void *)&deadly[i]), -deadly[i]);
    }
    for (size_t i = 0; i < array_size(harmless); i++)
        CHECK_EQ(in_child(raise_it, (void *)&harmless[i]), 50);
}

static int call_abort(UNUSED void *unused)
{
    abort();
}

TEST(abort_ends_with_its_signal)
{
    CHECK_EQ(in_child(call_abort, NULL), -SIGABRT);
}

/* A child that never did anything about signals dies of the one that it is sent. */
TEST(killing_a_child)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGKILL, SIGUSR1, SIGHUP };
    int status;

    for (size_t i = 0; i < array_size(signals); i++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (;;)
                sys_nanosleep(DEADLINE_INFINITE);
        }
        CHECK_EQ(kill(pid, 0), 0);
        CHECK_EQ(kill(pid, SIGCHLD), 0);
        CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
        CHECK_EQ(kill(pid, signals[i]), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), signals[i]);
    }
}

TEST(what_is_refused)
{
    struct sigaction action = { .sa_handler = count };
    sigset_t set;

    CHECK_ERRNO(sigaction(0, &action, NULL), EINVAL);
    CHECK_ERRNO(sigaction(NSIG, &action, NULL), EINVAL);
    CHECK_ERRNO(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK_ERRNO(sigaction(SIGSTOP, &action, NULL), EINVAL);
    CHECK_EQ(sigaction(SIGKILL, NULL, &action), 0);
    CHECK_ERRNO(raise(0), EINVAL);
    CHECK_ERRNO(kill(getpid(), NSIG), EINVAL);
    CHECK_ERRNO(kill(-5, SIGTERM), ESRCH);
    CHECK_ERRNO(kill(INT32_MAX, 0), ESRCH);
    sigemptyset(&set);
    CHECK_ERRNO(sigprocmask(77, &set, NULL), EINVAL);
    CHECK_ERRNO(sigaddset(&set, 0), EINVAL);
    CHECK_ERRNO(sigismember(&set, NSIG), EINVAL);
}

/* --- Handlers. --- */

TEST(a_handler_runs_before_raise_returns)
{
    handle(SIGUSR1, count, 0);
    for (int i = 1; i <= 100; i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(counts[SIGUSR1], i);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(counts[SIGUSR1], i + 1);
        counts[SIGUSR1]--;
    }
}

TEST(the_old_action_is_told)
{
    struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART }, old;

    CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == count && old.sa_flags == SA_RESTART);
    CHECK(signal(SIGUSR1, SIG_DFL) == count);
    CHECK(signal(SIGUSR1, SIG_IGN) == SIG_DFL);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK(signal(SIGUSR1, count) == SIG_IGN);
}

TEST(information_about_the_sender)
{
    struct sigaction action = { .sa_sigaction = count_info, .sa_flags = SA_SIGINFO };
    pid_t self = getpid(), pid;
    int status;

    CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
    counts[SIGUSR2] = 0;
    pid = fork();
    if (pid == 0)
        _exit(kill(self, SIGUSR2));
    while (counts[SIGUSR2] == 0)
        sys_nanosleep(0);
    CHECK_EQ(last_info.si_signo, SIGUSR2);
    CHECK_EQ(last_info.si_pid, pid);
    CHECK_EQ(last_info.si_code, SI_USER);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST(reset_after_one)
{
    struct sigaction now;

    handle(SIGUSR1, count, SA_RESETHAND);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(counts[SIGUSR1], 1);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
}

/* --- Masks. --- */

TEST(a_blocked_signal_waits)
{
    handle(SIGUSR1, count, 0);
    mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(counts[SIGUSR1], 0);
    CHECK(is_pending(SIGUSR1));
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(counts[SIGUSR1] >= 1 && counts[SIGUSR1] <= 2);
    CHECK(!is_pending(SIGUSR1));
}

TEST(ignoring_forgets_what_waits)
{
    handle(SIGUSR1, count, 0);
    mask(SIG_BLOCK, SIGUSR1);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    while (!is_pending(SIGUSR1))
        sys_nanosleep(0);
    handle(SIGUSR1, SIG_IGN, 0);
    CHECK(!is_pending(SIGUSR1));
    handle(SIGUSR1, count, 0);
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(counts[SIGUSR1], 0);
}

static atomic_int depth, deepest;

static void nest(int number)
{
    int now = atomic_fetch_add(&depth, 1) + 1;

    if (now > deepest)
        deepest = now;
    if (counts[number]++ < 4)
        raise(number);
    atomic_fetch_sub(&depth, 1);
}

TEST(a_handler_is_not_interrupted_by_its_own_signal)
{
    handle(SIGUSR1, nest, 0);
    deepest = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(counts[SIGUSR1], 5);
    CHECK_EQ(deepest, 1);
    handle(SIGUSR1, nest, SA_NODEFER);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(counts[SIGUSR1], 5);
    CHECK_EQ(deepest, 5);
}

static char order[8];

static void note_first(UNUSED int number)
{
    strcat(order, "a");
    raise(SIGUSR2);
    strcat(order, "b");
}

static void note_second(UNUSED int number)
{
    strcat(order, "c");
}

TEST(signals_that_wait_for_a_handler)
{
    struct sigaction action = { .sa_handler = note_first, .sa_mask = only(SIGUSR2) };

    handle(SIGUSR2, note_second, 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    order[0] = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(strcmp(order, "abc"), 0);
    action.sa_mask = 0;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    order[0] = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(strcmp(order, "acb"), 0);
}

static sigjmp_buf place;

static void jump(UNUSED int number)
{
    siglongjmp(place, 5);
}

TEST(a_jump_out_of_a_handler)
{
    sigset_t now;

    handle(SIGUSR1, jump, 0);
    for (int i = 0; i < 20; i++) {
        int value = sigsetjmp(place, 1);

        if (value == 0) {
            raise(SIGUSR1);
            CHECK(false);
        }
        CHECK_EQ(value, 5);
        CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &now), 0);
        CHECK(!sigismember(&now, SIGUSR1));
    }
}

/* --- Interrupted calls. --- */

/* What parent and child both see: that the parent is about to wait, and how many signals it has heard. */
static struct meeting {
    atomic_bool waits;
    atomic_int heard;
} *meeting;

/* The thread with the number, seen from a child. */
static handle_t thread_of_parent(pid_t parent, uint64_t koid)
{
    handle_t process = HANDLE_INVALID, thread = HANDLE_INVALID;

    if (sys_object_get_child(system_handle(), parent, RIGHT_SAME_RIGHTS, &process) != OK ||
        sys_object_get_child(process, koid, RIGHT_SAME_RIGHTS, &thread) != OK)
        _exit(1);
    return thread;
}

/* A child that sends signals: each when the parent sleeps in its call, and has heard those before. */
static pid_t send_later(int number, int times)
{
    info_handle_basic_t own;

    if (meeting == NULL) {
        handle_t vmo = HANDLE_INVALID;
        uintptr_t at = 0;

        CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
        CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_WRITE | VM_SHARED, 0, vmo, 0, PAGE_SIZE, &at));
        CHECK_OK(sys_handle_close(vmo));
        meeting = (struct meeting *)at;
    }
    *meeting = (struct meeting){ 0 };
    CHECK_OK(sys_object_get_info(thread_self(), INFO_HANDLE_BASIC, &own, sizeof own, NULL, NULL));
    pid_t self = getpid(), pid = fork();

    if (pid == 0) {
        handle_t thread = thread_of_parent(self, own.koid);

        for (int i = 0; i < times; i++) {
            while (!meeting->waits || meeting->heard < i || !is_asleep(&thread))
                sys_nanosleep(0);
            kill(self, number);
        }
        _exit(0);
    }
    meeting->waits = true;              /* nothing but the call follows */
    return pid;
}

TEST(a_call_is_interrupted)
{
    struct timespec long_time = { .tv_sec = 100 }, rest = { 0 };
    int ends[2], status;
    char byte;

    CHECK_EQ(pipe(ends), 0);
    handle(SIGUSR1, count, 0);
    pid_t pid = send_later(SIGUSR1, 1);

    CHECK_ERRNO(read(ends[0], &byte, 1), EINTR);
    CHECK_EQ(counts[SIGUSR1], 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    pid = send_later(SIGUSR1, 1);
    int64_t begun = sys_clock_get();
    CHECK_ERRNO(nanosleep(&long_time, &rest), EINTR);
    int64_t left = rest.tv_sec * SECOND + rest.tv_nsec;
    CHECK(left < 100 * SECOND && left >= 100 * SECOND - (sys_clock_get() - begun));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}

TEST(waiting_for_a_child_is_interrupted)
{
    int ends[2], status;
    char byte;

    CHECK_EQ(pipe(ends), 0);
    handle(SIGUSR1, count, 0);
    pid_t sleeper = fork();

    if (sleeper == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1));
    }
    pid_t pid = send_later(SIGUSR1, 1);

    CHECK_ERRNO(waitpid(sleeper, &status, 0), EINTR);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
    CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
}

static void write_byte(UNUSED int number)
{
    counts[SIGUSR1]++;
    if (counts[SIGUSR1] == 3)
        write(last, "x", 1);
    atomic_fetch_add(&meeting->heard, 1);
}

TEST(a_call_goes_on_after_a_handler)
{
    int ends[2], status;
    char byte = 0;

    CHECK_EQ(pipe(ends), 0);
    handle(SIGUSR1, write_byte, SA_RESTART);
    last = ends[1];
    pid_t pid = send_later(SIGUSR1, 3);

    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(counts[SIGUSR1], 3);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}

/* --- Waiting for signals. --- */

TEST(sigsuspend_waits_with_another_mask)
{
    sigset_t none = 0, now;
    int status;

    handle(SIGUSR1, count, SA_RESTART);
    mask(SIG_BLOCK, SIGUSR1);
    pid_t pid = send_later(SIGUSR1, 1);

    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(counts[SIGUSR1], 1);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGUSR1));
    CHECK_EQ(raise(SIGUSR1), 0);                        /* pending before it waits */
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(counts[SIGUSR1], 2);
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
}

TEST(sigwait_takes_a_signal)
{
    sigset_t set = only(SIGUSR1);
    const struct timespec soon = { .tv_nsec = 10000000 };
    siginfo_t info;
    int number, status;

    handle(SIGUSR1, count, 0);
    mask(SIG_BLOCK, SIGUSR1);
    CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
    pid_t pid = send_later(SIGUSR1, 1);

    CHECK_EQ(sigwait(&set, &number), 0);
    CHECK_EQ(number, SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_signo, SIGUSR1);
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(counts[SIGUSR1], 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
}

TEST(names)
{
    CHECK_EQ(signal_number("SIGTERM"), SIGTERM);
    CHECK_EQ(signal_number("int"), SIGINT);
    CHECK_EQ(signal_number("15"), SIGTERM);
    CHECK_EQ(signal_number("0"), 0);
    CHECK_EQ(signal_number("nothing"), -1);
    CHECK_EQ(signal_number("32"), -1);
    CHECK_EQ(signal_number("1x"), -1);
    CHECK_EQ(strcmp(signal_name(SIGKILL), "KILL"), 0);
    CHECK(signal_name(0) == NULL);
}

TEST(nothing_is_left_behind)
{
    check_only_signal_handles_are_left();
}
