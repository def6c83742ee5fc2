/*
 * t_conform_hints.c: conformance, section 4.2: hints that eviction heeds, and range operations on what it took.
 *
 * Machine: cpus=4
 */
#include "conform.h"
#include "writeback_rig.h"

/* --- 4.2: hints. --- */

/* 4.2: ALWAYS_NEED marks pages: they are not evicted. */
TEST(always_need_pages_stay)
{
    struct rig rig = rig_supplied(4, 0, 4);

    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 1, 2));
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK(byte_of(rig.vmo, 1) == content_of(1) && byte_of(rig.vmo, 2) == content_of(2));
    rig_close(rig);
}

/* 4.2: pages that ALWAYS_NEED brought in are marked. */
TEST(always_need_marks_what_it_brings)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_ALWAYS_NEED, rig.vmo, 0, 3);
    serve_read(rig, 0, 3);
    ENDS(0, OK);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 3);
    rig_close(rig);
}

/* 4.2: the mark is sticky: DONT_NEED is ignored for always-needed pages, write-back does not take it off. */
TEST(always_need_is_sticky)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 0, 1));
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 2));
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 1);
    write_byte(rig, 0, 'd');
    begin(rig, 0, 1);
    end(rig, 0, 1);
    evict(ALL);
    CHECK_EQ(byte_of(rig.vmo, 0), 'd');
    rig_close(rig);
}

/* 4.2: the mark is the page's: a page supplied anew has none. */
TEST(always_need_ends_with_the_page)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_OK(range_op(rig.vmo, VMO_OP_ALWAYS_NEED, 0, 2));
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 1, 1));
    begin(rig, 1, 1);
    end(rig, 1, 1);
    supply(rig, 1, 1);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(byte_of(rig.vmo, 0), content_of(0));
    rig_close(rig);
}

/* 4.2: DONT_NEED: these pages are reclaimed first, before any others. */
TEST(dont_need_pages_go_first)
{
    struct rig rig = rig_supplied(8, 0, 8);

    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 2, 3));
    CHECK_EQ(evict(3), 3);
    CHECK_EQ(committed(rig.vmo), 5);
    for (uint64_t i = 0; i < 8; i++)
        CHECK_EQ(byte_of(rig.vmo, i), i >= 2 && i < 5 ? ERR_SHOULD_WAIT : content_of(i));
    rig_close(rig);
}

/* 4.2: a page used after DONT_NEED does not go first. */
TEST(dont_need_ends_with_use)
{
    struct rig rig = rig_supplied(8, 0, 8);

    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 2, 3));
    CHECK_EQ(byte_of(rig.vmo, 3), content_of(3));
    CHECK_EQ(evict(2), 2);
    CHECK_EQ(byte_of(rig.vmo, 3), content_of(3));
    CHECK_STATUS(byte_of(rig.vmo, 2), ERR_SHOULD_WAIT);
    CHECK_STATUS(byte_of(rig.vmo, 4), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* 4.2: DONT_NEED is about clean pages: a dirty one does not go first once it is clean. */
TEST(dont_need_skips_dirty_pages)
{
    struct rig rig = rig_supplied(4, 0, 4);

    write_byte(rig, 1, 'd');
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 2));
    begin(rig, 1, 1);
    end(rig, 1, 1);
    CHECK_EQ(evict(1), 1);
    CHECK_EQ(byte_of(rig.vmo, 1), 'd');
    CHECK_STATUS(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* 4.2: DONT_NEED is widened to whole pages; it says nothing to the pager and brings nothing in. */
TEST(dont_need_is_widened)
{
    struct rig rig = rig_supplied(5, 0, 4);

    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_DONT_NEED, AT(1) + 100, PAGE_SIZE, NULL, 0));
    CHECK_EQ(evict(2), 2);
    CHECK_STATUS(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    CHECK_STATUS(byte_of(rig.vmo, 2), ERR_SHOULD_WAIT);
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 0, 5));
    CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED, 5, 0));
    CHECK_STATUS(range_op(rig.vmo, VMO_OP_DONT_NEED, 3, 3), ERR_OUT_OF_RANGE);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.2: in a clone the hints are about the root's pages: pages that the clone forked are skipped. */
TEST(hints_in_a_clone_skip_forked_pages)
{
    struct rig rig = rig_supplied(6, 0, 6);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 4);

    fill_page(clone, 1, 'f');               /* page 2 of the root */
    CHECK_OK(range_op(clone, VMO_OP_ALWAYS_NEED, 0, 2));
    CHECK_OK(range_op(clone, VMO_OP_DONT_NEED, 2, 1));
    CHECK_EQ(evict(1), 1);
    CHECK_STATUS(byte_of(rig.vmo, 3), ERR_SHOULD_WAIT);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(byte_of(rig.vmo, 1), content_of(1));
    CHECK(page_is(clone, 1, 'f'));
    CLOSE(clone);
    rig_close(rig);
}

/* 4.2: hints through slices and references are about the parent's pages, at the parent's offsets. */
TEST(hints_through_slices_and_references)
{
    struct rig rig = rig_fixed(6);
    handle_t slice = new_child(rig.vmo, VMO_CHILD_SLICE, 2, 3);
    handle_t reference = new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0);

    supply(rig, 0, 6);
    CHECK_OK(range_op(slice, VMO_OP_DONT_NEED, 1, 1));
    CHECK_OK(range_op(reference, VMO_OP_DONT_NEED, 5, 1));
    CHECK_STATUS(range_op(slice, VMO_OP_DONT_NEED, 2, 2), ERR_OUT_OF_RANGE);
    CHECK_EQ(evict(2), 2);
    CHECK_STATUS(byte_of(rig.vmo, 3), ERR_SHOULD_WAIT);
    CHECK_STATUS(byte_of(rig.vmo, 5), ERR_SHOULD_WAIT);
    CHECK_OK(range_op(slice, VMO_OP_ALWAYS_NEED, 0, 1));
    CHECK_OK(range_op(reference, VMO_OP_ALWAYS_NEED, 0, 1));
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK(byte_of(rig.vmo, 2) == content_of(2) && byte_of(rig.vmo, 0) == content_of(0));
    CLOSE(slice, reference);
    rig_close(rig);
}

/* 4.2: hints on anonymous memory succeed and do nothing. */
TEST(hints_on_anonymous_memory)
{
    handle_t vmo = new_filled(4, 'a'), snapshot = new_child(vmo, SNAPSHOT, 0, 4);

    CHECK_OK(range_op(vmo, VMO_OP_DONT_NEED, 0, 4));
    CHECK_OK(range_op(snapshot, VMO_OP_ALWAYS_NEED, 0, 4));
    evict(ALL);
    for (uint64_t i = 0; i < 4; i++)
        CHECK(page_is(vmo, i, 'a') && page_is(snapshot, i, 'a'));
    CHECK_EQ(vmo_info(vmo).change_events, 0);
    CLOSE(vmo, snapshot);
}

/* --- 4.2: range operations on evicted pages. --- */

/* 4.2: COMMIT and PREFETCH ask for what was evicted, in one request for each run. */
TEST(evicted_pages_are_committed_again)
{
    static const uint32_t ops[] = { VMO_OP_COMMIT, VMO_OP_PREFETCH, VMO_OP_ALWAYS_NEED };

    for (size_t i = 0; i < array_size(ops); i++) {
        struct rig rig = rig_supplied(5, 0, 5);

        write_byte(rig, 2, 'd');
        evict(ALL);
        CHECK_STATUS(range_op(rig.vmo, ops[i], 0, 5), ERR_SHOULD_WAIT);
        expect_silence(rig.port);
        ask_op(0, ops[i], rig.vmo, 0, 5);
        serve_read(rig, 0, 2);
        serve_read(rig, 3, 2);
        ENDS(0, OK);
        CHECK_EQ(committed(rig.vmo), 5);
        CHECK_EQ(byte_of(rig.vmo, 2), 'd');
        rig_close(rig);
    }
}

/* 4.2: ZERO of whole evicted pages asks nobody, of a part asks for the page. */
TEST(evicted_pages_are_zeroed)
{
    struct rig rig = rig_supplied(3, 0, 3);

    evict(ALL);
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 0, 2));
    CHECK(byte_of(rig.vmo, 0) == 0 && byte_of(rig.vmo, 1) == 0);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(2), 7, NULL, 0), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    CHECK_EQ(committed(rig.vmo), 0);
    rig_close(rig);
}

/* 4.2: DECOMMIT, LOCK and UNLOCK are NOT_SUPPORTED on pager-backed VMOs, evicted or not. */
TEST(evicted_pages_are_not_decommitted)
{
    struct rig rig = rig_supplied(2, 0, 2);
    static const uint32_t ops[] = { VMO_OP_DECOMMIT, 3, 4, 11 };

    for (int round = 0; round < 2; round++, evict(ALL))
        for (size_t i = 0; i < array_size(ops); i++)
            CHECK_STATUS(range_op(rig.vmo, ops[i], 0, 2), ERR_NOT_SUPPORTED);
    rig_close(rig);
}

/* 4.2: an unknown op code is INVALID_ARGS. */
TEST(unknown_range_operations)
{
    struct rig rig = rig_create(2);
    static const uint32_t ops[] = { 0, 5, 15, 99, 1 << 30 };

    for (size_t i = 0; i < array_size(ops); i++)
        CHECK_STATUS(range_op(rig.vmo, ops[i], 0, 1), ERR_INVALID_ARGS);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
