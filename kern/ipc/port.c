/*
 * port.c: packets, the threads that wait for them, and observers that turn signals into packets.
 *
 * A packet belongs to whoever embeds it; queuing links it and wakes one reader, so it cannot fail for want of
 * memory.  A reader copies a packet to user memory with faults disabled, under the lock, and only then unlinks
 * it: a packet is taken or not, never lost.  Its owner hears of it (dequeued) when no lock is held.
 *
 * port_observe makes a record that is an observer and a packet in one.  Whoever unlinks the record from port->waits
 * (its last packet was read, port_cancel, the port or the object closed) has claimed it and alone detaches it; the
 * memory goes with its last count, since a reader may be between taking the packet and `dequeued`.
 *
 * Invariant: while packets are queued, every sleeping reader that a packet woke, or another in its place, will
 * look at the queue again: a reader that leaves without taking what it was woken for wakes the next one.
 * Locks: object.lock (held when signals change), then port.lock.
 */
#include "ipc/port.h"

#include "mm/heap.h"

struct wait_record {
    struct observer observer;
    struct packet packet;
    struct list_node link;              /* port->waits, port.lock; linked = not claimed */
    atomic_uint count;                  /* one until detached, one a packet not dequeued */
    /* Immutable. */
    struct port *port;                  /* a reference */
    struct object *object;              /* a reference */
    bool persistent;
};

status_t port_create(struct object **out_port)
{
    struct port *port = heap_alloc_zeroed(sizeof(*port));

    if (!port)
        return ERR_NO_MEMORY;
    object_init(&port->object, &port_ops, 0);
    spin_init(&port->lock, RANK_PORT);
    list_init(&port->packets);
    list_init(&port->waits);
    wait_queue_init(&port->readers);
    wait_queue_init(&port->stopped);
    *out_port = &port->object;
    return OK;
}

/* --- Queuing. --- */

static void queue_locked(struct port *port, struct packet *packet, bool hand_over)
{
    list_push_back(&port->packets, &packet->link);
    wait_queue_wake_one(&port->readers, hand_over);
}

bool port_queue_packet(struct port *port, struct packet *packet, bool hand_over)
{
    spin_lock(&port->lock);
    bool is_user = packet->content.type == PKT_USER;
    bool taken = !port->closed && !(is_user && port->user_packets == PORT_MAX_USER_PACKETS);

    assert(!list_linked(&packet->link));
    if (taken) {
        port->user_packets += is_user;
        queue_locked(port, packet, hand_over);
    }
    spin_unlock(&port->lock);
    return taken;
}

/* Take a node out of its list, guarded by the port's lock: false if it is in none. */
static bool unlink_node(struct port *port, struct list_node *node)
{
    spin_lock(&port->lock);
    bool linked = list_linked(node);

    if (linked)
        list_remove(node);
    spin_unlock(&port->lock);
    return linked;
}

bool port_withdraw(struct port *port, struct packet *packet)
{
    return unlink_node(port, &packet->link);
}

static void user_packet_dequeued(struct packet *packet) { heap_free(packet); }

status_t port_queue_user(struct port *port, const port_packet_t *content)
{
    struct packet *packet = heap_alloc(sizeof(*packet));

    if (!packet)
        return ERR_NO_MEMORY;
    *packet = (struct packet){ .content = *content, .dequeued = user_packet_dequeued };
    if (port_queue_packet(port, packet, false))
        return OK;
    heap_free(packet);
    return ERR_SHOULD_WAIT;
}

/* --- Reading. --- */

/* Unlink the first packet and release the lock, then tell its owner. */
static void dequeue_and_unlock(struct port *port, struct packet *packet)
{
    void (*dequeued)(struct packet *) = packet->dequeued;

    list_remove(&packet->link);
    port->user_packets -= packet->content.type == PKT_USER;
    spin_unlock(&port->lock);
    if (dequeued)
        dequeued(packet);
}

static inline struct packet *first_packet(struct port *port)
{
    struct list_node *node = list_first(&port->packets);

    return node ? list_entry(node, struct packet, link) : NULL;
}

/* Sleep until there is a packet, with port->lock held. */
static status_t wait_for_packet(struct port *port, int64_t deadline)
{
    while (list_empty(&port->packets)) {
        if (port->closed)
            return ERR_CANCELED;
        if (deadline <= 0)
            return ERR_TIMED_OUT;
        status_t status = wait_queue_sleep(&port->readers, &port->lock, deadline,
                                           WAIT_INTERRUPTIBLE);

        if (status != OK && list_empty(&port->packets))
            return status;
        if (thread_killed())
            return ERR_CANCELED;
    }
    return OK;
}

status_t port_wait(struct port *port, int64_t deadline, uaddr_t out)
{
    spin_lock(&port->lock);
    status_t status = wait_for_packet(port, deadline);
    struct packet *packet = first_packet(port);

    if (status == OK && arch_copy_to_user(out, &packet->content, sizeof(packet->content)) != 0)
        status = user_missing(out, sizeof(packet->content), true);
    if (status == OK) {
        dequeue_and_unlock(port, packet);
    } else {
        if (packet)
            wait_queue_wake_one(&port->readers, false);
        spin_unlock(&port->lock);
    }
    if (this_hart()->next)
        sched_release_next();
    return status;
}

/* --- Signals as packets. --- */

/* Give up `count` counts of the record; with the last one it is freed.  No locks held. */
static void record_release(struct wait_record *record, uint32_t count)
{
    if (atomic_fetch_sub_explicit(&record->count, count, memory_order_acq_rel) != count)
        return;
    struct port *port = record->port;
    struct object *object = record->object;

    heap_free(record);
    object_unref(object);
    object_unref(&port->object);
}

static bool observer_attach(struct observer *observer)
{
    struct wait_record *record = container_of(observer, struct wait_record, observer);
    struct port *port = record->port;

    spin_lock(&port->lock);
    bool open = !port->closed;

    if (open)
        list_push_back(&port->waits, &record->link);
    spin_unlock(&port->lock);
    return open;
}

/* Become the one who detaches the record: false if somebody else is. */
static bool observer_claim(struct observer *observer)
{
    struct wait_record *record = container_of(observer, struct wait_record, observer);

    return unlink_node(record->port, &record->link);
}

static void observer_release(struct observer *observer)
{
    record_release(container_of(observer, struct wait_record, observer), 1);
}

static void record_dequeued(struct packet *packet)
{
    struct wait_record *record = container_of(packet, struct wait_record, packet);
    bool over = !record->persistent && observer_claim(&record->observer);

    record_release(record, over ? 2 : 1);
}

static void observer_notify(struct observer *observer, struct object *object, signals_t observed,
                            bool hand_over)
{
    struct wait_record *record = container_of(observer, struct wait_record, observer);
    port_packet_t *content = &record->packet.content;
    struct port *port = record->port;

    assert(spin_held(&object->lock));
    if (!record->persistent)
        list_remove(&observer->link);

    spin_lock(&port->lock);
    if (list_linked(&record->packet.link)) {
        content->signal.observed |= observed;
        content->signal.count++;
    } else if (!port->closed) {
        content->signal.observed = observed;
        content->signal.count = 1;
        atomic_fetch_add_explicit(&record->count, 1, memory_order_relaxed);
        queue_locked(port, &record->packet, hand_over);
    }
    spin_unlock(&port->lock);
}

static const struct observer_ops record_ops = {
    .attach = observer_attach,
    .notify = observer_notify,
    .claim = observer_claim,
    .release = observer_release,
};

status_t port_observe(struct port *port, struct object *object, uint64_t key, signals_t signals,
                      uint32_t options)
{
    struct wait_record *record = heap_alloc_zeroed(sizeof(*record));

    if (!record)
        return ERR_NO_MEMORY;
    record->observer = (struct observer){ .ops = &record_ops, .trigger = signals };
    record->packet.content = (port_packet_t){
        .key = key, .type = PKT_SIGNAL, .signal.trigger = signals,
    };
    record->packet.dequeued = record_dequeued;
    record->port = port;
    record->object = object;
    record->persistent = options == WAIT_ASYNC_PERSISTENT;
    atomic_init(&record->count, 1);
    object_ref(&port->object);
    object_ref(object);
    if (object_observe(object, &record->observer))
        return OK;
    record_release(record, 1);
    return ERR_BAD_HANDLE;
}

/* Claim one record of the port, for this object and key unless object is NULL. */
static struct wait_record *claim_any(struct port *port, struct object *object, uint64_t key)
{
    struct wait_record *found = NULL;

    spin_lock(&port->lock);
    list_for_each(&port->waits, node) {
        struct wait_record *record = list_entry(node, struct wait_record, link);

        if (!object || (record->object == object && record->packet.content.key == key)) {
            list_remove(node);
            found = record;
            break;
        }
    }
    spin_unlock(&port->lock);
    return found;
}

bool port_cancel(struct port *port, struct object *object, uint64_t key)
{
    struct wait_record *record;
    bool found = false;

    while ((record = claim_any(port, object, key))) {
        object_unobserve(record->object, &record->observer);
        record_release(record, port_withdraw(port, &record->packet) ? 2 : 1);
        found = true;
    }
    return found;
}

/* The last handle is closed: packets are dropped, observers are detached, waiting ends. */
static void port_unreachable(struct object *object)
{
    struct port *port = container_of(object, struct port, object);
    struct packet *packet;

    spin_lock(&port->lock);
    port->closed = true;
    wait_queue_wake_all(&port->readers);
    wait_queue_wake_all(&port->stopped);
    while ((packet = first_packet(port))) {
        dequeue_and_unlock(port, packet);
        spin_lock(&port->lock);
    }
    spin_unlock(&port->lock);
    port_cancel(port, NULL, 0);
}

const struct object_ops port_ops = {
    .type = OBJECT_PORT, .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
    .unreachable = port_unreachable, .destroy = object_free,
};
