/*
 * t_stream_waiting.c: streams that write over a pager's VMO: writes that wait while something else happens to the VMO.
 *
 * Machine: cpus=4
 */
#include "exception_rig.h"
#include "stream_rig.h"

/* streams: appends that wait for the same tail: one packet, and they follow one another. */
TEST(two_appends_wait_for_one_tail)
{
    struct rig rig = paged(100, VMO_RESIZABLE);
    handle_t stream = appender(rig), other = appender(rig);

    write_waits(0, stream, 50);
    write_waits(1, other, 60);
    expect_read(rig, 0, 1);
    expect_silence(rig.port);
    supply(rig, 0, 1);
    write_ends(0, OK, 50);
    write_ends(1, OK, 60);
    check_sizes(rig.vmo, 210, 1);
    check_bytes(rig.vmo, 0, 100, content_of(0));
    check_bytes(rig.vmo, 100, 110, 'w');
    CHECK_OK(sys_handle_close(other));
    close_both(rig, stream);
}

/* streams: no lock is held meanwhile: sizes can be set, and the append goes to the end that it then finds. */
TEST(the_end_moves_while_an_append_waits)
{
    struct rig rig = paged(AT(2) + 100, VMO_RESIZABLE);
    handle_t stream = appender(rig);

    write_waits(0, stream, 50);
    expect_read(rig, 2, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1)));
    write_ends(0, OK, 50);                      /* behind a whole page: no tail */
    check_sizes(rig.vmo, AT(1) + 50, 2);
    CHECK(dirty_is(rig, "1+1"));
    close_both(rig, stream);
}

/* streams: a writer that is killed or interrupted before its place is settled changed nothing, and
 * who waits for the same page goes on. */
TEST(leaving_before_anything_is_reserved)
{
    struct rig rig = paged(100, VMO_RESIZABLE);
    handle_t stream = appender(rig), other = appender(rig), reports = new_port();

    writer_prepare(0, stream, 50);
    raw_thread_start_bound(&writers[0].thread, reports, write_stream, &writers[0]);
    CHECK(comes_true(waits_for_pager, &writers[0].thread.handle));
    write_waits(1, other, 60);
    write_waits(2, other, 70);
    CHECK_OK(sys_thread_interrupt(writers[0].thread.handle));
    expect_report(reports, writers[0].thread.handle, EXCEPTION_INTERRUPT, OK);
    CHECK_OK(sys_exception_resume(writers[0].thread.handle, EXCEPTION_RETRY));
    write_ends(0, ERR_CANCELED, 0);
    kill_asleep(&writers[1].thread);
    check_sizes(rig.vmo, 100, 1);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    write_ends(2, OK, 70);
    check_sizes(rig.vmo, 170, 1);
    CHECK_OK(sys_handle_close(reports));
    CHECK_OK(sys_handle_close(other));
    close_both(rig, stream);
}

/* streams: one that is interrupted in the middle is short; one that is killed leaves what it wrote. */
TEST(leaving_in_the_middle)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig), reports = new_port();

    for (uint64_t round = 0; round < 2; round++) {
        writer_prepare(0, stream, AT(17));
        raw_thread_start_bound(&writers[0].thread, reports, write_stream, &writers[0]);
        expect_dirty(rig, 16 * round, 16);
        allow(rig, 16 * round, 16);
        expect_dirty(rig, 16 * round + 16, 1);
        CHECK(comes_true(waits_for_pager, &writers[0].thread.handle));
        if (round == 0) {
            CHECK_OK(sys_thread_interrupt(writers[0].thread.handle));
            expect_report(reports, writers[0].thread.handle, EXCEPTION_INTERRUPT, OK);
            CHECK_OK(sys_exception_resume(writers[0].thread.handle, EXCEPTION_RETRY));
            write_ends(0, OK, AT(16));
        } else {
            kill_asleep(&writers[0].thread);
        }
        check_sizes(rig.vmo, AT(16 * round + 16), 16 * round + 17);
    }
    CHECK_OK(sys_handle_close(reports));
    close_both(rig, stream);
}

/* streams: detaching ends the wait for the tail with BAD_STATE; what needs no page still goes. */
TEST(detaching_under_a_write)
{
    struct rig rig = paged(100, VMO_RESIZABLE);
    handle_t stream = appender(rig);

    write_waits(0, stream, 50);
    expect_read(rig, 0, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    write_ends(0, ERR_BAD_STATE, 0);
    check_sizes(rig.vmo, 100, 1);
    expect_complete(rig);
    CHECK_STATUS(sys_stream_write(stream, written, 50, NULL), ERR_BAD_STATE);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 0));
    CHECK_OK(sys_stream_write(stream, written, 50, NULL));
    check_sizes(rig.vmo, 50, 1);
    close_both(rig, stream);
}

/* streams: a pager that detaches, with TRAP_DIRTY, in the middle of a write: it is short. */
TEST(detaching_in_the_middle)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig);

    write_waits(0, stream, AT(17));
    expect_dirty(rig, 0, 16);
    allow(rig, 0, 16);
    expect_dirty(rig, 16, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    write_ends(0, OK, AT(16));
    check_sizes(rig.vmo, AT(16), 17);
    expect_complete(rig);
    CHECK_STATUS(sys_stream_write(stream, written, 1, NULL), ERR_BAD_STATE);
    check_sizes(rig.vmo, AT(16), 17);
    close_both(rig, stream);
}

/* streams: a VMO that shrinks under a write cuts it off as if it had shrunk afterwards. */
TEST(shrinking_under_a_write)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = new_stream(rig.vmo, STREAM_WRITE);
    uint64_t position = 77;

    for (uint64_t left = 0; left < 2; left++) {
        write_at_waits(0, stream, 0, AT(3));
        expect_dirty(rig, 0, 3);
        CHECK_OK(sys_vmo_set_size(rig.vmo, AT(left)));
        if (left > 0)
            allow(rig, 0, left);                /* what is still owed */
        write_ends(0, OK, AT(3));
        check_sizes(rig.vmo, AT(left), left);
    }
    check_bytes(rig.vmo, 0, AT(1), 'w');
    write_waits(0, stream, AT(3));
    expect_dirty(rig, 1, 2);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 0));
    write_ends(0, OK, AT(3));
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_CURRENT, 0, &position));
    CHECK_EQ(position, AT(3));
    close_both(rig, stream);
}

/* streams: a content size that is set under a write stays, however the write ends. */
TEST(setting_the_content_size_under_a_write)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig);

    for (unsigned round = 0; round < 2; round++) {
        write_waits(0, stream, AT(2));
        expect_dirty(rig, 0, 2);
        CHECK_OK(sys_vmo_set_content_size(rig.vmo, 10));
        if (round == 0)
            fail(rig, 0, 2, ERR_NO_SPACE);
        else
            allow(rig, 0, 2);
        write_ends(0, round == 0 ? ERR_NO_SPACE : OK, round == 0 ? 0 : AT(2));
        check_sizes(rig.vmo, 10, 2);
        CHECK_OK(sys_vmo_set_size(rig.vmo, 0));
    }
    close_both(rig, stream);
}

/* streams: content that a failed write grew is not taken away from who wrote in it meanwhile. */
TEST(a_failed_write_takes_nothing_from_others)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig), other = new_stream(rig.vmo, STREAM_WRITE);

    write_waits(0, stream, AT(4));
    expect_dirty(rig, 0, 4);
    allow(rig, 2, 1);
    write_at(other, AT(2), 10);
    fail(rig, 0, 4, ERR_NO_SPACE);
    write_ends(0, ERR_NO_SPACE, 0);
    check_sizes(rig.vmo, AT(4), 4);
    check_bytes(rig.vmo, AT(2), 10, 'w');
    CHECK_OK(sys_handle_close(other));
    close_both(rig, stream);
}

/* streams: appends that all fail, the last one first, leave the content as it was. */
TEST(failed_appends_leave_no_trace)
{
    struct rig rig = paged(0, VMO_RESIZABLE | VMO_TRAP_DIRTY);
    handle_t stream = appender(rig);

    for (unsigned i = 0; i < 3; i++)
        write_waits(i, stream, AT(1));
    check_sizes(rig.vmo, AT(3), 3);
    for (unsigned i = 3; i-- > 0;) {
        fail(rig, i, 1, ERR_NO_SPACE);
        write_ends(i, ERR_NO_SPACE, 0);
        check_sizes(rig.vmo, AT(i), 3);
    }
    close_both(rig, stream);                    /* no packet was read: all are withdrawn */
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
