/*
 * pipe.h: a byte queue between a reading and a writing end.
 */
#pragma once

#include "object/handle.h"
#include "task/wait_queue.h"

#define PIPE_CAPACITY 65536u            /* bytes */
#define PIPE_ATOMIC   4096u             /* writes of up to this are not interleaved with others' */

struct pipe;                            /* one end */

extern const struct object_ops pipe_ops;

status_t pipe_create(struct pipe **out_reader, struct pipe **out_writer);
struct pipe *pipe_from_object(struct object *object);
/* Is this the writing end? */
bool pipe_is_writer(const struct pipe *pipe);
/* The koid of the other end. */
uint64_t pipe_peer_koid(const struct pipe *pipe);
/*
 * To and from user memory with faults disabled.
 *
 * pipe_read sleeps until there is a byte and takes what is there, up to `length`; 0 bytes when all writers are gone.
 * pipe_write sleeps until all bytes are in.  *out_actual bytes were moved, also on error.  PEER_CLOSED (write),
 * NO_MEMORY (write), CANCELED, ACCESS_DENIED (the wrong end).  ERR_USER_FAULT: resolve the page at buffer + *out_actual and go
 * on from there (a write of up to PIPE_ATOMIC bytes, and any read, has then moved nothing).
 */
status_t pipe_read(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual);
status_t pipe_write(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual);
