/*
 * channel.h: two connected ends that exchange messages of bytes and handles.
 */
#pragma once

#include "object/handle.h"
#include "task/wait_queue.h"

struct channel;
struct message;

#define CHANNEL_MAX_QUEUED_BYTES (1u << 20)

extern const struct object_ops channel_ops;

status_t channel_create(struct channel **out_a, struct channel **out_b);
struct channel *channel_from_object(struct object *object);

/* A message with room for num_bytes and num_handles; NO_MEMORY.  Bytes are in chunks: fill with message_copy_in. */
status_t message_create(uint32_t num_bytes, uint32_t num_handles, struct message **out_message);
/* From user memory with faults disabled: the number of bytes NOT copied. */
size_t message_copy_in(struct message *message, uint32_t offset, uaddr_t from, uint32_t length);
/* From the kernel (the first process' start message). */
void message_fill(struct message *message, uint32_t offset, const void *from, uint32_t length);
void message_set_handle(struct message *message, uint32_t index, struct handle_slot slot);
/* Close its handles, free it. */
void message_destroy(struct message *message);

/* Is the object one of the two ends of this channel? */
bool channel_is_end(const struct channel *channel, const struct object *object);
/* The koid of the other end. */
uint64_t channel_peer_koid(const struct channel *channel);

/* Send: on OK the channel owns the message.  PEER_CLOSED; SHOULD_WAIT when the peer's queue is full. */
status_t channel_write(struct channel *channel, struct message *message);

/*
 * Take the oldest message into user memory and the current process' table.  Nothing is taken unless OK.  The actual counts
 * are also stored for the user, with OK and with BUFFER_TOO_SMALL.
 * SHOULD_WAIT (none), PEER_CLOSED (none and never again), BUFFER_TOO_SMALL (actual_* tell), ERR_USER_FAULT.
 */
struct channel_read {
    uaddr_t bytes, handles;             /* buffers */
    uint32_t num_bytes, num_handles;    /* their room */
    uaddr_t actual_bytes_at, actual_handles_at;     /* where the user wants the counts, or 0 */
    uint32_t actual_bytes, actual_handles;
};
status_t channel_read(struct channel *channel, struct channel_read *read);

/*
 * A thread in channel_call.  Lives on its stack; linked under the lock until the reply came or the thread gave up.
 */
struct channel_call {
    struct list_node link;              /* channel_pair.lock */
    struct thread *thread;
    uint32_t transaction;
    status_t failure;                   /* why no reply will come: PEER_CLOSED, or CANCELED when this end closed */
    struct message *reply;
};

/*
 * Send `message` (of at least four bytes), whose first four bytes are replaced by a fresh transaction id, and sleep until a
 * message with that id arrives at this end; it is taken into *read.  Owns the message in every case.  Errors of write
 * and read, TIMED_OUT, CANCELED.  Hands the processor to the peer's reader and is handed it back.
 * After ERR_USER_FAULT the reply is kept: resolve the buffers and call channel_call_finish, or give up with _abandon.  After
 * BUFFER_TOO_SMALL it is gone.
 */
status_t channel_call(struct channel *channel, struct channel_call *call, struct message *message, int64_t deadline,
                      struct channel_read *read);
status_t channel_call_finish(struct channel_call *call, struct channel_read *read);
void channel_call_abandon(struct channel_call *call);
