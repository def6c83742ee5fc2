/*
 * t_stream_pager.c: streams that write over a pager's VMO: growing, holes, appends, and writes that
 * wait while something else happens to the VMO.
 *
 * Machine: cpus=4
 */
#include "dirty_rig.h"
#include "exception_rig.h"

#define AT(page) ((uint64_t)(page) * PAGE_SIZE)

/* --- Writers. --- */

static struct writer {
    struct raw_thread thread;
    handle_t stream;
    const uint64_t *offset;             /* NULL: at the position, or the end */
    uint64_t place;
    size_t length;
    volatile size_t actual;
    volatile status_t status;
} writers[4];

static char written[AT(20)];            /* what they write */

static void write_stream(void *argument)
{
    struct writer *writer = argument;

    if (writer->offset)
        writer->status = sys_stream_write_at(writer->stream, written, *writer->offset,
                                             writer->length, (size_t *)&writer->actual);
    else
        writer->status = sys_stream_write(writer->stream, written, writer->length,
                                          (size_t *)&writer->actual);
}

static void writer_prepare(unsigned number, handle_t stream, size_t length)
{
    memset(written, 'w', sizeof written);
    writers[number].stream = stream;
    writers[number].offset = NULL;
    writers[number].length = length;
    writers[number].actual = 77;
    writers[number].status = 1;
}

/* A write by a thread of its own, which waits for the pager. */
static void write_waits(unsigned number, handle_t stream, size_t length)
{
    writer_prepare(number, stream, length);
    raw_thread_start(&writers[number].thread, write_stream, &writers[number]);
    CHECK(comes_true(waits_for_pager, &writers[number].thread.handle));
}

static void write_at_waits(unsigned number, handle_t stream, uint64_t offset, size_t length)
{
    writer_prepare(number, stream, length);
    writers[number].place = offset;
    writers[number].offset = &writers[number].place;
    raw_thread_start(&writers[number].thread, write_stream, &writers[number]);
    CHECK(comes_true(waits_for_pager, &writers[number].thread.handle));
}

static void write_ends(unsigned number, status_t status, size_t actual)
{
    wait_for_end(writers[number].thread.handle);
    CHECK_STATUS(writers[number].status, status);
    CHECK_EQ(writers[number].actual, actual);
}

/* --- VMOs and streams. --- */

static handle_t new_stream(handle_t vmo, uint32_t options)
{
    handle_t stream = HANDLE_INVALID;

    CHECK_OK(sys_stream_create(options, vmo, 0, &stream));
    return stream;
}

static handle_t appender(struct rig rig)
{
    return new_stream(rig.vmo, STREAM_WRITE | STREAM_APPEND);
}

static void write_at(handle_t stream, uint64_t offset, size_t length)
{
    size_t actual = 77;

    memset(written, 'w', sizeof written);
    CHECK_OK(sys_stream_write_at(stream, written, offset, length, &actual));
    CHECK_EQ(actual, length);
}

static struct rig paged(uint64_t bytes, uint32_t options)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };

    CHECK_OK(sys_pager_create_vmo(rig.pager, options, rig.port, RIG_KEY, bytes, &rig.vmo));
    return rig;
}

static void check_sizes(handle_t vmo, uint64_t content, uint64_t pages)
{
    uint64_t size = 77, content_size = 77;

    CHECK_OK(sys_vmo_get_size(vmo, &size));
    CHECK_OK(sys_vmo_get_content_size(vmo, &content_size));
    CHECK_EQ(content_size, content);
    CHECK_EQ(size, AT(pages));
}

static void check_bytes(handle_t vmo, uint64_t offset, uint64_t length, int byte)
{
    CHECK(vmo_is_filled(vmo, offset, length, byte));
}

static void expect_dirty(struct rig rig, uint64_t first, uint64_t count)
{
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, first, count);
}

static void allow(struct rig rig, uint64_t first, uint64_t count)
{
    pager_op(rig, PAGER_OP_DIRTY, first, count, 0);
}

static void close_both(struct rig rig, handle_t stream)
{
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(stream));
    rig_close(rig);
}

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

/* --- Writes that wait. --- */

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
    raw_thread_create(&writers[0].thread);
    bind_to(writers[0].thread.handle, reports);
    raw_thread_go(&writers[0].thread, write_stream, &writers[0]);
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
        raw_thread_create(&writers[0].thread);
        bind_to(writers[0].thread.handle, reports);
        raw_thread_go(&writers[0].thread, write_stream, &writers[0]);
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

/* --- Two processes append records while a slow pager allows, writes back, and loses pages. --- */

enum { RECORDS = 400, APPENDERS = 4, STORE_PAGES = 64 };

struct record {
    uint32_t writer, number;
    char body[92];                      /* 100 bytes: they cross pages */
};

static handle_t log_vmo;

static void append_records(void *argument)
{
    uint32_t writer = (uint32_t)(uintptr_t)argument;
    handle_t stream;

    if (sys_stream_create(STREAM_WRITE | STREAM_APPEND, log_vmo, 0, &stream) != OK)
        return;
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record record = { .writer = writer, .number = i };
        size_t actual = 0;

        for (unsigned j = 0; j < sizeof record.body; j++)
            record.body[j] = (char)(writer * 31 + i + j);
        if (sys_stream_write(stream, &record, sizeof record, &actual) != OK || actual != sizeof record)
            break;                              /* its records are missed */
    }
    sys_handle_close(stream);
}

/* Appenders 0 and 1 are threads of the test, 2 and 3 of this other process. */
int test_helper(int argument_count, char **arguments)
{
    (void)argument_count;
    (void)arguments;
    log_vmo = start_handle(START_USER);
    for (uintptr_t i = 0; i < 2; i++)
        raw_thread_start(&writers[i].thread, append_records, (void *)(i + 2));
    for (unsigned i = 0; i < 2; i++)
        wait_for_end(writers[i].thread.handle);
    return 3;
}

static handle_t store;                  /* what was written back */

static void copy_page(handle_t to, uint64_t to_page, handle_t from, uint64_t from_page)
{
    static char page[PAGE_SIZE];

    CHECK_OK(sys_vmo_read(from, 0, page, AT(from_page), PAGE_SIZE));
    CHECK_OK(sys_vmo_write(to, 0, page, AT(to_page), PAGE_SIZE));
}

/* All that is dirty; `evict`: then the kernel takes pages away, for which it looks at all frames. */
static void write_back(struct rig rig, bool evict)
{
    uint64_t pages = vmo_info(rig.vmo).size_bytes / PAGE_SIZE, evicted;
    vmo_dirty_range_t ranges[8];
    size_t count = 0;

    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(pages), ranges, sizeof ranges,
                                          &count, NULL));
    for (size_t i = 0; i < count; i++) {
        uint64_t first = ranges[i].offset / PAGE_SIZE, number = ranges[i].length / PAGE_SIZE;

        pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, first, number, ranges[i].options);
        for (uint64_t page = first; page < first + number && !ranges[i].options; page++)
            copy_page(store, page, rig.vmo, page);
        end(rig, first, number);
    }
    if (evict)
        CHECK_OK(sys_system_reclaim(system_handle(), pages, &evicted));
}

/* Answer one packet, sometimes a little later, and sometimes write back. */
static void serve(struct rig rig, uint64_t turn)
{
    port_packet_t packet;

    if (sys_port_wait(rig.port, after(SECOND / 1000), &packet) != OK)
        return;
    uint64_t first = packet.page_request.offset / PAGE_SIZE;
    uint64_t count = packet.page_request.length / PAGE_SIZE;

    if (turn % 3 == 0)
        sys_nanosleep(after(SECOND / 5000));
    if (packet.page_request.command == PAGER_VMO_DIRTY) {
        status_t status = sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, AT(first), AT(count), 0);
        CHECK(status == OK || status == ERR_NOT_FOUND);
    } else {
        handle_t aux = new_vmo(count);

        CHECK_EQ(packet.page_request.command, PAGER_VMO_READ);
        for (uint64_t i = 0; i < count; i++)
            copy_page(aux, i, store, first + i);
        CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, AT(first), AT(count), aux, 0));
        CHECK_OK(sys_handle_close(aux));
    }
}

static bool has_ended(handle_t task)
{
    return sys_object_wait_one(task, SIGNAL_TERMINATED, 0, NULL) == OK;
}

/* Supply what is not. */
static bool is_all_there(void *argument)
{
    struct rig *rig = argument;
    uint64_t pages = vmo_info(rig->vmo).size_bytes / PAGE_SIZE;
    char byte;

    for (uint64_t i = 0; i < pages; i++) {
        if (sys_vmo_read(rig->vmo, 0, &byte, AT(i), 1) == OK)
            continue;
        handle_t aux = new_vmo(1);
        copy_page(aux, 0, store, i);
        CHECK_OK(sys_pager_supply_pages(rig->pager, rig->vmo, AT(i), PAGE_SIZE, aux, 0));
        CHECK_OK(sys_handle_close(aux));
        return false;
    }
    return true;
}

static void check_records(handle_t vmo)
{
    static struct record records[RECORDS * APPENDERS];
    uint32_t next[APPENDERS] = { 0 };

    CHECK_EQ(vmo_info(vmo).content_size, sizeof records);
    CHECK_OK(sys_vmo_read(vmo, 0, records, 0, sizeof records));
    for (unsigned i = 0; i < array_size(records); i++) {
        struct record *record = &records[i];

        CHECK(record->writer < APPENDERS);
        CHECK_EQ(record->number, next[record->writer]++);
        for (unsigned j = 0; j < sizeof record->body; j++)
            CHECK_EQ(record->body[j], (char)(record->writer * 31 + record->number + j));
    }
}

/* streams: records that threads of two processes append are neither torn nor lost. */
TEST(records_of_two_processes)
{
    for (uint32_t options = 0; options <= VMO_TRAP_DIRTY; options += VMO_TRAP_DIRTY) {
        struct rig rig = paged(0, VMO_RESIZABLE | options);
        handle_t child, process;
        uint64_t turn = 0;

        log_vmo = rig.vmo;
        store = new_vmo(STORE_PAGES);
        CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
        process = start_helper("append", child);
        for (uintptr_t i = 0; i < 2; i++)
            raw_thread_start(&writers[i].thread, append_records, (void *)i);
        while (!has_ended(process) || !has_ended(writers[0].thread.handle) ||
               !has_ended(writers[1].thread.handle)) {
            serve(rig, turn++);
            if (turn % 2 == 0)
                write_back(rig, turn % 32 == 0);
        }
        for (unsigned i = 0; i < 2; i++)
            wait_for_end(writers[i].thread.handle);
        CHECK_EQ(exit_code_of(process), 3);
        CHECK(comes_true(is_all_there, &rig));
        check_records(rig.vmo);
        expect_silence(rig.port);
        CHECK_OK(sys_handle_close(store));
        rig_close(rig);
    }
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
