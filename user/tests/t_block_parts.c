/*
 * t_block_parts.c: partitions, which never let anything out of their range, and VMOs whose
 * pages are a device's.
 *
 * Machine: cpus=4
 */
#include "disk_rig.h"

#include <stdlib.h>

TEST(partition_refuses)
{
    handle_t device = open_scratch(), event = new_event(),
             single = reduced(device, RIGHT_READ | RIGHT_WRITE);
    handle_t reader = reduced(device, RIGHT_READ | RIGHT_DUPLICATE), out = 77;
    const uint64_t wrap = 0 - PAGE_SIZE;

    edge();
    uint64_t devices = system_info().objects[OBJECT_BLOCK];
    CHECK_STATUS(sys_block_create_partition(HANDLE_INVALID, 0, SECTOR, RIGHT_READ, &out),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_block_create_partition(event, 0, SECTOR, RIGHT_READ, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_block_create_partition(single, 0, SECTOR, RIGHT_READ, &out),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_create_partition(reader, 0, SECTOR, RIGHT_WRITE, &out),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_create_partition(device, 0, SECTOR, RIGHT_MAP, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_create_partition(device, 1, SECTOR, RIGHT_READ, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_create_partition(device, 0, 100, RIGHT_READ, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_create_partition(device, 0, 0, RIGHT_READ, &out), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_create_partition(device, SCRATCH, SECTOR, RIGHT_READ, &out),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_create_partition(device, SECTOR, SCRATCH, RIGHT_READ, &out),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_create_partition(device, wrap, 2 * PAGE_SIZE, RIGHT_READ, &out),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_create_partition(device, PAGE_SIZE, wrap, RIGHT_READ, &out),
                 ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_block_create_partition(device, 0, SECTOR, RIGHT_READ, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_EQ(system_info().objects[OBJECT_BLOCK], devices);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(single));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(device));
}

TEST(a_partition_has_no_more_rights_than_it_is_given)
{
    handle_t device = open_scratch(), part, vmo = new_vmo(1), port = new_port();
    info_handle_basic_t info;

    CHECK_OK(sys_block_create_partition(device, 0, PAGE_SIZE, RIGHT_READ | RIGHT_DUPLICATE, &part));
    CHECK_OK(sys_object_get_info(part, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    CHECK_EQ(info.rights, RIGHT_READ | RIGHT_DUPLICATE);
    vmo_fill(vmo, 0, PAGE_SIZE, 'w');
    CHECK_STATUS(sys_block_submit(part, port, 1, BLOCK_WRITE, vmo, 0, 0, PAGE_SIZE),
                 ERR_ACCESS_DENIED);
    CHECK_OK(sys_handle_close(part));

    rights_t all;
    CHECK_OK(sys_object_get_info(device, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    all = info.rights;
    CHECK_OK(sys_block_create_partition(device, 0, PAGE_SIZE, RIGHT_SAME_RIGHTS, &part));
    CHECK_OK(sys_object_get_info(part, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    CHECK_EQ(info.rights, all);
    CHECK_OK(sys_handle_close(part));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

/* A range of a range: writes arrive at its place, and its neighbours keep what they had. */
TEST(nothing_leaves_a_partition)
{
    handle_t device = open_scratch(), outer, inner, port = new_port(), vmo = new_vmo(8);
    block_info_t device_info, info;

    CHECK_OK(sys_block_create_partition(device, 8 * PAGE_SIZE, 16 * PAGE_SIZE, RIGHT_SAME_RIGHTS,
                                        &outer));
    CHECK_OK(
        sys_block_create_partition(outer, 5 * SECTOR, 4 * PAGE_SIZE, RIGHT_SAME_RIGHTS, &inner));
    CHECK_OK(sys_block_get_info(device, &device_info));
    CHECK_OK(sys_block_get_info(inner, &info));
    CHECK_EQ(info.size, 4 * PAGE_SIZE);
    CHECK_EQ(info.disk_offset, device_info.disk_offset + 8 * PAGE_SIZE + 5 * SECTOR);

    disk_fill(device, 0, 32 * PAGE_SIZE, '.');
    vmo_fill(vmo, 0, 8 * PAGE_SIZE, 'X');
    CHECK_STATUS(sys_block_submit(inner, port, 1, BLOCK_WRITE, vmo, 0, 0, 4 * PAGE_SIZE + SECTOR),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(inner, port, 1, BLOCK_WRITE, vmo, 0, 4 * PAGE_SIZE, SECTOR),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(inner, port, 1, BLOCK_WRITE, vmo, 0, 0 - SECTOR, SECTOR),
                 ERR_OUT_OF_RANGE);
    CHECK(disk_is_filled(device, 0, 32 * PAGE_SIZE, '.'));
    transfer(inner, BLOCK_WRITE, vmo, 0, 0, 4 * PAGE_SIZE);
    CHECK(disk_is_filled(device, 0, 8 * PAGE_SIZE + 5 * SECTOR, '.'));
    CHECK(disk_is_filled(device, 8 * PAGE_SIZE + 5 * SECTOR, 4 * PAGE_SIZE, 'X'));
    CHECK(disk_is_filled(device, 12 * PAGE_SIZE + 5 * SECTOR, 16 * PAGE_SIZE, '.'));
    CHECK_OK(sys_handle_close(outer));                  /* the inner one does not need it */
    CHECK(disk_is_filled(inner, 0, 4 * PAGE_SIZE, 'X'));
    CHECK_OK(sys_handle_close(inner));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

TEST(create_vmo_refuses)
{
    handle_t device = open_scratch(), event = new_event(), writer = reduced(device, RIGHT_WRITE),
             out = 77;

    edge();
    uint64_t vmos = live_vmos();
    CHECK_STATUS(sys_block_create_vmo(HANDLE_INVALID, 0, &out), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_block_create_vmo(event, 0, &out), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_block_create_vmo(writer, 0, &out), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_create_vmo(device, VMO_RESIZABLE, &out), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_block_create_vmo(device, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(out, 77);
    CHECK_EQ(live_vmos(), vmos);
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(device));
}

TEST(a_device_vmo_is_writable_if_the_device_is)
{
    handle_t device = open_scratch(), reader = reduced(device, RIGHT_READ), vmo;
    char byte = 'x';
    uintptr_t at;

    CHECK_OK(sys_block_create_vmo(reader, 0, &vmo));
    CHECK_OK(sys_vmo_read(vmo, 0, &byte, 0, 1));
    CHECK_STATUS(sys_vmo_write(vmo, 0, &byte, 0, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, PAGE_SIZE, &at),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_SYNC, 0, PAGE_SIZE, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_set_size(vmo, PAGE_SIZE), ERR_UNAVAILABLE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(device));
}

static handle_t device_vmo(handle_t device)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_block_create_vmo(device, 0, &vmo));
    return vmo;
}

static status_t sync_range(handle_t vmo, uint64_t offset, uint64_t length)
{
    return sys_vmo_op_range(vmo, VMO_OP_SYNC, offset, length, NULL, 0);
}

TEST(a_device_vmo_shows_the_disk)
{
    handle_t device = open_scratch(), vmo;

    for (int i = 0; i < 8; i++)
        disk_fill(device, (uint64_t)i * PAGE_SIZE, PAGE_SIZE, 'a' + i);
    vmo = device_vmo(device);
    info_vmo_t info = vmo_info(vmo);
    CHECK_EQ(info.size_bytes, SCRATCH);
    CHECK(!(info.flags & (INFO_VMO_PAGER_BACKED | INFO_VMO_RESIZABLE)));
    CHECK_EQ(info.committed_bytes, 0);
    CHECK(vmo_is_filled(vmo, 3 * PAGE_SIZE, PAGE_SIZE, 'd'));
    CHECK_EQ(committed(vmo), 1);                        /* what was asked for, and no more */
    const char *memory = map_vmo(vmo, VM_READ, 0, 8 * PAGE_SIZE);
    CHECK_EQ(memory[5 * PAGE_SIZE + 9], 'f');
    CHECK_EQ(committed(vmo), 2);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(memory[i * (int)PAGE_SIZE], 'a' + i);
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 0);
    unmap(memory, 8 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(sync_writes_its_range)
{
    handle_t device = open_scratch(), vmo;

    disk_fill(device, 0, 8 * PAGE_SIZE, '-');
    vmo = device_vmo(device);
    char *memory = map_vmo(vmo, VM_READ | VM_WRITE, 0, 8 * PAGE_SIZE);
    vmo_fill(vmo, PAGE_SIZE + 100, 2 * PAGE_SIZE, 'v');
    memset(memory + 5 * PAGE_SIZE, 'm', 10);
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 4 * PAGE_SIZE);
    /* nothing is written unasked */
    CHECK(disk_is_filled(device, 0, 8 * PAGE_SIZE, '-'));
    CHECK_STATUS(sync_range(vmo, SCRATCH - PAGE_SIZE, PAGE_SIZE + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sync_range(vmo, UINT64_MAX, 2), ERR_OUT_OF_RANGE);

    CHECK_OK(sync_range(vmo, 0, 3 * PAGE_SIZE));
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 2 * PAGE_SIZE);
    CHECK(disk_is_filled(device, PAGE_SIZE, SECTOR, '-') == false);
    CHECK(disk_is_filled(device, 2 * PAGE_SIZE, PAGE_SIZE, 'v'));
    CHECK(disk_is_filled(device, 3 * PAGE_SIZE, 5 * PAGE_SIZE, '-'));
    CHECK_OK(sync_range(vmo, 0, SCRATCH));
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 0);
    /* clean again: the store is seen */
    memory[5 * PAGE_SIZE + 10] = 'n';
    CHECK_EQ(vmo_info(vmo).dirty_bytes, PAGE_SIZE);
    CHECK_OK(sync_range(vmo, 5 * PAGE_SIZE + 10, 1));
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 0);

    handle_t again = device_vmo(device);
    char *fresh = map_vmo(again, VM_READ, 0, 8 * PAGE_SIZE);
    CHECK(memcmp(fresh, memory, 8 * PAGE_SIZE) == 0);
    CHECK(fresh[5 * PAGE_SIZE + 9] == 'm' && fresh[5 * PAGE_SIZE + 10] == 'n' &&
          fresh[5 * PAGE_SIZE + 11] == '-');
    unmap(fresh, 8 * PAGE_SIZE);
    unmap(memory, 8 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(again));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(sync_of_a_slice_writes_the_pages_it_shows)
{
    handle_t device = open_scratch(), vmo, slice;

    disk_fill(device, 0, 4 * PAGE_SIZE, '-');
    vmo = device_vmo(device);
    vmo_fill(vmo, 0, 4 * PAGE_SIZE, 's');
    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_SLICE, 2 * PAGE_SIZE, 2 * PAGE_SIZE, &slice));
    CHECK_STATUS(sync_range(slice, PAGE_SIZE, PAGE_SIZE + 1), ERR_OUT_OF_RANGE);
    CHECK_OK(sync_range(slice, 0, PAGE_SIZE));
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 3 * PAGE_SIZE);
    CHECK(disk_is_filled(device, 0, 2 * PAGE_SIZE, '-') && disk_is_filled(device, 2 * PAGE_SIZE, PAGE_SIZE, 's') &&
          disk_is_filled(device, 3 * PAGE_SIZE, PAGE_SIZE, '-'));
    CHECK_OK(sys_handle_close(slice));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(decommit_drops_what_was_not_written)
{
    handle_t device = open_scratch(), vmo;

    disk_fill(device, 0, 4 * PAGE_SIZE, 'o');
    vmo = device_vmo(device);
    char *memory = map_vmo(vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);
    memset(memory, 'n', 4 * PAGE_SIZE);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, 2 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(committed(vmo), 2);
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 2 * PAGE_SIZE);
    CHECK_EQ(memory[0], 'o');                           /* read from the disk again */
    CHECK_EQ(memory[3 * PAGE_SIZE], 'n');
    CHECK_OK(sync_range(vmo, 0, 4 * PAGE_SIZE));
    CHECK(disk_is_filled(device, 0, 2 * PAGE_SIZE, 'o') &&
          disk_is_filled(device, 2 * PAGE_SIZE, 2 * PAGE_SIZE, 'n'));
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(a_device_vmo_takes_part_in_transfers_and_operations)
{
    handle_t device = open_scratch(), vmo;

    disk_fill(device, 0, 8 * PAGE_SIZE, 'q');
    vmo = device_vmo(device);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_PREFETCH, 0, 3 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(committed(vmo), 3);
    /* present pages may be written from */
    transfer(device, BLOCK_WRITE, vmo, 0, 100 * PAGE_SIZE, 3 * PAGE_SIZE);
    CHECK(disk_is_filled(device, 100 * PAGE_SIZE, 3 * PAGE_SIZE, 'q'));
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_ZERO, 10, 2 * PAGE_SIZE, NULL, 0));
    CHECK_OK(sync_range(vmo, 0, 8 * PAGE_SIZE));
    CHECK(disk_is_filled(device, PAGE_SIZE, PAGE_SIZE, 0));
    CHECK(vmo_is_filled(vmo, 0, 10, 'q') && vmo_is_filled(vmo, 10, 2 * PAGE_SIZE, 0));
    CHECK(disk_is_filled(device, 3 * PAGE_SIZE, 5 * PAGE_SIZE, 'q'));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(the_last_page_ends_with_the_device)
{
    handle_t device = open_scratch(), part, vmo;

    disk_fill(device, 0, 4 * PAGE_SIZE, 'e');
    CHECK_OK(sys_block_create_partition(device, PAGE_SIZE, PAGE_SIZE + 3 * SECTOR,
                                        RIGHT_SAME_RIGHTS, &part));
    vmo = device_vmo(part);
    CHECK_EQ(vmo_info(vmo).size_bytes, 2 * PAGE_SIZE);
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE + 3 * SECTOR, 'e'));
    CHECK(vmo_is_filled(vmo, PAGE_SIZE + 3 * SECTOR, PAGE_SIZE - 3 * SECTOR, 0));
    vmo_fill(vmo, 0, 2 * PAGE_SIZE, 'f');
    CHECK_OK(sync_range(vmo, 0, 2 * PAGE_SIZE));
    CHECK(disk_is_filled(device, 0, PAGE_SIZE, 'e'));
    CHECK(disk_is_filled(device, PAGE_SIZE, PAGE_SIZE + 3 * SECTOR, 'f'));
    CHECK(disk_is_filled(device, 2 * PAGE_SIZE + 3 * SECTOR, PAGE_SIZE, 'e'));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(part));
    CHECK_OK(sys_handle_close(device));
}

/* --- Several threads on one device VMO, with a sync that never ends. --- */

struct storer {
    struct raw_thread thread;
    unsigned char *memory;
    unsigned char values[8];
    uint64_t random;
    atomic_uint *end;
};

/* Each page of its own is filled with one value after the other. */
static void store_for_a_while(void *argument)
{
    struct storer *storer = argument;

    while (!atomic_load(storer->end)) {
        uint64_t page = next_random(&storer->random) % 8;

        storer->values[page]++;
        for (size_t i = 0; i < PAGE_SIZE; i++)
            storer->memory[page * PAGE_SIZE + i] = storer->values[page];
    }
}

TEST(stores_during_a_sync_are_not_lost)
{
    static struct storer storers[3];
    static atomic_uint end;
    handle_t device = open_scratch(), vmo;

    disk_fill(device, 0, 24 * PAGE_SIZE, 0);
    vmo = device_vmo(device);
    unsigned char *memory = (unsigned char *)map_vmo(vmo, VM_READ | VM_WRITE, 0, 24 * PAGE_SIZE);
    atomic_store(&end, 0);
    for (unsigned i = 0; i < 3; i++) {
        storers[i].memory = memory + i * 8 * PAGE_SIZE;
        storers[i].random = i + 1;
        storers[i].end = &end;
        raw_thread_start(&storers[i].thread, store_for_a_while, &storers[i]);
    }
    for (int i = 0; i < 40; i++)
        CHECK_OK(sync_range(vmo, 0, 24 * PAGE_SIZE));
    atomic_store(&end, 1);
    for (unsigned i = 0; i < 3; i++)
        wait_for_end(storers[i].thread.handle);
    CHECK_OK(sync_range(vmo, 0, 24 * PAGE_SIZE));
    CHECK_EQ(vmo_info(vmo).dirty_bytes, 0);
    for (unsigned i = 0; i < 24; i++)
        CHECK(disk_is_filled(device, i * PAGE_SIZE, PAGE_SIZE, storers[i / 8].values[i % 8]));
    unmap(memory, 24 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
