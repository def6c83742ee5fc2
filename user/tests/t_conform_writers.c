/*
 * t_conform_writers.c: conformance, sections 2.6 to 2.9 and 1.3 where somebody waits to write, or
 * something is dirty.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

/* --- 2.6: FAIL against DIRTY. --- */

/* 2.6: FAIL reaches writers: calls return the status, any of the five; nothing becomes dirty. */
TEST(failing_a_writer)
{
    static const status_t statuses[] = {
        ERR_IO, ERR_IO_DATA_INTEGRITY, ERR_BAD_STATE, ERR_NO_SPACE, ERR_BUFFER_TOO_SMALL,
    };
    struct rig rig = trap_supplied(1, 0, 1);

    for (size_t i = 0; i < array_size(statuses); i++) {
        ask_write(0, rig, 0, 1, 'x');
        expect_dirty(rig, 0, 1);                /* an event, not a state: it is asked each time */
        fail(rig, 0, 1, statuses[i]);
        ENDS(0, statuses[i]);
    }
    NOTHING_DIRTY(rig);
    CHECK(is_supplied(rig.vmo, 0, 1));
    rig_close(rig);
}

/* 2.6: FAIL of a store that waits for permission crashes it with the status. */
TEST(failing_a_store)
{
    struct rig rig = trap_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    touch_asks(0, ACCESS_STORE, memory + AT(1) + 7);
    expect_dirty(rig, 1, 1);
    fail(rig, 1, 1, ERR_NO_SPACE);
    expect_crash(0, ERR_NO_SPACE);
    NOTHING_DIRTY(rig);
    CHECK_EQ(memory[AT(1) + 7], content_of(1));
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 2.6: one FAIL answers READ and DIRTY requests alike. */
TEST(one_failure_for_readers_and_writers)
{
    struct rig rig = trap_supplied(4, 0, 2);

    ask_write(0, rig, 0, 2, 'x');
    ask_read(1, rig, 2, 2);
    fail(rig, 0, 4, ERR_IO);
    ENDS(0, ERR_IO);
    ENDS(1, ERR_IO);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.6: DIRTY: the status sticks if it covers the first page; all must be answered. */
TEST(failing_a_writers_first_page)
{
    struct rig rig = trap_supplied(3, 0, 3);

    ask_write(0, rig, 0, 3, 'x');
    expect_dirty(rig, 0, 3);
    fail(rig, 0, 1, ERR_NO_SPACE);
    WAITS(0);
    allow(rig, 1, 2);
    ENDS(0, ERR_NO_SPACE);
    DIRTY_IS(rig, "1+2");                       /* allowed, and not written */
    CHECK(is_supplied(rig.vmo, 0, 3));
    rig_close(rig);
}

/* 2.6: DIRTY: otherwise the write goes on and asks again for the page that failed. */
TEST(failing_a_writers_later_page)
{
    struct rig rig = trap_supplied(3, 0, 3);

    ask_write(0, rig, 0, 3, 'x');
    expect_dirty(rig, 0, 3);
    fail(rig, 1, 1, ERR_IO);
    allow(rig, 0, 1);
    allow(rig, 2, 1);
    expect_dirty(rig, 1, 1);
    fail(rig, 1, 1, ERR_NO_SPACE);
    ENDS(0, ERR_NO_SPACE);
    DIRTY_IS(rig, "0+1 2+1");
    CHECK(byte_of(rig.vmo, 0) == 'x' && is_supplied(rig.vmo, 1, 2));
    rig_close(rig);
}

/* 2.6: DIRTY: an overlap is judged by its own page, and wakes when the main request completes. */
TEST(failing_under_a_chained_writer)
{
    struct rig rig = trap_supplied(3, 0, 3);

    ask_write(0, rig, 0, 3, 'a');
    expect_dirty(rig, 0, 3);
    ask_write(1, rig, 2, 1, 'b');
    fail(rig, 2, 1, ERR_NO_SPACE);
    WAITS(1);
    allow(rig, 0, 2);
    ENDS(1, ERR_NO_SPACE);
    serve_dirty(rig, 2, 1);                     /* the main request's second try */
    ENDS(0, OK);
    DIRTY_IS(rig, "0+3");
    rig_close(rig);
}

/* 2.6: DIRTY: a refused gap: the READ fails, and no DIRTY is asked. */
TEST(failing_the_read_of_a_writer)
{
    struct rig rig = trap_create(1);

    ask_write(0, rig, 0, 1, 'x');
    expect_read(rig, 0, 1);
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_IO);
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 2.7: giving up. --- */

/* 2.7: kill of a writer: vmo_write, a partial ZERO, a COMMIT of zeros: the packet is withdrawn. */
TEST(kill_of_writers)
{
    struct rig rig = trap_supplied(1, 0, 1);

    resize(rig, 2);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 0)
            ask_write(0, rig, 0, 1, 'x');
        else if (i == 1)
            ask_part_op(0, VMO_OP_ZERO, rig, 8, 8);
        else
            ask_op(0, VMO_OP_COMMIT, rig.vmo, 1, 1);
        kill_waiting(0);
        expect_silence(rig.port);
    }
    DIRTY_IS(rig, "1+1z");
    rig_close(rig);
}

/* 2.7: kill of a store: the thread dies without a report; an answer that comes later is fine. */
TEST(kill_of_a_store)
{
    struct rig rig = trap_supplied(1, 0, 1);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

    touch_asks(0, ACCESS_STORE, memory);
    expect_dirty(rig, 0, 1);
    kill_waiting(0);
    expect_silence(reports[0]);
    allow(rig, 0, 1);
    DIRTY_IS(rig, "0+1");
    CHECK_EQ(memory[0], content_of(0));
    CLOSE(reports[0]);
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 2.7: kill of a writer with overlaps: the first takes its place, with no new packet. */
TEST(the_heir_of_a_writer)
{
    for (unsigned read_before = 0; read_before < 2; read_before++) {
        struct rig rig = trap_supplied(4, 0, 4);

        ask_write(0, rig, 0, 3, 'a');
        ask_write(1, rig, 1, 1, 'b');
        ask_write(2, rig, 2, 1, 'c');
        if (read_before)
            expect_dirty(rig, 0, 3);
        kill_waiting(0);
        if (!read_before)
            expect_dirty(rig, 0, 3);
        expect_silence(rig.port);
        allow(rig, 0, 3);
        ENDS(1, OK);
        ENDS(2, OK);
        CHECK(byte_of(rig.vmo, 0) == content_of(0) && byte_of(rig.vmo, 2) == 'c');
        rig_close(rig);
    }
}

/* 2.7: interrupt of a writer: a call ends with CANCELED, a store asks again with a second packet. */
TEST(interrupted_writers)
{
    struct rig rig = trap_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    ask_write(0, rig, 0, 1, 'x');
    CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
    ENDS(0, ERR_CANCELED);
    expect_silence(rig.port);
    touch_asks(1, ACCESS_STORE, memory + AT(1));
    expect_dirty(rig, 1, 1);
    CHECK_OK(sys_thread_interrupt(accesses[1].thread.handle));
    expect_report(reports[1], accesses[1].thread.handle, EXCEPTION_INTERRUPT, OK);
    retry(accesses[1].thread.handle);
    WAITS(1);
    serve_dirty(rig, 1, 1);
    touch_end(1);
    DIRTY_IS(rig, "1+1");
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* --- 2.8: lifetimes. --- */

/* 2.8: last pager handle closed: writers get BAD_STATE; dirty pages and zeros are kept, can be read
 * and, once dirty, written. */
TEST(closing_the_pager_with_dirty_pages)
{
    struct rig rig = trap_supplied(3, 0, 3);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(3));

    allow(rig, 1, 2);
    write_byte(rig, 1, 'x');
    begin(rig, 2, 1);
    resize(rig, 4);
    ask_write(0, rig, 0, 1, 'y');
    touch_asks(1, ACCESS_STORE, memory + AT(2));
    CLOSE(rig.pager);
    ENDS(0, ERR_BAD_STATE);
    expect_crash(1, ERR_BAD_STATE);
    expect_silence(rig.port);
    CHECK(byte_of(rig.vmo, 0) == content_of(0) && byte_of(rig.vmo, 1) == 'x');
    CHECK(byte_of(rig.vmo, 2) == content_of(2) && byte_of(rig.vmo, 3) == 0);
    write_byte(rig, 1, 'z');
    CHECK_STATUS(try_write(rig.vmo, 0), ERR_BAD_STATE);
    CHECK_STATUS(try_write(rig.vmo, 2), ERR_BAD_STATE);
    unmap((char *)memory, AT(3));
    CLOSE(rig.vmo, rig.port);
}

/* 2.8: port closed: writers go on waiting; OP_DIRTY wakes them, and detach does. */
TEST(closing_the_port_under_writers)
{
    struct rig rig = trap_supplied(2, 0, 2);

    ask_write(0, rig, 0, 1, 'x');
    CLOSE(rig.port);
    WAITS(0);
    ask_write(1, rig, 1, 1, 'x');               /* asks in vain */
    allow(rig, 0, 1);
    ENDS(0, OK);
    detach(rig);
    ENDS(1, ERR_BAD_STATE);
    DIRTY_IS(rig, "0+1");
    CLOSE(rig.vmo, rig.pager);
}

/* 2.8: last reference gone: dirty data is lost, and one COMPLETE comes. */
TEST(the_end_of_a_dirty_vmo)
{
    struct rig rig = trap_supplied(2, 0, 2);
    int64_t before = frames_held();

    allow(rig, 0, 2);
    begin(rig, 1, 1);
    CLOSE(rig.vmo);
    CHECK(frames_held() <= before - 2);
    expect_complete(rig);
    expect_silence(rig.port);
    CLOSE(rig.pager, rig.port);
}

/* --- 1.3: detach. --- */

/* Detached: 0 dirty, 1 awaiting, 2 was clean, 3 a marker, 4 and 5 zeros, the last awaiting. */
static struct rig rig_detached(unsigned kind)
{
    struct rig rig = rig_of_kind(kind, 4);

    supply(rig, 0, 3);
    supply_zeros(rig, 3, 1);
    make_dirty(rig, kind, 0, 'a');
    make_dirty(rig, kind, 1, 'b');
    resize(rig, 6);
    begin(rig, 1, 1);
    begin(rig, 5, 1);
    detach(rig);
    expect_complete(rig);
    return rig;
}

/* 1.3: effect 1: every outstanding DIRTY request is completed, and its retry gets BAD_STATE. */
TEST(detach_ends_writers)
{
    struct rig rig = trap_supplied(4, 0, 4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    ask_write(0, rig, 0, 2, 'x');
    ask_write(1, rig, 1, 1, 'x');               /* chained */
    ask_part_op(2, VMO_OP_ZERO, rig, AT(2) + 8, 8);
    touch_asks(3, ACCESS_STORE, memory + AT(3));
    detach(rig);
    for (unsigned i = 0; i < 3; i++)
        ENDS(i, ERR_BAD_STATE);
    expect_crash(3, ERR_BAD_STATE);
    expect_complete(rig);
    NOTHING_DIRTY(rig);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 1.3: effect 3: keeps Dirty and AwaitingClean pages and dirty zeros; clean ones are dropped. */
TEST(detach_keeps_what_is_dirty)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_detached(kind);

        DIRTY_IS(rig, "0+2 4+2z");
        CHECK_EQ(committed(rig.vmo), 2);
        CHECK_EQ(byte_of(rig.vmo, 2), ERR_BAD_STATE);
        CHECK_EQ(byte_of(rig.vmo, 3), ERR_BAD_STATE);
        rig_close(rig);
    }
}

/* 1.3: afterwards: OP_DIRTY, OP_FAIL and supply are BAD_STATE. */
TEST(answers_after_detach)
{
    struct rig rig = rig_detached(TRAP);
    handle_t aux = new_vmo(1);

    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 1, 0), ERR_BAD_STATE);
    CHECK_STATUS(try_fail(rig, 0, 1, ERR_IO), ERR_BAD_STATE);
    CHECK_STATUS(try_supply(rig, 0, 1, aux, 0), ERR_BAD_STATE);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.3: afterwards: WRITEBACK_BEGIN and END, query_dirty_ranges, query_vmo_stats work. */
TEST(writeback_and_queries_after_detach)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_detached(kind);

        MODIFIED(rig);
        begin(rig, 0, 6);
        end(rig, 0, 6);
        NOTHING_DIRTY(rig);
        NOT_MODIFIED(rig);
        CHECK(byte_of(rig.vmo, 0) == 'a' && byte_of(rig.vmo, 1) == 'b');   /* clean, and there */
        CHECK_EQ(byte_of(rig.vmo, 4), ERR_BAD_STATE);
        rig_close(rig);
    }
}

/* 1.3: afterwards: reads, by call and by mapping, of dirty, awaiting, zero content work. */
TEST(dirty_content_after_detach)
{
    struct rig rig = rig_detached(TRAP);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(6));

    CHECK(byte_of(rig.vmo, 0) == 'a' && byte_of(rig.vmo, 1) == 'b');
    CHECK(page_is(rig.vmo, 4, 0) && page_is(rig.vmo, 5, 0));
    CHECK(memory[0] == 'a' && memory[AT(1)] == 'b' && memory[AT(5)] == 0);
    unmap((char *)memory, AT(6));
    rig_close(rig);
}

/* 1.3: afterwards: a write to a Clean or AwaitingClean page, or to zeros, of a TRAP_DIRTY VMO is
 * BAD_STATE, by mapping a crash with it. */
TEST(trapped_writes_after_detach)
{
    struct rig rig = rig_detached(TRAP);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(6));

    CHECK_STATUS(try_write(rig.vmo, 1), ERR_BAD_STATE);
    CHECK_STATUS(try_write(rig.vmo, 4), ERR_BAD_STATE);
    touch_start(0, ACCESS_STORE, memory + AT(1));
    expect_crash(0, ERR_BAD_STATE);
    end(rig, 1, 1);                             /* now it is clean */
    CHECK_STATUS(try_write(rig.vmo, 1), ERR_BAD_STATE);
    touch_start(0, ACCESS_STORE, memory + AT(1));
    expect_crash(0, ERR_BAD_STATE);
    CHECK_EQ(byte_of(rig.vmo, 1), 'b');
    unmap((char *)memory, AT(6));
    rig_close(rig);
}

/* 1.3: afterwards: a write to an already Dirty page works, whatever the kind of VMO. */
TEST(writes_to_dirty_pages_after_detach)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_detached(kind);
        volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

        write_byte(rig, 0, 'x');
        memory[1] = 'y';
        CHECK_EQ(memory[0], 'x');
        unmap((char *)memory, AT(1));
        rig_close(rig);
    }
}

/* 1.3: afterwards: without the trap all that survived can be written: nobody need be asked. */
TEST(plain_writes_after_detach)
{
    struct rig rig = rig_detached(PLAIN);

    write_byte(rig, 1, 'x');
    write_byte(rig, 4, 'x');
    write_byte(rig, 5, 'x');
    end(rig, 0, 6);
    DIRTY_IS(rig, "0+2 4+2");
    rig_close(rig);
}

/* --- 2.9: shrinking. --- */

/* 2.9: shrinking completes DIRTY requests of removed slots: OUT_OF_RANGE for writes, a crash with it
 * for stores; unread packets are withdrawn. */
TEST(shrink_under_writers)
{
    struct rig rig = trap_supplied(4, 0, 3);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    supply_zeros(rig, 3, 1);
    resize(rig, 5);
    ask_write(0, rig, 1, 1, 'x');                       /* clean */
    ask_part_op(1, VMO_OP_ZERO, rig, AT(2) + 8, 8);
    touch_asks(2, ACCESS_STORE, memory + AT(3));        /* a marker */
    ask_op(3, VMO_OP_COMMIT, rig.vmo, 4, 1);            /* a dirty zero */
    resize(rig, 1);
    ENDS(0, ERR_OUT_OF_RANGE);
    ENDS(1, ERR_OUT_OF_RANGE);
    expect_crash(2, ERR_OUT_OF_RANGE);
    ENDS(3, OK);                                        /* nothing of it remains */
    expect_silence(rig.port);
    NOTHING_DIRTY(rig);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.9: a writer that straddles the new end counts down by what was removed; the part before it is
 * written, then OUT_OF_RANGE. */
TEST(a_straddling_writer)
{
    struct rig rig = trap_supplied(4, 0, 4);

    ask_write(0, rig, 0, 4, 'x');
    expect_dirty(rig, 0, 4);
    resize(rig, 2);
    WAITS(0);
    allow(rig, 0, 2);
    ENDS(0, ERR_OUT_OF_RANGE);
    DIRTY_IS(rig, "0+2");
    CHECK(page_is(rig.vmo, 1, 'x'));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: the counter is right even when a page that was made dirty before is removed. */
TEST(a_shrink_counts_dirty_pages_once)
{
    struct rig rig = trap_supplied(4, 0, 4);

    ask_write(0, rig, 0, 4, 'x');
    expect_dirty(rig, 0, 4);
    allow(rig, 2, 2);
    resize(rig, 2);
    WAITS(0);
    allow(rig, 0, 1);
    WAITS(0);
    expect_silence(rig.port);
    allow(rig, 1, 1);
    ENDS(0, ERR_OUT_OF_RANGE);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: answering the removed part later is OUT_OF_RANGE: OP_DIRTY, BEGIN and END. */
TEST(answers_for_removed_pages)
{
    struct rig rig = trap_supplied(4, 0, 4);

    allow(rig, 3, 1);
    begin(rig, 3, 1);
    resize(rig, 2);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 3, 1, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, 1, 2, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_END, 3, 1, 0), ERR_OUT_OF_RANGE);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
