/*
 * t_conform_fail.c: conformance, sections 1.5 (op_range, FAIL) and 2.6 (which requests a failure
 * ends, and how).
 *
 * Machine: cpus=4
 */
#include "conform.h"

static const status_t deliverable[] = {
    ERR_IO, ERR_IO_DATA_INTEGRITY, ERR_BAD_STATE, ERR_NO_SPACE, ERR_BUFFER_TOO_SMALL,
};

/* --- 1.5: the call. --- */

/* 1.5: unaligned ranges are INVALID_ARGS, before an unknown op. */
TEST(ranges_are_aligned)
{
    struct rig rig = rig_create(2);

    CHECK_STATUS(sys_pager_op_range(rig.pager, 99, rig.vmo, 1, AT(1), 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, 99, rig.vmo, 0, 1, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_FAIL, rig.vmo, 0, AT(1) + 1,
                                    DELIVERED(ERR_IO)),
                 ERR_INVALID_ARGS);
    rig_close(rig);
}

/* 1.5: an unknown op is NOT_SUPPORTED, whatever its other arguments. */
TEST(unknown_ops_are_not_supported)
{
    static const uint32_t ops[] = { 0, 5, 6, 99, 1u << 31, UINT32_MAX };
    struct rig rig = rig_create(2);

    for (size_t i = 0; i < array_size(ops); i++) {
        CHECK_STATUS(try_op(rig, ops[i], 0, 1, 0), ERR_NOT_SUPPORTED);
        CHECK_STATUS(try_op(rig, ops[i], 9, 1, 77), ERR_NOT_SUPPORTED);
    }
    rig_close(rig);
}

/* 1.5: DIRTY of a VMO that was not made with TRAP_DIRTY is NOT_SUPPORTED, even for no pages. */
TEST(dirty_needs_trap_dirty)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 1, 0), ERR_NOT_SUPPORTED);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 0, 0), ERR_NOT_SUPPORTED);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    rig_close(rig);
}

/* 1.5: FAIL delivers IO, IO_DATA_INTEGRITY, BAD_STATE, NO_SPACE and BUFFER_TOO_SMALL. */
TEST(fail_delivers_five_statuses)
{
    struct rig rig = rig_create(1);

    for (size_t i = 0; i < array_size(deliverable); i++) {
        ask(0, ACCESS_READ, rig.vmo, 0, 1);
        expect_read(rig, 0, 1);
        CHECK_OK(try_fail(rig, 0, 1, deliverable[i]));
        ENDS(0, deliverable[i]);
    }
    rig_close(rig);
}

/* 1.5: any other status is INVALID_ARGS, for no pages too, and nobody is woken. */
TEST(fail_refuses_other_statuses)
{
    struct rig rig = rig_create(1);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    for (int status = -300; status <= 10; status++) {
        bool allowed = false;

        for (size_t i = 0; i < array_size(deliverable); i++)
            allowed |= status == deliverable[i];
        if (allowed)
            continue;
        CHECK_STATUS(try_fail(rig, 0, 1, status), ERR_INVALID_ARGS);
        CHECK_STATUS(try_fail(rig, 0, 0, status), ERR_INVALID_ARGS);
    }
    WAITS(0);
    serve_read(rig, 0, 1);
    ends_with_content(0);
    rig_close(rig);
}

/* 1.5: a value that does not fit a signed 32-bit status is INVALID_ARGS. */
TEST(fail_refuses_wide_values)
{
    struct rig rig = rig_create(1);

    for (size_t i = 0; i < array_size(deliverable); i++) {
        CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 0, 1, (uint32_t)deliverable[i]),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 0, 1, DELIVERED(deliverable[i]) ^ 1ull << 63),
                     ERR_INVALID_ARGS);
        CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 0, 1, DELIVERED(deliverable[i]) ^ 1ull << 32),
                     ERR_INVALID_ARGS);
    }
    rig_close(rig);
}

/* 1.5: a range outside the VMO is OUT_OF_RANGE; the data is checked before it. */
TEST(fail_stays_inside_the_vmo)
{
    struct rig rig = rig_create(4);

    CHECK_STATUS(try_fail(rig, 4, 1, ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_fail(rig, 3, 2, ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_fail(rig, UINT64_MAX / PAGE_SIZE, 2, ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_fail(rig, 1, UINT64_MAX / PAGE_SIZE, ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_fail(rig, 4, 1, ERR_TIMED_OUT), ERR_INVALID_ARGS);
    CHECK_OK(try_fail(rig, 4, 0, ERR_IO));
    rig_close(rig);
}

/* 1.5: without a matching request FAIL is OK and has no effect. */
TEST(fail_without_a_request)
{
    struct rig rig = rig_supplied(4, 0, 1);

    ask(0, ACCESS_READ, rig.vmo, 3, 1);
    CHECK_OK(try_fail(rig, 0, 3, ERR_IO));
    WAITS(0);
    serve_read(rig, 3, 1);
    ends_with_content(0);
    rig_close(rig);
}

/* 1.5: no page, marker or state changes. */
TEST(fail_changes_no_pages)
{
    struct rig rig = rig_supplied(4, 0, 2);
    handle_t hole = new_vmo(1);

    CHECK_OK(try_supply(rig, 2, 1, hole, 0));
    put_byte(rig.vmo, AT(1), 3);
    CHECK_OK(try_fail(rig, 0, 4, ERR_IO));
    CHECK(is_supplied(rig.vmo, 0, 1) && byte_of(rig.vmo, 1) == 3 && page_is(rig.vmo, 2, 0));
    CHECK_EQ(byte_of(rig.vmo, 3), ERR_SHOULD_WAIT);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, AT(1));
    CLOSE(hole);
    rig_close(rig);
}

/* --- 2.6: the requests. --- */

/* 2.6: failed bytes count like supplied ones: the request ends when all of it is answered. */
TEST(failed_pages_count)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 3);
    expect_read(rig, 0, 3);
    fail(rig, 0, 1, ERR_IO);
    WAITS(0);
    supply(rig, 1, 1);
    WAITS(0);
    fail(rig, 2, 1, ERR_NO_SPACE);
    ENDS(0, ERR_IO);
    rig_close(rig);
}

/* 2.6: the status sticks if it covers the request's first page. */
TEST(failing_the_first_page_fails_the_request)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_PREFETCH, rig.vmo, 1, 2);
    expect_read(rig, 1, 2);
    supply(rig, 2, 1);
    fail(rig, 0, 2, ERR_IO);
    ENDS(0, ERR_IO);
    rig_close(rig);
}

/* 2.6: otherwise the operation retries, and asks again for the failed page. */
TEST(failing_a_later_page_asks_again)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 3);
    expect_read(rig, 0, 3);
    fail(rig, 1, 1, ERR_IO);
    supply(rig, 0, 1);
    supply(rig, 2, 1);
    serve_read(rig, 1, 1);
    ENDS(0, OK);
    CHECK(is_supplied(rig.vmo, 0, 3));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.6: and the second time it is the first page. */
TEST(failing_a_later_page_twice)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    fail(rig, 1, 1, ERR_IO);
    supply(rig, 0, 1);
    expect_read(rig, 1, 1);
    fail(rig, 1, 1, ERR_NO_SPACE);
    ENDS(0, ERR_NO_SPACE);
    rig_close(rig);
}

/* 2.6: one FAIL answers several requests, each of which it covers. */
TEST(one_failure_ends_several_requests)
{
    struct rig rig = rig_create(8);

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    ask(1, ACCESS_WRITE, rig.vmo, 4, 1);
    ask_op(2, VMO_OP_COMMIT, rig.vmo, 6, 2);
    fail(rig, 0, 8, ERR_IO_DATA_INTEGRITY);
    for (unsigned i = 0; i < 3; i++)
        ENDS(i, ERR_IO_DATA_INTEGRITY);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.6: an overlap is judged by its own first page, and wakes when the main request completes. */
TEST(overlaps_are_judged_by_their_own_page)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 3);
    expect_read(rig, 0, 3);
    ask_op(1, VMO_OP_COMMIT, rig.vmo, 1, 1);
    ask_op(2, VMO_OP_COMMIT, rig.vmo, 2, 1);
    fail(rig, 1, 1, ERR_IO);
    WAITS(1);
    supply(rig, 0, 1);
    WAITS(1);
    supply(rig, 2, 1);
    ENDS(1, ERR_IO);
    ENDS(2, OK);
    serve_read(rig, 1, 1);                  /* the main request asks again for it */
    ENDS(0, OK);
    rig_close(rig);
}

/* 2.6: failing the main request's first page does not fail an overlap behind it. */
TEST(the_main_requests_failure_is_its_own)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    ask_op(1, VMO_OP_COMMIT, rig.vmo, 1, 1);
    fail(rig, 0, 1, ERR_IO);
    supply(rig, 1, 1);
    ENDS(0, ERR_IO);
    ENDS(1, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.6: mapped faults report the status in the exception. */
TEST(mapped_faults_report_the_status)
{
    struct rig rig = rig_create(4);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    for (size_t i = 0; i < array_size(deliverable); i++) {
        touch_asks(0, i % 2 ? ACCESS_LOAD : ACCESS_STORE, memory + AT(i % 4) + 3);
        expect_read(rig, i % 4, 1);
        fail(rig, i % 4, 1, deliverable[i]);
        expect_crash(0, deliverable[i]);
    }
    unmap((char *)memory, AT(4));
    rig_close(rig);
}

/* 2.6: system calls return it: reads, writes, COMMIT, PREFETCH, partial ZERO. */
TEST(calls_return_the_status)
{
    struct rig rig = rig_create(1);

    for (unsigned i = 0; i < 5; i++) {
        accesses[0].op = i == 2 ? VMO_OP_COMMIT : i == 3 ? VMO_OP_PREFETCH : VMO_OP_ZERO;
        access_start_bytes(&accesses[0], i == 0 ? ACCESS_READ : i == 1 ? ACCESS_WRITE : ACCESS_OP,
                           rig.vmo, 8, 8);
        expect_read(rig, 0, 1);
        fail(rig, 0, 1, ERR_NO_SPACE);
        ENDS(0, ERR_NO_SPACE);
    }
    rig_close(rig);
}

/* 2.6: a failure before the packet is read withdraws it. */
TEST(an_early_failure_withdraws_the_packet)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_IO);
    serve_read(rig, 1, 1);
    ends_with_content(1);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
