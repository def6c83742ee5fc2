/*
 * toucher.h: a process that accesses a VMO mapped into it, and ends: how it ends tells what the
 * access met.
 */
#pragma once

#include "memory.h"
#include "tiny.h"

/* The code, as data.  a1: the address to access. */
__asm__(".section .rodata.toucher, \"a\", @progbits\n"
        ".balign 8\n"
        ".option push\n"
        ".option norelax\n"
        "toucher_begin:\n"
        "toucher_load:\n" /* exits with the byte there */
        "    lbu a0, 0(a1)\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "toucher_store:\n" /* stores 90, exits with 1 */
        "    li a0, 90\n"
        "    sb a0, 0(a1)\n"
        "    li a0, 1\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "toucher_call:\n" /* calls what is there, exits with its result */
        "    jalr a1\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "toucher_watch:\n" /* exits with the byte there as soon as it is not 0 */
        "    lbu a0, 0(a1)\n"
        "    beqz a0, toucher_watch\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "toucher_count:\n" /* counts there for ever */
        "    lw a0, 0(a1)\n"
        "    addi a0, a0, 1\n"
        "    sw a0, 0(a1)\n"
        "    j toucher_count\n"
        "toucher_end:\n"
        ".option pop\n"
        ".text\n");

extern const char toucher_begin[], toucher_end[];
extern const char toucher_load[], toucher_store[], toucher_call[], toucher_watch[], toucher_count[];

#define TOUCHER_CODE   (USER_BASE + 16 * PAGE_SIZE)
#define TOUCHER_WINDOW (USER_BASE + 256 * PAGE_SIZE)    /* where it has the VMO */

/* Not started.  It has the first `length` bytes of the VMO. */
static inline struct tiny toucher_create(handle_t vmo, uint32_t options, uint64_t length)
{
    struct tiny toucher = tiny_create();
    handle_t code = new_vmo(1);
    uintptr_t at;

    CHECK_OK(sys_vmo_write(code, 0, toucher_begin, 0, toucher_end - toucher_begin));
    CHECK_OK(sys_vm_map(toucher.process, VM_READ | VM_EXECUTE | VM_FIXED, TOUCHER_CODE, code, 0,
                        PAGE_SIZE, &at));
    CHECK_OK(sys_handle_close(code));
    CHECK_OK(sys_vm_map(toucher.process, options | VM_FIXED, TOUCHER_WINDOW, vmo, 0, length, &at));
    return toucher;
}

static inline void toucher_start(struct tiny toucher, const char *routine, uint64_t offset)
{
    CHECK_OK(sys_process_start(toucher.process, toucher.thread,
                               TOUCHER_CODE + (routine - toucher_begin), TINY_STACK, HANDLE_INVALID,
                               TOUCHER_WINDOW + offset));
}

/* How it ended: its exit code, EXIT_CODE_FAULT if the access was refused. */
static inline int64_t toucher_result(struct tiny toucher)
{
    return tiny_end_of(toucher).exit_code;
}

static inline int64_t touch(handle_t vmo, uint32_t options, uint64_t length, const char *routine,
                            uint64_t offset)
{
    struct tiny toucher = toucher_create(vmo, options, length);

    toucher_start(toucher, routine, offset);
    return toucher_result(toucher);
}
