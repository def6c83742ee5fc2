/*
 * pipe.c: a byte queue between a reading and a writing end.
 *
 * The bytes lie in a ring of frames that are allocated when first reached.  `written` and `taken` count bytes for ever (and start
 * again at 0 when the ring is empty, so that a pipe with little traffic uses one frame); their difference is what can be read.
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
    struct wait_queue waiting;          /* ring->lock; threads that cannot read, or write, here */
    bool closed;                        /* ring->lock */
};

struct pipe_ring {
    struct spinlock lock;               /* RANK_PIPE: all below, and the ends' state */
    atomic_uint ends;                   /* not destroyed yet */
    uint64_t written, taken;
    char *frames[RING_FRAMES];
    struct pipe reader, writer;
};

static void init_end(struct pipe *end, struct pipe_ring *ring, signals_t signals)
{
    object_init(&end->object, &pipe_ops, signals);
    wait_queue_init(&end->waiting);
    end->ring = ring;
}

status_t pipe_create(struct object *out_ends[2])
{
    struct pipe_ring *ring = heap_alloc_zeroed(sizeof(*ring));

    if (!ring)
        return ERR_NO_MEMORY;
    spin_init(&ring->lock, RANK_PIPE);
    atomic_init(&ring->ends, 2);
    init_end(&ring->reader, ring, 0);
    init_end(&ring->writer, ring, SIGNAL_WRITABLE);
    out_ends[0] = &ring->reader.object;
    out_ends[1] = &ring->writer.object;
    object_relate(out_ends[0], out_ends[1]);
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
        wait_queue_wake_all(&ring->reader.waiting);
    if (bytes_free(ring) > 0 || ring->reader.closed)
        wait_queue_wake_all(&ring->writer.waiting);
}

/* Move bytes between the ring from position `at` on and user memory.  *out_done bytes were moved, also on error. */
static status_t move_bytes(struct pipe_ring *ring, uint64_t at, uaddr_t user, size_t length,
                           bool into_ring, size_t *out_done)
{
    size_t done = 0, missing = 0;

    while (done < length && missing == 0) {
        uint64_t offset = (at + done) & PAGE_MASK;
        char **frame = &ring->frames[(at + done) / PAGE_SIZE % RING_FRAMES];
        size_t part = min_u64(length - done, PAGE_SIZE - offset);

        if (!*frame && !(*frame = frame_alloc_virt(FRAME_KERNEL)))
            break;
        if (into_ring)
            missing = arch_copy_from_user(*frame + offset, user + done, part);
        else
            missing = arch_copy_to_user(user + done, *frame + offset, part);
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

/*
 * Sleep until `wanted` bytes can be moved, then move as many as can be, up to `length`.  What moved before a failure
 * counts, unless that is less than wanted.  The direction is a constant.
 */
static INLINE status_t transfer(struct pipe_ring *ring, bool into_ring, uaddr_t user, size_t length,
                                size_t wanted, size_t *out_done)
{
    struct pipe *end = into_ring ? &ring->writer : &ring->reader;
    struct pipe *peer = into_ring ? &ring->reader : &ring->writer;
    uint64_t *position = into_ring ? &ring->written : &ring->taken;
    uint64_t available;
    status_t status = OK;

    *out_done = 0;
    spin_lock(&ring->lock);
    while ((available = into_ring ? bytes_free(ring) : bytes_inside(ring)) < wanted &&
           !peer->closed && status == OK)
        status = wait_queue_sleep(&end->waiting, &ring->lock, DEADLINE_INFINITE,
                                  WAIT_INTERRUPTIBLE);
    if (status == OK && into_ring && peer->closed)
        status = ERR_PEER_CLOSED;
    if (status == OK)
        status = move_bytes(ring, *position, user, min_u64(length, available), into_ring, out_done);
    if (*out_done < wanted)
        *out_done = 0;
    if (*out_done > 0) {
        status = OK;
        *position += *out_done;
        if (bytes_inside(ring) == 0)
            ring->written = ring->taken = 0;
        ring_changed(ring);
    }
    spin_unlock(&ring->lock);
    return status;
}

status_t pipe_read(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual)
{
    return transfer(pipe->ring, false, buffer, length, length > 0, out_actual);
}

status_t pipe_write(struct pipe *pipe, uaddr_t buffer, size_t length, size_t *out_actual)
{
    size_t wanted = length <= PIPE_ATOMIC ? length : 1;

    return transfer(pipe->ring, true, buffer, length, wanted, out_actual);
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
    .type = OBJECT_PIPE, .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
    .unreachable = pipe_unreachable, .destroy = pipe_destroy,
};
