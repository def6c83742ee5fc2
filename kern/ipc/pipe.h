/* pipe.h: a byte queue between a reading and a writing end. */
#pragma once

#include "task/wait_queue.h"

#define PIPE_CAPACITY 65536u            /* bytes */
#define PIPE_ATOMIC   4096u             /* writes of up to this are not interleaved with others' */

struct pipe;                            /* one end; begins with its struct object */

extern const struct object_ops pipe_ops;

status_t pipe_create(struct object *out_ends[2]);       /* reader, writer */
/*
 * To and from user memory with faults disabled.  *out_actual bytes were moved; none unless OK.
 *
 * pipe_read sleeps until there is a byte and takes what is there, up to `length`; 0 bytes when all writers are gone.
 * pipe_write sleeps until there is room, for all bytes if they are up to PIPE_ATOMIC, and puts in what fits.  PEER_CLOSED,
 * NO_MEMORY (write), CANCELED, ERR_USER_FAULT (see user_missing).  The rights of a handle say which of the two it is good for.
 */
status_t pipe_read(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual);
status_t pipe_write(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual);
