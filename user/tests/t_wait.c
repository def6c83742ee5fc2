/*
 * t_wait.c: waiting for children: from several threads, what SIGCHLD tells, whose signal it was.
 *
 * Machine: cpus=4 memory=128M
 */
#include "posix.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#define UNUSED __attribute__((unused))

enum { THREADS = 4, CHILDREN = 12 };

static int gate[2];

static void open_gate(void)
{
    CHECK_EQ(pipe(gate), 0);
}

/* A child that ends with the code when the gate's writing end is closed everywhere. */
static pid_t child_at_gate(int code)
{
    char byte;
    pid_t pid = fork();

    if (pid == 0) {
        close(gate[1]);
        read(gate[0], &byte, 1);
        _exit(code);
    }
    CHECK(pid > 0);
    return pid;
}

static void leave_gate(void)
{
    CHECK_EQ(close(gate[1]), 0);
    CHECK_EQ(close(gate[0]), 0);
}

/* --- Several threads. --- */

static atomic_int seen[256], reaped, without_children, waiting;

static void *reap_any(UNUSED void *unused)
{
    int status;

    atomic_fetch_add(&waiting, 1);
    for (;;) {
        pid_t pid = waitpid(-1, &status, 0);

        if (pid < 0) {
            if (errno == ECHILD)
                atomic_fetch_add(&without_children, 1);
            return NULL;
        }
        atomic_fetch_add(&seen[WEXITSTATUS(status)], 1);
        atomic_fetch_add(&reaped, 1);
    }
}

static void *reap_one(void *number)
{
    int status;
    pid_t pid = waitpid((pid_t)(uintptr_t)number, &status, 0);

    if (pid < 0 && errno == ECHILD)
        atomic_fetch_add(&without_children, 1);
    else if (WEXITSTATUS(status) == 77)
        atomic_fetch_add(&reaped, 1);
    return NULL;
}

/* Each child is told once, and all threads learn that there are no more. */
TEST(any_child_in_several_threads)
{
    pthread_t threads[THREADS];

    for (int round = 0; round < 6; round++) {
        open_gate();
        reaped = without_children = waiting = 0;
        for (int i = 0; i < CHILDREN; i++) {
            seen[i] = 0;
            child_at_gate(i);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, reap_any, NULL), 0);
        if (round % 2 == 0)
            while (waiting < THREADS)
                sys_nanosleep(after(1000000));
        leave_gate();
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(reaped, CHILDREN);
        CHECK_EQ(without_children, THREADS);
        for (int i = 0; i < CHILDREN; i++)
            CHECK_EQ(seen[i], 1);
    }
}

TEST(one_child_in_several_threads)
{
    pthread_t threads[THREADS];

    for (int round = 0; round < 20; round++) {
        open_gate();
        reaped = without_children = 0;
        pid_t pid = child_at_gate(77);

        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, i == 0 && round % 2 ? reap_any : reap_one,
                                    (void *)(uintptr_t)pid), 0);
        leave_gate();
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(reaped, 1);
        CHECK(without_children >= THREADS - 1);
    }
}

/* A thread that waits for any child does not steal one made later from who asks for that one. */
TEST(waiting_again_after_the_last)
{
    int status;

    CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
    CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);
    open_gate();
    pid_t pid = child_at_gate(3);

    CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    leave_gate();
    CHECK_EQ(waitpid(-1, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
}

/* --- Handlers that wait. --- */

static atomic_int handled;
static volatile siginfo_t told[CHILDREN];

static void reap_in_handler(UNUSED int number)
{
    int status, kept = errno;

    while (waitpid(-1, &status, WNOHANG) > 0)
        atomic_fetch_add(&reaped, 1);
    errno = kept;
}

TEST(a_handler_that_waits_for_all)
{
    struct sigaction action = { .sa_handler = reap_in_handler, .sa_flags = SA_RESTART };

    CHECK_EQ(sigaction(SIGCHLD, &action, NULL), 0);
    for (int round = 0; round < 3; round++) {
        open_gate();
        reaped = 0;
        for (int i = 0; i < CHILDREN; i++)
            child_at_gate(i);
        leave_gate();
        while (reaped < CHILDREN)
            sys_nanosleep(after(1000000));
        CHECK_ERRNO(wait(NULL), ECHILD);
    }
    signal(SIGCHLD, SIG_DFL);
}

static void note(UNUSED int number, siginfo_t *info, UNUSED void *context)
{
    told[atomic_fetch_add(&handled, 1) % CHILDREN] = *info;
}

static void note_children(void)
{
    struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART };

    CHECK_EQ(sigaction(SIGCHLD, &action, NULL), 0);
    atomic_store(&handled, 0);
}

/* One child at a time, so that no signal stands for two. */
static void check_told(pid_t pid, int code, int status)
{
    while (handled == 0)
        sys_nanosleep(after(1000000));
    CHECK_EQ(handled, 1);
    CHECK_EQ(told[0].si_signo, SIGCHLD);
    CHECK_EQ(told[0].si_pid, pid);
    CHECK_EQ(told[0].si_code, code);
    CHECK_EQ(told[0].si_status, status);
    atomic_store(&handled, 0);
}

TEST(what_the_signal_of_a_child_tells)
{
    static const int signals[] = { SIGTERM, SIGKILL, SIGUSR1 };
    int status;

    note_children();
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(i);
        if (i % 2 == 0)                                 /* before or after it is waited for */
            CHECK_EQ(waitpid(pid, &status, 0), pid);
        check_told(pid, CLD_EXITED, i);
        if (i % 2 != 0)
            CHECK_EQ(waitpid(-1, &status, 0), pid);
        CHECK_EQ(WEXITSTATUS(status), i);
    }
    for (size_t i = 0; i < array_size(signals); i++) {
        open_gate();
        pid_t pid = child_at_gate(0);

        CHECK_EQ(kill(pid, signals[i]), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(WTERMSIG(status), signals[i]);
        check_told(pid, CLD_KILLED, signals[i]);
        leave_gate();
    }
    signal(SIGCHLD, SIG_DFL);
}

TEST(waiting_for_the_signal_of_a_child)
{
    sigset_t set;
    siginfo_t info;
    int status;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(i);
        CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
        CHECK(info.si_signo == SIGCHLD && info.si_pid == pid && info.si_code == CLD_EXITED &&
              info.si_status == i);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
    }
    CHECK_EQ(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

/* --- Who ended it. --- */

static void *kill_with(void *what)
{
    const int *numbers = what;

    kill(numbers[0], numbers[1]);
    return NULL;
}

/* Each of the two would give a third number if their bits were mixed. */
TEST(two_signals_at_once)
{
    int status, with_first = 0;

    for (int round = 0; round < 40; round++) {
        open_gate();
        pid_t pid = child_at_gate(0);
        int one[2] = { pid, SIGUSR1 }, other[2] = { pid, SIGTRAP };
        pthread_t threads[2];

        CHECK_EQ(pthread_create(&threads[0], NULL, kill_with, round % 2 ? one : other), 0);
        CHECK_EQ(pthread_create(&threads[1], NULL, kill_with, round % 2 ? other : one), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGUSR1 || WTERMSIG(status) == SIGTRAP);
        with_first += WTERMSIG(status) == SIGUSR1;
        leave_gate();
    }
    CHECK(with_first <= 40);
}

TEST(the_number_stays_after_the_end)
{
    int status;

    open_gate();
    pid_t pid = child_at_gate(0), other;
    handle_t process;

    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK_OK(sys_object_get_child(system_handle(), pid, RIGHT_SAME_RIGHTS, &process));
    CHECK_OK(sys_object_wait_one(process, SIGNAL_TERMINATED, DEADLINE_INFINITE, NULL));
    CHECK_OK(sys_handle_close(process));
    other = child_at_gate(5);
    kill(pid, SIGUSR1);                                 /* it is dead already */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    leave_gate();
    CHECK_EQ(waitpid(other, &status, 0), other);
    CHECK_EQ(WEXITSTATUS(status), 5);
}

/* --- The parent. --- */

TEST(the_parent_of_an_orphan)
{
    int ends[2], status;
    pid_t parents[2] = { 0, 0 };

    CHECK_EQ(pipe(ends), 0);
    open_gate();
    pid_t pid = fork();

    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        char byte;

        parents[0] = getppid();
        write(ends[1], parents, sizeof parents[0]);
        close(gate[1]);
        read(gate[0], &byte, 1);
        parents[1] = getppid();
        _exit(write(ends[1], &parents[1], sizeof parents[1]) != sizeof parents[1]);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    leave_gate();
    CHECK_EQ(read(ends[0], &parents[0], sizeof parents[0]), sizeof parents[0]);
    CHECK_EQ(read(ends[0], &parents[1], sizeof parents[1]), sizeof parents[1]);
    CHECK(parents[0] == pid || parents[0] == 1);
    CHECK_EQ(parents[1], 1);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}

TEST(nothing_is_left_behind)
{
    check_only_signal_handles_are_left();
}
