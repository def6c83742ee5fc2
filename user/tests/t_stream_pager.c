/*
 * t_stream_pager.c: streams that write over a pager's VMO and its children: growing, holes, tails.
 *
 * Machine: cpus=4
 */
#include "stream_rig.h"

/* --- Growing. --- */

/* streams: a write beyond the end grows content and VMO, and the pager is not asked. */
TEST(growing_sends_nothing)
{
    struct rig rig = paged(0, VMO_RESIZABLE);
    handle_t stream = appender(rig);

    CHECK(!is_modified(rig, 0));
    write_at(stream, 0, 100);
    check_sizes(rig.vmo, 100, 1);
    CHECK(dirty_is(rig, "0+1") && is_modified(rig, PAGER_RESET_VMO_STATS));
    write_at(stream, 100, AT(2));               /* the tail is here and dirty */
    check_sizes(rig.vmo, AT(2) + 100, 3);
    CHECK(dirty_is(rig, "0+3") && is_modified(rig, 0));
    check_bytes(rig.vmo, 0, AT(2) + 100, 'w');
    close_both(rig, stream);
}

/* streams: what lies between is a hole: dirty zeros, however long it is, and no packet. */
TEST(a_hole_is_dirty_zeros)
{
    struct rig rig = paged(AT(1), VMO_RESIZABLE);
    handle_t stream = new_stream(rig.vmo, STREAM_WRITE);
    uint64_t far = AT(1ull << 30);

    write_at(stream, AT(3), AT(1));
    CHECK(dirty_is(rig, "1+2z 3+1"));
    write_at(stream, far + 10, 5);
    check_sizes(rig.vmo, far + 15, (1ull << 30) + 1);
    CHECK(dirty_is(rig, "1+2z 3+1 4+1073741820z 1073741824+1"));
    check_bytes(rig.vmo, AT(1ull << 29), AT(2), 0);
    check_bytes(rig.vmo, far, 10, 0);
    check_bytes(rig.vmo, far + 10, 5, 'w');
    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, AT(2));
    begin(rig, 1, 2);
    end(rig, 1, 2);                             /* written down: the pager's to give again */
    CHECK(dirty_is(rig, "3+1 4+1073741820z 1073741824+1"));
    close_both(rig, stream);
}

/* streams: the rest of the old last page is read, zeroed, and then shown. */
TEST(the_tail_is_read_and_zeroed)
{
    struct rig rig = paged(5000, VMO_RESIZABLE);
    handle_t stream = new_stream(rig.vmo, STREAM_WRITE);

    write_at_waits(0, stream, AT(3) + 10, 20);
    expect_read(rig, 1, 1);
    check_sizes(rig.vmo, 5000, 2);              /* not before */
    supply(rig, 1, 1);
    write_ends(0, OK, 20);
    check_sizes(rig.vmo, AT(3) + 30, 4);
    check_bytes(rig.vmo, AT(1), 5000 - AT(1), content_of(1));
    check_bytes(rig.vmo, 5000, AT(3) + 10 - 5000, 0);
    check_bytes(rig.vmo, AT(3) + 10, 20, 'w');
    CHECK(dirty_is(rig, "1+1 2+1z 3+1"));
    close_both(rig, stream);
}

/* streams: a tail that is known to be zero is left alone. */
TEST(a_tail_of_zeros_asks_nobody)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = new_stream(rig.vmo, STREAM_WRITE);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1)));
    CHECK_OK(sys_vmo_set_content_size(rig.vmo, 100));
    write_at_waits(0, stream, AT(2), 10);
    expect_dirty(rig, 2, 1);
    allow(rig, 2, 1);
    write_ends(0, OK, 10);
    CHECK(dirty_is(rig, "0+2z 2+1"));
    close_both(rig, stream);
}

/* streams: pages that content shows again after it shrank are zeros, whatever they hold, and nobody
 * is asked for those that are absent; who waits for one of them sees the zeros. */
TEST(what_was_cut_off_does_not_come_back)
{
    struct rig rig = paged(AT(6), VMO_RESIZABLE);
    handle_t stream = new_stream(rig.vmo, STREAM_WRITE);
    char *at = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, AT(6));

    supply(rig, 0, 3);
    at[AT(2)] = 'm';
    CHECK_OK(sys_vmo_set_content_size(rig.vmo, 100));
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 3, 1);
    wait_until_asked(&accesses[0]);
    write_at(stream, AT(4) + 5, 10);
    CHECK_STATUS(access_end(&accesses[0]), OK);
    CHECK_EQ(accesses[0].buffer[0], 0);
    check_sizes(rig.vmo, AT(4) + 15, 6);
    check_bytes(rig.vmo, 0, 100, content_of(0));
    check_bytes(rig.vmo, 100, AT(4) + 5 - 100, 0);
    CHECK(at[AT(1)] == 0 && at[AT(2)] == 0 && at[AT(4) + 5] == 'w');
    CHECK(dirty_is(rig, "0+1 1+3z 4+1"));
    unmap(at, AT(6));
    close_both(rig, stream);
}

/* streams: a hole of anonymous memory likewise. */
TEST(anonymous_content_does_not_come_back)
{
    handle_t vmo = new_resizable_vmo(4), stream = new_stream(vmo, STREAM_WRITE);

    vmo_fill(vmo, 0, AT(4), 'x');
    CHECK_OK(sys_vmo_set_content_size(vmo, 10));
    write_at(stream, AT(3) + 1, 1);
    check_bytes(vmo, 0, 10, 'x');
    check_bytes(vmo, 10, AT(3) + 1 - 10, 0);
    CHECK_EQ(committed(vmo), 2);
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

/* streams: with TRAP_DIRTY the pager is asked before the tail is zeroed; its refusal is the write's
 * status, and nothing changed. */
TEST(a_tail_that_may_not_be_dirty)
{
    struct rig rig = paged(5000, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig);
    uint64_t position = 77;

    supply(rig, 0, 2);
    for (int round = 0; round < 2; round++) {
        write_waits(0, stream, AT(1));
        expect_dirty(rig, 1, 1);
        fail(rig, 1, 1, ERR_NO_SPACE);
        write_ends(0, ERR_NO_SPACE, 0);
    }
    check_sizes(rig.vmo, 5000, 2);
    CHECK(dirty_is(rig, "") && !is_modified(rig, 0));
    check_bytes(rig.vmo, AT(1), AT(1), content_of(1));
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_CURRENT, 0, &position));
    CHECK_EQ(position, 0);
    close_both(rig, stream);
}

/* streams: a write that is refused in the middle is short; the next one meets the refusal. */
TEST(a_refusal_in_the_middle)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig);
    uint64_t position = 77;

    write_waits(0, stream, AT(18) + 10);
    expect_dirty(rig, 0, 16);
    allow(rig, 0, 16);
    expect_dirty(rig, 16, 3);
    check_sizes(rig.vmo, AT(18) + 10, 19);
    fail(rig, 16, 3, ERR_NO_SPACE);
    write_ends(0, OK, AT(16));
    check_sizes(rig.vmo, AT(16), 19);           /* the VMO keeps its size */
    CHECK(dirty_is(rig, "0+16 16+3z"));
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_CURRENT, 0, &position));
    CHECK_EQ(position, AT(16));
    write_waits(0, stream, 10);
    expect_dirty(rig, 16, 1);
    fail(rig, 16, 1, ERR_NO_SPACE);
    write_ends(0, ERR_NO_SPACE, 0);
    check_sizes(rig.vmo, AT(16), 19);
    close_both(rig, stream);
}

/* streams: growing takes memory; without it nothing changes. */
TEST(growing_without_memory)
{
    uint32_t left = 0, failures = 0;

    for (uint32_t nth = 1; left == 0; nth++) {
        struct rig rig = paged(0, VMO_RESIZABLE);
        handle_t stream = new_stream(rig.vmo, STREAM_WRITE);
        size_t actual = 77;

        CHECK_OK(sys_system_fail_allocation(system_handle(), nth, &left));
        status_t status = sys_stream_write_at(stream, written, AT(1ull << 20), 10, &actual);
        CHECK_OK(sys_system_fail_allocation(system_handle(), 0, &left));
        if (left == 0) {
            CHECK_STATUS(status, ERR_NO_MEMORY);
            CHECK_EQ(actual, 0);
            CHECK_EQ(vmo_info(rig.vmo).content_size, 0);
            failures++;
        } else {
            CHECK_OK(status);
        }
        write_at(stream, AT(1ull << 20), 10);
        close_both(rig, stream);
    }
    CHECK(failures > 0);
}

/* streams: writes end at the greatest VMO; what fits of one is written, and positions stay sane. */
TEST(the_end_of_the_world)
{
    struct rig rig = paged(0, VMO_RESIZABLE);
    handle_t stream = new_stream(rig.vmo, STREAM_READ | STREAM_WRITE);
    uint64_t position = 77;
    size_t actual = 77;
    char byte = 0;

    CHECK_OK(sys_stream_write_at(stream, written, VMO_SIZE_MAX - 3, 10, &actual));
    CHECK_EQ(actual, 3);
    check_sizes(rig.vmo, VMO_SIZE_MAX, VMO_SIZE_MAX / PAGE_SIZE);
    CHECK_STATUS(sys_stream_write_at(stream, written, VMO_SIZE_MAX, 1, &actual), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_stream_write_at(stream, written, UINT64_MAX, 1, &actual), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_stream_write_at(stream, written, UINT64_MAX - 5, 10, &actual), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_stream_read_at(stream, &byte, UINT64_MAX, 1, &actual));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_stream_read_at(stream, &byte, VMO_SIZE_MAX, 1, &actual));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_stream_read_at(stream, &byte, VMO_SIZE_MAX - 1, 1, &actual));
    CHECK_EQ(actual, 1);
    for (int64_t at = INT64_MAX; at > 0; at -= INT64_MAX - VMO_SIZE_MAX) {
        CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_START, at, NULL));
        CHECK_STATUS(sys_stream_write(stream, written, 10, &actual), ERR_OUT_OF_RANGE);
        CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_CURRENT, 0, &position));
        CHECK_EQ(position, at);
        if (at == VMO_SIZE_MAX)
            break;
    }
    close_both(rig, stream);
}

/* streams: `modified` is set by a stream's writing, growing, and by setting another content size. */
TEST(what_modifies)
{
    struct rig rig = paged(AT(1), VMO_RESIZABLE);
    handle_t stream = new_stream(rig.vmo, STREAM_WRITE);

    CHECK_OK(sys_vmo_set_content_size(rig.vmo, AT(1)));
    CHECK(!is_modified(rig, 0));
    CHECK_OK(sys_vmo_set_content_size(rig.vmo, 0));
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    CHECK_STATUS(sys_vmo_set_content_size(rig.vmo, AT(1) + 1), ERR_OUT_OF_RANGE);
    CHECK(!is_modified(rig, 0));
    write_at(stream, 0, 1);
    CHECK(is_modified(rig, PAGER_RESET_VMO_STATS));
    write_at(stream, 0, 1);
    CHECK(is_modified(rig, 0));
    close_both(rig, stream);
}

/* --- Children. --- */

/* streams: through a reference: the parent grows, and its pager learns the dirty pages. */
TEST(growing_through_a_reference)
{
    struct rig rig = paged(100, VMO_RESIZABLE);
    handle_t child, stream;

    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
    stream = new_stream(child, STREAM_WRITE | STREAM_APPEND);
    supply(rig, 0, 1);
    CHECK_OK(sys_stream_write(stream, written, AT(1), NULL));
    check_sizes(rig.vmo, AT(1) + 100, 2);
    check_sizes(child, AT(1) + 100, 2);
    CHECK(dirty_is(rig, "0+2") && is_modified(rig, 0));
    CHECK_OK(sys_handle_close(child));
    close_both(rig, stream);
}

/* streams: a clone grows alone; its old last page is copied from the root, which the pager is asked for. */
TEST(growing_a_clone)
{
    struct rig rig = paged(AT(4), VMO_RESIZABLE);
    handle_t child, stream;

    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | VMO_CHILD_RESIZABLE,
                                  0, AT(3), &child));
    CHECK_OK(sys_vmo_set_content_size(child, 100));
    stream = new_stream(child, STREAM_WRITE);
    write_at_waits(0, stream, AT(5) + 1, 1);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    write_ends(0, OK, 1);
    check_sizes(child, AT(5) + 2, 6);
    check_bytes(child, 0, 100, content_of(0));
    check_bytes(child, 100, AT(5) + 1 - 100, 0);    /* pages 1 and 2 of the root do not show */
    check_sizes(rig.vmo, AT(4), 4);
    check_bytes(rig.vmo, 0, AT(1), content_of(0));
    CHECK(dirty_is(rig, "") && !is_modified(rig, 0));
    CHECK_OK(sys_handle_close(child));
    close_both(rig, stream);
}

/* streams: a slice has a content of its own; what it exposes is zeroed in the parent. */
TEST(growing_in_a_slice)
{
    struct rig rig = paged(AT(6), 0);
    handle_t child, stream;

    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SLICE, AT(1), AT(4), &child));
    CHECK_OK(sys_vmo_set_content_size(child, 100));
    stream = new_stream(child, STREAM_WRITE);
    supply(rig, 0, 6);
    write_at(stream, AT(3), 10);
    check_sizes(child, AT(3) + 10, 4);
    check_sizes(rig.vmo, AT(6), 6);
    check_bytes(rig.vmo, 0, AT(1), content_of(0));
    check_bytes(rig.vmo, AT(1), 100, content_of(1));
    check_bytes(rig.vmo, AT(1) + 100, AT(3) - 100, 0);
    check_bytes(rig.vmo, AT(4), 10, 'w');
    check_bytes(rig.vmo, AT(5), AT(1), content_of(5));
    CHECK(dirty_is(rig, "1+1 2+2z 4+1") && is_modified(rig, 0));
    CHECK_STATUS(sys_stream_write_at(stream, written, AT(4), 1, NULL), ERR_NO_SPACE);
    CHECK_OK(sys_handle_close(child));
    close_both(rig, stream);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
