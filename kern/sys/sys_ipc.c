/* sys_ipc.c: system calls on ports, events, pipes, channels and the console. */
#include "dev/console.h"
#include "ipc/channel.h"
#include "ipc/pipe.h"
#include "ipc/port.h"
#include "sys/helpers.h"
#include "vm/reclaim.h"
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
 * --- Channels.  A message is made complete, with its bytes and handles, before the channel sees it.  Its
 * handles leave the caller's table first thing and never return: what is refused is closed. ---
 */

status_t sys_channel_create(uint32_t options, uaddr_t a, uaddr_t b)
{
    return sys_create_pair(options, channel_create, (const rights_t[2]){ RIGHT_NONE, RIGHT_NONE },
                           (const uaddr_t[2]){ a, b });
}

static NOINLINE status_t copy_pieces(struct message *message, uaddr_t from)
{
    uint32_t length = message->num_bytes;
    status_t status = OK;

    for (uint32_t done = 0, part; status == OK && done < length; done += part) {
        char *to = message_piece(message, done, length - done, &part);

        status = user_copy_in(to, from + done, part);
    }
    return status;
}

/*
 * Move the handles that `from` names out of the caller's table into the message, if `status` (what is known so far)
 * is OK; else, and from the first one that may not be sent, close them.  The status so far, or of that first one.
 */
static NOINLINE status_t move_handles(struct channel *channel, struct message *message,
                                      status_t status, const channel_call_args_t *from)
{
    const struct object *end = (struct object *)channel;
    handle_t values[CHANNEL_MAX_HANDLES];
    uint32_t count = from->wr_num_handles;

    if (count > CHANNEL_MAX_HANDLES)
        return status;
    status_t copied = user_copy_in(values, (uaddr_t)from->wr_handles, count * sizeof(handle_t));

    if (copied != OK)
        return status == OK ? copied : status;

    for (uint32_t i = 0; i < count; i++) {
        struct handle_slot slot;
        status_t removed = handle_remove(current_process()->handles, values[i], &slot);

        if (removed == OK && status == OK) {
            if (!(slot.rights & RIGHT_TRANSFER))
                status = ERR_ACCESS_DENIED;
            else if (slot.object->koid == end->koid || slot.object->koid == end->related_koid)
                status = ERR_NOT_SUPPORTED;
            else
                message->handles[i] = slot;
        }
        if (removed == OK && status != OK)
            handle_slot_close(slot);
        if (status == OK)
            status = removed;
    }
    return status;
}

/*
 * Make the message that `from` describes in its wr_ fields: the caller's, if OK.  `status` is that of the channel's lookup.
 */
static INLINE status_t
make_message(struct channel *channel, status_t status, uint32_t options, uint32_t min_bytes,
             const channel_call_args_t *from, struct message **out_message)
{
    uint32_t count = from->wr_num_handles, length = from->wr_num_bytes;
    struct message *message = NULL;

    if (status == OK && (options != 0 || length < min_bytes))
        status = ERR_INVALID_ARGS;
    if (status == OK && (length > CHANNEL_MAX_BYTES || count > CHANNEL_MAX_HANDLES))
        status = ERR_OUT_OF_RANGE;
    if (status == OK)
        do
            status = channel_create_message(channel, length, count, &message);
        while (status == ERR_NO_MEMORY && reclaim_for_retry());
    if (status == OK)
        status = message->frame_count == 0
                     ? user_copy_in(message->only, (uaddr_t)from->wr_bytes, length)
                     : copy_pieces(message, (uaddr_t)from->wr_bytes);
    if (count > 0)
        status = move_handles(channel, message, status, from);
    if (status != OK && message)
        message_destroy(message);
    *out_message = message;
    return status;
}

status_t sys_channel_write(handle_t handle, uint32_t options, uaddr_t bytes, uint32_t num_bytes,
                           uaddr_t handles, uint32_t num_handles)
{
    channel_call_args_t from = {
        .wr_bytes = (void *)bytes, .wr_handles = (handle_t *)handles,
        .wr_num_bytes = num_bytes, .wr_num_handles = num_handles,
    };
    struct channel *channel = NULL;
    struct message *message;
    status_t status = sys_lookup(handle, OBJECT_CHANNEL, RIGHT_WRITE, &channel);

    status = make_message(channel, status, options, 0, &from, &message);
    if (status == OK && (status = channel_write(channel, message)) != OK)
        message_destroy(message);
    if (channel)
        object_unref((struct object *)channel);
    return status;
}

status_t sys_channel_read(struct channel *channel, uint32_t options, uaddr_t bytes,
                          uaddr_t handles, uint32_t num_bytes, uint32_t num_handles,
                          uaddr_t actual_bytes, uaddr_t actual_handles)
{
    const channel_call_args_t to = {
        .rd_bytes = (void *)bytes, .rd_handles = (handle_t *)handles,
        .rd_num_bytes = num_bytes, .rd_num_handles = num_handles,
    };

    return options != 0 ? ERR_INVALID_ARGS :
           channel_read(channel, &to, actual_bytes, actual_handles);
}

status_t sys_channel_call(handle_t handle, uint32_t options, int64_t deadline, uaddr_t args,
                          uaddr_t actual_bytes, uaddr_t actual_handles)
{
    channel_call_args_t given;
    struct channel *channel = NULL;
    struct message *message, *reply;

    /* An unreadable structure asks for a message of no bytes: refused, but after a bad handle. */
    status_t status = user_copy_in(&given, args, sizeof(given));

    if (status == ERR_NO_MEMORY)
        return status;
    if (status != OK)
        given = (channel_call_args_t){ 0 };

    status = sys_lookup(handle, OBJECT_CHANNEL, RIGHT_READ | RIGHT_WRITE, &channel);
    status = make_message(channel, status, options, sizeof(uint32_t), &given, &message);
    if (status == OK)
        status = channel_call(channel, message, deadline, &reply);
    if (status == OK) {     /* the reply waits in kernel memory while the user's is made present */
        do
            status = message_take(reply, &given, actual_bytes, actual_handles);
        while (status == ERR_USER_FAULT && (status = sys_resolve_fault()) == OK);
        channel_destroy_message(channel, reply);
    }
    if (channel)
        object_unref((struct object *)channel);
    return status;
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
