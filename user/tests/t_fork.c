/*
 * t_fork.c: fork: what the child has, what it shares, what it does not; threads.
 *
 * Machine: cpus=4 memory=128M
 */
#include "posix.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define UNUSED __attribute__((unused))

enum { LARGE = 256 };                   /* pages */

static int global = 1;
static __thread int local = 2;

/* Fork, run the function in the child, and tell its exit code; -1: it was killed. */
static int in_child(int (*function)(void *), void *argument)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(function(argument));
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* --- What the child is. --- */

static int identity(void *argument)
{
    pid_t *parent = argument;
    info_process_t info;

    if (getpid() == *parent || getppid() != *parent)
        return 1;
    if (sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL) != OK)
        return 2;
    if ((pid_t)info.koid != getpid() || info.num_threads != 1)
        return 3;
    info_thread_t thread;

    if (sys_object_get_info(thread_self(), INFO_THREAD, &thread, sizeof thread, NULL, NULL) != OK)
        return 4;
    return thread.state == THREAD_RUNNING ? 42 : 5;
}

TEST(the_child_is_another_process)
{
    pid_t self = getpid();

    CHECK_EQ(in_child(identity, &self), 42);
    CHECK_EQ(getpid(), self);
}

static int no_children(UNUSED void *unused)
{
    int status;

    return waitpid(-1, &status, 0) == -1 && errno == ECHILD ? 0 : 1;
}

TEST(the_child_has_no_children)
{
    pid_t first = fork();

    if (first == 0)
        _exit(3);
    CHECK_EQ(in_child(no_children, NULL), 0);
    CHECK_EQ(waitpid(first, NULL, 0), first);
}

/* --- Memory. --- */

static int change_all(void *argument)
{
    int *heap = argument, stack = 7;

    if (global != 1 || local != 2 || *heap != 3)
        return 1;
    global = local = *heap = stack = 99;
    return global + local + *heap + stack == 4 * 99 ? 0 : 2;
}

TEST(what_the_child_writes_is_its_own)
{
    int *heap = malloc(sizeof *heap);

    *heap = 3;
    CHECK_EQ(in_child(change_all, heap), 0);
    CHECK_EQ(global, 1);
    CHECK_EQ(local, 2);
    CHECK_EQ(*heap, 3);
    free(heap);
}

TEST(what_the_parent_writes_later_is_its_own)
{
    int go[2], status;
    char byte = 0;

    CHECK_EQ(pipe(go), 0);
    pid_t pid = fork();

    if (pid == 0) {
        int before = global;
        bool told = read(go[0], &byte, 1) == 1;

        _exit(told && before == 1 && global == 1 ? 0 : 1);
    }
    CHECK(pid > 0);
    global = 5;
    CHECK_EQ(write(go[1], &byte, 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    global = 1;
    CHECK_EQ(status, 0);
    CHECK_EQ(close(go[0]) | close(go[1]), 0);
}

static int sum(void *argument)
{
    unsigned char *page = argument;
    int total = 0;

    for (size_t i = 0; i < LARGE; i++) {
        total += page[i * PAGE_SIZE] == (unsigned char)i;
        page[i * PAGE_SIZE]++;
    }
    return total == LARGE ? 0 : 1;
}

TEST(a_large_memory_is_copied_exactly)
{
    unsigned char *page = mmap(NULL, LARGE * PAGE_SIZE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    for (size_t i = 0; i < LARGE; i++)
        page[i * PAGE_SIZE] = i;
    for (int round = 0; round < 3; round++)
        CHECK_EQ(in_child(sum, page), 0);
    for (size_t i = 0; i < LARGE; i++)
        CHECK_EQ(page[i * PAGE_SIZE], (unsigned char)i);
    CHECK_EQ(munmap(page, LARGE * PAGE_SIZE), 0);
}

static int store_shared(void *argument)
{
    *(volatile int *)argument = 17;
    return 0;
}

TEST(shared_memory_stays_shared)
{
    int *shared = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(shared != MAP_FAILED);
    CHECK_EQ(in_child(store_shared, shared), 0);
    CHECK_EQ(*shared, 17);
    CHECK_EQ(munmap(shared, PAGE_SIZE), 0);
}

static int store_after_protect(void *argument)
{
    char *page = argument;

    if (mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE) != 0)
        return 1;
    page[0] = 'c';
    return page[PAGE_SIZE] == 'b' ? 0 : 2;
}

/* Memory that may not be written now is a copy all the same, and two regions stay one VMO. */
TEST(memory_that_is_protected)
{
    char *page = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);

    CHECK(page != MAP_FAILED);
    page[0] = 'a';
    page[PAGE_SIZE] = 'b';
    CHECK_EQ(mprotect(page, PAGE_SIZE, PROT_READ), 0);
    CHECK_EQ(in_child(store_after_protect, page), 0);
    CHECK_EQ(page[0], 'a');
    CHECK_EQ(in_child(store_shared, page), -SIGSEGV);
    CHECK_EQ(munmap(page, 2 * PAGE_SIZE), 0);
}

TEST(many_regions)
{
    enum { REGIONS = 40 };
    char *page = mmap(NULL, REGIONS * PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *other[REGIONS];

    CHECK(page != MAP_FAILED);
    for (int i = 0; i < REGIONS; i++) {
        page[i * PAGE_SIZE] = i;
        other[i] = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(other[i] != MAP_FAILED);
        *other[i] = 100 + i;
        if (i % 2 == 0)
            CHECK_EQ(mprotect(page + i * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
    }
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        for (int i = 0; i < REGIONS; i++)
            if (page[i * PAGE_SIZE] != i || *other[i] != 100 + i)
                _exit(1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(munmap(page, REGIONS * PAGE_SIZE), 0);
    for (int i = 0; i < REGIONS; i++)
        CHECK_EQ(munmap(other[i], PAGE_SIZE), 0);
}

static int floating(void *argument)
{
    return *(double *)argument * 2 == 7.0 ? 0 : 1;
}

TEST(registers_are_copied)
{
    register double kept __asm__("fs3") = 3.5;
    double value;

    __asm__ volatile("" : "+f"(kept));
    value = kept;
    CHECK_EQ(in_child(floating, &value), 0);
    __asm__ volatile("" : "+f"(kept));
    CHECK(kept == 3.5);
}

/* --- Descriptors. --- */

static int read_five(void *argument)
{
    char text[5];

    return read(*(int *)argument, text, 5) == 5 && memcmp(text, "Welco", 5) == 0 ? 0 : 1;
}

TEST(the_position_in_a_file_is_shared)
{
    int file = open_motd();

    CHECK_EQ(in_child(read_five, &file), 0);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 5);
    CHECK_EQ(close(file), 0);
}

static int open_again(UNUSED void *unused)
{
    int file = open("/etc/motd", O_RDONLY);

    return file >= 0 && read_five(&file) == 0 ? 0 : 1;
}

TEST(files_can_be_opened_in_both)
{
    int file = open_motd();

    CHECK_EQ(in_child(open_again, NULL), 0);
    CHECK_EQ(open_again(NULL), 0);
    CHECK_EQ(close(file) | close(file + 1), 0);
}

static int close_both(void *argument)
{
    int *ends = argument;

    return close(ends[0]) | close(ends[1]);
}

TEST(what_the_child_closes_stays_open_here)
{
    int ends[2];
    char byte;

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(in_child(close_both, ends), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(read(ends[0], &byte, 1), 0);
    CHECK_EQ(close(ends[0]), 0);
}

static int print(UNUSED void *unused)
{
    printf("# the child prints\n");
    fflush(stdout);
    return 0;
}

TEST(standard_output_works_in_both)
{
    fflush(stdout);
    CHECK_EQ(in_child(print, NULL), 0);
    printf("# the parent prints\n");
}

/* --- Threads. --- */

static void *fork_in_thread(void *argument)
{
    int status, mine = 11;
    pid_t pid = fork();

    if (pid == 0) {
        mine++;
        _exit(mine == 12 && errno == 77 ? *(int *)argument : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return (void *)-1l;
    return (void *)(long)(WIFEXITED(status) && mine == 11 ? WEXITSTATUS(status) : -1);
}

static void *fork_with_errno(void *argument)
{
    errno = 77;
    return fork_in_thread(argument);
}

TEST(fork_in_a_thread)
{
    int value = 33;
    pthread_t thread;
    void *result;

    CHECK_EQ(pthread_create(&thread, NULL, fork_with_errno, &value), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ((long)result, 33);
}

static void *leave_child_by_return(UNUSED void *unused)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        return NULL;                    /* the last thread: the child ends with code 0 */
    return (void *)(long)(waitpid(pid, &status, 0) == pid ? status : -1);
}

TEST(the_end_of_the_only_thread_ends_the_child)
{
    pthread_t thread;
    void *result;

    CHECK_EQ(pthread_create(&thread, NULL, leave_child_by_return, NULL), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ((long)result, 0);
}

static atomic_bool stop_churning;

/* Takes and gives back the locks of the heap, of streams and of descriptors all the time. */
static void *churn(UNUSED void *unused)
{
    while (!atomic_load(&stop_churning)) {
        char *block = malloc(100);
        int ends[2];

        if (pipe(ends) == 0)
            close(ends[0]), close(ends[1]);
        snprintf(block, 100, "%d", 5);
        free(block);
    }
    return NULL;
}

static int use_everything(UNUSED void *unused)
{
    int ends[2];
    void *block = malloc(5000);

    if (block == NULL || pipe(ends) != 0)
        return 1;
    free(block);
    fprintf(stdout, "%s", "");
    fflush(stdout);
    return close(ends[0]) | close(ends[1]);
}

/* The locks of other threads are free in the child. */
TEST(fork_beside_busy_threads)
{
    pthread_t threads[3];

    stop_churning = false;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 60; i++)
        CHECK_EQ(in_child(use_everything, NULL), 0);
    stop_churning = true;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static char order[16];

static void note(char what)
{
    if (strlen(order) + 1 < sizeof order)       /* they stay for the other cases */
        order[strlen(order)] = what;
}

static void prepare_1(void) { note('a'); }
static void prepare_2(void) { note('b'); }
static void parent_1(void)  { note('c'); }
static void parent_2(void)  { note('d'); }
static void child_1(void)   { note('e'); }
static void child_2(void)   { note('f'); }

TEST(handlers_of_atfork)
{
    int status;

    CHECK_EQ(pthread_atfork(prepare_1, parent_1, child_1), 0);
    CHECK_EQ(pthread_atfork(prepare_2, parent_2, child_2), 0);
    memset(order, 0, sizeof order);
    pid_t pid = fork();

    if (pid == 0)
        _exit(strcmp(order, "baef") == 0 ? 0 : 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(strcmp(order, "bacd"), 0);
}
