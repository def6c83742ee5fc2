/*
 * t_fail_fault.c: memory runs out (see fail.h) in page faults: the process dies with one line, or its
 * exception port is told and the access made again.
 *
 * Machine: cpus=4
 */
#include "fail.h"

/* --- Faults: a process whose memory cannot be had dies with one line. --- */

/* The code, as data.  a0: the system, a1: the countdown; exits with what is left of it. */
__asm__(".section .rodata.faulter, \"a\", @progbits\n"
        ".balign 8\n"
        ".option push\n"
        ".option norelax\n"
        "faulter_begin:\n"
        "faulter_load:\n"
        "    li s2, 0\n"
        "    j 1f\n"
        "faulter_store:\n"
        "    li s2, 1\n"
        "1:  mv s0, a0\n"
        "    lui s1, 0x20\n"                    /* FAULTER_DATA */
        "    mv a2, s1\n"
        "    li t0, 0x72\n"
        "    ecall\n"
        "    lui t1, 0x40000\n"                 /* FAULTER_WINDOW, and a page on */
        "    lui t2, 1\n"
        "    add t1, t1, t2\n"
        "    bnez s2, 2f\n"
        "    lbu t2, 0(t1)\n"
        "    j 3f\n"
        "2:  sb s2, 0(t1)\n"
        "3:  mv a0, s0\n"
        "    li a1, 0\n"
        "    mv a2, s1\n"
        "    li t0, 0x72\n"
        "    ecall\n"
        "    lw a0, 0(s1)\n"
        "    li t0, 0x12\n"
        "    ecall\n"
        "faulter_end:\n"
        ".option pop\n"
        ".text\n");

extern const char faulter_begin[], faulter_end[], faulter_load[], faulter_store[];

#define FAULTER_DATA   0x20000ul
#define FAULTER_WINDOW 0x40000000ul     /* no page tables are there */

static void map_into(handle_t process, uint32_t options, uintptr_t at, handle_t vmo, uint64_t length)
{
    CHECK_OK(sys_vm_map(process, options | VM_FIXED, at, vmo, 0, length, &at));
}

/* Start a process that accesses the VMO while its allocation `number` fails; its exceptions go to the port. */
static struct tiny start_faulter(const char *routine, handle_t vmo, uint32_t number, handle_t port)
{
    handle_t code = new_vmo(1), data = new_vmo(1), system = reduced(system_handle(), RIGHT_SAME_RIGHTS);
    struct tiny faulter;

    CHECK_OK(sys_process_create("faulter", 7, 0, &faulter.process));
    CHECK_OK(sys_thread_create(faulter.process, "main", 4, 0, &faulter.thread));
    CHECK_OK(sys_vmo_write(code, 0, faulter_begin, 0, faulter_end - faulter_begin));
    map_into(faulter.process, VM_READ | VM_EXECUTE, USER_BASE, code, PAGE_SIZE);
    map_into(faulter.process, READ_WRITE, FAULTER_DATA, data, PAGE_SIZE);
    map_into(faulter.process, READ_WRITE, FAULTER_WINDOW, vmo, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(code));
    CHECK_OK(sys_handle_close(data));
    if (port != HANDLE_INVALID)
        CHECK_OK(sys_exception_bind(faulter.process, port, 5));
    CHECK_OK(sys_process_start(faulter.process, faulter.thread,
                               USER_BASE + (uintptr_t)(routine - faulter_begin), TINY_STACK, system,
                               number));
    return faulter;
}

/* How it ended: what was left of the countdown, or EXIT_CODE_FAULT. */
static int64_t fault(const char *routine, handle_t vmo, uint32_t number)
{
    return tiny_end_of(start_faulter(routine, vmo, number, HANDLE_INVALID)).exit_code;
}

static bool are_so_many_processes(void *count)
{
    return system_info().objects[OBJECT_PROCESS] == *(uint64_t *)count;
}

/* `make` makes the VMO for each try anew. */
static void try_fault(const char *routine, handle_t (*make)(void), uint32_t sites)
{
    uint64_t processes = system_info().objects[OBJECT_PROCESS];
    struct holdings before;
    int64_t left = 0;

    for (uint32_t n = 0; left == 0; n++) {      /* 0: none fails, to warm up */
        handle_t vmo = make();

        left = fault(routine, vmo, n);
        CHECK_OK(sys_handle_close(vmo));
        if (n == 0) {
            CHECK_EQ(left, 0);
            CHECK(comes_true(are_so_many_processes, &processes));   /* its tables are gone too */
            before = holdings();
            continue;
        }
        check_same(&before, "after a fault");
        CHECK(n < FAILURES_MAX && (n > sites || left <= 0));
        if (left == EXIT_CODE_FAULT)
            left = 0;
    }
}

static handle_t new_anonymous(void)
{
    return new_vmo(4);
}

/* Its second page is shared with a snapshot that is held. */
static handle_t new_shared_vmo(void)
{
    handle_t vmo = new_vmo(4);

    vmo_fill(vmo, 0, 4 * PAGE_SIZE, 1);
    if (held[1] != HANDLE_INVALID)
        CHECK_OK(sys_handle_close(held[1]));
    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_SNAPSHOT, 0, 4 * PAGE_SIZE, &held[1]));
    return vmo;
}

static handle_t new_device_vmo(void)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_block_create_vmo(held[0], 0, &vmo));
    return vmo;
}

TEST(faults)
{
    try_fault(faulter_load, new_anonymous, 2);
    try_fault(faulter_store, new_anonymous, 4);
    try_fault(faulter_store, new_shared_vmo, 3);
    close_held();
    held[0] = open_scratch();
    try_fault(faulter_load, new_device_vmo, 4);
    try_fault(faulter_store, new_device_vmo, 4);
    close_held();
}

TEST(a_fault_without_memory_can_be_tried_again)
{
    handle_t port = new_port(), vmo = new_vmo(4);
    port_packet_t packet;

    for (uint32_t number = 1; number <= 4; number++) {
        struct tiny faulter = start_faulter(faulter_store, vmo, number, port);

        CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
        CHECK(packet.key == 5 && packet.type == PKT_EXCEPTION);
        CHECK_EQ(packet.exception.kind, EXCEPTION_STORE_FAULT);
        CHECK_STATUS(packet.exception.reason, ERR_NO_MEMORY);
        CHECK_EQ(packet.exception.address, FAULTER_WINDOW + PAGE_SIZE);
        CHECK_OK(sys_exception_resume(faulter.thread, EXCEPTION_RETRY));
        CHECK_EQ(tiny_end_of(faulter).exit_code, 0);
        CHECK(vmo_is_filled(vmo, PAGE_SIZE, 1, 1));
        CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, 4 * PAGE_SIZE, NULL, 0));
    }
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
}

static handle_t bound_process;

static status_t bind_port(void)
{
    return sys_exception_bind(bound_process, held[0], 1);
}

static void unbind_port(status_t status)
{
    if (status == OK)
        CHECK_OK(sys_exception_bind(bound_process, HANDLE_INVALID, 0));
}

TEST(exception_ports)
{
    struct tiny bound = tiny_create();

    bound_process = bound.process;
    held[0] = new_port();
    try(&(struct attempt){ NULL, bind_port, unbind_port }, 0);
    close_held();
    CHECK_OK(sys_handle_close(bound.thread));
    CHECK_OK(sys_handle_close(bound.process));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
