/*
 * message.c: the content of a channel message.
 *
 * A message is one heap object, if its bytes fit into it.  Else they are in whole frames, and the
 * heap object holds pointers to them.
 */
#include "ipc/message.h"

#include "mm/frame.h"
#include "mm/heap.h"
#include "task/process.h"

/* A message too big for the heap: its frames' addresses lie behind the handles.  NULL: no memory. */
static NOINLINE struct message *add_frames(struct message *message)
{
    message->pieces = (char **)&message->handles[message->num_handles];
    while (message->frame_count * PAGE_SIZE < message->num_bytes) {
        struct page *page = frame_alloc(FRAME_KERNEL);

        if (!page) {
            message_destroy(message);
            return NULL;
        }
        message->pieces[message->frame_count++] = page_to_virt(page);
    }
    return message;
}

status_t message_create(uint32_t num_bytes, uint32_t num_handles, struct message **out_message)
{
    assert(num_bytes <= CHANNEL_MAX_BYTES && num_handles <= CHANNEL_MAX_HANDLES);
    size_t whole = message_size(num_bytes, num_handles);
    size_t by_frames = message_size(page_ceil(num_bytes) / PAGE_SIZE * sizeof(char *), num_handles);
    struct message *message = heap_alloc(whole <= HEAP_MAX ? max_u64(whole, MESSAGE_SMALL) : by_frames);

    if (!message)
        return ERR_NO_MEMORY;
    message_init(message, num_bytes, num_handles);
    *out_message = whole <= HEAP_MAX ? message : add_frames(message);
    return *out_message ? OK : ERR_NO_MEMORY;
}

void message_destroy(struct message *message)
{
    for (uint32_t i = 0; i < message->num_handles; i++) {
        if (message->handles[i].object)
            handle_slot_close(message->handles[i]);
    }
    for (uint32_t i = 0; i < message->frame_count; i++)
        frame_free_virt(message->pieces[i]);
    heap_free(message);
}

/* --- To a process. --- */

static NOINLINE status_t put_pieces(const struct message *message, uaddr_t to)
{
    for (uint32_t done = 0, part; done < message->num_bytes; done += part) {
        char *from = message_piece(message, done, message->num_bytes - done, &part);

        if (arch_copy_to_user(to + done, from, part) != 0)
            return user_missing(to + done, message->num_bytes - done, true);
    }
    return OK;
}

/* The handles move into the current process, their values to the user's array.  All or nothing. */
static NOINLINE status_t take_handles(struct message *message, uaddr_t to)
{
    uint32_t count = message->num_handles;
    handle_t values[CHANNEL_MAX_HANDLES];
    uaddr_t outs[CHANNEL_MAX_HANDLES];

    for (uint32_t i = 0; i < count; i++)
        outs[i] = to + i * sizeof(handle_t);
    status_t status = handle_add(current_process()->handles, count, message->handles, values, outs);

    if (status == ERR_USER_FAULT)
        return user_missing(to, count * sizeof(handle_t), true);
    if (status == OK)
        message->num_handles = 0;
    return status;
}

status_t message_take(struct message *message, const channel_call_args_t *to,
                      uaddr_t actual_bytes_at, uaddr_t actual_handles_at)
{
    uaddr_t bytes = (uaddr_t)to->rd_bytes;
    status_t status = OK;

    if (actual_bytes_at && arch_store_to_user(actual_bytes_at, message->num_bytes) != 0)
        return user_missing(actual_bytes_at, sizeof(uint32_t), true);
    if (actual_handles_at && arch_store_to_user(actual_handles_at, message->num_handles) != 0)
        return user_missing(actual_handles_at, sizeof(uint32_t), true);
    if (message->num_bytes > to->rd_num_bytes || message->num_handles > to->rd_num_handles)
        return ERR_BUFFER_TOO_SMALL;
    if (message->frame_count > 0)
        status = put_pieces(message, bytes);
    else if (arch_copy_to_user(bytes, message->only, message->num_bytes) != 0)
        status = user_missing(bytes, message->num_bytes, true);
    if (status == OK && message->num_handles > 0)
        status = take_handles(message, (uaddr_t)to->rd_handles);
    return status;
}
