/*
 * pipe.c: a byte queue between a reading and a writing end.
 *
 * The bytes lie in a ring of frames that are allocated when first reached.  `written` and `taken`
 * count bytes for ever (and start again at 0 when the ring is empty, so that a pipe with little
 * traffic uses one frame); their difference is what can be read.
 *
 * Invariant: an end is closed from its last handle on.  READABLE is set while there are bytes or no writer, WRITABLE
 * while an atomic write would not wait, and at either end PEER_CLOSED from the close of the other on.
 * Locks: ring.lock guards everything.  A sleeper woken looks at everything again, so each change wakes all.
 */
#include "ipc/pipe.h"

#include "mm/frame.h"
#include "mm/heap.h"

#define RING_FRAMES (PIPE_CAPACITY / PAGE_SIZE)

struct pipe {
    struct object object;
    struct pipe_ring *ring;
    bool closed;                        /* ring->lock */
};

struct pipe_ring {
    struct spinlock lock;               /* RANK_PIPE: all below, and the ends' flags */
    atomic_uint ends;                   /* not destroyed yet */
    uint64_t written, taken;
    struct wait_queue readers, writers;
    char *frames[RING_FRAMES];
    struct pipe reader, writer;
};

status_t pipe_create(struct object *out_ends[2])
{
    struct pipe_ring *ring = heap_alloc_zeroed(sizeof(*ring));

    if (!ring)
        return ERR_NO_MEMORY;
    spin_init(&ring->lock, RANK_PIPE);
    atomic_init(&ring->ends, 2);
    wait_queue_init(&ring->readers);
    wait_queue_init(&ring->writers);
    object_init(&ring->reader.object, &pipe_ops, 0);
    object_init(&ring->writer.object, &pipe_ops, SIGNAL_WRITABLE);
    object_relate(&ring->reader.object, &ring->writer.object);
    ring->reader.ring = ring->writer.ring = ring;
    out_ends[0] = &ring->reader.object;
    out_ends[1] = &ring->writer.object;
    return OK;
}

static uint64_t bytes_inside(const struct pipe_ring *ring) { return ring->written - ring->taken; }

static uint64_t bytes_free(const struct pipe_ring *ring)
{
    return PIPE_CAPACITY - bytes_inside(ring);
}

/* The signals of both ends as the ring is now, and a wake-up for whoever waits for such a state. */
static void ring_changed(struct pipe_ring *ring)
{
    bool readable = bytes_inside(ring) > 0 || ring->writer.closed;
    bool writable = bytes_free(ring) >= PIPE_ATOMIC && !ring->reader.closed;

    if (!ring->reader.closed)
        object_signal(&ring->reader.object, readable ? 0 : SIGNAL_READABLE,
                      readable ? SIGNAL_READABLE : 0);
    if (!ring->writer.closed)
        object_signal(&ring->writer.object, writable ? 0 : SIGNAL_WRITABLE,
                      writable ? SIGNAL_WRITABLE : 0);
    if (readable)
        wait_queue_wake_all(&ring->readers);
    if (bytes_free(ring) > 0 || ring->reader.closed)
        wait_queue_wake_all(&ring->writers);
}

/* The ring's memory for position `at`; *out_length is cut to what lies there in one piece. */
static char *ring_piece(struct pipe_ring *ring, uint64_t at, size_t *out_length)
{
    uint64_t offset = at & PAGE_MASK;
    char **frame = &ring->frames[at / PAGE_SIZE % RING_FRAMES];

    if (!*frame) {
        struct page *page = frame_alloc(FRAME_KERNEL);

        if (!page)
            return NULL;
        *frame = page_to_virt(page);
    }
    *out_length = min_u64(*out_length, PAGE_SIZE - offset);
    return *frame + offset;
}

/* Move bytes between the ring from position `at` on and user memory.  *out_done bytes were moved, also on error. */
static status_t move_bytes(struct pipe_ring *ring, uint64_t at, uaddr_t user, size_t length,
                           bool into_ring, size_t *out_done)
{
    size_t done = 0, missing = 0;

    while (done < length && missing == 0) {
        size_t part = length - done;
        char *piece = ring_piece(ring, at + done, &part);

        if (!piece)
            break;
        if (into_ring)
            missing = arch_copy_from_user(piece, user + done, part);
        else
            missing = arch_copy_to_user(user + done, piece, part);
        done += part - missing;
    }
    *out_done = done;
    if (done == length)
        return OK;
    if (missing == 0)
        return ERR_NO_MEMORY;
    return user_missing(user + done, into_ring ? min_u64(length - done, PIPE_ATOMIC) : 1,
                        !into_ring);
}

status_t pipe_read(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual)
{
    struct pipe_ring *ring = pipe->ring;
    status_t status = OK;

    *out_actual = 0;
    if (length == 0)
        return OK;

    spin_lock(&ring->lock);
    while (status == OK && bytes_inside(ring) == 0 && !ring->writer.closed)
        status = wait_queue_sleep(&ring->readers, &ring->lock, DEADLINE_INFINITE, WAIT_INTERRUPTIBLE);
    if (status == OK && bytes_inside(ring) > 0) {
        status = move_bytes(ring, ring->taken, buffer, min_u64(length, bytes_inside(ring)), false,
                            out_actual);
        if (*out_actual > 0) {
            status = OK;
            ring->taken += *out_actual;
            if (bytes_inside(ring) == 0)
                ring->written = ring->taken = 0;
            ring_changed(ring);
        }
    }
    spin_unlock(&ring->lock);
    return status;
}

status_t pipe_write(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual)
{
    struct pipe_ring *ring = pipe->ring;
    bool whole = length <= PIPE_ATOMIC;
    uint64_t wanted = whole ? length : 1;
    status_t status = OK;

    *out_actual = 0;
    spin_lock(&ring->lock);
    while (status == OK && *out_actual < length) {
        if (ring->reader.closed) {
            status = ERR_PEER_CLOSED;
        } else if (bytes_free(ring) < wanted) {
            status = wait_queue_sleep(&ring->writers, &ring->lock, DEADLINE_INFINITE,
                                      WAIT_INTERRUPTIBLE);
        } else {
            size_t done;

            status = move_bytes(ring, ring->written, buffer + *out_actual,
                                min_u64(length - *out_actual, bytes_free(ring)), true, &done);
            if (status == OK || !whole) {
                ring->written += done;
                *out_actual += done;
                if (done > 0)
                    ring_changed(ring);
            }
        }
    }
    spin_unlock(&ring->lock);
    return status;
}

static void pipe_unreachable(struct object *object)
{
    struct pipe *pipe = container_of(object, struct pipe, object);
    struct pipe_ring *ring = pipe->ring;
    struct pipe *peer = pipe == &ring->writer ? &ring->reader : &ring->writer;

    spin_lock(&ring->lock);
    pipe->closed = true;
    if (!peer->closed)
        object_signal(&peer->object, 0, SIGNAL_PEER_CLOSED);
    ring_changed(ring);
    spin_unlock(&ring->lock);
}

static void pipe_destroy(struct object *object)
{
    struct pipe *pipe = container_of(object, struct pipe, object);
    struct pipe_ring *ring = pipe->ring;

    if (atomic_fetch_sub_explicit(&ring->ends, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < RING_FRAMES; i++) {
        if (ring->frames[i])
            frame_free_virt(ring->frames[i]);
    }
    heap_free(ring);
}

const struct object_ops pipe_ops = {
    .type = OBJECT_PIPE,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
    .unreachable = pipe_unreachable,
    .destroy = pipe_destroy,
};
