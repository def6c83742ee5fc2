/*
 * start.h: what a new process finds.
 *
 * Its first thread starts with a0 = a channel end that holds one message (below), a1 = 0, and sp at the top
 * of its stack.  The kernel writes this message for the boot program (user/boot), with its command line as the only
 * argument; every other process gets it from its parent (user/lib/spawn.c).
 */
#pragma once

#include "abi/types.h"

#define START_MAGIC 0x72747351u         /* "Qstr" */

/* What a handle of the message is for; low 16 bits of its tag.  The high 16 bits are a number (a file descriptor). */
enum {
    START_PROCESS = 1,                  /* the process itself */
    START_THREAD,                       /* its first thread */
    START_CONSOLE,                      /* the console object */
    START_SYSTEM,                       /* the system object */
    START_INITRD,                       /* VMO of the boot archive, content size set, 0: there is none; first program, and whom it trusts */
    START_FD,                           /* an open file descriptor: its number is in the high bits */
    START_ROOT_FS,                      /* channel to the root file system server */
    START_DEFAULT_PAGER,                /* the default pager object */
    START_USER = 64,                    /* from here on, a program and its parent agree on the meaning */
};

/*
 * The message: this structure, then uint32_t tags[handle_count] (one a handle, in order), then argument_count +
 * environment_count strings, each zero terminated.
 */
struct start_message {
    uint32_t magic, handle_count, argument_count, environment_count;
    uint64_t image_base, image_size;    /* where the program was loaded */
    uint64_t stack_base, stack_size;    /* its first stack */
    uint32_t ignored_signals, blocked_signals;  /* sets of POSIX signals: 1 << number */
    uint32_t more_messages, reserved;   /* this many follow, with handles and tags but no strings */
};
