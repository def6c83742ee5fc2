/*
 * t_copy_handles.c: processes that begin with a copy of their maker's handles.
 *
 * The copy is looked at through a process that closes one handle, or sends a signal through one, and
 * exits with the status that it got.
 *
 * Machine: cpus=4
 */
#include "memory.h"
#include "tiny.h"

/* The code, as data.  a1: a handle value. */
__asm__(".section .rodata.copied, \"a\", @progbits\n"
        ".balign 8\n"
        ".option push\n"
        ".option norelax\n"
        "copied_begin:\n"
        "copied_close:\n"                       /* exits with what closing a1 gives */
        "    mv a0, a1\n"
        "    li t0, 0\n"
        "    ecall\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "copied_signal:\n"                      /* sets USER_0 on a1, exits with the status */
        "    mv a0, a1\n"
        "    li a1, 0\n"
        "    lui a2, 0x1000\n"
        "    li t0, 5\n"
        "    ecall\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "copied_end:\n"
        ".option pop\n"
        ".text\n");

extern const char copied_begin[], copied_end[], copied_close[], copied_signal[];

static handle_t copying_process(void)
{
    handle_t process = HANDLE_INVALID;

    CHECK_OK(sys_process_create("copy", 4, PROCESS_COPY_HANDLES, &process));
    return process;
}

/* Let the process run one of the routines above with the value: its exit code. */
static int64_t run_in(handle_t process, const char *routine, handle_t value)
{
    struct tiny tiny = { .process = process };
    handle_t code = new_vmo(1);
    uintptr_t at;

    CHECK_OK(sys_thread_create(process, "main", 4, 0, &tiny.thread));
    CHECK_OK(sys_vmo_write(code, 0, copied_begin, 0, copied_end - copied_begin));
    CHECK_OK(sys_vm_map(process, VM_READ | VM_EXECUTE | VM_FIXED, USER_BASE, code, 0, PAGE_SIZE, &at));
    CHECK_OK(sys_handle_close(code));
    CHECK_OK(sys_process_start(process, tiny.thread, USER_BASE + (uintptr_t)(routine - copied_begin),
                               TINY_STACK, HANDLE_INVALID, value));
    return tiny_end_of(tiny).exit_code;
}

static uint32_t share_count(handle_t vmo)
{
    return vmo_info(vmo).share_count;
}

TEST(handles_that_may_be_duplicated_are_copied)
{
    handle_t process = copying_process();
    uint32_t copies = process_info(process).num_handles;

    CHECK_OK(sys_handle_close(process));
    handle_t vmo = new_vmo(1), single = with_rights(new_vmo(1), RIGHT_READ | RIGHT_INSPECT);
    uint32_t own = open_handles();

    process = copying_process();
    CHECK(copies > 0 && copies < own);
    CHECK_EQ(process_info(process).num_handles, copies + 1);
    CHECK_EQ(share_count(vmo), 2);
    CHECK_EQ(share_count(single), 1);
    CHECK(!process_info(process).started);
    CHECK_OK(sys_handle_close(process));
    CHECK_EQ(share_count(vmo), 1);
    CHECK_EQ(open_handles(), own);
    CHECK_OK(sys_handle_close(single));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_copy_has_the_same_value_and_object)
{
    handle_t event = new_event();
    signals_t observed = 0;

    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, 0, NULL), ERR_TIMED_OUT);
    CHECK_STATUS(run_in(copying_process(), copied_signal, event), OK);
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_0, 0, &observed));
    CHECK(observed & SIGNAL_USER_0);
    CHECK_OK(sys_handle_close(event));
}

TEST(a_copy_has_the_same_rights)
{
    handle_t event = with_rights(new_event(), RIGHT_DUPLICATE | RIGHT_WAIT);

    CHECK_STATUS(run_in(copying_process(), copied_signal, event), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(event));
}

TEST(closing_the_copy_leaves_the_original)
{
    handle_t event = new_event();

    CHECK_STATUS(run_in(copying_process(), copied_close, event), OK);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_1));
    CHECK_OK(sys_handle_close(event));
}

TEST(what_was_not_copied_is_refused)
{
    handle_t single = with_rights(new_event(), RIGHT_WRITE | RIGHT_WAIT), stale = new_event();

    CHECK_OK(sys_handle_close(stale));
    CHECK_STATUS(run_in(copying_process(), copied_signal, single), ERR_BAD_HANDLE);
    CHECK_STATUS(run_in(copying_process(), copied_close, single), ERR_BAD_HANDLE);
    CHECK_STATUS(run_in(copying_process(), copied_signal, stale), ERR_BAD_HANDLE);
    CHECK_OK(sys_handle_close(single));
}

/* What the maker closes afterwards lives on through the copy. */
TEST(a_copy_keeps_its_object)
{
    handle_t a, b, process;

    CHECK_OK(sys_pipe_create(0, &a, &b));
    process = copying_process();
    CHECK_OK(sys_handle_close(b));
    CHECK_STATUS(sys_object_wait_one(a, SIGNAL_PEER_CLOSED, 0, NULL), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(process));
    CHECK_OK(sys_object_wait_one(a, SIGNAL_PEER_CLOSED, 0, NULL));
    CHECK_OK(sys_handle_close(a));
}

TEST(new_handles_do_not_take_copied_values)
{
    enum { MANY = 300 };                        /* more than one chunk of a table */
    static handle_t events[MANY];

    for (int i = 0; i < MANY; i++)
        events[i] = new_event();
    for (int i = 0; i < MANY; i += 3)
        CHECK_OK(sys_handle_close(events[i]));
    handle_t process = copying_process();
    struct tiny tiny = { .process = process };
    handle_t code = new_vmo(1), given = new_event();
    uint32_t copies = process_info(process).num_handles;
    uintptr_t at;

    /* The event that is given must not meet any copy: all of them are still there afterwards. */
    CHECK_OK(sys_thread_create(process, "main", 4, 0, &tiny.thread));
    CHECK_OK(sys_vmo_write(code, 0, tiny_begin, 0, tiny_end - tiny_begin));
    CHECK_OK(sys_vm_map(process, VM_READ | VM_EXECUTE | VM_FIXED, USER_BASE, code, 0, PAGE_SIZE, &at));
    CHECK_OK(sys_process_start(process, tiny.thread, tiny_entry(tiny_sleep), TINY_STACK, given, 0));
    CHECK_EQ(process_info(process).num_handles, copies + 1);
    CHECK_OK(sys_task_kill(process));
    CHECK_EQ(tiny_end_of(tiny).num_handles, 0);
    for (int i = 0; i < MANY; i++)
        if (i % 3)
            CHECK_OK(sys_handle_close(events[i]));
    CHECK_OK(sys_handle_close(code));
}

TEST(refusals_copy_nothing)
{
    handle_t vmo = new_vmo(1), out = 77;

    CHECK_STATUS(sys_process_create("x", 1, PROCESS_COPY_HANDLES | 2, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_process_create("x", NAME_MAX_LENGTH + 1, PROCESS_COPY_HANDLES, &out),
                 ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_process_create("x", 1, PROCESS_COPY_HANDLES, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_EQ(share_count(vmo), 1);
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Copies while other threads open, close and move handles. --- */

static atomic_bool stop;

static void churn(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        handle_t mine[8], a, b;

        for (int i = 0; i < 8; i++)
            mine[i] = new_event();
        CHECK_OK(sys_channel_create(0, &a, &b));
        CHECK_OK(sys_channel_write(a, 0, "x", 1, mine, 8));
        CHECK_OK(sys_handle_close(b));
        CHECK_OK(sys_handle_close(a));
    }
}

TEST(copies_while_handles_come_and_go)
{
    uint64_t before = system_info().objects[OBJECT_EVENT];
    uint32_t own = open_handles();
    int64_t end = after(SECOND);
    handle_t threads[2];

    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        CHECK_OK(quire_thread_create(churn, NULL, &threads[i]));
    for (int round = 0; round < 1000 && sys_clock_get() < end; round++) {
        handle_t process = copying_process();

        if (round % 2)
            CHECK_OK(sys_task_kill(process));
        CHECK_OK(sys_handle_close(process));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        CHECK_OK(quire_thread_join(threads[i]));
    CHECK(objects_come_down_to(OBJECT_EVENT, before));
    CHECK_EQ(open_handles(), own);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
