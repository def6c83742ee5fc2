/*
 * t_fail.c: kernel memory runs out at every place where a system call or a fault asks for it.
 *
 * sys_system_fail_allocation makes the n-th allocation of a call fail: with n = 1, 2, ... until the
 * call needs fewer.  Each time it has to say so, or do without, and once it is undone the machine
 * holds what it held before: the same objects, handles, regions, and page frames of every kind.
 * What frames do not show, a few bytes of heap, shows when it is done often enough.
 *
 * Machine: cpus=4
 */
#include "disk_rig.h"
#include "pager_rig.h"
#include "tiny.h"

#define PLACE  0x2200000000ul           /* where nothing else is */
#define FAR    0x2240000000ul           /* not under the same page tables */
#define READ_WRITE (VM_READ | VM_WRITE)

enum { ROUNDS = 60, FAILURES_MAX = 100 };

/* One thing that may fail.  prepare and undo run with all the memory they want. */
struct attempt {
    void (*prepare)(void);              /* may be NULL */
    status_t (*call)(void);
    void (*undo)(status_t status);      /* of what the call did, and prepare; may be NULL */
};

static uint32_t fail_after(uint32_t countdown)
{
    uint32_t left = 0;

    CHECK_OK(sys_system_fail_allocation(system_handle(), countdown, &left));
    return left;
}

/* --- What the machine holds. --- */

struct holdings {
    info_system_t system;
    uint32_t handles, regions;
    uint64_t mapped, resident;
};

static struct holdings holdings(void)
{
    info_process_t own = own_info();

    return (struct holdings){ system_info(), own.num_handles, own.num_regions, own.mapped_bytes,
                              own.resident_bytes };
}

static const uint32_t exact[] = { FRAME_TABLE, FRAME_ANON, FRAME_PAGER, FRAME_DEVICE, FRAME_BUSY };

static bool same(const struct holdings *a, const struct holdings *b)
{
    for (size_t i = 0; i < array_size(exact); i++)
        if (a->system.frames[exact[i]] != b->system.frames[exact[i]])
            return false;
    return memcmp(a->system.objects, b->system.objects, sizeof a->system.objects) == 0 &&
           a->handles == b->handles && a->regions == b->regions && a->mapped == b->mapped;
}

/* Threads and processes that have ended go a little later. */
static bool is_as_before(void *before)
{
    struct holdings now = holdings();

    return same(before, &now);
}

static void check_same(const struct holdings *before, const char *what)
{
    if (comes_true_within(5 * SECOND, is_as_before, (void *)before))
        return;
    struct holdings now = holdings();
    for (size_t i = 0; i < array_size(exact); i++)
        if (now.system.frames[exact[i]] != before->system.frames[exact[i]])
            test_failed(__FILE__, __LINE__, "%s: frames of kind %u: %llu, before %llu", what, exact[i],
                        (unsigned long long)now.system.frames[exact[i]],
                        (unsigned long long)before->system.frames[exact[i]]);
    for (unsigned i = 0; i < array_size(now.system.objects); i++)
        if (now.system.objects[i] != before->system.objects[i])
            test_failed(__FILE__, __LINE__, "%s: objects of type %u: %llu, before %llu", what, i,
                        (unsigned long long)now.system.objects[i],
                        (unsigned long long)before->system.objects[i]);
    test_failed(__FILE__, __LINE__, "%s: %u handles, before %u; %u regions, before %u", what, now.handles,
                before->handles, now.regions, before->regions);
}

/* --- Failures. --- */

/* The n-th allocation fails: true if the call made fewer. */
static bool fail_once(const struct attempt *attempt, uint32_t n)
{
    if (attempt->prepare)
        attempt->prepare();
    fail_after(n);
    status_t status = attempt->call();
    uint32_t left = fail_after(0);
    if (left > 0)
        CHECK_OK(status);
    else
        CHECK(status == OK || status == ERR_NO_MEMORY || status == ERR_NO_RESOURCES);
    if (attempt->undo)
        attempt->undo(status);
    return left > 0;
}

static uint32_t fail_everywhere(const struct attempt *attempt, const struct holdings *before)
{
    uint32_t n = 1;

    for (; !fail_once(attempt, n); n++) {
        if (before)
            check_same(before, "after a failure");
        CHECK(n < FAILURES_MAX);
    }
    if (before)
        check_same(before, "after a success");
    return n - 1;
}

/* At least `sites` allocations can fail, one at a time, and nothing is lost. */
static void try(const struct attempt *attempt, uint32_t sites)
{
    fail_everywhere(attempt, NULL);     /* warms up the kernel's caches, and ours */
    struct holdings before = holdings();
    uint32_t failed = fail_everywhere(attempt, &before);
    if (failed < sites)
        test_failed(__FILE__, __LINE__, "only %u allocations can fail, expected %u", failed, sites);
    for (int round = 0; round < ROUNDS; round++)
        fail_everywhere(attempt, NULL);
    check_same(&before, "after all rounds");
    CHECK(holdings().system.frames[FRAME_KERNEL] <= before.system.frames[FRAME_KERNEL] + 1);
}

/* --- Objects: each call makes `made`, or two. --- */

static handle_t made[2], held[4];

static void close_made(status_t status)
{
    if (status != OK)
        return;
    for (int i = 0; i < 2; i++) {
        if (made[i] != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(made[i]));
        made[i] = HANDLE_INVALID;
    }
}

static void close_held(void)
{
    for (size_t i = 0; i < array_size(held); i++) {
        if (held[i] != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(held[i]));
        held[i] = HANDLE_INVALID;
    }
}

static status_t make_event(void)   { return sys_event_create(0, &made[0]); }
static status_t make_port(void)    { return sys_port_create(0, &made[0]); }
static status_t make_channel(void) { return sys_channel_create(0, &made[0], &made[1]); }
static status_t make_pipe(void)    { return sys_pipe_create(0, &made[0], &made[1]); }
static status_t make_pager(void)   { return sys_pager_create(0, &made[0]); }
static status_t make_vmo(void)     { return sys_vmo_create(PAGE_SIZE, 0, &made[0]); }
static status_t make_process(void) { return sys_process_create("x", 1, 0, &made[0]); }
static status_t make_thread(void)  { return sys_thread_create(process_self(), "x", 1, 0, &made[0]); }
static status_t make_stream(void)  { return sys_stream_create(STREAM_READ, held[0], 0, &made[0]); }

static status_t make_copying_process(void)
{
    return sys_process_create("x", 1, PROCESS_COPY_HANDLES, &made[0]);
}

static status_t make_reference(void)
{
    return sys_vmo_create_child(held[0], VMO_CHILD_REFERENCE, 0, 0, &made[0]);
}

static status_t make_pager_vmo(void)
{
    return sys_pager_create_vmo(held[0], 0, held[1], 1, PAGE_SIZE, &made[0]);
}

TEST(events)            { try(&(struct attempt){ NULL, make_event, close_made }, 1); }
TEST(ports)             { try(&(struct attempt){ NULL, make_port, close_made }, 1); }
TEST(channels)          { try(&(struct attempt){ NULL, make_channel, close_made }, 1); }
TEST(pipes)             { try(&(struct attempt){ NULL, make_pipe, close_made }, 1); }
TEST(pagers)            { try(&(struct attempt){ NULL, make_pager, close_made }, 1); }
TEST(vmos)              { try(&(struct attempt){ NULL, make_vmo, close_made }, 2); }
TEST(processes)         { try(&(struct attempt){ NULL, make_process, close_made }, 4); }
TEST(copying_processes) { try(&(struct attempt){ NULL, make_copying_process, close_made }, 5); }
TEST(threads)           { try(&(struct attempt){ NULL, make_thread, close_made }, 1); }

TEST(streams)
{
    held[0] = new_vmo(1);
    try(&(struct attempt){ NULL, make_stream, close_made }, 1);
    close_held();
}

TEST(references)
{
    held[0] = new_vmo(1);
    try(&(struct attempt){ NULL, make_reference, close_made }, 1);
    close_held();
}

/* Each failure may leave a COMPLETE packet in the port, so that is made anew. */
static void prepare_pager_vmo(void)
{
    held[0] = new_pager();
    held[1] = new_port();
}

static void undo_with_held(status_t status)
{
    close_made(status);
    close_held();
}

TEST(pager_vmos)
{
    try(&(struct attempt){ prepare_pager_vmo, make_pager_vmo, undo_with_held }, 3);
}

/* Many threads at once use up the cache of kernel stacks. */
enum { MANY_THREADS = 20 };

static handle_t threads[MANY_THREADS];

static status_t make_threads(void)
{
    status_t status = OK;

    for (int i = 0; i < MANY_THREADS && status == OK; i++)
        status = sys_thread_create(process_self(), "x", 1, 0, &threads[i]);
    return status;
}

static void close_threads(status_t status)
{
    (void)status;
    for (int i = 0; i < MANY_THREADS; i++) {
        if (threads[i] != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(threads[i]));
        threads[i] = HANDLE_INVALID;
    }
}

TEST(kernel_stacks)
{
    try(&(struct attempt){ NULL, make_threads, close_threads }, MANY_THREADS + 4);
}

/* --- Handles.  A chunk of a table stays for good: one failure, then success. --- */

TEST(a_handle_table_that_grows)
{
    enum { MANY = 1000 };
    static handle_t copies[MANY];
    handle_t event = new_event();
    int failed = 0, count = 0;

    while (count < MANY) {
        uint32_t handles = open_handles();

        fail_after(1);
        status_t status = sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &copies[count]);
        if (status == OK) {
            count++;
            CHECK_EQ(fail_after(0), 1);
            continue;
        }
        CHECK_STATUS(status, ERR_NO_MEMORY);
        CHECK_EQ(fail_after(0), 0);
        CHECK_EQ(open_handles(), handles);
        failed++;
        CHECK_OK(sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, &copies[count++]));
    }
    CHECK(failed >= MANY / 256);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(sys_handle_close(copies[i]));
    CHECK_OK(sys_handle_close(event));
}

/* --- Processes and threads that run. --- */

static struct tiny tiny;
static handle_t given;

static void prepare_start(void)
{
    tiny = tiny_create();
    given = new_event();
}

static status_t start_process(void)
{
    return sys_process_start(tiny.process, tiny.thread, tiny_entry(tiny_exit), TINY_STACK, given, 0);
}

static void undo_start(status_t status)
{
    if (status == OK) {
        CHECK_EQ(tiny_end_of(tiny).exited, 1);
    } else {
        CHECK_OK(sys_handle_close(given));      /* it did not move */
        CHECK_EQ(process_info(tiny.process).started, 0);
        CHECK_OK(sys_handle_close(tiny.thread));
        CHECK_OK(sys_handle_close(tiny.process));
    }
}

TEST(process_starts)
{
    try(&(struct attempt){ prepare_start, start_process, undo_start }, 1);
}

/* --- Address spaces. --- */

static uintptr_t mapped;

static status_t map_there(void)
{
    return sys_vm_map(process_self(), READ_WRITE | VM_FIXED, PLACE, held[0], 0, 4 * PAGE_SIZE, &mapped);
}

static status_t map_with_commit(void)
{
    return sys_vm_map(process_self(), READ_WRITE | VM_FIXED | VM_COMMIT, PLACE, held[0], 0,
                      4 * PAGE_SIZE, &mapped);
}

static void unmap_there(status_t status)
{
    if (status == OK)
        unmap((void *)PLACE, 4 * PAGE_SIZE);
    CHECK_OK(sys_vmo_op_range(held[0], VMO_OP_DECOMMIT, 0, 4 * PAGE_SIZE, NULL, 0));
}

TEST(maps)
{
    held[0] = new_vmo(4);
    try(&(struct attempt){ NULL, map_there, unmap_there }, 1);
    try(&(struct attempt){ NULL, map_with_commit, unmap_there }, 6);
    close_held();
}

/* A process has no page tables yet. */
static void prepare_first_map(void)
{
    CHECK_OK(sys_process_create("x", 1, 0, &held[1]));
}

static status_t map_first(void)
{
    return sys_vm_map(held[1], READ_WRITE | VM_FIXED | VM_COMMIT, PLACE, held[0], 0, 4 * PAGE_SIZE,
                      &mapped);
}

static void undo_first_map(status_t status)
{
    CHECK_EQ(process_info(held[1]).num_regions, status == OK);
    CHECK_OK(sys_handle_close(held[1]));
    CHECK_OK(sys_vmo_op_range(held[0], VMO_OP_DECOMMIT, 0, 4 * PAGE_SIZE, NULL, 0));
    held[1] = HANDLE_INVALID;
}

TEST(maps_without_page_tables)
{
    held[0] = new_vmo(4);
    try(&(struct attempt){ prepare_first_map, map_first, undo_first_map }, 8);
    close_held();
}

static void prepare_split(void)
{
    CHECK_OK(map_there());
}

static uint32_t regions;

static void undo_split(status_t status)
{
    CHECK_EQ(own_info().num_regions, regions + (status == OK ? 3 : 1));
    unmap((void *)PLACE, 4 * PAGE_SIZE);
}

static void undo_hole(status_t status)
{
    CHECK_EQ(own_info().num_regions, regions + (status == OK ? 2 : 1));
    unmap((void *)PLACE, 4 * PAGE_SIZE);
}

static status_t protect_middle(void)
{
    return sys_vm_protect(process_self(), VM_READ, PLACE + PAGE_SIZE, PAGE_SIZE);
}

static status_t unmap_middle(void)
{
    return sys_vm_unmap(process_self(), PLACE + PAGE_SIZE, PAGE_SIZE);
}

TEST(splits)
{
    held[0] = new_vmo(4);
    regions = own_info().num_regions;
    try(&(struct attempt){ prepare_split, protect_middle, undo_split }, 2);
    try(&(struct attempt){ prepare_split, unmap_middle, undo_hole }, 2);
    close_held();
}

static status_t get_mapping(void)
{
    info_map_t info;

    return sys_vm_get_mapping(process_self(), 0, &info, &made[0]);
}

TEST(mappings_asked_for)
{
    try(&(struct attempt){ NULL, get_mapping, close_made }, 0);
}

/* --- Contents of VMOs. --- */

static char page[4 * PAGE_SIZE] = "not zero, so it is there";

static void prepare_wide_vmo(void)
{
    CHECK_OK(sys_vmo_create(VMO_SIZE_MAX, VMO_RESIZABLE, &held[0]));
}

static void close_all(status_t status)
{
    (void)status;
    close_held();
}

static status_t write_low(void)
{
    return sys_vmo_write(held[0], 0, page, 100, 3 * PAGE_SIZE);
}

/* A tree of page list nodes over both. */
static status_t write_high(void)
{
    status_t status = sys_vmo_write(held[0], 0, page, 0, 1);

    return status == OK ? sys_vmo_write(held[0], 0, page, VMO_SIZE_MAX - 1, 1) : status;
}

static status_t commit(void)
{
    return sys_vmo_op_range(held[0], VMO_OP_COMMIT, PAGE_SIZE, 20 * PAGE_SIZE, NULL, 0);
}

TEST(writes)
{
    try(&(struct attempt){ prepare_wide_vmo, write_low, close_all }, 5);
    try(&(struct attempt){ prepare_wide_vmo, write_high, close_all }, 8);
    try(&(struct attempt){ prepare_wide_vmo, commit, close_all }, 21);
}

/* --- Snapshots, clones and slices. --- */

static struct rig rig;

static status_t make_snapshot(void)
{
    return sys_vmo_create_child(held[0], VMO_CHILD_SNAPSHOT, 0, VMO_SIZE_MAX, &made[0]);
}

static status_t make_slice(void)
{
    return sys_vmo_create_child(held[0], VMO_CHILD_SLICE, PAGE_SIZE, PAGE_SIZE, &made[0]);
}

static status_t make_clone(void)
{
    return sys_vmo_create_child(held[0], VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 8 * PAGE_SIZE, &made[0]);
}

static status_t copy_on_write(void)
{
    return sys_vmo_write(held[1], 0, page, PAGE_SIZE / 2, 3 * PAGE_SIZE);
}

/* A snapshot of pages that are there, which stay the parent's. */
static void prepare_snapshot(void)
{
    prepare_wide_vmo();
    CHECK_OK(write_low());
    CHECK_OK(write_high());
    CHECK_OK(sys_vmo_create_child(held[0], VMO_CHILD_SNAPSHOT, 0, VMO_SIZE_MAX, &held[1]));
}

static void undo_copy(status_t status)
{
    (void)status;
    CHECK(vmo_is_filled(held[0], 200, 1, 0));
    CHECK(vmo_is_filled(held[0], 100, 1, page[0]));
    close_held();
}

static status_t write_to_parent(void)
{
    return sys_vmo_write(held[0], 0, page, 0, 3 * PAGE_SIZE);
}

/* A clone of pages that a pager has supplied. */
static void prepare_clone(void)
{
    held[2] = rig.vmo = new_pager_vmo(rig.pager, rig.port, RIG_KEY, 8);
    supply(rig, 0, 8);
    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 8 * PAGE_SIZE,
                                  &held[1]));
}

static void undo_clone(status_t status)
{
    CHECK(is_supplied(rig.vmo, 0, 8));
    CHECK(status != OK || vmo_is_filled(held[1], PAGE_SIZE / 2, 1, page[0]));
    close_held();
    expect_complete(rig);               /* the packet holds what the kernel knows of the pager's VMO */
}

TEST(snapshots)
{
    prepare_wide_vmo();
    CHECK_OK(write_low());
    CHECK_OK(write_high());
    try(&(struct attempt){ NULL, make_snapshot, close_made }, 7);
    close_held();
    held[0] = new_vmo(4);
    try(&(struct attempt){ NULL, make_slice, close_made }, 1);
    close_held();
}

TEST(copies_on_write)
{
    try(&(struct attempt){ prepare_snapshot, copy_on_write, undo_copy }, 3);
    try(&(struct attempt){ prepare_snapshot, write_to_parent, close_all }, 3);
}

static void prepare_rig(void)
{
    rig = rig_create(1000);
    held[0] = rig.pager;
    held[1] = rig.port;
    held[2] = rig.vmo;
    held[3] = new_vmo(100);
    CHECK_OK(sys_vmo_op_range(held[3], VMO_OP_COMMIT, 0, 100 * PAGE_SIZE, NULL, 0));
}

static status_t supply_run(void)
{
    return sys_pager_supply_pages(rig.pager, rig.vmo, 50 * PAGE_SIZE, 100 * PAGE_SIZE, held[3], 0);
}

static status_t zero_run(void)
{
    return sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 50 * PAGE_SIZE, 4 * PAGE_SIZE, NULL, 0);
}

/* Asks the pager and is told that it would have to wait: nothing is made for that. */
static status_t ask(void)
{
    status_t status = sys_vmo_read(rig.vmo, 0, page, 0, 1);

    return status == ERR_SHOULD_WAIT ? OK : status;
}

TEST(supplies)
{
    try(&(struct attempt){ prepare_rig, supply_run, close_all }, 3);
    try(&(struct attempt){ prepare_rig, zero_run, close_all }, 0);
    try(&(struct attempt){ prepare_rig, ask, close_all }, 0);
}

TEST(clones)
{
    rig = (struct rig){ .pager = new_pager(), .port = new_port() };
    try(&(struct attempt){ prepare_clone, copy_on_write, undo_clone }, 4);
    rig.vmo = held[0] = new_pager_vmo(rig.pager, rig.port, RIG_KEY, 8);
    supply(rig, 0, 8);
    try(&(struct attempt){ NULL, make_clone, close_made }, 1);
    held[0] = HANDLE_INVALID;
    rig_close(rig);
}

static void prepare_stream(void)
{
    CHECK_OK(sys_vmo_create(0, VMO_RESIZABLE, &held[0]));
    CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, held[0], 0, &held[1]));
}

/* Some bytes written are a success. */
static status_t write_stream(void)
{
    size_t actual;

    return sys_stream_write(held[1], page, 3 * PAGE_SIZE, &actual);
}

TEST(stream_writes)
{
    try(&(struct attempt){ prepare_stream, write_stream, close_all }, 3);
}

/* --- Results that go where no page is yet. --- */

static void prepare_fresh_memory(void)
{
    uintptr_t at;

    held[0] = new_vmo(16);
    vmo_fill(held[0], 0, PAGE_SIZE, 1);
    held[1] = new_vmo(16);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[1], 0, 16 * PAGE_SIZE, &at));
}

static void undo_fresh_memory(status_t status)
{
    unmap((void *)FAR, 16 * PAGE_SIZE);
    undo_with_held(status);
}

static status_t read_to_fresh(void)
{
    return sys_vmo_read(held[0], 0, (void *)(FAR + PAGE_SIZE - 1), 0, 2);
}

static status_t write_from_fresh(void)
{
    return sys_vmo_write(held[0], 0, (void *)FAR, 0, PAGE_SIZE + 1);
}

static status_t create_to_fresh(void)
{
    return sys_channel_create(0, (handle_t *)(FAR + PAGE_SIZE), (handle_t *)(FAR + 2 * PAGE_SIZE));
}

static void close_fresh_handles(status_t status)
{
    if (status == OK) {
        CHECK_OK(sys_handle_close(*(handle_t *)(FAR + PAGE_SIZE)));
        CHECK_OK(sys_handle_close(*(handle_t *)(FAR + 2 * PAGE_SIZE)));
    }
    undo_fresh_memory(status);
}

static status_t map_to_fresh(void)
{
    return sys_vm_map(process_self(), VM_READ | VM_FIXED, PLACE, held[0], 0, PAGE_SIZE, (uintptr_t *)FAR);
}

static void unmap_fresh(status_t status)
{
    if (status == OK)
        unmap((void *)PLACE, PAGE_SIZE);
    undo_fresh_memory(status);
}

static status_t info_to_fresh(void)
{
    return sys_object_get_info(process_self(), INFO_PROCESS_MAPS, (void *)FAR, 4 * PAGE_SIZE,
                               (size_t *)(FAR + 4 * PAGE_SIZE), (size_t *)(FAR + 5 * PAGE_SIZE));
}

static status_t mapping_to_fresh(void)
{
    return sys_vm_get_mapping(process_self(), 0, (info_map_t *)FAR, &made[0]);
}

static status_t random_to_fresh(void)
{
    return sys_random((void *)FAR, 2 * PAGE_SIZE);
}

static status_t name_from_fresh(void)
{
    return sys_object_set_name(held[0], (const char *)FAR, 4);
}

static status_t wait_on_fresh(void)
{
    status_t status = sys_futex_wait((const uint32_t *)FAR, 0, sys_clock_get() + 1000);

    return status == ERR_TIMED_OUT ? OK : status;
}

static status_t fail_to_fresh(void)
{
    return sys_system_fail_allocation(system_handle(), 0, (uint32_t *)FAR);
}

TEST(memory_that_is_not_there_yet)
{
    try(&(struct attempt){ prepare_fresh_memory, read_to_fresh, undo_fresh_memory }, 1);
    try(&(struct attempt){ prepare_fresh_memory, write_from_fresh, undo_fresh_memory }, 1);
    try(&(struct attempt){ prepare_fresh_memory, create_to_fresh, close_fresh_handles }, 3);
    try(&(struct attempt){ prepare_fresh_memory, map_to_fresh, unmap_fresh }, 2);
    try(&(struct attempt){ prepare_fresh_memory, info_to_fresh, undo_fresh_memory }, 3);
    try(&(struct attempt){ prepare_fresh_memory, mapping_to_fresh, undo_fresh_memory }, 2);
    try(&(struct attempt){ prepare_fresh_memory, random_to_fresh, undo_fresh_memory }, 3);
    try(&(struct attempt){ prepare_fresh_memory, name_from_fresh, undo_fresh_memory }, 0);
    try(&(struct attempt){ prepare_fresh_memory, wait_on_fresh, undo_fresh_memory }, 0);
}

/* The countdown stands still while its own result is stored. */
TEST(the_countdown_does_not_count_itself)
{
    prepare_fresh_memory();
    fail_after(1);
    CHECK_OK(fail_to_fresh());
    CHECK_EQ(*(uint32_t *)FAR, 1);
    CHECK_EQ(fail_after(0), 0);
    undo_fresh_memory(ERR_NO_MEMORY);
}

/* --- Channels, ports, pipes. --- */

static void prepare_message(void)
{
    CHECK_OK(sys_channel_create(0, &held[0], &held[1]));
    for (int i = 0; i < 2; i++)
        made[i] = new_event();
}

static status_t send_small(void)
{
    return sys_channel_write(held[0], 0, page, 100, made, 2);
}

static status_t send_large(void)
{
    return sys_channel_write(held[0], 0, page, sizeof page, made, 2);
}

/* Sent or not, the handles have left. */
static void undo_message(status_t status)
{
    (void)status;
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(sys_handle_close(made[i]), ERR_BAD_HANDLE);
        made[i] = HANDLE_INVALID;
    }
    close_held();
}

TEST(messages)
{
    try(&(struct attempt){ prepare_message, send_small, undo_message }, 1);
    try(&(struct attempt){ prepare_message, send_large, undo_message }, 5);
}

static void prepare_message_from_fresh(void)
{
    uintptr_t at;

    prepare_message();
    held[2] = new_vmo(4);
    CHECK_OK(sys_vmo_write(held[2], 0, made, PAGE_SIZE, sizeof made));
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[2], 0, 4 * PAGE_SIZE, &at));
}

static status_t send_from_fresh(void)
{
    return sys_channel_write(held[0], 0, (void *)FAR, PAGE_SIZE, (handle_t *)(FAR + PAGE_SIZE), 2);
}

static void undo_message_from_fresh(status_t status)
{
    unmap((void *)FAR, 4 * PAGE_SIZE);
    undo_message(status);
}

TEST(messages_from_memory_that_is_not_there_yet)
{
    try(&(struct attempt){ prepare_message_from_fresh, send_from_fresh, undo_message_from_fresh }, 2);
}

static void prepare_receive(void)
{
    uintptr_t at;

    prepare_message();
    CHECK_OK(send_large());
    held[2] = new_vmo(16);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[2], 0, 16 * PAGE_SIZE, &at));
    made[0] = made[1] = HANDLE_INVALID;
}

static status_t receive(void)
{
    return sys_channel_read(held[1], 0, (void *)FAR, (handle_t *)(FAR + 8 * PAGE_SIZE), sizeof page, 2,
                            (uint32_t *)(FAR + 9 * PAGE_SIZE), (uint32_t *)(FAR + 10 * PAGE_SIZE));
}

/* A message that could not be taken is still there. */
static void undo_receive(status_t status)
{
    if (status != OK)
        CHECK_OK(receive());
    CHECK_EQ(*(uint32_t *)(FAR + 9 * PAGE_SIZE), sizeof page);
    CHECK(memcmp((void *)FAR, page, sizeof page) == 0);
    for (int i = 0; i < 2; i++)
        CHECK_OK(sys_handle_close(((handle_t *)(FAR + 8 * PAGE_SIZE))[i]));
    unmap((void *)FAR, 16 * PAGE_SIZE);
    close_held();
}

TEST(messages_received)
{
    try(&(struct attempt){ prepare_receive, receive, undo_receive }, 8);
}

/* Answers each call with its own bytes and a new handle, until the channel closes. */
static void answer(void *channel)
{
    static char bytes[sizeof page];
    handle_t end = *(handle_t *)channel, event;
    uint32_t length, handles;

    while (sys_object_wait_one(end, SIGNAL_READABLE | SIGNAL_PEER_CLOSED, DEADLINE_INFINITE, NULL) == OK &&
           sys_channel_read(end, 0, bytes, NULL, sizeof bytes, 0, &length, &handles) == OK) {
        event = new_event();
        CHECK_OK(sys_channel_write(end, 0, bytes, length, &event, 1));
    }
    CHECK_OK(sys_handle_close(end));
}

static void prepare_call(void)
{
    uintptr_t at;

    held[1] = new_vmo(16);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[1], 0, 16 * PAGE_SIZE, &at));
}

static status_t call_server(void)
{
    const channel_call_args_t arguments = {
        .wr_bytes = page, .wr_num_bytes = sizeof page,
        .rd_bytes = (void *)FAR, .rd_num_bytes = sizeof page,
        .rd_handles = (handle_t *)(FAR + 8 * PAGE_SIZE), .rd_num_handles = 1,
    };
    uint32_t length, handles;

    return sys_channel_call(held[0], 0, DEADLINE_INFINITE, &arguments, &length, &handles);
}

static void undo_call(status_t status)
{
    if (status == OK)
        CHECK_OK(sys_handle_close(*(handle_t *)(FAR + 8 * PAGE_SIZE)));
    unmap((void *)FAR, 16 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(held[1]));
    held[1] = HANDLE_INVALID;
}

TEST(calls)
{
    handle_t server, thread;

    CHECK_OK(sys_channel_create(0, &held[0], &server));
    CHECK_OK(quire_thread_create(answer, &server, &thread));
    try(&(struct attempt){ prepare_call, call_server, undo_call }, 8);
    close_held();
    CHECK_OK(quire_thread_join(thread));
}

static void prepare_port(void)
{
    held[0] = new_port();
    held[1] = new_event();
}

static status_t queue_packet(void)
{
    static const port_packet_t packet = { .type = PKT_USER };

    return sys_port_queue(held[0], &packet);
}

static status_t observe(void)
{
    return sys_object_wait_async(held[1], held[0], 7, SIGNAL_USER_0, WAIT_ASYNC_PERSISTENT);
}

TEST(port_packets)
{
    try(&(struct attempt){ prepare_port, queue_packet, close_all }, 1);
    try(&(struct attempt){ prepare_port, observe, close_all }, 1);
}

static void prepare_pipe(void)
{
    CHECK_OK(sys_pipe_create(0, &held[0], &held[1]));
}

/* Some bytes written are a success. */
static status_t write_pipe(void)
{
    size_t actual;

    return sys_pipe_write(held[1], page, sizeof page, &actual);
}

TEST(pipe_bytes)
{
    try(&(struct attempt){ prepare_pipe, write_pipe, close_all }, 4);
}

/* --- Devices. --- */

static status_t make_partition(void)
{
    return sys_block_create_partition(held[0], 0, SCRATCH / 2, RIGHT_SAME_RIGHTS, &made[0]);
}

static status_t make_device_vmo(void)
{
    return sys_block_create_vmo(held[0], 0, &made[0]);
}

static status_t open_disk(void)
{
    return sys_system_get_block(system_handle(), 0, &made[0]);
}

TEST(devices)
{
    held[0] = open_scratch();
    try(&(struct attempt){ NULL, make_partition, close_made }, 1);
    try(&(struct attempt){ NULL, make_device_vmo, close_made }, 2);
    try(&(struct attempt){ NULL, open_disk, close_made }, 1);
    close_held();
}

static void prepare_transfer(void)
{
    held[1] = new_port();
    held[2] = new_vmo(8);
}

static status_t start_reading(void)
{
    return sys_block_submit(held[0], held[1], DISK_KEY, BLOCK_READ, held[2], 0, 0, 4 * PAGE_SIZE);
}

static void undo_transfer(status_t status)
{
    if (status == OK)
        expect_done(held[1], DISK_KEY, BLOCK_READ, 0, 4 * PAGE_SIZE);
    else
        CHECK_EQ(committed(held[2]), 0);
    CHECK_OK(sys_handle_close(held[1]));
    CHECK_OK(sys_handle_close(held[2]));
    held[1] = held[2] = HANDLE_INVALID;
}

TEST(transfers)
{
    held[0] = open_scratch();
    try(&(struct attempt){ prepare_transfer, start_reading, undo_transfer }, 6);
    close_held();
}

static void prepare_device_vmo(void)
{
    CHECK_OK(sys_block_create_vmo(held[0], 0, &held[1]));
}

/* Fewer pages are read when there is no memory for more. */
static status_t read_device(void)
{
    return sys_vmo_read(held[1], 0, page, 0, sizeof page);
}

static void prepare_dirty_device_vmo(void)
{
    prepare_device_vmo();
    CHECK_OK(read_device());
    CHECK_OK(sys_vmo_write(held[1], 0, page, 0, 2 * PAGE_SIZE));
}

static status_t sync_device(void)
{
    return sys_vmo_op_range(held[1], VMO_OP_SYNC, 0, sizeof page, NULL, 0);
}

static void close_device_vmo(status_t status)
{
    (void)status;
    CHECK_OK(sys_handle_close(held[1]));
    held[1] = HANDLE_INVALID;
}

TEST(device_pages)
{
    held[0] = open_scratch();
    try(&(struct attempt){ prepare_device_vmo, read_device, close_device_vmo }, 4);
    try(&(struct attempt){ prepare_dirty_device_vmo, sync_device, close_device_vmo }, 2);
    close_held();
}

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
    CHECK_OK(sys_vm_map(process, options | VM_FIXED, at, vmo, 0, length, &mapped));
}

/* How a process ended that accessed the VMO while its allocation `number` failed. */
static int64_t fault(const char *routine, handle_t vmo, uint32_t number)
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
    CHECK_OK(sys_process_start(faulter.process, faulter.thread,
                               USER_BASE + (uintptr_t)(routine - faulter_begin), TINY_STACK, system,
                               number));
    return tiny_end_of(faulter).exit_code;
}

/* `make` makes the VMO for each try anew. */
static void try_fault(const char *routine, handle_t (*make)(void), uint32_t sites)
{
    struct holdings before;
    int64_t left = 0;

    for (uint32_t n = 0; left == 0; n++) {      /* 0: none fails, to warm up */
        handle_t vmo = make();

        left = fault(routine, vmo, n);
        CHECK_OK(sys_handle_close(vmo));
        if (n == 0) {
            CHECK_EQ(left, 0);
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

/* --- The call itself. --- */

static void other_thread(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++)
        CHECK_OK(sys_handle_close(new_event()));
}

TEST(only_the_thread_that_asks_is_counted)
{
    handle_t thread;

    CHECK_OK(quire_thread_create(other_thread, NULL, &thread));
    fail_after(5);
    while (thread_state(thread) != THREAD_DEAD)
        sys_nanosleep(0);
    CHECK_EQ(fail_after(0), 5);
    CHECK_OK(quire_thread_join(thread));
    CHECK_EQ(fail_after(0), 0);
}

TEST(the_countdown_counts_and_ends)
{
    handle_t event;

    fail_after(3);
    CHECK_OK(sys_handle_close(new_event()));
    CHECK_EQ(fail_after(3), 2);
    CHECK_OK(sys_handle_close(new_event()));
    CHECK_OK(sys_handle_close(new_event()));
    CHECK_STATUS(sys_event_create(0, &event), ERR_NO_MEMORY);
    CHECK_OK(sys_handle_close(new_event()));            /* once */
    CHECK_EQ(fail_after(0), 0);
}

TEST(refusals)
{
    handle_t event = new_event(), looker = reduced(system_handle(), RIGHT_INSPECT | RIGHT_WRITE);
    uint32_t left = 77;

    edge();
    CHECK_STATUS(sys_system_fail_allocation(HANDLE_INVALID, 1, &left), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_system_fail_allocation(event, 1, &left), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_system_fail_allocation(looker, 1, &left), ERR_ACCESS_DENIED);
    fail_after(9);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_system_fail_allocation(system_handle(), 1, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(left, 77);
    CHECK_EQ(fail_after(0), 9);
    CHECK_OK(sys_handle_close(looker));
    CHECK_OK(sys_handle_close(event));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
