/*
 * sys_channel.c: the calls of channels.
 *
 * A message is made complete, with its bytes and handles, before the channel sees it.  Its handles
 * leave the caller's table first thing and never return: what is refused is closed.
 */
#include "ipc/channel.h"
#include "sys/helpers.h"
#include "vm/fault.h"

status_t sys_channel_create(uint32_t options, uaddr_t a, uaddr_t b)
{
    return sys_create_pair(options, channel_create, (const rights_t[2]){ RIGHT_NONE, RIGHT_NONE },
                           (const uaddr_t[2]){ a, b });
}

static status_t copy_bytes(struct message *message, uaddr_t from, uint32_t length)
{
    status_t status = OK;

    for (uint32_t done = 0, part; status == OK && done < length; done += part) {
        char *to = message_piece(message, done, length - done, &part);

        status = user_copy_in(to, from + done, part);
    }
    return status;
}

/*
 * Move handles out of the caller's table into the message, if `status` (what is known so far) is
 * OK; else, and from the first one that may not be sent, close them.  The status so far, or of that
 * first one.
 */
static status_t move_handles(struct channel *channel, struct message *message, status_t status,
                             const handle_t *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct handle_slot slot;
        status_t removed = handle_remove(current_process()->handles, values[i], &slot);

        if (removed == OK && status == OK) {
            if (!(slot.rights & RIGHT_TRANSFER))
                status = ERR_ACCESS_DENIED;
            else if (channel_is_end(channel, slot.object))
                status = ERR_NOT_SUPPORTED;
            else
                message_set_handle(message, i, slot);
        }
        if (removed == OK && status != OK)
            handle_slot_close(slot);
        if (status == OK)
            status = removed;
    }
    return status;
}

/*
 * Look up the channel and make the message that `from` describes in its wr_ fields.  On OK the
 * caller owns both.
 */
static status_t prepare(handle_t handle, rights_t rights, uint32_t options, uint32_t min_bytes,
                        const channel_call_args_t *from, struct channel **out_channel,
                        struct message **out_message)
{
    handle_t values[CHANNEL_MAX_HANDLES];
    uint32_t count = from->wr_num_handles, length = from->wr_num_bytes;
    struct channel *channel = NULL;
    struct message *message = NULL;
    status_t status = sys_lookup(handle, OBJECT_CHANNEL, rights, &channel);

    if (status == OK && (options != 0 || length < min_bytes))
        status = ERR_INVALID_ARGS;
    if (status == OK && (length > CHANNEL_MAX_BYTES || count > CHANNEL_MAX_HANDLES))
        status = ERR_OUT_OF_RANGE;
    if (count > CHANNEL_MAX_HANDLES)
        count = 0;
    if (count > 0) {
        status_t copied = user_copy_in(values, (uaddr_t)from->wr_handles, count * sizeof(handle_t));

        status = status == OK ? copied : status;
        count = copied == OK ? count : 0;
    }
    if (status == OK)
        status = message_create(length, count, &message);
    if (status == OK)
        status = copy_bytes(message, (uaddr_t)from->wr_bytes, length);
    status = move_handles(channel, message, status, values, count);

    if (status != OK && message)
        message_destroy(message);
    if (status != OK && channel)
        object_unref((struct object *)channel);
    *out_channel = channel;
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
    struct channel *channel;
    struct message *message;
    status_t status = prepare(handle, RIGHT_WRITE, options, 0, &from, &channel, &message);

    if (status != OK)
        return status;
    status = channel_write(channel, message);
    if (status != OK)
        message_destroy(message);
    object_unref((struct object *)channel);
    return status;
}

status_t sys_channel_read(struct channel *channel, uint32_t options, uaddr_t bytes,
                          uaddr_t handles, uint32_t num_bytes, uint32_t num_handles,
                          uaddr_t actual_bytes, uaddr_t actual_handles)
{
    struct channel_read read = {
        .bytes = bytes, .handles = handles, .num_bytes = num_bytes, .num_handles = num_handles,
        .actual_bytes_at = actual_bytes, .actual_handles_at = actual_handles,
    };

    return options == 0 ? channel_read(channel, &read) : ERR_INVALID_ARGS;
}

/* The reply waits in kernel memory while the user's is made present. */
static status_t take_reply(struct message *reply, const struct channel_read *read)
{
    status_t status;

    do
        status = message_take(reply, read);
    while (status == ERR_USER_FAULT && (status = sys_resolve_fault()) == OK);
    message_destroy(reply);
    return status;
}

status_t sys_channel_call(handle_t handle, uint32_t options, int64_t deadline, uaddr_t args,
                          uaddr_t actual_bytes, uaddr_t actual_handles)
{
    channel_call_args_t given;

    /* An unreadable structure asks for a message of no bytes: refused, but after a bad handle. */
    status_t status = user_copy_in(&given, args, sizeof(given));

    if (status == ERR_NO_MEMORY)
        return status;
    if (status != OK)
        given = (channel_call_args_t){ 0 };

    struct channel_read read = {
        .bytes = (uaddr_t)given.rd_bytes, .handles = (uaddr_t)given.rd_handles,
        .num_bytes = given.rd_num_bytes, .num_handles = given.rd_num_handles,
        .actual_bytes_at = actual_bytes, .actual_handles_at = actual_handles,
    };
    struct channel *channel;
    struct message *message, *reply;

    status = prepare(handle, RIGHT_READ | RIGHT_WRITE, options, sizeof(uint32_t), &given, &channel,
                     &message);
    if (status != OK)
        return status;
    status = channel_call(channel, message, deadline, &reply);
    if (status == OK)
        status = take_reply(reply, &read);
    object_unref((struct object *)channel);
    return status;
}
