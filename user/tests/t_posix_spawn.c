/*
 * t_posix_spawn.c: children of a process: how they are started, what they inherit, how they end.
 *
 * Machine: cpus=2
 */
#include "posix.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

/* --- Children: this program again. --- */

static int helper_pages(void)
{
    /* Descriptor 5 is a file that the parent opened: it can be read, mapped and asked. */
    struct stat info;
    char text[8];
    const char *bytes = mmap(NULL, 8, PROT_READ, MAP_SHARED, 5, 0);
    if (bytes == MAP_FAILED || fstat(5, &info) != 0 || !S_ISREG(info.st_mode))
        return 1;
    if (read(5, text, 7) != 7 || memcmp(text, "to Quir", 7) != 0)
        return 2;
    return memcmp(bytes, "Welcome", 7) == 0 && info.st_size > 60 ? 0 : 3;
}

int test_helper(int count, char **arguments)
{
    char path[64], byte;
    const char *mode = arguments[1];

    if (strcmp(mode, "exit") == 0)
        return atoi(arguments[2]);
    if (strcmp(mode, "pages") == 0)
        return helper_pages();
    if (strcmp(mode, "crash") == 0)
        abort();
    if (strcmp(mode, "wait") == 0)
        return read(0, &byte, 1);
    if (strcmp(mode, "where") == 0)
        return strcmp(getcwd(path, sizeof path), arguments[2]) == 0 ? 0 : 1;
    if (strcmp(mode, "variable") == 0)
        return getenv("COLOUR") != NULL && strcmp(getenv("COLOUR"), "blue") == 0 ? 0 : 1;
    if (strcmp(mode, "open") == 0)                      /* which descriptors are open, as a set */
        for (int i = 3, set = 0; i < 8; i++)
            if (set |= (fcntl(i, F_GETFD) >= 0) << i, i == 7)
                return set;
    return 100 + count;
}

/* Start this program as a helper; *out_pid is set on success. */
static int start(const char *mode, const char *argument, const posix_spawn_file_actions_t *actions,
                 char *const *environment, pid_t *out_pid)
{
    char *const arguments[] = { test_arguments[0], (char *)mode, (char *)argument, NULL };

    return posix_spawnp(out_pid, test_arguments[0], actions, NULL, arguments,
                        environment != NULL ? environment : environ);
}

static int run(const char *mode, const char *argument)
{
    pid_t pid = 0;
    int status = 0;

    CHECK_EQ(start(mode, argument, NULL, NULL, &pid), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

TEST(children_end_in_three_ways)
{
    int status = run("exit", "0");

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = run("exit", "200");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 200);
    status = run("crash", NULL);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST(a_killed_child)
{
    posix_spawn_file_actions_t actions;
    int ends[2], status;
    pid_t pid;

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, ends[0], 0), 0);
    CHECK_EQ(start("wait", NULL, &actions, NULL, &pid), 0);
    CHECK_EQ(posix_spawn_file_actions_destroy(&actions), 0);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
    CHECK_EQ(kill(pid, 0), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
    CHECK_ERRNO(wait(&status), ECHILD);
    CHECK_ERRNO(kill(pid, SIGKILL), ESRCH);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}

TEST(waiting_for_any_child)
{
    pid_t pids[3], pid;
    int seen = 0, status;
    char code[4];

    for (int i = 0; i < 3; i++) {
        snprintf(code, sizeof code, "%d", i + 1);
        CHECK_EQ(start("exit", code, NULL, NULL, &pids[i]), 0);
    }
    CHECK_EQ(waitpid(pids[1], &status, 0), pids[1]);
    CHECK_EQ(WEXITSTATUS(status), 2);
    for (int i = 0; i < 2; i++) {
        pid = wait(&status);
        CHECK(pid == pids[0] || pid == pids[2]);
        seen |= WEXITSTATUS(status);
        CHECK_EQ(pid, pids[WEXITSTATUS(status) - 1]);
    }
    CHECK_EQ(seen, 3);
    CHECK_ERRNO(wait(NULL), ECHILD);
}

TEST(what_children_inherit)
{
    static char *const blue[] = { "COLOUR=blue", NULL };
    pid_t pid;
    int status;

    close(open_motd());
    CHECK_EQ(chdir("/data/deep"), 0);
    CHECK_EQ(run("where", "/data/deep"), 0);
    CHECK_EQ(start("where", "/data/deep", NULL, blue, &pid), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(start("variable", NULL, NULL, blue, &pid), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(setenv("COLOUR", "blue", 1), 0);
    CHECK_EQ(run("variable", NULL), 0);
    CHECK_EQ(unsetenv("COLOUR"), 0);
    CHECK_EQ(WEXITSTATUS(run("variable", NULL)), 1);
}

TEST(files_of_children)
{
    posix_spawn_file_actions_t actions;
    int file = open_motd(), closed = open("/etc/motd", O_RDONLY | O_CLOEXEC), status;
    pid_t pid;

    CHECK(file == 3 && closed == 4);
    CHECK_EQ(fcntl(closed, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(WEXITSTATUS(run("open", NULL)), 1 << 3);
    CHECK_EQ(lseek(file, 8, SEEK_SET), 8);
    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, file, 5), 0);
    CHECK_EQ(posix_spawn_file_actions_addclose(&actions, file), 0);
    CHECK_EQ(start("pages", NULL, &actions, NULL, &pid), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 15);             /* the position is shared */
    CHECK_EQ(start("open", NULL, &actions, NULL, &pid), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 1 << 5);
    CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 6, "/etc/motd", O_RDONLY, 0), 0);
    CHECK_EQ(start("open", NULL, &actions, NULL, &pid), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 1 << 5 | 1 << 6);
    CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 7, "/none", O_RDONLY, 0), 0);
    CHECK_EQ(start("open", NULL, &actions, NULL, &pid), ENOENT);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, 64, 0), EBADF);
    CHECK_EQ(posix_spawn_file_actions_destroy(&actions), 0);
    CHECK_EQ(close(file) | close(closed), 0);
}

TEST(what_does_not_start)
{
    char *const arguments[] = { "x", NULL };
    char *large = malloc(70000);
    char *const too_large[] = { "x", large, NULL };
    pid_t pid;

    CHECK(large != NULL);
    memset(large, 'x', 69999);
    large[69999] = 0;
    close(open_motd());
    CHECK_EQ(posix_spawn(&pid, "/none", NULL, NULL, arguments, environ), ENOENT);
    CHECK_EQ(posix_spawn(&pid, "", NULL, NULL, arguments, environ), ENOENT);
    CHECK_EQ(posix_spawn(&pid, "/etc/motd", NULL, NULL, arguments, environ), ENOEXEC);
    CHECK_EQ(posix_spawn(&pid, "/data", NULL, NULL, arguments, environ), EACCES);
    CHECK_EQ(posix_spawnp(&pid, "no-such-program", NULL, NULL, arguments, environ), ENOENT);
    CHECK_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, too_large, environ), E2BIG);
    free(large);
}

TEST(nothing_is_left_behind)
{
    /* The port that tells of children's ends stays. */
    CHECK(open_handles() <= handles_at_start + 1);
}
