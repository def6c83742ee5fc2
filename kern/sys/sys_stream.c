/*
 * sys_stream.c: system calls on streams.
 *
 * A transfer that moved some bytes before it failed is a success with fewer bytes; the next one
 * meets the failure.  `actual` is written once before anything moves, so a bad pointer costs no
 * bytes.
 */
#include "sys/helpers.h"
#include "vm/stream.h"

status_t sys_stream_create(uint32_t options, handle_t vmo_handle, uint64_t seek, uaddr_t out)
{
    rights_t rights = (options & STREAM_READ ? RIGHT_READ : 0) |
                      (options & (STREAM_WRITE | STREAM_APPEND) ? RIGHT_WRITE : 0);
    struct vmo *vmo;
    struct stream *stream;
    status_t status = sys_lookup(vmo_handle, OBJECT_VMO, rights, &vmo);

    if (status != OK)
        return status;
    status = stream_create(vmo, options, seek, &stream);
    object_unref(&vmo->object);
    rights |= stream_ops.default_rights & ~(RIGHT_READ | RIGHT_WRITE);
    return status == OK ? sys_new_handle(&stream->object, rights, out) : status;
}

typedef status_t stream_transfer(struct stream *, uaddr_t, uint64_t, const uint64_t *, uint64_t *);

static status_t transfer(struct stream *stream, stream_transfer *move, uaddr_t buffer,
                         size_t length, const uint64_t *offset, uaddr_t actual)
{
    uint64_t done = 0;
    status_t status = sys_copy_out_u64(actual, 0);

    if (status == OK)
        status = move(stream, buffer, length, offset, &done);
    return done > 0 ? sys_copy_out_u64(actual, done) : status;
}

status_t sys_stream_read(struct stream *stream, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return transfer(stream, stream_read, buffer, length, NULL, actual);
}

status_t sys_stream_read_at(struct stream *stream, uaddr_t buffer, uint64_t offset, size_t length,
                            uaddr_t actual)
{
    return transfer(stream, stream_read, buffer, length, &offset, actual);
}

status_t sys_stream_write(struct stream *stream, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return transfer(stream, stream_write, buffer, length, NULL, actual);
}

status_t sys_stream_write_at(struct stream *stream, uaddr_t buffer, uint64_t offset, size_t length,
                             uaddr_t actual)
{
    return transfer(stream, stream_write, buffer, length, &offset, actual);
}

status_t sys_stream_seek(rights_t held, struct stream *stream, uint32_t whence, int64_t offset,
                         uaddr_t out_position)
{
    uint64_t position;

    if (!(held & (RIGHT_READ | RIGHT_WRITE)))
        return ERR_ACCESS_DENIED;
    status_t status = sys_copy_out_u64(out_position, 0);

    if (status == OK)
        status = stream_seek(stream, whence, offset, &position);
    return status == OK ? sys_copy_out_u64(out_position, position) : status;
}
