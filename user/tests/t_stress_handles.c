/*
 * t_stress_handles.c: handles that are closed, moved, duplicated and replaced by some threads while
 * others use them in calls; objects end in the middle of what is done with them.
 *
 * Machine: cpus=4 memory=32M
 */
#include "stress.h"

#define SLOTS 12u

static _Atomic(handle_t) slots[SLOTS];

static handle_t pick(uint64_t random)
{
    return atomic_load(&slots[random % SLOTS]);
}

/* What calls may answer when anything can be behind a handle, or nothing. */
static void expect_known(int line, status_t status)
{
    switch (status) {
    case OK: case ERR_BAD_HANDLE: case ERR_WRONG_TYPE: case ERR_ACCESS_DENIED: case ERR_TIMED_OUT:
    case ERR_SHOULD_WAIT: case ERR_PEER_CLOSED: case ERR_CANCELED: case ERR_NOT_SUPPORTED:
    case ERR_NOT_FOUND: case ERR_ALREADY_EXISTS: case ERR_OUT_OF_RANGE:
        break;
    default:
        note(line, status);
    }
}
#define CALL(call) expect_known(__LINE__, call)

/* --- Those who make and take away. --- */

static void put(uint64_t random, handle_t handle)
{
    handle_t old = atomic_exchange(&slots[random % SLOTS], handle);

    if (old != HANDLE_INVALID)
        CALL(sys_handle_close(old));
}

static void make(struct worker *worker)
{
    uint64_t random = next_random(&worker->random);
    handle_t a = HANDLE_INVALID, b = HANDLE_INVALID;

    switch (random >> 61) {
    case 0: CALL(sys_event_create(0, &a)); break;
    case 1: CALL(sys_port_create(0, &a)); break;
    case 2: CALL(sys_vmo_create(2 * PAGE_SIZE, 0, &a)); break;
    case 3: CALL(sys_pipe_create(0, &a, &b)); break;
    case 4: case 5: CALL(sys_channel_create(0, &a, &b)); break;
    case 6: CALL(sys_handle_duplicate(pick(random >> 8), RIGHT_SAME_RIGHTS, &a)); break;
    case 7:                             /* the old value is gone, and somebody may still use it */
        a = atomic_exchange(&slots[(random >> 8) % SLOTS], HANDLE_INVALID);
        CALL(sys_handle_replace(a, RIGHT_SAME_RIGHTS, &b));
        a = HANDLE_INVALID;
        break;
    }
    if (a != HANDLE_INVALID)
        put(random >> 16, a);
    if (b != HANDLE_INVALID)
        put(random >> 24, b);
}

/* --- Those who use. --- */

/* Not a channel: two that lie in each other's queues would live for ever. */
static void send_handle(uint64_t random, handle_t channel)
{
    handle_t given = atomic_exchange(&slots[(random >> 40) % SLOTS], HANDLE_INVALID);
    info_handle_basic_t info;

    if (sys_object_get_info(given, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL) != OK)
        return;
    if (info.type == OBJECT_CHANNEL) {
        put(random >> 40, given);
        return;
    }
    CALL(sys_channel_write(channel, 0, "12345678", 8, &given, 1));
}

static void receive_handle(uint64_t random, handle_t channel)
{
    uint32_t bytes = 0, handles = 0;
    char text[64];
    handle_t got;
    status_t status = sys_channel_read(channel, 0, text, &got, sizeof text, 1, &bytes, &handles);

    CALL(status);
    if (status == OK && handles == 1)
        put(random >> 40, got);
}

static void call_somebody(handle_t channel)
{
    char text[16] = "abcdefgh", reply[64];
    uint32_t bytes, handles;
    channel_call_args_t arguments = {
        .wr_bytes = text, .wr_num_bytes = sizeof text, .rd_bytes = reply,
        .rd_num_bytes = sizeof reply,
    };
    status_t status = sys_channel_call(channel, 0, after(200000), &arguments, &bytes, &handles);

    if (status != ERR_BUFFER_TOO_SMALL)
        CALL(status);
}

static void answer(handle_t channel)
{
    char text[64];
    uint32_t bytes = 0, handles = 0;

    if (sys_channel_read(channel, 0, text, NULL, sizeof text, 0, &bytes, &handles) == OK)
        CALL(sys_channel_write(channel, 0, text, bytes, NULL, 0));
}

static void use(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), size;
    handle_t one = pick(random), two = pick(random >> 8);
    int64_t soon = after((random >> 16) % 100000);
    info_handle_basic_t info;
    port_packet_t packet;
    size_t moved;

    switch ((random >> 32) % 14) {
    case 0: CALL(sys_object_wait_one(one, SIGNAL_READABLE | SIGNAL_USER_0, soon, NULL)); break;
    case 1: CALL(sys_object_signal(one, SIGNAL_USER_0, SIGNAL_USER_1)); break;
    case 2: CALL(sys_object_signal(one, SIGNAL_USER_1, SIGNAL_USER_0)); break;
    case 3: CALL(sys_object_wait_async(one, two, random, SIGNAL_READABLE | SIGNAL_USER_0,
                                       random >> 40 & 1)); break;
    case 4: CALL(sys_port_wait(one, soon, &packet)); break;
    case 5: CALL(sys_port_cancel(one, two, random)); break;
    case 6: send_handle(random, one); break;
    case 7: receive_handle(random, one); break;
    case 8: call_somebody(one); break;
    case 9: answer(one); break;
    case 10: CALL(sys_vmo_write(one, 0, worker->words, 0, PAGE_SIZE)); break;
    case 11: CALL(sys_vmo_get_size(one, &size)); break;
    case 12:
        if (sys_object_wait_one(one, SIGNAL_WRITABLE, 0, NULL) == OK)     /* room for us all */
            CALL(sys_pipe_write(one, worker->words, 8, &moved));
        break;
    case 13:
        CALL(sys_object_get_info(one, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
        break;
    }
}

/* The whole table is looked at, copied and dropped, as fork does. */
static void copy_table(struct worker *worker)
{
    handle_t child;
    status_t status = sys_process_create("copy", 4, PROCESS_COPY_HANDLES, &child);

    CALL(status);
    if (status == OK)
        CALL(sys_handle_close(child));
    (void)worker;
}

static struct worker workers[] = {
    { .step = make }, { .step = make }, { .step = use }, { .step = use }, { .step = use },
    { .step = use }, { .step = copy_table },
};

static void stress(void)
{
    uint64_t seed = stress_begin();

    workers_start(workers, array_size(workers), &seed);
    workers_let_run(workers, array_size(workers));
}

/* As a process of its own: what its threads were about to do with handles goes with it. */
int test_helper(int count, char **arguments)
{
    return soak(count, arguments, (void (*const[])(void)){ stress, NULL });
}

TEST(handles_close_under_calls)
{
    struct leftovers before;

    CHECK_EQ(exit_code_of(start_helper("nothing", HANDLE_INVALID)), 2);
    before = leftovers_now();
    CHECK_EQ(exit_code_of(start_helper("soak", HANDLE_INVALID)), 0);
    CHECK(comes_true(nothing_is_left_over, &before));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
