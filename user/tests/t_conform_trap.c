/*
 * t_conform_trap.c: conformance, sections 2.1 to 2.5 for DIRTY requests, and 3.3: TRAP_DIRTY
 * against no trap.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

/* --- 2.1, 2.2: packets. --- */

/* 2.1: DIRTY: the key, type 9, status 0, command 2, offset and length in bytes, the rest zero. */
TEST(what_a_dirty_packet_holds)
{
    struct rig rig = trap_supplied(8, 2, 4);

    ask_write(0, rig, 3, 2, 'x');
    port_packet_t packet, expected;
    memset(&expected, 0, sizeof expected);
    expected.key = RIG_KEY;
    expected.type = 9;
    expected.page_request.command = 2;
    expected.page_request.offset = AT(3);
    expected.page_request.length = AT(2);
    CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
    CHECK(memcmp(&packet, &expected, sizeof packet) == 0);
    allow(rig, 3, 2);
    ENDS(0, OK);
    rig_close(rig);
}

/* 2.2: READ and DIRTY of one VMO share its packet and its line, in the order of creation. */
TEST(reads_and_writes_share_the_line)
{
    struct rig rig = trap_supplied(8, 0, 4);

    ask_write(0, rig, 0, 1, 'x');
    ask_read(1, rig, 5, 1);
    ask_write(2, rig, 2, 1, 'x');
    ask_read(3, rig, 7, 1);
    serve_dirty(rig, 0, 1);
    serve_read(rig, 5, 1);
    serve_dirty(rig, 2, 1);
    serve_read(rig, 7, 1);
    ENDS(0, OK);
    ends_with_content(1);
    ENDS(2, OK);
    ends_with_content(3);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.2: a DIRTY request that is answered while its packet is unread, or in line, is withdrawn. */
TEST(early_permission_withdraws_the_packet)
{
    struct rig rig = trap_supplied(4, 0, 3);

    ask_write(0, rig, 0, 1, 'x');
    ask_write(1, rig, 1, 1, 'x');
    ask_read(2, rig, 3, 1);
    allow(rig, 0, 2);
    ENDS(0, OK);
    ENDS(1, OK);
    serve_read(rig, 3, 1);
    ends_with_content(2);
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 2.3: sizes. --- */

/* 2.3: DIRTY: a hardware fault asks for one page. */
TEST(a_store_asks_for_one_page)
{
    struct rig rig = trap_supplied(4, 0, 4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    touch_asks(0, ACCESS_STORE, memory + AT(1) + 100);
    serve_dirty(rig, 1, 1);
    CHECK_EQ(touch_end(0), '!');
    CHECK_EQ(memory[AT(1) + 100], '!');
    DIRTY_IS(rig, "1+1");
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.3: DIRTY: over clean and awaiting pages, zero markers and dirty zeros, in one request. */
TEST(dirty_requests_extend_over_what_is_not_dirty)
{
    struct rig rig = trap_supplied(3, 0, 2);

    supply_zeros(rig, 2, 1);
    resize(rig, 4);
    allow(rig, 1, 1);
    begin(rig, 1, 1);
    ask_write(0, rig, 0, 4, 'x');
    serve_dirty(rig, 0, 4);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+4");
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.3: DIRTY: stops at a Dirty page, and begins at the first that is not. */
TEST(dirty_requests_stop_at_dirty_pages)
{
    struct rig rig = trap_supplied(6, 0, 6);

    allow(rig, 0, 1);
    allow(rig, 3, 1);
    ask_write(0, rig, 0, 6, 'x');
    serve_dirty(rig, 1, 2);
    serve_dirty(rig, 4, 2);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+6");
    rig_close(rig);
}

/* 2.3: DIRTY: stops at a gap, for which a READ goes first, then a DIRTY. */
TEST(dirty_requests_stop_at_gaps)
{
    struct rig rig = trap_supplied(4, 0, 2);

    ask_write(0, rig, 0, 4, 'x');
    serve_dirty(rig, 0, 2);
    serve_read(rig, 2, 2);
    serve_dirty(rig, 2, 2);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+4");
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.3: DIRTY: once its gap is filled the request may join the page with its neighbours. */
TEST(a_filled_gap_joins_its_neighbours)
{
    struct rig rig = trap_supplied(3, 1, 2);

    ask_write(0, rig, 0, 3, 'x');
    serve_read(rig, 0, 1);
    serve_dirty(rig, 0, 3);
    ENDS(0, OK);
    rig_close(rig);
}

static struct {
    struct raw_thread thread;
    struct rig rig;
    handle_t stream;
    size_t actual;
    status_t status;
    char bytes[AT(20)];
} writer;

static void write_all(void *unused)
{
    (void)unused;
    writer.status = sys_vmo_write(writer.rig.vmo, VMO_MAY_BLOCK, writer.bytes, 0,
                                  sizeof writer.bytes);
}

static void stream_write_all(void *unused)
{
    (void)unused;
    writer.status = sys_stream_write(writer.stream, writer.bytes, sizeof writer.bytes,
                                     &writer.actual);
}

/* 2.3: DIRTY: vmo_write and stream writes ask for at most 16 pages at a time. */
TEST(writers_ask_for_16_pages)
{
    for (unsigned i = 0; i < 2; i++) {
        writer.rig = trap_supplied(20, 0, 20);
        CHECK_OK(sys_stream_create(STREAM_WRITE, writer.rig.vmo, 0, &writer.stream));
        raw_thread_start(&writer.thread, i ? stream_write_all : write_all, NULL);
        serve_dirty(writer.rig, 0, 16);
        serve_dirty(writer.rig, 16, 4);
        wait_for_end(writer.thread.handle);
        CHECK_OK(writer.status);
        DIRTY_IS(writer.rig, "0+20");
        CLOSE(writer.stream);
        rig_close(writer.rig);
    }
}

/* --- 2.4: merging and splitting. --- */

/* 2.4: DIRTY: a request that starts inside another is chained to it: no packet. */
TEST(writers_share_requests)
{
    struct rig rig = trap_supplied(4, 0, 4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    ask_write(0, rig, 0, 3, 'a');
    ask_write(1, rig, 1, 1, 'a');
    touch_asks(2, ACCESS_STORE, memory + AT(2));
    expect_dirty(rig, 0, 3);
    expect_silence(rig.port);
    allow(rig, 0, 3);
    ENDS(0, OK);
    ENDS(1, OK);
    touch_end(2);
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.4: DIRTY: an overlap that reaches further asks for the part beyond when it wakes. */
TEST(a_chained_writer_asks_for_the_part_beyond)
{
    struct rig rig = trap_supplied(16, 0, 16);

    ask_write(0, rig, 1, 5, 'a');
    ask_write(1, rig, 4, 5, 'b');
    expect_dirty(rig, 1, 5);
    expect_silence(rig.port);
    allow(rig, 1, 5);
    ENDS(0, OK);
    serve_dirty(rig, 6, 3);
    ENDS(1, OK);
    DIRTY_IS(rig, "1+8");
    rig_close(rig);
}

/* 2.4: DIRTY: a request in which another starts is cut there, and goes on behind it afterwards. */
TEST(a_writer_is_cut_where_another_starts)
{
    struct rig rig = trap_supplied(12, 0, 12);

    ask_write(0, rig, 4, 4, 'a');
    expect_dirty(rig, 4, 4);
    ask_write(1, rig, 0, 12, 'b');
    serve_dirty(rig, 0, 4);
    WAITS(1);                               /* chained to the first now */
    expect_silence(rig.port);
    allow(rig, 4, 4);
    ENDS(0, OK);
    serve_dirty(rig, 8, 4);
    ENDS(1, OK);
    DIRTY_IS(rig, "0+12");
    rig_close(rig);
}

/* 2.4: requests of different types are not merged: a reader of a gap and a writer of the same page. */
TEST(readers_and_writers_are_not_merged)
{
    struct rig rig = trap_create(2);

    resize(rig, 4);
    begin(rig, 2, 2);
    ask_write(0, rig, 2, 2, 'x');
    expect_dirty(rig, 2, 2);
    end(rig, 2, 2);                         /* both are gaps now, the DIRTY request stays */
    ask_read(1, rig, 2, 2);
    expect_read(rig, 2, 2);
    supply(rig, 2, 2);
    ends_with_content(1);
    WAITS(0);
    allow(rig, 2, 2);
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: DIRTY: the request ends when all of it was allowed, in any order; wider answers are fine. */
TEST(permissions_in_any_order)
{
    struct rig rig = trap_supplied(8, 0, 8);
    static const uint64_t order[] = { 3, 1, 4, 2 };

    ask_write(0, rig, 1, 4, 'x');
    expect_dirty(rig, 1, 4);
    for (size_t i = 0; i < array_size(order); i++) {
        WAITS(0);
        allow(rig, order[i], 1);
    }
    ENDS(0, OK);
    ask_write(0, rig, 6, 1, 'x');
    expect_dirty(rig, 6, 1);
    allow(rig, 0, 8);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+8");
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 3.3, row by row. --- */

/* 3.3: dirty tracking: both kinds have the same states and answer the same query. */
TEST(both_kinds_track)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 3);

        supply(rig, 0, 3);
        make_dirty(rig, kind, 0, 'x');
        make_dirty(rig, kind, 1, 'x');
        zero_pages(rig, 2, 1);
        begin(rig, 1, 2);
        DIRTY_IS(rig, "0+2 2+1z");
        end(rig, 0, 3);
        DIRTY_IS(rig, "0+1");
        rig_close(rig);
    }
}

/* 3.3: DIRTY packets: never without TRAP_DIRTY, whatever is written. */
TEST(without_the_trap_nobody_is_asked)
{
    struct rig rig = rig_supplied(4, 0, 3);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    supply_zeros(rig, 3, 1);
    resize(rig, 6);
    write_byte(rig, 0, 'x');
    memory[AT(1)] = 'x';
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(2) + 8, 8, NULL, 0));
    write_byte(rig, 3, 'x');
    write_byte(rig, 4, 'x');
    CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 5, 1));
    begin(rig, 0, 6);
    write_byte(rig, 0, 'y');
    expect_silence(rig.port);
    DIRTY_IS(rig, "0+6");
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 3.3: DIRTY packets: with it on every transition that a write causes: from Clean, AwaitingClean,
 * a zero marker, a dirty zero. */
TEST(with_the_trap_every_writer_asks)
{
    struct rig rig = trap_supplied(3, 0, 2);

    supply_zeros(rig, 2, 1);
    resize(rig, 4);
    allow(rig, 1, 1);
    begin(rig, 1, 1);
    for (uint64_t page = 0; page < 4; page++) {
        CHECK_STATUS(try_write(rig.vmo, page), ERR_SHOULD_WAIT);
        ask_write(0, rig, page, 1, 'x');
        serve_dirty(rig, page, 1);
        ENDS(0, OK);
        write_byte(rig, page, 'y');         /* Dirty: nobody is asked */
    }
    expect_silence(rig.port);
    DIRTY_IS(rig, "0+4");
    rig_close(rig);
}

/* 3.3: DIRTY packets: a partial OP_ZERO, and COMMIT of a dirty zero. */
TEST(with_the_trap_range_operations_ask)
{
    struct rig rig = trap_supplied(1, 0, 1);

    resize(rig, 2);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 8, 8, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_COMMIT, 1, 1), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    ask_part_op(0, VMO_OP_ZERO, rig, 8, 8);
    serve_dirty(rig, 0, 1);
    ENDS(0, OK);
    ask_op(0, VMO_OP_COMMIT, rig.vmo, 1, 1);
    serve_dirty(rig, 1, 1);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+2");
    CHECK(vmo_is_filled(rig.vmo, 8, 8, 0) && byte_of(rig.vmo, 0) == content_of(0));
    rig_close(rig);
}

static void read_into_memory(void *argument)
{
    struct access *access = argument;

    access->status = sys_vmo_read(access->vmo, 0, (char *)access->address, 0, 8);
}

/* 3.3: DIRTY packets: what the kernel writes into a user buffer there; refused: a bad buffer. */
TEST(with_the_trap_copies_to_the_user_ask)
{
    struct rig rig = trap_supplied(1, 0, 1);
    struct access *access = &accesses[0];

    access->vmo = new_filled(1, 'c');
    access->address = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));
    raw_thread_start(&access->thread, read_into_memory, access);
    expect_dirty(rig, 0, 1);
    fail(rig, 0, 1, ERR_NO_SPACE);
    ENDS(0, ERR_INVALID_ARGS);
    raw_thread_start(&access->thread, read_into_memory, access);
    serve_dirty(rig, 0, 1);
    ENDS(0, OK);
    CHECK_EQ(access->address[7], 'c');
    MODIFIED(rig);
    unmap((char *)access->address, AT(1));
    CLOSE(access->vmo);
    rig_close(rig);
}

/* 3.3: a write to a marker or dirty zero: allocates and dirties at once without the trap, with it
 * the allocation is in OP_DIRTY. */
TEST(where_zeros_get_their_pages)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 1);

        supply_zeros(rig, 0, 1);
        resize(rig, 2);
        if (kind == TRAP) {
            ask_write(0, rig, 0, 2, 'x');
            CHECK_EQ(committed(rig.vmo), 0);
            allow(rig, 0, 2);
            ENDS(0, OK);
        } else {
            write_byte(rig, 0, 'x');
            write_byte(rig, 1, 'x');
        }
        CHECK_EQ(committed(rig.vmo), 2);
        DIRTY_IS(rig, "0+2");
        rig_close(rig);
    }
}

/* 3.3: COMMIT of clean pages or markers: no packet, not dirtied, with and without the trap. */
TEST(commit_of_what_is_clean)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 4);

        supply(rig, 0, 2);
        supply_zeros(rig, 2, 2);
        CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 0, 4));
        CHECK_EQ(committed(rig.vmo), 4);
        CHECK(page_is(rig.vmo, 3, 0));
        NOTHING_DIRTY(rig);
        expect_silence(rig.port);
        rig_close(rig);
    }
}

/* 3.3: OP_ZERO of whole pages: no packet, with the trap neither. */
TEST(zeroing_whole_pages_asks_nobody)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 3);

        supply(rig, 0, 2);
        make_dirty(rig, kind, 1, 'x');
        zero_pages(rig, 0, 3);
        DIRTY_IS(rig, "0+3z");
        expect_silence(rig.port);
        rig_close(rig);
    }
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
