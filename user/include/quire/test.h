/*
 * test.h: test programs that print KTAP.
 *
 * A test program is one file in user/tests: TEST(name) { ... } for each case, and no main.  The cases run
 * in the order of the file, all in one process; pytest finds them by reading the source, so TEST( must
 * begin a line.  A check that fails prints where and both values, and ends its case; from a thread of
 * quire_thread_create it only marks the case as failed.
 *
 *     TEST(wait_times_out)
 *     {
 *         handle_t port;
 *
 *         CHECK_OK(sys_port_create(0, &port));
 *         CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
 *     }
 *
 * CHECK_STATUS on a system call also tells test/statuses.py that this status of the call is covered;
 * COVERS("call", STATUS, ...) tells it so where the call is made in another way.
 *
 * A comment that begins with `Machine:` says what the program needs, for instance
 * `Machine: cpus=4 memory=256M`; the names are the parameters of Machine in test/quire/machine.py.
 */
#pragma once

#include <quire.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define TEST(test_name)                                                                      \
    static void test_##test_name(void);                                                      \
    static const struct test_case test_case_##test_name                                      \
        __attribute__((section("quire_tests"), used, no_reorder, aligned(8))) = { #test_name, test_##test_name }; \
    static void test_##test_name(void)

/* Read by test/statuses.py alone. */
#define COVERS(call, ...) _Static_assert(1, call)

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition))                                                                    \
            test_failed(__FILE__, __LINE__, "%s", #condition);                               \
    } while (0)

/* Both sides as 64-bit integers. */
#define CHECK_EQ(actual, expected)                                                           \
    do {                                                                                     \
        int64_t actual_ = (int64_t)(actual), expected_ = (int64_t)(expected);                \
        if (actual_ != expected_)                                                            \
            test_failed(__FILE__, __LINE__, "%s is %lld (%#llx), expected %lld (%#llx)",     \
                        #actual, (long long)actual_, (long long)actual_,                     \
                        (long long)expected_, (long long)expected_);                         \
    } while (0)

#define CHECK_STATUS(expression, expected)                                                   \
    do {                                                                                     \
        status_t status_ = (status_t)(expression), expected_ = (expected);                   \
        if (status_ != expected_)                                                            \
            test_failed(__FILE__, __LINE__, "%s is %s, expected %s", #expression,            \
                        status_name(status_), status_name(expected_));                       \
    } while (0)

#define CHECK_OK(expression) CHECK_STATUS(expression, OK)

/* Record a failure; ends the case when the case's own thread calls it. */
void test_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* End the case as skipped (this machine has no disk, ...).  From the case's own thread only. */
void test_skip(const char *reason) __attribute__((noreturn));
/* The arguments of the program, for cases that start their own program again as a helper. */
extern int test_argument_count;
extern char **test_arguments;
/*
 * A helper's main: defined by a test program that starts itself again with arguments; called in place of
 * the cases when there are any.  Its value is the exit code.
 */
int test_helper(int argument_count, char **arguments) __attribute__((weak));
