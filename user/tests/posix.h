/*
 * posix.h: for tests of the POSIX layer: calls that must fail with an errno, and a file to open.
 */
#pragma once

#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MOTD "Welcome to Quire, where every page is a promise somebody made.\n"

#define CHECK_ERRNO(expression, code)                                                            \
    do {                                                                                         \
        errno = 0;                                                                               \
        CHECK_EQ((expression), -1);                                                              \
        CHECK_EQ(errno, code);                                                                   \
    } while (0)

static inline int open_motd(void)
{
    int file = open("/etc/motd", O_RDONLY);

    if (file < 0 && root_fs_handle() == HANDLE_INVALID)
        test_skip("no root file system");
    CHECK(file > 2);
    return file;
}

static inline bool only_signal_handles_are_left(void *unused)
{
    (void)unused;
    return open_handles() <= handles_at_start + 3;
}

/*
 * For the last case of a program with signals.  Two ports stay: of children's ends and of the signal
 * thread; and what that copies through.  It closes its handle of a thread after it has resumed it.
 */
static inline void check_only_signal_handles_are_left(void)
{
    CHECK(comes_true(only_signal_handles_are_left, NULL));
}
