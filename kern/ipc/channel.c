/*
 * channel.c: two connected ends and the messages between them.
 *
 * Each end has a queue of messages to be read there and a list of threads that wait in channel_call for an answer
 * there.  A message whose first word is the transaction id of such a thread goes to it and past the queue.
 *
 * Invariant: at an open end, READABLE is set exactly while its queue is not empty, and WRITABLE
 * while the peer is open and the peer's queue has room.
 * Locks: pair.lock guards both ends and is held while their signals change.  Messages are destroyed
 * with it released, because that closes handles.
 */
#include "ipc/channel.h"

#include "mm/heap.h"
#include "task/wait_queue.h"

#define TRANSACTION_KERNEL 0x80000000u      /* in ids that the kernel chose */

struct channel {
    struct object object;
    struct channel_pair *pair;
    struct channel *peer;                   /* the other end */

    /* Guarded by pair->lock. */
    struct list messages;                   /* to be read here, oldest first */
    uint32_t message_count, message_bytes;
    struct wait_queue calls;                /* struct channel_call: threads waiting here */
    bool closed;
};

/* A thread in channel_call.  On its stack; linked until the reply came or the thread gave up. */
struct channel_call {
    struct wait_sleeper sleeper;            /* in channel->calls */
    uint32_t transaction;
    status_t failure;                       /* why no reply will come */
    struct message *reply;
};

struct channel_pair {
    struct spinlock lock;                   /* RANK_CHANNEL */
    atomic_uint ends;                       /* not destroyed yet */
    uint32_t last_transaction;              /* lock */
    _Atomic(struct message *) spare;        /* empty, of MESSAGE_SMALL bytes; or NULL */
    struct channel end[2];
};

status_t channel_create(struct object *out_ends[2])
{
    struct channel_pair *pair = heap_alloc_zeroed(sizeof(*pair));

    if (!pair)
        return ERR_NO_MEMORY;
    spin_init(&pair->lock, RANK_CHANNEL);
    atomic_init(&pair->ends, 2);
    for (uint32_t i = 0; i < 2; i++) {
        struct channel *end = &pair->end[i];

        object_init(&end->object, &channel_ops, SIGNAL_WRITABLE);
        end->pair = pair;
        end->peer = &pair->end[1 - i];
        list_init(&end->messages);
        wait_queue_init(&end->calls);
        out_ends[i] = &end->object;
    }
    object_relate(out_ends[0], out_ends[1]);
    return OK;
}

status_t channel_create_message(struct channel *channel, uint32_t num_bytes, uint32_t num_handles,
                                struct message **out_message)
{
    bool small = message_size(num_bytes, num_handles) <= MESSAGE_SMALL;
    struct message *spare = small ? atomic_exchange_explicit(&channel->pair->spare, NULL, memory_order_acquire) : NULL;

    if (!spare)
        return message_create(num_bytes, num_handles, out_message);
    message_init(spare, num_bytes, num_handles);
    *out_message = spare;
    return OK;
}

void channel_destroy_message(struct channel *channel, struct message *message)
{
    /* What the places of handles took, if there were any, is not known any more. */
    if (message->only == (char *)message->handles &&
        message_size(message->num_bytes, 0) <= MESSAGE_SMALL)
        message = atomic_exchange(&channel->pair->spare, message);
    if (message)
        message_destroy(message);
}

static bool is_full(const struct channel *channel)
{
    return channel->message_count >= CHANNEL_MAX_QUEUED ||
           channel->message_bytes >= CHANNEL_MAX_QUEUED_BYTES;
}

/* Give the message to the thread that waits for it at this end, if there is one. */
static bool answer_call(struct channel *channel, struct message *message)
{
    if (list_empty(&channel->calls.sleepers) || message->num_bytes < sizeof(transaction_t))
        return false;
    uint32_t transaction = *message_transaction(message);

    list_for_each(&channel->calls.sleepers, node) {
        struct channel_call *call = list_entry(node, struct channel_call, sleeper.link);

        if (call->transaction == transaction) {
            call->reply = message;
            wait_queue_wake(&call->sleeper, true);
            return true;
        }
    }
    return false;
}

static INLINE status_t
write_locked(struct channel *channel, struct message *message, bool hand_over)
{
    struct channel *peer = channel->peer;

    if (peer->closed)
        return ERR_PEER_CLOSED;
    if (answer_call(peer, message))
        return OK;
    if (is_full(peer))
        return ERR_SHOULD_WAIT;

    list_push_back(&peer->messages, &message->link);
    peer->message_count++;
    peer->message_bytes += message->num_bytes;
    if (is_full(peer))
        object_signal(&channel->object, SIGNAL_WRITABLE, 0);
    object_signal_hint(&peer->object, 0, SIGNAL_READABLE, hand_over);
    return OK;
}

status_t channel_write(struct channel *channel, struct message *message)
{
    spin_lock(&channel->pair->lock);
    status_t status = write_locked(channel, message, false);

    spin_unlock(&channel->pair->lock);
    return status;
}

status_t channel_read(struct channel *channel, const channel_call_args_t *to,
                      uaddr_t actual_bytes_at, uaddr_t actual_handles_at)
{
    struct channel *peer = channel->peer;
    struct message *message = NULL;
    status_t status;

    spin_lock(&channel->pair->lock);
    if (list_empty(&channel->messages)) {
        status = peer->closed ? ERR_PEER_CLOSED : ERR_SHOULD_WAIT;
    } else {
        message = list_entry(list_first(&channel->messages), struct message, link);
        status = message_take(message, to, actual_bytes_at, actual_handles_at);
    }
    if (status == OK) {
        list_remove(&message->link);
        channel->message_count--;
        channel->message_bytes -= message->num_bytes;
        if (channel->message_count == 0)
            object_signal(&channel->object, SIGNAL_READABLE, 0);
        if (!peer->closed && !is_full(channel))
            object_signal(&peer->object, 0, SIGNAL_WRITABLE);
    }
    spin_unlock(&channel->pair->lock);
    if (status == OK)
        channel_destroy_message(channel, message);
    return status;
}

status_t channel_call(struct channel *channel, struct message *message, int64_t deadline,
                      struct message **out_reply)
{
    struct channel_pair *pair = channel->pair;
    struct channel_call call;

    spin_lock(&pair->lock);
    call.failure = OK;
    call.reply = NULL;
    call.transaction = TRANSACTION_KERNEL | pair->last_transaction++;
    *message_transaction(message) = call.transaction;

    status_t status = channel->closed ? ERR_CANCELED : write_locked(channel, message, true);
    bool sent = status == OK;

    if (sent) {
        status = wait_queue_sleep_as(&channel->calls, &call.sleeper, &pair->lock, deadline,
                                     WAIT_INTERRUPTIBLE);
        if (status == OK)
            status = call.failure;
    }
    spin_unlock(&pair->lock);
    if (!sent)
        message_destroy(message);
    *out_reply = call.reply;
    return status;
}

/* --- The end. --- */

/* Wake every thread that waits at this end: no reply will come.  Lock held. */
static void fail_calls(struct channel *channel, status_t status)
{
    list_for_each(&channel->calls.sleepers, node) {
        struct channel_call *call = list_entry(node, struct channel_call, sleeper.link);

        call->failure = status;
        wait_queue_wake(&call->sleeper, false);
    }
}

static void channel_unreachable(struct object *object)
{
    struct channel *channel = container_of(object, struct channel, object);
    struct channel *peer = channel->peer;
    struct list_node *node;
    struct list unread = LIST_INITIALIZER(unread);

    spin_lock(&channel->pair->lock);
    channel->closed = true;
    list_splice_back(&unread, &channel->messages);
    fail_calls(channel, ERR_CANCELED);
    if (!peer->closed) {
        fail_calls(peer, ERR_PEER_CLOSED);
        object_signal(&peer->object, SIGNAL_WRITABLE, SIGNAL_PEER_CLOSED);
    }
    spin_unlock(&channel->pair->lock);

    while ((node = list_pop_front(&unread)))
        message_destroy(list_entry(node, struct message, link));
}

static void channel_destroy(struct object *object)
{
    struct channel *channel = container_of(object, struct channel, object);

    if (atomic_fetch_sub_explicit(&channel->pair->ends, 1, memory_order_acq_rel) > 1)
        return;
    heap_free(atomic_load(&channel->pair->spare));
    heap_free(channel->pair);
}

const struct object_ops channel_ops = {
    .type = OBJECT_CHANNEL, .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
    .unreachable = channel_unreachable, .destroy = channel_destroy,
};
