/*
 * t_conform_packets.c: conformance, sections 2.1 to 2.3: packets, the line behind them, the sizes
 * of requests.
 *
 * Machine: cpus=4
 */
#include "conform.h"

#define BIG_PAGES 40

/* A call that is longer than an access of the rig can be. */
struct long_call {
    struct raw_thread thread;
    handle_t handle;
    size_t length, actual;
    status_t status;
    char bytes[AT(BIG_PAGES)];
};

static struct long_call long_call;

static void long_call_start(void (*function)(void *), handle_t handle, uint64_t pages)
{
    long_call.handle = handle;
    long_call.length = AT(pages);
    long_call.status = 1;
    raw_thread_start(&long_call.thread, function, NULL);
}

static void long_call_ends(status_t expected)
{
    wait_for_end(long_call.thread.handle);
    CHECK_STATUS(long_call.status, expected);
}

static void read_all(void *unused)
{
    (void)unused;
    long_call.status = sys_vmo_read(long_call.handle, VMO_MAY_BLOCK, long_call.bytes, 0,
                                    long_call.length);
}

static void write_all(void *unused)
{
    (void)unused;
    long_call.status = sys_vmo_write(long_call.handle, VMO_MAY_BLOCK, long_call.bytes, 0,
                                     long_call.length);
}

static void stream_read_all(void *unused)
{
    (void)unused;
    long_call.status = sys_stream_read(long_call.handle, long_call.bytes, long_call.length,
                                       &long_call.actual);
}

static void stream_write_all(void *unused)
{
    (void)unused;
    long_call.status = sys_stream_write(long_call.handle, long_call.bytes, long_call.length,
                                        &long_call.actual);
}

/* --- 2.1: the packet. --- */

/* 2.1: READ: the key, type 9, status 0, command 0, offset and length in bytes, the rest zero. */
TEST(what_a_read_packet_holds)
{
    struct rig rig = rig_create(8);
    port_packet_t packet;

    access_start_bytes(&accesses[0], ACCESS_READ, rig.vmo, AT(2) + 100, PAGE_SIZE);
    CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
    CHECK_EQ(packet.key, RIG_KEY);
    CHECK(packet.type == 9 && packet.status == 0);
    CHECK(packet.page_request.command == 0 && packet.page_request.flags == 0);
    CHECK(packet.page_request.offset == AT(2) && packet.page_request.length == AT(2));
    CHECK(packet.page_request.reserved0 == 0 && packet.page_request.reserved1 == 0);
    supply(rig, 2, 2);
    ends_with_content(0);
    rig_close(rig);
}

/* 2.1: COMPLETE carries offset 0 and length 0, the rest zero. */
TEST(what_a_complete_packet_holds)
{
    struct rig rig = rig_create(8);
    port_packet_t packet;

    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
    CHECK_EQ(packet.key, RIG_KEY);
    CHECK(packet.type == 9 && packet.status == 0 && packet.page_request.command == 1);
    CHECK(packet.page_request.offset == 0 && packet.page_request.length == 0);
    CHECK(packet.page_request.flags == 0 && packet.page_request.reserved0 == 0);
    CHECK_EQ(packet.page_request.reserved1, 0);
    rig_close(rig);
}

/* --- 2.2: one packet, and a line behind it. --- */

/* 2.2: packet idle: it is queued at once; busy: the request stands in line; order of creation. */
TEST(packets_come_in_the_order_of_requests)
{
    struct rig rig = rig_create(8);
    static const uint64_t pages[] = { 5, 1, 7, 3 };

    for (unsigned i = 0; i < 4; i++)
        ask(i, ACCESS_READ, rig.vmo, pages[i], 1);
    for (unsigned i = 0; i < 4; i++)
        expect_read(rig, pages[i], 1);
    expect_silence(rig.port);
    supply(rig, 0, 8);
    for (unsigned i = 0; i < 4; i++)
        ends_with_content(i);
    rig_close(rig);
}

/* 2.2: taking the packet frees it, not the answer: after N packets N requests are unanswered. */
TEST(taking_the_packet_frees_it)
{
    struct rig rig = rig_create(8);

    for (unsigned i = 0; i < 4; i++) {
        ask(i, ACCESS_READ, rig.vmo, i, 1);
        expect_read(rig, i, 1);
    }
    for (unsigned i = 0; i < 4; i++)
        WAITS(i);
    for (unsigned i = 4; i-- > 0;) {            /* answered in another order */
        supply(rig, i, 1);
        ends_with_content(i);
    }
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.2: answered while its packet is unread: withdrawn, and the next in line is queued. */
TEST(the_next_in_line_takes_the_withdrawn_place)
{
    struct rig rig = rig_create(4);

    for (unsigned i = 0; i < 3; i++)
        ask(i, ACCESS_READ, rig.vmo, i, 1);
    supply(rig, 0, 1);
    ends_with_content(0);
    expect_read(rig, 1, 1);
    expect_read(rig, 2, 1);
    supply(rig, 1, 2);
    ends_with_content(1);
    ends_with_content(2);
    rig_close(rig);
}

/* 2.2: answered while in line: never seen by the pager. */
TEST(a_request_in_line_may_never_be_seen)
{
    struct rig rig = rig_create(4);

    for (unsigned i = 0; i < 3; i++)
        ask(i, ACCESS_READ, rig.vmo, i, 1);
    supply(rig, 1, 1);
    ends_with_content(1);
    expect_read(rig, 0, 1);
    expect_read(rig, 2, 1);
    expect_silence(rig.port);
    supply(rig, 0, 3);
    ends_with_content(0);
    ends_with_content(2);
    rig_close(rig);
}

/* 2.2: COMPLETE comes after the requests in line are gone. */
TEST(complete_comes_last)
{
    struct rig rig = rig_create(4);

    for (unsigned i = 0; i < 3; i++)
        ask(i, ACCESS_READ, rig.vmo, i, 1);
    expect_read(rig, 0, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    expect_complete(rig);
    for (unsigned i = 0; i < 3; i++)
        ENDS(i, ERR_BAD_STATE);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.2: a port that is full of user packets still takes requests and COMPLETE. */
TEST(a_full_port_loses_nothing)
{
    struct rig rig = rig_create(1);
    port_packet_t packet = { .key = 1, .type = PKT_USER };
    unsigned queued = 0;

    while (sys_port_queue(rig.port, &packet) == OK)
        queued++;
    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    CHECK_STATUS(sys_port_queue(rig.port, &packet), ERR_SHOULD_WAIT);
    for (unsigned i = 0; i < queued; i++)
        CHECK_OK(sys_port_wait(rig.port, 0, &packet));
    serve_read(rig, 0, 1);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 2.3: sizes. --- */

/* 2.3: a hardware fault asks for one page, load or store. */
TEST(a_fault_asks_for_one_page)
{
    struct rig rig = rig_create(8);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(8));

    touch_asks(0, ACCESS_LOAD, memory + AT(2) + 9);
    touch_asks(1, ACCESS_STORE, memory + AT(4));
    serve_read(rig, 2, 1);
    serve_read(rig, 4, 1);
    CHECK_EQ(touch_end(0), content_of(2));
    touch_end(1);
    unmap((char *)memory, AT(8));
    rig_close(rig);
}

/* 2.3: vmo_read asks for all the rest of the call, whatever its length. */
TEST(a_read_asks_for_the_rest)
{
    struct rig rig = rig_create(BIG_PAGES);

    long_call_start(read_all, rig.vmo, BIG_PAGES);
    serve_read(rig, 0, BIG_PAGES);
    long_call_ends(OK);
    CHECK_EQ(long_call.bytes[AT(39)], content_of(39));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.3: so does a read through a stream, up to the content's end. */
TEST(a_stream_read_asks_for_the_rest)
{
    struct rig rig = rig_create(BIG_PAGES);
    handle_t stream;

    CHECK_OK(sys_vmo_set_content_size(rig.vmo, AT(30) - 5));
    CHECK_OK(sys_stream_create(STREAM_READ, rig.vmo, 0, &stream));
    long_call_start(stream_read_all, stream, BIG_PAGES);
    serve_read(rig, 0, 30);
    long_call_ends(OK);
    CHECK_EQ(long_call.actual, AT(30) - 5);
    CLOSE(stream);
    rig_close(rig);
}

/* 2.3: vmo_write asks for at most 16 pages at a time. */
TEST(a_write_asks_for_16_pages)
{
    struct rig rig = rig_create(BIG_PAGES);

    long_call_start(write_all, rig.vmo, BIG_PAGES);
    serve_read(rig, 0, 16);
    serve_read(rig, 16, 16);
    serve_read(rig, 32, 8);
    long_call_ends(OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.3: so does a write through a stream. */
TEST(a_stream_write_asks_for_16_pages)
{
    struct rig rig = rig_create(20);
    handle_t stream;

    CHECK_OK(sys_stream_create(STREAM_WRITE, rig.vmo, 0, &stream));
    long_call_start(stream_write_all, stream, 20);
    serve_read(rig, 0, 16);
    serve_read(rig, 16, 4);
    long_call_ends(OK);
    CHECK_EQ(long_call.actual, AT(20));
    CLOSE(stream);
    rig_close(rig);
}

/* 2.3: COMMIT, ALWAYS_NEED and PREFETCH ask for all the rest of the range. */
TEST(range_operations_ask_for_the_rest)
{
    static const uint32_t ops[] = { VMO_OP_COMMIT, VMO_OP_ALWAYS_NEED, VMO_OP_PREFETCH };

    for (size_t i = 0; i < array_size(ops); i++) {
        struct rig rig = rig_create(300);

        ask_op(0, ops[i], rig.vmo, 3, 290);
        serve_read(rig, 3, 290);
        ENDS(0, OK);
        expect_silence(rig.port);
        rig_close(rig);
    }
}

/* 2.3: trimming 1: a request stops before the first page that is there. */
TEST(requests_stop_before_content)
{
    struct rig rig = rig_supplied(8, 3, 1);
    handle_t hole = new_vmo(1);

    CHECK_OK(try_supply(rig, 6, 1, hole, 0));   /* a marker is content */
    ask(0, ACCESS_READ, rig.vmo, 1, 7);
    serve_read(rig, 1, 2);
    serve_read(rig, 4, 2);
    serve_read(rig, 7, 1);
    ENDS(0, OK);
    CLOSE(hole);
    rig_close(rig);
}

/* 2.3: trimming 1: what the VMO grew by is content. */
TEST(requests_stop_before_what_grew)
{
    struct rig rig = rig_create(2);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(6)));
    ask(0, ACCESS_READ, rig.vmo, 0, 6);
    serve_read(rig, 0, 2);
    ENDS(0, OK);
    CHECK(accesses[0].buffer[AT(2)] == 0 && accesses[0].buffer[AT(5)] == 0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.3: trimming 2: for a clone it stops where the clone has its own content. */
TEST(requests_of_clones_stop_before_their_content)
{
    struct rig rig = rig_create(8);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 6);

    CHECK_OK(range_op(clone, VMO_OP_ZERO, 2, 1));
    ask(0, ACCESS_READ, clone, 0, 6);
    serve_read(rig, 1, 2);
    serve_read(rig, 4, 3);
    ENDS(0, OK);
    CHECK_EQ(accesses[0].buffer[AT(2)], 0);
    CLOSE(clone);
    rig_close(rig);
}

/* 2.3: trimming 2: and at the parent limit. */
TEST(requests_of_clones_stop_at_the_limit)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 2, 6);

    ask(0, ACCESS_READ, clone, 0, 6);
    serve_read(rig, 2, 2);
    ENDS(0, OK);
    CHECK_EQ(accesses[0].buffer[AT(2)], 0);
    CLOSE(clone);
    rig_close(rig);
}

/* 2.3: one operation has one request outstanding: gap, page, gap gives two packets, serially. */
TEST(an_operation_asks_serially)
{
    struct rig rig = rig_supplied(3, 1, 1);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 3);
    expect_read(rig, 0, 1);
    expect_silence(rig.port);
    supply(rig, 0, 1);
    serve_read(rig, 2, 1);
    ENDS(0, OK);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
