/*
 * t_fault.c: programs that misbehave: each dies with EXIT_CODE_FAULT, and everything else lives.
 *
 * Every misdeed is done by this program again, as a child.  The kernel prints one line about each.
 *
 * Machine: cpus=4
 */
#include "common.h"

static const uint64_t constant = 1;
static uint64_t variable = 1;

/* --- The misdeeds. --- */

static void store_to(uintptr_t address)  { *(volatile char *)address = 1; }
static void load_from(uintptr_t address) { (void)*(volatile char *)address; }
static void jump_to(uintptr_t address)   { __asm__ volatile("jr %0" :: "r"(address)); }

static void store_to_null(void)           { store_to(0); }
static void load_from_null(void)          { load_from(0); }
static void load_from_the_kernel(void)    { load_from(0xffffffc080200000); }
static void store_to_the_kernel(void)     { store_to(0xffffffc080200000); }
static void load_from_no_address(void)    { load_from(0x8000000000000000); }
static void store_behind_user_memory(void){ store_to(USER_TOP); }
static void load_from_a_hole(void)        { load_from((uintptr_t)edge()); }
static void load_across_the_edge(void)    { (void)*(volatile uint32_t *)(edge() - 2); }
static void store_to_text(void)           { store_to((uintptr_t)store_to_text); }
static void store_to_a_constant(void)     { store_to((uintptr_t)&constant); }
static void jump_to_null(void)            { jump_to(0); }
static void jump_to_data(void)            { jump_to((uintptr_t)&variable); }
static void jump_to_a_constant(void)      { jump_to((uintptr_t)&constant); }
static void jump_to_the_kernel(void)      { jump_to(0xffffffc080200000); }
static void jump_to_the_stack(void)       { jump_to((uintptr_t)__builtin_frame_address(0)); }
static void jump_to_a_hole(void)          { jump_to((uintptr_t)edge()); }

static void illegal_instruction(void)     { __asm__ volatile(".half 0"); }
static void breakpoint(void)              { __asm__ volatile("ebreak"); }
static void read_a_kernel_register(void)  { __asm__ volatile("csrr t0, sstatus" ::: "t0"); }
static void write_a_kernel_register(void) { __asm__ volatile("csrw satp, zero"); }
static void return_from_no_trap(void)     { __asm__ volatile("sret"); }
static void flush_the_tlb(void)           { __asm__ volatile("sfence.vma"); }

static void misaligned_atomic(void)
{
    __asm__ volatile("amoadd.w zero, zero, (%0)" :: "r"((char *)&variable + 1) : "memory");
}

static void misaligned_reservation(void)
{
    __asm__ volatile("lr.d t0, (%0)" :: "r"((char *)&variable + 4) : "t0", "memory");
}

static volatile bool deeper = true;     /* for ever, but the compiler does not know */

__attribute__((noinline)) static int recurse(volatile char *above)
{
    volatile char room[512];

    room[0] = above[0] + 1;
    return (deeper ? recurse(room) : 0) + room[0];
}

static void overflow_the_stack(void)
{
    recurse((char[1]){ 0 });
}

static void overflow(void *unused)
{
    (void)unused;
    overflow_the_stack();
}

static void overflow_a_thread_stack(void)
{
    handle_t thread;

    if (quire_thread_create(overflow, NULL, &thread) == OK)
        quire_thread_join(thread);
}

static void lose_the_stack(void)
{
    __asm__ volatile("li sp, -8\n sd zero, 0(sp)");
}

static void call_without_a_stack(void)    /* a system call needs none; the return does */
{
    __asm__ volatile("li sp, 0\n li t0, 0x19\n ecall\n ld t1, 0(sp)" ::: "t0", "t1", "a0");
}

static void unmap_the_stack(void)
{
    uintptr_t from = ((uintptr_t)__builtin_frame_address(0) & -PAGE_SIZE) - 4 * PAGE_SIZE;

    sys_vm_unmap(process_self(), from, USER_TOP - from);
}

static void unmap_all(void)
{
    sys_vm_unmap(process_self(), USER_BASE, USER_TOP - USER_BASE);
}

static void forbid_the_text(void)
{
    uintptr_t page = (uintptr_t)forbid_the_text & -PAGE_SIZE;

    sys_vm_protect(process_self(), VM_READ, page, PAGE_SIZE);
}

static void spin(void *unused)
{
    (void)unused;
    for (;;)
        ;
}

static void die_among_threads(void)
{
    for (unsigned i = 0; i < 4; i++)
        quire_thread_create(spin, NULL, NULL);
    store_to(0);
}

static void fault(void *unused)
{
    (void)unused;
    store_to(0);
}

static void die_in_four_threads(void)
{
    for (unsigned i = 0; i < 4; i++)
        quire_thread_create(fault, NULL, NULL);
    sys_nanosleep(DEADLINE_INFINITE);
}

static const struct misdeed {
    const char *name;
    void (*act)(void);
} misdeeds[] = {
#define MISDEED(name) { #name, name }
    MISDEED(store_to_null), MISDEED(load_from_null),
    MISDEED(load_from_the_kernel), MISDEED(store_to_the_kernel),
    MISDEED(load_from_no_address), MISDEED(store_behind_user_memory), MISDEED(load_from_a_hole),
    MISDEED(load_across_the_edge), MISDEED(store_to_text), MISDEED(store_to_a_constant),
    MISDEED(jump_to_null), MISDEED(jump_to_data),
    MISDEED(jump_to_a_constant), MISDEED(jump_to_the_kernel),
    MISDEED(jump_to_the_stack), MISDEED(jump_to_a_hole),
    MISDEED(illegal_instruction), MISDEED(breakpoint), MISDEED(read_a_kernel_register),
    MISDEED(write_a_kernel_register), MISDEED(return_from_no_trap), MISDEED(flush_the_tlb),
    MISDEED(misaligned_atomic), MISDEED(misaligned_reservation),
    MISDEED(overflow_the_stack), MISDEED(overflow_a_thread_stack), MISDEED(lose_the_stack),
    MISDEED(call_without_a_stack), MISDEED(unmap_the_stack),
    MISDEED(unmap_all), MISDEED(forbid_the_text),
    MISDEED(die_among_threads), MISDEED(die_in_four_threads),
#undef MISDEED
};

/*
 * Answers each message on the channel it was given with the same message, until the parent is gone.
 */
static int serve(void)
{
    handle_t channel = start_handle(START_USER);
    char bytes[64];
    uint32_t length;

    for (;;) {
        status_t status = sys_channel_read(channel, 0, bytes, NULL, sizeof bytes, 0, &length, NULL);
        if (status == ERR_SHOULD_WAIT)
            sys_object_wait_one(channel, SIGNAL_READABLE | SIGNAL_PEER_CLOSED, DEADLINE_INFINITE,
                                NULL);
        else if (status != OK || sys_channel_write(channel, 0, bytes, length, NULL, 0) != OK)
            return status == ERR_PEER_CLOSED ? 0 : 1;
    }
}

int test_helper(int argument_count, char **arguments)
{
    if (argument_count < 2)
        return 1;
    if (strcmp(arguments[1], "serve") == 0)
        return serve();
    for (unsigned i = 0; i < array_size(misdeeds); i++) {
        if (strcmp(arguments[1], misdeeds[i].name) == 0)
            misdeeds[i].act();
    }
    return 2;                                   /* it survived */
}

/* --- The cases. --- */

static handle_t neighbour, neighbour_channel;   /* a process that must live through all */

static void check_neighbour_lives(void)
{
    uint32_t message[2] = { 0, 4711 }, answer[2] = { 0, 0 };
    channel_call_args_t args = {
        .wr_bytes = message, .wr_num_bytes = sizeof message,
        .rd_bytes = answer, .rd_num_bytes = sizeof answer,
    };

    CHECK_OK(sys_channel_call(neighbour_channel, 0, after(PATIENCE), &args, NULL, NULL));
    CHECK_EQ(answer[1], 4711);
}

TEST(a_neighbour_starts)
{
    handle_t theirs;

    CHECK_OK(sys_channel_create(0, &neighbour_channel, &theirs));
    neighbour = start_helper("serve", theirs);
    check_neighbour_lives();
}

static void check_dies(const char *name)
{
    handle_t process = start_helper(name, HANDLE_INVALID);
    info_process_t info;

    CHECK_OK(sys_object_wait_one(process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_OK(sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL));
    CHECK_OK(sys_handle_close(process));
    CHECK_EQ(info.exit_code, EXIT_CODE_FAULT);
    CHECK(info.killed);
    CHECK_EQ(info.num_threads, 0);
    check_neighbour_lives();
}

TEST(store_to_null)            { check_dies("store_to_null"); }
TEST(load_from_null)           { check_dies("load_from_null"); }
TEST(load_from_the_kernel)     { check_dies("load_from_the_kernel"); }
TEST(store_to_the_kernel)      { check_dies("store_to_the_kernel"); }
TEST(load_from_no_address)     { check_dies("load_from_no_address"); }
TEST(store_behind_user_memory) { check_dies("store_behind_user_memory"); }
TEST(load_from_a_hole)         { check_dies("load_from_a_hole"); }
TEST(load_across_the_edge)     { check_dies("load_across_the_edge"); }
TEST(store_to_text)            { check_dies("store_to_text"); }
TEST(store_to_a_constant)      { check_dies("store_to_a_constant"); }
TEST(jump_to_null)             { check_dies("jump_to_null"); }
TEST(jump_to_data)             { check_dies("jump_to_data"); }
TEST(jump_to_a_constant)       { check_dies("jump_to_a_constant"); }
TEST(jump_to_the_kernel)       { check_dies("jump_to_the_kernel"); }
TEST(jump_to_the_stack)        { check_dies("jump_to_the_stack"); }
TEST(jump_to_a_hole)           { check_dies("jump_to_a_hole"); }
TEST(illegal_instruction)      { check_dies("illegal_instruction"); }
TEST(breakpoint)               { check_dies("breakpoint"); }
TEST(read_a_kernel_register)   { check_dies("read_a_kernel_register"); }
TEST(write_a_kernel_register)  { check_dies("write_a_kernel_register"); }
TEST(return_from_no_trap)      { check_dies("return_from_no_trap"); }
TEST(flush_the_tlb)            { check_dies("flush_the_tlb"); }
TEST(misaligned_atomic)        { check_dies("misaligned_atomic"); }
TEST(misaligned_reservation)   { check_dies("misaligned_reservation"); }
TEST(overflow_the_stack)       { check_dies("overflow_the_stack"); }
TEST(overflow_a_thread_stack)  { check_dies("overflow_a_thread_stack"); }
TEST(lose_the_stack)           { check_dies("lose_the_stack"); }
TEST(call_without_a_stack)     { check_dies("call_without_a_stack"); }
TEST(unmap_the_stack)          { check_dies("unmap_the_stack"); }
TEST(unmap_all)                { check_dies("unmap_all"); }
TEST(forbid_the_text)          { check_dies("forbid_the_text"); }
TEST(die_among_threads)        { check_dies("die_among_threads"); }
TEST(die_in_four_threads)      { check_dies("die_in_four_threads"); }

TEST(the_neighbour_lived_through_it_all)
{
    check_neighbour_lives();
    CHECK_OK(sys_handle_close(neighbour_channel));
    CHECK_EQ(exit_code_of(neighbour), 0);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
