/*
 * syscalls.h: prototypes of all system calls as the kernel sees them, from abi/syscalls.def.
 */
#pragma once

#include "abi/arguments.h"
#include "lib/types.h"

#define IN(T)  uaddr_t
#define OUT(T) uaddr_t
#define SYSCALL(number, result, name, doc, statuses, count, ...) \
    result sys_##name(PARAMETERS(count, ##__VA_ARGS__));
#include "abi/syscalls.def"
#undef SYSCALL
#undef IN
#undef OUT
