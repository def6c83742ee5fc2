/*
 * t_port_threads.c: several threads at one port: who is woken, and that no packet is lost or taken
 * twice.
 *
 * Machine: cpus=4
 */
#include "common.h"

static status_t queue_key(handle_t port, uint64_t key)
{
    port_packet_t packet = { .key = key };

    return sys_port_queue(port, &packet);
}

static void check_empty(handle_t port)
{
    port_packet_t packet;

    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
}

struct worker {
    handle_t port;
    uint64_t number, key;
    _Atomic status_t status;
    struct raw_thread thread;
};

static struct worker workers[8];

static void take_one(void *argument)
{
    struct worker *worker = argument;
    port_packet_t packet = { 0 };

    worker->status = sys_port_wait(worker->port, DEADLINE_INFINITE, &packet);
    worker->key = packet.key;
}

static void start_workers(unsigned count, handle_t port, void (*function)(void *))
{
    for (unsigned i = 0; i < count; i++) {
        workers[i].port = port;
        workers[i].number = i;
        workers[i].status = 1;
        raw_thread_start(&workers[i].thread, function, &workers[i]);
    }
}

TEST(each_packet_wakes_one_waiter)
{
    handle_t port = new_port();
    uint64_t seen = 0;

    start_workers(8, port, take_one);
    for (unsigned i = 0; i < 8; i++)
        wait_until_asleep(workers[i].thread.handle);
    for (uint64_t key = 0; key < 8; key++)
        CHECK_OK(queue_key(port, key));
    for (unsigned i = 0; i < 8; i++) {
        wait_for_end(workers[i].thread.handle);
        CHECK_OK(workers[i].status);
        seen |= 1ull << workers[i].key;
    }
    CHECK_EQ(seen, 0xff);
    check_empty(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(closing_the_port_ends_all_waits)
{
    handle_t port = new_port();

    COVERS("port_wait", CANCELED);
    start_workers(4, port, take_one);
    for (unsigned i = 0; i < 4; i++)
        wait_until_asleep(workers[i].thread.handle);
    CHECK_OK(sys_handle_close(port));
    for (unsigned i = 0; i < 4; i++) {
        wait_for_end(workers[i].thread.handle);
        CHECK_STATUS(workers[i].status, ERR_CANCELED);
    }
}

enum { PRODUCERS = 4, CONSUMERS = 4, EACH = 2000 };

static atomic_uint strange;
static atomic_uint taken[PRODUCERS * EACH];

static void produce(void *argument)
{
    struct worker *worker = argument;

    for (uint64_t i = 0; i < EACH; i++) {
        while (queue_key(worker->port, worker->number * EACH + i) == ERR_SHOULD_WAIT)
            sys_nanosleep(0);
    }
}

/* Takes one by one or many, until a packet says that this is all. */
static void consume(void *argument)
{
    struct worker *worker = argument;
    size_t count = worker->number % 2 ? 5 : 1;

    for (;;) {
        port_packet_t packets[5];
        size_t actual = 1;
        status_t status = count == 1 ? sys_port_wait(worker->port, DEADLINE_INFINITE, packets)
                                     : sys_port_wait_many(worker->port, DEADLINE_INFINITE, packets,
                                                          count, &actual);
        if (status != OK || actual < 1 || actual > count)
            strange++;
        for (size_t i = 0; i < actual; i++) {
            if (packets[i].key == UINT64_MAX) {
                for (size_t j = i + 1; j < actual; j++)
                    queue_key(worker->port, packets[j].key);    /* the others' */
                return;
            }
            taken[packets[i].key]++;
        }
    }
}

TEST(no_packet_is_lost_or_taken_twice)
{
    handle_t port = new_port();

    memset((void *)taken, 0, sizeof taken);
    strange = 0;
    start_workers(PRODUCERS, port, produce);
    for (unsigned i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++) {
        workers[i].port = port;
        workers[i].number = i;
        raw_thread_start(&workers[i].thread, consume, &workers[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        wait_for_end(workers[i].thread.handle);
    for (unsigned i = 0; i < CONSUMERS; i++)
        while (queue_key(port, UINT64_MAX) == ERR_SHOULD_WAIT)
            sys_nanosleep(0);
    for (unsigned i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++)
        wait_for_end(workers[i].thread.handle);
    CHECK_EQ(strange, 0);
    for (unsigned i = 0; i < array_size(taken); i++)
        CHECK_EQ(taken[i], 1);
    check_empty(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
