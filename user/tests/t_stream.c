/*
 * t_stream.c: streams: the position and who shares it, growing, appending, and pages that do not
 * come.
 *
 * Machine: cpus=4 append=pager_timeout=3
 */
#include "common.h"

static char bytes[3 * PAGE_SIZE], back[3 * PAGE_SIZE];

/* A VMO with so much content. */
static handle_t new_file(uint64_t content, uint32_t options)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_vmo_create(content, options, &vmo));
    CHECK_OK(sys_vmo_set_content_size(vmo, content));
    return vmo;
}

static handle_t new_stream(handle_t vmo, uint32_t options)
{
    handle_t stream = HANDLE_INVALID;

    CHECK_OK(sys_stream_create(options, vmo, 0, &stream));
    return stream;
}

static uint64_t position_of(handle_t stream)
{
    uint64_t position = UINT64_MAX;

    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_CURRENT, 0, &position));
    return position;
}

static uint64_t content_of(handle_t vmo)
{
    uint64_t size = UINT64_MAX;

    CHECK_OK(sys_vmo_get_content_size(vmo, &size));
    return size;
}

/* --- Refusals. --- */

TEST(create_refusals)
{
    handle_t vmo = new_file(10, 0), weak, out = 77;

    CHECK_STATUS(sys_stream_create(STREAM_READ, HANDLE_INVALID, 0, &out), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_stream_create(STREAM_READ, process_self(), 0, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_stream_create(0, vmo, 0, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_stream_create(STREAM_READ | 8, vmo, 0, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_stream_create(STREAM_READ | STREAM_APPEND, vmo, 0, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_stream_create(STREAM_READ, vmo, UINT64_MAX, &out), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_stream_create(STREAM_READ, vmo, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_duplicate(vmo, RIGHT_READ, &weak));
    CHECK_STATUS(sys_stream_create(STREAM_READ | STREAM_WRITE, weak, 0, &out), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_duplicate(vmo, RIGHT_WRITE, &weak));
    CHECK_STATUS(sys_stream_create(STREAM_READ, weak, 0, &out), ERR_ACCESS_DENIED);
    CHECK_EQ(out, 77);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(read_refusals_move_nothing)
{
    handle_t vmo = new_file(10, 0), stream = new_stream(vmo, STREAM_READ | STREAM_WRITE);
    handle_t writer = new_stream(vmo, STREAM_WRITE);
    size_t actual = 77;

    CHECK_STATUS(sys_stream_read(HANDLE_INVALID, back, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_stream_read(vmo, back, 4, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_stream_read(writer, back, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_stream_read_at(HANDLE_INVALID, back, 0, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_stream_read_at(vmo, back, 0, 4, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_stream_read_at(writer, back, 0, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_EQ(actual, 77);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        if (bad_pointer(i) != edge() - 2) {
            CHECK_STATUS(sys_stream_read(stream, bad_pointer(i), 4, &actual), ERR_INVALID_ARGS);
            CHECK_STATUS(sys_stream_read_at(stream, bad_pointer(i), 0, 4, &actual),
                         ERR_INVALID_ARGS);
        }
        if (i != BAD_NULL) {
            CHECK_STATUS(sys_stream_read(stream, back, 4, bad_pointer(i)), ERR_INVALID_ARGS);
            CHECK_STATUS(sys_stream_read_at(stream, back, 0, 4, bad_pointer(i)), ERR_INVALID_ARGS);
        }
    }
    CHECK_EQ(position_of(stream), 0);
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(write_refusals_change_nothing)
{
    handle_t vmo = new_file(10, VMO_RESIZABLE), stream = new_stream(vmo,
                                                                    STREAM_READ | STREAM_WRITE);
    handle_t reader = new_stream(vmo, STREAM_READ);
    size_t actual = 77;

    CHECK_STATUS(sys_stream_write(HANDLE_INVALID, bytes, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_stream_write(vmo, bytes, 4, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_stream_write(reader, bytes, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_stream_write_at(HANDLE_INVALID, bytes, 0, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_stream_write_at(vmo, bytes, 0, 4, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_stream_write_at(reader, bytes, 0, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_EQ(actual, 77);
    for (unsigned i = 0; i < BAD_INPUTS; i++) {
        if (bad_pointer(i) != edge() - 2) {
            CHECK_STATUS(sys_stream_write(stream, bad_pointer(i), 400, &actual), ERR_INVALID_ARGS);
            CHECK_STATUS(sys_stream_write_at(stream, bad_pointer(i), 8, 400, &actual),
                         ERR_INVALID_ARGS);
        }
        if (i != BAD_NULL) {
            CHECK_STATUS(sys_stream_write(stream, bytes, 400, bad_pointer(i)), ERR_INVALID_ARGS);
            CHECK_STATUS(sys_stream_write_at(stream, bytes, 8, 400, bad_pointer(i)),
                         ERR_INVALID_ARGS);
        }
    }
    CHECK_STATUS(sys_stream_write_at(stream, bytes, VMO_SIZE_MAX, 1, &actual), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_stream_write_at(stream, bytes, UINT64_MAX, 1, &actual), ERR_OUT_OF_RANGE);
    CHECK_EQ(position_of(stream), 0);
    CHECK_EQ(content_of(vmo), 10);
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_START, INT64_MAX, NULL));
    CHECK_STATUS(sys_stream_write(stream, bytes, 1, &actual), ERR_OUT_OF_RANGE);
    CHECK_EQ(position_of(stream), INT64_MAX);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(what_cannot_grow_is_full)
{
    handle_t vmo = new_file(PAGE_SIZE, 0), stream = new_stream(vmo, STREAM_WRITE);
    size_t actual = 77;

    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_START, PAGE_SIZE - 3, NULL));
    CHECK_OK(sys_stream_write(stream, bytes, 10, &actual));     /* what fits */
    CHECK_EQ(actual, 3);
    CHECK_STATUS(sys_stream_write(stream, bytes, 10, &actual), ERR_NO_SPACE);
    CHECK_EQ(actual, 0);
    CHECK_STATUS(sys_stream_write_at(stream, bytes, PAGE_SIZE, 1, &actual), ERR_NO_SPACE);
    CHECK_EQ(position_of(stream), PAGE_SIZE);
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(seek_refusals)
{
    handle_t vmo = new_file(10, 0), stream = new_stream(vmo, STREAM_READ), weak;
    uint64_t position = 77;

    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_START, 3, NULL));
    CHECK_STATUS(sys_stream_seek(HANDLE_INVALID, 0, 0, &position), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_stream_seek(vmo, 0, 0, &position), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_duplicate(stream, RIGHT_WAIT, &weak));
    CHECK_STATUS(sys_stream_seek(weak, 0, 0, &position), ERR_ACCESS_DENIED);
    CHECK_EQ(position, 77);
    CHECK_STATUS(sys_stream_seek(stream, 3, 0, NULL), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_stream_seek(stream, STREAM_SEEK_START, -1, NULL), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_stream_seek(stream, STREAM_SEEK_CURRENT, -4, NULL), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_stream_seek(stream, STREAM_SEEK_CURRENT, INT64_MAX, NULL), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_stream_seek(stream, STREAM_SEEK_END, INT64_MIN, NULL), ERR_OUT_OF_RANGE);
    for (unsigned i = 1; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_stream_seek(stream, STREAM_SEEK_START, 0, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    CHECK_EQ(position_of(stream), 3);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

/* --- The position. --- */

TEST(reading_and_writing_advance)
{
    handle_t vmo = new_file(0, VMO_RESIZABLE), stream = new_stream(vmo, STREAM_READ | STREAM_WRITE);
    uint64_t position;
    size_t actual;

    CHECK_OK(sys_random(bytes, sizeof bytes));
    CHECK_OK(sys_stream_write(stream, bytes, 5000, &actual));
    CHECK_EQ(actual, 5000);
    CHECK_OK(sys_stream_write(stream, bytes + 5000, 1000, NULL));
    CHECK_EQ(position_of(stream), 6000);
    CHECK_EQ(content_of(vmo), 6000);
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_END, -5999, &position));
    CHECK_EQ(position, 1);
    CHECK_OK(sys_stream_read(stream, back, 10, &actual));
    CHECK_OK(sys_stream_read(stream, back + 10, sizeof back, &actual));
    CHECK_EQ(actual, 5989);
    CHECK(memcmp(back, bytes + 1, 5999) == 0);
    CHECK_OK(sys_stream_read(stream, back, 10, &actual));
    CHECK_EQ(actual, 0);                        /* the end */
    CHECK_OK(sys_stream_read_at(stream, back, 100, 50, &actual));
    CHECK(actual == 50 && memcmp(back, bytes + 100, 50) == 0);
    CHECK_OK(sys_stream_read_at(stream, back, UINT64_MAX, 50, &actual));
    CHECK_EQ(actual, 0);
    CHECK_EQ(position_of(stream), 6000);        /* the _at calls leave it alone */
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_hole_reads_as_zero)
{
    handle_t vmo = new_file(0, VMO_RESIZABLE), stream = new_stream(vmo, STREAM_READ | STREAM_WRITE);
    size_t actual;

    memset(bytes, 1, sizeof bytes);
    CHECK_OK(sys_stream_write(stream, bytes, 100, NULL));
    CHECK_OK(sys_vmo_set_content_size(vmo,
                                      10));                /* the rest stays in the page, unseen */
    CHECK_OK(sys_stream_write_at(stream, bytes, 9000, 1, NULL));
    CHECK_EQ(content_of(vmo), 9001);
    CHECK_OK(sys_stream_read_at(stream, back, 0, 9001, &actual));
    CHECK_EQ(actual, 9001);
    for (unsigned i = 0; i < 9001; i++)
        CHECK_EQ(back[i], i < 10 || i == 9000);
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

int test_helper(int argument_count, char **arguments)
{
    char four[4];
    size_t actual;

    (void)argument_count;
    (void)arguments;
    if (sys_stream_read(start_handle(START_USER), four, 4, &actual) != OK || actual != 4)
        return 1;
    return four[0];
}

TEST(processes_share_the_position)
{
    handle_t vmo = new_file(10, 0), stream = new_stream(vmo, STREAM_READ), copy;

    CHECK_OK(sys_vmo_write(vmo, 0, "0123456789", 0, 10));
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_START, 2, NULL));
    CHECK_OK(sys_handle_duplicate(stream, RIGHT_SAME_RIGHTS, &copy));
    CHECK_EQ(exit_code_of(start_helper("read", copy)), '2');
    CHECK_EQ(position_of(stream), 6);
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Several threads. --- */

enum { THREADS = 4, EACH = 500 };

static struct raw_thread threads[THREADS];
static handle_t shared;
static atomic_uint seen[THREADS * EACH], strange;

static void read_numbers(void *argument)
{
    uint32_t number;
    size_t actual;

    (void)argument;
    while (sys_stream_read(shared, (void *)&number, sizeof number, &actual) == OK && actual > 0) {
        if (actual != sizeof number || number >= array_size(seen))
            strange++;
        else
            seen[number]++;
    }
}

static void run_all(void (*function)(void *))
{
    strange = 0;
    for (uintptr_t i = 0; i < THREADS; i++)
        raw_thread_start(&threads[i], function, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        wait_for_end(threads[i].handle);
    CHECK_EQ(strange, 0);
}

static void check_each_seen_once(void)
{
    for (unsigned i = 0; i < array_size(seen); i++)
        CHECK_EQ(seen[i], 1);
}

TEST(readers_of_one_stream_get_different_bytes)
{
    handle_t vmo = new_file(sizeof(uint32_t) * array_size(seen), 0);

    for (uint32_t i = 0; i < array_size(seen); i++) {
        seen[i] = 0;
        CHECK_OK(sys_vmo_write(vmo, 0, &i, i * sizeof i, sizeof i));
    }
    shared = new_stream(vmo, STREAM_READ);
    run_all(read_numbers);
    check_each_seen_once();
    CHECK_OK(sys_handle_close(shared));
    CHECK_OK(sys_handle_close(vmo));
}

static void append_numbers(void *argument)
{
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t number = (uintptr_t)argument * EACH + i;
        size_t actual;

        if (sys_stream_write(shared, &number, sizeof number, &actual) != OK ||
            actual != sizeof number)
            strange++;
    }
}

static void check_writers(uint32_t options)
{
    handle_t vmo = new_file(0, VMO_RESIZABLE);
    uint32_t number;

    memset((void *)seen, 0, sizeof seen);
    shared = new_stream(vmo, options);
    run_all(append_numbers);
    CHECK_EQ(content_of(vmo), sizeof number * array_size(seen));
    for (unsigned i = 0; i < array_size(seen); i++) {
        CHECK_OK(sys_vmo_read(vmo, 0, &number, i * sizeof number, sizeof number));
        CHECK(number < array_size(seen));
        seen[number]++;
    }
    check_each_seen_once();
    CHECK_OK(sys_handle_close(shared));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(writers_of_one_stream_never_overlap)
{
    check_writers(STREAM_WRITE);
}

TEST(appends_never_overlap)
{
    check_writers(STREAM_WRITE | STREAM_APPEND);
}

TEST(append_goes_to_the_end)
{
    handle_t vmo = new_file(10, VMO_RESIZABLE), stream = new_stream(vmo,
                                                                    STREAM_WRITE | STREAM_APPEND);

    CHECK_OK(sys_stream_write(stream, bytes, 5, NULL));
    CHECK_EQ(position_of(stream), 15);
    CHECK_OK(sys_stream_seek(stream, STREAM_SEEK_START, 0, NULL));
    CHECK_OK(sys_stream_write(stream, bytes, 5, NULL));
    CHECK_EQ(content_of(vmo), 20);
    CHECK_OK(sys_handle_close(stream));
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Pages that do not come: each call tells why, and is undone. --- */

static handle_t pager, port, paged;
static _Atomic status_t result;

static void transfer(void *argument)
{
    size_t actual;

    switch ((uintptr_t)argument) {
    case 0: result = sys_stream_read(shared, back, 4, &actual); break;
    case 1: result = sys_stream_read_at(shared, back, 4, 4, &actual); break;
    case 2: result = sys_stream_write(shared, bytes, 4, &actual); break;
    case 3: result = sys_stream_write_at(shared, bytes, 4, 4, &actual); break;
    }
}

/* Start transfer number `which` on a fresh VMO and see its page request. */
static void start_paged(uintptr_t which)
{
    port_packet_t packet;

    port = new_port();
    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, PAGE_SIZE, &paged));
    shared = new_stream(paged, STREAM_READ | STREAM_WRITE);
    result = 1;
    raw_thread_start(&threads[0], transfer, (void *)which);
    CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
    CHECK(packet.type == PKT_PAGE_REQUEST && packet.page_request.command == PAGER_VMO_READ);
    wait_until_asleep(threads[0].handle);
}

static void end_paged(status_t expected)
{
    wait_for_end(threads[0].handle);
    CHECK_STATUS(result, expected);
    CHECK_EQ(position_of(shared), 0);
    CHECK_EQ(content_of(paged), PAGE_SIZE);
    CHECK_OK(sys_handle_close(shared));
    CHECK_OK(sys_handle_close(paged));
    CHECK_OK(sys_handle_close(pager));
    CHECK_OK(sys_handle_close(port));
}

TEST(the_pager_may_fail)
{
    COVERS("stream_read", IO);
    COVERS("stream_read_at", IO);
    COVERS("stream_write", IO);
    COVERS("stream_write_at", IO);
    for (unsigned which = 0; which < 4; which++) {
        start_paged(which);
        CHECK_OK(sys_pager_op_range(pager, PAGER_OP_FAIL, paged, 0, PAGE_SIZE, (uint64_t)ERR_IO));
        end_paged(ERR_IO);
    }
}

TEST(the_pager_may_detach)
{
    COVERS("stream_read", BAD_STATE);
    COVERS("stream_read_at", BAD_STATE);
    COVERS("stream_write", BAD_STATE);
    COVERS("stream_write_at", BAD_STATE);
    for (unsigned which = 0; which < 4; which++) {
        start_paged(which);
        CHECK_OK(sys_pager_detach_vmo(pager, paged));
        end_paged(ERR_BAD_STATE);
    }
}

TEST(the_pager_may_be_silent)
{
    COVERS("stream_read", TIMED_OUT);
    COVERS("stream_read_at", TIMED_OUT);
    COVERS("stream_write", TIMED_OUT);
    COVERS("stream_write_at", TIMED_OUT);
    for (unsigned which = 0; which < 4; which++) {
        start_paged(which);
        if (sys_object_wait_one(threads[0].handle, SIGNAL_TERMINATED, after(PATIENCE),
                                NULL) != OK) {
            CHECK_OK(sys_task_kill(threads[0].handle));
            end_paged(1);
            test_skip("this machine's kernel has no short pager_timeout");
        }
        end_paged(ERR_TIMED_OUT);
    }
}

TEST(the_thread_may_be_killed)
{
    COVERS("stream_read",
           CANCELED);            /* ends the call of a thread that is killed: it dies there */
    COVERS("stream_read_at", CANCELED);
    COVERS("stream_write", CANCELED);
    COVERS("stream_write_at", CANCELED);
    for (unsigned which = 0; which < 4; which++) {
        start_paged(which);
        CHECK_OK(sys_task_kill(threads[0].handle));
        end_paged(1);
    }
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
