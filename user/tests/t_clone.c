/*
 * t_clone.c: copy-on-write clones of pager-backed VMOs: a layer of copies over a window of the root.
 *
 * Machine: cpus=4
 */
#include "cow.h"

#define PAGES 8

static char byte[1];

/* A root whose pages [0, present) are there. */
static struct rig rig_with(uint64_t pages, uint64_t present)
{
    struct rig rig = rig_create(pages);

    if (present)
        supply(rig, 0, present);
    return rig;
}

static status_t read_byte(handle_t vmo, uint64_t page)
{
    return sys_vmo_read(vmo, 0, byte, page * PAGE_SIZE, 1);
}

/* --- Reading through. --- */

TEST(absent_pages_are_asked_for_at_the_roots_offsets)
{
    struct rig rig = rig_create(PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 2, 4), second = new_child(clone, ON_WRITE, 1, 2);

    CHECK_STATUS(read_byte(clone, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_write(clone, 0, byte, 0, 1), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    access_start(&accesses[0], ACCESS_READ, clone, 1, 2);
    serve_read(rig, 3, 2);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(accesses[0].buffer[0] == content_of(3) && accesses[0].buffer[PAGE_SIZE] == content_of(4));

    access_start(&accesses[0], ACCESS_READ, second, 0, 2);      /* both are there */
    CHECK_OK(access_end(&accesses[0]));
    CHECK(accesses[0].buffer[PAGE_SIZE] == content_of(4));
    handle_t third = new_child(second, ON_WRITE, 0, 5);
    CHECK_EQ(byte_of(third, 0), content_of(3));
    CHECK_EQ(byte_of(third, 2), 0);             /* behind its parent */
    expect_silence(rig.port);

    volatile char *at = map_vmo(clone, VM_READ, 0, 4 * PAGE_SIZE);
    CHECK_EQ((unsigned char)at[2 * PAGE_SIZE], content_of(4));
    load_start(&accesses[1], (char *)at + 3 * PAGE_SIZE);
    serve_read(rig, 5, 1);
    wait_for_end(accesses[1].thread.handle);
    CHECK_EQ((unsigned char)accesses[1].buffer[0], content_of(5));
    unmap((char *)at, 4 * PAGE_SIZE);
    CHECK_EQ(committed(clone), 0);
    CLOSE(clone, second, third);
    rig_close(rig);
}

TEST(who_waits_for_the_same_page_shares_the_request)
{
    struct rig rig = rig_create(PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 4), second = new_child(clone, ON_WRITE, 1, 2);

    access_start(&accesses[0], ACCESS_READ, clone, 1, 1);
    expect_read(rig, 2, 1);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 2, 1);
    access_start(&accesses[2], ACCESS_WRITE, second, 0, 1);
    access_start(&accesses[3], ACCESS_READ, second, 0, 1);
    for (int i = 1; i < 4; i++)
        wait_until_asked(&accesses[i]);
    expect_silence(rig.port);
    supply(rig, 2, 1);
    for (int i = 0; i < 4; i++)
        CHECK_OK(access_end(&accesses[i]));
    CHECK_EQ(committed(second), 1);
    CHECK_EQ(committed(clone), 0);
    expect_silence(rig.port);
    CLOSE(clone, second);
    rig_close(rig);
}

TEST(the_roots_later_writes_show_until_the_page_is_written)
{
    struct rig rig = rig_with(PAGES, PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, PAGES);
    volatile char *copy = map_vmo(clone, READ_WRITE, 0, PAGES * PAGE_SIZE);
    volatile char *root = map_vmo(rig.vmo, READ_WRITE, 0, PAGES * PAGE_SIZE);
    int64_t before = frames_held();

    CHECK_EQ((unsigned char)copy[0], content_of(0));
    root[0] = 101;
    put_byte(rig.vmo, PAGE_SIZE, 102);
    CHECK_EQ(copy[0], 101);
    CHECK_EQ(copy[PAGE_SIZE], 102);
    CHECK_EQ(byte_of(clone, 0), 101);
    CHECK_EQ(frames_held(), before);
    copy[1] = 55;
    CHECK_EQ(frames_held(), before + 1);
    root[0] = 103;
    CHECK_EQ(copy[0], 101);
    CHECK_EQ(root[1], content_of(0));
    put_byte(clone, PAGE_SIZE + 1, 56);
    put_byte(rig.vmo, PAGE_SIZE, 104);
    CHECK_EQ(copy[PAGE_SIZE], 102);
    CHECK_EQ(byte_of(rig.vmo, 1), 104);
    root[2 * PAGE_SIZE] = 105;
    CHECK_EQ(copy[2 * PAGE_SIZE], 105);
    CHECK_EQ(committed(clone), 2);
    unmap((char *)copy, PAGES * PAGE_SIZE);
    unmap((char *)root, PAGES * PAGE_SIZE);
    CLOSE(clone);
    CHECK_EQ(frames_held(), before);
    rig_close(rig);
}

/* Page by page the root's pages become the clone's in its mappings, wherever these are. */
TEST(a_copy_appears_in_all_mappings_of_the_clone)
{
    struct rig rig = rig_with(2, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);
    volatile char *first = map_vmo(clone, READ_WRITE, 0, 2 * PAGE_SIZE);
    volatile char *second = map_vmo(clone, VM_READ, 0, 2 * PAGE_SIZE);

    CHECK_EQ((unsigned char)(first[0] + second[0]), 2 * content_of(0));
    first[0] = 50;
    CHECK_EQ(second[0], 50);
    CHECK_EQ((unsigned char)second[PAGE_SIZE], content_of(1));
    put_byte(clone, PAGE_SIZE, 51);
    CHECK_EQ(first[PAGE_SIZE] + second[PAGE_SIZE], 102);
    unmap((char *)first, 2 * PAGE_SIZE);
    unmap((char *)second, 2 * PAGE_SIZE);
    CLOSE(clone);
    rig_close(rig);
}

/* A page that comes later takes the place of zeros that a clone's mapping shows. */
TEST(zeros_of_the_root_give_way_in_a_clones_mapping)
{
    struct rig rig = rig_create(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2), hole = new_vmo(2);

    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 2 * PAGE_SIZE, hole, 0));
    volatile char *at = map_vmo(clone, READ_WRITE, 0, 2 * PAGE_SIZE);
    volatile char *root = map_vmo(rig.vmo, READ_WRITE, 0, 2 * PAGE_SIZE);
    CHECK_EQ(at[0] + at[PAGE_SIZE] + root[0], 0);
    root[0] = 5;
    CHECK_EQ(at[0], 5);
    put_byte(rig.vmo, PAGE_SIZE, 6);
    CHECK_EQ(at[PAGE_SIZE], 6);
    at[PAGE_SIZE] = 7;
    CHECK_EQ(root[PAGE_SIZE], 6);
    unmap((char *)at, 2 * PAGE_SIZE);
    unmap((char *)root, 2 * PAGE_SIZE);
    CLOSE(clone, hole);
    rig_close(rig);
}

/* --- Writing. --- */

TEST(writing_an_absent_page_reads_it_first)
{
    struct rig rig = rig_create(PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 2, 4);
    char *at = map_vmo(clone, READ_WRITE, 0, 4 * PAGE_SIZE);

    access_start_bytes(&accesses[0], ACCESS_WRITE, clone, 10, 1);
    serve_read(rig, 2, 1);
    CHECK_OK(access_end(&accesses[0]));
    store_start(&accesses[1], at + PAGE_SIZE, 99);
    serve_read(rig, 3, 1);
    wait_for_end(accesses[1].thread.handle);
    CHECK(vmo_is_filled(clone, 0, 10, content_of(2)) &&
          vmo_is_filled(clone, 11, PAGE_SIZE - 11, content_of(2)));
    CHECK(vmo_is_filled(clone, PAGE_SIZE, 1, 99));
    CHECK(vmo_is_filled(clone, PAGE_SIZE + 1, PAGE_SIZE - 1, content_of(3)));
    CHECK(is_supplied(rig.vmo, 2, 2));
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);         /* nobody wrote to the root */
    CHECK_EQ(vmo_info(clone).dirty_bytes, 0);           /* anonymous memory is not tracked */
    CHECK_EQ(committed(clone), 2);
    expect_silence(rig.port);
    unmap(at, 4 * PAGE_SIZE);
    CLOSE(clone);
    rig_close(rig);
}

TEST(a_clone_of_a_clone_is_an_exact_snapshot_of_its_layer)
{
    struct rig rig = rig_with(PAGES, PAGES);
    handle_t first = new_child(rig.vmo, ON_WRITE | VMO_CHILD_RESIZABLE, 0, PAGES), second;

    fill_page(first, 0, 201);
    fill_page(first, 1, 202);
    CHECK_OK(sys_vmo_op_range(first, VMO_OP_ZERO, 2 * PAGE_SIZE, PAGE_SIZE, NULL, 0));
    second = new_child(first, ON_WRITE, 0, PAGES);
    int64_t before = frames_held();
    fill_page(first, 1, 203);                           /* not seen by the second, ... */
    fill_page(first, 3, 204);
    CHECK_EQ(frames_held(), before + 2);
    fill_page(rig.vmo, 2, 205);                         /* zeros are zeros */
    fill_page(rig.vmo, 4, 206);                         /* seen by both */
    fill_page(second, 0, 207);
    CHECK(page_is(first, 0, 201) && page_is(second, 0, 207));
    CHECK(page_is(first, 1, 203) && page_is(second, 1, 202));
    CHECK(page_is(first, 2, 0) && page_is(second, 2, 0));
    CHECK(page_is(first, 3, 204) && page_is(second, 3, content_of(3)));
    CHECK(page_is(first, 4, 206) && page_is(second, 4, 206));
    CHECK_OK(sys_vmo_set_size(first, PAGE_SIZE));       /* ... nor is this */
    CHECK(page_is(second, 1, 202) && page_is(second, 5, content_of(5)));
    CLOSE(first);
    fill_page(rig.vmo, 5, 208);
    CHECK(page_is(second, 1, 202) && page_is(second, 5, 208));
    CLOSE(second);
    rig_close(rig);
}

TEST(a_chain_of_clones_is_two_layers)
{
    enum { DEPTH = 40 };
    struct rig rig = rig_with(PAGES, PAGES);
    handle_t chain[DEPTH] = { rig.vmo };

    for (int i = 1; i < DEPTH; i++) {
        chain[i] = new_child(chain[i - 1], ON_WRITE, 0, PAGES);
        if (i % 3 == 0)
            fill_page(chain[i], 1 + i % (PAGES - 1), 100 + i);
    }
    fill_page(rig.vmo, 0, 250);
    for (int i = 1; i < DEPTH; i++) {
        CHECK(page_is(chain[i], 0, 250));
        for (int page = 1; page < PAGES; page++) {
            int last = i;

            while (last > 0 && !(last % 3 == 0 && 1 + last % (PAGES - 1) == page))
                last--;
            CHECK_EQ(byte_of(chain[i], page), last > 0 ? 100 + last : content_of(page));
        }
    }
    CHECK_EQ(vmo_info(rig.vmo).num_children, DEPTH - 1);
    close_all(chain + 1, DEPTH - 1);
    rig_close(rig);
}

/* --- What a clone cannot do. --- */

TEST(strict_snapshots_are_not_supported)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);
    handle_t slice = new_child(clone, VMO_CHILD_SLICE, 0, 1);

    COVERS("vmo_create_child", NOT_SUPPORTED);
    CHECK_STATUS(try_child(rig.vmo, SNAPSHOT, 0, PAGE_SIZE), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_child(clone, SNAPSHOT, 0, PAGE_SIZE), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_child(slice, SNAPSHOT, 0, PAGE_SIZE), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_child(rig.vmo, ON_WRITE, 1, PAGE_SIZE), ERR_INVALID_ARGS);
    CLOSE(clone, slice);
    rig_close(rig);
}

TEST(pager_calls_refuse_clones)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4),
             slice = new_child(clone, VMO_CHILD_SLICE, 0, 1);
    handle_t aux = new_vmo(4);

    for (unsigned i = 0; i < 2; i++) {
        handle_t vmo = i ? slice : clone;

        CHECK_STATUS(sys_pager_supply_pages(rig.pager, vmo, 0, PAGE_SIZE, aux, 0),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(
            sys_pager_op_range(rig.pager, PAGER_OP_FAIL, vmo, 0, PAGE_SIZE, (uint64_t)ERR_IO),
            ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_detach_vmo(rig.pager, vmo), ERR_INVALID_ARGS);
        CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, PAGE_SIZE, NULL, 0),
                     ERR_NOT_SUPPORTED);
    }
    supply(rig, 0, 4);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, clone, 0),
                 ERR_NOT_SUPPORTED);
    CLOSE(clone, slice, aux);
    rig_close(rig);
}

/* --- Range operations. --- */

TEST(commit_copies_and_prefetch_does_not)
{
    struct rig rig = rig_create(PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 2, 5);

    CHECK_STATUS(sys_vmo_op_range(clone, VMO_OP_COMMIT, 0, PAGE_SIZE, NULL, 0), ERR_SHOULD_WAIT);
    op_start(&accesses[0], VMO_OP_PREFETCH, clone, 1, 2);
    serve_read(rig, 3, 2);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(committed(clone), 0);
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK_OK(sys_vmo_op_range(clone, VMO_OP_COMMIT, PAGE_SIZE, 2 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(committed(clone), 2);
    op_start(&accesses[0], VMO_OP_COMMIT, clone, 0, 5);
    serve_read(rig, 2, 1);                              /* those of its own are not asked for */
    serve_read(rig, 5, 2);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(committed(clone), 5);
    fill_page(rig.vmo, 3, 1);
    for (uint64_t i = 0; i < 5; i++)
        CHECK(page_is(clone, i, content_of(i + 2)));
    CHECK_STATUS(sys_vmo_op_range(clone, VMO_OP_COMMIT, 0, 6 * PAGE_SIZE, NULL, 0),
                 ERR_OUT_OF_RANGE);
    expect_silence(rig.port);
    CLOSE(clone);
    rig_close(rig);
}

TEST(zeroing_a_clone_leaves_the_root_alone)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);
    volatile char *at = map_vmo(clone, READ_WRITE, 0, 4 * PAGE_SIZE);

    supply(rig, 1, 1);
    CHECK_EQ((unsigned char)at[PAGE_SIZE], content_of(1));
    int64_t before = frames_held();
    CHECK_OK(sys_vmo_op_range(clone, VMO_OP_ZERO, 0, 2 * PAGE_SIZE, NULL, 0)); /* nobody is asked */
    CHECK_EQ(frames_held(), before);
    CHECK(page_is(clone, 0, 0) && page_is(clone, 1, 0));
    CHECK_EQ(at[0] + at[PAGE_SIZE], 0);
    CHECK(is_supplied(rig.vmo, 1, 1));
    CHECK_STATUS(read_byte(rig.vmo, 0), ERR_SHOULD_WAIT);
    put_byte(clone, 1, 5);
    CHECK(vmo_is_filled(clone, 0, 1, 0) && vmo_is_filled(clone, 2, PAGE_SIZE - 2, 0));
    accesses[0].op = VMO_OP_ZERO;
    access_start_bytes(&accesses[0], ACCESS_OP, clone, 2 * PAGE_SIZE + 16, 16);
    serve_read(rig, 2, 1);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(vmo_is_filled(clone, 2 * PAGE_SIZE, 16, content_of(2)));
    CHECK(vmo_is_filled(clone, 2 * PAGE_SIZE + 16, 16, 0));
    CHECK(is_supplied(rig.vmo, 2, 1));
    unmap((char *)at, 4 * PAGE_SIZE);
    CLOSE(clone);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
