/*
 * drive_channels.c: a channel against two queues of messages.
 *
 * Every message's bytes and handles follow from its number.  Caller threads use channel_call at end 0; the director
 * serves them at end 1: it answers, forgets them, kills them, lets their time pass, or closes an end.
 */
#include <string.h>

#include "host.h"
#include "ipc/channel.h"

#define QUEUE   (CHANNEL_MAX_QUEUED + 8u)
#define CALLERS 4u
#define ANSWERS 64u
#define EVENTS  70u
#define HEAD    16u                             /* transaction and number, in messages that have room for both */

struct queued { uint64_t number; uint32_t bytes, handles, transaction; };

static struct channel *ends[2];
static bool closed[2];
static struct queued queues[2][QUEUE];          /* [i]: to be read at end i */
static uint32_t counts[2];
static uint64_t queued_bytes[2];
static struct object *events[EVENTS];
static uint64_t last_number;
static uint32_t transactions[ANSWERS], transaction_count;   /* requests read and not answered */

struct caller {
    struct thread *thread;
    struct process *process;
    struct channel *end;
    uint64_t number;                            /* of its request */
    uint32_t slot;
    int64_t deadline;
    bool done;
    status_t status;
};

static struct caller callers[CALLERS];

static uint8_t byte_of(uint64_t number, uint32_t at)    { return (uint8_t)(number * 31 + at * 7 + at / 251); }
static struct object *object_of_channel(struct channel *channel) { return (struct object *)channel; }

static struct message *make_message(const struct queued *content)
{
    struct message *message;
    status_t status;

    fail_allocation(one_in(10) ? choose_between(1, 18) : 0);
    status = message_create(content->bytes, content->handles, &message);
    if (allocation_failed()) {
        check_equal(status, ERR_NO_MEMORY);
        return NULL;
    }
    check_equal(status, OK);
    for (uint32_t i = 0; i < content->bytes; i++)
        window[i] = byte_of(content->number, i);
    memcpy(window, &content->transaction, min_u64(content->bytes, 4));
    if (content->bytes >= HEAD)
        memcpy(window + 8, &content->number, 8);
    for (uint32_t done = 0, part; done < content->bytes; done += part) {
        char *to = message_piece(message, done, content->bytes - done, &part);

        memcpy(to, window + done, part);
    }
    for (uint32_t i = 0; i < content->handles; i++)
        message->handles[i] = handle_slot_make(events[i], RIGHT_WAIT | i);
    return message;
}

static struct queued choose_content(void)
{
    uint32_t bytes = one_in(4) ? choose(CHANNEL_MAX_BYTES + 1) : one_in(8) ? 0 : choose(200);
    uint32_t handles = one_in(4) ? choose(CHANNEL_MAX_HANDLES + 1) : one_in(2) ? choose(4) : 0;

    return (struct queued){ ++last_number, bytes, handles, one_in(8) ? 0 : choose(100) };
}

static bool is_full(uint32_t end)
{
    return counts[end] >= CHANNEL_MAX_QUEUED || queued_bytes[end] >= CHANNEL_MAX_QUEUED_BYTES;
}

static void check_signals(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        signals_t expected = (counts[i] > 0 ? SIGNAL_READABLE : 0) | (closed[!i] ? SIGNAL_PEER_CLOSED : 0) |
                             (!closed[!i] && !is_full(!i) ? SIGNAL_WRITABLE : 0);

        if (!closed[i])
            check_equal(object_of_channel(ends[i])->signals, expected);
    }
}

static bool send(uint32_t from, struct queued content)
{
    struct message *message = make_message(&content);
    status_t status, expected = closed[!from] ? ERR_PEER_CLOSED : is_full(!from) ? ERR_SHOULD_WAIT : OK;

    if (!message)
        return false;
    status = channel_write(ends[from], message);
    step("write %u bytes and %u handles to end %u: %d", content.bytes, content.handles, !from, status);
    check_equal(status, expected);
    if (status != OK)
        message_destroy(message);
    else
        queues[!from][counts[!from]++] = content;
    if (status == OK)
        queued_bytes[!from] += content.bytes;
    return status == OK;
}

/* The window holds a message that was read. */
static void check_content(const struct queued *content, const uint8_t *bytes, const handle_t *handles)
{
    for (uint32_t i = content->bytes >= HEAD ? HEAD : 4; i < content->bytes; i++)
        check_equal(bytes[i], byte_of(content->number, i));
    if (content->bytes >= HEAD)
        check(memcmp(bytes + 8, &content->number, 8) == 0);
    for (uint32_t i = 0; i < content->handles; i++) {
        struct handle_slot slot;

        check_equal(handle_remove(current_process()->handles, handles[i], &slot), OK);
        check(slot.object == events[i]);
        check_equal(slot.rights, RIGHT_WAIT | i);
        handle_slot_close(slot);
    }
}

static void receive(uint32_t end)
{
    const uint32_t *actual = (uint32_t *)(window + 0x41000);
    channel_call_args_t to = {
        .rd_bytes = (void *)(WINDOW_BASE + 0x20000), .rd_handles = (handle_t *)(WINDOW_BASE + 0x40000),
        .rd_num_bytes = one_in(3) ? choose(300) : CHANNEL_MAX_BYTES,
        .rd_num_handles = one_in(3) ? choose(3) : CHANNEL_MAX_HANDLES,
    };
    struct queued head = queues[end][0];
    uint32_t handles_before = handle_table_count(director_process()->handles);
    status_t status, expected = OK;

    if (counts[end] == 0)
        expected = closed[!end] ? ERR_PEER_CLOSED : ERR_SHOULD_WAIT;
    else if (one_in(10))
        window_closed = true, expected = ERR_USER_FAULT;
    else if (head.bytes > to.rd_num_bytes || head.handles > to.rd_num_handles)
        expected = ERR_BUFFER_TOO_SMALL;
    fail_allocation(one_in(8));
    status = channel_read(ends[end], &to, WINDOW_BASE + 0x41000, WINDOW_BASE + 0x41004);
    window_closed = false;
    if (allocation_failed())
        expected = ERR_NO_MEMORY;
    step("read at end %u with room for %u and %u: %d", end, to.rd_num_bytes, to.rd_num_handles, status);
    check_equal(status, expected);
    if (status != OK) {
        check_equal(handle_table_count(director_process()->handles), handles_before);
        return;
    }
    check_equal(actual[0], head.bytes);
    check_equal(actual[1], head.handles);
    check_content(&head, window + 0x20000, (handle_t *)(window + 0x40000));
    if (end == 1 && head.number & 1ull << 63 && transaction_count < ANSWERS)
        memcpy(&transactions[transaction_count++], window + 0x20000, 4);
    queued_bytes[end] -= head.bytes;
    memmove(&queues[end][0], &queues[end][1], --counts[end] * sizeof head);
}

/* --- Calls. --- */

static void caller_body(void *argument)
{
    struct caller *caller = argument;
    struct queued content = { caller->number, choose_between(4, 5000), choose(4), 0 };
    uint64_t at = 0x60000 + caller->slot * 0x2000;
    channel_call_args_t to = {
        .rd_bytes = (void *)(WINDOW_BASE + at), .rd_num_bytes = 0x1000,
        .rd_handles = (handle_t *)(WINDOW_BASE + at + 0x1000), .rd_num_handles = 64,
    };
    struct message *message = make_message(&content), *answer;

    if (!message) {
        caller->status = ERR_NO_MEMORY;
    } else {
        bool full = is_full(1), gone = closed[1], own = closed[0];

        if (!full && !gone && !own) {
            queues[1][counts[1]++] = content;
            queued_bytes[1] += content.bytes;
        }
        caller->status = channel_call(caller->end, message, caller->deadline, &answer);
        if (caller->status == OK) {
            caller->status = message_take(answer, &to, WINDOW_BASE + at + 0x1800, WINDOW_BASE + at + 0x1804);
            message_destroy(answer);
        }
        if (own || gone || full)
            check_equal(caller->status, own ? ERR_CANCELED : gone ? ERR_PEER_CLOSED : ERR_SHOULD_WAIT);
    }
    if (caller->status == OK) {
        const uint32_t *actual = (uint32_t *)(window + at + 0x1800);
        struct queued reply = { 0, actual[0], actual[1], 0 };

        memcpy(&reply.number, window + at + 8, 8);
        check_content(&reply, window + at, (handle_t *)(window + at + 0x1000));
    }
    caller->done = true;
    step("caller %u: %d", caller->slot, caller->status);
    return_to_user();
}

static void start_or_stop_caller(void)
{
    uint32_t i = choose(CALLERS);
    struct caller *caller = &callers[i];

    if (caller->thread && one_in(2)) {
        step("kill caller %u", i);
        thread_kill(caller->thread);
    } else if (!caller->thread && !closed[0]) {
        *caller = (struct caller){ .end = ends[0], .number = ++last_number | 1ull << 63, .slot = i };
        caller->deadline = one_in(2) ? DEADLINE_INFINITE : (int64_t)(arch_time() + choose(1000));
        check_equal(process_create("caller", NULL, &caller->process), OK);
        object_ref(object_of_channel(ends[0]));
        step("caller %u starts", i);
        caller->thread = spawn(caller->process, caller_body, caller);
    }
}

static void settle(void)
{
    run_all();
    for (uint32_t i = 0; i < CALLERS; i++) {
        struct caller *caller = &callers[i];

        if (!caller->thread)
            continue;
        if (!thread_ended(caller->thread)) {
            check(thread_blocked(caller->thread));
            if (closed[0] || closed[1] || arch_time() >= (uint64_t)caller->deadline)
                fail("caller %u sleeps for ever", i);
            continue;
        }
        object_unref(&caller->thread->object);
        object_unref(&caller->process->object);
        object_unref(object_of_channel(caller->end));
        caller->thread = NULL;
    }
}

static uint32_t callers_blocked(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < CALLERS; i++)
        count += callers[i].thread && thread_blocked(callers[i].thread);
    return count;
}

/* Answer a request, perhaps one whose caller has gone: then the reply is an ordinary message. */
static void answer(void)
{
    struct queued reply = { ++last_number, choose_between(HEAD, 3000), choose(4), 0 };
    struct message *message;
    status_t status;

    settle();
    if (transaction_count == 0 || closed[1])
        return;
    uint32_t i = choose(transaction_count), blocked = callers_blocked();

    reply.transaction = transactions[i];
    message = make_message(&reply);
    if (!message)
        return;
    transactions[i] = transactions[--transaction_count];
    status = channel_write(ends[1], message);
    step("answer 0x%x: %d", reply.transaction, status);
    if (callers_blocked() < blocked) {
        check_equal(callers_blocked(), blocked - 1);
        check_equal(status, OK);
        return;
    }
    check_equal(status, closed[0] ? ERR_PEER_CLOSED : is_full(0) ? ERR_SHOULD_WAIT : OK);
    if (status == OK) {
        queues[0][counts[0]++] = reply;
        queued_bytes[0] += reply.bytes;
    } else {
        message_destroy(message);
    }
}

static void close_end(uint32_t end)
{
    if (closed[end])
        return;
    step("close end %u", end);
    closed[end] = true;
    counts[end] = queued_bytes[end] = 0;
    object_drop_handle(object_of_channel(ends[end]));
    settle();
}

static void new_channel(void)
{
    struct object *made[2];

    check_equal(channel_create(made), OK);
    for (uint32_t i = 0; i < 2; i++) {
        ends[i] = (struct channel *)made[i];
        object_add_handle(made[i]);
        counts[i] = queued_bytes[i] = 0;
        closed[i] = false;
    }
    transaction_count = 0;
}

static void drop_channel(void)
{
    bool first = one_in(2);

    close_end(first);
    close_end(!first);
    for (uint32_t i = 0; i < 2; i++)
        object_unref(object_of_channel(ends[i]));
}

void drive_channels(uint32_t steps)
{
    for (uint32_t i = 0; i < EVENTS; i++)
        check_equal(event_create(&events[i]), OK);
    new_channel();
    while (steps-- > 0 && choices_left()) {
        switch (choose(8)) {
        case 0:
        case 1:
            for (uint64_t count = one_in(30) ? 300 : 1, end = choose(2); count > 0 && !closed[end]; count--)
                if (!send(end, choose_content()))
                    break;
            break;
        case 2:
        case 3:
            for (uint64_t count = one_in(20) ? 300 : 1, end = choose(2); count > 0 && !closed[end]; count--)
                receive(end);
            break;
        case 4:
            start_or_stop_caller();
            break;
        case 5:
            answer();
            break;
        case 6:
            advance_time(choose(300));
            break;
        default:
            if (one_in(15))
                close_end(choose(2));
            else if (one_in(20)) {
                drop_channel();
                new_channel();
            }
        }
        if (one_in(2))
            settle();
        check_signals();
    }
    drop_channel();
    for (uint32_t i = 0; i < EVENTS; i++)
        object_unref(events[i]);
}
