/*
 * t_pipe.c: pipes: bytes in order, waiting for bytes and room, whole small writes, and both ends'
 * close.
 *
 * Machine: cpus=4
 */
#include "common.h"

enum { CAPACITY = 65536, ATOMIC = 4096 };

static handle_t reader, writer;
static char bytes[4 * CAPACITY], back[4 * CAPACITY];

static void open_pipe(void)
{
    CHECK_OK(sys_pipe_create(0, &reader, &writer));
}

static void close_pipe(void)
{
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(writer));
}

static signals_t signals_of(handle_t handle)
{
    signals_t signals = 0;

    sys_object_wait_one(handle, 0, 0, &signals);
    return signals;
}

static void put(size_t length)
{
    size_t actual = 0;

    CHECK_OK(sys_pipe_write(writer, bytes, length, &actual));
    CHECK_EQ(actual, length);
}

/* Take exactly this many bytes, which must be there. */
static void take(size_t length)
{
    size_t actual;

    for (size_t done = 0; done < length; done += actual) {
        CHECK_OK(sys_pipe_read(reader, back + done, length - done, &actual));
        CHECK(actual > 0);
    }
}

static void check_empty(void)
{
    CHECK_EQ(signals_of(reader) & SIGNAL_READABLE, 0);
}

/* --- Refusals. --- */

TEST(create_refusals)
{
    handle_t a = 77, b = 77;
    uint32_t before = open_handles();

    CHECK_STATUS(sys_pipe_create(1, &a, &b), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_pipe_create(0, bad_pointer(i), &b), ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pipe_create(0, &b, bad_pointer(i)), ERR_INVALID_ARGS);
    }
    CHECK_EQ(a, 77);
    CHECK_EQ(open_handles(), before);
}

TEST(read_refusals_take_nothing)
{
    handle_t event = new_event(), weak;
    size_t actual = 77;

    open_pipe();
    put(4);
    CHECK_STATUS(sys_pipe_read(HANDLE_INVALID, back, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pipe_read(event, back, 4, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pipe_read(writer, back, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_duplicate(reader, RIGHT_WAIT, &weak));
    CHECK_STATUS(sys_pipe_read(weak, back, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_EQ(actual, 77);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        if (bad_pointer(i) != edge() - 2)
            CHECK_STATUS(sys_pipe_read(reader, bad_pointer(i), 4, &actual), ERR_INVALID_ARGS);
        if (i != BAD_NULL)
            CHECK_STATUS(sys_pipe_read(reader, back, 4, bad_pointer(i)), ERR_INVALID_ARGS);
    }
    take(4);
    check_empty();
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    close_pipe();
}

TEST(write_refusals_put_nothing)
{
    handle_t event = new_event(), weak;
    size_t actual = 77;

    open_pipe();
    CHECK_STATUS(sys_pipe_write(HANDLE_INVALID, bytes, 4, &actual), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pipe_write(event, bytes, 4, &actual), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pipe_write(reader, bytes, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_duplicate(writer, RIGHT_WAIT, &weak));
    CHECK_STATUS(sys_pipe_write(weak, bytes, 4, &actual), ERR_ACCESS_DENIED);
    CHECK_EQ(actual, 77);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_pipe_write(writer, bad_pointer(i), 4, &actual), ERR_INVALID_ARGS);
    for (unsigned i = 1; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_pipe_write(writer, bytes, 4, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pipe_write(writer, edge() - ATOMIC + 1, ATOMIC, &actual), ERR_INVALID_ARGS);
    check_empty();
    CHECK_OK(sys_handle_close(reader));
    CHECK_STATUS(sys_pipe_write(writer, bytes, 4, &actual), ERR_PEER_CLOSED);
    CHECK_STATUS(sys_pipe_write(writer, bytes, CAPACITY, NULL), ERR_PEER_CLOSED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(writer));
}

/* --- Bytes. --- */

TEST(bytes_come_in_order)
{
    static const size_t sizes[] = { 1, 5, 4095, 4096, 4097, 10000, CAPACITY };

    CHECK_OK(sys_random(bytes, sizeof bytes));
    open_pipe();
    for (unsigned i = 0; i < array_size(sizes); i++) {
        put(sizes[i]);
        memset(back, 0, sizes[i]);
        take(sizes[i]);
        CHECK(memcmp(bytes, back, sizes[i]) == 0);
        check_empty();
    }
    close_pipe();
}

TEST(a_read_takes_what_is_there)
{
    size_t actual;

    open_pipe();
    memset(back, 1, sizeof back);               /* so that no page is missing */
    put(10);
    CHECK_OK(sys_pipe_read(reader, back, 0, &actual));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_pipe_read(reader, back, sizeof back, &actual));
    CHECK_EQ(actual, 10);
    put(10);
    CHECK_OK(sys_pipe_read(reader, back, 4, &actual));
    CHECK_EQ(actual, 4);
    CHECK_OK(sys_pipe_read(reader, back + 4, 100, &actual));
    CHECK_EQ(actual, 6);
    CHECK(memcmp(back, bytes, 10) == 0);
    CHECK_OK(sys_pipe_write(writer, NULL, 0, &actual));
    CHECK_EQ(actual, 0);
    check_empty();
    close_pipe();
}

TEST(a_long_write_from_memory_that_ends_puts_what_there_is)
{
    size_t actual;

    open_pipe();
    memset(edge() - ATOMIC, 'm', ATOMIC);
    CHECK_OK(sys_pipe_write(writer, edge() - ATOMIC, 2 * ATOMIC, &actual));
    CHECK_EQ(actual, ATOMIC);
    take(ATOMIC);
    CHECK(back[0] == 'm' && back[ATOMIC - 1] == 'm');
    check_empty();
    close_pipe();
}

TEST(signals_show_bytes_and_room)
{
    open_pipe();
    CHECK_EQ(signals_of(reader), 0);
    CHECK_EQ(signals_of(writer), SIGNAL_WRITABLE);
    put(CAPACITY - ATOMIC);
    CHECK_EQ(signals_of(reader), SIGNAL_READABLE);
    CHECK_EQ(signals_of(writer), SIGNAL_WRITABLE);
    put(1);
    CHECK_EQ(signals_of(writer), 0);
    take(1);
    CHECK_EQ(signals_of(writer), SIGNAL_WRITABLE);
    take(CAPACITY - ATOMIC);
    CHECK_EQ(signals_of(reader), 0);
    close_pipe();
}

/* --- The end. --- */

TEST(without_writers_a_read_ends)
{
    size_t actual = 77;
    handle_t second;

    open_pipe();
    CHECK_OK(sys_handle_duplicate(writer, RIGHT_SAME_RIGHTS, &second));
    put(3);
    CHECK_OK(sys_handle_close(writer));
    CHECK_EQ(signals_of(reader), SIGNAL_READABLE);              /* the second is still a writer */
    CHECK_OK(sys_handle_close(second));
    CHECK_EQ(signals_of(reader), SIGNAL_READABLE | SIGNAL_PEER_CLOSED);
    take(3);
    CHECK_EQ(signals_of(reader), SIGNAL_READABLE | SIGNAL_PEER_CLOSED);
    CHECK_OK(sys_pipe_read(reader, back, 10, &actual));
    CHECK_EQ(actual, 0);
    CHECK_OK(sys_handle_close(reader));
}

TEST(without_readers_the_writer_is_told)
{
    open_pipe();
    put(3);
    CHECK_OK(sys_handle_close(reader));
    CHECK_EQ(signals_of(writer), SIGNAL_PEER_CLOSED);
    CHECK_OK(sys_handle_close(writer));
}

/* --- Threads that wait. --- */

struct transfer {
    size_t length, actual;
    _Atomic status_t status;
    struct raw_thread thread;
};

static struct transfer transfers[4];

static void read_once(void *argument)
{
    struct transfer *transfer = argument;

    transfer->status = sys_pipe_read(reader, back, transfer->length, &transfer->actual);
}

static void write_once(void *argument)
{
    struct transfer *transfer = argument;

    transfer->status = sys_pipe_write(writer, bytes, transfer->length, &transfer->actual);
}

static void start_transfer(struct transfer *transfer, void (*function)(void *), size_t length)
{
    transfer->length = length;
    transfer->actual = 77;
    transfer->status = 1;
    raw_thread_start(&transfer->thread, function, transfer);
    wait_until_asleep(transfer->thread.handle);
}

TEST(a_reader_waits_for_the_first_byte)
{
    open_pipe();
    start_transfer(&transfers[0], read_once, 10);
    put(3);
    wait_for_end(transfers[0].thread.handle);
    CHECK_OK(transfers[0].status);
    CHECK_EQ(transfers[0].actual, 3);
    close_pipe();
}

TEST(closing_the_writer_ends_waiting_reads)
{
    open_pipe();
    for (unsigned i = 0; i < 4; i++)
        start_transfer(&transfers[i], read_once, 10);
    CHECK_OK(sys_handle_close(writer));
    for (unsigned i = 0; i < 4; i++) {
        wait_for_end(transfers[i].thread.handle);
        CHECK_OK(transfers[i].status);
        CHECK_EQ(transfers[i].actual, 0);
    }
    CHECK_OK(sys_handle_close(reader));
}

TEST(a_small_write_waits_for_room_for_all_of_it)
{
    open_pipe();
    put(CAPACITY - 10);
    start_transfer(&transfers[0], write_once, 11);
    take(1);
    wait_for_end(transfers[0].thread.handle);
    CHECK_OK(transfers[0].status);
    take(CAPACITY);
    check_empty();
    close_pipe();
}

TEST(a_long_write_waits_until_all_is_in)
{
    open_pipe();
    CHECK_OK(sys_random(bytes, sizeof bytes));
    start_transfer(&transfers[0], write_once, sizeof bytes);
    CHECK_EQ(transfers[0].status, 1);
    take(sizeof bytes);
    wait_for_end(transfers[0].thread.handle);
    CHECK_OK(transfers[0].status);
    CHECK_EQ(transfers[0].actual, sizeof bytes);
    CHECK(memcmp(bytes, back, sizeof bytes) == 0);
    close_pipe();
}

TEST(closing_the_reader_ends_waiting_writes)
{
    open_pipe();
    put(CAPACITY);
    start_transfer(&transfers[0], write_once, 1);
    start_transfer(&transfers[1], write_once, ATOMIC + 1);
    CHECK_OK(sys_handle_close(reader));
    for (unsigned i = 0; i < 2; i++) {
        wait_for_end(transfers[i].thread.handle);
        CHECK_STATUS(transfers[i].status, ERR_PEER_CLOSED);
        CHECK_EQ(transfers[i].actual, 0);
    }
    CHECK_OK(sys_handle_close(writer));
}

/* --- Several writers: records of up to ATOMIC bytes stay whole. --- */

enum { WRITERS = 4, RECORDS = 300 };

struct record {
    uint32_t writer, number, length;    /* then `length` bytes with the writer's number */
};

static char records[WRITERS][ATOMIC];
static atomic_uint strange;

static void write_records(void *argument)
{
    uint32_t number = (uintptr_t)argument;
    struct record *record = (struct record *)records[number];

    for (size_t i = sizeof *record; i < ATOMIC; i++)
        records[number][i] = (char)number;
    for (uint32_t i = 0; i < RECORDS; i++) {
        size_t actual;

        *record = (struct record){ number, i, i * 97 % (ATOMIC - sizeof *record) };
        if (sys_pipe_write(writer, record, sizeof *record + record->length, &actual) != OK ||
            actual != sizeof *record + record->length)
            strange++;
    }
}

TEST(small_writes_are_never_mixed)
{
    uint32_t next[WRITERS] = { 0 };

    strange = 0;
    open_pipe();
    for (uintptr_t i = 0; i < WRITERS; i++)
        raw_thread_start(&transfers[i].thread, write_records, (void *)i);
    for (unsigned i = 0; i < WRITERS * RECORDS; i++) {
        struct record record;
        take(sizeof record);
        memcpy(&record, back, sizeof record);
        CHECK(record.writer < WRITERS && record.length < ATOMIC);
        CHECK_EQ(record.number, next[record.writer]);
        next[record.writer]++;
        take(record.length);
        for (unsigned j = 0; j < record.length; j++)
            CHECK(back[j] == (char)record.writer);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        wait_for_end(transfers[i].thread.handle);
    CHECK_EQ(strange, 0);
    check_empty();
    close_pipe();
}

/* Several readers: each byte goes to one of them. */
static atomic_uint counts[256];

static void count_bytes(void *argument)
{
    unsigned char got[100];
    size_t actual;

    (void)argument;
    while (sys_pipe_read(reader, got, sizeof got, &actual) == OK && actual > 0) {
        for (size_t i = 0; i < actual; i++)
            counts[got[i]]++;
    }
}

TEST(each_byte_is_read_once)
{
    memset((void *)counts, 0, sizeof counts);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    open_pipe();
    for (unsigned i = 0; i < 4; i++)
        raw_thread_start(&transfers[i].thread, count_bytes, NULL);
    put(sizeof bytes);
    CHECK_OK(sys_handle_close(writer));
    for (unsigned i = 0; i < 4; i++)
        wait_for_end(transfers[i].thread.handle);
    for (unsigned i = 0; i < 256; i++)
        CHECK_EQ(counts[i], sizeof bytes / 256);
    CHECK_OK(sys_handle_close(reader));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
