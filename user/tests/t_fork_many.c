/*
 * t_fork_many.c: fork many times: trees, chains, limits, and nothing left behind.
 *
 * Machine: cpus=4 memory=128M
 */
#include "posix.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define UNUSED __attribute__((unused))

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

/* --- Trees. --- */

/* Each level forks two children; the value is how many leaves there are. */
static int tree(int depth)
{
    int leaves = 0, status;

    if (depth == 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(tree(depth - 1));
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
            return 100;
        leaves += WEXITSTATUS(status);
    }
    return leaves;
}

TEST(a_tree_of_children)
{
    CHECK_EQ(tree(5), 32);
}

/* A chain of forks, each the child of the last, whose memory is a copy of a copy. */
static int chain(int left, int *counter)
{
    int status;

    (*counter)++;
    if (left == 0)
        return *counter;
    pid_t pid = fork();

    if (pid == 0)
        _exit(chain(left - 1, counter));
    if (waitpid(pid, &status, 0) != pid)
        return 0;
    return WEXITSTATUS(status);
}

TEST(a_chain_of_children)
{
    int counter = 0;

    CHECK_EQ(chain(20, &counter), 21);
    CHECK_EQ(counter, 1);
}

TEST(many_at_once)
{
    enum { CHILDREN = 30 };
    int seen = 0, status;

    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            sys_nanosleep(0);
            _exit(i + 1);
        }
        CHECK(pid > 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        CHECK(wait(&status) > 0);
        seen += WEXITSTATUS(status);
    }
    CHECK_EQ(seen, CHILDREN * (CHILDREN + 1) / 2);
    CHECK_ERRNO(wait(&status), ECHILD);
}

/* --- Limits. --- */

/*
 * Are there no more objects than then?  Processes that were orphaned, and what servers have of
 * them, take a moment to end.
 */
static bool objects_are_as(void *argument)
{
    info_system_t now, *then = argument;

    if (sys_object_get_info(system_handle(), INFO_SYSTEM, &now, sizeof now, NULL, NULL) != OK)
        return false;
    for (size_t type = 0; type < array_size(now.objects); type++)
        if (now.objects[type] > then->objects[type])
            return false;
    return true;
}

static int nothing(UNUSED void *unused)
{
    return 0;
}

/* Everybody waits until the pipe closes; then fork works as before. */
TEST(two_hundred_children)
{
    int gate[2], status, children = 0;
    char byte;

    CHECK_EQ(pipe(gate), 0);
    for (; children < 200; children++) {
        pid_t pid = fork();

        if (pid == 0) {
            close(gate[1]);
            _exit(read(gate[0], &byte, 1));
        }
        if (pid < 0)
            break;
    }
    CHECK_EQ(children, 200);
    CHECK_EQ(close(gate[0]) | close(gate[1]), 0);
    for (int i = 0; i < children; i++)
        CHECK(wait(&status) > 0);
    CHECK_ERRNO(wait(&status), ECHILD);
}

enum { REFUSED = 1, NOT_REACHED = 2, WENT_WRONG = 3 };

/* Fork while one allocation of the kernel fails. */
static int fork_failing(void *argument)
{
    uint32_t left = 0;
    int status = 0;

    if (sys_system_fail_allocation(system_handle(), *(uint32_t *)argument, &left) != OK)
        return WENT_WRONG;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    int error = errno;

    if (sys_system_fail_allocation(system_handle(), 0, &left) != OK)
        return WENT_WRONG;
    if (pid < 0)
        return error == ENOMEM || error == EAGAIN ? REFUSED : WENT_WRONG;
    return waitpid(pid, &status, 0) != pid || status != 0 ? WENT_WRONG : left > 0 ? NOT_REACHED : 0;
}

/*
 * Whatever the kernel has no memory for, fork says so, and nothing of the child remains.  A store of
 * the parent's own to memory that it now shares can fail too; that is its death.
 */
TEST(fork_without_memory)
{
    info_system_t before;
    int outcome = 0, refused = 0;

    CHECK_EQ(in_child(nothing, NULL), 0);
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &before, sizeof before, NULL, NULL));
    uint32_t handles = open_handles(), countdown = 1;

    for (; countdown < 1000 && outcome != NOT_REACHED; countdown++) {
        outcome = in_child(fork_failing, &countdown);
        CHECK(outcome == REFUSED || outcome == 0 || outcome == NOT_REACHED || outcome == -SIGSEGV);
        refused += outcome == REFUSED;
    }
    CHECK_EQ(outcome, NOT_REACHED);
    CHECK(refused > 10);
    CHECK_EQ(open_handles(), handles);
    CHECK(comes_true(objects_are_as, &before));
}

TEST(nothing_is_left_behind)
{
    info_system_t before, after_all;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(in_child(nothing, NULL), 0);
    uint32_t handles = open_handles();

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &before, sizeof before, NULL, NULL));
    for (int i = 0; i < 300; i++)
        CHECK_EQ(in_child(nothing, NULL), 0);
    CHECK_EQ(open_handles(), handles);
    CHECK(comes_true(objects_are_as, &before));
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &after_all, sizeof after_all, NULL,
                                 NULL));
    CHECK(after_all.frames[FRAME_ANON] <= before.frames[FRAME_ANON] + 64);
    CHECK(after_all.frames[FRAME_TABLE] <= before.frames[FRAME_TABLE] + 64);
}
