/*
 * t_conform_supply.c: conformance, section 1.4: supplying pages.
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* --- Phase A: taking pages out of aux. --- */

/* 1.4: all three byte values must be page aligned. */
TEST(supply_is_aligned)
{
    struct rig rig = rig_create(2);
    handle_t aux = new_filled(2, 'a');

    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 1, AT(1), aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 1, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, AT(1), aux, 8), ERR_INVALID_ARGS);
    CHECK_EQ(committed(aux), 2);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: aux that is pager backed is NOT_SUPPORTED: the target, another VMO, one detached, and here a
 * clone of one too. */
TEST(aux_is_not_pager_backed)
{
    struct rig rig = rig_create(2);
    handle_t other = new_pager_vmo(rig.pager, rig.port, 5, 2);
    handle_t clone = new_child(other, ON_WRITE, 0, 2);

    CHECK_OK(range_op(clone, VMO_OP_ZERO, 0, 2));
    CHECK_STATUS(try_supply(rig, 0, 1, clone, 0), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_supply(rig, 0, 1, rig.vmo, 1), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_supply(rig, 0, 1, other, 0), ERR_NOT_SUPPORTED);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, other));
    CHECK_STATUS(try_supply(rig, 0, 1, other, 0), ERR_NOT_SUPPORTED);
    expect_packet(rig.port, 5, PAGER_VMO_COMPLETE, 0, 0);
    CLOSE(clone, other);
    rig_close(rig);
}

/* 1.4: the kind of aux is checked before ranges. */
TEST(the_kind_of_aux_is_checked_before_ranges)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(try_supply(rig, 9, 1, rig.vmo, 9), ERR_NOT_SUPPORTED);
    rig_close(rig);
}

/* 1.4: an aux range outside aux is OUT_OF_RANGE, and nothing was taken. */
TEST(the_aux_range_is_inside_aux)
{
    struct rig rig = rig_create(8);
    handle_t aux = new_filled(4, 'a');

    CHECK_STATUS(try_supply(rig, 0, 5, aux, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_supply(rig, 0, 1, aux, 4), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, AT(2), aux, 0 - AT(1)),
                 ERR_OUT_OF_RANGE);
    CHECK_EQ(committed(aux), 4);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: the aux range is checked before the target's. */
TEST(the_aux_range_is_checked_first)
{
    struct rig rig = rig_create(1);
    handle_t aux = new_filled(2, 'a');

    CHECK_STATUS(try_supply(rig, 9, 2, aux, 1), ERR_OUT_OF_RANGE);
    CHECK_EQ(committed(aux), 2);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: aux may be mapped: it is unmapped, and its owner reads zeros through the mapping. */
TEST(aux_may_be_mapped)
{
    struct rig rig = rig_create(2);
    handle_t aux = new_vmo(2);
    volatile char *memory = map_vmo(aux, READ_WRITE, 0, AT(2));

    memory[0] = 'x';
    memory[AT(1)] = 'y';
    CHECK_OK(try_supply(rig, 0, 1, aux, 0));
    CHECK_EQ(memory[0], 0);
    CHECK_EQ(memory[AT(1)], 'y');
    memory[0] = 'z';                            /* a page of its own again */
    CHECK_EQ(byte_of(rig.vmo, 0), 'x');
    unmap((char *)memory, AT(2));
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: aux with children is accepted: pages that it shares are copied first. */
TEST(aux_may_have_children)
{
    struct rig rig = rig_create(2);
    handle_t aux = new_filled(2, 'a'), snapshot = new_child(aux, SNAPSHOT, 0, 2);

    CHECK_OK(try_supply(rig, 0, 2, aux, 0));
    CHECK(page_is(rig.vmo, 0, 'a') && page_is(rig.vmo, 1, 'a'));
    CHECK(page_is(snapshot, 0, 'a') && page_is(snapshot, 1, 'a'));
    CHECK(page_is(aux, 0, 0) && page_is(aux, 1, 0));
    CLOSE(aux, snapshot);
    rig_close(rig);
}

/* 1.4: aux that is a child is accepted: its parent keeps what it has. */
TEST(aux_may_be_a_child)
{
    struct rig rig = rig_create(2);
    handle_t parent = new_filled(2, 'p'), aux = new_child(parent, SNAPSHOT, 0, 2);

    put_byte(aux, 0, 'c');
    CHECK_OK(try_supply(rig, 0, 2, aux, 0));
    CHECK(byte_of(rig.vmo, 0) == 'c' && page_is(rig.vmo, 1, 'p'));
    CHECK(page_is(parent, 0, 'p') && page_is(parent, 1, 'p'));
    CHECK(page_is(aux, 0, 0) && page_is(aux, 1, 0));
    CLOSE(parent, aux);
    rig_close(rig);
}

/* 1.4: pages are moved: no frame is made, none is copied. */
TEST(pages_are_moved)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_filled(4, 'a');
    int64_t before = frames_held();

    CHECK_OK(try_supply(rig, 0, 4, aux, 0));
    CHECK_EQ(frames_held(), before);
    CHECK(committed(aux) == 0 && committed(rig.vmo) == 4);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: afterwards the aux range is decommitted; the rest of aux is not touched. */
TEST(the_aux_range_is_empty_afterwards)
{
    struct rig rig = rig_supplied(2, 0, 2);     /* even if nothing finds a place */
    handle_t aux = new_filled(4, 'a');

    CHECK_OK(try_supply(rig, 0, 2, aux, 1));
    CHECK(page_is(aux, 0, 'a') && page_is(aux, 1, 0) && page_is(aux, 2, 0) && page_is(aux, 3, 'a'));
    CHECK_EQ(committed(aux), 2);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: one aux VMO can be used again and again. */
TEST(aux_can_be_reused)
{
    struct rig rig = rig_create(8);
    handle_t aux = new_vmo(1);

    for (uint64_t page = 0; page < 8; page++) {
        fill_page(aux, 0, content_of(page));
        CHECK_OK(try_supply(rig, page, 1, aux, 0));
    }
    CHECK(is_supplied(rig.vmo, 0, 8));
    CLOSE(aux);
    rig_close(rig);
}

/* --- Phase B: putting them in. --- */

/* 1.4: length 0 is OK. */
TEST(supply_of_nothing)
{
    struct rig rig = rig_create(2);
    handle_t aux = new_filled(1, 'a');

    CHECK_OK(try_supply(rig, 0, 0, aux, 0));
    CHECK_OK(try_supply(rig, 2, 0, aux, 1));
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_OK(try_supply(rig, 0, 0, aux, 0));
    CHECK_EQ(committed(aux), 1);
    expect_complete(rig);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: a range outside the VMO is OUT_OF_RANGE; the aux range is consumed by then. */
TEST(the_range_is_inside_the_vmo)
{
    struct rig rig = rig_create(4);
    static const struct { uint64_t first, count; } bad[] = {
        { 4, 1 }, { 3, 2 }, { 0, 5 }, { UINT64_MAX / PAGE_SIZE, 2 },
    };

    for (size_t i = 0; i < array_size(bad); i++) {
        handle_t aux = new_filled(5, 'a');

        CHECK_STATUS(try_supply(rig, bad[i].first, bad[i].count, aux, 0), ERR_OUT_OF_RANGE);
        CHECK_EQ(committed(aux), 5 - bad[i].count);
        CHECK_EQ(committed(rig.vmo), 0);
        CLOSE(aux);
    }
    rig_close(rig);
}

/* 1.4: outside the VMO comes before detached. */
TEST(the_range_is_checked_before_detached)
{
    struct rig rig = rig_create(1);
    handle_t aux = new_vmo(2);

    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_STATUS(try_supply(rig, 1, 1, aux, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_supply(rig, 0, 1, aux, 0), ERR_BAD_STATE);
    expect_complete(rig);
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: gap and page: the page is inserted, clean. */
TEST(a_page_fills_a_gap)
{
    struct rig rig = rig_supplied(1, 0, 1);

    CHECK(is_supplied(rig.vmo, 0, 1));
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    rig_close(rig);
}

/* 1.4: gap and hole: a zero marker: supplied, clean, zeros, no memory. */
TEST(a_hole_fills_a_gap)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    fill_page(aux, 1, 'a');
    ask(0, ACCESS_READ, rig.vmo, 0, 4);
    CHECK_OK(try_supply(rig, 0, 4, aux, 0));
    ENDS(0, OK);
    CHECK(accesses[0].buffer[0] == 0 && accesses[0].buffer[AT(1)] == 'a');
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    CHECK_EQ(memory[AT(3)], 0);
    CHECK_EQ(committed(rig.vmo), 1);
    memory[AT(3)] = 3;                          /* now there is a page */
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK_EQ(byte_of(rig.vmo, 3), 3);
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    CLOSE(aux);
    rig_close(rig);
}

/* What holds slot 0 stays, whether a page or a hole is supplied over it. */
static void check_slot_is_kept(struct rig rig, int byte)
{
    uint64_t pages = committed(rig.vmo);
    int64_t before;

    for (unsigned hole = 0; hole < 2; hole++) {
        handle_t aux = hole ? new_vmo(1) : new_filled(1, 211);

        CHECK_OK(try_supply(rig, 0, 1, aux, 0));
        CHECK_EQ(byte_of(rig.vmo, 0), byte);
        CHECK_EQ(committed(rig.vmo), pages);
        before = frames_held();                 /* the page supplied was freed */
        CLOSE(aux);
        CHECK_EQ(frames_held(), before);
    }
    expect_silence(rig.port);
    rig_close(rig);
}

/* 1.4: a clean page is kept. */
TEST(a_clean_page_is_kept)
{
    check_slot_is_kept(rig_supplied(1, 0, 1), content_of(0));
}

/* 1.4: a dirty page is kept. */
TEST(a_dirty_page_is_kept)
{
    struct rig rig = rig_supplied(1, 0, 1);

    put_byte(rig.vmo, 0, 17);
    check_slot_is_kept(rig, 17);
}

/* 1.4: a zero marker is kept. */
TEST(a_marker_is_kept)
{
    struct rig rig = rig_create(1);
    handle_t hole = new_vmo(1);

    CHECK_OK(try_supply(rig, 0, 1, hole, 0));
    CLOSE(hole);
    check_slot_is_kept(rig, 0);
}

/* 1.4: zeros that the VMO grew by are kept. */
TEST(grown_zeros_are_kept)
{
    struct rig rig = rig_create(0);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1)));
    check_slot_is_kept(rig, 0);
}

/* 1.4: a page zeroed as a whole is kept. */
TEST(zeroed_pages_are_kept)
{
    struct rig rig = rig_create(1);

    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 0, 1));
    check_slot_is_kept(rig, 0);
}

/* 1.4: mappings over what was inserted show it. */
TEST(mappings_show_what_was_supplied)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_filled(4, 'm');
    volatile char *memory = map_vmo(rig.vmo, VM_READ | VM_MAP_RANGE, 0, AT(4));

    CHECK_OK(try_supply(rig, 0, 4, aux, 0));
    for (uint64_t page = 0; page < 4; page++)
        CHECK_EQ(memory[AT(page)], 'm');
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    CLOSE(aux);
    rig_close(rig);
}

/* 1.4: slots that were full are not reported: redundant supplies are not counted twice. */
TEST(redundant_supplies_do_not_count)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    supply(rig, 1, 1);
    supply(rig, 1, 1);
    supply(rig, 1, 1);
    WAITS(0);
    supply(rig, 0, 1);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 1.4: supplying is the acknowledgement: there is no other "done". */
TEST(supply_acknowledges)
{
    struct rig rig = rig_create(3);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(3));

    touch_asks(0, ACCESS_STORE, memory);
    ask(1, ACCESS_WRITE, rig.vmo, 1, 1);
    ask_op(2, VMO_OP_PREFETCH, rig.vmo, 2, 1);
    for (uint64_t page = 0; page < 3; page++)
        serve_read(rig, page, 1);
    CHECK_EQ(touch_end(0), '!');
    ENDS(1, OK);
    ENDS(2, OK);
    expect_silence(rig.port);
    unmap((char *)memory, AT(3));
    rig_close(rig);
}

/* 1.4: phase B: length 0 is OK before the range is looked at. */
TEST(supply_of_nothing_anywhere)
{
    struct rig rig = rig_create(2);
    handle_t aux = new_vmo(1);

    CHECK_OK(try_supply(rig, 9, 0, aux, 0));
    CLOSE(aux);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
