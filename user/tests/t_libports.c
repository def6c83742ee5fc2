/*
 * t_libports.c: buckets of libports: how many threads they have, and in which order objects are served.
 *
 * Machine: cpus=4
 */
#include "common.h"

#include <quire/ports.h>

#define OBJECTS  20u
#define REQUESTS 50u                    /* of each object */

struct counter {
    struct port_object object;
    _Atomic uint32_t served, out_of_order, at_once;
};

static struct port_bucket bucket;
static struct counter counters[OBJECTS];
static _Atomic uint32_t gate;           /* a futex: 0 holds every worker back */
static _Atomic uint32_t held;           /* workers that stand before it */

static void serve(struct port_object *object, const port_packet_t *packet)
{
    struct counter *counter = (struct counter *)object;

    if (atomic_fetch_add(&counter->at_once, 1) != 0 || packet->user.u64[0] != counter->served)
        counter->out_of_order++;
    if (gate == 0) {
        held++;
        while (gate == 0)
            sys_futex_wait((const uint32_t *)&gate, 0, after(PATIENCE));
    }
    counter->served++;
    atomic_fetch_sub(&counter->at_once, 1);
}

static void clean(struct port_object *object)
{
    (void)object;
}

static const struct port_class counter_class = { .serve = serve, .clean = clean };

static void queue_all(void)
{
    for (uint32_t i = 0; i < REQUESTS; i++)
        for (uint32_t k = 0; k < OBJECTS; k++) {
            port_packet_t packet = { .key = (uint64_t)(uintptr_t)&counters[k].object, .type = PKT_USER, .user.u64 = { i } };

            CHECK_OK(sys_port_queue(bucket.port, &packet));
        }
}

static bool all_workers_are_held(void *unused)
{
    (void)unused;
    return held == PORT_WORKERS_MAX;
}

static bool all_is_served(void *unused)
{
    (void)unused;
    for (uint32_t k = 0; k < OBJECTS; k++)
        if (counters[k].served != REQUESTS)
            return false;
    return true;
}

static uint32_t live_threads(void)
{
    info_process_t info;

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL));
    return info.num_threads;
}

/* The threads of a bucket never end, so one case has it all. */
TEST(a_thousand_requests_have_eight_workers_and_keep_their_order)
{
    uint32_t before = live_threads();

    CHECK_OK(port_bucket_init(&bucket));
    for (uint32_t k = 0; k < OBJECTS; k++)
        port_object_init(&counters[k].object, &counter_class, &bucket);
    CHECK_OK(port_bucket_start(&bucket));
    queue_all();
    CHECK(comes_true(all_workers_are_held, NULL));
    CHECK_EQ(live_threads(), before + PORT_WORKERS_MAX);
    for (uint32_t k = 0; k < OBJECTS; k++)
        CHECK_EQ(counters[k].served, 0);

    gate = 1;
    CHECK_OK(sys_futex_wake((const uint32_t *)&gate, UINT32_MAX));
    CHECK(comes_true(all_is_served, NULL));
    CHECK_EQ(live_threads(), before + PORT_WORKERS_MAX);
    for (uint32_t k = 0; k < OBJECTS; k++)
        CHECK_EQ(counters[k].out_of_order, 0);
}
