/*
 * ports.c: buckets of objects, and their worker threads.
 *
 *     port -> the one who receives -> object's requests -> bucket's ready objects -> a worker
 *
 * All threads of a bucket are equal. One of them at a time waits for the port; having got packets
 * it puts them into line, calls another thread to take its place, and then goes to work itself, so
 * that a request usually is served by the thread that the kernel gave it to. When all threads are
 * at work, or all places for requests are taken, nobody receives, and packets wait in the port,
 * which never overflows.
 *
 * Invariant: an object with requests is busy; it is in `ready` or exactly one worker is at it. That
 * keeps its packets in order. While a thread is idle, another one receives or no place is spare.
 * Locks: bucket->lock, never held over a call of the class or into the kernel.
 */
#include <quire/ports.h>

#include <stdio.h>

#define BATCH 8u                        /* packets taken from the port at a time */

status_t port_bucket_init(struct port_bucket *bucket)
{
    *bucket = (struct port_bucket){ .ready_end = &bucket->ready };
    for (uint32_t i = 0; i < PORT_REQUESTS_MAX; i++) {
        bucket->requests[i].next = bucket->spare;
        bucket->spare = &bucket->requests[i];
    }
    return sys_port_create(0, &bucket->port);
}

/* --- Objects. --- */

void port_object_init(struct port_object *object, const struct port_class *class,
                      struct port_bucket *bucket)
{
    *object = (struct port_object){
        .class = class,
        .bucket = bucket,
        .references = 1,
        .requests_end = &object->requests,
    };
}

void port_object_hold(struct port_object *object)
{
    __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
}

void port_object_release(struct port_object *object)
{
    if (__atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL) == 0)
        object->class->clean(object);
}

status_t port_object_wait(struct port_object *object, handle_t handle, signals_t signals)
{
    return sys_object_wait_async(handle, object->bucket->port, (uintptr_t)object, signals,
                                 WAIT_ASYNC_ONCE);
}

static void request_free(struct port_bucket *bucket, struct port_request *request)
{
    request->next = bucket->spare;
    bucket->spare = request;
}

uint64_t port_object_last_request(struct port_object *object)
{
    quire_mutex_lock(&object->bucket->lock);
    uint64_t last = object->taken;
    quire_mutex_unlock(&object->bucket->lock);
    return last;
}

/* The caller serves a packet of the object, so the object's last reference does not go here. */
void port_object_drop_requests(struct port_object *object, uint64_t last,
                               bool (*is_moot)(const port_packet_t *packet, const void *argument),
                               const void *argument)
{
    struct port_bucket *bucket = object->bucket;
    struct port_request **link = &object->requests;

    quire_mutex_lock(&bucket->lock);
    while (*link != NULL) {
        struct port_request *request = *link;

        if (request->number > last || !is_moot(&request->packet, argument)) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        request_free(bucket, request);
        __atomic_fetch_sub(&object->references, 1, __ATOMIC_RELAXED);
    }
    object->requests_end = link;
    quire_mutex_unlock(&bucket->lock);
}

/* --- Lines.  bucket->lock is held. --- */

static void make_ready(struct port_bucket *bucket, struct port_object *object)
{
    object->next_ready = NULL;
    *bucket->ready_end = object;
    bucket->ready_end = &object->next_ready;
}

static struct port_object *take_ready(struct port_bucket *bucket)
{
    struct port_object *object = bucket->ready;

    bucket->ready = object->next_ready;
    if (bucket->ready == NULL)
        bucket->ready_end = &bucket->ready;
    return object;
}

/* There is a spare place for it. */
static void enqueue(struct port_bucket *bucket, const port_packet_t *packet)
{
    struct port_object *object = (struct port_object *)(uintptr_t)packet->key;
    struct port_request *request = bucket->spare;

    bucket->spare = request->next;
    *request = (struct port_request){ .number = ++object->taken, .packet = *packet };
    port_object_hold(object);
    *object->requests_end = request;
    object->requests_end = &request->next;
    if (!object->busy) {
        object->busy = true;
        make_ready(bucket, object);
    }
}

static struct port_request *take_request(struct port_object *object)
{
    struct port_request *request = object->requests;

    object->requests = request->next;
    if (object->requests == NULL)
        object->requests_end = &object->requests;
    return request;
}

/* --- Workers. --- */

static void work(void *bucket);

status_t port_bucket_start(struct port_bucket *bucket)
{
    status_t status;

    quire_mutex_lock(&bucket->lock);
    bucket->workers++;
    quire_mutex_unlock(&bucket->lock);
    status = quire_thread_create(work, bucket, NULL);
    if (status != OK) {
        quire_mutex_lock(&bucket->lock);
        bucket->workers--;
        quire_mutex_unlock(&bucket->lock);
    }
    return status;
}

/*
 * There is more to do than this thread can: call an idle one, or make one. If there can be no more
 * threads, those that are at work come to it in the end.
 */
static void call_help(struct port_bucket *bucket, bool idle)
{
    if (idle) {
        __atomic_fetch_add(&bucket->calls, 1, __ATOMIC_RELAXED);
        sys_futex_wake((const uint32_t *)&bucket->calls, 1);
    } else {
        port_bucket_start(bucket);
    }
}

/* Serve one packet of the object that is ready longest.  Lock held, but dropped in between. */
static void serve_ready(struct port_bucket *bucket)
{
    struct port_object *object = take_ready(bucket);
    struct port_request *request = take_request(object);
    bool idle = bucket->idle > 0;
    bool help = (bucket->ready != NULL || !bucket->receiving) &&
                (idle || bucket->workers < PORT_WORKERS_MAX);

    quire_mutex_unlock(&bucket->lock);
    if (help)
        call_help(bucket, idle);
    object->class->serve(object, &request->packet);

    quire_mutex_lock(&bucket->lock);
    request_free(bucket, request);
    if (object->requests != NULL)
        make_ready(bucket, object);
    else
        object->busy = false;
    quire_mutex_unlock(&bucket->lock);
    port_object_release(object);
    quire_mutex_lock(&bucket->lock);
}

/* Take packets out of the port; at least one place is spare.  Lock held, but dropped to wait. */
static void receive(struct port_bucket *bucket)
{
    port_packet_t packets[BATCH];
    size_t room = 0, count = 0;
    status_t status;

    bucket->receiving = true;
    for (struct port_request *spare = bucket->spare; spare != NULL && room < BATCH;
         spare = spare->next)
        room++;
    quire_mutex_unlock(&bucket->lock);
    do {
        status = sys_port_wait_many(bucket->port, DEADLINE_INFINITE, packets, room, &count);
    } while (status == ERR_CANCELED);
    if (status != OK) {
        fprintf(stderr, "libports: cannot wait for the port (%s)\n", status_name(status));
        sys_process_exit(1);
    }
    quire_mutex_lock(&bucket->lock);
    bucket->receiving = false;
    for (size_t i = 0; i < count; i++)
        enqueue(bucket, &packets[i]);
}

/* Until somebody calls. */
static void be_idle(struct port_bucket *bucket)
{
    uint32_t seen = __atomic_load_n(&bucket->calls, __ATOMIC_RELAXED);

    bucket->idle++;
    quire_mutex_unlock(&bucket->lock);
    sys_futex_wait((const uint32_t *)&bucket->calls, seen, DEADLINE_INFINITE);
    quire_mutex_lock(&bucket->lock);
    bucket->idle--;
}

/* The life of a worker, which is counted already. */
static void work(void *argument)
{
    struct port_bucket *bucket = argument;

    quire_mutex_lock(&bucket->lock);
    for (;;) {
        if (bucket->ready != NULL)
            serve_ready(bucket);
        else if (!bucket->receiving && bucket->spare != NULL)
            receive(bucket);
        else
            be_idle(bucket);
    }
}

void port_bucket_run(struct port_bucket *bucket)
{
    quire_mutex_lock(&bucket->lock);
    bucket->workers++;
    quire_mutex_unlock(&bucket->lock);
    work(bucket);
    __builtin_unreachable();
}
