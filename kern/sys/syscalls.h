/*
 * syscalls.h: prototypes of all system calls as the kernel sees them, from abi/syscalls.def.
 */
#pragma once

#include "abi/arguments.h"
#include "lib/types.h"

struct object;
struct process;
struct thread;
struct vmo;
struct port;
struct channel;
struct pipe;
struct stream;
struct pager;
struct block;

#define IN(T)     uaddr_t
#define OUT(T)    uaddr_t
#define OBJECT(T) struct T *
#define SYSCALL(number, result, name, doc, statuses, count, ...) \
    result sys_##name(PARAMETERS(count, ##__VA_ARGS__));
#define SYSCALL_HELD(number, name, handles, doc, statuses, count, ...) \
    status_t sys_##name(rights_t held, PARAMETERS(count, __VA_ARGS__));
#include "abi/syscalls.def"
#undef IN
#undef OUT
#undef OBJECT
