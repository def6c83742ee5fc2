/* message.h: the content of a channel message: bytes, and handles that belong to no process. */
#pragma once

#include "object/handle.h"

struct message {
    struct list_node link;              /* channel_pair.lock while queued */
    uint32_t num_bytes, num_handles;
    uint32_t frame_count;
    char **pieces;                      /* where each page of the bytes lies */
    char *only;                         /* a small message's one piece: behind the handles */
    struct handle_slot handles[];
};

/* A message that needs no more is made with this room, so that it can be used for another one. */
#define MESSAGE_SMALL 256ul

static inline size_t message_size(uint32_t num_bytes, uint32_t num_handles)
{
    return sizeof(struct message) + num_handles * sizeof(struct handle_slot) + num_bytes;
}
/* An empty message in memory of at least message_size bytes. */
static inline void message_init(struct message *message, uint32_t num_bytes, uint32_t num_handles)
{
    message->num_bytes = num_bytes;
    message->num_handles = num_handles;
    message->frame_count = 0;
    message->pieces = &message->only;
    message->only = (char *)&message->handles[num_handles];
    for (uint32_t i = 0; i < num_handles; i++)
        message->handles[i].object = NULL;
}
/* A message with room for num_bytes and num_handles; NO_MEMORY. */
status_t message_create(uint32_t num_bytes, uint32_t num_handles, struct message **out_message);
/* Where the bytes from `offset` on lie, and how many of the `length` wanted lie there in one piece. */
static inline char *message_piece(const struct message *message, uint32_t offset, uint32_t length, uint32_t *out_length)
{
    assert(range_inside(offset, length, message->num_bytes));
    *out_length = min_u64(length, PAGE_SIZE - (offset & PAGE_MASK));
    return message->pieces[offset >> PAGE_SHIFT] + (offset & PAGE_MASK);
}
/* The first four bytes, which there are. */
typedef uint32_t __attribute__((may_alias)) transaction_t;
static inline transaction_t *message_transaction(const struct message *message)
{
    assert(message->num_bytes >= sizeof(transaction_t));
    return (transaction_t *)message->pieces[0];
}
/*
 * Copy the content to where the rd_ fields of `to` say in the current process, with faults disabled; its handles are
 * moved on success.  The actual counts are stored, unless at 0, with OK and BUFFER_TOO_SMALL.  The message itself
 * stays the caller's.  BUFFER_TOO_SMALL, ERR_USER_FAULT, NO_MEMORY, NO_RESOURCES: nothing has moved.
 */
status_t message_take(struct message *message, const channel_call_args_t *to,
                      uaddr_t actual_bytes_at, uaddr_t actual_handles_at);
/* Close its handles, free it. */
void message_destroy(struct message *message);
