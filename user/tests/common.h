/*
 * common.h: what several test programs need: pointers that must be refused, threads that may be
 * killed, helpers that are this program again, conditions to wait for, and a count of what a
 * program holds.
 */
#pragma once

#include <quire/test.h>

#include <stdatomic.h>
#include <string.h>

#define SECOND   1000000000ll
#define PATIENCE (60 * SECOND)          /* for what a correct kernel does at once */
#define array_size(array) (sizeof(array) / sizeof((array)[0]))

static inline int64_t after(int64_t nanoseconds)
{
    return sys_clock_get() + nanoseconds;
}

/* Ask until the answer is yes; false if it still is no at the limit. */
static inline bool comes_true_within(int64_t limit, bool (*condition)(void *), void *argument)
{
    int64_t end = after(limit);

    while (!condition(argument)) {
        if (sys_clock_get() > end)
            return false;
        sys_nanosleep(0);
    }
    return true;
}

static inline bool comes_true(bool (*condition)(void *), void *argument)
{
    return comes_true_within(PATIENCE, condition, argument);
}

/* --- Pointers that a system call must refuse. --- */

#define EDGE_PAGE 0x2000000000ul        /* far from where the kernel puts mappings by itself */

/* The end of a page behind which nothing is mapped. */
static inline char *edge(void)
{
    static bool mapped;
    uintptr_t at;
    handle_t vmo;

    if (!mapped) {
        CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
        CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_WRITE | VM_FIXED, EDGE_PAGE, vmo, 0,
                            PAGE_SIZE, &at));
        CHECK_OK(sys_handle_close(vmo));
        mapped = true;
    }
    return (char *)EDGE_PAGE + PAGE_SIZE;
}

enum { BAD_NULL, BAD_INPUTS = 6, BAD_OUTPUTS = 7 };

/*
 * Pointers behind which no four bytes can be written; all but the last cannot be read either.  The
 * first is null.
 */
static inline void *bad_pointer(unsigned number)
{
    static const uint64_t read_only[8];
    void *const pointers[BAD_OUTPUTS] = {
        NULL,                           /* below user memory */
        (void *)0xffffffc080200000ul,   /* the kernel */
        (void *)USER_TOP,               /* just behind user memory */
        (void *)(UINTPTR_MAX - 1),      /* adding the size overflows */
        edge(),                         /* nothing there */
        edge() - 2,                     /* crosses into where nothing is */
        (void *)read_only,
    };

    return pointers[number];
}

/* --- Threads that may be killed at any moment: their stacks are static, they hold nothing. --- */

struct raw_thread {
    handle_t handle;
    char stack[16384] __attribute__((aligned(16)));
};

/*
 * a0: argument, a1: function.  There is no thread-local storage: the function must stay away from
 * the C library.
 */
__attribute__((naked, unused)) static void raw_thread_entry(void)
{
    __asm__(".option push\n"
            ".option norelax\n"
            "la gp, __global_pointer$\n"
            ".option pop\n"
            "mv tp, zero\n"
            "jalr a1\n"
            "call sys_thread_exit\n");
}

static inline void raw_thread_start(struct raw_thread *thread, void (*function)(void *),
                                    void *argument)
{
    CHECK_OK(sys_thread_create(process_self(), "raw", 3, 0, &thread->handle));
    CHECK_OK(sys_thread_start(thread->handle, (uintptr_t)raw_thread_entry,
                              (uintptr_t)thread->stack + sizeof thread->stack, (uintptr_t)argument,
                              (uintptr_t)function));
}

/* Wait for the end of a thread or process and close the handle. */
static inline void wait_for_end(handle_t task)
{
    CHECK_OK(sys_object_wait_one(task, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_OK(sys_handle_close(task));
}

static inline uint32_t thread_state(handle_t thread)
{
    info_thread_t info;

    CHECK_OK(sys_object_get_info(thread, INFO_THREAD, &info, sizeof info, NULL, NULL));
    return info.state;
}

static inline bool is_asleep(void *thread)
{
    uint32_t state = thread_state(*(handle_t *)thread);

    return state == THREAD_BLOCKED || state == THREAD_BLOCKED_PAGER;
}

static inline void wait_until_asleep(handle_t thread)
{
    CHECK(comes_true(is_asleep, &thread));
}

/* Kill a thread that sleeps in a call, and see it die. */
static inline void kill_asleep(struct raw_thread *thread)
{
    wait_until_asleep(thread->handle);
    CHECK_OK(sys_task_kill(thread->handle));
    wait_for_end(thread->handle);
}

/* --- This program again, as a helper: test_helper() runs there with `mode` in arguments[1]. --- */

/*
 * `given` moves into the helper, which finds it as start_handle(START_USER); HANDLE_INVALID:
 * nothing is given.
 */
static inline handle_t start_helper(const char *mode, handle_t given)
{
    const char *const arguments[] = { test_arguments[0], mode, NULL };
    const struct spawn_handle handle = { given, START_USER };
    handle_t image, process;

    CHECK_OK(program_open(test_arguments[0], &image));
    struct spawn_arguments spawning = {
        .image = image, .arguments = arguments, .handles = &handle,
        .handle_count = given != HANDLE_INVALID,
    };
    status_t status = spawn(&spawning, &process);
    CHECK_OK(sys_handle_close(image));
    CHECK_OK(status);
    return process;
}

static inline int64_t exit_code_of(handle_t process)
{
    int64_t code = 0;

    CHECK_OK(process_wait(process, &code));
    return code;
}

/* --- What the program holds. --- */

static inline uint32_t open_handles(void)
{
    info_process_t info = { .num_handles = UINT32_MAX };

    sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL);
    return info.num_handles;
}

static uint32_t handles_at_start;

__attribute__((constructor)) static void count_handles_at_start(void)
{
    handles_at_start = open_handles();
}

/* For the last case of a program: the others left nothing behind. */
static inline void check_nothing_is_left(void)
{
    CHECK_EQ(open_handles(), handles_at_start);
}

/* --- Objects. --- */

/* The same object with these rights; `handle` is used up. */
static inline handle_t with_rights(handle_t handle, rights_t rights)
{
    handle_t narrowed = HANDLE_INVALID;

    CHECK_OK(sys_handle_replace(handle, rights, &narrowed));
    return narrowed;
}

static inline handle_t new_event(void)
{
    handle_t event = HANDLE_INVALID;

    CHECK_OK(sys_event_create(0, &event));
    return event;
}

static inline handle_t new_port(void)
{
    handle_t port = HANDLE_INVALID;

    CHECK_OK(sys_port_create(0, &port));
    return port;
}
