/*
 * t_console.c: the console and the system object.
 */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct raw_thread thread;
static handle_t console;
static atomic_bool started;

/* --- The console. --- */

TEST(write_refusals_print_nothing)
{
    handle_t event = new_event(), weak;

    CHECK_STATUS(sys_console_write(HANDLE_INVALID, "refused\n", 8), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_console_write(event, "refused\n", 8), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(console_handle(), RIGHT_READ, &weak));
    CHECK_STATUS(sys_console_write(weak, "refused\n", 8), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_console_write(console_handle(), bad_pointer(i), 4), ERR_INVALID_ARGS);
    CHECK_OK(sys_console_write(console_handle(), NULL, 0));
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

TEST(read_refusals_take_nothing)
{
    handle_t event = new_event(), weak;
    size_t actual = 77;
    char bytes[4];

    CHECK_STATUS(sys_console_read(HANDLE_INVALID, bytes, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_console_read(event, bytes, 4, &actual), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(console_handle(), RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_console_read(weak, bytes, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_EQ(actual, 77);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_console_read(console_handle(), bad_pointer(i), 4, &actual),
                     ERR_INVALID_ARGS);
        if (i != BAD_NULL)
            CHECK_STATUS(sys_console_read(console_handle(), bytes, 4, bad_pointer(i)),
                         ERR_INVALID_ARGS);
    }
    CHECK_OK(sys_console_read(console_handle(), bytes, 0, &actual));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
}

static void read_console(void *argument)
{
    char byte;
    size_t actual;

    (void)argument;
    sys_console_read(console, &byte, 1, &actual);
}

TEST(killed_in_console_read)
{
    COVERS("console_read",
           CANCELED);           /* ends the call of a thread that is killed: it dies there */
    console = console_handle();
    if (sys_object_wait_one(console, SIGNAL_READABLE, 0, NULL) == OK)
        test_skip("there is typed input, which the shell shall have");
    raw_thread_start(&thread, read_console, NULL);
    kill_asleep(&thread);
}

/* Lines that KTAP ignores, more than the console's queue holds. */
static char comments[12288];

static void write_console(void *argument)
{
    (void)argument;
    started = true;
    sys_console_write(console, comments, sizeof comments);
}

TEST(killed_in_console_write)
{
    COVERS("console_write",
           CANCELED);          /* likewise, if the kill finds it waiting for room */
    memset(comments, '#', sizeof comments);
    for (size_t i = 63; i < sizeof comments; i += 64)
        comments[i] = '\n';
    console = console_handle();
    started = false;
    raw_thread_start(&thread, write_console, NULL);
    while (!started)
        sys_nanosleep(0);
    CHECK_OK(sys_task_kill(thread.handle));
    wait_for_end(thread.handle);
    printf("\n");
    CHECK_EQ(fflush(stdout), 0);
}

static void nothing(int number)
{
    (void)number;
}

/* `tests/t_console line`: a line that is read while signals end the reading again and again. */
static int read_a_line(void)
{
    struct sigaction action = { .sa_handler = nothing };
    char line[64] = "";
    pid_t self = getpid();

    sigaction(SIGUSR1, &action, NULL);
    pid_t pid = fork();

    while (pid == 0) {
        sys_nanosleep(after(20000000));
        kill(self, SIGUSR1);
    }
    while (read(STDIN_FILENO, line, sizeof line - 1) < 0)
        if (errno == EINTR)
            write(STDERR_FILENO, "~", 1);
    kill(pid, SIGKILL);
    printf("got %s", line);
    return 0;
}

/* `tests/t_console interrupt`: wait for ^C without reading, then read it.  test_console.py types. */
int test_helper(int argument_count, char **arguments)
{
    if (argument_count > 1 && strcmp(arguments[1], "line") == 0)
        return read_a_line();
    char typed = 0;
    size_t actual = 0;

    sys_object_signal(console_handle(), SIGNAL_USER_0, 0);
    printf("type\n");
    fflush(stdout);
    if (sys_object_wait_one(console_handle(), SIGNAL_USER_0, after(PATIENCE), NULL) != OK)
        return 1;
    if (sys_object_wait_one(console_handle(), SIGNAL_READABLE, after(PATIENCE), NULL) != OK)
        return 2;
    while (typed != 3)
        if (sys_console_read(console_handle(), &typed, 1, &actual) != OK)
            return 3;
    if (sys_object_wait_one(console_handle(), SIGNAL_USER_0, 0, NULL) != OK)
        return 4;
    sys_object_signal(console_handle(), SIGNAL_USER_0, 0);
    if (sys_object_wait_one(console_handle(), SIGNAL_USER_0, 0, NULL) != ERR_TIMED_OUT)
        return 5;
    printf("seen\n");
    return 0;
}

/* --- The system object. --- */

TEST(power_refusals_leave_the_machine_on)
{
    handle_t event = new_event(), weak;

    CHECK_STATUS(sys_system_power(HANDLE_INVALID, POWER_OFF, 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_system_power(event, POWER_OFF, 1), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_close(event));
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    CHECK_OK(sys_handle_duplicate(system_handle(), RIGHT_READ | RIGHT_WRITE | RIGHT_INSPECT,
                                  &weak));
    CHECK_STATUS(sys_system_power(weak, POWER_OFF, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_system_power(weak, POWER_REBOOT, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_system_power(system_handle(), 2, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_system_power(system_handle(), UINT32_MAX, 1), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(weak));
}

TEST(get_block_refusals)
{
    handle_t event = new_event(), weak, out = 77;

    CHECK_STATUS(sys_system_get_block(HANDLE_INVALID, 0, &out), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_system_get_block(event, 0, &out), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_close(event));
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    CHECK_OK(sys_handle_duplicate(system_handle(), RIGHT_INSPECT, &weak));
    CHECK_STATUS(sys_system_get_block(weak, 0, &out), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_STATUS(sys_system_get_block(system_handle(), 1000, &out), ERR_NOT_FOUND);
    CHECK_STATUS(sys_system_get_block(system_handle(), UINT32_MAX, &out), ERR_NOT_FOUND);
    CHECK_EQ(out, 77);
}

TEST(get_block_gives_write_only_to_who_has_it)
{
    handle_t weak, disk;
    info_handle_basic_t info;

    if (system_handle() == HANDLE_INVALID || sys_system_get_block(system_handle(), 0, &disk) != OK)
        test_skip("no system handle or no disk");
    CHECK_OK(sys_handle_close(disk));
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_system_get_block(system_handle(), 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_duplicate(system_handle(), RIGHT_READ, &weak));
    CHECK_OK(sys_system_get_block(weak, 0, &disk));
    CHECK_OK(sys_object_get_info(disk, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    CHECK_EQ(info.type, OBJECT_BLOCK);
    CHECK_EQ(info.rights & RIGHT_WRITE, 0);
    CHECK_OK(sys_handle_close(disk));
    CHECK_OK(sys_handle_close(weak));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
