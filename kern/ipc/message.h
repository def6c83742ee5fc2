/*
 * message.h: what channel.c knows of a message.
 */
#pragma once

#include "ipc/channel.h"

struct message {
    struct list_node link;              /* channel_pair.lock while queued */
    uint32_t num_bytes, num_handles, frame_count;
    union {
        char *bytes;                    /* frame_count == 0: behind the handles */
        void **frames;                  /* else one pointer a page, behind the handles */
    };
    struct handle_slot handles[];
};

/* The first four bytes; 0 if there are fewer. */
uint32_t message_transaction(const struct message *message);
/*
 * Copy the content to the current process with faults disabled; its handles are moved on success.  The message itself
 * stays the caller's.  BUFFER_TOO_SMALL, ERR_USER_FAULT, NO_MEMORY, NO_RESOURCES: nothing has moved.
 */
status_t message_take(struct message *message, struct channel_read *read);
