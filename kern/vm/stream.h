/*
 * stream.h: a seek position over a VMO with a content size: what a file descriptor is.
 *
 * Reads end at the content size.  Writes beyond it grow content and VMO, at once for the whole write and before its
 * bytes arrive; what else that exposes is zeroed first, whole pages without asking a pager for them.  What a failed write
 * did not fill is given back, unless somebody else began to write or set a size meanwhile; the VMO keeps its size.
 * A VMO that shrinks under a write cuts it off, as it would a moment later.
 *
 * The position is shared by all who hold the stream (after fork), and nothing is locked while bytes move.  So a transfer
 * first takes the range [position, position + length) by moving the position behind it, and two readers never get the
 * same bytes.  After a short transfer the position goes back to where it ended, unless it was moved meanwhile.
 */
#pragma once

#include "vm/vmo.h"

struct stream {
    struct object object;

    /* Immutable. */
    struct vmo *vmo;                    /* a reference */
    uint32_t options;

    struct spinlock lock;               /* RANK_STREAM: all below */
    uint64_t position;
    uint64_t moves;                     /* how often the position changed; not 0 */
};

extern const struct object_ops stream_ops;

/* options: STREAM_READ, _WRITE, _APPEND (writes at the position go to the end).  INVALID_ARGS: unknown options, neither
 * reading nor writing, append without writing, seek above INT64_MAX. */
status_t stream_create(struct vmo *vmo, uint32_t options, uint64_t seek, struct stream **out_stream);
/*
 * offset NULL: at the seek position, which advances.  *out_done bytes were moved, also on error after some.  May wait for a pager.
 * INVALID_ARGS for the user buffer; write: OUT_OF_RANGE beyond VMO_SIZE_MAX, NO_SPACE beyond a VMO that cannot grow; one that
 * fits in part is cut short.
 */
status_t stream_read(struct stream *stream, uaddr_t to, uint64_t length, const uint64_t *offset, uint64_t *out_done);
status_t stream_write(struct stream *stream, uaddr_t from, uint64_t length, const uint64_t *offset, uint64_t *out_done);
/* INVALID_ARGS: whence; OUT_OF_RANGE: the result is negative or too large. */
status_t stream_seek(struct stream *stream, uint32_t whence, int64_t offset, uint64_t *out_position);
