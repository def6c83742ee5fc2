/*
 * t_exception.c: what a thread does wrong is reported to a port, and whoever reads it decides.
 *
 * Machine: cpus=4
 */
#include "exception_rig.h"
#include "tiny.h"

static struct raw_thread stopping_thread;
static struct raw_thread *const stopper = &stopping_thread;

static const uint64_t constant = 1;
static uint64_t variable = 1;

/* --- Refusals. --- */

static void sleep_for_ever(void *argument)
{
    (void)argument;
    for (;;)
        sys_nanosleep(DEADLINE_INFINITE);
}

TEST(bind_refusals)
{
    handle_t port = new_port(), event = new_event(), weak;

    CHECK_STATUS(sys_exception_bind(HANDLE_INVALID, port, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_exception_bind(event, port, 0), ERR_WRONG_TYPE);
    weak = reduced(process_self(), RIGHT_READ | RIGHT_INSPECT);
    CHECK_STATUS(sys_exception_bind(weak, port, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    weak = reduced(port, RIGHT_READ);
    CHECK_STATUS(sys_exception_bind(process_self(), weak, 0), ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(weak));
    CHECK_STATUS(sys_exception_bind(process_self(), event, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_exception_bind(process_self(), 0xdeadbeef, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_exception_bind(process_self(), HANDLE_INVALID, 0), ERR_NOT_FOUND);
    CHECK_STATUS(sys_exception_bind(thread_self(), HANDLE_INVALID, 0), ERR_NOT_FOUND);

    bind_to(process_self(), port);
    CHECK_STATUS(sys_exception_bind(process_self(), port, 0), ERR_ALREADY_EXISTS);
    bind_to(thread_self(), port);
    CHECK_STATUS(sys_exception_bind(thread_self(), port, 0), ERR_ALREADY_EXISTS);
    unbind(thread_self());
    CHECK_STATUS(sys_exception_bind(thread_self(), HANDLE_INVALID, 0), ERR_NOT_FOUND);
    unbind(process_self());
    CHECK_STATUS(sys_exception_bind(process_self(), HANDLE_INVALID, 0), ERR_NOT_FOUND);
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
}

/* A binding is no handle: a port that is closed counts as none, and its memory goes. */
TEST(a_closed_port_is_no_binding)
{
    uint64_t ports = system_info().objects[OBJECT_PORT];
    handle_t port;

    for (int i = 0; i < 3; i++) {
        port = new_port();
        bind_to(process_self(), port);
        CHECK_OK(sys_handle_close(port));
    }
    CHECK_STATUS(sys_exception_bind(process_self(), HANDLE_INVALID, 0), ERR_NOT_FOUND);
    CHECK_EQ(system_info().objects[OBJECT_PORT], ports);
}

static void check_not_stopped(handle_t thread)
{
    thread_state_t state = { 0 };

    CHECK_STATUS(sys_exception_resume(thread, EXCEPTION_RETRY), ERR_BAD_STATE);
    CHECK_STATUS(sys_exception_resume(thread, EXCEPTION_KILL_THREAD), ERR_BAD_STATE);
    CHECK_STATUS(sys_thread_read_state(thread, &state), ERR_BAD_STATE);
    CHECK_STATUS(sys_thread_write_state(thread, &state), ERR_BAD_STATE);
}

TEST(resume_and_state_refusals)
{
    handle_t weak = reduced(thread_self(), RIGHT_INSPECT);
    thread_state_t state = { 0 };

    CHECK_STATUS(sys_exception_resume(HANDLE_INVALID, EXCEPTION_RETRY), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_exception_resume(process_self(), EXCEPTION_RETRY), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_exception_resume(weak, EXCEPTION_RETRY), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_exception_resume(thread_self(), 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_exception_resume(thread_self(), 3), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_thread_read_state(HANDLE_INVALID, &state), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_thread_read_state(process_self(), &state), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_thread_read_state(weak, &state), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_thread_write_state(HANDLE_INVALID, &state), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_thread_write_state(process_self(), &state), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_thread_write_state(weak, &state), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_thread_write_state(thread_self(), bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(weak));

    check_not_stopped(thread_self());
    raw_thread_create(stopper);
    check_not_stopped(stopper->handle);
    raw_thread_go(stopper, sleep_for_ever, NULL);
    wait_until_asleep(stopper->handle);
    check_not_stopped(stopper->handle);
    CHECK_OK(sys_task_kill(stopper->handle));
    CHECK_OK(sys_object_wait_one(stopper->handle, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    check_not_stopped(stopper->handle);
    CHECK_OK(sys_handle_close(stopper->handle));
}

/* --- Each kind, with its reason and its address. --- */

static void load_from(void *address)   { (void)*(volatile char *)address; }
static void store_to(void *address)    { *(volatile char *)address = 1; }
static void jump_to(void *address)     { __asm__ volatile("jr %0" :: "r"(address)); }
static void illegal(void *unused)      { (void)unused; __asm__ volatile(".half 0"); }
static void privileged(void *unused)   { (void)unused; __asm__ volatile("csrw satp, zero"); }

static void misaligned(void *address)
{
    __asm__ volatile("amoadd.w zero, zero, (%0)" :: "r"(address) : "memory");
}

/* A thread of ours does it and is ended: the report must be this one. */
static void check_kind(void (*misdeed)(void *), void *argument, uint32_t kind, status_t reason,
                       uintptr_t address)
{
    handle_t port = new_port();
    port_packet_t packet;

    raw_thread_start_bound(stopper, port, misdeed, argument);
    packet = expect_report(port, stopper->handle, kind, reason);
    CHECK_EQ(packet.exception.address, address ? address : packet.exception.pc);
    CHECK_OK(sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD));
    check_not_stopped(stopper->handle);
    wait_for_end(stopper->handle);
    expect_silence(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(loads)
{
    uintptr_t hole = (uintptr_t)edge();

    check_kind(load_from, (void *)hole, EXCEPTION_LOAD_FAULT, ERR_NOT_FOUND, hole);
    check_kind(load_from, (void *)8, EXCEPTION_LOAD_FAULT, ERR_NOT_FOUND, 8);
    check_kind(load_from, (void *)0xffffffc080200000, EXCEPTION_LOAD_FAULT, ERR_NOT_FOUND,
               0xffffffc080200000);
    check_kind(load_from, (void *)USER_TOP, EXCEPTION_LOAD_FAULT, ERR_NOT_FOUND, USER_TOP);
}

TEST(stores)
{
    check_kind(store_to, edge() + 5, EXCEPTION_STORE_FAULT, ERR_NOT_FOUND, (uintptr_t)edge() + 5);
    check_kind(store_to, (void *)&constant, EXCEPTION_STORE_FAULT, ERR_ACCESS_DENIED,
               (uintptr_t)&constant);
}

TEST(jumps)
{
    uintptr_t hole = (uintptr_t)edge();

    check_kind(jump_to, (void *)hole, EXCEPTION_FETCH_FAULT, ERR_NOT_FOUND, hole);
    check_kind(jump_to, &variable, EXCEPTION_FETCH_FAULT, ERR_ACCESS_DENIED,
               (uintptr_t)&variable);
    check_kind(jump_to, (void *)0xffffffc080200000, EXCEPTION_FETCH_FAULT, ERR_NOT_FOUND,
               0xffffffc080200000);
}

TEST(instructions)
{
    check_kind(illegal, NULL, EXCEPTION_ILLEGAL_INSTRUCTION, OK, 0);
    check_kind(privileged, NULL, EXCEPTION_ILLEGAL_INSTRUCTION, OK, 0);
    check_kind(breakpoint, NULL, EXCEPTION_BREAKPOINT, OK, 0);
    check_kind(misaligned, (char *)&variable + 1, EXCEPTION_MISALIGNED, OK,
               (uintptr_t)&variable + 1);
}

TEST(beyond_the_end_of_the_vmo)
{
    handle_t vmo = new_resizable_vmo(2);
    char *at = map_vmo(vmo, VM_READ | VM_WRITE, 0, 2 * PAGE_SIZE);

    CHECK_OK(sys_vmo_set_size(vmo, PAGE_SIZE));
    check_kind(load_from, at + PAGE_SIZE + 7, EXCEPTION_LOAD_FAULT, ERR_OUT_OF_RANGE,
               (uintptr_t)at + PAGE_SIZE + 7);
    unmap(at, 2 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(what_the_pager_said)
{
    static const status_t said[] = { ERR_IO, ERR_IO_DATA_INTEGRITY, ERR_NO_SPACE };
    struct rig rig = rig_create(8);
    char *at = map_vmo(rig.vmo, VM_READ, 0, 8 * PAGE_SIZE);
    handle_t port = new_port();

    for (unsigned i = 0; i <= array_size(said); i++) {
        bool detached = i == array_size(said);

        raw_thread_start_bound(stopper, port, load_from, at + i * PAGE_SIZE);
        expect_read(rig, i, 1);
        if (detached)
            CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
        else
            fail(rig, i, 1, said[i]);
        expect_report(port, stopper->handle, EXCEPTION_LOAD_FAULT,
                      detached ? ERR_BAD_STATE : said[i]);
        CHECK_OK(sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD));
        wait_for_end(stopper->handle);
    }
    CHECK_OK(sys_handle_close(port));
    unmap(at, 8 * PAGE_SIZE);
    rig_close(rig);
}

/* --- Going on. --- */

static volatile uint64_t result;

static void load_word(void *address)
{
    result = *(volatile uint64_t *)address;
}

TEST(retry_after_repair)
{
    uintptr_t hole = (uintptr_t)edge() + 16 * PAGE_SIZE, at;
    handle_t port = new_port(), vmo = new_vmo(1);
    uint64_t word = 0x123456789;

    CHECK_OK(sys_vmo_write(vmo, 0, &word, 24, sizeof word));
    raw_thread_start_bound(stopper, port, load_word, (void *)(hole + 24));
    expect_report(port, stopper->handle, EXCEPTION_LOAD_FAULT, ERR_NOT_FOUND);
    retry(stopper->handle);             /* nothing was repaired: it says so again */
    expect_report(port, stopper->handle, EXCEPTION_LOAD_FAULT, ERR_NOT_FOUND);
    CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_FIXED, hole, vmo, 0, PAGE_SIZE, &at));
    retry(stopper->handle);
    wait_for_end(stopper->handle);
    CHECK_EQ(result, word);
    unmap((void *)hole, PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
}

static void check_registers(const thread_state_t *actual, const thread_state_t *expected)
{
    for (unsigned i = 1; i < 31; i++)
        CHECK_EQ(actual->x[i], expected->x[i]);
    for (unsigned i = 0; i < 32; i++)
        CHECK_EQ(actual->f[i], expected->f[i]);
    CHECK_EQ(actual->fcsr, expected->fcsr);
}

TEST(every_register_is_read_and_written)
{
    thread_state_t given = pattern(3), other = pattern(29), stored, state;
    handle_t port = new_port();

    raw_thread_start_bound(stopper, port, all_registers_go, &given);
    CHECK_EQ(expect_report(port, stopper->handle, EXCEPTION_BREAKPOINT, OK).exception.pc,
             (uintptr_t)register_ebreak);
    state = state_of(stopper->handle);
    check_registers(&state, &given);
    CHECK_EQ(state.x[31], (uintptr_t)&given);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_thread_read_state(stopper->handle, bad_pointer(i)), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_thread_write_state(stopper->handle, bad_pointer(i)), ERR_INVALID_ARGS);

    other.x[0] = (uintptr_t)registers_store;
    other.x[31] = (uintptr_t)&stored;
    CHECK_OK(sys_thread_write_state(stopper->handle, &other));
    state = state_of(stopper->handle);
    CHECK(memcmp(&state, &other, sizeof state) == 0);
    retry(stopper->handle);
    wait_for_end(stopper->handle);
    check_registers(&stored, &other);
    CHECK_OK(sys_handle_close(port));
}

/* A thread that never used floating point has zeros there, and may be given something. */
TEST(floating_point_from_nothing)
{
    thread_state_t stored, state;
    handle_t port = new_port();

    raw_thread_start_bound(stopper, port, breakpoint, NULL);
    expect_report(port, stopper->handle, EXCEPTION_BREAKPOINT, OK);
    state = state_of(stopper->handle);
    for (unsigned i = 0; i < 32; i++)
        CHECK_EQ(state.f[i], 0);
    CHECK_EQ(state.fcsr, 0);
    state = pattern(7);
    state.x[0] = (uintptr_t)registers_store;
    state.x[31] = (uintptr_t)&stored;
    CHECK_OK(sys_thread_write_state(stopper->handle, &state));
    retry(stopper->handle);
    wait_for_end(stopper->handle);
    check_registers(&stored, &state);
    CHECK_OK(sys_handle_close(port));
}

/* Whatever is written, the thread is in user mode and stops again. */
TEST(hostile_registers)
{
    static const uint64_t places[] = {
        0, 1, 0xffffffc080200000, USER_TOP, UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 0x8000000000,
        0xdeadbeefdeadbeef,
    };
    handle_t port = new_port();
    thread_state_t state;

    raw_thread_start_bound(stopper, port, breakpoint, NULL);
    next_report(port);
    for (unsigned i = 0; i < array_size(places); i++) {
        memset(&state, 0xff, sizeof state);
        state.x[0] = places[i];
        CHECK_OK(sys_thread_write_state(stopper->handle, &state));
        retry(stopper->handle);
        port_packet_t packet = next_report(port);
        CHECK_EQ(packet.exception.kind, EXCEPTION_FETCH_FAULT);
        CHECK_EQ(packet.exception.address | 1, places[i] | 1);      /* some drop the lowest bit */
        state = state_of(stopper->handle);
        for (unsigned j = 1; j < 32; j++)
            CHECK_EQ(state.x[j], UINT64_MAX);
    }
    CHECK_OK(sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD));
    wait_for_end(stopper->handle);
    CHECK_OK(sys_handle_close(port));
}

/* --- Ends. --- */

TEST(resumed_before_the_report_is_read)
{
    handle_t port = new_port();

    raw_thread_start_bound(stopper, port, breakpoint, NULL);
    while (sys_exception_resume(stopper->handle, EXCEPTION_KILL_THREAD) == ERR_BAD_STATE)
        sys_nanosleep(0);
    wait_for_end(stopper->handle);
    expect_silence(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(killed_while_stopped)
{
    handle_t port = new_port();

    for (int is_read = 0; is_read < 2; is_read++) {
        raw_thread_start_bound(stopper, port, breakpoint, NULL);
        if (is_read)
            expect_report(port, stopper->handle, EXCEPTION_BREAKPOINT, OK);
        while (thread_state(stopper->handle) != THREAD_EXCEPTION)
            sys_nanosleep(0);
        CHECK_OK(sys_task_kill(stopper->handle));
        CHECK_OK(sys_object_wait_one(stopper->handle, SIGNAL_TERMINATED, after(PATIENCE), NULL));
        check_not_stopped(stopper->handle);
        CHECK_OK(sys_handle_close(stopper->handle));
        expect_silence(port);
    }
    CHECK_OK(sys_handle_close(port));
}

TEST(a_process_is_killed_while_stopped)
{
    struct tiny tiny = tiny_create();
    handle_t port = new_port();

    bind_to(tiny.process, port);
    CHECK_OK(sys_process_start(tiny.process, tiny.thread, USER_BASE + 64 * PAGE_SIZE, TINY_STACK,
                               HANDLE_INVALID, 0));
    expect_report(port, tiny.thread, EXCEPTION_FETCH_FAULT, ERR_NOT_FOUND);
    CHECK_OK(sys_task_kill(tiny.process));
    CHECK_EQ(tiny_end_of(tiny).exit_code, EXIT_CODE_KILLED);
    expect_silence(port);
    CHECK_OK(sys_handle_close(port));
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
