/*
 * stream.c: reading and writing a VMO's content at a position.
 *
 * The rules for the position and for growing are in stream.h.  A write reserves its range under the
 * family lock, where nobody else can grow the content at the same time: so appends through any
 * number of streams never overlap, and nothing is zeroed after another's bytes went there.
 *
 * Invariant: content_size <= size, and the bytes that growing content exposes are zero.
 * Locks: stream.lock for the position; the family lock for reserving.  Neither is held while bytes
 * are copied or a page is waited for.
 */
#include "vm/stream.h"

#include "mm/heap.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

static void stream_destroy(struct object *object)
{
    struct stream *stream = container_of(object, struct stream, object);

    object_unref(&stream->vmo->object);
    heap_free(stream);
}

const struct object_ops stream_ops = {
    .type = OBJECT_STREAM, .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
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
    stream->moves = 1;
    *out_stream = stream;
    return OK;
}

/* --- The position. --- */

/* Stream lock held.  The number of the last move is returned: this one, if it is one. */
static uint64_t set_position(struct stream *stream, uint64_t position)
{
    stream->moves += position != stream->position;
    stream->position = position;
    return stream->moves;
}

/* A transfer begins at *offset, or takes its range from the position on; it is cut off at `bound`.  *out_move is for settle. */
static uint64_t begin(struct stream *stream, const uint64_t *offset, uint64_t bound, uint64_t *length,
                      uint64_t *out_move)
{
    uint64_t start;

    spin_lock(&stream->lock);
    start = offset ? *offset : stream->position;
    *length = start < bound ? min_u64(*length, bound - start) : 0;
    *out_move = offset ? 0 : set_position(stream, start + *length);
    spin_unlock(&stream->lock);
    return start;
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
        set_position(stream, (uint64_t)position);
        *out_position = (uint64_t)position;
    }
    spin_unlock(&stream->lock);
    return status;
}

/* --- Reading. --- */

status_t stream_read(struct stream *stream, uaddr_t to, uint64_t length, const uint64_t *offset,
                     uint64_t *out_done)
{
    uint64_t move, start = begin(stream, offset, vmo_content_size(stream->vmo), &length, &move);
    status_t status = vmo_copy(stream->vmo, start, to, length, VMO_TO_USER, true, out_done);

    if (!offset && *out_done < length)
        settle(stream, move, start + *out_done);
    return status == ERR_OUT_OF_RANGE ? OK : status;    /* content that shrank away is the end, not an error */
}

/* --- Writing. --- */

/* A write in progress. */
struct write {
    struct vmo *vmo;            /* whose content size counts */
    bool append;                /* start is where the content ends */
    uint64_t start, length;     /* length is cut to what fits */
    uint64_t old_content;       /* its size before */
    uint64_t change;            /* the number of this write */
    struct page_request request;
};

/*
 * The content ends at `end`, and what it shows more is zero: the rest of its old last page, and the pages behind.  For
 * these the pager is not asked: it is told that they are zeros.  Family lock held; the content stays as it is on error.
 */
static status_t grow_content(struct write *write, uint64_t end)
{
    struct vmo *vmo = write->vmo, *target = vmo_target(vmo);
    uint64_t base = vmo->kind == VMO_SLICE ? vmo->base << PAGE_SHIFT : 0;
    uint64_t tail = base + vmo->content_size, first = page_ceil(tail) >> PAGE_SHIFT, busy;
    uint64_t last = (base + min_u64(page_ceil(end), vmo->size)) >> PAGE_SHIFT;
    status_t status = OK;

    if (vmo_find_busy(target, first, last, &busy)) {
        page_request_arm(&write->request, target, REQUEST_UNBUSY, busy, 1);
        return ERR_SHOULD_WAIT;
    }
    if (!page_aligned(tail))
        status = vmo_zero_part(target, tail, page_ceil(tail) - tail, &write->request);
    if (status == OK && first < last && target->kind != VMO_DEVICE)
        status = vmo_zero_pages(target, first, last);
    if (status == OK && end > vmo->size)
        status = vmo_grow(vmo, page_ceil(end) >> PAGE_SHIFT);
    if (status == OK) {
        vmo->content_size = end;
        target->modified = true;
    }
    return status;
}

/* Settle where the write goes and make the content reach there.  Family lock held. */
static status_t reserve(struct write *write)
{
    struct vmo *vmo = write->vmo;
    uint64_t limit = vmo->resizable ? VMO_SIZE_MAX : vmo->size;
    status_t status = OK;

    write->old_content = vmo->content_size;
    if (write->append)
        write->start = vmo->content_size;
    if (write->start >= limit)
        return vmo->resizable ? ERR_OUT_OF_RANGE : ERR_NO_SPACE;
    write->length = min_u64(write->length, limit - write->start);
    if (write->start + write->length > vmo->content_size)
        status = grow_content(write, write->start + write->length);
    if (status == OK)
        write->change = ++vmo->content_changes;
    return status;
}

/* Only `done` bytes came: unless somebody else changed the content since, it ends behind them, or where it did. */
static void give_back(struct write *write, uint64_t done)
{
    struct vmo *vmo = write->vmo;

    vmo_lock(vmo);
    if (vmo->content_changes == write->change) {
        vmo->content_size = max_u64(write->old_content, done > 0 ? write->start + done : 0);
        vmo->content_changes -= done == 0;
    }
    vmo_unlock(vmo);
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

    status = vmo_copy(write->vmo, write->start, from, write->length, VMO_FROM_USER, true, out_done);
    if (status == ERR_OUT_OF_RANGE) {           /* the VMO shrank: as if it had done so afterwards */
        *out_done = write->length;
        status = OK;
    }
    if (*out_done < write->length)
        give_back(write, *out_done);
    return status;
}

/* Appending knows its place only when it is reserved; the position follows afterwards. */
status_t stream_write(struct stream *stream, uaddr_t from, uint64_t length, const uint64_t *offset,
                      uint64_t *out_done)
{
    struct write write;         /* not cleared as a whole: the request is large */
    uint64_t move = 0;
    status_t status;

    *out_done = 0;
    if (length == 0)
        return OK;
    if (!range_inside(from, length, USER_TOP))
        return ERR_INVALID_ARGS;
    write.vmo = stream->vmo->kind == VMO_SLICE ? stream->vmo : vmo_target(stream->vmo);
    write.append = !offset && (stream->options & STREAM_APPEND);
    write.length = length;
    if (!write.append)
        write.start = begin(stream, offset, VMO_SIZE_MAX, &write.length, &move);
    status = write_content(&write, from, out_done);
    if (!offset && (write.append ? *out_done > 0 : *out_done < length))
        settle(stream, move, write.start + *out_done);
    return status;
}
