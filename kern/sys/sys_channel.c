/*
 * sys_channel.c: the calls of channels.
 *
 * A message is made complete, with its bytes and handles, before the channel sees it.  Its handles
 * leave the caller's table first thing and never return: what is refused is closed.
 */
#include "ipc/channel.h"
#include "sys/helpers.h"
#include "vm/fault.h"

status_t sys_channel_create(uint32_t options, uaddr_t a_out, uaddr_t b_out)
{
    rights_t rights = channel_ops.default_rights;
    struct channel *a, *b;

    if (options != 0)
        return ERR_INVALID_ARGS;
    status_t status = channel_create(&a, &b);

    if (status != OK)
        return status;
    return sys_new_handles((struct object *)a, rights, a_out, (struct object *)b, rights, b_out);
}

/* A message that the user wants to send. */
struct outgoing {
    uaddr_t bytes, handles;
    uint32_t num_bytes, num_handles;
    uint32_t min_bytes;
};

static status_t copy_bytes(struct message *message, uaddr_t from, uint32_t length)
{
    uint32_t done = 0;

    while (done < length) {
        done = length - message_copy_in(message, done, from + done, length - done);
        if (done < length) {
            status_t status = user_touch(from + done, min_u64(length - done, PAGE_SIZE), false);

            if (status != OK)
                return status;
        }
    }
    return OK;
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

/* Look up the channel and make the message.  On OK the caller owns both. */
static status_t prepare(handle_t handle, rights_t rights, uint32_t options,
                        const struct outgoing *from, struct channel **out_channel,
                        struct message **out_message)
{
    handle_t values[CHANNEL_MAX_HANDLES];
    uint32_t count = from->num_handles;
    struct channel *channel = NULL;
    struct message *message = NULL;
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_CHANNEL, rights, &object);

    if (status == OK)
        channel = channel_from_object(object);
    if (status == OK && (options != 0 || from->num_bytes < from->min_bytes))
        status = ERR_INVALID_ARGS;
    if (status == OK && (from->num_bytes > CHANNEL_MAX_BYTES || count > CHANNEL_MAX_HANDLES))
        status = ERR_OUT_OF_RANGE;
    if (count > CHANNEL_MAX_HANDLES ||
        (count > 0 && user_copy_in(values, from->handles, count * sizeof(handle_t)) != OK)) {
        status = status == OK ? ERR_INVALID_ARGS : status;
        count = 0;
    }
    if (status == OK)
        status = message_create(from->num_bytes, count, &message);
    if (status == OK)
        status = copy_bytes(message, from->bytes, from->num_bytes);
    status = move_handles(channel, message, status, values, count);

    if (status != OK && message)
        message_destroy(message);
    if (status != OK && channel)
        object_unref(object);
    *out_channel = channel;
    *out_message = message;
    return status;
}

status_t sys_channel_write(handle_t handle, uint32_t options, uaddr_t bytes, uint32_t num_bytes,
                           uaddr_t handles, uint32_t num_handles)
{
    struct outgoing from = {
        .bytes = bytes, .handles = handles, .num_bytes = num_bytes, .num_handles = num_handles,
    };
    struct channel *channel;
    struct message *message;
    status_t status = prepare(handle, RIGHT_WRITE, options, &from, &channel, &message);

    if (status != OK)
        return status;
    status = channel_write(channel, message);
    if (status != OK)
        message_destroy(message);
    object_unref((struct object *)channel);
    return status;
}

/* After ERR_USER_FAULT: make everything that a read stores to writable. */
static status_t touch_results(const struct channel_read *read)
{
    status_t status = OK;

    if (read->actual_bytes_at)
        status = user_touch(read->actual_bytes_at, sizeof(uint32_t), true);
    if (status == OK && read->actual_handles_at)
        status = user_touch(read->actual_handles_at, sizeof(uint32_t), true);
    if (status == OK && read->actual_bytes > 0)
        status = user_touch(read->bytes, min_u64(read->actual_bytes, read->num_bytes), true);
    if (status == OK && read->actual_handles > 0)
        status = user_touch(read->handles, min_u64(read->actual_handles, read->num_handles) *
                            sizeof(handle_t), true);
    return status;
}

status_t sys_channel_read(handle_t handle, uint32_t options, uaddr_t bytes, uaddr_t handles,
                          uint32_t num_bytes, uint32_t num_handles, uaddr_t actual_bytes,
                          uaddr_t actual_handles)
{
    struct channel_read read = {
        .bytes = bytes, .handles = handles, .num_bytes = num_bytes, .num_handles = num_handles,
        .actual_bytes_at = actual_bytes, .actual_handles_at = actual_handles,
    };
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_CHANNEL, RIGHT_READ, &object);

    if (status != OK)
        return status;
    status = options == 0 ? OK : ERR_INVALID_ARGS;
    while (status == OK) {
        status = channel_read(channel_from_object(object), &read);
        if (status != ERR_USER_FAULT)
            break;
        status = touch_results(&read);
    }
    object_unref(object);
    return status;
}

status_t sys_channel_call(handle_t handle, uint32_t options, int64_t deadline, uaddr_t args,
                          uaddr_t actual_bytes, uaddr_t actual_handles)
{
    channel_call_args_t given;

    /* An unreadable structure asks for a message of no bytes: refused, but after a bad handle. */
    if (user_copy_in(&given, args, sizeof(given)) != OK)
        given = (channel_call_args_t){ 0 };

    struct outgoing from = {
        .bytes = (uaddr_t)given.wr_bytes, .handles = (uaddr_t)given.wr_handles,
        .num_bytes = given.wr_num_bytes, .num_handles = given.wr_num_handles,
        .min_bytes = sizeof(uint32_t),
    };
    struct channel_read read = {
        .bytes = (uaddr_t)given.rd_bytes, .handles = (uaddr_t)given.rd_handles,
        .num_bytes = given.rd_num_bytes, .num_handles = given.rd_num_handles,
        .actual_bytes_at = actual_bytes, .actual_handles_at = actual_handles,
    };
    struct channel *channel;
    struct message *message;

    status_t status = prepare(handle, RIGHT_READ | RIGHT_WRITE, options, &from, &channel, &message);

    if (status != OK)
        return status;

    struct channel_call call;

    status = channel_call(channel, &call, message, deadline, &read);
    while (status == ERR_USER_FAULT) {
        status = touch_results(&read);
        if (status == OK)
            status = channel_call_finish(&call, &read);
        else
            channel_call_abandon(&call);
    }
    object_unref((struct object *)channel);
    return status;
}
