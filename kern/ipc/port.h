/* port.h: a queue of packets, and the one way for a program to wait for many things. */
#pragma once

#include "object/handle.h"
#include "task/wait_queue.h"

#define PORT_MAX_USER_PACKETS 2048u

struct port {
    struct object object;

    struct spinlock lock;               /* RANK_PORT: all below */
    struct list packets;                /* struct packet, oldest first */
    struct wait_queue readers;
    struct wait_queue stopped;          /* threads whose exceptions were reported here */
    struct list waits;                  /* struct wait_record of port.c: what port_observe attached */
    uint32_t user_packets;
    bool closed;                        /* no handles left: nothing is queued any more */
};

/*
 * A packet that can be queued.  `content` is written by the owner before queuing and belongs to the port while queued.
 * dequeued is called after a reader took it (or the port was closed with it queued), with no locks held; from then on the
 * owner may queue it again.  A NULL dequeued means nothing to do.
 */
struct packet {
    struct list_node link;              /* port.lock; linked = queued */
    port_packet_t content;
    void (*dequeued)(struct packet *);
};

extern const struct object_ops port_ops;

status_t port_create(struct object **out_port);

/*
 * Queue an embedded packet; false if the port is closed, or full for one of type USER.  The waiting reader is woken,
 * by hand-over if hand_over.  Takes port.lock; may be called under locks of lower rank.
 */
bool port_queue_packet(struct port *port, struct packet *packet, bool hand_over);
/* Withdraw it if unread: true if it was queued (dequeued is then not called). */
bool port_withdraw(struct port *port, struct packet *packet);

/* Queue a copy of a packet of type USER.  SHOULD_WAIT when PORT_MAX_USER_PACKETS are queued. */
status_t port_queue_user(struct port *port, const port_packet_t *content);
/* Take the oldest packet into user memory.  Sleeps while there is none.  TIMED_OUT, CANCELED, ERR_USER_FAULT: none was taken. */
status_t port_wait(struct port *port, int64_t deadline, uaddr_t out);

/*
 * Observe `object` and queue SIGNAL packets.  ONCE: one packet.  PERSISTENT: one each time a signal of `signals` becomes
 * set; those while one is unread merge into it and are counted.  Ends with the last handle of the object or of the port;
 * a packet already queued stays when the object's handle closes.  NO_MEMORY; BAD_HANDLE if either has just lost its last handle.
 */
status_t port_observe(struct port *port, struct object *object, uint64_t key, signals_t signals, uint32_t options);
/* Drop observers and unread SIGNAL packets for this object (NULL: any) and key: true if there were any. */
bool port_cancel(struct port *port, struct object *object, uint64_t key);
