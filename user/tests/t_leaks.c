/*
 * t_leaks.c: a thousand processes made and gone: frames, objects and handles are as before.
 *
 * Machine: cpus=2 memory=128M
 */
#include "posix.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

/* SERVED: of what a file server keeps for a while, or makes for good when it is busy. */
enum { MANY = 1000, SPAWNS = 300, EXECS = 100, SHELLS = 15, FRAMES_MORE = 80, SERVED = 128 };

extern char **environ;

static info_system_t system_now(void)
{
    info_system_t info;

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    return info;
}

struct state {
    info_system_t system;
    uint32_t handles;
};

static struct state state_now(void)
{
    return (struct state){ system_now(), open_handles() };
}

/* Who was waited for may still be giving back its last memory, the signal thread its handle of who it interrupted. */
static bool is_as_before(void *argument)
{
    const struct state *before = argument;
    info_system_t now = system_now();

    return now.frames[FRAME_FREE] + FRAMES_MORE >= before->system.frames[FRAME_FREE] &&
           now.objects[OBJECT_PROCESS] <= before->system.objects[OBJECT_PROCESS] &&
           now.objects[OBJECT_THREAD] <= before->system.objects[OBJECT_THREAD] + 4 &&
           now.objects[OBJECT_VMO] <= before->system.objects[OBJECT_VMO] + SERVED &&
           now.objects[OBJECT_PIPE] <= before->system.objects[OBJECT_PIPE] &&
           open_handles() <= before->handles;
}

static void check_state(struct state *before)
{
    CHECK(comes_true(is_as_before, before));
}

static void fork_once(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
}

static void run(char *const *arguments)
{
    int status;
    pid_t pid;

    CHECK_EQ(posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST(forks)
{
    fork_once();
    struct state before = state_now();

    for (int i = 0; i < MANY; i++)
        fork_once();
    check_state(&before);
}

static void nothing(int number)
{
    (void)number;
}

/* The same with a signal thread in each, and a handler that hears of each end. */
TEST(forks_with_signals)
{
    signal(SIGCHLD, nothing);
    fork_once();
    struct state before = state_now();

    for (int i = 0; i < MANY / 2; i++)
        fork_once();
    check_state(&before);
}

TEST(forks_that_exec)
{
    int status;
    struct state before = { .handles = 0 };

    for (int i = 0; i < EXECS; i++) {
        if (i == 5)
            before = state_now();
        pid_t pid = fork();

        if (pid == 0) {
            execlp("true", "true", NULL);
            _exit(100);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    check_state(&before);
}

TEST(spawns)
{
    char *const arguments[] = { "true", NULL };

    run(arguments);
    struct state before = state_now();

    for (int i = 0; i < SPAWNS; i++)
        run(arguments);
    check_state(&before);
}

TEST(shells)
{
    char *const arguments[] = { "sh", "-c", "true | true; (true); true & wait; echo a | true", NULL };

    run(arguments);
    struct state before = state_now();

    for (int i = 0; i < SHELLS; i++)
        run(arguments);
    check_state(&before);
}
