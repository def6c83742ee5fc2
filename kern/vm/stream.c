/*
 * stream.c: reading and writing a VMO's content at a position.
 *
 * The rules for the position and for growing are in stream.h.  A write that grows the content
 * reserves its range under the family lock, where nobody else can grow it at the same time: so
 * appends through any number of streams never overlap, and no page of the old content is zeroed
 * after another's bytes went there.
 *
 * Invariant: content_size <= size, and the bytes that a growing write exposes in the old last page
 * are zero.
 * Locks: stream.lock for the position; the family lock for reserving.  Neither is held while bytes
 * are copied or a page is waited for.
 */
#include "vm/stream.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "vm/page_request.h"

static void stream_destroy(struct object *object)
{
    struct stream *stream = container_of(object, struct stream, object);

    object_unref(&stream->vmo->object);
    heap_free(stream);
}

const struct object_ops stream_ops = {
    .type = OBJECT_STREAM,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
    .destroy = stream_destroy,
};

status_t stream_create(struct vmo *vmo, uint32_t options, uint64_t seek, struct stream **out_stream)
{
    struct stream *stream;

    if ((options & ~(STREAM_READ | STREAM_WRITE | STREAM_APPEND)) || seek > INT64_MAX ||
        !(options & (STREAM_READ | STREAM_WRITE)) ||
        ((options & STREAM_APPEND) && !(options & STREAM_WRITE)))
        return ERR_INVALID_ARGS;
    stream = heap_alloc_zeroed(sizeof *stream);
    if (!stream)
        return ERR_NO_MEMORY;
    object_init(&stream->object, &stream_ops, 0);
    object_ref(&vmo->object);
    stream->vmo = vmo;
    stream->options = options;
    spin_init(&stream->lock, RANK_STREAM);
    stream->position = seek;
    *out_stream = stream;
    return OK;
}

/* --- The position. --- */

/* Stream lock held.  The number of this move is returned. */
static uint64_t set_position(struct stream *stream, uint64_t position)
{
    stream->position = position;
    return ++stream->moves;
}

/* A transfer that took its range in move number `move` (0: it took none) ended at `position`. */
static void settle(struct stream *stream, uint64_t move, uint64_t position)
{
    spin_lock(&stream->lock);
    if (move == 0 || stream->moves == move)
        set_position(stream, position);
    spin_unlock(&stream->lock);
}

status_t stream_seek(struct stream *stream, uint32_t whence, int64_t offset, uint64_t *out_position)
{
    status_t status = OK;
    int64_t base = 0, position;

    if (whence > STREAM_SEEK_END)
        return ERR_INVALID_ARGS;
    spin_lock(&stream->lock);
    if (whence == STREAM_SEEK_CURRENT)
        base = (int64_t)stream->position;
    else if (whence == STREAM_SEEK_END)
        base = (int64_t)vmo_content_size(stream->vmo);
    if (__builtin_add_overflow(base, offset, &position) || position < 0) {
        status = ERR_OUT_OF_RANGE;
    } else {
        if ((uint64_t)position != stream->position)
            set_position(stream, (uint64_t)position);
        *out_position = (uint64_t)position;
    }
    spin_unlock(&stream->lock);
    return status;
}

/* --- Reading. --- */

/* Content that shrinks away under the copy is the end, not an error. */
static status_t read_content(struct vmo *vmo, uint64_t start, uaddr_t to, uint64_t length,
                             uint64_t *out_done)
{
    status_t status = vmo_copy_to_user(vmo, start, to, length, true, out_done);

    return status == ERR_OUT_OF_RANGE ? OK : status;
}

/* How much of [start, start + length) is content. */
static uint64_t clip(struct vmo *vmo, uint64_t start, uint64_t length)
{
    uint64_t content = vmo_content_size(vmo);

    return start < content ? min_u64(length, content - start) : 0;
}

status_t stream_read(struct stream *stream, uaddr_t to, uint64_t length, const uint64_t *offset,
                     uint64_t *out_done)
{
    uint64_t start, move;
    status_t status;

    if (offset)
        return read_content(stream->vmo, *offset, to, clip(stream->vmo, *offset, length), out_done);
    spin_lock(&stream->lock);
    start = stream->position;
    length = clip(stream->vmo, start, length);
    move = set_position(stream, start + length);
    spin_unlock(&stream->lock);

    status = read_content(stream->vmo, start, to, length, out_done);
    if (*out_done < length)
        settle(stream, move, start + *out_done);
    return status;
}

/* --- Writing. --- */

/* A write in progress. */
struct write {
    struct vmo *vmo;
    bool append;                /* start is where the content ends */
    uint64_t start, length;     /* length is cut to what fits */
    uint64_t old_content;       /* before this write grew it; */
    bool grew;                  /* if it did */
    struct page_request request;
};

/* The rest of the last content page becomes zero, as what lies behind it will be seen. */
static status_t zero_tail(struct write *write)
{
    struct vmo *vmo = write->vmo;
    uint64_t tail = vmo->content_size & PAGE_MASK;
    uint64_t index = (vmo->kind == VMO_SLICE ? vmo->base : 0) + (vmo->content_size >> PAGE_SHIFT);
    struct page *page;
    status_t status;

    if (tail == 0)
        return OK;
    status = vmo_get_page(vmo_target(vmo), index, WANT_WRITE, 1, &write->request, &page);
    if (status == OK)
        memset((char *)page_to_virt(page) + tail, 0, PAGE_SIZE - tail);
    return status;
}

/* Settle where the write goes and make the content reach there.  Family lock held; nothing is
 * changed on error. */
static status_t reserve(struct write *write)
{
    struct vmo *vmo = write->vmo;
    uint64_t limit = vmo->resizable ? VMO_SIZE_MAX : vmo->size;
    uint64_t end;
    status_t status;

    if (write->append)
        write->start = vmo->content_size;
    if (write->start >= limit)
        return vmo->resizable ? ERR_OUT_OF_RANGE : ERR_NO_SPACE;
    write->length = min_u64(write->length, limit - write->start);
    end = write->start + write->length;
    if (end <= vmo->content_size)
        return OK;
    status = zero_tail(write);
    if (status != OK)
        return status;
    write->grew = true;
    write->old_content = vmo->content_size;
    vmo->content_size = end;
    vmo->size = max_u64(vmo->size, page_ceil(end));
    return OK;
}

/* Only `done` bytes came: content ends there again, if this write's end is still its end. */
static void unreserve(struct write *write, uint64_t done)
{
    vmo_lock(write->vmo);
    if (write->vmo->content_size == write->start + write->length)
        write->vmo->content_size = max_u64(write->old_content, write->start + done);
    vmo_unlock(write->vmo);
}

static status_t write_content(struct write *write, uaddr_t from, uint64_t *out_done)
{
    status_t status;

    page_request_init(&write->request, true);
    do {
        vmo_lock(write->vmo);
        status = reserve(write);
        vmo_unlock(write->vmo);
        status = page_request_resolve(&write->request, status);
    } while (status == ERR_RETRY);
    if (status != OK)
        return status;

    status = vmo_copy_from_user(write->vmo, write->start, from, write->length, true, out_done);
    if (write->grew && *out_done < write->length)
        unreserve(write, *out_done);
    return status;
}

/* Appending knows its place only when it is reserved; the position follows afterwards. */
status_t stream_write(struct stream *stream, uaddr_t from, uint64_t length, const uint64_t *offset,
                      uint64_t *out_done)
{
    struct write write = {
        .vmo = stream->vmo->kind == VMO_SLICE ? stream->vmo : vmo_target(stream->vmo),
        .append = !offset && (stream->options & STREAM_APPEND),
        .start = offset ? *offset : 0,
        .length = length,
    };
    uint64_t move = 0;
    status_t status;

    *out_done = 0;
    if (length == 0)
        return OK;
    if (!range_inside(from, length, USER_TOP))
        return ERR_INVALID_ARGS;
    if (!offset && !write.append) {
        spin_lock(&stream->lock);
        write.start = stream->position;
        move = set_position(stream, write.start + length);
        spin_unlock(&stream->lock);
    }
    status = write_content(&write, from, out_done);
    if (!offset && (write.append ? *out_done > 0 : *out_done < length))
        settle(stream, move, write.start + *out_done);
    return status;
}
