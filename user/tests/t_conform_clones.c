/*
 * t_conform_clones.c: conformance, section 4.3: children of pager-backed VMOs.
 *
 * Machine: cpus=4
 */
#include "conform.h"

#define SLICE     VMO_CHILD_SLICE
#define REFERENCE VMO_CHILD_REFERENCE

/* --- The table of kinds. --- */

/* 4.3: SNAPSHOT of a root, and of a clone of it, is NOT_SUPPORTED. */
TEST(full_snapshots)
{
    struct rig rig = rig_create(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    CHECK_STATUS(try_child(rig.vmo, SNAPSHOT, 0, AT(2)), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_child(clone, SNAPSHOT, 0, AT(2)), ERR_NOT_SUPPORTED);
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: SNAPSHOT_AT_LEAST_ON_WRITE of a root, and of a clone of it. */
TEST(clones_and_clones_of_clones)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t first = new_child(rig.vmo, ON_WRITE, 1, 3), second = new_child(first, ON_WRITE, 1, 2);

    CHECK_EQ(byte_of(first, 0), content_of(1));
    CHECK_EQ(byte_of(second, 0), content_of(2));
    CLOSE(first, second);
    rig_close(rig);
}

/* 4.3: SNAPSHOT_MODIFIED does not exist here: an unknown option. */
TEST(snapshot_modified)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(try_child(rig.vmo, 1 << 7, 0, AT(2)), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(rig.vmo, ON_WRITE | 1 << 7, 0, AT(2)), ERR_INVALID_ARGS);
    rig_close(rig);
}

/* 4.3: SLICE of a root that is not resizable, of its clone, of its slice. */
TEST(slices)
{
    struct rig rig = rig_fixed(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4), of_root = new_child(rig.vmo, SLICE, 1, 3);
    handle_t of_clone = new_child(clone, SLICE, 2, 2), of_slice = new_child(of_root, SLICE, 1, 1);

    supply(rig, 0, 4);
    CHECK(byte_of(of_root, 0) == content_of(1) && byte_of(of_clone, 0) == content_of(2));
    CHECK_EQ(byte_of(of_slice, 0), content_of(2));
    CLOSE(clone, of_root, of_clone, of_slice);
    rig_close(rig);
}

/* 4.3: SLICE of a resizable VMO is NOT_SUPPORTED. */
TEST(slices_of_resizable_vmos)
{
    struct rig rig = rig_create(4);

    CHECK_STATUS(try_child(rig.vmo, SLICE, 0, AT(1)), ERR_NOT_SUPPORTED);
    rig_close(rig);
}

/* 4.3: REFERENCE: shares pages, size and stream size with its parent, a root or a clone. */
TEST(references)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);
    handle_t of_root = new_child(rig.vmo, REFERENCE, 0, 0);
    handle_t of_clone = new_child(clone, REFERENCE, 0, 0);

    put_byte(of_root, 0, 5);
    CHECK(byte_of(rig.vmo, 0) == 5 && byte_of(of_clone, 0) == 5);
    put_byte(of_clone, 0, 6);
    CHECK(byte_of(clone, 0) == 6 && byte_of(rig.vmo, 0) == 5);
    CHECK_OK(sys_vmo_set_size(of_root, AT(5)));
    CHECK_OK(sys_vmo_set_content_size(rig.vmo, AT(3)));
    CHECK_EQ(vmo_info(rig.vmo).size_bytes, AT(5));
    CHECK_EQ(vmo_info(of_root).content_size, AT(3));
    CLOSE(clone, of_root, of_clone);
    rig_close(rig);
}

/* 4.3: a reference takes no offset and no size. */
TEST(references_are_of_all)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(try_child(rig.vmo, REFERENCE, AT(1), 0), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(rig.vmo, REFERENCE, 0, AT(2)), ERR_INVALID_ARGS);
    rig_close(rig);
}

/* 4.3: a clone of a slice of the root sees what the slice shows. */
TEST(clones_of_slices)
{
    struct rig rig = rig_fixed(6);
    handle_t slice = new_child(rig.vmo, SLICE, 2, 3), clone = new_child(slice, ON_WRITE, 1, 4);

    ask(0, ACCESS_READ, clone, 0, 4);
    serve_read(rig, 3, 2);                      /* root pages 3 and 4, then the slice's end */
    ENDS(0, OK);
    CHECK(accesses[0].buffer[0] == content_of(3) && accesses[0].buffer[AT(2)] == 0);
    CLOSE(slice, clone);
    rig_close(rig);
}

/* --- What a clone sees. --- */

/* 4.3: until a page is forked the clone sees the parent's current content: later writes. */
TEST(clones_see_later_writes)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);
    volatile char *memory = map_vmo(clone, VM_READ, 0, AT(2));

    CHECK_EQ(memory[0], content_of(0));
    put_byte(rig.vmo, 0, 50);
    CHECK(memory[0] == 50 && byte_of(clone, 0) == 50);
    put_byte(clone, 1, 51);                     /* forked: no longer */
    put_byte(rig.vmo, 0, 52);
    CHECK(memory[0] == 50 && memory[1] == 51);
    unmap((char *)memory, AT(2));
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: and what the pager supplies later. */
TEST(clones_see_later_supplies)
{
    struct rig rig = rig_create(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    CHECK_EQ(byte_of(clone, 1), ERR_SHOULD_WAIT);
    supply(rig, 1, 1);
    CHECK(is_supplied(clone, 1, 1));
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: reading an absent page: READ on the root's port, with its key and its offsets. */
TEST(absent_pages_are_read_at_the_root)
{
    struct rig rig = rig_create(8);
    handle_t first = new_child(rig.vmo, ON_WRITE, 2, 6), second = new_child(first, ON_WRITE, 1, 3);
    volatile char *memory = map_vmo(second, VM_READ, AT(1), AT(2));

    ask(0, ACCESS_READ, first, 0, 1);
    serve_read(rig, 2, 1);
    ENDS(0, OK);
    touch_asks(1, ACCESS_LOAD, memory);         /* page 1 of the second */
    serve_read(rig, 4, 1);
    CHECK_EQ(touch_end(1), content_of(4));
    unmap((char *)memory, AT(2));
    CLOSE(first, second);
    rig_close(rig);
}

/* 4.3: writing an absent page too: READ, then a copy, and no DIRTY. */
TEST(writes_read_and_fork)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 2);
    volatile char *memory = map_vmo(clone, READ_WRITE, 0, AT(2));

    access_start_bytes(&accesses[0], ACCESS_WRITE, clone, 8, 8);
    serve_read(rig, 1, 1);
    ENDS(0, OK);
    touch_asks(1, ACCESS_STORE, memory + AT(1));
    serve_read(rig, 2, 1);
    touch_end(1);
    CHECK(vmo_is_filled(clone, 0, 8, content_of(1)) && memory[AT(1)] == '!');
    CHECK(memory[AT(1) + 1] == content_of(2) && is_supplied(rig.vmo, 1, 2));
    CHECK(committed(clone) == 2 && vmo_info(rig.vmo).dirty_bytes == 0);
    expect_silence(rig.port);
    unmap((char *)memory, AT(2));
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: deep chains: no view exceeds what every one in between would have allowed. */
TEST(limits_of_chains)
{
    struct rig rig = rig_supplied(8, 0, 8);
    handle_t first = new_child(rig.vmo, ON_WRITE, 1, 4), second = new_child(first, ON_WRITE, 1, 7);

    CHECK_EQ(byte_of(second, 2), content_of(4));
    CHECK_EQ(byte_of(second, 3), 0);            /* the root has it, the first does not */
    CLOSE(first);
    CHECK_EQ(byte_of(second, 3), 0);
    CLOSE(second);
    rig_close(rig);
}

/* 4.3: deep chains: a clone sees the forks that it must. */
TEST(forks_in_chains)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t first = new_child(rig.vmo, ON_WRITE, 0, 4), second, third;

    put_byte(first, AT(1), 61);
    second = new_child(first, ON_WRITE, 0, 4);
    put_byte(second, AT(2), 62);
    third = new_child(second, ON_WRITE, 0, 4);
    CLOSE(first, second);
    put_byte(rig.vmo, AT(1), 1);
    put_byte(rig.vmo, AT(2), 2);
    put_byte(rig.vmo, AT(3), 3);
    CHECK(byte_of(third, 1) == 61 && byte_of(third, 2) == 62 && byte_of(third, 3) == 3);
    CLOSE(third);
    rig_close(rig);
}

/* --- Sizes. --- */

/* 4.3: the parent shrinks: the clone reads zeros in the lost part for ever. */
TEST(the_parent_shrinks)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);
    volatile char *memory = map_vmo(clone, VM_READ, 0, AT(4));

    put_byte(clone, AT(2), 7);
    CHECK_EQ(memory[AT(3)], content_of(3));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1)));
    CHECK(byte_of(clone, 0) == content_of(0) && byte_of(clone, 1) == 0);
    CHECK(byte_of(clone, 2) == 7 && memory[AT(3)] == 0);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(4)));
    put_byte(rig.vmo, AT(3), 9);                /* regrown content is not seen */
    CHECK(memory[AT(3)] == 0 && byte_of(clone, 1) == 0);
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: who waits through a clone for the lost part reads zeros. */
TEST(the_parent_shrinks_under_a_waiter)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);

    ask(0, ACCESS_READ, clone, 3, 1);
    expect_read(rig, 3, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(2)));
    ENDS(0, OK);
    CHECK_EQ(accesses[0].buffer[0], 0);
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: the clone shrinks: its mappings beyond crash with OUT_OF_RANGE. */
TEST(the_clone_shrinks)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE | VMO_CHILD_RESIZABLE, 0, 4);
    volatile char *memory = map_vmo(clone, VM_READ, 0, AT(4));

    CHECK_EQ(memory[AT(3)], content_of(3));
    CHECK_OK(sys_vmo_set_size(clone, AT(2)));
    load_crashes(memory + AT(3), ERR_OUT_OF_RANGE);
    CHECK_EQ(memory[AT(1)], content_of(1));
    CHECK(is_supplied(rig.vmo, 0, 4));
    unmap((char *)memory, AT(4));
    CLOSE(clone);
    rig_close(rig);
}

/* --- The end of the root. --- */

/* 4.3: detach: forked pages live on, the rest fails. */
TEST(detach_below_a_clone)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    put_byte(clone, 0, 4);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK(byte_of(clone, 0) == 4 && byte_of(clone, 1) == ERR_BAD_STATE);
    expect_complete(rig);
    CLOSE(clone);
    rig_close(rig);
}

/* 4.3: the pager closed: likewise, but pages of the root are still seen. */
TEST(close_below_a_clone)
{
    struct rig rig = rig_supplied(4, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);

    put_byte(clone, 0, 4);
    ask(0, ACCESS_READ, clone, 2, 1);
    CLOSE(rig.pager);
    ENDS(0, ERR_BAD_STATE);
    CHECK(byte_of(clone, 0) == 4 && byte_of(clone, 1) == content_of(1));
    CHECK_EQ(byte_of(clone, 3), ERR_BAD_STATE);
    CLOSE(clone, rig.vmo, rig.port);
}

/* 4.3: the root's last handle closed: its pages stay readable through the clone. */
TEST(the_roots_handle_goes)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    put_byte(rig.vmo, 0, 8);
    CLOSE(rig.vmo);
    CHECK(byte_of(clone, 0) == 8 && byte_of(clone, 1) == content_of(1));
    expect_silence(rig.port);
    CLOSE(clone);
    expect_complete(rig);
    CLOSE(rig.pager, rig.port);
}

/* --- Slices. --- */

/* 4.3: a slice is a window: writing through it dirties the parent. */
TEST(writing_through_a_slice)
{
    struct rig rig = rig_fixed(4);
    handle_t slice = new_child(rig.vmo, SLICE, 1, 2);
    volatile char *memory = map_vmo(slice, READ_WRITE, 0, AT(2));

    supply(rig, 0, 4);
    put_byte(slice, 0, 5);
    memory[AT(1)] = 6;
    CHECK(byte_of(rig.vmo, 1) == 5 && byte_of(rig.vmo, 2) == 6);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, AT(2));
    unmap((char *)memory, AT(2));
    CLOSE(slice);
    rig_close(rig);
}

/* 4.3: packets for a slice carry the parent's offsets. */
TEST(reading_through_a_slice)
{
    struct rig rig = rig_fixed(4);
    handle_t slice = new_child(rig.vmo, SLICE, 2, 2);

    ask(0, ACCESS_READ, slice, 0, 2);
    serve_read(rig, 2, 2);
    ENDS(0, OK);
    CHECK_EQ(accesses[0].buffer[AT(1)], content_of(3));
    CLOSE(slice);
    rig_close(rig);
}

/* 4.3: through a slice a failure, a detach arrive as in the parent. */
TEST(failing_through_a_slice)
{
    struct rig rig = rig_fixed(4);
    handle_t slice = new_child(rig.vmo, SLICE, 2, 2);

    ask(0, ACCESS_READ, slice, 0, 1);
    fail(rig, 2, 1, ERR_IO);
    ENDS(0, ERR_IO);
    ask(0, ACCESS_WRITE, slice, 1, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    ENDS(0, ERR_BAD_STATE);
    expect_complete(rig);
    CLOSE(slice);
    rig_close(rig);
}

/* 4.3: pager calls on a slice or a clone of it are INVALID_ARGS. */
TEST(pager_calls_on_slices)
{
    struct rig rig = rig_fixed(2);
    handle_t slice = new_child(rig.vmo, SLICE, 0, 2), clone = new_child(slice, ON_WRITE, 0, 1);
    struct rig of_slice = { rig.pager, rig.port, slice }, of_clone = { rig.pager, rig.port, clone };
    handle_t aux = new_vmo(1);

    CHECK_STATUS(try_supply(of_slice, 0, 1, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(try_supply(of_clone, 0, 1, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(try_fail(of_slice, 0, 1, ERR_IO), ERR_INVALID_ARGS);
    CHECK_STATUS(try_fail(of_clone, 0, 1, ERR_IO), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, slice), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, clone), ERR_INVALID_ARGS);
    CLOSE(slice, clone, aux);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
