/*
 * stream.h: a seek position over a VMO with a content size: what a file descriptor is.
 */
#pragma once

#include "vm/vmo.h"

struct stream;

extern const struct object_ops stream_ops;

status_t stream_create(struct vmo *vmo, uint32_t options, uint64_t seek, struct stream **out_stream);
struct stream *stream_from_object(struct object *object);
/* offset NULL: at the seek position, which advances.  *out_done bytes were moved, also on error after some. */
status_t stream_read(struct stream *stream, uaddr_t to, uint64_t length, const uint64_t *offset, uint64_t *out_done);
status_t stream_write(struct stream *stream, uaddr_t from, uint64_t length, const uint64_t *offset, uint64_t *out_done);
status_t stream_seek(struct stream *stream, uint32_t whence, int64_t offset, uint64_t *out_position);
