/*
 * stream_rig.h: streams over a pager's VMOs, and threads that write to them and wait.
 */
#pragma once

#include "dirty_rig.h"

/* --- Writers. --- */

static struct stream_writer {
    struct raw_thread thread;
    handle_t stream;
    const uint64_t *offset;             /* NULL: at the position, or the end */
    uint64_t place;
    size_t length;
    volatile size_t actual;
    volatile status_t status;
} writers[4];

static char written[AT(20)];            /* what they write */

static inline void write_stream(void *argument)
{
    struct stream_writer *writer = argument;

    if (writer->offset)
        writer->status = sys_stream_write_at(writer->stream, written, *writer->offset,
                                             writer->length, (size_t *)&writer->actual);
    else
        writer->status = sys_stream_write(writer->stream, written, writer->length,
                                          (size_t *)&writer->actual);
}

static inline void writer_prepare(unsigned number, handle_t stream, size_t length)
{
    memset(written, 'w', sizeof written);
    writers[number].stream = stream;
    writers[number].offset = NULL;
    writers[number].length = length;
    writers[number].actual = 77;
    writers[number].status = 1;
}

/* A write by a thread of its own, which waits for the pager. */
static inline void write_waits(unsigned number, handle_t stream, size_t length)
{
    writer_prepare(number, stream, length);
    raw_thread_start(&writers[number].thread, write_stream, &writers[number]);
    CHECK(comes_true(waits_for_pager, &writers[number].thread.handle));
}

static inline void write_at_waits(unsigned number, handle_t stream, uint64_t offset, size_t length)
{
    writer_prepare(number, stream, length);
    writers[number].place = offset;
    writers[number].offset = &writers[number].place;
    raw_thread_start(&writers[number].thread, write_stream, &writers[number]);
    CHECK(comes_true(waits_for_pager, &writers[number].thread.handle));
}

static inline void write_ends(unsigned number, status_t status, size_t actual)
{
    wait_for_end(writers[number].thread.handle);
    CHECK_STATUS(writers[number].status, status);
    CHECK_EQ(writers[number].actual, actual);
}

/* --- VMOs and streams. --- */

static inline handle_t new_stream(handle_t vmo, uint32_t options)
{
    handle_t stream = HANDLE_INVALID;

    CHECK_OK(sys_stream_create(options, vmo, 0, &stream));
    return stream;
}

static inline handle_t appender(struct rig rig)
{
    return new_stream(rig.vmo, STREAM_WRITE | STREAM_APPEND);
}

static inline void write_at(handle_t stream, uint64_t offset, size_t length)
{
    size_t actual = 77;

    memset(written, 'w', sizeof written);
    CHECK_OK(sys_stream_write_at(stream, written, offset, length, &actual));
    CHECK_EQ(actual, length);
}

static inline struct rig paged(uint64_t bytes, uint32_t options)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };

    CHECK_OK(sys_pager_create_vmo(rig.pager, options, rig.port, RIG_KEY, bytes, &rig.vmo));
    return rig;
}

static inline void check_sizes(handle_t vmo, uint64_t content, uint64_t pages)
{
    uint64_t size = 77, content_size = 77;

    CHECK_OK(sys_vmo_get_size(vmo, &size));
    CHECK_OK(sys_vmo_get_content_size(vmo, &content_size));
    CHECK_EQ(content_size, content);
    CHECK_EQ(size, AT(pages));
}

static inline void check_bytes(handle_t vmo, uint64_t offset, uint64_t length, int byte)
{
    CHECK(vmo_is_filled(vmo, offset, length, byte));
}

static inline void close_both(struct rig rig, handle_t stream)
{
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(stream));
    rig_close(rig);
}
