/*
 * t_conform_detach.c: conformance, section 1.3: what detaching does, and every row of its table of
 * what works afterwards.
 *
 * Machine: cpus=4
 */
#include "conform.h"

static void detach(struct rig rig)
{
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
}

/* Detached: page 0 is dirty, page 1 was clean, page 2 was zeros from a hole, page 3 was absent. */
static struct rig rig_detached(void)
{
    struct rig rig = rig_supplied(4, 0, 2);
    handle_t hole = new_vmo(1);

    CHECK_OK(try_supply(rig, 2, 1, hole, 0));
    put_byte(rig.vmo, 0, 99);
    detach(rig);
    expect_complete(rig);
    CLOSE(hole);
    return rig;
}

/* 1.3: a second detach is OK and does nothing. */
TEST(a_second_detach_does_nothing)
{
    struct rig rig = rig_detached();

    detach(rig);
    detach(rig);
    CHECK_EQ(byte_of(rig.vmo, 0), 99);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 1.3: effect 1: every outstanding READ is completed, and its retry gets BAD_STATE. */
TEST(detach_completes_outstanding_requests)
{
    struct rig rig = rig_create(8);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(8));

    ask(0, ACCESS_READ, rig.vmo, 0, 4);         /* delivered */
    expect_read(rig, 0, 4);
    ask(1, ACCESS_WRITE, rig.vmo, 2, 1);        /* chained */
    ask_op(2, VMO_OP_COMMIT, rig.vmo, 5, 1);    /* in the packet */
    touch_asks(3, ACCESS_LOAD, memory + AT(6)); /* in line */
    detach(rig);
    ENDS(0, ERR_BAD_STATE);
    ENDS(1, ERR_BAD_STATE);
    ENDS(2, ERR_BAD_STATE);
    expect_crash(3, ERR_BAD_STATE);
    expect_complete(rig);
    unmap((char *)memory, AT(8));
    rig_close(rig);
}

/* 1.3: effect 2: the VMO is unmapped everywhere, so that every later access faults again. */
TEST(detach_unmaps)
{
    struct rig rig = rig_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    memory[0] = 42;
    CHECK_EQ(memory[AT(1)], content_of(1));
    detach(rig);
    CHECK_EQ(memory[0], 42);
    load_crashes(memory + AT(1), ERR_BAD_STATE);
    expect_complete(rig);
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 1.3: effect 3: clean pages and clean zero markers are dropped, dirty pages are kept. */
TEST(detach_drops_what_is_clean)
{
    struct rig rig = rig_detached();

    CHECK_EQ(byte_of(rig.vmo, 0), 99);
    for (uint64_t page = 1; page < 4; page++)
        CHECK_EQ(byte_of(rig.vmo, page), ERR_BAD_STATE);
    CHECK_EQ(committed(rig.vmo), 1);
    rig_close(rig);
}

/* 1.3: effect 3: what the VMO grew by is kept: zeros that are nobody's to supply. */
TEST(detach_keeps_what_the_vmo_grew_by)
{
    struct rig rig = rig_supplied(1, 0, 1);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(3)));
    detach(rig);
    CHECK_EQ(byte_of(rig.vmo, 0), ERR_BAD_STATE);
    CHECK(page_is(rig.vmo, 1, 0) && page_is(rig.vmo, 2, 0));
    expect_complete(rig);
    rig_close(rig);
}

/* 1.3: effect 3: whole pages that were zeroed are kept. */
TEST(detach_keeps_zeroed_pages)
{
    struct rig rig = rig_supplied(3, 0, 1);

    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 0, 2));
    detach(rig);
    CHECK(page_is(rig.vmo, 0, 0) && page_is(rig.vmo, 1, 0));
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_BAD_STATE);
    expect_complete(rig);
    rig_close(rig);
}

/* 1.3: effect 4: one COMPLETE is queued, behind a packet that was not read yet or in its place. */
TEST(detach_queues_one_complete)
{
    struct rig rig = rig_create(1);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    detach(rig);
    ENDS(0, ERR_BAD_STATE);
    expect_complete(rig);
    CLOSE(rig.vmo);
    expect_silence(rig.port);
    CLOSE(rig.pager, rig.port);
}

/* 1.3: all effects are done when the call returns. */
TEST(detach_is_done_when_it_returns)
{
    struct rig rig = rig_supplied(1, 0, 1);
    port_packet_t packet;

    detach(rig);
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_OK(sys_port_wait(rig.port, 0, &packet));
    CHECK_EQ(packet.page_request.command, PAGER_VMO_COMPLETE);
    rig_close(rig);
}

/* 1.3: afterwards: supply_pages is BAD_STATE, and has emptied the aux range. */
TEST(supply_after_detach)
{
    struct rig rig = rig_detached();
    handle_t aux = new_filled(2, 'a');

    CHECK_STATUS(try_supply(rig, 1, 1, aux, 0), ERR_BAD_STATE);
    CHECK(page_is(aux, 0, 0) && page_is(aux, 1, 'a'));
    CHECK_EQ(byte_of(rig.vmo, 1), ERR_BAD_STATE);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.3: afterwards: OP_FAIL is BAD_STATE; its arguments are checked first. */
TEST(fail_after_detach)
{
    struct rig rig = rig_detached();

    CHECK_STATUS(try_fail(rig, 0, 1, ERR_IO), ERR_BAD_STATE);
    CHECK_STATUS(try_fail(rig, 9, 1, ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_fail(rig, 9, 1, ERR_NOT_FOUND), ERR_INVALID_ARGS);
    rig_close(rig);
}

/* 1.3: afterwards: reads, by call and by mapping, of content that survived work. */
TEST(surviving_content_can_be_read)
{
    struct rig rig = rig_detached();
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(4));

    CHECK_EQ(byte_of(rig.vmo, 0), 99);
    touch_start(0, ACCESS_LOAD, memory);
    CHECK_EQ(touch_end(0), 99);
    CHECK_EQ((unsigned char)memory[1], content_of(0));
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 1.3: afterwards: vmo_read, vmo_write and COMMIT of a gap are BAD_STATE, with or without leave
 * to block. */
TEST(calls_on_gaps_after_detach)
{
    struct rig rig = rig_detached();

    for (uint64_t page = 1; page < 4; page++) {
        access_start(&accesses[0], ACCESS_READ, rig.vmo, page, 1);
        access_start(&accesses[1], ACCESS_WRITE, rig.vmo, page, 1);
        op_start(&accesses[2], VMO_OP_COMMIT, rig.vmo, page, 1);
        for (unsigned i = 0; i < 3; i++)
            ENDS(i, ERR_BAD_STATE);
        CHECK_EQ(byte_of(rig.vmo, page), ERR_BAD_STATE);
        CHECK_STATUS(try_write(rig.vmo, page), ERR_BAD_STATE);
        CHECK_STATUS(range_op(rig.vmo, VMO_OP_COMMIT, page, 1), ERR_BAD_STATE);
        CHECK_STATUS(range_op(rig.vmo, VMO_OP_PREFETCH, page, 1), ERR_BAD_STATE);
    }
    expect_silence(rig.port);
    rig_close(rig);
}

/* 1.3: afterwards: a mapped access to a gap crashes with BAD_STATE. */
TEST(mapped_gaps_after_detach)
{
    struct rig rig = rig_detached();
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    load_crashes(memory + AT(3) + 17, ERR_BAD_STATE);
    touch_start(0, ACCESS_STORE, memory + AT(1) + 5);
    expect_crash(0, ERR_BAD_STATE);
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 1.3: afterwards: a write to a page that is dirty already works. */
TEST(dirty_pages_can_be_written_after_detach)
{
    struct rig rig = rig_detached();
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

    put_byte(rig.vmo, 1, 5);
    memory[2] = 6;
    CHECK(byte_of(rig.vmo, 0) == 99 && memory[1] == 5 && memory[2] == 6);
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 1.3: afterwards: a clone's page that it forked works; one that only the root could give is as
 * the root's. */
TEST(clones_after_detach)
{
    struct rig rig = rig_supplied(3, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 3);
    volatile char *memory = map_vmo(clone, READ_WRITE, 0, AT(3));

    put_byte(clone, 0, 11);
    put_byte(rig.vmo, AT(1), 12);
    detach(rig);
    CHECK_EQ(byte_of(clone, 0), 11);
    CHECK_EQ(byte_of(clone, 1), 12);            /* the root's dirty page is still there */
    CHECK_EQ(byte_of(clone, 2), ERR_BAD_STATE);
    load_crashes(memory + AT(2), ERR_BAD_STATE);
    touch_start(0, ACCESS_STORE, memory + AT(1));
    CHECK_EQ(touch_end(0), '!');
    CHECK_EQ(byte_of(rig.vmo, 1), 12);
    expect_complete(rig);
    unmap((char *)memory, AT(3));
    CLOSE(clone);
    rig_close(rig);
}

/* 1.3: afterwards: ALWAYS_NEED is OK: errors are swallowed. */
TEST(always_need_after_detach)
{
    struct rig rig = rig_detached();

    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED | VMO_OP_MAY_BLOCK, 0, 4));
    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 0, 4));
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 4));
    rig_close(rig);
}

/* 1.3: a detached VMO can still be resized, and zeroed in whole pages. */
TEST(sizes_after_detach)
{
    struct rig rig = rig_detached();

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(6)));
    CHECK(page_is(rig.vmo, 5, 0));
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 3, 1));
    CHECK(page_is(rig.vmo, 3, 0));
    CHECK_OK(sys_vmo_set_size(rig.vmo, 0));
    CHECK_EQ(committed(rig.vmo), 0);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
