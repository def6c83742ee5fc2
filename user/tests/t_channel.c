/*
 * t_channel.c: messages of bytes and handles: order, limits, what is refused, and what becomes of
 * handles on the way.
 *
 * Machine: cpus=4
 */
#include "common.h"

static char big[CHANNEL_MAX_BYTES + 1], back[CHANNEL_MAX_BYTES + 1];

struct pair {
    handle_t a, b;
};

static struct pair new_channel(void)
{
    struct pair pair;

    CHECK_OK(sys_channel_create(0, &pair.a, &pair.b));
    return pair;
}

static void close_pair(struct pair pair)
{
    CHECK_OK(sys_handle_close(pair.a));
    CHECK_OK(sys_handle_close(pair.b));
}

static status_t write_number(handle_t channel, uint32_t number)
{
    return sys_channel_write(channel, 0, &number, sizeof number, NULL, 0);
}

/* The next message must be there and be a number. */
static uint32_t read_number(handle_t channel)
{
    uint32_t number = 0, bytes = 0, handles = 0;

    CHECK_OK(sys_channel_read(channel, 0, &number, NULL, sizeof number, 0, &bytes, &handles));
    CHECK(bytes == sizeof number && handles == 0);
    return number;
}

static signals_t signals_of(handle_t handle)
{
    signals_t signals = 0;

    sys_object_wait_one(handle, 0, 0, &signals);
    return signals;
}

static uint64_t koid_of(handle_t handle)
{
    info_handle_basic_t basic = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &basic, sizeof basic, NULL, NULL));
    return basic.koid;
}

/* --- Refusals. --- */

TEST(create_refusals)
{
    handle_t a = 77, b = 77;
    uint32_t before = open_handles();

    CHECK_STATUS(sys_channel_create(1, &a, &b), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_channel_create(0, bad_pointer(i), &b), ERR_INVALID_ARGS);
        CHECK_STATUS(sys_channel_create(0, &b, bad_pointer(i)), ERR_INVALID_ARGS);
    }
    CHECK_EQ(a, 77);
    CHECK_EQ(open_handles(), before);
}

TEST(write_refusals_send_nothing)
{
    struct pair pair = new_channel();
    handle_t event = new_event(), handles[CHANNEL_MAX_HANDLES + 1] = { 0 };

    CHECK_STATUS(sys_channel_write(HANDLE_INVALID, 0, "x", 1, NULL, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_channel_write(event, 0, "x", 1, NULL, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_channel_write(pair.a, 1, "x", 1, NULL, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_channel_write(pair.a, 0, big, CHANNEL_MAX_BYTES + 1, NULL, 0),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_channel_write(pair.a, 0, big, UINT32_MAX, NULL, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_channel_write(pair.a, 0, "x", 1, handles, CHANNEL_MAX_HANDLES + 1),
                 ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_INPUTS; i++) {
        CHECK_STATUS(sys_channel_write(pair.a, 0, bad_pointer(i), 4, NULL, 0), ERR_INVALID_ARGS);
        CHECK_STATUS(sys_channel_write(pair.a, 0, "x", 1, bad_pointer(i), 1), ERR_INVALID_ARGS);
    }
    CHECK_STATUS(sys_channel_write(pair.a, 0, edge() - 9000, 9001, NULL, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_channel_read(pair.b, 0, big, NULL, sizeof big, 0, NULL, NULL),
                 ERR_SHOULD_WAIT);
    pair.a = with_rights(pair.a, RIGHT_READ);
    CHECK_STATUS(sys_channel_write(pair.a, 0, "x", 1, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(event));
    close_pair(pair);
}

TEST(read_refusals_take_nothing)
{
    struct pair pair = new_channel();
    handle_t event = new_event(), out;
    uint32_t bytes, handles;

    CHECK_STATUS(sys_channel_read(pair.b, 0, big, NULL, 4, 0, NULL, NULL), ERR_SHOULD_WAIT);
    CHECK_OK(sys_channel_write(pair.a, 0, "1234", 4, &event, 1));
    CHECK_STATUS(sys_channel_read(HANDLE_INVALID, 0, big, &out, 4, 1, NULL, NULL), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_channel_read(process_self(), 0, big, &out, 4, 1, NULL, NULL), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_channel_read(pair.b, 4, big, &out, 4, 1, NULL, NULL), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_channel_read(pair.b, 0, big, &out, 3, 1, &bytes, &handles),
                 ERR_BUFFER_TOO_SMALL);
    CHECK(bytes == 4 && handles == 1);
    CHECK_STATUS(sys_channel_read(pair.b, 0, big, &out, 4, 0, &bytes, &handles),
                 ERR_BUFFER_TOO_SMALL);
    CHECK(bytes == 4 && handles == 1);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_channel_read(pair.b, 0, bad_pointer(i), &out, 4, 1, NULL, NULL),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_channel_read(pair.b, 0, big, bad_pointer(i), 4, 1, NULL, NULL),
                     ERR_INVALID_ARGS);
    }
    for (unsigned i = 1; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_channel_read(pair.b, 0, big, &out, 4, 1, bad_pointer(i), NULL),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_channel_read(pair.b, 0, big, &out, 4, 1, NULL, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    }
    CHECK_OK(sys_channel_read(pair.b, 0, big, &out, 4, 1, NULL, NULL));
    CHECK_OK(sys_object_signal(out, 0, SIGNAL_USER_0));
    CHECK_OK(sys_handle_close(out));
    pair.b = with_rights(pair.b, RIGHT_WRITE);
    CHECK_STATUS(sys_channel_read(pair.b, 0, big, &out, 4, 1, NULL, NULL), ERR_ACCESS_DENIED);
    close_pair(pair);
}

/* --- Bytes. --- */

TEST(messages_come_in_order_both_ways)
{
    struct pair pair = new_channel();

    for (uint32_t i = 0; i < 100; i++) {
        CHECK_OK(write_number(pair.a, i));
        CHECK_OK(write_number(pair.b, 1000 + i));
    }
    for (uint32_t i = 0; i < 100; i++) {
        CHECK_EQ(read_number(pair.b), i);
        CHECK_EQ(read_number(pair.a), 1000 + i);
    }
    close_pair(pair);
}

TEST(messages_of_every_size_arrive_whole)
{
    static const uint32_t sizes[] = { 0, 1, 63, 512, 2048, 4095, 4096, 4097, 12288, 40000, 65535,
        CHANNEL_MAX_BYTES };
    struct pair pair = new_channel();

    CHECK_OK(sys_random(big, sizeof big));
    for (unsigned i = 0; i < array_size(sizes); i++) {
        uint32_t bytes = 77;

        CHECK_OK(sys_channel_write(pair.a, 0, big + i, sizes[i], NULL, 0));
        memset(back, 0, sizeof back);
        CHECK_OK(sys_channel_read(pair.b, 0, back, NULL, CHANNEL_MAX_BYTES, 0, &bytes, NULL));
        CHECK_EQ(bytes, sizes[i]);
        CHECK(memcmp(back, big + i, sizes[i]) == 0);
        CHECK_EQ(back[sizes[i]], 0);
    }
    close_pair(pair);
}

TEST(fresh_memory_is_read_and_written)
{
    struct pair pair = new_channel();
    uint32_t bytes;
    uintptr_t at;
    handle_t vmo;

    CHECK_OK(sys_vmo_create(2 * CHANNEL_MAX_BYTES, 0, &vmo));
    CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, 2 * CHANNEL_MAX_BYTES, &at));
    memset(big, 1, sizeof big);
    CHECK_OK(sys_channel_write(pair.a, 0, (void *)at, CHANNEL_MAX_BYTES, NULL, 0));
    CHECK_OK(sys_channel_write(pair.a, 0, big, CHANNEL_MAX_BYTES, NULL, 0));
    for (char value = 0; value < 2; value++) {
        char *to = (char *)at + CHANNEL_MAX_BYTES;
        CHECK_OK(sys_channel_read(pair.b, 0, to, NULL, CHANNEL_MAX_BYTES, 0, &bytes, NULL));
        CHECK_EQ(bytes, CHANNEL_MAX_BYTES);
        CHECK(to[0] == value && to[CHANNEL_MAX_BYTES - 1] == value);
    }
    CHECK_OK(sys_vm_unmap(process_self(), at, 2 * CHANNEL_MAX_BYTES));
    CHECK_OK(sys_handle_close(vmo));
    close_pair(pair);
}

TEST(a_full_queue_refuses_and_recovers)
{
    struct pair pair = new_channel();

    CHECK_EQ(signals_of(pair.a), SIGNAL_WRITABLE);
    for (uint32_t i = 0; i < CHANNEL_MAX_QUEUED; i++)
        CHECK_OK(write_number(pair.a, i));
    CHECK_STATUS(sys_channel_write(pair.a, 0, "x", 1, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_EQ(signals_of(pair.a), 0);
    CHECK_EQ(signals_of(pair.b), SIGNAL_READABLE | SIGNAL_WRITABLE);
    CHECK_EQ(read_number(pair.b), 0);
    CHECK_EQ(signals_of(pair.a), SIGNAL_WRITABLE);
    CHECK_OK(write_number(pair.a, CHANNEL_MAX_QUEUED));
    for (uint32_t i = 1; i <= CHANNEL_MAX_QUEUED; i++)
        CHECK_EQ(read_number(pair.b), i);
    CHECK_EQ(signals_of(pair.b), SIGNAL_WRITABLE);
    close_pair(pair);
}

TEST(a_megabyte_is_full_too)
{
    struct pair pair = new_channel();
    unsigned count = 0;
    status_t status;

    while ((status = sys_channel_write(pair.a, 0, big, CHANNEL_MAX_BYTES, NULL, 0)) == OK)
        CHECK(++count < CHANNEL_MAX_QUEUED);
    CHECK_STATUS(status, ERR_SHOULD_WAIT);
    CHECK_EQ(count, 16);
    close_pair(pair);                           /* with all that unread */
}

/* --- The end of a channel. --- */

TEST(the_other_end_sees_the_close)
{
    struct pair pair = new_channel();

    CHECK_OK(write_number(pair.a, 5));
    CHECK_OK(sys_handle_close(pair.a));
    CHECK_EQ(signals_of(pair.b), SIGNAL_READABLE | SIGNAL_PEER_CLOSED);
    CHECK_STATUS(sys_channel_write(pair.b, 0, "x", 1, NULL, 0), ERR_PEER_CLOSED);
    CHECK_EQ(read_number(pair.b), 5);           /* what was sent before is still there */
    CHECK_EQ(signals_of(pair.b), SIGNAL_PEER_CLOSED);
    CHECK_STATUS(sys_channel_read(pair.b, 0, back, NULL, 4, 0, NULL, NULL), ERR_PEER_CLOSED);
    CHECK_OK(sys_handle_close(pair.b));
}

/* --- Handles. --- */

TEST(handles_move_with_their_rights)
{
    struct pair pair = new_channel();
    handle_t sent[3], received[3];
    uint64_t koids[3];
    uint32_t bytes, count;

    for (unsigned i = 0; i < 3; i++) {
        sent[i] = i == 1 ? with_rights(new_event(), RIGHT_TRANSFER | RIGHT_WAIT) : new_event();
        koids[i] = koid_of(sent[i]);
    }
    CHECK_OK(sys_channel_write(pair.a, 0, NULL, 0, sent, 3));
    for (unsigned i = 0; i < 3; i++)
        CHECK_STATUS(sys_handle_close(sent[i]), ERR_BAD_HANDLE);
    CHECK_OK(sys_channel_read(pair.b, 0, NULL, received, 0, 3, &bytes, &count));
    CHECK(bytes == 0 && count == 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(koid_of(received[i]), koids[i]);
    CHECK_STATUS(sys_object_signal(received[1], 0, SIGNAL_USER_0), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < 3; i++)
        CHECK_OK(sys_handle_close(received[i]));
    close_pair(pair);
}

TEST(as_many_handles_as_a_message_holds)
{
    struct pair pair = new_channel();
    handle_t handles[CHANNEL_MAX_HANDLES];
    uint32_t count;

    for (unsigned i = 0; i < CHANNEL_MAX_HANDLES; i++)
        handles[i] = new_event();
    CHECK_OK(sys_channel_write(pair.a, 0, big, CHANNEL_MAX_BYTES, handles, CHANNEL_MAX_HANDLES));
    CHECK_OK(sys_channel_read(pair.b, 0, back, handles, CHANNEL_MAX_BYTES, CHANNEL_MAX_HANDLES,
                              NULL, &count));
    CHECK_EQ(count, CHANNEL_MAX_HANDLES);
    for (unsigned i = 0; i < CHANNEL_MAX_HANDLES; i++)
        CHECK_OK(sys_handle_close(handles[i]));
    close_pair(pair);
}

/* A write of these handles is refused with this status, and they are gone. */
static void check_refused(handle_t channel, const handle_t handles[2], status_t expected)
{
    CHECK_STATUS(sys_channel_write(channel, 0, "x", 1, handles, 2), expected);
    CHECK_STATUS(sys_handle_close(handles[0]), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_close(handles[1]), ERR_BAD_HANDLE);
}

TEST(refused_handles_are_closed)
{
    struct pair pair = new_channel(), other = new_channel();
    handle_t event = new_event();

    COVERS("channel_write", BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED, PEER_CLOSED);
    check_refused(pair.a, (handle_t[]){ new_event(), 0x12345 }, ERR_BAD_HANDLE);
    check_refused(pair.a, (handle_t[]){ event, event }, ERR_BAD_HANDLE);
    check_refused(pair.a, (handle_t[]){ new_event(), with_rights(new_event(), RIGHT_WAIT) },
                  ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_channel_read(pair.b, 0, back, NULL, 4, 0, NULL, NULL), ERR_SHOULD_WAIT);
    check_refused(pair.a, (handle_t[]){ new_event(), pair.b }, ERR_NOT_SUPPORTED);
    check_refused(other.a, (handle_t[]){ other.a, new_event() }, ERR_NOT_SUPPORTED);
    CHECK_EQ(signals_of(other.b), SIGNAL_PEER_CLOSED);
    check_refused(pair.a, (handle_t[]){ new_event(), new_event() }, ERR_PEER_CLOSED);
    CHECK_OK(sys_handle_close(pair.a));
    CHECK_OK(sys_handle_close(other.b));
}

TEST(unread_handles_close_with_the_channel)
{
    struct pair pair = new_channel(), inner = new_channel();

    CHECK_OK(sys_channel_write(pair.a, 0, NULL, 0, &inner.a, 1));
    CHECK_OK(sys_handle_close(pair.a));
    CHECK_EQ(signals_of(inner.b),
             SIGNAL_WRITABLE);     /* the message still waits at the other end */
    CHECK_OK(sys_handle_close(pair.b));
    CHECK_EQ(signals_of(inner.b), SIGNAL_PEER_CLOSED);
    CHECK_OK(sys_handle_close(inner.b));
}

TEST(handles_that_find_no_room_stay_in_the_message)
{
    enum { LIMIT = 16384 };
    static handle_t fill[LIMIT];
    struct pair pair = new_channel();
    handle_t event = new_event(), two[2] = { new_event(), new_event() };
    uint32_t count = 0;

    CHECK_OK(sys_channel_write(pair.a, 0, "x", 1, two, 2));
    while (count < LIMIT && sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &fill[count]) == OK)
        count++;
    CHECK_OK(sys_handle_close(fill[--count]));
    CHECK_STATUS(sys_channel_read(pair.b, 0, back, two, 1, 2, NULL, NULL), ERR_NO_RESOURCES);
    CHECK_OK(sys_handle_close(fill[--count]));
    CHECK_OK(sys_channel_read(pair.b, 0, back, two, 1, 2, NULL, NULL));
    while (count > 0)
        CHECK_OK(sys_handle_close(fill[--count]));
    CHECK_OK(sys_handle_close(two[0]));
    CHECK_OK(sys_handle_close(two[1]));
    CHECK_OK(sys_handle_close(event));
    close_pair(pair);
}

static uint64_t live_channels(void)
{
    info_system_t info = { 0 };

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    return info.objects[OBJECT_CHANNEL];
}

TEST(ten_thousand_nested_channels_are_destroyed)
{
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    uint64_t before = live_channels();
    handle_t outer = new_event();

    for (unsigned i = 0; i < 10000; i++) {
        struct pair pair = new_channel();
        CHECK_OK(sys_channel_write(pair.a, 0, "inner", 5, &outer, 1));
        CHECK_OK(sys_handle_close(pair.a));
        outer = pair.b;
    }
    CHECK_EQ(live_channels(), before + 20000 - 10000);
    CHECK_OK(sys_handle_close(outer));
    CHECK_EQ(live_channels(), before);
}

/* --- Several threads. --- */

enum { WRITERS = 4, EACH = 3000 };

static struct raw_thread writers[WRITERS];
static struct pair shared;

static void write_many(void *argument)
{
    uint32_t number = (uintptr_t)argument << 16;

    for (uint32_t i = 0; i < EACH; i++) {
        while (write_number(shared.a, number + i) == ERR_SHOULD_WAIT)
            sys_object_wait_one(shared.a, SIGNAL_WRITABLE, DEADLINE_INFINITE, NULL);
    }
}

TEST(writers_mix_but_each_keeps_its_order)
{
    uint32_t next[WRITERS] = { 0 };

    shared = new_channel();
    for (uintptr_t i = 0; i < WRITERS; i++)
        raw_thread_start(&writers[i], write_many, (void *)i);
    for (unsigned i = 0; i < WRITERS * EACH; i++) {
        CHECK_OK(sys_object_wait_one(shared.b, SIGNAL_READABLE, after(PATIENCE), NULL));
        uint32_t number = read_number(shared.b);
        CHECK_EQ(number & 0xffff, next[number >> 16]);
        next[number >> 16]++;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        wait_for_end(writers[i].handle);
    close_pair(shared);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
