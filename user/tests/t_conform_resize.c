/*
 * t_conform_resize.c: conformance, section 2.9: resizing with requests outstanding.
 *
 * Machine: cpus=4
 */
#include "conform.h"

static void resize(struct rig rig, uint64_t pages)
{
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(pages)));
}

/* The access of page 3 waits; the VMO shrinks to 2 pages. */
static void shrink_under_access(enum access_kind kind, uint32_t op, status_t expected)
{
    struct rig rig = rig_create(4);

    accesses[0].op = op;
    access_start_bytes(&accesses[0], kind, rig.vmo, AT(3) + 10, 20);
    expect_read(rig, 3, 1);
    wait_until_asked(&accesses[0]);
    resize(rig, 2);
    ENDS(0, expected);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: vmo_read in the removed part: OUT_OF_RANGE. */
TEST(shrink_under_a_read)
{
    shrink_under_access(ACCESS_READ, 0, ERR_OUT_OF_RANGE);
}

/* 2.9: vmo_write: OUT_OF_RANGE. */
TEST(shrink_under_a_write)
{
    shrink_under_access(ACCESS_WRITE, 0, ERR_OUT_OF_RANGE);
}

/* 2.9: partial ZERO: OUT_OF_RANGE. */
TEST(shrink_under_a_partial_zero)
{
    shrink_under_access(ACCESS_OP, VMO_OP_ZERO, ERR_OUT_OF_RANGE);
}

/* 2.9: COMMIT: trimmed to the new size, OK if nothing remains. */
TEST(shrink_under_a_commit)
{
    shrink_under_access(ACCESS_OP, VMO_OP_COMMIT, OK);
}

/* 2.9: ALWAYS_NEED and PREFETCH: likewise. */
TEST(shrink_under_hints)
{
    shrink_under_access(ACCESS_OP, VMO_OP_ALWAYS_NEED, OK);
    shrink_under_access(ACCESS_OP, VMO_OP_PREFETCH, OK);
}

/* 2.9: a mapped load or store: crash with OUT_OF_RANGE. */
TEST(shrink_under_mapped_accesses)
{
    struct rig rig = rig_create(4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    touch_asks(0, ACCESS_LOAD, memory + AT(2) + 5);
    touch_asks(1, ACCESS_STORE, memory + AT(3));
    expect_read(rig, 2, 1);
    resize(rig, 2);
    expect_crash(0, ERR_OUT_OF_RANGE);
    expect_crash(1, ERR_OUT_OF_RANGE);
    expect_silence(rig.port);
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.9: a stream read: what shrinks away is the end of the content, not an error. */
TEST(shrink_under_a_stream_read)
{
    struct rig rig = rig_supplied(4, 0, 2);

    stream_read_start(rig.vmo, 4);
    expect_read(rig, 2, 2);
    resize(rig, 2);
    CHECK_EQ(stream_read_end(), AT(2));
    rig_close(rig);
}

/* 2.9: an unread request in the removed part is withdrawn. */
TEST(shrinking_withdraws_packets)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 3, 1);
    ask(1, ACCESS_READ, rig.vmo, 2, 1);
    ask(2, ACCESS_READ, rig.vmo, 0, 1);
    resize(rig, 1);
    ENDS(0, ERR_OUT_OF_RANGE);
    ENDS(1, ERR_OUT_OF_RANGE);
    serve_read(rig, 0, 1);
    ends_with_content(2);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: a request that straddles the new end counts down by what was removed. */
TEST(a_straddling_commit_goes_on)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 4);
    expect_read(rig, 0, 4);
    resize(rig, 2);
    WAITS(0);
    supply(rig, 0, 2);
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: a straddling read gets its first part copied, then OUT_OF_RANGE. */
TEST(a_straddling_read_ends)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 0, 4);
    expect_read(rig, 0, 4);
    resize(rig, 2);
    supply(rig, 0, 2);
    ENDS(0, ERR_OUT_OF_RANGE);
    CHECK_EQ(accesses[0].buffer[AT(1)], content_of(1));
    rig_close(rig);
}

/* 2.9: chained waiters of the removed part wake too. */
TEST(overlaps_in_the_removed_part_wake)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 2, 2);
    ask(1, ACCESS_READ, rig.vmo, 3, 1);
    ask_op(2, VMO_OP_COMMIT, rig.vmo, 2, 1);
    resize(rig, 0);
    ENDS(0, ERR_OUT_OF_RANGE);
    ENDS(1, ERR_OUT_OF_RANGE);
    ENDS(2, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: answering the removed part later is OUT_OF_RANGE. */
TEST(answers_beyond_the_new_end)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(1);

    ask(0, ACCESS_READ, rig.vmo, 3, 1);
    expect_read(rig, 3, 1);
    resize(rig, 2);
    ENDS(0, ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_supply(rig, 3, 1, aux, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_fail(rig, 3, 1, ERR_IO), ERR_OUT_OF_RANGE);
    CLOSE(aux);
    rig_close(rig);
}

/* 2.9: shrinking removes pages, and mappings of them. */
TEST(shrinking_removes_pages)
{
    struct rig rig = rig_supplied(4, 0, 4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    memory[AT(3)] = 1;
    resize(rig, 2);
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    load_crashes(memory + AT(3), ERR_OUT_OF_RANGE);
    CHECK_EQ(memory[AT(1)], content_of(1));
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.9: growing with requests outstanding leaves them, and asks nobody for the new part. */
TEST(growing_leaves_requests)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 1, 1);
    expect_read(rig, 1, 1);
    resize(rig, 6);
    WAITS(0);
    CHECK(page_is(rig.vmo, 4, 0));
    supply(rig, 1, 1);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: shrunk and regrown, the part is zeros and no longer the pager's. */
TEST(regrown_parts_are_zeros)
{
    struct rig rig = rig_supplied(4, 3, 1);

    resize(rig, 2);
    resize(rig, 4);
    CHECK(page_is(rig.vmo, 2, 0) && page_is(rig.vmo, 3, 0));
    CHECK_EQ(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.9: set_size of a VMO that is not resizable: UNAVAILABLE, and nobody is woken. */
TEST(fixed_sizes_are_unavailable)
{
    struct rig rig = rig_fixed(2);

    ask(0, ACCESS_READ, rig.vmo, 1, 1);
    CHECK_STATUS(sys_vmo_set_size(rig.vmo, 0), ERR_UNAVAILABLE);
    CHECK_STATUS(sys_vmo_set_size(rig.vmo, AT(2)), ERR_UNAVAILABLE);
    WAITS(0);
    serve_read(rig, 1, 1);
    ends_with_content(0);
    rig_close(rig);
}

/* 2.9: the limits of sizes: OUT_OF_RANGE, and nothing changes. */
TEST(sizes_beyond_the_limit)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(sys_vmo_set_size(rig.vmo, VMO_SIZE_MAX + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_set_size(rig.vmo, UINT64_MAX), ERR_OUT_OF_RANGE);
    CHECK_EQ(vmo_info(rig.vmo).size_bytes, AT(2));
    rig_close(rig);
}

/* 2.9: the count stays right when a page supplied earlier is removed by the shrink. */
TEST(a_shrink_counts_supplied_pages_once)
{
    struct rig rig = rig_create(3);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 3);
    expect_read(rig, 0, 3);
    supply(rig, 2, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(2)));
    supply(rig, 0, 1);
    expect_silence(rig.port);
    WAITS(0);
    expect_silence(rig.port);                   /* no second packet for page 1 */
    supply(rig, 1, 1);
    ENDS(0, OK);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
