/*
 * t_call.c: sys_channel_call: each caller gets its own answer, in whatever order they come, or
 * learns why there is none.
 *
 * Machine: cpus=4
 */
#include "common.h"

struct message {
    uint32_t transaction;
    uint32_t number;
};

static handle_t client, server;
static char big[CHANNEL_MAX_BYTES + 1];

static void open_channel(void)
{
    CHECK_OK(sys_channel_create(0, &client, &server));
}

static void close_channel(void)
{
    CHECK_OK(sys_handle_close(client));
    CHECK_OK(sys_handle_close(server));
}

/* Send a number and wait for one. */
static status_t call(handle_t channel, uint32_t number, int64_t deadline, uint32_t *out_answer)
{
    struct message request = { .number = number }, reply = { 0 };
    channel_call_args_t args = {
        .wr_bytes = &request, .wr_num_bytes = sizeof request,
        .rd_bytes = &reply, .rd_num_bytes = sizeof reply,
    };
    status_t status = sys_channel_call(channel, 0, deadline, &args, NULL, NULL);

    *out_answer = reply.number;
    return status;
}

static void check_no_request(void)
{
    CHECK_STATUS(sys_channel_read(server, 0, big, NULL, sizeof big, 0, NULL, NULL),
                 ERR_SHOULD_WAIT);
}

/* --- Refusals. --- */

TEST(refusals_send_nothing)
{
    struct message message = { 0 };
    handle_t event = new_event(), none[CHANNEL_MAX_HANDLES + 1] = { 0 };
    channel_call_args_t args = {
        .wr_bytes = &message, .wr_num_bytes = 8, .rd_bytes = &message, .rd_num_bytes = 8,
    };

    open_channel();
    CHECK_STATUS(sys_channel_call(HANDLE_INVALID, 0, 0, &args, NULL, NULL), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_channel_call(event, 0, 0, &args, NULL, NULL), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_channel_call(client, 1, 0, &args, NULL, NULL), ERR_INVALID_ARGS);
    args.wr_num_bytes = 3;
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_INVALID_ARGS);
    args.wr_bytes = big;
    args.wr_num_bytes = CHANNEL_MAX_BYTES + 1;
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_OUT_OF_RANGE);
    args.wr_num_bytes = 8;
    args.wr_handles = none;
    args.wr_num_handles = CHANNEL_MAX_HANDLES + 1;
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_OUT_OF_RANGE);
    args.wr_num_handles = 1;
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_BAD_HANDLE);
    args.wr_num_handles = 0;
    for (unsigned i = 0; i < BAD_INPUTS; i++) {
        CHECK_STATUS(sys_channel_call(client, 0, 0, bad_pointer(i), NULL, NULL), ERR_INVALID_ARGS);
        args.wr_bytes = bad_pointer(i);
        CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_INVALID_ARGS);
    }
    check_no_request();
    args.wr_bytes = &message;
    client = with_rights(client, RIGHT_READ);
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(event));
    close_channel();
}

TEST(the_channel_itself_cannot_be_sent)
{
    struct message message = { 0 };
    handle_t event = new_event();
    channel_call_args_t args = { .wr_bytes = &message, .wr_num_bytes = 8, .wr_handles = &server,
        .wr_num_handles = 1 };

    open_channel();
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_handle_close(server), ERR_BAD_HANDLE);
    args.wr_handles = &event;
    CHECK_STATUS(sys_channel_call(client, 0, 0, &args, NULL, NULL), ERR_PEER_CLOSED);
    CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    CHECK_OK(sys_handle_close(client));
}

TEST(a_full_channel_refuses_calls)
{
    uint32_t answer;

    open_channel();
    for (uint32_t i = 0; i < CHANNEL_MAX_QUEUED; i++)
        CHECK_OK(sys_channel_write(client, 0, &i, sizeof i, NULL, 0));
    CHECK_STATUS(call(client, 1, DEADLINE_INFINITE, &answer), ERR_SHOULD_WAIT);
    COVERS("channel_call", SHOULD_WAIT, TIMED_OUT);     /* through call() */
    close_channel();
}

TEST(a_call_times_out_and_a_late_answer_is_a_message)
{
    struct message message;
    int64_t deadline = after(SECOND / 50);
    uint32_t answer;

    open_channel();
    CHECK_STATUS(call(client, 5, deadline, &answer), ERR_TIMED_OUT);
    CHECK(sys_clock_get() >= deadline);
    CHECK_OK(sys_channel_read(server, 0, &message, NULL, sizeof message, 0, NULL, NULL));
    CHECK_EQ(message.number, 5);
    CHECK_OK(sys_channel_write(server, 0, &message, sizeof message, NULL, 0));
    CHECK_OK(sys_channel_read(client, 0, &message, NULL, sizeof message, 0, NULL, NULL));
    CHECK_STATUS(call(client, 6, 0, &answer), ERR_TIMED_OUT);
    close_channel();
}

/* --- Servers. --- */

static struct raw_thread serving;
static uint32_t batch;                  /* requests collected, then answered last one first */
static atomic_uint strange;

static status_t next_request(struct message *message)
{
    status_t status;

    do {
        status = sys_channel_read(server, 0, message, NULL, sizeof *message, 0, NULL, NULL);
        if (status == ERR_SHOULD_WAIT)
            sys_object_wait_one(server, SIGNAL_READABLE | SIGNAL_PEER_CLOSED, DEADLINE_INFINITE,
                                NULL);
    } while (status == ERR_SHOULD_WAIT);
    return status;
}

/* Answers each number with its double, until the client is gone. */
static void serve(void *argument)
{
    struct message requests[16];

    (void)argument;
    for (;;) {
        for (uint32_t i = 0; i < batch; i++) {
            if (next_request(&requests[i]) != OK)
                return;
        }
        for (uint32_t i = batch; i-- > 0; ) {
            requests[i].number *= 2;
            if (sys_channel_write(server, 0, &requests[i], sizeof requests[i], NULL, 0) != OK)
                strange++;
        }
    }
}

static void start_server(uint32_t requests_at_once)
{
    open_channel();
    batch = requests_at_once;
    strange = 0;
    raw_thread_start(&serving, serve, NULL);
}

static void stop_server(void)
{
    CHECK_OK(sys_handle_close(client));
    wait_for_end(serving.handle);
    CHECK_OK(sys_handle_close(server));
    CHECK_EQ(strange, 0);
}

TEST(a_call_returns_its_answer)
{
    uint32_t answer;

    start_server(1);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_OK(call(client, i, after(PATIENCE), &answer));
        CHECK_EQ(answer, 2 * i);
    }
    stop_server();
}

enum { CALLERS = 8, CALLS = 300 };

static struct raw_thread callers[CALLERS];

static void call_many(void *argument)
{
    uint32_t base = (uintptr_t)argument * 1000000;

    for (uint32_t i = 0; i < CALLS; i++) {
        uint32_t answer;

        if (call(client, base + i, DEADLINE_INFINITE, &answer) != OK || answer != 2 * (base + i))
            strange++;
    }
}

TEST(many_callers_get_their_own_answers)
{
    start_server(1);
    for (uintptr_t i = 0; i < CALLERS; i++)
        raw_thread_start(&callers[i], call_many, (void *)i);
    for (unsigned i = 0; i < CALLERS; i++)
        wait_for_end(callers[i].handle);
    stop_server();
}

TEST(answers_may_come_in_any_order)
{
    start_server(CALLERS);                      /* all call before the first is answered */
    for (uintptr_t i = 0; i < CALLERS; i++)
        raw_thread_start(&callers[i], call_many, (void *)i);
    for (unsigned i = 0; i < CALLERS; i++)
        wait_for_end(callers[i].handle);
    stop_server();
}

/* --- One caller, answered by hand. --- */

struct caller {
    channel_call_args_t args;
    struct message request, reply;
    handle_t handle;
    uint32_t bytes, handles;
    _Atomic status_t status;
};

static struct caller one;

static void call_once(void *argument)
{
    (void)argument;
    one.status = sys_channel_call(client, 0, DEADLINE_INFINITE, &one.args, &one.bytes,
                                  &one.handles);
}

/* Start the call and see its request. */
static struct message start_call(void)
{
    struct message request;

    open_channel();
    one.bytes = one.handles = 0;
    one.request = (struct message){ .number = 1 };
    one.args = (channel_call_args_t){
        .wr_bytes = &one.request, .wr_num_bytes = sizeof one.request, .rd_bytes = &one.reply,
        .rd_num_bytes = sizeof one.reply, .rd_handles = &one.handle, .rd_num_handles = 1,
    };
    one.status = 1;
    raw_thread_start(&callers[0], call_once, NULL);
    wait_until_asleep(callers[0].handle);
    CHECK_OK(sys_channel_read(server, 0, &request, NULL, sizeof request, 0, NULL, NULL));
    return request;
}

TEST(only_the_answer_ends_the_call)
{
    struct message request = start_call(), other = { request.transaction + 1, 2 };

    CHECK_OK(sys_channel_write(server, 0, &other, sizeof other, NULL, 0));
    CHECK_OK(sys_channel_write(server, 0, "abc", 3, NULL, 0));
    wait_until_asleep(callers[0].handle);
    CHECK_EQ(one.status, 1);
    CHECK_OK(sys_channel_write(server, 0, &request, sizeof request, NULL, 0));
    wait_for_end(callers[0].handle);
    CHECK_OK(one.status);
    CHECK(one.bytes == sizeof request && one.handles == 0);
    /* The others wait in the queue, in order. */
    CHECK_OK(sys_channel_read(client, 0, &other, NULL, sizeof other, 0, NULL, NULL));
    CHECK_EQ(other.number, 2);
    CHECK_OK(sys_channel_read(client, 0, &other, NULL, sizeof other, 0, NULL, NULL));
    close_channel();
}

TEST(an_answer_may_carry_handles)
{
    struct message request = start_call();
    handle_t event = new_event();

    CHECK_OK(sys_channel_write(server, 0, &request, sizeof request, &event, 1));
    wait_for_end(callers[0].handle);
    CHECK_OK(one.status);
    CHECK_EQ(one.handles, 1);
    CHECK_OK(sys_object_signal(one.handle, 0, SIGNAL_USER_0));
    CHECK_OK(sys_handle_close(one.handle));
    close_channel();
}

TEST(an_answer_that_does_not_fit_is_dropped_with_its_handles)
{
    struct message request = start_call();
    handle_t ends[2];
    uint32_t answer[8] = { request.transaction };

    CHECK_OK(sys_channel_create(0, &ends[0], &ends[1]));
    CHECK_OK(sys_channel_write(server, 0, answer, sizeof answer, &ends[0], 1));
    wait_for_end(callers[0].handle);
    CHECK_STATUS(one.status, ERR_BUFFER_TOO_SMALL);
    COVERS("channel_call", BUFFER_TOO_SMALL);
    CHECK(one.bytes == sizeof answer && one.handles == 1);
    CHECK_OK(sys_object_wait_one(ends[1], SIGNAL_PEER_CLOSED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_channel_read(client, 0, big, NULL, sizeof big, 0, NULL, NULL),
                 ERR_SHOULD_WAIT);
    CHECK_OK(sys_handle_close(ends[1]));
    close_channel();
}

TEST(an_answer_without_memory_is_dropped)
{
    struct message request = { 0 };
    channel_call_args_t args = { .wr_bytes = &request, .wr_num_bytes = sizeof request,
        .rd_num_bytes = 8 };

    start_server(1);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        args.rd_bytes = bad_pointer(i);
        CHECK_STATUS(sys_channel_call(client, 0, after(PATIENCE), &args, NULL, NULL),
                     ERR_INVALID_ARGS);
        args.rd_bytes = &request;
        if (i != BAD_NULL)
            CHECK_STATUS(sys_channel_call(client, 0, after(PATIENCE), &args, bad_pointer(i), NULL),
                         ERR_INVALID_ARGS);
    }
    CHECK_STATUS(sys_channel_read(client, 0, big, NULL, sizeof big, 0, NULL, NULL),
                 ERR_SHOULD_WAIT);
    stop_server();
}

TEST(the_server_may_die)
{
    start_call();
    CHECK_OK(sys_handle_close(server));
    wait_for_end(callers[0].handle);
    CHECK_STATUS(one.status, ERR_PEER_CLOSED);
    CHECK_OK(sys_handle_close(client));
}

TEST(this_end_may_be_closed_under_the_call)
{
    start_call();
    COVERS("channel_call", CANCELED);
    CHECK_OK(sys_handle_close(client));
    wait_for_end(callers[0].handle);
    CHECK_STATUS(one.status, ERR_CANCELED);
    CHECK_OK(sys_handle_close(server));
}

TEST(callers_killed_in_their_calls_do_no_harm)
{
    uint32_t answer;

    for (unsigned round = 0; round < 30; round++) {
        start_server(1);
        for (uintptr_t i = 0; i < CALLERS; i++)
            raw_thread_start(&callers[i], call_many, (void *)i);
        CHECK_OK(call(client, round, after(PATIENCE), &answer));
        for (unsigned i = 0; i < CALLERS; i++) {
            CHECK_OK(sys_task_kill(callers[i].handle));
            wait_for_end(callers[i].handle);
        }
        CHECK_OK(call(client, round, after(PATIENCE), &answer));
        CHECK_EQ(answer, 2 * round);
        CHECK_OK(sys_handle_close(client));
        wait_for_end(serving.handle);
        CHECK_OK(sys_handle_close(server));
    }
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
