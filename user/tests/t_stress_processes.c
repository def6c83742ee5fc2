/*
 * t_stress_processes.c: processes that fork, exec, signal each other, are killed at any moment and
 * run out of memory, on a small machine.
 *
 * Each of a few workers, a process, makes children: some store to memory of theirs until there is no
 * more, some exec, some fork on, some wait for a signal.  What they inherited holds a pattern, which
 * all of them check and nobody may see another's stores in.
 *
 * Machine: cpus=4 memory=32M
 */
#include "posix.h"
#include "memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define WORKERS 3
#define PAGES   64u                     /* of pattern */
#define WORDS   (PAGE_SIZE / 8)
#define WRONG   77                      /* how a process ends that saw what it should not see */

static int64_t stress_time = 2 * SECOND;
static uint64_t stress_seed;
static uint64_t most_pages = 2048;      /* that a child stores to: not more than there are */
static uint64_t *shared_copy;           /* inherited, private */
static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    signals_seen += number == SIGUSR1;
}

static void fill(uint64_t mark)
{
    for (uint64_t i = 0; i < PAGES * WORDS; i += 64)
        shared_copy[i] = mark ^ i;
}

static bool holds(uint64_t mark)
{
    for (uint64_t i = 0; i < PAGES * WORDS; i += 64)
        if (shared_copy[i] != (mark ^ i))
            return false;
    return true;
}

/* --- What children do; the value is the exit code. --- */

/* Without memory a store is the end, and that is in order. */
static int use_memory(uint64_t random)
{
    size_t size = (random % most_pages + 1) * PAGE_SIZE;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return errno == ENOMEM ? 0 : WRONG;
    for (size_t at = 0; at < size; at += PAGE_SIZE)
        memory[at] = (char)(at / PAGE_SIZE + 1);
    for (size_t at = 0; at < size; at += PAGE_SIZE)
        if (memory[at] != (char)(at / PAGE_SIZE + 1))
            return WRONG;
    return 0;
}

static int fork_on(uint64_t mark)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        bool good = holds(mark);

        fill(mark + 1);
        _exit(good && holds(mark + 1) ? 0 : WRONG);
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        return WEXITSTATUS(status);
    return holds(mark) ? 0 : WRONG;
}

static int be_child(uint64_t random, uint64_t mark)
{
    if (!holds(mark))
        return WRONG;
    switch (random >> 61) {
    case 0: case 1:
        return use_memory(random);
    case 2: case 3:
        fill(~mark);
        return fork_on(~mark);
    case 4:
        execlp(test_arguments[0], test_arguments[0], "exit", "0", NULL);
        return 0;                       /* no memory for it */
    case 5:
        kill(getppid(), SIGUSR1);
        return holds(mark) ? 0 : WRONG;
    default:
        fill(random);
        for (;;)                        /* until it is killed */
            pause();
    }
}

/* --- The workers. --- */

static int worker(uint64_t random)
{
    int64_t end = sys_clock_get() + stress_time;
    uint64_t made = 0, refused = 0;

    signal(SIGUSR1, on_signal);
    while (sys_clock_get() < end) {
        uint64_t mark = next_random(&random), choice = next_random(&random);
        bool waits = choice >> 61 >= 6;
        int status = 0;

        fill(mark);
        pid_t pid = fork();

        if (pid == 0)
            _exit(be_child(choice, mark));
        if (pid < 0) {
            refused++;
            continue;
        }
        made++;
        if (choice & 2)
            kill(pid, SIGUSR1);
        if (choice & 4)
            fill(mark + 7);
        if (waits || choice % 8 == 0) {
            sys_nanosleep(sys_clock_get() + (int64_t)(choice >> 8) % 1000000);
            kill(pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                return WRONG;
        if ((WIFEXITED(status) && WEXITSTATUS(status) == WRONG) ||
            !holds(choice & 4 ? mark + 7 : mark))
            return WRONG;
    }
    printf("# worker: %llu children, %llu refused, %d signals\n", (unsigned long long)made,
           (unsigned long long)refused, (int)signals_seen);
    fflush(stdout);
    return 0;
}

/* A worker may itself die for want of memory; it may not be wrong. */
static int storm(void)
{
    pid_t workers[WORKERS];
    int status, wrong = 0;

    if (stress_seed == 0)
        stress_seed = (uint64_t)sys_clock_get();
    printf("# seed %llu\n", (unsigned long long)stress_seed);
    fflush(stdout);
    shared_copy = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    if (shared_copy == MAP_FAILED)
        return 1;
    for (int i = 0; i < WORKERS; i++) {
        uint64_t random = next_random(&stress_seed);

        workers[i] = fork();
        if (workers[i] == 0)
            _exit(worker(random));
    }
    for (int i = 0; i < WORKERS; i++)
        wrong |= waitpid(workers[i], &status, 0) != workers[i] ||
                 (WIFEXITED(status) && WEXITSTATUS(status) != 0);
    return wrong;
}

int test_helper(int count, char **arguments)
{
    if (strcmp(arguments[1], "soak") != 0)
        return count > 2 ? atoi(arguments[2]) : 2;
    if (count >= 4) {
        stress_time = atoll(arguments[2]) * SECOND;
        most_pages = 4096;              /* three of them: more */
        stress_seed = strtoull(arguments[3], NULL, 10);
    }
    return storm();
}

TEST(fork_exec_and_signals_without_memory)
{
    struct leftovers before;

    CHECK_EQ(exit_code_of(start_helper("nothing", HANDLE_INVALID)), 2);
    before = leftovers_now();
    CHECK_EQ(exit_code_of(start_helper("soak", HANDLE_INVALID)), 0);
    CHECK(comes_true(nothing_is_left_over, &before));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
