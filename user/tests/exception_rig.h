/*
 * exception_rig.h: threads that stop, seen from the side of who decides about them; and a thread
 * that knows what should be in each of its registers.
 */
#pragma once

#include "pager_rig.h"

#define REPORT_KEY 0x5eed5eed12345678ull

static inline port_packet_t next_report(handle_t port)
{
    port_packet_t packet;

    memset(&packet, 0xff, sizeof packet);
    CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
    CHECK_EQ(packet.type, PKT_EXCEPTION);
    CHECK_EQ(packet.status, OK);
    return packet;
}

static inline uint64_t koid_of(handle_t handle)
{
    info_handle_basic_t info = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    return info.koid;
}

static inline thread_state_t state_of(handle_t thread)
{
    thread_state_t state;

    memset(&state, 0xff, sizeof state);
    CHECK_OK(sys_thread_read_state(thread, &state));
    return state;
}

/* The next packet is about this thread, which stopped for this; it is returned. */
static inline port_packet_t expect_report(handle_t port, handle_t thread, uint32_t kind,
                                          status_t reason)
{
    port_packet_t packet = next_report(port);

    CHECK_EQ(packet.key, REPORT_KEY);
    CHECK_EQ(packet.exception.thread_koid, koid_of(thread));
    CHECK_EQ(packet.exception.kind, kind);
    CHECK_STATUS(packet.exception.reason, reason);
    CHECK_EQ(thread_state(thread), THREAD_EXCEPTION);
    CHECK_EQ(state_of(thread).x[0], packet.exception.pc);
    return packet;
}

static inline void retry(handle_t thread)
{
    CHECK_OK(sys_exception_resume(thread, EXCEPTION_RETRY));
}

static inline void bind_to(handle_t task, handle_t port)
{
    CHECK_OK(sys_exception_bind(task, port, REPORT_KEY));
}

static inline void unbind(handle_t task)
{
    CHECK_OK(sys_exception_bind(task, HANDLE_INVALID, 0));
}

static inline void breakpoint(void *unused)
{
     (void)unused;
    __asm__ volatile("ebreak");
}

/* A thread that is not started yet, so that a port can be bound to it first. */
static inline void raw_thread_create(struct raw_thread *thread)
{
    CHECK_OK(sys_thread_create(process_self(), "raw", 3, 0, &thread->handle));
}

static inline void raw_thread_go(struct raw_thread *thread, void (*function)(void *),
                                 void *argument)
{
    CHECK_OK(sys_thread_start(thread->handle, (uintptr_t)raw_thread_entry,
                              (uintptr_t)thread->stack + sizeof thread->stack, (uintptr_t)argument,
                              (uintptr_t)function));
}

/* Its reports go to the port from its first instruction on. */
static inline void raw_thread_start_bound(struct raw_thread *thread, handle_t port, void (*function)(void *),
                                          void *argument)
{
    raw_thread_create(thread);
    bind_to(thread->handle, port);
    raw_thread_go(thread, function, argument);
}

/* A load, or a store of the byte, by such a thread. */
static inline void touch_start_bound(struct access *access, handle_t port, enum access_kind kind,
                                     volatile char *address, char byte)
{
    access->kind = kind;
    access->address = address;
    access->buffer[0] = byte;
    raw_thread_start_bound(&access->thread, port, access_run, access);
}

/* --- Every register. --- */

/*
 * all_registers_go loads every register but t6 (x31) from the thread_state_t at a0 and stops.  The
 * handler sends it to register_calls, or to registers_store, which stores every register but t6
 * into the thread_state_t at t6 and ends the thread.
 */
void all_registers_go(void *state);
extern const char register_ebreak[], register_calls[], registers_store[];

#define EACH_REGISTER(operation)                                                                  \
    operation " x1, 8(x31)\n" operation " x2, 16(x31)\n" operation " x3, 24(x31)\n"               \
    operation " x4, 32(x31)\n" operation " x5, 40(x31)\n" operation " x6, 48(x31)\n"              \
    operation " x7, 56(x31)\n" operation " x8, 64(x31)\n" operation " x9, 72(x31)\n"              \
    operation " x10, 80(x31)\n" operation " x11, 88(x31)\n" operation " x12, 96(x31)\n"           \
    operation " x13, 104(x31)\n" operation " x14, 112(x31)\n" operation " x15, 120(x31)\n"        \
    operation " x16, 128(x31)\n" operation " x17, 136(x31)\n" operation " x18, 144(x31)\n"        \
    operation " x19, 152(x31)\n" operation " x20, 160(x31)\n" operation " x21, 168(x31)\n"        \
    operation " x22, 176(x31)\n" operation " x23, 184(x31)\n" operation " x24, 192(x31)\n"        \
    operation " x25, 200(x31)\n" operation " x26, 208(x31)\n" operation " x27, 216(x31)\n"        \
    operation " x28, 224(x31)\n" operation " x29, 232(x31)\n" operation " x30, 240(x31)\n"

#define EACH_FLOAT(operation)                                                                     \
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,"   \
    "30,31\n" operation " f\\n, 256 + 8 * \\n(x31)\n.endr\n"

__asm__(".text\n"
        ".balign 4\n"
        ".option push\n"
        ".option norvc\n"
        "all_registers_go:\n"
        "    mv x31, a0\n"
        "    ld x5, 512(x31)\n"
        "    fscsr x5\n"
        EACH_FLOAT("fld")
        EACH_REGISTER("ld")
        "register_ebreak:\n"
        "    ebreak\n"
        "register_calls:\n"             /* calls for ever; x5 and x10 change */
        "    li t0, 0x19\n"
        "    ecall\n"
        "    j register_calls\n"
        "registers_store:\n"
        EACH_REGISTER("sd")
        EACH_FLOAT("fsd")
        "    frcsr x5\n"
        "    sd x5, 512(x31)\n"
        "    call sys_thread_exit\n"
        ".option pop\n");

/* Values that differ from register to register and from seed to seed. */
static inline thread_state_t pattern(uint64_t seed)
{
    thread_state_t state;

    for (unsigned i = 0; i < 32; i++) {
        state.x[i] = seed * 0x0101010101010101 + i;
        state.f[i] = ~seed * 0x0101010101010101 - i;
    }
    state.fcsr = seed % 32;
    return state;
}
