/*
 * t_exec.c: exec: what the new program keeps and what it does not, refusals, many in a row.
 *
 * Machine: cpus=4 memory=128M
 */
#include "posix.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define UNUSED __attribute__((unused))

extern char **environ;

/* --- What runs after an exec: this program, with a mode. --- */

static int again(int left, const char *handles, const char *regions)
{
    char next[16], now[16], mapped[16];
    info_process_t info;

    if (sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL) != OK)
        return 2;
    snprintf(next, sizeof next, "%d", left - 1);
    snprintf(now, sizeof now, "%u", info.num_handles);
    snprintf(mapped, sizeof mapped, "%u", info.num_regions);
    if (strcmp(handles, "?") != 0 && (strcmp(handles, now) != 0 || strcmp(regions, mapped) != 0))
        return 3;
    if (left == 0)
        return 0;
    execlp(test_arguments[0], test_arguments[0], "again", next, now, mapped, NULL);
    return 4;
}

static int open_set(void)
{
    int set = 0;

    for (int i = 3; i < 8; i++)
        set |= (fcntl(i, F_GETFD) >= 0) << i;
    return set;
}

int test_helper(int count, char **arguments)
{
    const char *mode = arguments[1];
    info_process_t info;
    char byte;

    if (strcmp(mode, "exit") == 0)
        return atoi(arguments[2]);
    if (strcmp(mode, "again") == 0)
        return again(atoi(arguments[2]), arguments[3], arguments[4]);
    if (strcmp(mode, "open") == 0)
        return open_set();
    if (strcmp(mode, "pid") == 0)
        return getpid() == atoi(arguments[2]) && getppid() == atoi(arguments[3]) ? 0 : 1;
    if (strcmp(mode, "environment") == 0)
        return getenv("COLOUR") != NULL && strcmp(getenv("COLOUR"), "red") == 0 ? 0 : 1;
    if (strcmp(mode, "alone") == 0) {
        CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL));
        return info.num_threads == 1 && strcmp(info.name, test_arguments[0]) == 0 ? 0 : 1;
    }
    if (strcmp(mode, "read") == 0)
        return read(atoi(arguments[2]), &byte, 1) == 1 ? byte : 200;
    if (strcmp(mode, "count") == 0)
        return count;
    return 99;
}

/* The exit code of a child that runs the function, which is not meant to return. */
static int in_child(void (*function)(void *), void *argument)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        function(argument);
        _exit(98);
    }
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void run_exit(UNUSED void *unused)
{
    execlp(test_arguments[0], test_arguments[0], "exit", "17", NULL);
}

TEST(another_program_runs)
{
    CHECK_EQ(in_child(run_exit, NULL), 17);
}

static void run_true(UNUSED void *unused)
{
    char *const arguments[] = { "true", NULL };

    execve("/bin/true", arguments, environ);
}

static void run_false(UNUSED void *unused)
{
    execl("/bin/false", "false", NULL);
}

TEST(programs_of_the_disk)
{
    close(open_motd());
    CHECK_EQ(in_child(run_true, NULL), 0);
    CHECK_EQ(in_child(run_false, NULL), 1);
}

static void run_pid(void *argument)
{
    char own[16], parent[16];

    snprintf(own, sizeof own, "%d", getpid());
    snprintf(parent, sizeof parent, "%d", *(pid_t *)argument);
    execlp(test_arguments[0], test_arguments[0], "pid", own, parent, NULL);
}

TEST(it_is_the_same_process)
{
    pid_t self = getpid();

    CHECK_EQ(in_child(run_pid, &self), 0);
}

static void run_environment(UNUSED void *unused)
{
    char *const environment[] = { "COLOUR=red", NULL };

    execle(test_arguments[0], test_arguments[0], "environment", NULL, environment);
}

static void run_environment_by_name(UNUSED void *unused)
{
    setenv("COLOUR", "red", 1);
    execlp(test_arguments[0], test_arguments[0], "environment", NULL);
}

TEST(the_environment)
{
    CHECK_EQ(in_child(run_environment, NULL), 0);
    CHECK_EQ(in_child(run_environment_by_name, NULL), 0);
}

/* --- Descriptors. --- */

static void run_open(UNUSED void *unused)
{
    execlp(test_arguments[0], test_arguments[0], "open", NULL);
}

TEST(descriptors_stay_unless_they_are_to_be_closed)
{
    int ends[2], kept = open_motd();

    CHECK_EQ(kept, 3);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK(ends[0] == 4 && ends[1] == 5);
    CHECK_EQ(in_child(run_open, NULL), 1 << 3);
    CHECK_EQ(fcntl(5, F_SETFD, 0), 0);
    CHECK_EQ(in_child(run_open, NULL), 1 << 3 | 1 << 5);
    CHECK_EQ(close(3) | close(4) | close(5), 0);
}

static void run_read(UNUSED void *unused)
{
    execlp(test_arguments[0], test_arguments[0], "read", "3", NULL);
}

TEST(the_position_stays)
{
    int file = open_motd();

    CHECK_EQ(lseek(file, 3, SEEK_SET), 3);
    CHECK_EQ(in_child(run_read, NULL), MOTD[3]);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 4);
    CHECK_EQ(close(file), 0);
}

static void run_many_open(UNUSED void *unused)
{
    for (int i = 0; i < 50; i++)
        open("/etc/motd", O_RDONLY);
    execlp(test_arguments[0], test_arguments[0], "read", "50", NULL);
}

/* More handles than a message holds. */
TEST(fifty_files_stay)
{
    close(open_motd());
    CHECK_EQ(in_child(run_many_open, NULL), 'W');
}

/* --- Threads and memory. --- */

static void *wait_for_ever(UNUSED void *unused)
{
    for (;;)
        sys_nanosleep(DEADLINE_INFINITE);
    return NULL;
}

static void *spin_for_ever(UNUSED void *unused)
{
    for (volatile unsigned i = 0; ; i++)
        ;
    return NULL;
}

static void *exec_here(UNUSED void *unused)
{
    execlp(test_arguments[0], test_arguments[0], "alone", NULL);
    return NULL;
}

static void run_among_threads(void *in_thread)
{
    pthread_t thread;

    for (int i = 0; i < 5; i++)
        pthread_create(&thread, NULL, i % 2 ? spin_for_ever : wait_for_ever, NULL);
    if (in_thread == NULL)
        exec_here(NULL);
    pthread_create(&thread, NULL, exec_here, NULL);
    wait_for_ever(NULL);
}

TEST(other_threads_end)
{
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(in_child(run_among_threads, NULL), 0);
        CHECK_EQ(in_child(run_among_threads, ""), 0);
    }
}

static void run_again(UNUSED void *unused)
{
    for (int i = 0; i < 20; i++) {
        new_event();
        mmap(NULL, 5 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    execlp(test_arguments[0], test_arguments[0], "again", "200", "?", "?", NULL);
}

/* The last ones may still be ending on other harts. */
static bool all_is_back(void *frames_before)
{
    const info_system_t *before = frames_before;
    info_system_t now;

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &now, sizeof now, NULL, NULL));
    return now.frames[FRAME_ANON] <= before->frames[FRAME_ANON] + 64 &&
           now.frames[FRAME_TABLE] <= before->frames[FRAME_TABLE] + 64 &&
           now.frames[FRAME_KERNEL] <= before->frames[FRAME_KERNEL] + 64;
}

TEST(two_hundred_in_a_row_leave_nothing)
{
    info_system_t before;

    CHECK_EQ(in_child(run_again, NULL), 0);
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &before, sizeof before, NULL, NULL));
    CHECK_EQ(in_child(run_again, NULL), 0);
    CHECK(comes_true(all_is_back, &before));
}

/* --- Refusals: the caller goes on as if nothing had been. --- */

TEST(what_cannot_be_run)
{
    char *const arguments[] = { "x", NULL };
    char *const none[] = { NULL };
    char *large = malloc(70000);
    char *const too_large[] = { "x", large, NULL };
    uint32_t handles;

    CHECK(large != NULL);
    memset(large, 'x', 69999);
    large[69999] = 0;
    close(open_motd());
    CHECK_ERRNO(execve("/none", arguments, environ), ENOENT);
    handles = open_handles();
    CHECK_ERRNO(execve("/none", arguments, environ), ENOENT);
    CHECK_ERRNO(execve("", arguments, environ), ENOENT);
    CHECK_ERRNO(execve("/etc/motd", arguments, environ), ENOEXEC);
    CHECK_ERRNO(execve("/data", arguments, environ), EACCES);
    CHECK_ERRNO(execvp("no-such-program", arguments), ENOENT);
    CHECK_ERRNO(execve("/bin/true", too_large, environ), E2BIG);
    CHECK_ERRNO(execve("/bin/true", none, environ), EINVAL);
    CHECK_EQ(open_handles(), handles);
    free(large);
}

/* In a child: exec while one allocation of the kernel fails. */
static void run_failing(void *argument)
{
    uint32_t left;

    if (sys_system_fail_allocation(system_handle(), *(uint32_t *)argument, &left) != OK)
        _exit(97);
    execlp(test_arguments[0], test_arguments[0], "exit", "17", NULL);
    int error = errno;

    if (sys_system_fail_allocation(system_handle(), 0, &left) != OK)
        _exit(97);
    _exit(error == ENOMEM || error == EAGAIN ? 1 : 96);
}

/* It says so, or in the last moments it dies; it never hangs or runs something else. */
TEST(exec_without_memory)
{
    int outcome = 0, refused = 0, ran = 0;

    for (uint32_t countdown = 1; countdown < 600 && ran < 20; countdown++) {
        outcome = in_child(run_failing, &countdown);
        CHECK(outcome == 1 || outcome == 17 || outcome == -SIGKILL || outcome == -SIGSEGV);
        refused += outcome == 1;
        ran = outcome == 17 ? ran + 1 : 0;
    }
    CHECK(refused > 10);
    CHECK_EQ(outcome, 17);
}

/* --- Signals. --- */

static void nothing(UNUSED int number)
{
}

static void run_with_signals(UNUSED void *unused)
{
    sigset_t set;

    signal(SIGUSR1, nothing);
    signal(SIGTERM, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    execlp(test_arguments[0], test_arguments[0], "alone", NULL);
}

/* The signal thread ends, and is made again since some signals are ignored and blocked. */
TEST(a_program_with_signals)
{
    CHECK_EQ(in_child(run_with_signals, NULL), 1);
}

TEST(nothing_is_left_behind)
{
    CHECK(open_handles() <= handles_at_start + 1);
}
