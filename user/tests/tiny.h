/*
 * tiny.h: processes of a few instructions, made by hand: one page of code and nothing else.
 */
#pragma once

#include "common.h"

/* The code, as data; copied into the process at USER_BASE.  a0: a handle, a1: a number. */
__asm__(".section .rodata.tiny, \"a\", @progbits\n"
        ".balign 8\n"
        ".option push\n"
        ".option norelax\n"
        "tiny_begin:\n"
        "tiny_exit:\n"                          /* exits with code a1 */
        "    mv a0, a1\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "tiny_thread_exit:\n"
        "    li t0, 0x16\n"
        "    ecall\n"
        "tiny_spin:\n"                          /* for ever in user mode */
        "    j tiny_spin\n"
        "tiny_sleep:\n"                         /* for ever in the kernel */
        "    li a0, -1\n"
        "    srli a0, a0, 1\n"
        "    li t0, 0x1b\n"
        "    ecall\n"
        "    j tiny_sleep\n"
        "tiny_call:\n"                          /* for ever in and out of the kernel */
        "    li t0, 0x19\n"
        "    ecall\n"
        "    j tiny_call\n"
        "tiny_end:\n"
        ".option pop\n"
        ".text\n");

extern const char tiny_begin[], tiny_end[];
extern const char tiny_exit[], tiny_thread_exit[], tiny_spin[], tiny_sleep[], tiny_call[];

struct tiny {
    handle_t process, thread;
};

static inline uintptr_t tiny_entry(const char *routine)
{
    return USER_BASE + (uintptr_t)(routine - tiny_begin);
}

#define TINY_STACK (USER_BASE + PAGE_SIZE)

/* A process with the code and a first thread, not started. */
static inline struct tiny tiny_create(void)
{
    struct tiny tiny;
    handle_t code;
    uintptr_t at;

    CHECK_OK(sys_process_create("tiny", 4, 0, &tiny.process));
    CHECK_OK(sys_thread_create(tiny.process, "main", 4, 0, &tiny.thread));
    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &code));
    CHECK_OK(sys_vmo_write(code, 0, tiny_begin, 0, tiny_end - tiny_begin));
    CHECK_OK(sys_vm_map(tiny.process, VM_READ | VM_EXECUTE | VM_FIXED, USER_BASE, code, 0,
                        PAGE_SIZE, &at));
    CHECK_OK(sys_handle_close(code));
    return tiny;
}

static inline struct tiny tiny_start(const char *routine, uint64_t number)
{
    struct tiny tiny = tiny_create();

    CHECK_OK(sys_process_start(tiny.process, tiny.thread, tiny_entry(routine), TINY_STACK,
                               HANDLE_INVALID, number));
    return tiny;
}

static inline info_process_t process_info(handle_t process)
{
    info_process_t info = { 0 };

    CHECK_OK(sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL));
    return info;
}

/* Wait for the end, close both handles: how it ended. */
static inline info_process_t tiny_end_of(struct tiny tiny)
{
    CHECK_OK(sys_object_wait_one(tiny.process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    info_process_t info = process_info(tiny.process);
    CHECK_OK(sys_handle_close(tiny.process));
    wait_for_end(tiny.thread);
    return info;
}
