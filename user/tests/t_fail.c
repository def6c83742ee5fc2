/*
 * t_fail.c: memory runs out while objects and mappings are made (see fail.h), and the call that does
 * that.
 *
 * Machine: cpus=4
 */
#include "fail.h"

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
