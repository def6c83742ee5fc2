/*
 * t_handle.c: handles: closing, duplicating, replacing, their rights and their limits.
 *
 * Machine: cpus=4
 */
#include "common.h"

#include <sys/wait.h>
#include <unistd.h>

static info_handle_basic_t basic(handle_t handle)
{
    info_handle_basic_t info = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    return info;
}

/* A system call by number. */
static int64_t call_number(uint64_t number)
{
    register uint64_t t0 __asm__("t0") = number;
    register uint64_t a0 __asm__("a0") = 0;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(t0) : "memory");
    return (int64_t)a0;
}

TEST(unknown_system_calls_are_refused)
{
    CHECK_STATUS(call_number(0x7777), ERR_BAD_SYSCALL);
    CHECK_STATUS(call_number(0x0f), ERR_BAD_SYSCALL);
    CHECK_STATUS(call_number(UINT64_MAX), ERR_BAD_SYSCALL);
    CHECK_STATUS(call_number(1ull << 32), ERR_BAD_SYSCALL);
}

TEST(close_refuses_what_is_no_handle)
{
    CHECK_STATUS(sys_handle_close(HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_close(0xffffffff), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_close(12345678), ERR_BAD_HANDLE);
}

TEST(a_closed_handle_is_refused)
{
    handle_t event = new_event();

    CHECK_OK(sys_handle_close(event));
    CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_signal(event, 0, SIGNAL_USER_0), ERR_BAD_HANDLE);
}

TEST(stale_values_stay_refused_when_the_entry_is_used_again)
{
    enum { VALUES = 1000 };
    static handle_t old[VALUES];

    for (int i = 0; i < VALUES; i++) {
        old[i] = new_event();
        CHECK_OK(sys_handle_close(old[i]));
    }
    handle_t last = new_event();
    for (int i = 0; i < VALUES; i++) {
        CHECK(old[i] != last);
        CHECK_STATUS(sys_handle_close(old[i]), ERR_BAD_HANDLE);
    }
    CHECK_OK(sys_object_signal(last, 0, SIGNAL_USER_0));
    CHECK_OK(sys_handle_close(last));
}

TEST(duplicate_names_the_same_object)
{
    handle_t event = new_event(), second;

    CHECK_OK(sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &second));
    CHECK(second != event);
    CHECK_EQ(basic(second).koid, basic(event).koid);
    CHECK_EQ(basic(second).rights, basic(event).rights);
    CHECK_EQ(basic(second).type, OBJECT_EVENT);

    CHECK_OK(sys_object_signal(second, 0, SIGNAL_USER_1));
    CHECK_OK(sys_handle_close(second));
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_1, 0, NULL));
    CHECK_OK(sys_handle_close(event));
}

TEST(duplicate_narrows_rights_and_never_widens_them)
{
    handle_t event = new_event(), narrow, out = 77;

    CHECK_OK(sys_handle_duplicate(event, RIGHT_WAIT | RIGHT_DUPLICATE, &narrow));
    CHECK_EQ(basic(narrow).rights, RIGHT_WAIT | RIGHT_DUPLICATE);
    CHECK_STATUS(sys_object_signal(narrow, 0, SIGNAL_USER_0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_handle_duplicate(narrow, RIGHT_WAIT | RIGHT_WRITE, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_handle_duplicate(narrow, 0xffffffff, &out), ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_OK(sys_handle_duplicate(narrow, RIGHT_NONE, &out));
    CHECK_EQ(basic(out).rights, RIGHT_NONE);
    CHECK_OK(sys_handle_close(out));
    CHECK_OK(sys_handle_close(narrow));
    CHECK_OK(sys_handle_close(event));
}

TEST(duplicate_refusals_change_nothing)
{
    handle_t event = new_event(), out = 77;
    uint32_t before = open_handles();

    CHECK_STATUS(sys_handle_duplicate(HANDLE_INVALID, RIGHT_SAME_RIGHTS, &out), ERR_BAD_HANDLE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    event = with_rights(event, RIGHT_WAIT | RIGHT_INSPECT);
    CHECK_STATUS(sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &out), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_handle_duplicate(event, 0xffff, &out), ERR_ACCESS_DENIED);
    CHECK_EQ(out, 77);
    CHECK_EQ(open_handles(), before);
    CHECK_OK(sys_handle_close(event));
}

TEST(replace_exchanges_the_handle)
{
    handle_t event = new_event(), out;
    uint64_t koid = basic(event).koid;
    uint32_t before = open_handles();

    CHECK_OK(sys_handle_replace(event, RIGHT_WAIT, &out));
    CHECK_EQ(basic(out).koid, koid);
    CHECK_EQ(basic(out).rights, RIGHT_WAIT);
    CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    CHECK_EQ(open_handles(), before);
    CHECK_OK(sys_handle_close(out));
}

TEST(replace_closes_the_old_handle_also_when_it_fails)
{
    handle_t event = new_event(), out = 77;
    uint32_t before = open_handles();

    CHECK_STATUS(sys_handle_replace(0x12345, RIGHT_SAME_RIGHTS, &out), ERR_BAD_HANDLE);
    CHECK_EQ(open_handles(), before);
    CHECK_STATUS(sys_handle_replace(event, RIGHT_EXECUTE, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        event = new_event();
        CHECK_STATUS(sys_handle_replace(event, RIGHT_SAME_RIGHTS, bad_pointer(i)),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    }
    CHECK_EQ(out, 77);
    CHECK_EQ(open_handles(), before - 1);
}

/* Two handles are one end: the peer is told when both are closed. */
TEST(channel_ends_can_be_duplicated)
{
    handle_t a, b, copy;

    CHECK_OK(sys_channel_create(0, &a, &b));
    CHECK_OK(sys_handle_duplicate(a, RIGHT_SAME_RIGHTS, &copy));
    CHECK_OK(sys_handle_close(a));
    CHECK_OK(sys_channel_write(copy, 0, "x", 1, NULL, 0));
    CHECK_OK(sys_object_wait_one(b, SIGNAL_READABLE, 0, NULL));
    CHECK_STATUS(sys_object_wait_one(b, SIGNAL_PEER_CLOSED, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(copy));
    CHECK_OK(sys_object_wait_one(b, SIGNAL_PEER_CLOSED, 0, NULL));
    CHECK_OK(sys_handle_close(b));
}

TEST(a_full_table_refuses_and_recovers)
{
    enum { LIMIT = 16384 };
    static handle_t copies[LIMIT];
    handle_t event = new_event(), a = 7, b = 7;
    uint32_t count = 0;
    status_t status;

    while ((status = sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &copies[count])) == OK)
        CHECK(++count < LIMIT);
    CHECK_STATUS(status, ERR_NO_RESOURCES);
    CHECK_EQ(open_handles(), LIMIT);

    CHECK_STATUS(sys_event_create(0, &a), ERR_NO_RESOURCES);
    CHECK_STATUS(sys_channel_create(0, &a, &b), ERR_NO_RESOURCES);
    CHECK_EQ(a, 7);
    CHECK_OK(sys_handle_close(copies[--count]));
    CHECK_STATUS(sys_channel_create(0, &a, &b),
                 ERR_NO_RESOURCES);      /* room for one of the two */
    CHECK_EQ(open_handles(), LIMIT - 1);
    CHECK_OK(sys_event_create(0, &a));
    CHECK_OK(sys_handle_close(a));

    while (count > 0)
        CHECK_OK(sys_handle_close(copies[--count]));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_channel_create(0, &a, &b));
    CHECK_OK(sys_handle_close(a));
    CHECK_OK(sys_handle_close(b));
}

/* --- Several threads use the table at once. --- */

static atomic_uint wrong;

static void churn(void *argument)
{
    (void)argument;
    for (int i = 0; i < 3000; i++) {
        handle_t event, copy;
        info_handle_basic_t first, second;

        if (sys_event_create(0, &event) != OK ||
            sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &copy) != OK ||
            sys_object_get_info(event, INFO_HANDLE_BASIC, &first, sizeof first, NULL, NULL) != OK ||
            sys_object_get_info(copy, INFO_HANDLE_BASIC, &second, sizeof second, NULL,
                                NULL) != OK ||
            first.koid != second.koid || sys_handle_close(event) != OK ||
            sys_handle_close(event) == OK || sys_handle_close(copy) != OK)
            wrong++;
    }
}

TEST(threads_do_not_disturb_each_others_handles)
{
    handle_t threads[4];

    wrong = 0;
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_OK(quire_thread_create(churn, NULL, &threads[i]));
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_OK(quire_thread_join(threads[i]));
    CHECK_EQ(wrong, 0);
}

/* Each handle is closed by exactly one of the threads that try. */
static handle_t contested[500];
static atomic_uint closed;
static atomic_uint runners;

static void close_all(void *argument)
{
    (void)argument;
    runners++;
    while (runners < 4)
        ;
    for (unsigned i = 0; i < array_size(contested); i++) {
        if (sys_handle_close(contested[i]) == OK)
            closed++;
    }
}

TEST(a_handle_is_closed_once)
{
    handle_t threads[4];

    closed = runners = 0;
    for (unsigned i = 0; i < array_size(contested); i++)
        contested[i] = new_event();
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_OK(quire_thread_create(close_all, NULL, &threads[i]));
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_OK(quire_thread_join(threads[i]));
    CHECK_EQ(closed, array_size(contested));
}

static int close_others(void)
{
    handle_t kept = new_event(), console = console_handle();

    if (sys_handle_close_others(HANDLE_INVALID) != ERR_BAD_HANDLE ||
        basic(console).type != OBJECT_CONSOLE)
        return 1;
    if (sys_handle_close_others(kept) != OK || open_handles() != UINT32_MAX)
        return 2;
    if (sys_handle_close(console) != ERR_BAD_HANDLE || sys_handle_close(kept) != OK)
        return 3;
    return sys_event_create(0, &kept) == OK ? 42 : 4;
}

COVERS("handle_close_others", BAD_HANDLE);

/* In a copy of this process, which can do nothing any more afterwards but make handles anew. */
TEST(all_handles_but_one)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(close_others());
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 42);
}

TEST(nothing_is_left)
{
    CHECK(open_handles() <= handles_at_start + 1);      /* the port of children's ends */
}
