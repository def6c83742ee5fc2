/*
 * ports.c: packets in and out of ports; and pipes and events.
 *
 * Machine: cpus=4
 */
#include <quire/test.h>
#include <string.h>

#define NOWHERE ((void *)0x1000)        /* below USER_BASE: never mapped */

static handle_t new_port(void)
{
    handle_t port;

    CHECK_OK(sys_port_create(0, &port));
    return port;
}

static handle_t with_rights(handle_t handle, rights_t rights)
{
    handle_t out;

    CHECK_OK(sys_handle_duplicate(handle, rights, &out));
    return out;
}

static port_packet_t user_packet(uint64_t key)
{
    return (port_packet_t){ .key = key, .type = PKT_USER, .user.u64 = { key, key + 1 } };
}

TEST(create_refuses_options)
{
    handle_t a, b;

    CHECK_STATUS(sys_port_create(1, &a), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_port_create(0, NOWHERE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_event_create(1, &a), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pipe_create(1, &a, &b), ERR_INVALID_ARGS);
}

TEST(packets_keep_their_order)
{
    handle_t port = new_port();
    port_packet_t packet;

    for (uint64_t key = 0; key < 10; key++) {
        packet = user_packet(key);
        CHECK_OK(sys_port_queue(port, &packet));
    }
    for (uint64_t key = 0; key < 10; key++) {
        CHECK_OK(sys_port_wait(port, 0, &packet));
        CHECK_EQ(packet.key, key);
        CHECK_EQ(packet.type, PKT_USER);
        CHECK_EQ(packet.user.u64[1], key + 1);
    }
    sys_handle_close(port);
}

TEST(queue_refuses_what_it_must)
{
    handle_t port = new_port(), event, reader = with_rights(port, RIGHT_READ);
    port_packet_t packet = user_packet(1);

    CHECK_OK(sys_event_create(0, &event));
    CHECK_STATUS(sys_port_queue(0, &packet), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_queue(event, &packet), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_port_queue(reader, &packet), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_port_queue(port, NOWHERE), ERR_INVALID_ARGS);
    packet.type = PKT_PAGE_REQUEST;
    CHECK_STATUS(sys_port_queue(port, &packet), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
    sys_handle_close(reader);
    sys_handle_close(event);
    sys_handle_close(port);
}

TEST(a_full_port_says_so)
{
    handle_t port = new_port();
    port_packet_t packet = user_packet(1);
    status_t status = OK;

    for (int i = 0; i < 1000000 && status == OK; i++)
        status = sys_port_queue(port, &packet);
    CHECK_STATUS(status, ERR_SHOULD_WAIT);
    COVERS("port_queue", SHOULD_WAIT);
    CHECK_OK(sys_port_wait(port, 0, &packet));
    CHECK_OK(sys_port_queue(port, &packet));
    sys_handle_close(port);
}

TEST(wait_refuses_what_it_must)
{
    handle_t port = new_port(), event, writer = with_rights(port, RIGHT_WRITE);
    port_packet_t packet = user_packet(5);
    size_t actual;

    CHECK_OK(sys_event_create(0, &event));
    CHECK_STATUS(sys_port_wait(0, 0, &packet), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_wait(event, 0, &packet), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_port_wait(writer, 0, &packet), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_port_wait(port, sys_clock_get() + 1000000, &packet), ERR_TIMED_OUT);
    CHECK_STATUS(sys_port_wait_many(0, 0, &packet, 1, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_wait_many(event, 0, &packet, 1, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_port_wait_many(writer, 0, &packet, 1, &actual), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_port_wait_many(port, 0, &packet, 0, &actual), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_port_wait_many(port, 0, &packet, 1, &actual), ERR_TIMED_OUT);
    sys_handle_close(writer);
    sys_handle_close(event);
    sys_handle_close(port);
}

TEST(a_bad_pointer_loses_no_packet)
{
    handle_t port = new_port();
    port_packet_t packet = user_packet(9);

    CHECK_OK(sys_port_queue(port, &packet));
    CHECK_STATUS(sys_port_wait(port, 0, NOWHERE), ERR_INVALID_ARGS);
    CHECK_OK(sys_port_wait(port, 0, &packet));
    CHECK_EQ(packet.key, 9);
    sys_handle_close(port);
}

TEST(wait_many_takes_what_is_there)
{
    handle_t port = new_port();
    port_packet_t packets[8];
    size_t actual = 0;

    for (uint64_t key = 0; key < 5; key++) {
        packets[0] = user_packet(key);
        CHECK_OK(sys_port_queue(port, &packets[0]));
    }
    CHECK_OK(sys_port_wait_many(port, DEADLINE_INFINITE, packets, 3, &actual));
    CHECK_EQ(actual, 3);
    CHECK_OK(sys_port_wait_many(port, DEADLINE_INFINITE, packets, 8, &actual));
    CHECK_EQ(actual, 2);
    CHECK_EQ(packets[1].key, 4);
    sys_handle_close(port);
}

TEST(cancel_withdraws_a_wait)
{
    handle_t port = new_port(), event, reader = with_rights(port, RIGHT_READ);
    port_packet_t packet;

    CHECK_OK(sys_event_create(0, &event));
    CHECK_OK(sys_object_wait_async(event, port, 7, SIGNAL_USER_0, WAIT_ASYNC_ONCE));
    CHECK_OK(sys_port_cancel(port, event, 7));
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);

    CHECK_STATUS(sys_port_cancel(port, event, 7), ERR_NOT_FOUND);
    CHECK_STATUS(sys_port_cancel(0, event, 7), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_port_cancel(event, event, 7), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_port_cancel(reader, event, 7), ERR_ACCESS_DENIED);
    sys_handle_close(reader);
    sys_handle_close(event);
    sys_handle_close(port);
}

#define STORM_PACKETS 2000

static void queue_many(void *port)
{
    for (uint64_t key = 0; key < STORM_PACKETS; key++) {
        port_packet_t packet = user_packet(key);
        status_t status;

        while ((status = sys_port_queue((handle_t)(uintptr_t)port, &packet)) == ERR_SHOULD_WAIT)
            sys_nanosleep(0);
        CHECK_OK(status);
    }
}

TEST(four_threads_lose_no_packet)
{
    handle_t port = new_port(), threads[4];
    uint64_t sum = 0;

    for (int i = 0; i < 4; i++)
        CHECK_OK(quire_thread_create(queue_many, (void *)(uintptr_t)port, &threads[i]));
    for (int i = 0; i < 4 * STORM_PACKETS; i++) {
        port_packet_t packet;

        CHECK_OK(sys_port_wait(port, DEADLINE_INFINITE, &packet));
        sum += packet.key;
    }
    for (int i = 0; i < 4; i++)
        CHECK_OK(quire_thread_join(threads[i]));
    CHECK_EQ(sum, 4ull * STORM_PACKETS * (STORM_PACKETS - 1) / 2);
    sys_handle_close(port);
}

TEST(a_pipe_carries_bytes_and_ends)
{
    handle_t reader, writer, event;
    char text[16] = "";
    size_t actual;

    CHECK_OK(sys_event_create(0, &event));
    CHECK_OK(sys_pipe_create(0, &reader, &writer));
    CHECK_OK(sys_pipe_write(writer, "hello", 5, &actual));
    CHECK_EQ(actual, 5);
    CHECK_OK(sys_pipe_read(reader, text, sizeof text, &actual));
    CHECK_EQ(actual, 5);
    CHECK(memcmp(text, "hello", 5) == 0);

    CHECK_STATUS(sys_pipe_read(0, text, 1, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pipe_read(event, text, 1, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pipe_read(writer, text, 1, &actual), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pipe_write(0, text, 1, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pipe_write(event, text, 1, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pipe_write(reader, text, 1, &actual), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pipe_write(writer, NOWHERE, 1, &actual), ERR_INVALID_ARGS);
    CHECK_OK(sys_pipe_write(writer, "x", 1, &actual));
    CHECK_STATUS(sys_pipe_read(reader, NOWHERE, 1, &actual), ERR_INVALID_ARGS);
    CHECK_OK(sys_pipe_read(reader, text, 1, &actual));

    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_pipe_read(reader, text, 1, &actual));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_pipe_create(0, &reader, &writer));
    CHECK_OK(sys_handle_close(reader));
    CHECK_STATUS(sys_pipe_write(writer, "x", 1, &actual), ERR_PEER_CLOSED);
    sys_handle_close(writer);
    sys_handle_close(event);
}
