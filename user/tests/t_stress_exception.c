/*
 * t_stress_exception.c: threads that stop all the time, while ports are bound to them, serve some of
 * their reports and close with others unread; interrupts, answers nobody asked for, and kills.
 *
 * A victim runs into a breakpoint, counts, and again.  Whoever serves a report of a breakpoint sends
 * it on behind it.  What is done twice or late costs the victim a count, never its life.
 *
 * Machine: cpus=4 memory=32M
 */
#include "stress.h"

#define VICTIMS 3u

__asm__(".text\n"
        ".option push\n"
        ".option norvc\n"
        ".option norelax\n"
        "victim_code:\n"
        "    ebreak\n"
        "victim_goes_on:\n"
        "    ld t0, 0(a0)\n"
        "    addi t0, t0, 1\n"
        "    sd t0, 0(a0)\n"
        "    j victim_code\n"
        ".option pop\n");
extern const char victim_code[], victim_goes_on[];

static struct victim {
    _Atomic(handle_t) thread;
    _Atomic(uint64_t) koid;
    volatile uint64_t count;
    char stack[64] __attribute__((aligned(16)));
} victims[VICTIMS];
static handle_t last_port;              /* the process': it always answers */

static void expect_known(int line, status_t status)
{
    if (status != OK && status != ERR_BAD_STATE && status != ERR_BAD_HANDLE &&
        status != ERR_TIMED_OUT && status != ERR_NOT_FOUND && status != ERR_ALREADY_EXISTS)
        note(line, status);
}
#define CALL(call) expect_known(__LINE__, call)

static bool start_victim(struct victim *victim)
{
    info_handle_basic_t info;
    handle_t thread;
    status_t status = sys_thread_create(process_self(), "victim", 6, 0, &thread);

    EXPECT(status == OK, status);
    if (status != OK)
        return false;
    sys_object_get_info(thread, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL);
    atomic_store(&victim->koid, info.koid);
    atomic_store(&victim->thread, thread);
    status = sys_thread_start(thread, (uintptr_t)victim_code, (uintptr_t)victim->stack + 64,
                              (uintptr_t)&victim->count, 0);
    EXPECT(status == OK, status);
    return status == OK;
}

static handle_t victim_of(uint64_t koid)
{
    for (unsigned i = 0; i < VICTIMS; i++)
        if (atomic_load(&victims[i].koid) == koid)
            return atomic_load(&victims[i].thread);
    return HANDLE_INVALID;
}

/* One report, if one comes in time: the thread goes on. */
static void serve(handle_t port, int64_t patience)
{
    port_packet_t packet;
    thread_state_t state;
    status_t status = sys_port_wait(port, after(patience), &packet);

    CALL(status);
    if (status != OK)
        return;
    handle_t thread = victim_of(packet.exception.thread_koid);

    if (packet.exception.kind == EXCEPTION_BREAKPOINT) {
        EXPECT(packet.exception.pc == (uint64_t)victim_code, (int64_t)packet.exception.pc);
        status = sys_thread_read_state(thread, &state);
        CALL(status);
        if (status == OK) {
            EXPECT(state.x[0] >= (uint64_t)victim_code && state.x[0] < (uint64_t)victim_code + 20,
                   (int64_t)state.x[0]);
            state.x[0] = (uint64_t)victim_goes_on;
            CALL(sys_thread_write_state(thread, &state));
        }
    } else {
        EXPECT(packet.exception.kind == EXCEPTION_INTERRUPT, packet.exception.kind);
    }
    CALL(sys_exception_resume(thread, EXCEPTION_RETRY));
}

static void serve_process(struct worker *worker)
{
    serve(last_port, 1000000);
    (void)worker;
}

/* A port for one victim: it serves a little, and closes or is unbound with reports unread. */
static void come_and_go(struct worker *worker)
{
    uint64_t random = next_random(&worker->random);
    handle_t thread = atomic_load(&victims[random % VICTIMS].thread), port;
    status_t status = sys_port_create(0, &port);

    EXPECT(status == OK, status);
    CALL(sys_exception_bind(thread, port, random));
    for (uint64_t left = (random >> 8) % 4; left > 0; left--)
        serve(port, (random >> 16) % 200000);
    if (random >> 63)
        CALL(sys_exception_bind(thread, HANDLE_INVALID, 0));
    CALL(sys_handle_close(port));
}

static void interrupt(struct worker *worker)
{
    uint64_t random = next_random(&worker->random);
    handle_t thread = atomic_load(&victims[random % VICTIMS].thread);
    thread_state_t state;

    switch (random >> 61) {
    case 0: CALL(sys_exception_resume(thread, EXCEPTION_RETRY)); break;
    case 1: CALL(sys_thread_read_state(thread, &state)); break;
    case 2: sys_nanosleep(after((random >> 16) % 100000)); break;
    default: CALL(sys_thread_interrupt(thread)); break;
    }
}

/* The last victim dies again and again, and another takes its place. */
static void kill_one(struct worker *worker)
{
    struct victim *victim = &victims[VICTIMS - 1];
    handle_t thread = atomic_load(&victim->thread);
    uint64_t random = next_random(&worker->random);

    sys_nanosleep(after(random % 2000000));
    if (!(random >> 63) || sys_exception_resume(thread, EXCEPTION_KILL_THREAD) != OK)
        CALL(sys_task_kill(thread));
    status_t status = sys_object_wait_one(thread, SIGNAL_TERMINATED, after(PATIENCE), NULL);

    EXPECT(status == OK, status);
    if (start_victim(victim))
        CALL(sys_handle_close(thread));
}

static struct worker workers[] = {
    { .step = serve_process }, { .step = come_and_go }, { .step = come_and_go },
    { .step = interrupt }, { .step = kill_one },
};

static bool all_have_counted(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i + 1 < VICTIMS; i++)
        if (victims[i].count < 10)
            return false;
    return true;
}

static void stress(void)
{
    uint64_t seed = stress_begin();

    last_port = new_port();
    CHECK_OK(sys_exception_bind(process_self(), last_port, 1));
    for (unsigned i = 0; i < VICTIMS; i++)
        CHECK(start_victim(&victims[i]));
    workers_start(workers, array_size(workers), &seed);
    CHECK(comes_true(all_have_counted, NULL));
    workers_let_run(workers, array_size(workers));
    printf("# counts: %llu %llu %llu\n", (unsigned long long)victims[0].count,
           (unsigned long long)victims[1].count, (unsigned long long)victims[2].count);
    for (unsigned i = 0; i < VICTIMS; i++) {
        CHECK_OK(sys_task_kill(victims[i].thread));
        wait_for_end(victims[i].thread);
    }
    CHECK_OK(sys_exception_bind(process_self(), HANDLE_INVALID, 0));
    CHECK_OK(sys_handle_close(last_port));
}

int test_helper(int count, char **arguments)
{
    return soak(count, arguments, (void (*const[])(void)){ stress, NULL });
}

TEST(every_stop_has_one_answer)
{
    info_system_t before = system_info();

    stress();
    CHECK(objects_come_down_to(OBJECT_THREAD, before.objects[OBJECT_THREAD]));
    CHECK(objects_come_down_to(OBJECT_PORT, before.objects[OBJECT_PORT]));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
