/*
 * t_conform_writeback.c: conformance, section 1.5: op_range with DIRTY, WRITEBACK_BEGIN and
 * WRITEBACK_END.  FAIL is in t_conform_fail.c.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

static const uint32_t ops[] = { PAGER_OP_DIRTY, PAGER_OP_WRITEBACK_BEGIN, PAGER_OP_WRITEBACK_END };

/* --- What the three have in common. --- */

/* 1.5: DIRTY, BEGIN and END: unaligned ranges are INVALID_ARGS, before any handle is looked at. */
TEST(ranges_of_all_are_aligned)
{
    struct rig rig = trap_supplied(2, 0, 2);

    for (size_t i = 0; i < array_size(ops); i++) {
        CHECK_STATUS(sys_pager_op_range(rig.pager, ops[i], rig.vmo, 1, AT(1), 0),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_op_range(rig.pager, ops[i], rig.vmo, 0, AT(1) - 1, 0),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_op_range(HANDLE_INVALID, ops[i], HANDLE_INVALID, 1, 0, 0),
                     ERR_INVALID_ARGS);
    }
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 1.5: DIRTY and END: data must be 0 (END: of a pager without PAGER_WANTS_WRITEBACK), else
 * INVALID_ARGS, for no pages and for a bad range too. */
TEST(dirty_and_end_take_no_data)
{
    static const uint64_t data[] = { 1, 2, VMO_DIRTY_RANGE_IS_ZERO, 1ull << 32, UINT64_MAX };
    struct rig rig = trap_supplied(2, 0, 2), plain = rig_create(2);

    for (size_t i = 0; i < array_size(data); i++) {
        CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 2, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 0, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 5, 1, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(plain, PAGER_OP_DIRTY, 0, 0, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_END, 0, 2, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_END, 0, 0, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_END, 5, 1, data[i]), ERR_INVALID_ARGS);
    }
    NOTHING_DIRTY(rig);
    rig_close(plain);
    rig_close(rig);
}

/* 1.5: BEGIN: data is 0 or IS_ZERO, else INVALID_ARGS, for no pages and for a bad range too. */
TEST(begin_takes_is_zero_alone)
{
    static const uint64_t data[] = { 2, 3, 1ull << 32, 1 | 1ull << 63, UINT64_MAX };
    struct rig rig = rig_supplied(2, 0, 2);

    write_byte(rig, 0, 'x');
    for (size_t i = 0; i < array_size(data); i++) {
        CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, 0, 2, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, 0, 0, data[i]), ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, 5, 1, data[i]), ERR_INVALID_ARGS);
    }
    CHECK_OK(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, 0, 0, VMO_DIRTY_RANGE_IS_ZERO));
    end(rig, 0, 2);
    DIRTY_IS(rig, "0+1");
    rig_close(rig);
}

/* 1.5: DIRTY, BEGIN and END: outside is OUT_OF_RANGE, nothing is done to what is inside. */
TEST(all_stay_inside_the_vmo)
{
    struct rig rig = trap_supplied(4, 0, 4);

    allow(rig, 3, 1);
    begin(rig, 3, 1);
    for (size_t i = 0; i < array_size(ops); i++) {
        CHECK_STATUS(try_op(rig, ops[i], 4, 1, 0), ERR_OUT_OF_RANGE);
        CHECK_STATUS(try_op(rig, ops[i], 5, 0, 0), ERR_OUT_OF_RANGE);
        CHECK_STATUS(try_op(rig, ops[i], 2, 3, 0), ERR_OUT_OF_RANGE);
        CHECK_STATUS(try_op(rig, ops[i], 1, UINT64_MAX / PAGE_SIZE, 0), ERR_OUT_OF_RANGE);
        CHECK_STATUS(try_op(rig, ops[i], UINT64_MAX / PAGE_SIZE, 2, 0), ERR_OUT_OF_RANGE);
        DIRTY_IS(rig, "3+1");
    }
    rig_close(rig);
}

/* 1.5: DIRTY, BEGIN and END of no pages are OK, up to the very end, and do nothing. */
TEST(no_pages_are_fine)
{
    struct rig rig = trap_supplied(2, 0, 1);

    for (size_t i = 0; i < array_size(ops); i++) {
        CHECK_OK(try_op(rig, ops[i], 0, 0, 0));
        CHECK_OK(try_op(rig, ops[i], 1, 0, 0));         /* a gap */
        CHECK_OK(try_op(rig, ops[i], 2, 0, 0));
    }
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* --- DIRTY. --- */

/* 1.5: DIRTY without TRAP_DIRTY: NOT_SUPPORTED decides over range and detach. */
TEST(dirty_is_not_supported_first)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 9, 1, 0), ERR_NOT_SUPPORTED);
    detach(rig);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 1, 0), ERR_NOT_SUPPORTED);
    rig_close(rig);
}

/* 1.5: DIRTY: detached is BAD_STATE; data and range are checked before. */
TEST(dirty_after_detach)
{
    struct rig rig = trap_supplied(2, 0, 2);

    allow(rig, 0, 1);
    detach(rig);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 1, 0), ERR_BAD_STATE);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 1, 1, 0), ERR_BAD_STATE);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 2, 1, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 1, 1), ERR_INVALID_ARGS);
    DIRTY_IS(rig, "0+1");
    rig_close(rig);
}

/* 1.5: DIRTY: any gap in the range is NOT_FOUND, and nothing at all is dirtied. */
TEST(dirty_is_all_or_nothing)
{
    struct rig rig = trap_supplied(8, 1, 2);

    supply_zeros(rig, 3, 1);
    resize(rig, 10);                                    /* 8 and 9 are dirty zeros */
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, 0, AT(3), 0),
                 ERR_NOT_FOUND);                            /* at the start */
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 1, 4, 0), ERR_NOT_FOUND);     /* at the end */
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 1, 9, 0), ERR_NOT_FOUND);     /* inside */
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 5, 1, 0), ERR_NOT_FOUND);     /* alone */
    DIRTY_IS(rig, "8+2z");
    CHECK_EQ(committed(rig.vmo), 2);
    rig_close(rig);
}

/* 1.5: DIRTY: every page becomes Dirty, zero markers and dirty zeros get pages of zeros first. */
TEST(dirty_makes_pages_dirty)
{
    struct rig rig = trap_supplied(4, 0, 2);

    supply_zeros(rig, 2, 2);
    resize(rig, 6);
    allow(rig, 0, 6);
    DIRTY_IS(rig, "0+6");
    CHECK_EQ(committed(rig.vmo), 6);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, AT(6));
    CHECK(is_supplied(rig.vmo, 0, 2));
    for (uint64_t page = 2; page < 6; page++)
        CHECK(page_is(rig.vmo, page, 0));
    rig_close(rig);
}

/* 1.5: DIRTY: a dirty zero that awaits being clean becomes a dirty page too, and END leaves it. */
TEST(dirty_of_awaiting_zeros)
{
    struct rig rig = trap_create(1);

    resize(rig, 3);
    begin(rig, 1, 2);
    allow(rig, 1, 1);
    end(rig, 1, 2);
    DIRTY_IS(rig, "1+1");
    CHECK(page_is(rig.vmo, 1, 0));
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* 1.5: DIRTY: needs no request, changes no content, does not set the modified bit. */
TEST(dirty_needs_no_request)
{
    struct rig rig = trap_supplied(2, 0, 2);

    allow(rig, 0, 1);
    allow(rig, 0, 1);
    DIRTY_IS(rig, "0+1");
    NOT_MODIFIED(rig);
    CHECK(is_supplied(rig.vmo, 0, 2));
    write_byte(rig, 0, 'x');                            /* nobody is asked */
    expect_silence(rig.port);
    rig_close(rig);
}

/* 1.5: DIRTY: the range is reported to DIRTY requests, all that it covers, and to no READ. */
TEST(dirty_is_reported_to_writers)
{
    struct rig rig = trap_supplied(6, 0, 4);

    ask_write(0, rig, 0, 1, 'a');
    ask_write(1, rig, 2, 2, 'b');
    ask_read(2, rig, 4, 1);
    allow(rig, 0, 4);
    ENDS(0, OK);
    ENDS(1, OK);
    WAITS(2);
    serve_read(rig, 4, 1);                              /* the writers' packets are withdrawn */
    ends_with_content(2);
    expect_silence(rig.port);
    DIRTY_IS(rig, "0+4");
    rig_close(rig);
}

/* 1.5: DIRTY: on NOT_FOUND the writers in the range look again, and ask again. */
TEST(dirty_of_a_gap_lets_writers_look_again)
{
    struct rig rig = trap_supplied(3, 0, 1);

    ask_write(0, rig, 0, 1, 'x');
    expect_dirty(rig, 0, 1);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 2, 0), ERR_NOT_FOUND);
    serve_dirty(rig, 0, 1);
    ENDS(0, OK);
    rig_close(rig);
}

/* 1.5: DIRTY: a writer whose zeros were cleaned meanwhile learns it so: it asks for a READ first. */
TEST(dirty_of_what_became_a_gap)
{
    struct rig rig = trap_create(1);

    resize(rig, 2);
    begin(rig, 1, 1);
    ask_write(0, rig, 1, 1, 'x');
    expect_dirty(rig, 1, 1);
    end(rig, 1, 1);
    WAITS(0);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 1, 1, 0), ERR_NOT_FOUND);
    serve_read(rig, 1, 1);
    serve_dirty(rig, 1, 1);
    ENDS(0, OK);
    DIRTY_IS(rig, "1+1");
    rig_close(rig);
}

/* 1.5: DIRTY: on OUT_OF_RANGE the writers in the part inside the VMO look again. */
TEST(dirty_beyond_the_end_lets_writers_look_again)
{
    struct rig rig = trap_supplied(4, 0, 4);

    ask_write(0, rig, 1, 1, 'x');
    ask_write(1, rig, 3, 1, 'y');
    expect_dirty(rig, 1, 1);
    expect_dirty(rig, 3, 1);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 2, 3, 0), ERR_OUT_OF_RANGE);
    expect_dirty(rig, 3, 1);
    expect_silence(rig.port);
    NOTHING_DIRTY(rig);
    allow(rig, 0, 4);
    ENDS(0, OK);
    ENDS(1, OK);
    rig_close(rig);
}

/* --- WRITEBACK_BEGIN. --- */

/* 1.5: BEGIN, data 0: dirty pages and dirty zeros await being clean; they are still reported. */
TEST(begin_marks_pages_and_zeros)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 4);

        supply(rig, 0, 4);
        make_dirty(rig, kind, 1, 'x');
        resize(rig, 6);
        begin(rig, 0, 6);
        DIRTY_IS(rig, "1+1 4+2z");
        CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, AT(1));
        end(rig, 0, 6);
        NOTHING_DIRTY(rig);
        rig_close(rig);
    }
}

/* 1.5: BEGIN, IS_ZERO: zeros alone are marked; a page written after the query is left Dirty. */
TEST(begin_of_zeros_leaves_pages)
{
    struct rig rig = rig_create(1);

    resize(rig, 4);
    DIRTY_IS(rig, "1+3z");
    write_byte(rig, 2, 'x');
    pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, 1, 3, VMO_DIRTY_RANGE_IS_ZERO);
    end(rig, 1, 3);
    DIRTY_IS(rig, "2+1");
    CHECK_EQ(byte_of(rig.vmo, 2), 'x');
    CHECK_EQ(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    CHECK_EQ(byte_of(rig.vmo, 3), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* 1.5: BEGIN: clean pages, zero markers and gaps are untouched. */
TEST(begin_leaves_what_is_clean)
{
    struct rig rig = rig_supplied(4, 0, 1);

    supply_zeros(rig, 1, 1);
    begin(rig, 0, 4);
    end(rig, 0, 4);
    NOTHING_DIRTY(rig);
    CHECK(is_supplied(rig.vmo, 0, 1) && page_is(rig.vmo, 1, 0));
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 1.5: BEGIN: repeated it is harmless: one END is enough. */
TEST(begin_again)
{
    struct rig rig = rig_supplied(2, 0, 2);

    write_byte(rig, 0, 'a');
    resize(rig, 3);
    begin(rig, 0, 3);
    begin(rig, 0, 3);
    pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, 0, 3, VMO_DIRTY_RANGE_IS_ZERO);
    DIRTY_IS(rig, "0+1 2+1z");
    end(rig, 0, 3);
    NOTHING_DIRTY(rig);
    CHECK_EQ(byte_of(rig.vmo, 0), 'a');
    rig_close(rig);
}

/* 1.5: BEGIN: every mapping of the range loses write permission: the next store faults. */
TEST(begin_write_protects)
{
    struct rig rig = trap_supplied(2, 0, 2);
    volatile char *one = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));
    volatile char *two = map_vmo(rig.vmo, READ_WRITE, AT(1), AT(1));

    allow(rig, 0, 2);
    one[0] = one[AT(1)] = two[0] = 'a';
    begin(rig, 1, 1);
    one[0] = 'b';                                       /* not of the range */
    touch_asks(0, ACCESS_STORE, one + AT(1));
    touch_asks(1, ACCESS_STORE, two);
    serve_dirty(rig, 1, 1);
    touch_end(0);
    touch_end(1);
    end(rig, 1, 1);
    DIRTY_IS(rig, "0+2");
    unmap((char *)one, AT(2));
    unmap((char *)two, AT(1));
    rig_close(rig);
}

/* --- WRITEBACK_END. --- */

/* 1.5: END: AwaitingClean becomes Clean; its bytes stay. */
TEST(end_cleans_pages)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 2);

        supply(rig, 0, 2);
        make_dirty(rig, kind, 1, 'x');
        begin(rig, 0, 2);
        end(rig, 0, 2);
        NOTHING_DIRTY(rig);
        CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
        CHECK(committed(rig.vmo) == 2 && byte_of(rig.vmo, 1) == 'x');
        rig_close(rig);
    }
}

/* 1.5: END: Dirty is untouched: written again, or never begun. */
TEST(end_leaves_what_is_dirty)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 4);

        supply(rig, 0, 4);
        for (uint64_t page = 0; page < 3; page++)
            make_dirty(rig, kind, page, 'a');
        begin(rig, 0, 2);
        make_dirty(rig, kind, 0, 'b');
        end(rig, 0, 4);
        DIRTY_IS(rig, "0+1 2+1");
        end(rig, 0, 4);
        DIRTY_IS(rig, "0+1 2+1");
        rig_close(rig);
    }
}

/* 1.5: END: awaiting zeros become gaps, and from then on the pager must supply them. */
TEST(end_makes_gaps_of_zeros)
{
    struct rig rig = rig_create(1);

    resize(rig, 4);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(4));
    CHECK(memory[AT(1)] == 0 && memory[AT(2)] == 0);
    begin(rig, 1, 2);
    end(rig, 1, 3);
    DIRTY_IS(rig, "3+1z");
    touch_asks(0, ACCESS_LOAD, memory + AT(1));         /* the zeros that were mapped are gone */
    serve_read(rig, 1, 1);
    CHECK_EQ(touch_end(0), content_of(1));
    ask_read(1, rig, 2, 2);
    serve_read(rig, 2, 1);
    ENDS(1, OK);
    CHECK(accesses[1].buffer[0] == (char)content_of(2) && accesses[1].buffer[AT(1)] == 0);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 1.5: END: without a BEGIN it succeeds and does nothing. */
TEST(end_without_begin)
{
    struct rig rig = rig_supplied(3, 0, 2);

    write_byte(rig, 1, 'x');
    resize(rig, 5);
    end(rig, 0, 5);
    DIRTY_IS(rig, "1+1 3+2z");
    CHECK_EQ(byte_of(rig.vmo, 3), 0);
    rig_close(rig);
}

/* 1.5: END: what it names is clean, the rest goes on awaiting. */
TEST(end_of_a_part)
{
    struct rig rig = rig_supplied(3, 0, 3);

    for (uint64_t page = 0; page < 3; page++)
        write_byte(rig, page, 'a');
    begin(rig, 0, 3);
    end(rig, 1, 1);
    DIRTY_IS(rig, "0+1 2+1");
    end(rig, 0, 3);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 1.5: BEGIN and END are allowed when detached, and clean what survived. */
TEST(writeback_after_detach)
{
    struct rig rig = rig_supplied(2, 0, 2);

    write_byte(rig, 1, 'x');
    resize(rig, 3);
    detach(rig);
    begin(rig, 0, 3);
    end(rig, 0, 3);
    NOTHING_DIRTY(rig);
    CHECK_EQ(byte_of(rig.vmo, 1), 'x');
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_BAD_STATE);       /* the zeros are a gap that nobody fills */
    rig_close(rig);
}

/* 1.5: BEGIN and END answer no request: writers and readers go on waiting. */
TEST(writeback_wakes_nobody)
{
    struct rig rig = trap_supplied(3, 0, 2);

    allow(rig, 0, 1);
    ask_write(0, rig, 1, 1, 'x');
    ask_read(1, rig, 2, 1);
    begin(rig, 0, 3);
    end(rig, 0, 3);
    WAITS(0);
    WAITS(1);
    serve_dirty(rig, 1, 1);
    serve_read(rig, 2, 1);
    ENDS(0, OK);
    ends_with_content(1);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
