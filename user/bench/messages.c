/*
 * messages.c: there and back again, between two processes and between two threads.
 */
#include "bench.h"

#include <stdatomic.h>
#include <string.h>

enum { TAG_CHANNEL = START_USER, TAG_READER, TAG_WRITER };
enum { TIMES = 501, MESSAGE_SIZE = 64 };

static struct samples samples;

/* --- Channels. --- */

static void answer(handle_t channel)
{
    char message[MESSAGE_SIZE];
    uint32_t length;

    require(sys_channel_read(channel, 0, message, NULL, sizeof message, 0, &length, NULL), "read");
    require(sys_channel_write(channel, 0, message, length, NULL, 0), "answer");
}

static int serve_port(void)
{
    handle_t channel = start_handle(TAG_CHANNEL), port;
    port_packet_t packet;

    require(sys_port_create(0, &port), "port");
    require(sys_object_wait_async(channel, port, 0, SIGNAL_READABLE, WAIT_ASYNC_PERSISTENT), "observe");
    while (sys_port_wait(port, DEADLINE_INFINITE, &packet) == OK)
        answer(channel);
    return 1;
}

static int serve_channel(void)
{
    handle_t channel = start_handle(TAG_CHANNEL);

    while (sys_object_wait_one(channel, SIGNAL_READABLE, DEADLINE_INFINITE, NULL) == OK)
        answer(channel);
    return 1;
}

static void measure_calls(handle_t channel, const char *name)
{
    char request[MESSAGE_SIZE] = { 0 }, reply[MESSAGE_SIZE];
    channel_call_args_t arguments = {
        .wr_bytes = request, .wr_num_bytes = sizeof request,
        .rd_bytes = reply, .rd_num_bytes = sizeof reply,
    };
    uint32_t length, handles;

    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();
        status_t status = sys_channel_call(channel, 0, DEADLINE_INFINITE, &arguments, &length, &handles);

        sample(&samples, spent_since(begin));
        require(status, "call");
    }
    report(name, &samples, 1);
}

static void channel_round_trip(char *program, const char *server_waits_on, const char *name)
{
    handle_t near, far;
    const char *arguments[] = { program, server_waits_on, NULL };

    require(sys_channel_create(0, &near, &far), "channel");
    struct spawn_handle handle = { far, TAG_CHANNEL };
    handle_t server = start_again(arguments, &handle, 1);
    measure_calls(near, name);
    stop(server);
    require(sys_handle_close(near), "close");
}

/* --- Pipes. --- */

static int serve_pipe(void)
{
    handle_t reader = start_handle(TAG_READER), writer = start_handle(TAG_WRITER);
    char byte;
    size_t actual;

    while (sys_pipe_read(reader, &byte, 1, &actual) == OK && actual == 1)
        require(sys_pipe_write(writer, &byte, 1, &actual), "write");
    return 0;
}

static void pipe_round_trip(char *program)
{
    handle_t requests, answers, handles[2];
    const char *arguments[] = { program, "pipe", NULL };
    char byte = 0;
    size_t actual;

    require(sys_pipe_create(0, &handles[0], &requests), "pipe");
    require(sys_pipe_create(0, &answers, &handles[1]), "pipe");
    struct spawn_handle moved[] = { { handles[0], TAG_READER }, { handles[1], TAG_WRITER } };
    handle_t server = start_again(arguments, moved, 2);
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();

        require(sys_pipe_write(requests, &byte, 1, &actual), "write");
        require(sys_pipe_read(answers, &byte, 1, &actual), "read");
        sample(&samples, spent_since(begin));
    }
    report("pipe round trip, 1 byte", &samples, 1);
    stop(server);
    require(sys_handle_close(requests), "close");
    require(sys_handle_close(answers), "close");
}

/* --- Futexes: each thread adds one when it is its turn. --- */

static _Atomic uint32_t turn;           /* even: ours; odd: the other thread's */

static void wait_for_turn(uint32_t mine)
{
    uint32_t now;

    while ((now = atomic_load(&turn)) != mine)
        sys_futex_wait((const uint32_t *)&turn, now, DEADLINE_INFINITE);
}

static void pass_turn(void)
{
    atomic_fetch_add(&turn, 1);
    sys_futex_wake((const uint32_t *)&turn, 1);
}

static void other_player(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < TIMES; i++) {
        wait_for_turn(2 * i + 1);
        pass_turn();
    }
}

static void futex_round_trip(void)
{
    handle_t thread;

    require(quire_thread_create(other_player, NULL, &thread), "thread");
    for (uint32_t i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();

        pass_turn();
        wait_for_turn(2 * i + 2);
        sample(&samples, spent_since(begin));
    }
    report("futex round trip, threads", &samples, 1);
    require(quire_thread_join(thread), "join");
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return strcmp(argv[1], "port") == 0 ? serve_port()
             : strcmp(argv[1], "pipe") == 0 ? serve_pipe() : serve_channel();
    channel_round_trip(argv[0], "port", "channel round trip, 64 bytes");
    channel_round_trip(argv[0], "channel", "channel round trip, server without port");
    pipe_round_trip(argv[0]);
    futex_round_trip();
    return 0;
}
