/*
 * t_slice.c: slices: a window on another VMO's pages, as an object of its own.
 */
#include "cow.h"
#include "disk_rig.h"

#define SLICE VMO_CHILD_SLICE

static handle_t new_numbered(uint64_t pages)
{
    handle_t vmo = new_vmo(pages);

    for (uint64_t i = 0; i < pages; i++)
        fill_page(vmo, i, (int)i + 1);
    return vmo;
}

TEST(shows_the_same_pages)
{
    handle_t vmo = new_numbered(8), slice = new_child(vmo, SLICE, 2, 3);
    volatile char *parent = map_vmo(vmo, READ_WRITE, 0, 8 * PAGE_SIZE);
    volatile char *window = map_vmo(slice, READ_WRITE, 0, 3 * PAGE_SIZE);
    volatile char *part = map_vmo(slice, VM_READ, PAGE_SIZE, 2 * PAGE_SIZE);
    uint64_t size;

    CHECK_OK(sys_vmo_get_size(slice, &size));
    CHECK_EQ(size, 3 * PAGE_SIZE);
    CHECK(page_is(vmo, 1, 2));
    int64_t before = frames_held();
    for (uint64_t i = 0; i < 3; i++) {
        CHECK(page_is(slice, i, (int)i + 3));
        CHECK_EQ(window[i * PAGE_SIZE], i + 3);
        window[i * PAGE_SIZE] = 50 + i;
        CHECK_EQ(parent[(i + 2) * PAGE_SIZE], 50 + i);
        put_byte(vmo, (i + 2) * PAGE_SIZE + 1, 60 + i);
        CHECK_EQ(window[i * PAGE_SIZE + 1], 60 + i);
        put_byte(slice, i * PAGE_SIZE + 2, 70 + i);
        CHECK_EQ(parent[(i + 2) * PAGE_SIZE + 2], 70 + i);
    }
    CHECK_EQ(part[0], 51);
    CHECK_EQ(part[PAGE_SIZE], 52);
    CHECK_EQ(frames_held(), before);
    CHECK(page_is(vmo, 1, 2) && page_is(vmo, 5, 6));
    unmap((char *)parent, 8 * PAGE_SIZE);
    unmap((char *)window, 3 * PAGE_SIZE);
    unmap((char *)part, 2 * PAGE_SIZE);
    CLOSE(vmo, slice);
}

TEST(nothing_behind_its_end_is_reached)
{
    static char bytes[2 * PAGE_SIZE];
    handle_t vmo = new_numbered(8), slice = new_child(vmo, SLICE, 2, 3);
    uintptr_t at;

    CHECK_STATUS(sys_vmo_read(slice, 0, bytes, 3 * PAGE_SIZE - 1, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_write(slice, 0, bytes, 3 * PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_write(slice, 0, bytes, -PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_op_range(slice, VMO_OP_ZERO, 0, 3 * PAGE_SIZE + 1, NULL, 0),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_op_range(slice, VMO_OP_DECOMMIT, 2 * PAGE_SIZE, 2 * PAGE_SIZE, NULL, 0),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_op_range(slice, VMO_OP_COMMIT, 3 * PAGE_SIZE, PAGE_SIZE, NULL, 0),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_op_range(slice, VMO_OP_DONT_NEED, 0, 4 * PAGE_SIZE, NULL, 0),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, slice, 0, 4 * PAGE_SIZE, &at),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, slice, 3 * PAGE_SIZE, PAGE_SIZE, &at),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_set_size(slice, PAGE_SIZE), ERR_UNAVAILABLE);
    CHECK_STATUS(try_child(slice, SLICE, PAGE_SIZE, 3 * PAGE_SIZE), ERR_OUT_OF_RANGE);
    for (uint64_t i = 0; i < 8; i++)
        CHECK(page_is(vmo, i, (int)i + 1));
    CLOSE(vmo, slice);
}

TEST(range_operations_reach_the_parent)
{
    handle_t vmo = new_numbered(8), slice = new_child(vmo, SLICE, 2, 3);
    int64_t before = frames_held();

    CHECK_OK(sys_vmo_op_range(slice, VMO_OP_DECOMMIT, 0, PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_op_range(slice, VMO_OP_ZERO, PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_op_range(slice, VMO_OP_ZERO, 2 * PAGE_SIZE + 8, 8, NULL, 0));
    CHECK_EQ(frames_held(), before - 2);
    CHECK(page_is(vmo, 2, 0) && page_is(vmo, 3, 0) && page_is(vmo, 1, 2) && page_is(vmo, 5, 6));
    CHECK(vmo_is_filled(vmo, 4 * PAGE_SIZE, 8, 5) && vmo_is_filled(vmo, 4 * PAGE_SIZE + 8, 8, 0));
    CHECK_OK(sys_vmo_op_range(slice, VMO_OP_COMMIT, 0, 2 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(frames_held(), before);
    CHECK_EQ(committed(vmo), 8);
    CLOSE(vmo, slice);
}

TEST(slices_of_slices_references_and_snapshots)
{
    handle_t vmo = new_numbered(8), slice = new_child(vmo, SLICE, 2, 5),
             inner = new_child(slice, SLICE, 1, 3);
    handle_t reference, copy, inner_copy;

    CHECK_OK(sys_vmo_create_child(inner, VMO_CHILD_REFERENCE, 0, 0, &reference));
    for (uint64_t i = 0; i < 3; i++) {
        CHECK(page_is(inner, i, (int)i + 4));
        CHECK(page_is(reference, i, (int)i + 4));
    }
    CHECK_STATUS(sys_vmo_read(reference, 0, &(char){ 0 }, 3 * PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    volatile char *at = map_vmo(reference, READ_WRITE, PAGE_SIZE, PAGE_SIZE);
    at[0] = 99;
    CHECK_EQ(byte_of(vmo, 4), 99);
    copy = new_child(slice, SNAPSHOT, 1, 6); /* zeros behind the slice, not the parent's pages */
    inner_copy = new_child(inner, SNAPSHOT, 0, 3);
    at[0] = 98;
    put_byte(vmo, 3 * PAGE_SIZE, 97);
    CHECK_EQ(byte_of(copy, 0), 4);
    CHECK_EQ(byte_of(copy, 1), 99);
    CHECK_EQ(byte_of(copy, 3), 7);
    CHECK_EQ(byte_of(copy, 4), 0);
    CHECK_EQ(byte_of(inner_copy, 0), 4);
    CHECK_EQ(byte_of(inner_copy, 1), 99);
    CHECK_EQ(byte_of(inner, 1), 98);
    unmap((char *)at, PAGE_SIZE);
    CLOSE(vmo, slice, inner, reference, copy, inner_copy);
}

TEST(pages_of_a_slice_are_copied_on_write)
{
    handle_t vmo = new_numbered(4), slice = new_child(vmo, SLICE, 1, 2);
    volatile char *at = map_vmo(slice, READ_WRITE, 0, 2 * PAGE_SIZE);

    at[0] = 20;
    handle_t copy = new_child(vmo, SNAPSHOT, 0, 4);
    at[0] = 21;                                         /* mapped writable before the snapshot */
    put_byte(slice, PAGE_SIZE, 22);
    CHECK_EQ(byte_of(copy, 1), 20);
    CHECK_EQ(byte_of(copy, 2), 3);
    CHECK_EQ(byte_of(vmo, 1), 21);
    CHECK_EQ(byte_of(vmo, 2), 22);
    unmap((char *)at, 2 * PAGE_SIZE);
    CLOSE(vmo, slice, copy);
}

TEST(rights_and_refusals)
{
    handle_t vmo = new_numbered(4), resizable = new_resizable_vmo(4), child;
    handle_t reader = reduced(vmo, RIGHT_DUPLICATE | RIGHT_READ | RIGHT_EXECUTE | RIGHT_MAP);

    child = new_child(reader, SLICE, 0, 1);
    CHECK_EQ(rights_of(child), rights_of(reader));
    CHECK_STATUS(sys_vmo_write(child, 0, "", 0, 1), ERR_ACCESS_DENIED);
    CLOSE(child);
    child = new_child(vmo, SLICE, 0, 1);
    CHECK_EQ(rights_of(child), rights_of(vmo));
    CLOSE(child);
    child = new_child(vmo, SLICE | VMO_CHILD_NO_WRITE, 0, 1);
    CHECK_EQ(rights_of(child), rights_of(vmo) & ~(rights_t)RIGHT_WRITE);
    CLOSE(child);
    CHECK_STATUS(try_child(resizable, SLICE, 0, PAGE_SIZE), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_child(vmo, SLICE | VMO_CHILD_RESIZABLE, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SLICE, 8, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SLICE | VMO_CHILD_REFERENCE, 0, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SLICE, 0, 4 * PAGE_SIZE + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_child(vmo, SLICE, 3 * PAGE_SIZE, 2 * PAGE_SIZE), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_child(vmo, SLICE, 5 * PAGE_SIZE, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_child(vmo, SLICE, PAGE_SIZE, UINT64_MAX), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_child(vmo, SLICE, -PAGE_SIZE, 2 * PAGE_SIZE), ERR_OUT_OF_RANGE);
    CHECK(childless(vmo) && childless(resizable));
    CLOSE(vmo, resizable, reader);
}

TEST(handles_mappings_and_streams_count)
{
    handle_t vmo = new_numbered(4), slice = new_child(vmo, SLICE, 1, 2), stream;
    info_vmo_t info = vmo_info(slice);
    char byte = 0;
    size_t done;

    CHECK_EQ(info.size_bytes, 2 * PAGE_SIZE);
    CHECK_EQ(info.parent_koid, vmo_info(vmo).koid);
    CHECK(!(info.flags & (INFO_VMO_IS_COW_CLONE | INFO_VMO_RESIZABLE | INFO_VMO_PAGER_BACKED)));
    char *at = map_vmo(slice, VM_READ, 0, PAGE_SIZE);
    CHECK_OK(sys_stream_create(STREAM_READ, slice, PAGE_SIZE, &stream));
    CLOSE(slice);
    CHECK(!childless(vmo));
    CHECK_OK(sys_stream_read(stream, &byte, 1, &done));
    CHECK_EQ(byte, 3);
    CLOSE(stream);
    CHECK(!childless(vmo));
    CHECK_EQ(at[0], 2);
    unmap(at, PAGE_SIZE);
    CHECK(childless(vmo));
    CLOSE(vmo);
}

/* Content sizes are the objects' own. */
TEST(streams_end_where_the_slice_ends)
{
    handle_t vmo = new_numbered(4), slice = new_child(vmo, SLICE, 1, 2), stream;
    static char bytes[4 * PAGE_SIZE];
    uint64_t size;
    size_t done = 0;

    CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, slice, 0, &stream));
    CHECK_OK(sys_stream_read(stream, bytes, sizeof bytes, &done));
    CHECK_EQ(done, 2 * PAGE_SIZE);
    CHECK(bytes[0] == 2 && bytes[2 * PAGE_SIZE - 1] == 3);
    status_t status = sys_stream_write_at(stream, bytes, 2 * PAGE_SIZE - 4, 8, &done);
    CHECK(status != OK || done == 4);           /* it cannot grow */
    CHECK(page_is(vmo, 3, 4));
    CHECK_OK(sys_vmo_get_content_size(vmo, &size));
    CHECK_EQ(size, 4 * PAGE_SIZE);
    CLOSE(vmo, slice, stream);
}

/* --- Of a pager's VMO. --- */

TEST(a_pagers_slice_asks_at_the_roots_offsets)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };
    handle_t slice, aux = new_vmo(4);

    CHECK_OK(sys_pager_create_vmo(rig.pager, 0, rig.port, RIG_KEY, 8 * PAGE_SIZE, &rig.vmo));
    slice = new_child(rig.vmo, SLICE, 3, 4);
    CHECK_EQ(vmo_info(slice).flags & INFO_VMO_PAGER_BACKED, INFO_VMO_PAGER_BACKED);
    access_start(&accesses[0], ACCESS_READ, slice, 1, 2);
    serve_read(rig, 4, 2);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(accesses[0].buffer[0] == content_of(4) && accesses[0].buffer[PAGE_SIZE] == content_of(5));
    char *at = map_vmo(slice, READ_WRITE, 0, 4 * PAGE_SIZE);
    load_start(&accesses[0], at);
    serve_read(rig, 3, 1);
    wait_for_end(accesses[0].thread.handle);
    CHECK_EQ(at[0], content_of(3));
    CHECK_EQ(at[PAGE_SIZE], content_of(4));
    at[PAGE_SIZE] = 77;                                 /* the root's page: no copy */
    CHECK_EQ(byte_of(rig.vmo, 4), 77);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, PAGE_SIZE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, slice, 0, PAGE_SIZE, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(
        sys_pager_op_range(rig.pager, PAGER_OP_FAIL, slice, 0, PAGE_SIZE, (uint64_t)ERR_IO),
        ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, slice), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_op_range(slice, VMO_OP_DECOMMIT, 0, PAGE_SIZE, NULL, 0),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_vmo_read(slice, 0, at, 3 * PAGE_SIZE, 1), ERR_SHOULD_WAIT);
    handle_t clone = new_child(slice, ON_WRITE, 1, 4);  /* root pages 4, 5, 6, then zeros */
    CHECK_EQ(byte_of(clone, 0), 77);
    CHECK_EQ(byte_of(clone, 1), content_of(5));
    CHECK_STATUS(sys_vmo_read(clone, 0, at, 2 * PAGE_SIZE, 1), ERR_SHOULD_WAIT);
    CHECK_EQ(byte_of(clone, 3), 0);
    unmap(at, 4 * PAGE_SIZE);
    CLOSE(slice, clone, aux);
    CHECK(childless(rig.vmo));
    rig_close(rig);
}

TEST(pages_can_be_supplied_from_a_slice)
{
    struct rig rig = rig_create(4);
    handle_t vmo = new_numbered(6), slice = new_child(vmo, SLICE, 2, 3);

    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 2 * PAGE_SIZE, slice, 2 * PAGE_SIZE),
                 ERR_OUT_OF_RANGE);
    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 2 * PAGE_SIZE, slice, PAGE_SIZE));
    CHECK(page_is(rig.vmo, 0, 4) && page_is(rig.vmo, 1, 5));
    CHECK(page_is(vmo, 3, 0) && page_is(vmo, 4, 0) && page_is(vmo, 2, 3) && page_is(vmo, 1, 2));
    CLOSE(vmo, slice);
    rig_close(rig);
}

/* Content that grows zeroes the rest of its last page, which is the parent's. */
TEST(content_that_grows_in_a_slice)
{
    handle_t vmo = new_numbered(4), slice = new_child(vmo, SLICE, 1, 2), stream;
    char bytes[301];
    uint64_t done = 0;

    CHECK_OK(sys_vmo_set_content_size(slice, PAGE_SIZE + 100));
    CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, slice, 0, &stream));
    CHECK_OK(sys_stream_write_at(stream, "x", PAGE_SIZE + 300, 1, &done));
    CHECK_OK(sys_vmo_read(vmo, 0, bytes, 2 * PAGE_SIZE, sizeof bytes));
    CHECK_EQ(bytes[99], 3);
    CHECK_EQ(bytes[100], 0);
    CHECK_EQ(bytes[299], 0);
    CHECK_EQ(bytes[300], 'x');
    CHECK(page_is(vmo, 0, 1) && page_is(vmo, 1, 2) && page_is(vmo, 3, 4));
    CHECK_EQ(committed(vmo), 4);
    CLOSE(vmo, slice, stream);
}

/* --- And a disk. --- */

TEST(transfers_through_a_slice)
{
    handle_t device = open_scratch(), vmo = new_numbered(6), slice = new_child(vmo, SLICE, 2, 3);
    handle_t port = new_port();

    transfer(device, BLOCK_WRITE, slice, PAGE_SIZE, 0, PAGE_SIZE);
    CHECK(disk_is_filled(device, 0, PAGE_SIZE, 4));
    disk_fill(device, 0, PAGE_SIZE, 44);
    transfer(device, BLOCK_READ, slice, 2 * PAGE_SIZE, 0, PAGE_SIZE);
    CHECK(page_is(vmo, 4, 44) && page_is(vmo, 2, 3) && page_is(vmo, 5, 6));
    CHECK_STATUS(
        sys_block_submit(device, port, 1, BLOCK_READ, slice, 2 * PAGE_SIZE, 0, 2 * PAGE_SIZE),
        ERR_OUT_OF_RANGE);
    CLOSE(device, vmo, slice, port);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
