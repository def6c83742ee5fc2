/*
 * t_clone_life.c: clones of pager-backed VMOs when sizes change, the pager ends, or somebody dies.
 *
 * Machine: cpus=4
 */
#include "cow.h"
#include "toucher.h"

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

/* --- Sizes. --- */

TEST(shrinking_the_root_is_for_good)
{
    struct rig rig = rig_with(PAGES, PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, PAGES),
             second = new_child(clone, ON_WRITE, 1, 4);
    volatile char *at = map_vmo(clone, VM_READ, 0, PAGES * PAGE_SIZE);

    CHECK(page_is(clone, PAGES - 1, 0));                /* behind the root's end */
    fill_page(clone, 4, 210);
    for (uint64_t i = 0; i < PAGES - 1; i++)
        CHECK(at[i * PAGE_SIZE] != 0);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));
    for (uint64_t i = 0; i < PAGES; i++) {
        int expected = i < 3 ? content_of(i + 1) : i == 4 ? 210 : 0;

        CHECK_EQ((unsigned char)at[i * PAGE_SIZE], expected);
        CHECK_EQ(byte_of(clone, i), expected);
    }
    CHECK_EQ(byte_of(second, 1), content_of(3));
    CHECK_EQ(byte_of(second, 2), 0);
    CHECK_OK(sys_vmo_set_size(rig.vmo, PAGES * PAGE_SIZE));
    fill_page(rig.vmo, 5, 211);
    CHECK_EQ((unsigned char)at[4 * PAGE_SIZE], 210);    /* its own */
    CHECK_EQ(byte_of(clone, 5), 0);
    CHECK_EQ(byte_of(second, 3), 0);
    handle_t third = new_child(rig.vmo, ON_WRITE, 0, PAGES);
    CHECK_EQ(byte_of(third, 5), 211);                   /* made after */
    put_byte(second, 3 * PAGE_SIZE, 9);
    CHECK(vmo_is_filled(second, 3 * PAGE_SIZE + 1, PAGE_SIZE - 1, 0));
    CHECK_EQ(at[5 * PAGE_SIZE], 0);
    expect_silence(rig.port);
    unmap((char *)at, PAGES * PAGE_SIZE);
    CLOSE(clone, second, third);
    rig_close(rig);
}

TEST(shrinking_a_clone_is_for_good)
{
    struct rig rig = rig_with(PAGES, PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE | VMO_CHILD_RESIZABLE, 0, PAGES);

    fill_page(clone, 5, 9);
    CHECK_EQ(touch(clone, VM_READ, PAGES * PAGE_SIZE, toucher_load, 4 * PAGE_SIZE), content_of(4));
    struct tiny late = toucher_create(clone, VM_READ, PAGES * PAGE_SIZE);
    CHECK_OK(sys_vmo_set_size(clone, 3 * PAGE_SIZE));
    toucher_start(late, toucher_load, 4 * PAGE_SIZE);
    CHECK_EQ(toucher_result(late), EXIT_CODE_FAULT);
    CHECK_STATUS(read_byte(clone, 3), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_vmo_set_size(clone, 2 * PAGES * PAGE_SIZE));
    CHECK(page_is(clone, 2, content_of(2)));
    for (uint64_t i = 3; i < PAGES; i++)
        CHECK(page_is(clone, i, 0));
    CHECK(is_supplied(rig.vmo, 0, PAGES));
    CLOSE(clone);
    rig_close(rig);
}

TEST(waiters_of_a_clone_see_resizes)
{
    struct rig rig = rig_create(PAGES);
    handle_t clone = new_child(rig.vmo, ON_WRITE | VMO_CHILD_RESIZABLE, 0, PAGES);

    access_start(&accesses[0], ACCESS_READ, clone, 6, 1);
    expect_read(rig, 6, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));         /* zeros from now on */
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(accesses[0].buffer[7], 0);
    access_start(&accesses[1], ACCESS_WRITE, clone, 3, 1);
    expect_read(rig, 3, 1);
    CHECK_OK(sys_vmo_set_size(clone, 2 * PAGE_SIZE));
    supply(rig, 3, 1);
    CHECK_STATUS(access_end(&accesses[1]), ERR_OUT_OF_RANGE);
    CLOSE(clone);
    rig_close(rig);
}

/* --- The end of the service. --- */

/* Of detach, which also drops the root's clean pages, or of the pager. */
static void check_after_the_end(struct rig rig, handle_t clone, char *at, bool detached)
{
    CHECK(page_is(clone, 0, 220));                      /* its own */
    CHECK(page_is(clone, 1, 221));                      /* dirty in the root */
    CHECK_EQ((unsigned char)at[0], 220);
    CHECK_EQ((unsigned char)at[PAGE_SIZE], 221);
    CHECK_EQ(byte_of(clone, 2), detached ? ERR_BAD_STATE : content_of(2));
    CHECK_STATUS(read_byte(clone, 3), ERR_BAD_STATE);
    CHECK_STATUS(sys_vmo_write(clone, VMO_MAY_BLOCK, byte, 3 * PAGE_SIZE, 1), ERR_BAD_STATE);
    CHECK_STATUS(
        sys_vmo_op_range(clone, VMO_OP_COMMIT | VMO_OP_MAY_BLOCK, 0, 4 * PAGE_SIZE, NULL, 0),
        ERR_BAD_STATE);
    CHECK_EQ(is_readable(at + 2 * PAGE_SIZE), !detached);
    CHECK(!is_readable(at + 3 * PAGE_SIZE) && !is_writable(at + 3 * PAGE_SIZE));
    CHECK_EQ(touch(clone, VM_READ, 4 * PAGE_SIZE, toucher_load, 3 * PAGE_SIZE), EXIT_CODE_FAULT);
    CHECK_EQ(touch(clone, READ_WRITE, 4 * PAGE_SIZE, toucher_store, 3 * PAGE_SIZE),
             EXIT_CODE_FAULT);
    put_byte(clone, PAGE_SIZE, 1);
    fill_page(clone, 0, 222);
    CHECK(page_is(clone, 0, 222));
    CHECK_EQ((unsigned char)at[0], 222);
    CHECK_OK(sys_vmo_op_range(clone, VMO_OP_ZERO, 2 * PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK(page_is(clone, 2, 0));
    CHECK_EQ(byte_of(rig.vmo, 1), 221);
}

TEST(after_detach_copies_live_on)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        struct rig rig = rig_with(4, 3);
        handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);
        char *at = map_vmo(clone, READ_WRITE, 0, 4 * PAGE_SIZE);

        memset(at, 220, PAGE_SIZE);
        fill_page(rig.vmo, 1, 221);
        CHECK_EQ((unsigned char)at[2 * PAGE_SIZE], content_of(2));
        access_start(&accesses[0], ACCESS_READ, clone, 3, 1);
        expect_read(rig, 3, 1);
        if (kind == 0)
            CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
        else
            CLOSE(rig.pager);
        CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
        check_after_the_end(rig, clone, at, kind == 0);
        unmap(at, 4 * PAGE_SIZE);
        CLOSE(clone, rig.vmo, rig.port);
        if (kind == 0)
            CLOSE(rig.pager);
    }
}

TEST(failures_reach_who_waits_through_a_clone)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 3);

    access_start(&accesses[0], ACCESS_READ, clone, 0, 1);
    access_start(&accesses[1], ACCESS_WRITE, clone, 0, 1);
    expect_read(rig, 1, 1);
    wait_until_asked(&accesses[0]);
    wait_until_asked(&accesses[1]);
    fail(rig, 1, 1, ERR_IO);
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    CHECK_STATUS(access_end(&accesses[1]), ERR_IO);
    CHECK_EQ(committed(clone), 0);
    op_start(&accesses[0], VMO_OP_COMMIT, clone, 0, 3);
    expect_read(rig, 1, 3);
    supply(rig, 1, 1);
    fail(rig, 2, 2, ERR_IO);
    expect_read(rig, 2, 2); /* the page it waited for came: it goes on */
    fail(rig, 2, 2, ERR_IO);
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    CHECK_EQ(committed(clone), 1);
    expect_silence(rig.port);
    CLOSE(clone);
    rig_close(rig);
}

TEST(killed_while_waiting_through_a_clone)
{
    struct rig rig = rig_create(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 3);
    char *at = map_vmo(clone, READ_WRITE, 0, 3 * PAGE_SIZE);

    access_start(&accesses[0], ACCESS_READ, clone, 0, 1);
    store_start(&accesses[1], at, 7);
    wait_until_asked(&accesses[0]);
    wait_until_asked(&accesses[1]);
    kill_asleep(&accesses[0].thread);
    kill_asleep(&accesses[1].thread);
    unmap(at, 3 * PAGE_SIZE);
    CLOSE(clone);
    CHECK(childless(rig.vmo));
    supply(rig, 1, 1);
    rig_close(rig);
}

TEST(the_root_lives_on_below_its_clones)
{
    struct rig rig = rig_with(4, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4), second;

    CLOSE(rig.vmo);
    expect_silence(rig.port);
    second = new_child(clone, ON_WRITE, 0, 4);
    CLOSE(clone);
    CHECK(page_is(second, 1, content_of(1)));
    put_byte(second, 0, 1);
    access_start(&accesses[0], ACCESS_READ, second, 3, 1);
    expect_read(rig, 3, 1);                             /* still asked */
    kill_asleep(&accesses[0].thread);
    expect_silence(rig.port);
    CLOSE(second);
    expect_complete(rig);
    CLOSE(rig.pager, rig.port);
}

/* --- Children. --- */

TEST(all_descendants_are_the_roots_children)
{
    struct rig rig = rig_with(4, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4), second = new_child(clone, ON_WRITE, 0, 2);
    handle_t slice = new_child(clone, VMO_CHILD_SLICE, 0, 1), reference;

    CHECK_OK(sys_vmo_create_child(second, VMO_CHILD_REFERENCE, 0, 0, &reference));
    CLOSE(clone);
    CHECK(!childless(rig.vmo));
    CLOSE(slice);
    CHECK(!childless(rig.vmo));
    char *at = map_vmo(reference, VM_READ, 0, PAGE_SIZE);
    CLOSE(second, reference);
    CHECK(!childless(rig.vmo));                         /* a mapping is enough */
    unmap(at, PAGE_SIZE);
    CHECK(childless(rig.vmo));
    CHECK_EQ(vmo_info(rig.vmo).num_children, 0);
    rig_close(rig);
}

TEST(info_of_a_clone)
{
    struct rig rig = rig_with(4, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4);
    info_vmo_t info = vmo_info(clone);

    CHECK_EQ(info.flags, INFO_VMO_PAGED | INFO_VMO_IS_COW_CLONE | INFO_VMO_PAGER_BACKED);
    CHECK_EQ(info.parent_koid, vmo_info(rig.vmo).koid);
    CHECK_EQ(info.size_bytes, 4 * PAGE_SIZE);
    CHECK_EQ(info.committed_bytes, 0);                  /* the root's pages are the root's */
    CHECK_EQ(vmo_info(rig.vmo).num_children, 1);
    CLOSE(clone);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
