/*
 * t_conform_states.c: conformance, sections 3.1 (what a slot can hold), 3.2 (every transition) and
 * 3.4 (mappings); 0, rules 8 and 9.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

/* --- Rules. --- */

/* 0: rule 8: three states; a write that lands between BEGIN and END keeps the page dirty. */
TEST(clean_dirty_awaiting)
{
    struct rig rig = rig_supplied(2, 0, 2);

    NOTHING_DIRTY(rig);
    write_byte(rig, 0, 'a');
    write_byte(rig, 1, 'a');
    begin(rig, 0, 2);
    write_byte(rig, 0, 'b');
    end(rig, 0, 2);
    DIRTY_IS(rig, "0+1");
    begin(rig, 0, 1);
    end(rig, 0, 1);
    NOTHING_DIRTY(rig);
    CHECK(byte_of(rig.vmo, 0) == 'b' && byte_of(rig.vmo, 1) == 'a');
    rig_close(rig);
}

/* 0: rule 8: the kernel never starts writeback by itself: dirty stays dirty, and a pager that did
 * not ask for it (PAGER_WANTS_WRITEBACK) is told nothing. */
TEST(nothing_is_written_back_by_itself)
{
    struct rig rig = rig_supplied(16, 0, 16);

    for (uint64_t page = 0; page < 16; page++)
        write_byte(rig, page, 'x');
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 16));
    expect_silence(rig.port);
    DIRTY_IS(rig, "0+16");
    rig_close(rig);
}

/* 0: rule 9: growing and zeroing make dirty zeros: no memory, no request; written back: gaps. */
TEST(dirty_zeros_in_one_view)
{
    struct rig rig = rig_supplied(3, 0, 1);

    resize(rig, 5);
    zero_pages(rig, 0, 2);
    DIRTY_IS(rig, "0+2z 3+2z");
    CHECK_EQ(committed(rig.vmo), 0);
    expect_silence(rig.port);
    begin(rig, 0, 5);
    end(rig, 0, 5);
    NOTHING_DIRTY(rig);
    ask_read(0, rig, 0, 5);
    serve_read(rig, 0, 5);
    ends_with_content(0);
    rig_close(rig);
}

/* --- 3.1: what a slot can hold. --- */

/* 3.1: gap: the pager must be asked; no memory, not dirty. */
TEST(a_gap)
{
    struct rig rig = rig_create(1);

    CHECK_EQ(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    CHECK_EQ(committed(rig.vmo), 0);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.1: page, Clean: its bytes, memory, not dirty; made by supply and by END. */
TEST(a_clean_page)
{
    struct rig rig = rig_supplied(1, 0, 1);

    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(committed(rig.vmo), 1);
        CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
        NOTHING_DIRTY(rig);
        CHECK_EQ(byte_of(rig.vmo, 0), i ? 'x' : content_of(0));
        write_byte(rig, 0, 'x');
        begin(rig, 0, 1);
        end(rig, 0, 1);
    }
    rig_close(rig);
}

/* 3.1: page, Dirty: its bytes, memory, dirty; made by write, OP_DIRTY, COMMIT over a dirty zero. */
TEST(a_dirty_page)
{
    struct rig rig = trap_supplied(2, 0, 2);

    allow(rig, 0, 2);
    write_byte(rig, 1, 'x');
    resize(rig, 3);
    ask_op(0, VMO_OP_COMMIT, rig.vmo, 2, 1);
    serve_dirty(rig, 2, 1);
    ENDS(0, OK);
    CHECK(byte_of(rig.vmo, 0) == content_of(0) && byte_of(rig.vmo, 1) == 'x');
    CHECK_EQ(byte_of(rig.vmo, 2), 0);
    CHECK_EQ(committed(rig.vmo), 3);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, AT(3));
    DIRTY_IS(rig, "0+3");
    rig_close(rig);
}

/* 3.1: page, AwaitingClean: its bytes, memory, reported as dirty; made by BEGIN. */
TEST(an_awaiting_page)
{
    struct rig rig = rig_supplied(1, 0, 1);

    write_byte(rig, 0, 'x');
    begin(rig, 0, 1);
    CHECK_EQ(byte_of(rig.vmo, 0), 'x');
    CHECK(committed(rig.vmo) == 1 && vmo_info(rig.vmo).dirty_bytes == AT(1));
    DIRTY_IS(rig, "0+1");
    rig_close(rig);
}

/* 3.1: zero marker: zeros, no memory, clean; made by supply from a hole. */
TEST(a_zero_marker)
{
    struct rig rig = rig_create(1);

    supply_zeros(rig, 0, 1);
    CHECK(page_is(rig.vmo, 0, 0) && committed(rig.vmo) == 0);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.1: dirty zero: zeros, no memory, reported with IS_ZERO; made by growing and by OP_ZERO. */
TEST(a_dirty_zero)
{
    struct rig rig = rig_create(1);

    resize(rig, 2);
    zero_pages(rig, 0, 1);
    CHECK(page_is(rig.vmo, 0, 0) && page_is(rig.vmo, 1, 0));
    CHECK(committed(rig.vmo) == 0 && vmo_info(rig.vmo).dirty_bytes == 0);
    DIRTY_IS(rig, "0+2z");
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 3.2: transitions. --- */

/* 3.2: Clean to Dirty: write, store, OP_DIRTY; Clean to gap: detach. */
TEST(from_clean)
{
    struct rig rig = rig_supplied(3, 0, 3), trap = trap_supplied(1, 0, 1);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(3));

    write_byte(rig, 0, 'x');
    memory[AT(1)] = 'x';
    DIRTY_IS(rig, "0+2");
    allow(trap, 0, 1);
    DIRTY_IS(trap, "0+1");
    detach(rig);
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_BAD_STATE);
    DIRTY_IS(rig, "0+2");
    unmap((char *)memory, AT(3));
    rig_close(trap);
    rig_close(rig);
}

/* 3.2: AwaitingClean to Dirty: write, store, and OP_DIRTY with the trap. */
TEST(from_awaiting_to_dirty)
{
    struct rig rig = rig_supplied(2, 0, 2), trap = trap_supplied(1, 0, 1);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    memory[0] = memory[AT(1)] = 'a';
    begin(rig, 0, 2);
    write_byte(rig, 0, 'b');
    memory[AT(1)] = 'b';                        /* it was mapped writable before */
    end(rig, 0, 2);
    DIRTY_IS(rig, "0+2");
    allow(trap, 0, 1);
    begin(trap, 0, 1);
    allow(trap, 0, 1);
    end(trap, 0, 1);
    DIRTY_IS(trap, "0+1");
    unmap((char *)memory, AT(2));
    rig_close(trap);
    rig_close(rig);
}

/* 3.2: dirty zero to Dirty page: write, OP_DIRTY, COMMIT on a slot; the range splits. */
TEST(from_dirty_zero_to_a_page)
{
    struct rig rig = rig_create(0), trap = trap_create(0);

    resize(rig, 7);
    write_byte(rig, 1, 'x');
    CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 4, 1));
    DIRTY_IS(rig, "0+1z 1+1 2+2z 4+1 5+2z");
    resize(trap, 3);
    allow(trap, 1, 1);
    DIRTY_IS(trap, "0+1z 1+1 2+1z");
    rig_close(trap);
    rig_close(rig);
}

/* 3.2: zero marker to Dirty page: a write, without a READ, after a DIRTY with the trap. */
TEST(from_marker_to_a_dirty_page)
{
    struct rig rig = rig_create(2), trap = trap_create(2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    supply_zeros(rig, 0, 2);
    CHECK_EQ(memory[AT(1)], 0);                 /* the zeros are mapped */
    write_byte(rig, 1, 'x');
    CHECK_EQ(memory[AT(1)], 'x');
    DIRTY_IS(rig, "1+1");
    expect_silence(rig.port);
    supply_zeros(trap, 0, 2);
    ask_write(0, trap, 1, 1, 'x');
    serve_dirty(trap, 1, 1);
    ENDS(0, OK);
    DIRTY_IS(trap, "1+1");
    unmap((char *)memory, AT(2));
    rig_close(trap);
    rig_close(rig);
}

/* 3.2: zero marker to Clean page of zeros: COMMIT. */
TEST(from_marker_to_a_clean_page)
{
    struct rig rig = rig_create(2);

    supply_zeros(rig, 0, 2);
    CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 0, 1));
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK(page_is(rig.vmo, 0, 0));
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.2: pages are marked Dirty when looked up for writing, before bytes move. */
TEST(dirty_before_bytes_move)
{
    struct rig rig = trap_supplied(2, 0, 2);

    ask_write(0, rig, 0, 2, 'x');
    expect_dirty(rig, 0, 2);
    allow(rig, 0, 1);
    DIRTY_IS(rig, "0+1");
    WAITS(0);
    CHECK(is_supplied(rig.vmo, 0, 2));
    allow(rig, 1, 1);
    ENDS(0, OK);
    rig_close(rig);
}

/* 3.2: a write-back that failed: the pager does nothing; the page is still reported, and a later
 * pair of BEGIN and END tries again. */
TEST(a_write_back_that_failed)
{
    struct rig rig = rig_supplied(1, 0, 1);

    write_byte(rig, 0, 'x');
    resize(rig, 2);
    begin(rig, 0, 2);
    DIRTY_IS(rig, "0+1 1+1z");                  /* no END */
    begin(rig, 0, 2);
    end(rig, 0, 2);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.2: AwaitingClean and a write with the trap: END first: the page is Clean, unreported, and the
 * writer waits until OP_DIRTY. */
TEST(end_before_permission)
{
    struct rig rig = trap_supplied(1, 0, 1);

    allow(rig, 0, 1);
    begin(rig, 0, 1);
    ask_write(0, rig, 0, 1, 'x');
    expect_dirty(rig, 0, 1);
    end(rig, 0, 1);
    NOTHING_DIRTY(rig);
    WAITS(0);
    allow(rig, 0, 1);
    ENDS(0, OK);
    DIRTY_IS(rig, "0+1");
    rig_close(rig);
}

/* 3.2: OP_DIRTY first: END changes nothing. */
TEST(permission_before_end)
{
    struct rig rig = trap_supplied(1, 0, 1);

    allow(rig, 0, 1);
    begin(rig, 0, 1);
    ask_write(0, rig, 0, 1, 'x');
    serve_dirty(rig, 0, 1);
    ENDS(0, OK);
    end(rig, 0, 1);
    DIRTY_IS(rig, "0+1");
    CHECK_EQ(byte_of(rig.vmo, 0), 'x');
    rig_close(rig);
}

/* 3.2: no slot that is dirty is changed by supply. */
TEST(supply_leaves_what_is_dirty)
{
    struct rig rig = rig_supplied(3, 0, 2);

    write_byte(rig, 0, 'a');
    write_byte(rig, 1, 'a');
    begin(rig, 1, 1);
    resize(rig, 5);
    begin(rig, 4, 1);
    supply(rig, 0, 5);
    DIRTY_IS(rig, "0+2 3+2z");
    CHECK(byte_of(rig.vmo, 0) == 'a' && byte_of(rig.vmo, 1) == 'a');
    CHECK(is_supplied(rig.vmo, 2, 1) && page_is(rig.vmo, 3, 0) && page_is(rig.vmo, 4, 0));
    rig_close(rig);
}

/* --- 3.4: mappings. --- */

/* 3.4: a page that is not Dirty is mapped without write permission, even in a writable mapping:
 * the first write faults, runs the transition, and maps it writable. */
TEST(the_first_store_faults)
{
    struct rig rig = trap_supplied(4, 0, 4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    for (uint64_t page = 0; page < 4; page++)
        CHECK_EQ(memory[AT(page)], content_of(page));
    touch_asks(0, ACCESS_STORE, memory + AT(2));
    serve_dirty(rig, 2, 1);
    touch_end(0);
    memory[AT(2)] = 'x';                        /* no fault any more */
    expect_silence(rig.port);
    DIRTY_IS(rig, "2+1");
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 3.4: raising the mapping's protection later does not change that. */
TEST(protection_gives_no_permission)
{
    struct rig rig = trap_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    CHECK_EQ(memory[0], content_of(0));
    CHECK_OK(sys_vm_protect(process_self(), VM_READ, (uintptr_t)memory, AT(2)));
    CHECK_OK(sys_vm_protect(process_self(), READ_WRITE, (uintptr_t)memory, AT(2)));
    touch_asks(0, ACCESS_STORE, memory);
    serve_dirty(rig, 0, 1);
    touch_end(0);
    begin(rig, 0, 1);
    CHECK_OK(sys_vm_protect(process_self(), VM_READ, (uintptr_t)memory, AT(2)));
    CHECK_OK(sys_vm_protect(process_self(), READ_WRITE, (uintptr_t)memory, AT(2)));
    touch_asks(0, ACCESS_STORE, memory);
    serve_dirty(rig, 0, 1);
    touch_end(0);
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 3.4: mapping with MAP_RANGE, or COMMIT, gives no permission to write, and sends nothing. */
TEST(mapping_gives_no_permission)
{
    struct rig rig = trap_supplied(2, 0, 2);
    static const uint32_t options[] = { VM_MAP_RANGE, VM_COMMIT };

    for (size_t i = 0; i < array_size(options); i++) {
        volatile char *memory = map_vmo(rig.vmo, READ_WRITE | options[i], 0, AT(2));

        expect_silence(rig.port);
        NOTHING_DIRTY(rig);
        touch_asks(0, ACCESS_STORE, memory + AT(1));
        expect_dirty(rig, 1, 1);
        fail(rig, 1, 1, ERR_NO_SPACE);
        expect_crash(0, ERR_NO_SPACE);
        unmap((char *)memory, AT(2));
    }
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 3.4: zeros are mapped without write permission too, markers and dirty zeros. */
TEST(zeros_are_not_mapped_writable)
{
    struct rig rig = rig_create(1);

    supply_zeros(rig, 0, 1);
    resize(rig, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));
    CHECK(memory[0] == 0 && memory[AT(1)] == 0);
    memory[0] = 'a';
    memory[AT(1)] = 'b';
    DIRTY_IS(rig, "0+2");
    CHECK(byte_of(rig.vmo, 0) == 'a' && byte_of(rig.vmo, 1) == 'b');
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 3.4: mapped writes ask one page at a time, but the pager may OP_DIRTY more to save packets. */
TEST(a_wider_permission_saves_packets)
{
    struct rig rig = trap_supplied(8, 0, 8);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(8));

    touch_asks(0, ACCESS_STORE, memory);
    expect_dirty(rig, 0, 1);
    allow(rig, 0, 8);
    touch_end(0);
    for (uint64_t page = 0; page < 8; page++)
        memory[AT(page)] = 'x';
    expect_silence(rig.port);
    DIRTY_IS(rig, "0+8");
    unmap((char *)memory, AT(8));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
