/*
 * t_snapshot.c: snapshots of anonymous memory: exact, isolated both ways, and no dearer than they
 * must be.
 *
 * Machine: cpus=4
 */
#include "cow.h"
#include "toucher.h"

#define PAGES 8

/* Page i is filled with i + 1. */
static handle_t new_numbered(uint64_t pages, uint32_t options)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_vmo_create(pages * PAGE_SIZE, options, &vmo));
    for (uint64_t i = 0; i < pages; i++)
        fill_page(vmo, i, (int)i + 1);
    return vmo;
}

TEST(both_sides_are_isolated)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        handle_t vmo = new_numbered(PAGES, 0);
        handle_t child = new_child(vmo, kind ? ON_WRITE : SNAPSHOT, 0, PAGES);

        for (uint64_t i = 0; i < PAGES; i++)
            CHECK(page_is(child, i, (int)i + 1));
        put_byte(vmo, 100, 77);
        put_byte(child, PAGE_SIZE + 200, 88);
        CHECK(page_is(child, 0, 1));
        CHECK(page_is(vmo, 1, 2));
        CHECK(vmo_is_filled(vmo, 100, 1, 77) && vmo_is_filled(vmo, 101, PAGE_SIZE - 101, 1));
        CHECK(vmo_is_filled(vmo, 0, 100, 1));
        CHECK(vmo_is_filled(child, PAGE_SIZE + 200, 1, 88));
        CHECK(vmo_is_filled(child, PAGE_SIZE, 200, 2));
        CHECK(vmo_is_filled(child, PAGE_SIZE + 201, PAGE_SIZE - 201, 2));
        CLOSE(vmo, child);
    }
}

/* Both had the pages mapped and written before; no TLB may remember that. */
TEST(mappings_lose_write_permission)
{
    handle_t vmo = new_numbered(PAGES, 0);
    volatile char *parent = map_vmo(vmo, READ_WRITE, 0, PAGES * PAGE_SIZE);

    for (uint64_t i = 0; i < PAGES; i++)
        parent[i * PAGE_SIZE] = 10;
    handle_t child = new_child(vmo, SNAPSHOT, 0, PAGES);
    volatile char *copy = map_vmo(child, READ_WRITE, 0, PAGES * PAGE_SIZE);
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK_EQ(copy[i * PAGE_SIZE], 10);
        parent[i * PAGE_SIZE] = 20;
        CHECK_EQ(copy[i * PAGE_SIZE], 10);
        copy[i * PAGE_SIZE] = 30;
        CHECK_EQ(parent[i * PAGE_SIZE], 20);
        CHECK_EQ(copy[i * PAGE_SIZE + 1], (int)i + 1);
    }
    handle_t second = new_child(child, SNAPSHOT, 0, PAGES);
    copy[0] = 40;
    CHECK_EQ(byte_of(second, 0), 30);
    CHECK_EQ(byte_of(child, 0), 40);
    unmap((char *)parent, PAGES * PAGE_SIZE);
    unmap((char *)copy, PAGES * PAGE_SIZE);
    CLOSE(vmo, child, second);
}

/* Once the kernel has copied for one mapping, the others may not go on with the old page. */
TEST(all_mappings_of_one_vmo_agree)
{
    handle_t vmo = new_numbered(2, 0);
    volatile char *first = map_vmo(vmo, READ_WRITE, 0, 2 * PAGE_SIZE);
    volatile char *second = map_vmo(vmo, READ_WRITE, 0, 2 * PAGE_SIZE);
    volatile char *third = map_vmo(vmo, VM_READ, PAGE_SIZE, PAGE_SIZE);

    put_byte(vmo, PAGE_SIZE + 5, 0);
    handle_t child = new_child(vmo, SNAPSHOT, 0, 2);
    volatile char *other = map_vmo(child, VM_READ, 0, 2 * PAGE_SIZE);
    struct tiny watcher = toucher_create(vmo, VM_READ, 2 * PAGE_SIZE);

    toucher_start(watcher, toucher_watch, PAGE_SIZE + 5);
    CHECK_EQ(first[PAGE_SIZE] + second[PAGE_SIZE] + third[0] + other[PAGE_SIZE], 8);
    first[PAGE_SIZE] = 50;
    CHECK_EQ(second[PAGE_SIZE], 50);
    CHECK_EQ(third[0], 50);
    CHECK_EQ(byte_of(vmo, 1), 50);
    CHECK_EQ(other[PAGE_SIZE], 2);
    second[PAGE_SIZE + 5] = 60;
    CHECK_EQ(toucher_result(watcher), 60);
    CHECK_EQ(first[PAGE_SIZE + 5], 60);
    put_byte(vmo, PAGE_SIZE + 1, 70);
    CHECK_EQ(first[PAGE_SIZE + 1] + second[PAGE_SIZE + 1] + third[1], 210);
    CHECK_EQ(other[PAGE_SIZE + 1], 2);
    unmap((char *)first, 2 * PAGE_SIZE);
    unmap((char *)second, 2 * PAGE_SIZE);
    unmap((char *)third, PAGE_SIZE);
    unmap((char *)other, 2 * PAGE_SIZE);
    CLOSE(vmo, child);
}

TEST(what_lies_behind_the_parent_reads_zero)
{
    handle_t vmo = new_numbered(4, VMO_RESIZABLE);
    handle_t child = new_child(vmo, SNAPSHOT, 2, 5);
    handle_t beyond = new_child(vmo, SNAPSHOT, 9, 2);
    uint64_t size;

    CHECK_EQ(byte_of(child, 0), 3);
    CHECK_EQ(byte_of(child, 1), 4);
    for (uint64_t i = 2; i < 5; i++)
        CHECK(page_is(child, i, 0));
    CHECK(page_is(beyond, 0, 0) && page_is(beyond, 1, 0));
    CHECK_OK(sys_vmo_set_size(vmo, 12 * PAGE_SIZE));
    fill_page(vmo, 4, 99);
    fill_page(vmo, 9, 98);
    CHECK(page_is(child, 2, 0) && page_is(beyond, 0, 0));
    fill_page(child, 3, 55);
    CHECK(page_is(vmo, 5, 0));
    CLOSE(child, beyond);
    CHECK_OK(sys_vmo_create_child(vmo, SNAPSHOT, 0, 2 * PAGE_SIZE + 1, &child));
    CHECK_OK(sys_vmo_get_size(child, &size));
    CHECK_EQ(size, 3 * PAGE_SIZE);
    CHECK(page_is(child, 2, 3));                /* whole pages are seen */
    CLOSE(vmo, child);
}

TEST(resizing_one_does_not_touch_the_other)
{
    handle_t vmo = new_numbered(PAGES, VMO_RESIZABLE);
    handle_t child = new_child(vmo, SNAPSHOT | VMO_CHILD_RESIZABLE, 0, PAGES);
    handle_t fixed = new_child(vmo, SNAPSHOT, 0, PAGES);

    CHECK_OK(sys_vmo_set_size(vmo, PAGE_SIZE));
    CHECK_OK(sys_vmo_set_size(vmo, PAGES * PAGE_SIZE));
    CHECK(page_is(vmo, 3, 0) && page_is(child, 3, 4) && page_is(fixed, 3, 4));
    CHECK_OK(sys_vmo_set_size(child, 2 * PAGE_SIZE));
    CHECK_STATUS(sys_vmo_read(child, 0, &(char){ 0 }, 2 * PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_vmo_set_size(child, PAGES * PAGE_SIZE));
    CHECK(page_is(child, 1, 2) && page_is(child, 2, 0) && page_is(fixed, 2, 3));
    CHECK_STATUS(sys_vmo_set_size(fixed, PAGE_SIZE), ERR_UNAVAILABLE);
    CLOSE(vmo, child, fixed);
}

TEST(a_chain_of_snapshots_is_exact)
{
    enum { DEPTH = 60 };
    handle_t chain[DEPTH] = { new_numbered(PAGES, 0) };

    for (int i = 1; i < DEPTH; i++) {
        chain[i] = new_child(chain[i - 1], SNAPSHOT, 0, PAGES);
        fill_page(chain[i], i % PAGES, 100 + i);
        fill_page(chain[i - 1], (i + 3) % PAGES, 200 + i % 50);     /* not seen by chain[i] */
    }
    for (int i = 0; i < DEPTH; i += 2)                  /* every second goes */
        CLOSE(chain[i]);
    for (int i = 1; i < DEPTH; i += 2)
        for (int page = 0; page < PAGES; page++) {
            int last = i - ((i - page) % PAGES + PAGES) % PAGES;    /* who wrote it last */
            int expected = last >= 1 ? 100 + last : page + 1;

            if ((i + 1 + 3) % PAGES == page && i + 1 < DEPTH)
                expected = 200 + (i + 1) % 50;
            CHECK_EQ(byte_of(chain[i], page), expected & 0xff);
        }
    for (int i = 1; i < DEPTH; i += 2)
        CLOSE(chain[i]);
}

TEST(many_snapshots_of_one)
{
    handle_t vmo = new_vmo(2), children[50];

    for (int i = 0; i < 50; i++) {
        fill_page(vmo, i % 2, i + 1);
        children[i] = new_child(vmo, SNAPSHOT, 0, 2);
    }
    for (int i = 49; i >= 0; i--) {
        CHECK(page_is(children[i], i % 2, i + 1));
        CHECK(page_is(children[i], (i + 1) % 2, i));
        CLOSE(children[i]);
    }
    CLOSE(vmo);
}

/* --- What it costs. --- */

TEST(sharing_costs_no_frames_and_writing_one_each)
{
    handle_t vmo = new_numbered(PAGES, 0);
    int64_t before = frames_held();
    handle_t child = new_child(vmo, SNAPSHOT, 0, PAGES),
             other = new_child(child, SNAPSHOT, 0, PAGES);

    CHECK_EQ(frames_held(), before);
    CHECK_EQ(committed(child), PAGES);
    put_byte(child, 0, 9);
    CHECK_EQ(frames_held(), before + 1);
    put_byte(child, 1, 9);
    CHECK_EQ(frames_held(), before + 1);
    put_byte(vmo, 0, 9);
    CHECK_EQ(frames_held(), before + 2);
    put_byte(other, 0, 9);                      /* the last owner of the first page */
    CHECK_EQ(frames_held(), before + 2);
    for (uint64_t i = 0; i < PAGES; i++)
        CHECK_EQ(byte_of(other, i), i ? i + 1 : 9);
    CHECK_EQ(frames_held(), before + 2);
    CLOSE(child, other);
    CHECK_EQ(frames_held(), before);
    CLOSE(vmo);
    CHECK_EQ(frames_held(), before - PAGES);
}

TEST(the_last_owner_takes_the_page_over)
{
    for (unsigned survivor = 0; survivor < 2; survivor++) {
        handle_t both[2] = { new_numbered(PAGES, 0) };

        both[1] = new_child(both[0], SNAPSHOT, 0, PAGES);
        volatile char *at = map_vmo(both[survivor], READ_WRITE, 0, PAGES * PAGE_SIZE);
        for (uint64_t i = 0; i < PAGES; i++)
            CHECK_EQ(at[i * PAGE_SIZE], i + 1);
        int64_t before = frames_held();
        CLOSE(both[!survivor]);
        CHECK_EQ(frames_held(), before);
        for (uint64_t i = 0; i < PAGES; i += 2) {
            at[i * PAGE_SIZE] = 70;
            put_byte(both[survivor], (i + 1) * PAGE_SIZE, 71);
        }
        CHECK_EQ(frames_held(), before);
        CHECK_EQ(byte_of(both[survivor], 2), 70);
        CHECK_EQ(at[3 * PAGE_SIZE], 71);
        unmap((char *)at, PAGES * PAGE_SIZE);
        CLOSE(both[survivor]);
        CHECK_EQ(frames_held(), before - PAGES);
    }
}

/* Commit is a write that changes nothing. */
TEST(commit_makes_a_snapshot_own_its_pages)
{
    handle_t vmo = new_numbered(4, 0), child = new_child(vmo, SNAPSHOT, 0, 6);
    int64_t before = frames_held();

    CHECK_OK(sys_vmo_op_range(child, VMO_OP_PREFETCH, 0, 6 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(frames_held(), before);
    CHECK_OK(sys_vmo_op_range(child, VMO_OP_COMMIT, PAGE_SIZE, 5 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(frames_held(), before + 5);
    CHECK(page_is(child, 1, 2) && page_is(child, 3, 4) && page_is(child, 5, 0));
    put_byte(child, PAGE_SIZE, 1);
    put_byte(vmo, 2 * PAGE_SIZE, 1);
    CHECK_EQ(frames_held(), before + 5);
    CLOSE(vmo, child);
}

TEST(zeroing_and_decommitting_reach_one_side_only)
{
    handle_t vmo = new_numbered(4, 0), child = new_child(vmo, SNAPSHOT, 0, 4);
    volatile char *at = map_vmo(child, READ_WRITE, 0, 4 * PAGE_SIZE);
    int64_t before = frames_held();

    CHECK_EQ(at[0] + at[PAGE_SIZE] + at[2 * PAGE_SIZE], 6);
    CHECK_OK(sys_vmo_op_range(child, VMO_OP_ZERO, 0, PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_op_range(child, VMO_OP_DECOMMIT, PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_ZERO, 3 * PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK_EQ(frames_held(), before);
    CHECK_EQ(at[0] + at[PAGE_SIZE], 0);
    CHECK(page_is(vmo, 0, 1) && page_is(vmo, 1, 2) && page_is(child, 3, 4) && page_is(vmo, 3, 0));
    CHECK_OK(sys_vmo_op_range(child, VMO_OP_ZERO, 2 * PAGE_SIZE + 8, 8, NULL, 0));
    CHECK_EQ(frames_held(), before + 1);
    CHECK(page_is(vmo, 2, 3) && vmo_is_filled(child, 2 * PAGE_SIZE, 8, 3));
    CHECK(vmo_is_filled(child, 2 * PAGE_SIZE + 8, 8, 0));
    unmap((char *)at, 4 * PAGE_SIZE);
    CLOSE(vmo, child);
}

static int64_t time_of_snapshots(handle_t vmo, uint64_t pages)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < 20; i++) {
        int64_t start = sys_clock_get();
        handle_t child = new_child(vmo, SNAPSHOT, 0, pages);
        int64_t took = sys_clock_get() - start;

        CLOSE(child);
        best = took < best ? took : best;
    }
    return best;
}

/* A snapshot costs what is there, not what could be. */
TEST(a_sparse_giant_is_cheap)
{
    uint64_t pages = (2ull << 40) / PAGE_SIZE;
    handle_t small = new_vmo(3), giant = new_vmo(pages);

    for (uint64_t i = 0; i < 3; i++) {
        fill_page(small, i, 7);
        fill_page(giant, i * (pages / 3), 7);
    }
    int64_t cheap = time_of_snapshots(small, 3), dear = time_of_snapshots(giant, pages);
    CHECK(dear < 50 * cheap + SECOND / 1000);
    handle_t child = new_child(giant, SNAPSHOT, pages / 3 - 1, pages);
    CHECK(page_is(child, 0, 0) && page_is(child, 1, 7) && page_is(child, 1 + pages / 3, 7));
    CHECK_EQ(committed(child), 2);
    CLOSE(small, giant, child);
}

/* --- Handles and refusals. --- */

TEST(rights_of_the_child)
{
    rights_t all =
        RIGHT_DUPLICATE | RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE | RIGHT_MAP | RIGHT_TRANSFER;
    handle_t vmo = new_resizable_vmo(2);
    handle_t reader = reduced(vmo, RIGHT_DUPLICATE | RIGHT_READ | RIGHT_EXECUTE | RIGHT_MAP);
    handle_t full = reduced(vmo, all), child;

    child = new_child(reader, SNAPSHOT, 0, 2);          /* a copy may always be written */
    CHECK_EQ(rights_of(child),
             RIGHT_DUPLICATE | RIGHT_READ | RIGHT_EXECUTE | RIGHT_MAP | RIGHT_WRITE);
    CLOSE(child);
    child = new_child(reader, SNAPSHOT | VMO_CHILD_NO_WRITE, 0, 2);
    CHECK_EQ(rights_of(child), RIGHT_DUPLICATE | RIGHT_READ | RIGHT_EXECUTE | RIGHT_MAP);
    CHECK_STATUS(sys_vmo_write(child, 0, "", 0, 1), ERR_ACCESS_DENIED);
    CLOSE(child);
    child = new_child(full, ON_WRITE | VMO_CHILD_NO_WRITE, 0, 2);
    CHECK_EQ(rights_of(child), all & ~(rights_t)RIGHT_WRITE);
    CLOSE(child);
    child = new_child(full, SNAPSHOT | VMO_CHILD_RESIZABLE, 0, 2);
    CHECK_EQ(rights_of(child), all | RIGHT_RESIZE);
    CHECK_OK(sys_vmo_set_size(child, 0));
    CLOSE(child);
    child = new_child(vmo, SNAPSHOT, 0, 2);             /* the parent's RESIZE is not handed down */
    CHECK_EQ(rights_of(child) & RIGHT_RESIZE, 0);
    CLOSE(vmo, reader, full, child);
}

TEST(refusals)
{
    handle_t vmo = new_numbered(2, 0), blind = reduced(vmo, RIGHT_DUPLICATE | RIGHT_WRITE);
    handle_t lonely = reduced(vmo, RIGHT_READ), child;
    int64_t before = 0;

    CHECK_STATUS(try_child(vmo, SNAPSHOT, 1, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, ON_WRITE, PAGE_SIZE - 1, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SNAPSHOT | ON_WRITE, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SNAPSHOT | VMO_CHILD_SLICE, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SNAPSHOT | VMO_CHILD_REFERENCE, 0, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, VMO_CHILD_RESIZABLE, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, VMO_CHILD_NO_WRITE, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SNAPSHOT | 1u << 1, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SNAPSHOT | 1u << 31, 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(try_child(vmo, SNAPSHOT, 0, UINT64_MAX), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_create_child(vmo, SNAPSHOT, 0, VMO_SIZE_MAX + 1, &child),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_child(vmo, SNAPSHOT, -PAGE_SIZE, PAGE_SIZE), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_child(vmo, SNAPSHOT, -PAGE_SIZE, 2 * PAGE_SIZE), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_create_child(blind, SNAPSHOT, 0, PAGE_SIZE, &child), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_create_child(lonely, SNAPSHOT, 0, PAGE_SIZE, &child), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < 2 * BAD_OUTPUTS; i++) {
        CHECK_STATUS(
            sys_vmo_create_child(vmo, SNAPSHOT, 0, PAGE_SIZE, bad_pointer(i % BAD_OUTPUTS)),
            ERR_INVALID_ARGS);
        if (i + 1 == BAD_OUTPUTS)
            before = frames_held();             /* the first round may have made the pages */
    }
    CHECK(childless(vmo));
    put_byte(vmo, 0, 1);                        /* shared with nobody: nothing is copied */
    CHECK_EQ(frames_held(), before);
    CLOSE(vmo, blind, lonely);
}

TEST(an_empty_snapshot)
{
    handle_t vmo = new_numbered(2, 0), child = new_child(vmo, SNAPSHOT | VMO_CHILD_RESIZABLE, 0, 0);

    CHECK_OK(sys_vmo_set_size(child, PAGE_SIZE));
    CHECK(page_is(child, 0, 0));
    CLOSE(vmo, child);
}

TEST(info_and_children)
{
    handle_t vmo = new_numbered(2, 0), child = new_child(vmo, SNAPSHOT, 0, 2);
    info_vmo_t parent = vmo_info(vmo), info = vmo_info(child);

    CHECK(info.flags & INFO_VMO_IS_COW_CLONE);
    CHECK(!(info.flags & (INFO_VMO_PAGER_BACKED | INFO_VMO_RESIZABLE)));
    CHECK(!(parent.flags & INFO_VMO_IS_COW_CLONE));
    CHECK_EQ(info.parent_koid, parent.koid);
    CHECK_EQ(parent.num_children, 1);
    CHECK(!childless(vmo) && childless(child));
    CLOSE(child);
    CHECK(childless(vmo));
    CHECK_EQ(vmo_info(vmo).num_children, 0);
    CLOSE(vmo);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
