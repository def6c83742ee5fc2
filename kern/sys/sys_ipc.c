/*
 * sys_ipc.c: ports, pipes and events.  Channels are in sys_channel.c.
 *
 * Whatever moves bytes into user memory while it holds a lock does so with faults disabled and
 * answers ERR_USER_FAULT; the loops here make the page present and try again.
 */
#include "ipc/event.h"
#include "ipc/pipe.h"
#include "ipc/port.h"
#include "sys/helpers.h"
#include "vm/fault.h"

/* --- Ports. --- */

status_t sys_port_create(uint32_t options, uaddr_t out)
{
    struct port *port;

    if (options != 0)
        return ERR_INVALID_ARGS;
    status_t status = port_create(&port);

    return status == OK ? sys_new_handle(&port->object, port_ops.default_rights, out) : status;
}

status_t sys_port_queue(handle_t handle, uaddr_t packet)
{
    struct object *object;
    port_packet_t content;
    status_t status = sys_lookup(handle, OBJECT_PORT, RIGHT_WRITE, &object);

    if (status != OK)
        return status;
    status = user_copy_in(&content, packet, sizeof(content));
    if (status == OK && content.type != PKT_USER)
        status = ERR_INVALID_ARGS;
    if (status == OK)
        status = port_queue_user(port_from_object(object), &content);
    object_unref(object);
    return status;
}

static status_t wait_on_port(handle_t handle, int64_t deadline, uaddr_t packets, size_t count,
                             size_t *out_taken)
{
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_PORT, RIGHT_READ, &object);

    if (status != OK)
        return status;
    do {
        status = port_wait(port_from_object(object), deadline, packets, count, out_taken);
        if (status != ERR_USER_FAULT)
            break;
        status = user_touch(packets, sizeof(port_packet_t), true);
    } while (status == OK);
    object_unref(object);
    return status;
}

status_t sys_port_wait(handle_t port, int64_t deadline, uaddr_t packet)
{
    size_t taken;

    return wait_on_port(port, deadline, packet, 1, &taken);
}

status_t sys_port_wait_many(handle_t port, int64_t deadline, uaddr_t packets, size_t count,
                            uaddr_t actual)
{
    struct object *object;
    size_t taken;
    status_t status = sys_lookup(port, OBJECT_PORT, RIGHT_READ, &object);

    if (status != OK)
        return status;
    object_unref(object);
    /* Packets cannot be put back: refuse what cannot be answered before any is taken. */
    status = count > 0 ? sys_copy_out_u64(actual, 0) : ERR_INVALID_ARGS;
    if (status == OK)
        status = wait_on_port(port, deadline, packets, count, &taken);
    return status == OK ? sys_copy_out_u64(actual, taken) : status;
}

status_t sys_port_cancel(handle_t handle, handle_t source, uint64_t key)
{
    struct object *object, *source_object;
    status_t status = sys_lookup(handle, OBJECT_PORT, RIGHT_WRITE, &object);

    if (status != OK)
        return status;
    status = sys_lookup(source, OBJECT_ANY, RIGHT_NONE, &source_object);
    if (status == OK) {
        if (!port_cancel(port_from_object(object), source_object, key))
            status = ERR_NOT_FOUND;
        object_unref(source_object);
    }
    object_unref(object);
    return status;
}

/* --- Events. --- */

status_t sys_event_create(uint32_t options, uaddr_t out)
{
    struct object *event;

    if (options != 0)
        return ERR_INVALID_ARGS;
    status_t status = event_create(&event);

    return status == OK ? sys_new_handle(event, event_ops.default_rights, out) : status;
}

/* --- Pipes. --- */

status_t sys_pipe_create(uint32_t options, uaddr_t reader_out, uaddr_t writer_out)
{
    rights_t rights = pipe_ops.default_rights;
    struct pipe *reader, *writer;

    if (options != 0)
        return ERR_INVALID_ARGS;
    status_t status = pipe_create(&reader, &writer);

    if (status != OK)
        return status;
    return sys_new_handles((struct object *)reader, rights & ~RIGHT_WRITE, reader_out,
                           (struct object *)writer, rights & ~RIGHT_READ, writer_out);
}

typedef status_t pipe_transfer(struct pipe *pipe, uaddr_t buffer, size_t length,
                               size_t *out_actual);

/*
 * Move bytes until `transfer` is done with them or one of the user's pages is missing for good.
 * Some bytes moved are a success, whatever ended the transfer.
 */
static status_t pipe_move(handle_t handle, rights_t right, pipe_transfer *transfer, uaddr_t buffer,
                          size_t length, uaddr_t actual)
{
    struct object *object;
    size_t done = 0;
    status_t status = sys_lookup(handle, OBJECT_PIPE, right, &object);

    if (status != OK)
        return status;
    status = sys_copy_out_u64(actual, 0);
    while (status == OK) {
        size_t part;

        status = transfer(pipe_from_object(object), buffer + done, length - done, &part);
        done += part;
        if (status != ERR_USER_FAULT)
            break;
        if (right == RIGHT_READ)
            status = user_touch(buffer + done, 1, true);
        else
            status = user_touch(buffer + done, min_u64(length - done, PIPE_ATOMIC), false);
    }
    object_unref(object);
    return done > 0 || status == OK ? sys_copy_out_u64(actual, done) : status;
}

status_t sys_pipe_read(handle_t pipe, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return pipe_move(pipe, RIGHT_READ, pipe_read, buffer, length, actual);
}

status_t sys_pipe_write(handle_t pipe, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return pipe_move(pipe, RIGHT_WRITE, pipe_write, buffer, length, actual);
}
