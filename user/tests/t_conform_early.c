/*
 * t_conform_early.c: conformance, sections 2.5 to 2.7 for readers, which are woken as soon as the
 * page that they need next is there.
 *
 * Machine: cpus=4
 */
#include "conform_dirty.h"

/* --- 2.5: early wake. --- */

/* 2.5: early wake: when the page needed next is there the reader goes on, with no new packet. */
TEST(a_reader_goes_on)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 0, 4);
    expect_read(rig, 0, 4);
    for (uint64_t page = 0; page < 4; page++) {
        WAITS(0);
        supply(rig, page, 1);
        if (page == 0)
            has_gone_on(0);
        expect_silence(rig.port);
    }
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: early wake: pages behind the hole do not wake; filling the hole does. */
TEST(only_the_page_needed_next_wakes)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 0, 4);
    expect_read(rig, 0, 4);
    supply(rig, 1, 2);
    WAITS(0);
    CHECK(!has_begun(&accesses[0]));
    supply(rig, 0, 1);
    has_gone_on(0);                             /* over all three; it waits for the last */
    CHECK_EQ(*(volatile char *)&accesses[0].buffer[AT(2)], content_of(2));
    supply(rig, 3, 1);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: early wake: one request, in whatever order the pages come. */
TEST(one_request_in_any_order)
{
    static const uint64_t orders[][4] = {
        { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 }, { 0, 3, 1, 2 }, { 2, 0, 1, 3 },
    };

    for (size_t i = 0; i < array_size(orders); i++) {
        struct rig rig = rig_create(4);

        ask_read(0, rig, 0, 4);
        expect_read(rig, 0, 4);
        for (size_t k = 0; k < 4; k++) {
            WAITS(0);
            supply(rig, orders[i][k], 1);
        }
        ends_with_content(0);
        expect_silence(rig.port);
        rig_close(rig);
    }
}

/* 2.5: early wake: zero markers and zeroed pages wake as pages do. */
TEST(zeros_wake_readers)
{
    struct rig rig = rig_create(3);

    ask_read(0, rig, 0, 3);
    expect_read(rig, 0, 3);
    supply(rig, 0, 1);
    has_gone_on(0);
    supply_zeros(rig, 1, 1);
    WAITS(0);
    zero_pages(rig, 2, 1);
    ENDS(0, OK);
    CHECK(accesses[0].buffer[AT(1)] == 0 && accesses[0].buffer[AT(2)] == 0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: early wake: overlaps have their own wake points. */
TEST(overlaps_wake_by_themselves)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 0, 4);
    ask_read(1, rig, 1, 2);
    expect_read(rig, 0, 4);
    expect_silence(rig.port);
    supply(rig, 1, 1);
    has_gone_on(1);
    WAITS(0);
    supply(rig, 2, 1);
    ends_with_content(1);                       /* though the request that it hung on is open */
    WAITS(0);
    supply(rig, 0, 1);
    has_gone_on(0);
    supply(rig, 3, 1);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: early wake: vmo_read alone: COMMIT and faults that hang on the request wake with it. */
TEST(others_do_not_wake_early)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 0, 4);
    expect_read(rig, 0, 4);
    ask_op(1, VMO_OP_COMMIT, rig.vmo, 1, 1);
    supply(rig, 1, 1);
    WAITS(1);
    supply(rig, 0, 1);
    has_gone_on(0);
    WAITS(1);
    supply(rig, 2, 2);
    ends_with_content(0);
    ENDS(1, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

static bool stream_has_begun(void *unused)
{
    (void)unused;
    return reader.bytes[0] == content_of(0);
}

/* 2.5: early wake: stream reads too. */
TEST(a_stream_reader_goes_on)
{
    struct rig rig = rig_create(2);

    stream_read_start(rig.vmo, 2);
    expect_read(rig, 0, 2);
    supply(rig, 0, 1);
    CHECK(comes_true(stream_has_begun, NULL));
    supply(rig, 1, 1);
    CHECK(stream_read_end() == AT(2) && reader.bytes[AT(1)] == content_of(1));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.5: early wake: a clone that forked what it waited for meanwhile goes on. */
TEST(a_clone_that_forks_goes_on)
{
    struct rig rig = rig_create(3);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 3);

    ask(0, ACCESS_READ, clone, 0, 3);
    expect_read(rig, 0, 3);
    CHECK_OK(range_op(clone, VMO_OP_ZERO, 1, 1));
    supply(rig, 0, 1);
    supply(rig, 2, 1);
    ENDS(0, OK);
    CHECK_EQ(accesses[0].buffer[AT(1)], 0);
    CHECK_EQ(accesses[0].buffer[AT(2)], content_of(2));
    CLOSE(clone);
    rig_close(rig);
}

/* 2.5: early wake: the VMO shrank: the reader has what is left, and OUT_OF_RANGE. */
TEST(shrink_under_a_reader_that_went_on)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 0, 4);
    expect_read(rig, 0, 4);
    supply(rig, 0, 1);
    has_gone_on(0);
    resize(rig, 1);
    ENDS(0, ERR_OUT_OF_RANGE);
    CHECK_EQ(accesses[0].buffer[PAGE_SIZE - 1], content_of(0));
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 2.6: failures. --- */

/* 2.6: early readers: failing the page needed next fails the read at once, others still owed. */
TEST(failing_the_page_needed_next)
{
    struct rig rig = rig_create(3);

    ask_read(0, rig, 0, 3);
    expect_read(rig, 0, 3);
    supply(rig, 0, 1);
    has_gone_on(0);
    fail(rig, 1, 1, ERR_IO);
    ENDS(0, ERR_IO);
    CHECK_EQ(accesses[0].buffer[0], content_of(0));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.6: early readers: so does failing the first page. */
TEST(failing_the_first_page)
{
    struct rig rig = rig_create(3);

    ask_read(0, rig, 0, 3);
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_IO);
    expect_silence(rig.port);                   /* unread, and withdrawn */
    rig_close(rig);
}

/* 2.6: early readers: a failure further on does not stick; it is asked for again. */
TEST(failing_a_page_further_on)
{
    struct rig rig = rig_create(3);

    ask_read(0, rig, 0, 3);
    expect_read(rig, 0, 3);
    fail(rig, 2, 1, ERR_IO);
    supply(rig, 0, 2);
    serve_read(rig, 2, 1);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* Reads three pages into memory that a pager serves, too. */
static void read_to_address(void *unused)
{
    struct access *access = &accesses[0];

    (void)unused;
    access->status = sys_vmo_read(access->vmo, VMO_MAY_BLOCK, (char *)access->address, 0, AT(3));
}

/* 2.6: early readers: nor does a failure of the page before, which the reader has. */
TEST(failing_the_page_before)
{
    struct rig rig = rig_create(3), memory = rig_create(3);
    char *address = map_vmo(memory.vmo, VM_READ | VM_WRITE, 0, AT(3));

    accesses[0].vmo = rig.vmo;
    accesses[0].address = address;
    raw_thread_start(&accesses[0].thread, read_to_address, NULL);
    expect_read(rig, 0, 3);
    supply(rig, 0, 1);
    expect_read(memory, 0, 1);              /* it waits for its own memory */
    fail(rig, 0, 1, ERR_IO);
    supply(memory, 0, 3);
    supply(rig, 1, 2);
    ENDS(0, OK);
    CHECK_EQ(address[AT(2)], content_of(2));
    unmap(address, AT(3));
    rig_close(memory);
    rig_close(rig);
}

/* 2.6: early readers: nor does it fail who hangs on the reader that failed. */
TEST(who_hangs_on_a_failed_reader)
{
    struct rig rig = rig_create(3);

    ask_read(0, rig, 0, 3);
    ask_read(1, rig, 2, 1);
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_IO);
    expect_read(rig, 0, 3);                     /* it was unread, and its heir keeps it */
    WAITS(1);
    supply(rig, 2, 1);
    ends_with_content(1);
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- 2.7: giving up. --- */

/* 2.7: kill: a reader that went on leaves no request; another asks for what it needs. */
TEST(a_killed_reader_leaves_nothing)
{
    struct rig rig = rig_create(3);

    ask_read(0, rig, 0, 3);
    expect_read(rig, 0, 3);
    supply(rig, 0, 1);
    has_gone_on(0);
    kill_waiting(0);
    ask_read(0, rig, 1, 2);
    serve_read(rig, 1, 2);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.7: kill: who hangs on it takes the request over, the pager does not notice. */
TEST(the_heir_of_a_reader_that_went_on)
{
    struct rig rig = rig_create(4);

    ask_read(0, rig, 0, 4);
    expect_read(rig, 0, 4);
    ask_read(1, rig, 2, 2);
    supply(rig, 0, 1);
    has_gone_on(0);
    kill_waiting(0);
    expect_silence(rig.port);
    supply(rig, 2, 1);
    has_gone_on(1);
    supply(rig, 3, 1);
    ends_with_content(1);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 2.7: interrupt: a reader that went on ends with CANCELED, its first pages read. */
TEST(an_interrupted_reader_ends)
{
    struct rig rig = rig_create(2);

    ask_read(0, rig, 0, 2);
    expect_read(rig, 0, 2);
    supply(rig, 0, 1);
    has_gone_on(0);
    CHECK_OK(sys_thread_interrupt(accesses[0].thread.handle));
    ENDS(0, ERR_CANCELED);
    CHECK_EQ(accesses[0].buffer[0], content_of(0));
    rig_close(rig);
}

/* 2.8: detach and the pager's end: a reader that went on gets BAD_STATE. */
TEST(the_service_ends_under_a_reader)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig rig = rig_create(2);

        ask_read(0, rig, 0, 2);
        expect_read(rig, 0, 2);
        supply(rig, 0, 1);
        has_gone_on(0);
        if (i == 0)
            detach(rig);
        else
            CLOSE(rig.pager);
        ENDS(0, ERR_BAD_STATE);
        CHECK_EQ(accesses[0].buffer[0], content_of(0));
        if (i == 1)
            rig.pager = new_pager();            /* for rig_close */
        rig_close(rig);
    }
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
