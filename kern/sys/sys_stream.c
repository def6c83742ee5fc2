/*
 * sys_stream.c: system calls on streams.
 *
 * A transfer that moved some bytes before it failed is a success with fewer bytes; the next one
 * meets the failure.  `actual` is written once before anything moves, so a bad pointer costs no
 * bytes.
 */
#include "sys/helpers.h"
#include "vm/stream.h"

static rights_t option_rights(uint32_t options)
{
    return (options & STREAM_READ ? RIGHT_READ : 0) |
           (options & (STREAM_WRITE | STREAM_APPEND) ? RIGHT_WRITE : 0);
}

status_t sys_stream_create(uint32_t options, handle_t vmo_handle, uint64_t seek, uaddr_t out)
{
    struct object *vmo;
    struct stream *stream;
    rights_t rights = option_rights(options);
    status_t status = sys_lookup(vmo_handle, OBJECT_VMO, rights, &vmo);

    if (status != OK)
        return status;
    status = stream_create(vmo_from_object(vmo), options, seek, &stream);
    object_unref(vmo);
    if (status != OK)
        return status;
    rights |= stream_ops.default_rights & ~(RIGHT_READ | RIGHT_WRITE);
    return sys_new_handle(&stream->object, rights, out);
}

typedef status_t stream_transfer(struct stream *, uaddr_t, uint64_t, const uint64_t *, uint64_t *);

static status_t transfer(handle_t handle, rights_t right, stream_transfer *move, uaddr_t buffer,
                         size_t length,
                         const uint64_t *offset, uaddr_t actual)
{
    struct object *stream;
    uint64_t done = 0;
    status_t status = sys_lookup(handle, OBJECT_STREAM, right, &stream);

    if (status != OK)
        return status;
    status = sys_copy_out_u64(actual, 0);
    if (status == OK)
        status = move(stream_from_object(stream), buffer, length, offset, &done);
    object_unref(stream);
    return done > 0 ? sys_copy_out_u64(actual, done) : status;
}

status_t sys_stream_read(handle_t stream, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return transfer(stream, RIGHT_READ, stream_read, buffer, length, NULL, actual);
}

status_t sys_stream_read_at(handle_t stream, uaddr_t buffer, uint64_t offset, size_t length,
                            uaddr_t actual)
{
    return transfer(stream, RIGHT_READ, stream_read, buffer, length, &offset, actual);
}

status_t sys_stream_write(handle_t stream, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return transfer(stream, RIGHT_WRITE, stream_write, buffer, length, NULL, actual);
}

status_t sys_stream_write_at(handle_t stream, uaddr_t buffer, uint64_t offset, size_t length,
                             uaddr_t actual)
{
    return transfer(stream, RIGHT_WRITE, stream_write, buffer, length, &offset, actual);
}

/* READ or WRITE will do; sys_lookup asks for all of its rights, so try one after the other. */
status_t sys_stream_seek(handle_t handle, uint32_t whence, int64_t offset, uaddr_t out_position)
{
    struct object *stream;
    uint64_t position;
    status_t status = sys_lookup(handle, OBJECT_STREAM, RIGHT_READ, &stream);

    if (status == ERR_ACCESS_DENIED)
        status = sys_lookup(handle, OBJECT_STREAM, RIGHT_WRITE, &stream);
    if (status != OK)
        return status;
    status = sys_copy_out_u64(out_position, 0);
    if (status == OK)
        status = stream_seek(stream_from_object(stream), whence, offset, &position);
    if (status == OK)
        status = sys_copy_out_u64(out_position, position);
    object_unref(stream);
    return status;
}
