/* channel.h: two connected ends that exchange messages of bytes and handles. */
#pragma once

#include "ipc/message.h"

struct channel;                         /* one end; begins with its struct object */

#define CHANNEL_MAX_QUEUED_BYTES (1u << 20)

extern const struct object_ops channel_ops;

status_t channel_create(struct object *out_ends[2]);

/*
 * A message to send here, as message_create makes it, and the end of one that was sent, without its
 * handles: small ones are used again.
 */
status_t channel_create_message(struct channel *channel, uint32_t num_bytes, uint32_t num_handles,
                                struct message **out_message);
void channel_destroy_message(struct channel *channel, struct message *message);
/* Send: on OK the channel owns the message.  PEER_CLOSED; SHOULD_WAIT when the peer's queue is full. */
status_t channel_write(struct channel *channel, struct message *message);
/*
 * Take the oldest message into user memory and the current process' table.  Nothing is taken unless OK.
 * SHOULD_WAIT (none), PEER_CLOSED (none and never again), and what message_take says.
 */
status_t channel_read(struct channel *channel, const channel_call_args_t *to,
                      uaddr_t actual_bytes_at, uaddr_t actual_handles_at);
/*
 * Send `message` (of at least four bytes), whose first four bytes are replaced by a fresh transaction id, and sleep until a
 * message with that id arrives at this end: on OK it is the caller's, to take and to destroy.  Owns `message` in every case.
 * Errors of write, TIMED_OUT, CANCELED.  Hands the processor to the peer's reader and is handed it back.
 */
status_t channel_call(struct channel *channel, struct message *message, int64_t deadline, struct message **out_reply);
