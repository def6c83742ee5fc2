/*
 * t_port.c: ports: packets in order and whole; full ports; signals as packets, once or always.
 *
 * Machine: cpus=4
 */
#include "common.h"

enum { FULL = 2048 };

static port_packet_t packet_of(uint64_t key)
{
    return (port_packet_t){ .key = key, .status = -7, .user.u64 = { key + 1, key + 2, key + 3,
        key + 4 } };
}

static status_t queue_key(handle_t port, uint64_t key)
{
    port_packet_t packet = packet_of(key);

    return sys_port_queue(port, &packet);
}

/* The next packet must be there. */
static port_packet_t take(handle_t port)
{
    port_packet_t packet = { 0 };

    CHECK_OK(sys_port_wait(port, 0, &packet));
    return packet;
}

static void check_empty(handle_t port)
{
    port_packet_t packet;

    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
}

/* --- Refusals. --- */

TEST(create_refusals)
{
    handle_t out;

    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_port_create(0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_port_create(1, &out), ERR_INVALID_ARGS);
}

TEST(queue_refusals_queue_nothing)
{
    handle_t port = new_port(), event = new_event(), weak;
    port_packet_t packet = packet_of(1);

    CHECK_STATUS(sys_port_queue(HANDLE_INVALID, &packet), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_queue(event, &packet), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(port, RIGHT_READ, &weak));
    CHECK_STATUS(sys_port_queue(weak, &packet), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_port_queue(port, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_port_queue(port, (void *)(edge() - 47)), ERR_INVALID_ARGS);
    packet.type = PKT_PAGE_REQUEST;
    CHECK_STATUS(sys_port_queue(port, &packet), ERR_INVALID_ARGS);
    check_empty(port);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(wait_refusals_take_nothing)
{
    handle_t port = new_port(), event = new_event(), weak;
    port_packet_t packet;

    CHECK_OK(queue_key(port, 9));
    CHECK_STATUS(sys_port_wait(HANDLE_INVALID, 0, &packet), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_wait(event, 0, &packet), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(port, RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_port_wait(weak, 0, &packet), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_port_wait(port, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(take(port).key, 9);
    check_empty(port);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(wait_many_refusals_take_nothing)
{
    handle_t port = new_port(), event = new_event(), weak;
    port_packet_t packets[2];
    size_t actual = 77;

    CHECK_OK(queue_key(port, 9));
    CHECK_STATUS(sys_port_wait_many(HANDLE_INVALID, 0, packets, 2, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_wait_many(event, 0, packets, 2, &actual), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(port, RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_port_wait_many(weak, 0, packets, 2, &actual), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_port_wait_many(port, 0, packets, 0, &actual), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_port_wait_many(port, 0, bad_pointer(i), 2, &actual), ERR_INVALID_ARGS);
    for (unsigned i = 1; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_port_wait_many(port, 0, packets, 2, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(take(port).key, 9);
    CHECK_STATUS(sys_port_wait_many(port, 0, packets, 2, &actual), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(wait_async_refusals_observe_nothing)
{
    handle_t port = new_port(), event = new_event(), weak;

    CHECK_STATUS(sys_object_wait_async(HANDLE_INVALID, port, 1, ~0u, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_wait_async(event, HANDLE_INVALID, 1, ~0u, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_wait_async(event, event, 1, ~0u, 0), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(event, RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_object_wait_async(weak, port, 1, ~0u, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_duplicate(port, RIGHT_READ, &weak));
    CHECK_STATUS(sys_object_wait_async(event, weak, 1, ~0u, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_object_wait_async(event, port, 1, ~0u, 2), ERR_INVALID_ARGS);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    check_empty(port);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(cancel_refusals)
{
    handle_t port = new_port(), event = new_event(), weak;

    CHECK_OK(sys_object_wait_async(event, port, 1, SIGNAL_USER_0, 0));
    CHECK_STATUS(sys_port_cancel(HANDLE_INVALID, event, 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_cancel(port, HANDLE_INVALID, 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_cancel(event, event, 1), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(port, RIGHT_READ, &weak));
    CHECK_STATUS(sys_port_cancel(weak, event, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_port_cancel(port, event, 2), ERR_NOT_FOUND);
    CHECK_STATUS(sys_port_cancel(port, port, 1), ERR_NOT_FOUND);
    CHECK_OK(sys_port_cancel(port, event, 1));
    CHECK_STATUS(sys_port_cancel(port, event, 1), ERR_NOT_FOUND);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

/* --- Packets. --- */

TEST(packets_come_in_order_and_whole)
{
    handle_t port = new_port();

    for (uint64_t key = 0; key < 50; key++)
        CHECK_OK(queue_key(port, key - 1));
    for (uint64_t key = 0; key < 50; key++) {
        port_packet_t expected = packet_of(key - 1), packet = take(port);
        CHECK(memcmp(&packet, &expected, sizeof packet) == 0);
    }
    check_empty(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(wait_many_takes_what_is_there)
{
    handle_t port = new_port();
    port_packet_t packets[8];
    size_t actual;

    for (uint64_t key = 0; key < 11; key++)
        CHECK_OK(queue_key(port, key));
    CHECK_OK(sys_port_wait_many(port, DEADLINE_INFINITE, packets, 8, &actual));
    CHECK_EQ(actual, 8);
    CHECK_EQ(packets[0].key, 0);
    CHECK_EQ(packets[7].key, 7);
    CHECK_OK(sys_port_wait_many(port, DEADLINE_INFINITE, packets, 8, &actual));
    CHECK(actual == 3 && packets[2].key == 10);
    CHECK_OK(sys_handle_close(port));
}

TEST(wait_many_keeps_what_does_not_fit_the_memory)
{
    handle_t port = new_port();
    port_packet_t *last = (port_packet_t *)edge() - 1;
    size_t actual = 0;

    for (uint64_t key = 0; key < 3; key++)
        CHECK_OK(queue_key(port, key));
    CHECK_OK(sys_port_wait_many(port, 0, last, 3, &actual));
    CHECK_EQ(actual, 1);
    CHECK_EQ(last->key, 0);
    CHECK_EQ(take(port).key, 1);
    CHECK_EQ(take(port).key, 2);
    check_empty(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(wait_times_out_at_its_deadline)
{
    handle_t port = new_port();
    port_packet_t packet;
    int64_t deadline = after(SECOND / 50);

    CHECK_STATUS(sys_port_wait(port, deadline, &packet), ERR_TIMED_OUT);
    CHECK(sys_clock_get() >= deadline);
    CHECK_STATUS(sys_port_wait(port, INT64_MIN, &packet), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(port));
}

TEST(a_full_port_refuses_and_recovers)
{
    handle_t port = new_port(), event = new_event();

    for (uint64_t key = 0; key < FULL; key++)
        CHECK_OK(queue_key(port, key));
    CHECK_STATUS(sys_port_queue(port, &(port_packet_t){ .key = FULL }), ERR_SHOULD_WAIT);
    /* What the kernel sends always fits. */
    CHECK_OK(sys_object_wait_async(event, port, 5555, SIGNAL_USER_0, 0));
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_EQ(take(port).key, 0);
    CHECK_OK(queue_key(port, FULL));
    for (uint64_t key = 1; key < FULL; key++)
        CHECK_EQ(take(port).key, key);
    CHECK_EQ(take(port).key, 5555);
    CHECK_EQ(take(port).key, FULL);
    check_empty(port);
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(closing_drops_unread_packets)
{
    handle_t event = new_event();

    for (unsigned i = 0; i < 20; i++) {
        handle_t port = new_port();
        CHECK_OK(sys_object_wait_async(event, port, 1, SIGNAL_USER_0, i % 2));
        for (uint64_t key = 0; key < 100; key++)
            CHECK_OK(queue_key(port, key));
        CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, SIGNAL_USER_0));
        CHECK_OK(sys_handle_close(port));
        CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
    }
    CHECK_OK(sys_handle_close(event));
}

/* --- Signals as packets. --- */

TEST(once_means_one_packet)
{
    handle_t port = new_port(), event = new_event();

    CHECK_OK(sys_object_wait_async(event, port, 7, SIGNAL_USER_0, WAIT_ASYNC_ONCE));
    check_empty(port);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_1));
    check_empty(port);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    port_packet_t packet = take(port);
    CHECK_EQ(packet.key, 7);
    CHECK_EQ(packet.type, PKT_SIGNAL);
    CHECK_EQ(packet.status, OK);
    CHECK_EQ(packet.signal.trigger, SIGNAL_USER_0);
    CHECK_EQ(packet.signal.observed, SIGNAL_USER_0 | SIGNAL_USER_1);
    CHECK_EQ(packet.signal.count, 1);
    check_empty(port);
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(a_signal_that_is_set_already_makes_a_packet_at_once)
{
    handle_t port = new_port(), event = new_event();

    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_OK(sys_object_wait_async(event, port, 1, SIGNAL_USER_0, WAIT_ASYNC_ONCE));
    CHECK_OK(sys_object_wait_async(event, port, 2, SIGNAL_USER_0, WAIT_ASYNC_PERSISTENT));
    CHECK_EQ(take(port).key, 1);
    CHECK_EQ(take(port).key, 2);
    check_empty(port);
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(persistent_means_one_packet_a_change_merged_while_unread)
{
    handle_t port = new_port(), event = new_event();

    CHECK_OK(sys_object_wait_async(event, port, 7, SIGNAL_USER_0 | SIGNAL_USER_1,
                                   WAIT_ASYNC_PERSISTENT));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
        CHECK_EQ(take(port).signal.count, 1);
        CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));   /* no change, no packet */
        check_empty(port);
        CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
        check_empty(port);
    }
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_1));
    port_packet_t packet = take(port);
    CHECK_EQ(packet.signal.count, 2);
    CHECK_EQ(packet.signal.observed, SIGNAL_USER_0 | SIGNAL_USER_1);
    check_empty(port);
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(cancel_withdraws_waits_and_unread_packets)
{
    handle_t port = new_port(), event = new_event();

    for (uint32_t options = 0; options < 2; options++) {
        CHECK_OK(sys_object_wait_async(event, port, 1, SIGNAL_USER_0, options));
        CHECK_OK(sys_object_wait_async(event, port, 1, SIGNAL_USER_0, options));
        CHECK_OK(sys_object_wait_async(event, port, 2, SIGNAL_USER_0, options));
        CHECK_OK(queue_key(port, 1));                           /* a USER packet stays */
        CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
        CHECK_OK(sys_port_cancel(port, event, 1));
        CHECK_OK(sys_object_signal(event, SIGNAL_USER_0, 0));
        CHECK_EQ(take(port).type, PKT_USER);
        CHECK_EQ(take(port).key, 2);
        check_empty(port);
        CHECK_STATUS(sys_port_cancel(port, event, 2), options ? OK : ERR_NOT_FOUND);
    }
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

TEST(a_packet_outlives_the_handle_it_speaks_of)
{
    handle_t port = new_port(), event = new_event();

    CHECK_OK(sys_object_wait_async(event, port, 3, SIGNAL_USER_0, WAIT_ASYNC_ONCE));
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_OK(sys_handle_close(event));
    CHECK_EQ(take(port).key, 3);
    check_empty(port);
    CHECK_OK(sys_handle_close(port));
}

static void yield(void *argument)
{
    (void)argument;
    sys_nanosleep(0);
}

TEST(the_end_of_a_thread_makes_a_packet)
{
    static struct raw_thread thread;
    handle_t port = new_port();
    port_packet_t packet;

    raw_thread_start(&thread, yield, NULL);
    CHECK_OK(sys_object_wait_async(thread.handle, port, 8, SIGNAL_TERMINATED, WAIT_ASYNC_ONCE));
    CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
    CHECK_EQ(packet.key, 8);
    CHECK(packet.signal.observed & SIGNAL_TERMINATED);
    wait_for_end(thread.handle);
    CHECK_OK(sys_handle_close(port));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
