/*
 * stubs.c: the system calls as C functions, expanded from abi/syscalls.def.
 *
 * A call's arguments are in a0..a7 by the C calling convention already, which is where the kernel
 * wants them: a stub only says which call it is.  Each is a section of its own, so the linker keeps
 * those in use.
 */
#define SYSCALL(number, result, name, ...)                              \
    __asm__(".section .text.sys_" #name ", \"ax\", @progbits\n"         \
            ".globl sys_" #name "\n"                                    \
            ".type sys_" #name ", @function\n"                          \
            "sys_" #name ":\n"                                          \
            "    li t0, " #number "\n"                                  \
            "    ecall\n"                                               \
            "    ret\n"                                                 \
            ".size sys_" #name ", . - sys_" #name "\n"                  \
            ".text\n");
#include "abi/syscalls.def"
