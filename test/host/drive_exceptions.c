/*
 * drive_exceptions.c: threads that stop all the time, and a director who answers or does not.
 *
 * Each thread reports one exception after the other, numbered.  The director binds and closes ports, reads packets,
 * resumes, interrupts and kills, while the threads are overtaken anywhere.  An answer is accepted exactly by a stopped
 * thread; and when all ports are closed, nobody may be stopped for ever.
 */
#include "host.h"
#include "ipc/exception.h"

#define PORTS   3u
#define THREADS 5u

struct stopper {
    struct thread *thread;                      /* NULL: not running */
    uint64_t number;                            /* of the exception it is at */
};

static struct process *process;
static struct stopper stoppers[THREADS];
static struct object *ports[PORTS];
static uint64_t last_number;

static void stopper_body(void *argument)
{
    struct stopper *me = argument;

    for (;;) {
        me->number = ++last_number;
        user_exception(EXCEPTION_BREAKPOINT, me->number, OK);
        return_to_user();
    }
}

static void open_port(uint32_t i)
{
    check_equal(port_create(&ports[i]), OK);
    object_add_handle(ports[i]);
}

static void close_port(uint32_t i)
{
    step("close port %u", i);
    object_drop_handle(ports[i]);
    object_unref(ports[i]);
}

static void new_process(void)
{
    check_equal(process_create("stopper", NULL, &process), OK);
    object_ref(ports[0]);
    check_equal(exception_bind(&process->object, ports[0], 99), OK);
}

static bool is_stopped(const struct stopper *stopper)
{
    return stopper->thread && thread_state(stopper->thread) == THREAD_EXCEPTION;
}

/* Forget the threads that ended; a process that died of a fault is replaced. */
static void settle(void)
{
    run_all();
    for (uint32_t i = 0; i < THREADS; i++) {
        struct stopper *stopper = &stoppers[i];

        if (!stopper->thread)
            continue;
        if (thread_ended(stopper->thread)) {
            object_unref(&stopper->thread->object);
            stopper->thread = NULL;
            continue;
        }
        check_equal(thread_state(stopper->thread), THREAD_EXCEPTION);
    }
    if (process->exited) {
        console_text();
        object_unref(&process->object);
        new_process();
    }
}

static void start(struct stopper *stopper)
{
    settle();
    *stopper = (struct stopper){ 0 };
    stopper->thread = spawn(process, stopper_body, stopper);
}

static void bind(struct object *task, struct exception_binding *binding)
{
    struct object *port = one_in(3) ? NULL : ports[choose(PORTS)];
    bool bound = binding->port && binding->port->handles > 0;
    status_t expected = port ? bound ? ERR_ALREADY_EXISTS : OK : bound ? OK : ERR_NOT_FOUND;

    if (port)
        object_ref(port);
    step("bind koid %lu to %p", task->koid, port);
    check_equal(exception_bind(task, port, task->koid), expected);
}

static struct stopper *stopper_of(uint64_t koid)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        if (stoppers[i].thread && stoppers[i].thread->object.koid == koid)
            return &stoppers[i];
    }
    fail("a packet about thread %lu, which has gone", koid);
}

/* A packet that can be read is about a thread that waits for the answer, or is about to take it back. */
static void read_packet(uint32_t i)
{
    port_packet_t packet;
    status_t status = port_wait(container_of(ports[i], struct port, object), 0, WINDOW_BASE);

    if (status != OK) {
        check_equal(status, ERR_TIMED_OUT);
        return;
    }
    memcpy(&packet, window, sizeof packet);
    struct stopper *stopper = stopper_of(packet.exception.thread_koid);

    step("packet of %lu: kind %u", packet.exception.thread_koid, packet.exception.kind);
    check_equal(packet.type, PKT_EXCEPTION);
    if (packet.exception.kind == EXCEPTION_BREAKPOINT)
        check_equal(packet.exception.address, stopper->number);
    else
        check_equal(packet.exception.kind, EXCEPTION_INTERRUPT);
}

static void answer(struct stopper *stopper)
{
    uint32_t action = one_in(6) ? EXCEPTION_KILL_THREAD : EXCEPTION_RETRY;
    bool stopped;
    status_t status;

    interleave_odds(0);                         /* nobody comes between the look and the answer */
    stopped = is_stopped(stopper);
    status = exception_resume(stopper->thread, action);
    step("resume %lu, action %u: %d", stopper->thread->object.koid, action, status);
    check_equal(status, stopped ? OK : ERR_BAD_STATE);
    check(!is_stopped(stopper));
    check_equal(exception_resume(stopper->thread, action), ERR_BAD_STATE);
    interleave_odds(4);
}

static void one_step(void)
{
    uint32_t i = choose(THREADS), port = choose(PORTS);
    struct stopper *stopper = &stoppers[i];

    if (!stopper->thread) {
        start(stopper);
        return;
    }
    switch (choose(10)) {
    case 0: bind(&stopper->thread->object, &stopper->thread->exceptions); break;
    case 1: if (one_in(4)) bind(&process->object, &process->exceptions); break;
    case 2: if (one_in(6)) { close_port(port); open_port(port); } break;
    case 3: read_packet(port); break;
    case 4: case 5: answer(stopper); break;
    case 6: step("interrupt"); (void)thread_interrupt(stopper->thread); break;
    case 7: if (one_in(8)) { step("kill"); thread_kill(stopper->thread); } break;
    case 8: run_one(); break;
    case 9: settle(); break;
    }
}

void drive_exceptions(uint32_t steps)
{
    for (uint32_t i = 0; i < PORTS; i++)
        open_port(i);
    new_process();
    interleave_odds(4);
    while (steps-- > 0 && choices_left())
        one_step();
    interleave_odds(0);
    run_all();

    for (uint32_t i = 0; i < PORTS; i++)
        close_port(i);
    run_all();
    for (uint32_t i = 0; i < THREADS; i++) {
        if (!stoppers[i].thread)
            continue;
        check(thread_ended(stoppers[i].thread));
        object_unref(&stoppers[i].thread->object);
        stoppers[i].thread = NULL;
    }
    object_unref(&process->object);
}
