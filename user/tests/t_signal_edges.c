/*
 * t_signal_edges.c: signals where it is narrow: during fork and exec, and in the heap.
 *
 * Machine: cpus=4 memory=128M
 */
#include "signal_rig.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Fork. --- */

/* A child has its parent's handlers from its first instruction on. */
TEST(a_signal_to_a_child_just_made)
{
    handle(SIGUSR1, leave_with_9, 0);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();

        if (pid == 0)
            for (;;)
                pause();
        CHECK_EQ(kill(pid, SIGUSR1), 0);
        CHECK_EQ(end_of(pid), 9);
    }
}

/* What was sent to the parent is not the child's. */
TEST(what_is_pending_is_not_inherited)
{
    sigset_t set;

    handle(SIGUSR1, count, 0);
    mask(SIG_BLOCK, SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    pid_t pid = fork();

    if (pid == 0) {
        sigpending(&set);
        mask(SIG_UNBLOCK, SIGUSR1);
        _exit(set != 0 || counts[SIGUSR1] != 0);
    }
    CHECK_EQ(end_of(pid), 0);
    mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(counts[SIGUSR1] > 0);
}

static pid_t made_by_handler;
static volatile bool is_child;

static void fork_here(int number)
{
    pid_t pid = fork();

    counts[number]++;
    if (pid == 0)
        is_child = true;
    else
        made_by_handler = pid;
}

/* Both return from the handler, and may be interrupted again. */
TEST(fork_in_a_handler)
{
    handle(SIGUSR1, fork_here, 0);
    for (int i = 0; i < 20; i++) {
        is_child = false;
        counts[SIGUSR1] = 0;
        raise(SIGUSR1);
        if (is_child) {
            handle(SIGUSR2, count, 0);
            raise(SIGUSR2);
            _exit(counts[SIGUSR1] == 1 && counts[SIGUSR2] == 1 ? 7 : 8);
        }
        CHECK_EQ(end_of(made_by_handler), 7);
    }
}

static void fork_and_wait(int number)
{
    pid_t pid = fork();

    if (pid == 0) {
        free(malloc(100));
        _exit(3);
    }
    counts[number] += end_of(pid) == 3;
}

/* The heap is whole wherever a handler comes, though fork and the child use it. */
TEST(fork_in_a_handler_that_interrupts_malloc)
{
    pthread_t sender;
    void *blocks[16] = { NULL };

    enough = false;
    handle(SIGUSR1, fork_and_wait, SA_RESTART);
    CHECK_EQ(pthread_create(&sender, NULL, send_many, pthread_self()), 0);
    for (unsigned i = 0; counts[SIGUSR1] < 10; i++) {
        free(blocks[i % 16]);
        blocks[i % 16] = malloc(i * 37 % 3000);
        CHECK(blocks[i % 16] != NULL);
    }
    enough = true;
    CHECK_EQ(pthread_join(sender, NULL), 0);
    for (int i = 0; i < 16; i++)
        free(blocks[i]);
    handle(SIGUSR1, SIG_DFL, 0);
}

static atomic_bool lock_is_held, may_release;

static void *hold_a_stream(UNUSED void *unused)
{
    flockfile(stdout);
    lock_is_held = true;
    while (!may_release)
        rest();
    funlockfile(stdout);
    return NULL;
}

static void *fork_and_print(UNUSED void *unused)
{
    pid_t pid = fork();

    if (pid == 0) {
        printf("# printed by a child, though a thread of its parent has the lock\n");
        fflush(stdout);
        exit(4);
    }
    return (void *)(uintptr_t)pid;
}

TEST(fork_in_a_thread_while_another_holds_a_stream)
{
    pthread_t holder, forker;
    void *pid;

    lock_is_held = may_release = false;
    CHECK_EQ(pthread_create(&holder, NULL, hold_a_stream, NULL), 0);
    while (!lock_is_held)
        rest();
    CHECK_EQ(pthread_create(&forker, NULL, fork_and_print, NULL), 0);
    CHECK_EQ(pthread_join(forker, &pid), 0);
    CHECK_EQ(end_of((uintptr_t)pid), 4);
    may_release = true;
    CHECK_EQ(pthread_join(holder, NULL), 0);
}

/* --- Exec. --- */

int test_helper(int argument_count, char **arguments)
{
    if (strcmp(arguments[1], "ignores") == 0) {
        struct sigaction action;

        sigaction(SIGUSR1, NULL, &action);
        write(STDOUT_FILENO, "r", argument_count > 2);
        rest();
        return action.sa_handler == SIG_IGN ? 5 : 6;
    }
    return 5;
}

static void *exec_here(UNUSED void *unused)
{
    execlp(test_arguments[0], test_arguments[0], "plain", NULL);
    return NULL;
}

/* Many threads; each may be the one that does it. */
static int exec_in_threads(void *count_of_threads)
{
    pthread_t threads[4];

    for (int i = 0; i < *(int *)count_of_threads; i++)
        if (pthread_create(&threads[i], NULL, exec_here, NULL) != 0)
            return 100;
    for (;;)
        pause();
}

TEST(exec_in_other_threads)
{
    int one = 1, many = 4;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(in_child(exec_in_threads, &one), 5);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(in_child(exec_in_threads, &many), 5);
}

static void exec_in_handler(UNUSED int number)
{
    exec_here(NULL);
}

static int raise_to_exec(UNUSED void *unused)
{
    handle(SIGUSR1, exec_in_handler, 0);
    raise(SIGUSR1);
    return 1;
}

TEST(exec_in_a_handler)
{
    CHECK_EQ(in_child(raise_to_exec, NULL), 5);
}

/* An ignored signal never kills, whenever it comes: before, during, after. */
TEST(a_signal_that_is_ignored_during_exec)
{
    handle(SIGUSR1, SIG_IGN, 0);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            execlp(test_arguments[0], test_arguments[0], "ignores", NULL);
            _exit(100);
        }
        while (waitpid(pid, &status, WNOHANG) == 0)
            kill(pid, SIGUSR1);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 5);
    }
    for (int i = 0; i < 20; i++) {
        handle_t process = start_helper("ignores", HANDLE_INVALID);

        while (sys_object_wait_one(process, SIGNAL_TERMINATED, 0, NULL) != OK)
            process_signal(process, SIGUSR1);
        CHECK_EQ(exit_code_of(process), 5);
    }
    handle(SIGUSR1, SIG_DFL, 0);
}

/* --- Jumps. --- */

static sigjmp_buf place;

static void jump_away(UNUSED int number)
{
    siglongjmp(place, 1);
}

/* Out of calls that wait, and of the heap: what follows finds all locks free. */
static int jump_out(UNUSED void *unused)
{
    int ends[2];
    char byte;
    pthread_t sender;

    enough = false;
    handle(SIGUSR1, jump_away, 0);
    if (pipe(ends) != 0 || pthread_create(&sender, NULL, send_many, pthread_self()) != 0)
        return 1;
    for (volatile int i = 0; i < 40; i++) {
        if (sigsetjmp(place, 1) != 0)
            continue;
        if (i % 4 == 0)
            read(ends[0], &byte, 1);
        if (i % 4 == 1)
            for (;;)
                free(malloc(100));
        if (i % 4 == 2)
            for (;;)
                close(dup(ends[0]));
        for (;;)
            waitpid(-1, NULL, WNOHANG);
    }
    handle(SIGUSR1, SIG_IGN, 0);
    enough = true;
    return pthread_join(sender, NULL);
}

/* In a child: a jump out of dup may lose what it made. */
TEST(jumps_out_of_everything)
{
    CHECK_EQ(in_child(jump_out, NULL), 0);
}

TEST(nothing_is_left_behind)
{
    check_only_signal_handles_are_left();
}
