/*
 * t_fail_memory.c: memory runs out (see fail.h) in VMOs, and while results are stored.
 *
 * Machine: cpus=4
 */
#include "fail.h"

/* --- Contents of VMOs. --- */

static void prepare_wide_vmo(void)
{
    CHECK_OK(sys_vmo_create(VMO_SIZE_MAX, VMO_RESIZABLE, &held[0]));
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
    try(&(struct attempt){ prepare_wide_vmo, write_low, undo_held }, 5);
    try(&(struct attempt){ prepare_wide_vmo, write_high, undo_held }, 8);
    try(&(struct attempt){ prepare_wide_vmo, commit, undo_held }, 21);
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
    try(&(struct attempt){ prepare_snapshot, write_to_parent, undo_held }, 3);
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

static status_t supply_few(void)
{
    return sys_pager_supply_pages(rig.pager, rig.vmo, 50 * PAGE_SIZE, 3 * PAGE_SIZE, held[3], 0);
}

/* The pages to be supplied are shared with a snapshot, which keeps them. */
static void prepare_shared_aux(void)
{
    prepare_rig();
    CHECK_OK(sys_vmo_create_child(held[3], VMO_CHILD_SNAPSHOT, 0, 100 * PAGE_SIZE, &made[0]));
}

static void undo_shared_aux(status_t status)
{
    (void)status;
    close_made(OK);
    close_held();
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
    try(&(struct attempt){ prepare_rig, supply_run, undo_held }, 3);
    try(&(struct attempt){ prepare_shared_aux, supply_few, undo_shared_aux }, 4);
    try(&(struct attempt){ prepare_rig, zero_run, undo_held }, 0);
    try(&(struct attempt){ prepare_rig, ask, undo_held }, 0);
}

/* The clone has pages of its own before and in the range, and none behind it. */
static void prepare_written_clone(void)
{
    prepare_clone();
    CHECK_OK(sys_vmo_write(held[1], 0, page, 2 * PAGE_SIZE, 2 * PAGE_SIZE));
}

static status_t zero_in_clone(void)
{
    return sys_vmo_op_range(held[1], VMO_OP_ZERO, PAGE_SIZE, 4 * PAGE_SIZE, NULL, 0);
}

/* Refused or not: what was written over never shows what the pager supplied. */
static void undo_zero(status_t status)
{
    static char now[PAGE_SIZE];

    CHECK_OK(sys_vmo_read(held[1], 0, now, 2 * PAGE_SIZE, sizeof now));
    CHECK(now[0] == 0 || (status != OK && now[0] == page[0]));
    CHECK(status != OK || vmo_is_filled(held[1], PAGE_SIZE, 4 * PAGE_SIZE, 0));
    CHECK(is_supplied(held[1], 0, 1) && is_supplied(held[1], 5, 3));
    undo_clone(ERR_NO_MEMORY);
}

/* Nothing was written: refused, it shows what the pager supplied. */
static void undo_first_zero(status_t status)
{
    if (status == OK)
        CHECK(vmo_is_filled(held[1], PAGE_SIZE, 4 * PAGE_SIZE, 0));
    else
        CHECK(is_supplied(held[1], 0, 8));
    undo_clone(ERR_NO_MEMORY);
}

/* A page in part. */
static status_t zero_bytes_in_clone(void)
{
    return sys_vmo_op_range(held[1], VMO_OP_ZERO, 100, PAGE_SIZE, NULL, 0);
}

static void undo_zero_bytes(status_t status)
{
    CHECK(status != OK || vmo_is_filled(held[1], 100, PAGE_SIZE, 0));
    CHECK(vmo_is_filled(held[1], 99, 1, content_of(0)));
    undo_clone(ERR_NO_MEMORY);
}

TEST(zeros_in_clones)
{
    rig = (struct rig){ .pager = new_pager(), .port = new_port() };
    try(&(struct attempt){ prepare_written_clone, zero_in_clone, undo_zero }, 0);
    try(&(struct attempt){ prepare_clone, zero_in_clone, undo_first_zero }, 1);
    try(&(struct attempt){ prepare_clone, zero_bytes_in_clone, undo_zero_bytes }, 3);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
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
    try(&(struct attempt){ prepare_stream, write_stream, undo_held }, 3);
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

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
