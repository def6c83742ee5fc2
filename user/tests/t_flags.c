/*
 * t_flags.c: the flags of descriptors: fcntl, dup3, pipe2, reading and writing without waiting.
 */
#include "posix.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { ATOMIC = 4096 };

static char block[20 * ATOMIC];

TEST(access_modes)
{
    int ends[2], file = open_motd(), null = open("/dev/null", O_WRONLY | O_APPEND);

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(fcntl(file, F_GETFL), O_RDONLY);
    CHECK_EQ(fcntl(null, F_GETFL), O_WRONLY | O_APPEND);
    CHECK_EQ(fcntl(ends[0], F_GETFL), O_RDONLY);
    CHECK_EQ(fcntl(ends[1], F_GETFL), O_WRONLY);
    CHECK_ERRNO(fcntl(50, F_GETFL), EBADF);
    CHECK_ERRNO(fcntl(-1, F_SETFL, 0), EBADF);
    CHECK_ERRNO(fcntl(file, 12345), EINVAL);
    CHECK_EQ(close(file) | close(null) | close(ends[0]) | close(ends[1]), 0);
}

TEST(flags_that_are_set)
{
    int ends[2], copy;

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK | O_APPEND | O_RDWR | O_CREAT), 0);
    CHECK_EQ(fcntl(ends[0], F_GETFL), O_NONBLOCK | O_APPEND | O_RDONLY);
    copy = dup(ends[0]);
    CHECK_EQ(fcntl(copy, F_GETFL), O_NONBLOCK | O_APPEND | O_RDONLY);
    CHECK_EQ(fcntl(copy, F_SETFL, O_APPEND), 0);
    CHECK_EQ(fcntl(copy, F_GETFL), O_APPEND);
    CHECK_EQ(fcntl(ends[0], F_SETFL, 0), 0);
    CHECK_EQ(fcntl(ends[0], F_GETFL), 0);
    CHECK_EQ(close(copy) | close(ends[0]) | close(ends[1]), 0);
}

TEST(pipes_with_flags)
{
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
        CHECK_EQ(fcntl(ends[i], F_GETFL), O_NONBLOCK | (i == 0 ? O_RDONLY : O_WRONLY));
        CHECK_EQ(close(ends[i]), 0);
    }
    CHECK_ERRNO(pipe2(ends, O_CREAT), EINVAL);
}

TEST(duplicates_with_flags)
{
    int file = open_motd(), copy;

    CHECK_EQ(dup3(file, 40, O_CLOEXEC), 40);
    CHECK_EQ(fcntl(40, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup3(file, 40, 0), 40);
    CHECK_EQ(fcntl(40, F_GETFD), 0);
    CHECK_ERRNO(dup3(file, file, 0), EINVAL);
    CHECK_ERRNO(dup3(file, 41, O_APPEND), EINVAL);
    CHECK_ERRNO(dup3(60, 41, 0), EBADF);
    CHECK_ERRNO(dup3(file, 64, 0), EBADF);
    CHECK_ERRNO(dup3(file, -1, 0), EBADF);
    copy = fcntl(file, F_DUPFD_CLOEXEC, 30);
    CHECK_EQ(copy, 30);
    CHECK_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(file, F_GETFD), 0);
    CHECK_ERRNO(fcntl(file, F_DUPFD_CLOEXEC, 64), EINVAL);
    CHECK_EQ(close(copy) | close(40) | close(file), 0);
}

TEST(reading_without_waiting)
{
    int ends[2];
    char byte = 0;

    CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
    CHECK_ERRNO(read(ends[0], &byte, 1), EAGAIN);
    CHECK_EQ(write(ends[1], "ab", 2), 2);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'a');
    CHECK_EQ(read(ends[0], block, sizeof block), 1);
    CHECK_ERRNO(read(ends[0], &byte, 1), EAGAIN);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(read(ends[0], &byte, 1), 0);               /* the end, not "later" */
    CHECK_EQ(close(ends[0]), 0);
}

static void take(int pipe_end, ssize_t length)
{
    while (length > 0) {
        ssize_t done = read(pipe_end, block, length);

        CHECK(done > 0);
        length -= done;
    }
}

TEST(writing_without_waiting)
{
    int ends[2];
    ssize_t total = 0, done, taken = 0;

    CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
    while ((done = write(ends[1], block, sizeof block)) > 0)
        total += done;
    CHECK_EQ(done, -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK(total > 0 && total % ATOMIC == 0);
    CHECK_ERRNO(write(ends[1], block, ATOMIC), EAGAIN);
    take(ends[0], 2 * ATOMIC);
    CHECK_EQ(write(ends[1], block, ATOMIC), ATOMIC);
    CHECK_EQ(write(ends[1], block, 10 * ATOMIC), ATOMIC);       /* what there was room for */
    CHECK_ERRNO(write(ends[1], "x", 1), EAGAIN);
    while ((done = read(ends[0], block, sizeof block)) > 0)
        taken += done;
    CHECK_EQ(taken, total);
    CHECK_EQ(write(ends[1], block, 0), 0);
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_ERRNO(write(ends[1], "x", 1), EPIPE);
    signal(SIGPIPE, SIG_DFL);
    CHECK_EQ(close(ends[1]), 0);
}

int test_helper(int count, char **arguments)
{
    (void)count;
    return fcntl(atoi(arguments[2]), F_GETFL) == atoi(arguments[3]) ? 0 : 1;
}

/* A new program has them too. */
TEST(flags_stay_through_exec)
{
    static char number[8], flags[16];
    int ends[2], status;

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            itoa(ends[i], number, 10);
            itoa(fcntl(ends[i], F_GETFL), flags, 10);
            execlp(test_arguments[0], test_arguments[0], "flags", number, flags, NULL);
            _exit(100);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}

TEST(terminals)
{
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    CHECK(isatty(ends[0]) == 0 && errno == ENOTTY);
    CHECK(isatty(63) == 0 && errno == EBADF);
    CHECK_EQ(isatty(0), 1);
    CHECK_EQ(fcntl(0, F_GETFL), O_RDWR);
    CHECK_ERRNO(fcntl(0, F_SETFL, O_NONBLOCK), EINVAL);
    CHECK_EQ(fcntl(0, F_SETFL, O_APPEND), 0);
    CHECK_EQ(fcntl(0, F_SETFL, 0), 0);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}
