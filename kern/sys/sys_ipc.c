/* sys_ipc.c: ports, events, pipes and the console.  Channels are in sys_channel.c. */
#include "dev/console.h"
#include "ipc/pipe.h"
#include "ipc/port.h"
#include "sys/helpers.h"
#include "vm/fault.h"

status_t sys_port_create(uint32_t options, uaddr_t out)
{
    return sys_create(options, port_create, out);
}

status_t sys_port_queue(struct port *port, uaddr_t packet)
{
    port_packet_t content;
    status_t status = user_copy_in(&content, packet, sizeof(content));

    if (status == OK && content.type != PKT_USER)
        status = ERR_INVALID_ARGS;
    return status == OK ? port_queue_user(port, &content) : status;
}

status_t sys_port_wait(struct port *port, int64_t deadline, uaddr_t packet)
{
    return port_wait(port, deadline, packet);
}

/* Packets cannot be put back: what cannot be answered is refused before any is taken. */
status_t sys_port_wait_many(struct port *port, int64_t deadline, uaddr_t packets, size_t count,
                            uaddr_t actual)
{
    size_t taken = 0;
    status_t status = count > 0 ? sys_copy_out_u64(actual, 0) : ERR_INVALID_ARGS;

    while (status == OK && taken < count) {
        status = port_wait(port, taken > 0 ? 0 : deadline, packets + taken * sizeof(port_packet_t));
        if (status == OK)
            taken++;
    }
    return taken > 0 ? sys_copy_out_u64(actual, taken) : status;
}

status_t sys_port_cancel(struct port *port, struct object *source, uint64_t key)
{
    return port_cancel(port, source, key) ? OK : ERR_NOT_FOUND;
}

status_t sys_event_create(uint32_t options, uaddr_t out)
{
    return sys_create(options, event_create, out);
}

/* --- Pipes. --- */

status_t sys_pipe_create(uint32_t options, uaddr_t reader, uaddr_t writer)
{
    return sys_create_pair(options, pipe_create, (const rights_t[2]){ RIGHT_WRITE, RIGHT_READ },
                           (const uaddr_t[2]){ reader, writer });
}

status_t sys_pipe_read(struct pipe *pipe, uaddr_t buffer, size_t length, uaddr_t actual)
{
    size_t done;
    status_t status = sys_copy_out_u64(actual, 0);

    if (status == OK)
        status = pipe_read(pipe, buffer, length, &done);
    return status == OK ? sys_copy_out_u64(actual, done) : status;
}

/* Some bytes written are a success, whatever came then. */
status_t sys_pipe_write(struct pipe *pipe, uaddr_t buffer, size_t length, uaddr_t actual)
{
    size_t done = 0, part;
    status_t status = sys_copy_out_u64(actual, 0);

    while (status == OK && done < length) {
        status = pipe_write(pipe, buffer + done, length - done, &part);
        done += part;
        if (status == ERR_USER_FAULT)
            status = sys_resolve_fault();
    }
    return done > 0 ? sys_copy_out_u64(actual, done) : status;
}

/*
 * --- The console.  Bytes go through a small array on the kernel stack, so that neither side waits
 * for the other's pages with a lock held. ---
 */

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
