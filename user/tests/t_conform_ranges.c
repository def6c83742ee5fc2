/*
 * t_conform_ranges.c: conformance, sections 4.2 (hints and range operations) and 4.5 (info).
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* --- 4.2: COMMIT. --- */

/* 4.2: COMMIT needs WRITE. */
TEST(commit_needs_write)
{
    struct rig rig = rig_supplied(1, 0, 1);
    handle_t reader = reduced(rig.vmo, RIGHT_READ), writer = reduced(rig.vmo, RIGHT_WRITE);

    CHECK_STATUS(range_op(reader, VMO_OP_COMMIT, 0, 1), ERR_ACCESS_DENIED);
    CHECK_OK(range_op(writer, VMO_OP_COMMIT, 0, 1));
    CLOSE(reader, writer);
    rig_close(rig);
}

/* 4.2: COMMIT of the root: pages present, and clean. */
TEST(commit_brings_clean_pages)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 4);
    serve_read(rig, 0, 4);
    ENDS(0, OK);
    CHECK_EQ(committed(rig.vmo), 4);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    rig_close(rig);
}

/* 4.2: COMMIT of a clone: a copy of every page, a write in all but name. */
TEST(commit_of_a_clone_copies)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 3);

    ask_op(0, VMO_OP_COMMIT, clone, 0, 3);
    serve_read(rig, 1, 3);
    ENDS(0, OK);
    CHECK_EQ(committed(clone), 3);
    put_byte(rig.vmo, AT(1), 1);
    CHECK_EQ(byte_of(clone, 0), content_of(1));
    CLOSE(clone);
    rig_close(rig);
}

/* 4.2: COMMIT: the FAIL status, OUT_OF_RANGE, BAD_STATE when detached; length 0 is OK. */
TEST(errors_of_commit_and_prefetch)
{
    static const uint32_t ops[] = { VMO_OP_COMMIT, VMO_OP_PREFETCH };

    for (size_t i = 0; i < array_size(ops); i++) {
        struct rig rig = rig_create(4);

        ask_op(0, ops[i], rig.vmo, 0, 1);
        fail(rig, 0, 1, ERR_IO);
        ENDS(0, ERR_IO);
        CHECK_STATUS(range_op(rig.vmo, ops[i], 4, 1), ERR_OUT_OF_RANGE);
        CHECK_STATUS(range_op(rig.vmo, ops[i], 3, 2), ERR_OUT_OF_RANGE);
        CHECK_STATUS(sys_vmo_op_range(rig.vmo, ops[i], AT(1), UINT64_MAX - 5, NULL, 0),
                     ERR_OUT_OF_RANGE);
        CHECK_OK(range_op(rig.vmo, ops[i], 4, 0));
        CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
        CHECK_STATUS(range_op(rig.vmo, ops[i], 0, 1), ERR_BAD_STATE);
        CHECK_OK(range_op(rig.vmo, ops[i], 0, 0));
        expect_complete(rig);
        rig_close(rig);
    }
}

/* --- 4.2: PREFETCH. --- */

/* 4.2: PREFETCH needs READ only. */
TEST(prefetch_needs_read)
{
    struct rig rig = rig_supplied(1, 0, 1);
    handle_t reader = reduced(rig.vmo, RIGHT_READ), writer = reduced(rig.vmo, RIGHT_WRITE);

    CHECK_OK(range_op(reader, VMO_OP_PREFETCH, 0, 1));
    CHECK_STATUS(range_op(writer, VMO_OP_PREFETCH, 0, 1), ERR_ACCESS_DENIED);
    CLOSE(reader, writer);
    rig_close(rig);
}

/* 4.2: PREFETCH in a clone is as a read: nothing is copied. */
TEST(prefetch_of_a_clone_copies_nothing)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 2, 2);

    ask_op(0, VMO_OP_PREFETCH, clone, 0, 2);
    serve_read(rig, 2, 2);
    ENDS(0, OK);
    CHECK(committed(clone) == 0 && committed(rig.vmo) == 2);
    CLOSE(clone);
    rig_close(rig);
}

/* --- 4.2: hints. --- */

/* 4.2: ALWAYS_NEED and DONT_NEED need no right. */
TEST(hints_need_no_right)
{
    struct rig rig = rig_supplied(1, 0, 1);
    handle_t bare = reduced(rig.vmo, RIGHT_TRANSFER);

    CHECK_OK(range_op(bare, VMO_OP_ALWAYS_NEED, 0, 1));
    CHECK_OK(range_op(bare, VMO_OP_DONT_NEED, 0, 1));
    CLOSE(bare);
    rig_close(rig);
}

/* 4.2: ALWAYS_NEED brings absent pages in, in one request for each run. */
TEST(always_need_brings_pages)
{
    struct rig rig = rig_supplied(5, 2, 1);

    ask_op(0, VMO_OP_ALWAYS_NEED, rig.vmo, 0, 5);
    serve_read(rig, 0, 2);
    serve_read(rig, 3, 2);
    ENDS(0, OK);
    CHECK_EQ(committed(rig.vmo), 5);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    rig_close(rig);
}

/* 4.2: ALWAYS_NEED: paging errors are ignored. */
TEST(always_need_ignores_paging_errors)
{
    struct rig rig = rig_create(2);

    ask_op(0, VMO_OP_ALWAYS_NEED, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    fail(rig, 0, 2, ERR_IO);
    ENDS(0, OK);
    ask_op(0, VMO_OP_ALWAYS_NEED, rig.vmo, 0, 2);
    CLOSE(rig.pager);
    ENDS(0, OK);
    CLOSE(rig.vmo, rig.port);
}

/* 4.2: ALWAYS_NEED: only a range that is bad at the start is OUT_OF_RANGE. */
TEST(always_need_checks_the_range)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(range_op(rig.vmo, VMO_OP_ALWAYS_NEED | VMO_OP_MAY_BLOCK, 1, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 2, 1), ERR_OUT_OF_RANGE);
    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 2, 0));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.2: ALWAYS_NEED in a clone leaves out pages that the clone has itself, and copies none. */
TEST(always_need_of_a_clone)
{
    struct rig rig = rig_create(3);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 3);

    CHECK_OK(range_op(clone, VMO_OP_ZERO, 1, 1));
    put_byte(clone, AT(1), 7);
    ask_op(0, VMO_OP_ALWAYS_NEED, clone, 0, 3);
    serve_read(rig, 0, 1);
    serve_read(rig, 2, 1);
    ENDS(0, OK);
    CHECK(committed(clone) == 1 && committed(rig.vmo) == 2);
    CLOSE(clone);
    rig_close(rig);
}

/* 4.2: DONT_NEED asks for nothing and never blocks. */
TEST(dont_need_asks_nobody)
{
    struct rig rig = rig_supplied(4, 1, 1);

    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED | VMO_OP_MAY_BLOCK, 0, 4));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_DONT_NEED, 100, 50, NULL, 0));
    CHECK(is_supplied(rig.vmo, 1, 1));
    CHECK_EQ(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.2: DONT_NEED: OUT_OF_RANGE. */
TEST(dont_need_checks_the_range)
{
    struct rig rig = rig_create(4);

    CHECK_STATUS(range_op(rig.vmo, VMO_OP_DONT_NEED, 3, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_DONT_NEED, 5, 0), ERR_OUT_OF_RANGE);
    rig_close(rig);
}

/* 4.2: hints never lose what was written. */
TEST(dont_need_keeps_dirty_pages)
{
    struct rig rig = rig_supplied(1, 0, 1);

    put_byte(rig.vmo, 0, 9);
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 1));
    CHECK_EQ(byte_of(rig.vmo, 0), 9);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, AT(1));
    rig_close(rig);
}

/* 4.2: hints on anonymous VMOs succeed and do nothing. */
TEST(hints_on_anonymous_vmos)
{
    handle_t vmo = new_vmo(2);

    CHECK_OK(range_op(vmo, VMO_OP_ALWAYS_NEED, 0, 2));
    CHECK_OK(range_op(vmo, VMO_OP_DONT_NEED, 0, 2));
    CHECK_EQ(committed(vmo), 0);
    CLOSE(vmo);
}

/* --- 4.2: DECOMMIT and ZERO. --- */

/* 4.2: DECOMMIT is NOT_SUPPORTED on a pager VMO, a clone and a slice, and drops nothing. */
TEST(decommit_is_not_supported)
{
    struct rig rig = rig_fixed(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);
    handle_t slice = new_child(rig.vmo, VMO_CHILD_SLICE, 0, 1);

    supply(rig, 0, 2);
    put_byte(clone, 0, 5);
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_DECOMMIT, 0, 2), ERR_NOT_SUPPORTED);
    CHECK_STATUS(range_op(clone, VMO_OP_DECOMMIT, 0, 2), ERR_NOT_SUPPORTED);
    CHECK_STATUS(range_op(slice, VMO_OP_DECOMMIT, 0, 1), ERR_NOT_SUPPORTED);
    CHECK(is_supplied(rig.vmo, 0, 2) && byte_of(clone, 0) == 5);
    CLOSE(clone, slice);
    rig_close(rig);
}

/* 4.2: DECOMMIT and ZERO need WRITE. */
TEST(decommit_and_zero_need_write)
{
    struct rig rig = rig_supplied(1, 0, 1);
    handle_t reader = reduced(rig.vmo, RIGHT_READ | RIGHT_MAP);

    CHECK_STATUS(range_op(reader, VMO_OP_DECOMMIT, 0, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(range_op(reader, VMO_OP_ZERO, 0, 1), ERR_ACCESS_DENIED);
    CHECK(is_supplied(rig.vmo, 0, 1));
    CLOSE(reader);
    rig_close(rig);
}

/* 4.2: ZERO of whole pages asks nobody and does not block. */
TEST(zero_of_whole_pages_asks_nobody)
{
    struct rig rig = rig_supplied(4, 1, 1);

    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 0, 3));
    for (uint64_t page = 0; page < 3; page++)
        CHECK(page_is(rig.vmo, page, 0));
    CHECK_EQ(byte_of(rig.vmo, 3), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.2: ZERO of parts of pages reads those, and those alone. */
TEST(zero_of_parts_asks_for_the_parts)
{
    struct rig rig = rig_create(4);

    accesses[0].op = VMO_OP_ZERO;
    access_start_bytes(&accesses[0], ACCESS_OP, rig.vmo, 100, AT(3) - 50);
    serve_read(rig, 0, 1);
    serve_read(rig, 3, 1);
    ENDS(0, OK);
    CHECK(vmo_is_filled(rig.vmo, 0, 100, content_of(0)));
    CHECK(vmo_is_filled(rig.vmo, 100, AT(3) - 50, 0));
    CHECK(vmo_is_filled(rig.vmo, AT(3) + 50, PAGE_SIZE - 50, content_of(3)));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.2: ZERO: OUT_OF_RANGE, and the FAIL status for parts. */
TEST(errors_of_zero)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(range_op(rig.vmo, VMO_OP_ZERO, 1, 2), ERR_OUT_OF_RANGE);
    accesses[0].op = VMO_OP_ZERO;
    access_start_bytes(&accesses[0], ACCESS_OP, rig.vmo, 1, 1);
    expect_read(rig, 0, 1);
    fail(rig, 0, 1, ERR_IO_DATA_INTEGRITY);
    ENDS(0, ERR_IO_DATA_INTEGRITY);
    CHECK_EQ(committed(rig.vmo), 0);
    rig_close(rig);
}

/* 4.2: LOCK, UNLOCK and TRY_LOCK are NOT_SUPPORTED: nothing is discardable. */
TEST(locks_are_not_supported)
{
    struct rig rig = rig_create(1);

    CHECK_STATUS(range_op(rig.vmo, 3, 0, 1), ERR_NOT_SUPPORTED);
    CHECK_STATUS(range_op(rig.vmo, 4, 0, 1), ERR_NOT_SUPPORTED);
    CHECK_STATUS(range_op(rig.vmo, 11, 0, 1), ERR_NOT_SUPPORTED);
    rig_close(rig);
}

/* 4.2: mapping with MAP_RANGE leaves absent pages out and asks nobody. */
TEST(map_range_asks_nobody)
{
    struct rig rig = rig_supplied(4, 1, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE | VM_MAP_RANGE, 0, AT(4));

    expect_silence(rig.port);
    CHECK(memory[AT(1)] == content_of(1) && memory[AT(2)] == content_of(2));
    touch_asks(0, ACCESS_LOAD, memory);
    serve_read(rig, 0, 1);
    CHECK_EQ(touch_end(0), content_of(0));
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* --- 4.5: info. --- */

/* 4.5: PAGER_BACKED is set on pager VMOs and on their clones, slices and references. */
TEST(who_is_pager_backed)
{
    struct rig rig = rig_fixed(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2), plain = new_vmo(1);
    handle_t slice = new_child(rig.vmo, VMO_CHILD_SLICE, 0, 1);
    handle_t reference = new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0);
    const uint32_t flag = INFO_VMO_PAGER_BACKED;

    CHECK_EQ(flag, 1 << 5);
    CHECK((vmo_info(rig.vmo).flags & flag) && (vmo_info(clone).flags & flag));
    CHECK((vmo_info(slice).flags & flag) && (vmo_info(reference).flags & flag));
    CHECK(!(vmo_info(plain).flags & flag));
    CHECK(vmo_info(clone).flags & INFO_VMO_IS_COW_CLONE);
    CHECK(!(vmo_info(rig.vmo).flags & INFO_VMO_IS_COW_CLONE));
    CLOSE(clone, slice, reference, plain);
    rig_close(rig);
}

/* 4.5: markers, and zeros that the VMO grew by, are not in committed_bytes. */
TEST(zeros_are_not_committed)
{
    struct rig rig = rig_create(4);
    handle_t hole = new_vmo(4);

    CHECK_OK(try_supply(rig, 0, 4, hole, 0));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(8)));
    CHECK(page_is(rig.vmo, 0, 0) && page_is(rig.vmo, 7, 0));
    CHECK_EQ(committed(rig.vmo), 0);
    CLOSE(hole);
    rig_close(rig);
}

/* 4.5: the root's pages are not attributed to clones. */
TEST(pages_count_where_they_are)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);

    CHECK(is_supplied(clone, 0, 4));
    CHECK(committed(clone) == 0 && committed(rig.vmo) == 4);
    put_byte(clone, 0, 1);
    CHECK(committed(clone) == 1 && committed(rig.vmo) == 4);
    CLOSE(clone);
    rig_close(rig);
}

/* 4.5: koid, size, parent, children, mappings, handles, rights. */
TEST(the_fields_of_info)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(4));
    info_vmo_t root = vmo_info(rig.vmo), child = vmo_info(clone);

    CHECK(root.koid == koid_of(rig.vmo) && root.size_bytes == AT(4) && root.parent_koid == 0);
    CHECK(root.num_children == 1 && root.num_mappings == 1 && root.share_count == 1);
    CHECK(root.flags & INFO_VMO_RESIZABLE && root.handle_rights == rights_of(rig.vmo));
    CHECK(child.parent_koid == root.koid && child.size_bytes == AT(2) && child.num_children == 0);
    CHECK_EQ(root.populated_bytes, 0);
    unmap((char *)memory, AT(4));
    CHECK_EQ(vmo_info(rig.vmo).num_mappings, 0);
    CLOSE(clone);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
