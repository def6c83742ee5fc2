/*
 * t_conform_modified.c: conformance, section 1.7: what sets the bit MODIFIED of a VMO, and what
 * does not.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

/* --- Set by. --- */

/* 1.7: set by: vmo_write. */
TEST(a_write_modifies)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 2);

        supply(rig, 0, 2);
        make_dirty(rig, kind, 0, 'x');
        MODIFIED(rig);
        write_byte(rig, 0, 'y');                        /* again, to a dirty page */
        MODIFIED(rig);
        rig_close(rig);
    }
}

/* 1.7: set by: vmo_write that transferred at least one byte and then failed. */
TEST(a_write_that_fails_later_modifies)
{
    struct rig rig = rig_supplied(4, 0, 1);

    ask_write(0, rig, 0, 2, 'x');
    expect_read(rig, 1, 1);
    fail(rig, 1, 1, ERR_IO);
    ENDS(0, ERR_IO);
    CHECK_EQ(byte_of(rig.vmo, 0), 'x');
    MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: set by: the same where the buffer ends: one byte was copied from the edge of a page. */
TEST(a_write_from_a_short_buffer_modifies)
{
    struct rig rig = rig_supplied(1, 0, 1);

    edge()[-1] = 'x';
    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, edge() - 1, 0, 2), ERR_INVALID_ARGS);
    CHECK_EQ(byte_of(rig.vmo, 0), 'x');
    MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: set by: a stream write. */
TEST(a_stream_write_modifies)
{
    struct rig rig = rig_supplied(1, 0, 1);
    handle_t stream;
    size_t actual;

    CHECK_OK(sys_stream_create(STREAM_WRITE, rig.vmo, 0, &stream));
    CHECK_OK(sys_stream_write(stream, "x", 1, &actual));
    MODIFIED(rig);
    CLOSE(stream);
    rig_close(rig);
}

/* 1.7: set by: the first write fault through a mapping. */
TEST(a_store_modifies)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct rig rig = rig_of_kind(kind, 2);
        volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

        supply(rig, 0, 2);
        CHECK_EQ(memory[0], content_of(0));
        NOT_MODIFIED(rig);
        if (kind == TRAP)
            allow(rig, 0, 1);
        memory[0] = 'x';
        MODIFIED(rig);
        unmap((char *)memory, AT(2));
        rig_close(rig);
    }
}

/* 1.7: set by: a write fault also when the page was already dirty but not mapped writable. */
TEST(a_store_to_a_dirty_page_modifies)
{
    struct rig rig = trap_supplied(1, 0, 1);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

    CHECK_EQ(memory[0], content_of(0));                 /* mapped, clean */
    allow(rig, 0, 1);
    NOT_MODIFIED(rig);
    memory[0] = 'x';
    MODIFIED(rig);
    expect_silence(rig.port);
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 1.7: set by: set_size that succeeded, growing and shrinking. */
TEST(set_size_modifies)
{
    struct rig rig = rig_create(2);

    resize(rig, 4);
    MODIFIED(rig);
    resize(rig, 1);
    MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: set by: whole-page and partial ZERO. */
TEST(zero_modifies)
{
    struct rig rig = rig_supplied(4, 0, 2);

    zero_pages(rig, 0, 1);
    MODIFIED(rig);
    zero_pages(rig, 3, 1);                              /* a gap */
    MODIFIED(rig);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(1) + 8, 8, NULL, 0));
    MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: set by: any of those through a slice. */
TEST(a_slice_modifies_its_parent)
{
    struct rig rig = rig_fixed(4);
    handle_t slice = new_child(rig.vmo, VMO_CHILD_SLICE, 1, 2);
    volatile char *memory = map_vmo(slice, READ_WRITE, 0, AT(2));

    supply(rig, 0, 4);
    put_byte(slice, 0, 'x');
    MODIFIED(rig);
    memory[AT(1)] = 'x';
    MODIFIED(rig);
    CHECK_OK(range_op(slice, VMO_OP_ZERO, 0, 1));
    MODIFIED(rig);
    DIRTY_IS(rig, "1+1z 2+1");
    unmap((char *)memory, AT(2));
    CLOSE(slice);
    rig_close(rig);
}

/* 1.7: set by: any of those through a reference, sizes too. */
TEST(a_reference_modifies_its_parent)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t reference = new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0);

    put_byte(reference, 0, 'x');
    MODIFIED(rig);
    CHECK_OK(sys_vmo_set_size(reference, AT(3)));
    MODIFIED(rig);
    CLOSE(reference);
    rig_close(rig);
}

/* --- Not set by. --- */

/* 1.7: not set by: making the VMO, supplying, failing. */
TEST(supplying_does_not_modify)
{
    struct rig rig = rig_create(4);

    NOT_MODIFIED(rig);
    supply(rig, 0, 2);
    supply_zeros(rig, 2, 1);
    fail(rig, 3, 1, ERR_IO);
    NOT_MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: not set by: reads, by call, by mapping and by stream. */
TEST(reads_do_not_modify)
{
    struct rig rig = rig_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));
    handle_t stream;
    size_t actual;
    char byte;

    CHECK_EQ(byte_of(rig.vmo, 0), content_of(0));
    CHECK_EQ(memory[AT(1)], content_of(1));
    CHECK_OK(sys_stream_create(STREAM_READ, rig.vmo, 0, &stream));
    CHECK_OK(sys_stream_read(stream, &byte, 1, &actual));
    NOT_MODIFIED(rig);
    NOTHING_DIRTY(rig);
    unmap((char *)memory, AT(2));
    CLOSE(stream);
    rig_close(rig);
}

/* 1.7: not set by: COMMIT, PREFETCH and hints, also where COMMIT makes dirty pages. */
TEST(commit_does_not_modify)
{
    struct rig rig = rig_supplied(2, 0, 1);

    supply_zeros(rig, 1, 1);
    resize(rig, 3);
    MODIFIED(rig);
    CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 0, 3));
    CHECK_OK(range_op(rig.vmo, VMO_OP_PREFETCH, 0, 3));
    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 0, 3));
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 3));
    DIRTY_IS(rig, "2+1");
    NOT_MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: not set by: OP_DIRTY, BEGIN, END, queries. */
TEST(pager_operations_do_not_modify)
{
    struct rig rig = trap_supplied(2, 0, 2);

    allow(rig, 0, 2);
    DIRTY_IS(rig, "0+2");                               /* dirty, and not modified */
    NOT_MODIFIED(rig);
    begin(rig, 0, 2);
    end(rig, 0, 2);
    NOT_MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: not set by: a failed DIRTY request, of a call or a store. */
TEST(a_refused_write_does_not_modify)
{
    struct rig rig = trap_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    ask_write(0, rig, 0, 1, 'x');
    touch_asks(1, ACCESS_STORE, memory + AT(1));
    fail(rig, 0, 2, ERR_NO_SPACE);
    ENDS(0, ERR_NO_SPACE);
    expect_crash(1, ERR_NO_SPACE);
    NOT_MODIFIED(rig);
    CHECK(is_supplied(rig.vmo, 0, 2));
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 1.7: not set by: a write that may not block and would have to ask. */
TEST(a_write_that_may_not_ask_does_not_modify)
{
    struct rig rig = trap_supplied(2, 0, 1);

    CHECK_STATUS(try_write(rig.vmo, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(try_write(rig.vmo, 1), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 8, 8, NULL, 0), ERR_SHOULD_WAIT);
    NOT_MODIFIED(rig);
    rig_close(rig);
}

/* 1.7: not set by: a failed set_size. */
TEST(a_failed_set_size_does_not_modify)
{
    struct rig rig = rig_create(2), fixed = rig_fixed(2);

    CHECK_STATUS(sys_vmo_set_size(rig.vmo, VMO_SIZE_MAX + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_set_size(fixed.vmo, AT(1)), ERR_UNAVAILABLE);
    NOT_MODIFIED(rig);
    NOT_MODIFIED(fixed);
    rig_close(fixed);
    rig_close(rig);
}

/* 1.7: not set by: a write, a ZERO that is refused for its range. */
TEST(what_is_out_of_range_does_not_modify)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_STATUS(try_write(rig.vmo, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_ZERO, 1, 2), ERR_OUT_OF_RANGE);
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 1, 0));
    NOT_MODIFIED(rig);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

/* 1.7: not set by: writes, stores and ZERO in a clone. */
TEST(a_clone_does_not_modify)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);
    volatile char *memory = map_vmo(clone, READ_WRITE, 0, AT(4));

    put_byte(clone, 0, 'x');
    memory[AT(1)] = 'x';
    CHECK_OK(range_op(clone, VMO_OP_ZERO, 2, 1));
    CHECK_OK(sys_vmo_op_range(clone, VMO_OP_ZERO, AT(3) + 8, 8, NULL, 0));
    NOT_MODIFIED(rig);
    NOTHING_DIRTY(rig);
    CHECK(is_supplied(rig.vmo, 0, 4));
    unmap((char *)memory, AT(4));
    CLOSE(clone);
    rig_close(rig);
}

/* 1.7: modified and dirty are independent: a write whose copy failed leaves a dirty page. */
TEST(a_copy_that_fails_dirties_and_does_not_modify)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, edge(), 0, 1), ERR_INVALID_ARGS);
    DIRTY_IS(rig, "0+1");
    NOT_MODIFIED(rig);
    CHECK(is_supplied(rig.vmo, 0, 2));
    rig_close(rig);
}

/* 1.7: set by another content size; no page is dirty for that. */
TEST(another_content_size_modifies)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_OK(sys_vmo_set_content_size(rig.vmo, 2 * PAGE_SIZE));
    NOT_MODIFIED(rig);
    CHECK_OK(sys_vmo_set_content_size(rig.vmo, 100));
    MODIFIED(rig);
    NOTHING_DIRTY(rig);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
