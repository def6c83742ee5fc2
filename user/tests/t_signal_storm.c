/*
 * t_signal_storm.c: signals among processes and threads, and many of them.
 *
 * Machine: cpus=4 memory=128M
 */
#include "signal_rig.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- Children. --- */

TEST(the_end_of_a_child_is_a_signal)
{
    struct sigaction action = { .sa_sigaction = count_info, .sa_flags = SA_SIGINFO | SA_RESTART };
    int status;

    CHECK_EQ(sigaction(SIGCHLD, &action, NULL), 0);
    counts[SIGCHLD] = 0;
    for (int i = 1; i <= 10; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        while (counts[SIGCHLD] < i)
            sys_nanosleep(0);
        CHECK_EQ(last_info.si_pid, pid);
        CHECK_EQ(waitpid(pid, &status, WNOHANG), pid);
    }
    CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

static int use_signals(UNUSED void *unused)
{
    if (counts[SIGUSR1] != 0 || raise(SIGUSR1) != 0 || counts[SIGUSR1] != 1)
        return 1;
    mask(SIG_BLOCK, SIGUSR1);
    kill(getpid(), SIGUSR1);
    while (!is_pending(SIGUSR1))
        sys_nanosleep(0);
    return 0;
}

/* Handlers and masks are copied, what is pending is not. */
TEST(fork_keeps_handlers)
{
    handle(SIGUSR1, count, 0);
    CHECK_EQ(in_child(use_signals, NULL), 0);
    CHECK_EQ(counts[SIGUSR1], 0);
    mask(SIG_BLOCK, SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    pid_t pid = fork();

    if (pid == 0)
        _exit(is_pending(SIGUSR1) || !sigismember(&(sigset_t){ only(SIGUSR1) }, SIGUSR1));
    int status;

    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(counts[SIGUSR1], 1);
}

/* A process that takes its signals itself, and dies of one that it does not take. */
TEST(signals_to_a_process_with_handlers)
{
    int ready[2], status;
    char byte;

    CHECK_EQ(pipe(ready), 0);
    handle(SIGUSR1, count, 0);
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            handle(SIGTERM, SIG_IGN, 0);
            mask(SIG_BLOCK, SIGUSR1);
            write(ready[1], "r", 1);
            sigset_t none = 0;
            sigsuspend(&none);
            write(ready[1], counts[SIGUSR1] == 1 ? "y" : "n", 1);
            for (;;)
                pause();
        }
        CHECK_EQ(read(ready[0], &byte, 1), 1);
        CHECK_EQ(kill(pid, SIGTERM), 0);
        CHECK_EQ(kill(pid, SIGCONT), 0);
        CHECK_EQ(kill(pid, SIGUSR1), 0);
        CHECK_EQ(read(ready[0], &byte, 1), 1);
        CHECK_EQ(byte, 'y');
        CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
        CHECK_EQ(kill(pid, i % 2 ? SIGINT : SIGKILL), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(WTERMSIG(status), i % 2 ? SIGINT : SIGKILL);
    }
    CHECK_EQ(close(ready[0]) | close(ready[1]), 0);
}

/* --- Broken pipes. --- */

static int write_to_nobody(UNUSED void *unused)
{
    int ends[2];

    if (pipe(ends) != 0 || close(ends[0]) != 0)
        return 1;
    return write(ends[1], "x", 1) == -1 && errno == EPIPE ? 77 : 2;
}

TEST(a_broken_pipe)
{
    CHECK_EQ(in_child(write_to_nobody, NULL), -SIGPIPE);
    handle(SIGPIPE, SIG_IGN, 0);
    CHECK_EQ(in_child(write_to_nobody, NULL), 77);
    handle(SIGPIPE, count, 0);
    CHECK_EQ(in_child(write_to_nobody, NULL), 77);
    handle(SIGPIPE, SIG_DFL, 0);
    CHECK_EQ(in_child(write_to_nobody, NULL), -SIGPIPE);
}

/* --- Threads. --- */

static atomic_bool stop;
static pthread_t taker;

static void note_thread(int number)
{
    taker = pthread_self();
    count(number);
}

static void *sleep_until_stopped(UNUSED void *unused)
{
    while (!stop)
        sys_nanosleep(after(1000000));
    return NULL;
}

/* The first thread has it blocked: another takes it. */
TEST(a_thread_that_does_not_block_it_takes_it)
{
    pthread_t thread;

    stop = false;
    handle(SIGUSR1, note_thread, 0);
    CHECK_EQ(pthread_create(&thread, NULL, sleep_until_stopped, NULL), 0);
    mask(SIG_BLOCK, SIGUSR1);
    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        while (counts[SIGUSR1] < i)
            sys_nanosleep(0);
        CHECK(pthread_equal(taker, thread));
    }
    stop = true;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    mask(SIG_UNBLOCK, SIGUSR1);
}

TEST(a_signal_for_one_thread)
{
    pthread_t thread;

    stop = false;
    handle(SIGUSR1, note_thread, 0);
    CHECK_EQ(pthread_create(&thread, NULL, sleep_until_stopped, NULL), 0);
    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
        while (counts[SIGUSR1] < i)
            sys_nanosleep(0);
        CHECK(pthread_equal(taker, thread));
    }
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK(pthread_equal(taker, pthread_self()));
    CHECK_EQ(pthread_kill(thread, 0), 0);
    CHECK_EQ(pthread_kill(thread, NSIG), EINVAL);
    stop = true;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- Storms. --- */

/* What was sent comes, if only after who sent it has ended. */
static bool is_heard(void *number)
{
    return counts[*(int *)number] > 0;
}

/* Registers and memory of who is interrupted stay what they are. */
TEST(a_storm_against_a_thread_that_computes)
{
    enum { SENDERS = 3, EACH = 300 };
    pid_t self = getpid();
    double sum = 0, product = 1;
    uint64_t rounds = 0, hash = 1;
    int status, ended = 0;

    handle(SIGUSR1, count, SA_RESTART);
    handle(SIGUSR2, count, SA_RESTART);
    for (int i = 0; i < SENDERS; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (int j = 0; j < EACH; j++)
                kill(self, j % 2 ? SIGUSR1 : SIGUSR2);
            _exit(0);
        }
        CHECK(pid > 0);
    }
    while (ended < SENDERS) {
        for (int i = 0; i < 1000; i++) {
            hash = hash * 6364136223846793005u + 1;
            sum += 0.5;
            product *= 1.0;
        }
        rounds++;
        if (waitpid(-1, &status, WNOHANG) > 0)
            ended++;
    }
    uint64_t expected = 1;

    for (uint64_t i = 0; i < rounds * 1000; i++)
        expected = expected * 6364136223846793005u + 1;
    CHECK(hash == expected);
    CHECK(sum == rounds * 500.0 && product == 1.0);
    CHECK(comes_true(is_heard, &(int){ SIGUSR1 }) && comes_true(is_heard, &(int){ SIGUSR2 }));
    CHECK(counts[SIGUSR1] + counts[SIGUSR2] <= SENDERS * EACH);
}

/* The heap, streams and descriptors are used by who is interrupted, and descriptors by handlers. */
static void use_descriptors(int number)
{
    int ends[2];

    if (pipe(ends) == 0)
        close(ends[0]), close(ends[1]);
    counts[number]++;
}

TEST(a_storm_against_a_thread_that_makes_calls)
{
    pid_t self = getpid();
    int status;
    pid_t pid;

    handle(SIGUSR1, use_descriptors, SA_RESTART);
    pid = fork();
    if (pid == 0) {
        for (int j = 0; j < 500; j++) {
            kill(self, SIGUSR1);
            sys_nanosleep(0);
        }
        _exit(0);
    }
    do {
        int ends[2];
        char text[5], *block = malloc(300);

        CHECK(block != NULL);
        CHECK_EQ(pipe(ends), 0);
        CHECK_EQ(write(ends[1], "storm", 5), 5);
        CHECK_EQ(read(ends[0], text, 5), 5);
        CHECK_EQ(memcmp(text, "storm", 5), 0);
        CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
        free(block);
    } while (waitpid(pid, &status, WNOHANG) == 0);
    CHECK_EQ(status, 0);
    CHECK(comes_true(is_heard, &(int){ SIGUSR1 }));
}

TEST(many_raises)
{
    handle(SIGUSR1, count, 0);
    for (int i = 0; i < 10000; i++)
        raise(SIGUSR1);
    CHECK_EQ(counts[SIGUSR1], 10000);
}

TEST(nothing_is_left_behind)
{
    check_only_signal_handles_are_left();
}
