/*
 * sys_console.c: the console's calls.  Bytes pass through a small array on the kernel stack, so
 * that neither side waits for the other's pages with a lock held.
 */
#include "dev/console.h"
#include "sys/helpers.h"
#include "vm/fault.h"

#define BOUNCE 256u

status_t sys_console_read(handle_t console, uaddr_t buffer, size_t length, uaddr_t actual)
{
    char bytes[BOUNCE];
    size_t room = min_u64(length, sizeof(bytes)), done = 0;
    struct object *object;
    status_t status = sys_lookup(console, OBJECT_CONSOLE, RIGHT_READ, &object);

    if (status != OK)
        return status;
    /* Typed bytes cannot be put back: refuse what cannot be written before any is taken. */
    status = sys_copy_out_u64(actual, 0);
    if (status == OK && room > 0)
        status = user_touch(buffer, room, true);
    if (status == OK && room > 0)
        status = console_read(bytes, room, &done);
    if (status == OK && done > 0)
        status = user_copy_out(buffer, bytes, done);
    if (status == OK)
        status = sys_copy_out_u64(actual, done);
    object_unref(object);
    return status;
}

status_t sys_console_write(handle_t console, uaddr_t buffer, size_t length)
{
    char bytes[BOUNCE];
    struct object *object;
    status_t status = sys_lookup(console, OBJECT_CONSOLE, RIGHT_WRITE, &object);

    if (status != OK)
        return status;
    while (status == OK && length > 0) {
        size_t part = min_u64(length, sizeof(bytes)), done;

        status = user_copy_in(bytes, buffer, part);
        if (status == OK)
            status = console_write(bytes, part, &done);
        buffer += part;
        length -= part;
    }
    object_unref(object);
    return status;
}
