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

static __attribute__((noinline)) status_t copy_pieces(struct message *message, uaddr_t from)
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
static __attribute__((noinline)) status_t move_handles(struct channel *channel,
                                                       struct message *message, status_t status,
                                                       const channel_call_args_t *from)
{
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
            else if (channel_is_end(channel, slot.object))
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
 * Make the message that `from` describes in its wr_ fields: the caller's, if OK.  `status` is that of
 * the channel's lookup.
 */
static inline __attribute__((always_inline)) status_t
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
        status = channel_create_message(channel, length, count, &message);
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
    struct channel_read read = {
        .bytes = bytes, .handles = handles, .num_bytes = num_bytes, .num_handles = num_handles,
        .actual_bytes_at = actual_bytes, .actual_handles_at = actual_handles,
    };

    return options == 0 ? channel_read(channel, &read) : ERR_INVALID_ARGS;
}

/* The reply waits in kernel memory while the user's is made present. */
static status_t take_reply(struct channel *channel, struct message *reply,
                           const struct channel_read *read)
{
    status_t status;

    do
        status = message_take(reply, read);
    while (status == ERR_USER_FAULT && (status = sys_resolve_fault()) == OK);
    channel_destroy_message(channel, reply);
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
    struct channel *channel = NULL;
    struct message *message, *reply;

    status = sys_lookup(handle, OBJECT_CHANNEL, RIGHT_READ | RIGHT_WRITE, &channel);
    status = make_message(channel, status, options, sizeof(uint32_t), &given, &message);
    if (status == OK)
        status = channel_call(channel, message, deadline, &reply);
    if (status == OK)
        status = take_reply(channel, reply, &read);
    if (channel)
        object_unref((struct object *)channel);
    return status;
}
