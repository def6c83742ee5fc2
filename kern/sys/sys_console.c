/*
 * sys_console.c: the console's calls.  Bytes pass through a small array on the kernel stack, so
 * that neither side waits for the other's pages with a lock held.
 */
#include "dev/console.h"
#include "sys/helpers.h"
#include "vm/fault.h"

/* Typed bytes cannot be put back: what cannot be written is refused before any is taken. */
status_t sys_console_read(UNUSED struct object *console, uaddr_t buffer, size_t length,
                          uaddr_t actual)
{
    char bytes[CONSOLE_PIECE];
    size_t room = min_u64(length, sizeof(bytes)), done = 0;
    status_t status = sys_copy_out_u64(actual, 0);

    if (status == OK && room > 0)
        status = user_touch(buffer, room, true);
    if (status == OK && room > 0)
        status = console_read(bytes, room, &done);
    if (status == OK && done > 0)
        status = user_copy_out(buffer, bytes, done);
    return status == OK ? sys_copy_out_u64(actual, done) : status;
}

status_t sys_console_write(UNUSED struct object *console, uaddr_t buffer, size_t length)
{
    char bytes[CONSOLE_PIECE];
    status_t status = OK;

    while (status == OK && length > 0) {
        size_t part = min_u64(length, sizeof(bytes)), done;

        status = user_copy_in(bytes, buffer, part);
        if (status == OK)
            status = console_write(bytes, part, &done);
        buffer += part;
        length -= part;
        sched_preempt_point();
        if (status == OK && thread_killed())
            status = ERR_CANCELED;
    }
    return status;
}
