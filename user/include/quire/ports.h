/*
 * ports.h: a server's objects, and the threads that serve them.
 *
 * After the Hurd's libports. An *object* is anything of the server that packets speak about: a
 * client's channel, a file whose pages are asked for. Its address is the key of those packets. Its
 * *class* says what to do with them, and the *bucket* it lives in is a port with threads of its
 * own: requests in one bucket never wait for the threads of another.
 *
 * However many packets come, a bucket has at most PORT_WORKERS_MAX threads, which are made when
 * they are needed first. Packets of one object are served one at a time, in the order in which they
 * came.
 */
#pragma once

#include <quire.h>

#define PORT_WORKERS_MAX  8u
#define PORT_REQUESTS_MAX 64u           /* packets taken from the port and not yet served */

struct port_object;

struct port_class {
    void (*serve)(struct port_object *object, const port_packet_t *packet);
    /* The last reference is gone: close and free what belongs to the object. */
    void (*clean)(struct port_object *object);
};

struct port_request {
    struct port_request *next;          /* of the object, or among the spare ones */
    uint64_t number;                    /* among all of the object's, from 1 */
    port_packet_t packet;
};

struct port_object {
    const struct port_class *class;
    struct port_bucket *bucket;
    _Atomic uint32_t references;
    /* The rest is guarded by bucket->lock. */
    bool busy;                          /* in bucket->ready, or a worker is at it */
    uint64_t taken;                     /* requests so far */
    struct port_request *requests, **requests_end;      /* not yet begun, oldest first */
    struct port_object *next_ready;
};

struct port_bucket {
    handle_t port;
    struct quire_mutex lock;
    /* The rest is guarded by lock. */
    bool receiving;                     /* a worker waits for the port */
    uint32_t workers, idle;
    _Atomic uint32_t calls;             /* counts up when an idle worker is called; a futex */
    struct port_object *ready, **ready_end;     /* have requests and no worker, oldest first */
    struct port_request *spare;
    struct port_request requests[PORT_REQUESTS_MAX];
};

status_t port_bucket_init(struct port_bucket *bucket);
/* Give the bucket its first thread. */
status_t port_bucket_start(struct port_bucket *bucket);
/* Be one of its threads.  Does not return; the process ends if the port fails. */
void port_bucket_run(struct port_bucket *bucket) __attribute__((noreturn));

/*
 * Begin to be an object, in the caller's storage, with one reference. Packets may come while there
 * is a reference, and no longer: whoever drops the last one knows that no packet with its key is
 * under way. (Each packet that was taken from the port holds a reference until it is served.)
 */
void port_object_init(struct port_object *object, const struct port_class *class,
                      struct port_bucket *bucket);
void port_object_hold(struct port_object *object);
void port_object_release(struct port_object *object);

/* One SIGNAL packet for the object when the handle has one of the signals. */
status_t port_object_wait(struct port_object *object, handle_t handle, signals_t signals);

/*
 * Forget requests of the object that what is being done for one of them answers as well: those not
 * yet begun, up to number `last`, for which `is_moot` says so. To be called while one is served;
 * `last` is from before the answer, since who asks after it wants another one.
 */
uint64_t port_object_last_request(struct port_object *object);
void port_object_drop_requests(struct port_object *object, uint64_t last,
                               bool (*is_moot)(const port_packet_t *packet, const void *argument),
                               const void *argument);
