/*
 * t_signal_ends.c: signals at the ends: of processes, of threads, of stacks, and of the signal thread.
 *
 * Machine: cpus=4 memory=128M
 */
#include "signal_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static volatile char *volatile nowhere = (char *)0x50;

/* `tests/t_signal_ends ignore`: ^C is heard twice and does not end it.  test_signals.py types. */
int test_helper(UNUSED int argument_count, UNUSED char **arguments)
{
    handle(SIGINT, count, SA_RESTART);
    write(STDOUT_FILENO, "ignoring\n", 9);
    for (int heard = 0; heard < 2;) {
        if (counts[SIGINT] == heard) {
            rest();
            continue;
        }
        heard = counts[SIGINT];
        printf("ignored %d\n", heard);
        fflush(stdout);
    }
    return 0;
}

/* --- Exit. --- */

static int exit_under_fire(void *parent)
{
    kill(*(pid_t *)parent, SIGUSR2);
    handle(SIGUSR1, count, 0);
    for (int i = 0; i < 50; i++)
        free(malloc(i));
    exit(6);
}

TEST(signals_while_a_process_ends)
{
    pid_t self = getpid();

    handle(SIGUSR1, count, 0);
    handle(SIGUSR2, count, 0);
    for (int i = 0; i < 50; i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
            exit_under_fire(&self);
        while (waitpid(pid, &status, WNOHANG) == 0)
            kill(pid, SIGUSR1);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 6);
    }
}

static void wait_for_alarm(void)
{
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, SIGUSR1);
    kill(getppid(), SIGUSR2);
    while (counts[SIGUSR1] == 0)
        sigsuspend(&set);
    _exit(11);
}

/* Functions of atexit are ordinary code: handlers run in them. */
TEST(a_handler_while_functions_of_atexit_run)
{
    handle(SIGUSR1, count, 0);
    handle(SIGUSR2, count, 0);
    pid_t pid = fork();

    if (pid == 0) {
        atexit(wait_for_alarm);
        exit(1);
    }
    while (counts[SIGUSR2] == 0)
        rest();
    CHECK_EQ(kill(pid, SIGUSR1), 0);
    CHECK_EQ(end_of(pid), 11);
}

static int abort_blocked(UNUSED void *unused)
{
    sigset_t set;

    handle(SIGABRT, leave_with_9, 0);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    abort();
}

TEST(abort_with_everything_blocked)
{
    CHECK_EQ(in_child(abort_blocked, NULL), 9);
}

/* --- The end of a thread. --- */

static atomic_int running;

static void *come_and_go(UNUSED void *unused)
{
    atomic_fetch_add(&running, 1);
    return NULL;
}

/* Who ends takes nothing with it: a signal for the process comes to one of the others. */
TEST(threads_that_end_with_something_pending)
{
    pthread_t thread;

    handle(SIGUSR1, count, SA_RESTART);
    for (int i = 0; i < 100; i++) {
        pid_t pid = i % 10 == 0 ? fork() : -1;

        if (pid == 0)
            _exit(kill(getppid(), SIGUSR1));
        CHECK_EQ(pthread_create(&thread, NULL, come_and_go, NULL), 0);
        CHECK_EQ(pthread_kill(thread, 0), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        if (pid > 0) {
            CHECK_EQ(end_of(pid), 0);
            while (counts[SIGUSR1] == 0)
                rest();
            counts[SIGUSR1] = 0;
        }
    }
}

static pid_t main_thread_leaves;

static void *wait_for_one(UNUSED void *unused)
{
    while (counts[SIGUSR1] == 0)
        rest();
    _exit(12);
}

/* The first thread, which signals are given to, ends while they come. */
TEST(the_first_thread_ends_with_something_pending)
{
    for (int i = 0; i < 20; i++) {
        handle(SIGUSR1, count, 0);
        main_thread_leaves = fork();
        if (main_thread_leaves == 0) {
            pthread_t thread;

            pthread_create(&thread, NULL, wait_for_one, NULL);
            pthread_exit(NULL);
        }
        CHECK_EQ(kill(main_thread_leaves, SIGUSR1), 0);
        CHECK_EQ(end_of(main_thread_leaves), 12);
    }
}

TEST(a_signal_to_a_thread_that_ends)
{
    pthread_t threads[8];

    handle(SIGUSR1, count, 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
        for (int times = 0; times < 5; times++)
            for (int i = 0; i < 8; i++)
                CHECK_EQ(pthread_kill(threads[i], SIGUSR1), 0);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    counts[SIGUSR1] = 0;
    CHECK_EQ(raise(SIGUSR1), 0);                        /* and the table of such signals has room */
    CHECK_EQ(counts[SIGUSR1], 1);
    enough = false;
    CHECK_EQ(pthread_create(&threads[0], NULL, send_many, pthread_self()), 0);
    while (counts[SIGUSR1] < 5)
        rest();
    enough = true;
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
}

/* --- Stacks. --- */

static char *other_stack;

static int overflow(int depth)
{
    volatile char room[1024];

    room[0] = depth;
    return depth < 1000000 ? overflow(depth + 1) + room[0] : 0;
}

static void overflow_again(UNUSED int number)
{
    overflow(0);
}

static int overflow_both(void *stack_memory)
{
    stack_t stack = { .ss_sp = stack_memory, .ss_size = SIGSTKSZ };
    struct sigaction action = { .sa_handler = overflow_again, .sa_flags = SA_ONSTACK };

    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    return overflow(0);
}

static void nest_for_ever(int number)
{
    raise(number);
}

static int overflow_with_frames(void *stack_memory)
{
    stack_t stack = { .ss_sp = stack_memory, .ss_size = SIGSTKSZ };
    struct sigaction action = { .sa_handler = nest_for_ever, .sa_flags = SA_ONSTACK | SA_NODEFER };

    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return 1;
}

TEST(the_other_stack_overflows)
{
    char *below;

    other_stack = mmap(NULL, PAGE_SIZE + SIGSTKSZ, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(other_stack != MAP_FAILED);
    below = other_stack;
    CHECK_EQ(mprotect(below, PAGE_SIZE, PROT_NONE), 0);
    CHECK_EQ(in_child(overflow_both, other_stack + PAGE_SIZE), -SIGSEGV);
    CHECK_EQ(in_child(overflow_with_frames, other_stack + PAGE_SIZE), -SIGSEGV);
    CHECK_EQ(mprotect(below, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    CHECK_EQ(in_child(overflow_with_frames, other_stack + PAGE_SIZE), -SIGSEGV);
    CHECK_EQ(munmap(other_stack, PAGE_SIZE + SIGSTKSZ), 0);
}

static void fault_here(UNUSED int number)
{
    *nowhere = 1;
}

static int fault_in_handler(void *number)
{
    handle(SIGSEGV, fault_here, 0);
    handle(SIGUSR1, fault_here, 0);
    raise(*(int *)number);
    *nowhere = 1;
    return 1;
}

TEST(a_fault_in_a_handler)
{
    int with = SIGUSR1, itself = SIGSEGV;

    CHECK_EQ(in_child(fault_in_handler, &with), -SIGSEGV);
    CHECK_EQ(in_child(fault_in_handler, &itself), -SIGSEGV);
}

/* --- The signal thread. --- */

/* A wild store of the program: the mailbox of signals is gone. */
static int lose_the_mailbox(UNUSED void *unused)
{
    info_map_t mapping;
    handle_t vmo;
    uintptr_t address = 0;

    handle(SIGUSR1, count, 0);
    while (sys_vm_get_mapping(process_self(), address, &mapping, &vmo) == OK) {
        sys_handle_close(vmo);
        address = mapping.base + mapping.length;
        if (mapping.length == PAGE_SIZE && mapping.base > (USER_TOP >> 1))
            sys_vm_unmap(process_self(), mapping.base, PAGE_SIZE);
    }
    sys_object_signal(process_self(), 0, SIGNAL_USER_0);
    sys_nanosleep(after(PATIENCE));
    return 1;
}

TEST(a_fault_of_the_signal_thread_is_the_end)
{
    CHECK_EQ(in_child(lose_the_mailbox, NULL), -SIGSEGV);
}

TEST(nothing_is_left_behind)
{
    check_only_signal_handles_are_left();
}
