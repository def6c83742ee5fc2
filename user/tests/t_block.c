/*
 * t_block.c: transfers between a disk and a VMO's own pages, and partitions.
 *
 * Machine: cpus=4
 */
#include "disk_rig.h"

#include <stdlib.h>

#define LONGEST (32 * PAGE_SIZE)        /* a transfer */

TEST(get_info)
{
    handle_t device = open_scratch(), event = new_event(), blind = reduced(device, RIGHT_READ);
    block_info_t info, later;

    CHECK_STATUS(sys_block_get_info(HANDLE_INVALID, &info), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_block_get_info(event, &info), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_block_get_info(blind, &info), ERR_ACCESS_DENIED);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_block_get_info(device, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_OK(sys_block_get_info(device, &info));
    CHECK_EQ(info.size, SCRATCH);
    CHECK(info.disk_offset > 0 && info.disk_offset % SECTOR == 0);
    CHECK_EQ(info.block_size, SECTOR);
    CHECK_EQ(info.max_transfer, LONGEST);
    CHECK(info.flags & BLOCK_INFO_FLUSH && !(info.flags & BLOCK_INFO_READ_ONLY));

    disk_fill(device, 0, PAGE_SIZE, 1);
    CHECK(disk_is_filled(device, 0, PAGE_SIZE, 1));
    transfer(device, BLOCK_FLUSH, HANDLE_INVALID, 0, 0, 0);
    CHECK_OK(sys_block_get_info(device, &later));
    CHECK(later.reads == info.reads + 1 && later.writes == info.writes + 1 &&
          later.flushes == info.flushes + 1);
    CHECK_EQ(later.errors, info.errors);
    CHECK_OK(sys_handle_close(blind));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(device));
}

TEST(submit_refuses_handles)
{
    handle_t device = open_scratch(), port = new_port(), vmo = new_vmo(1), event = new_event();
    handle_t reader = reduced(device, RIGHT_READ), writer = reduced(device, RIGHT_WRITE),
             deaf = reduced(port, RIGHT_READ);
    handle_t vmo_reader = reduced(vmo, RIGHT_READ), vmo_writer = reduced(vmo, RIGHT_WRITE);
    const uint64_t page = PAGE_SIZE;

    CHECK_STATUS(sys_block_submit(HANDLE_INVALID, port, 1, BLOCK_READ, vmo, 0, 0, page),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_block_submit(event, port, 1, BLOCK_READ, vmo, 0, 0, page), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_block_submit(writer, port, 1, BLOCK_READ, vmo, 0, 0, page), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_submit(reader, port, 1, BLOCK_WRITE, vmo, 0, 0, page),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_submit(reader, port, 1, BLOCK_FLUSH, 0, 0, 0, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_submit(device, HANDLE_INVALID, 1, BLOCK_READ, vmo, 0, 0, page),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_block_submit(device, event, 1, BLOCK_READ, vmo, 0, 0, page), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_block_submit(device, deaf, 1, BLOCK_READ, vmo, 0, 0, page), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, HANDLE_INVALID, 0, 0, page),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, event, 0, 0, page), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo_reader, 0, 0, page),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo_writer, 0, 0, page),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_WRITE, vmo_writer, 0, 0, page),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_port_wait(port, 0, &(port_packet_t){ 0 }), ERR_TIMED_OUT);
    CHECK_EQ(committed(vmo), 0);
    CHECK_OK(sys_handle_close(vmo_writer));
    CHECK_OK(sys_handle_close(vmo_reader));
    CHECK_OK(sys_handle_close(deaf));
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

TEST(submit_refuses_ranges)
{
    handle_t device = open_scratch(), port = new_port(), vmo = new_vmo(64);
    const uint64_t page = PAGE_SIZE, wrap = 0 - PAGE_SIZE;

    CHECK_STATUS(sys_block_submit(device, port, 1, 3, vmo, 0, 0, page), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 1, 0, page), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, 256, page),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, 0, 100), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, 0, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_FLUSH, 0, 0, 0, page), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_FLUSH, 0, 0, page, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, 0, LONGEST + SECTOR),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, SCRATCH, page),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, SCRATCH - page,
                                  page + SECTOR),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, wrap, 2 * page),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, page, wrap),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 64 * page, 0, page),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 63 * page, 0, page + SECTOR),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, vmo, wrap, 0, 2 * page),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_port_wait(port, 0, &(port_packet_t){ 0 }), ERR_TIMED_OUT);
    CHECK_EQ(committed(vmo), 0);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

TEST(submit_refuses_pages_that_are_not_its_own)
{
    handle_t device = open_scratch(), port = new_port(), pager, paged, device_vmo, vmo = new_vmo(3);

    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, PAGE_SIZE, &paged));
    CHECK_OK(sys_block_create_vmo(device, 0, &device_vmo));
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, paged, 0, 0, PAGE_SIZE),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, device_vmo, 0, 0, PAGE_SIZE),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_WRITE, paged, 0, 0, PAGE_SIZE),
                 ERR_NOT_FOUND);
    /* no page was asked for */
    CHECK_STATUS(sys_port_wait(port, 0, &(port_packet_t){ 0 }), ERR_TIMED_OUT);

    disk_fill(device, 0, 3 * PAGE_SIZE, 'o');
    vmo_fill(vmo, 0, PAGE_SIZE, 'n');
    vmo_fill(vmo, 2 * PAGE_SIZE, PAGE_SIZE, 'n');
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_WRITE, vmo, 0, 0, 3 * PAGE_SIZE),
                 ERR_NOT_FOUND);
    CHECK(disk_is_filled(device, 0, 3 * PAGE_SIZE, 'o'));
    /* nothing stayed busy */
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, 3 * PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_handle_close(device_vmo));
    CHECK_OK(sys_handle_close(paged));
    CHECK_OK(sys_handle_close(pager));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

TEST(random_transfers_match_a_model)
{
    const size_t size = 64 * PAGE_SIZE;
    handle_t device = open_scratch(), vmo = new_vmo(36);
    unsigned char *model = malloc(size), *bytes = malloc(LONGEST);
    uint64_t random = 0xd15c;

    CHECK(model && bytes);
    memset(model, 0, size);
    disk_fill(device, 0, LONGEST, 0);
    disk_fill(device, LONGEST, LONGEST, 0);
    for (int i = 0; i < 300; i++) {
        uint64_t offset = next_random(&random) % (size / SECTOR) * SECTOR;
        uint64_t room = size - offset < LONGEST ? size - offset : LONGEST;
        uint64_t length = (1 + next_random(&random) % (room / SECTOR)) * SECTOR;
        uint64_t vmo_offset = next_random(&random) % 24 * SECTOR;

        if (i % 2) {
            for (size_t j = 0; j < length; j++)
                model[offset + j] = bytes[j] = (unsigned char)next_random(&random);
            CHECK_OK(sys_vmo_write(vmo, 0, bytes, vmo_offset, length));
            transfer(device, BLOCK_WRITE, vmo, vmo_offset, offset, length);
        } else {
            transfer(device, BLOCK_READ, vmo, vmo_offset, offset, length);
            CHECK_OK(sys_vmo_read(vmo, 0, bytes, vmo_offset, length));
            CHECK(memcmp(bytes, model + offset, length) == 0);
        }
        if (i % 16 == 0)
            CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, 36 * PAGE_SIZE, NULL, 0));
    }
    free(bytes);
    free(model);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(reading_part_of_a_page_keeps_the_rest)
{
    handle_t device = open_scratch(), vmo = new_vmo(3);

    disk_fill(device, 0, 2 * PAGE_SIZE, 'D');
    vmo_fill(vmo, PAGE_SIZE, PAGE_SIZE, 'm');
    transfer(device, BLOCK_READ, vmo, PAGE_SIZE - SECTOR, SECTOR, PAGE_SIZE);
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE - SECTOR, 0));
    CHECK(vmo_is_filled(vmo, PAGE_SIZE - SECTOR, PAGE_SIZE, 'D'));
    CHECK(vmo_is_filled(vmo, 2 * PAGE_SIZE - SECTOR, SECTOR, 'm'));
    CHECK_EQ(committed(vmo), 2);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(mappings_see_what_a_device_reads)
{
    handle_t device = open_scratch(), vmo = new_vmo(2);
    const char *memory = map_vmo(vmo, VM_READ, 0, 2 * PAGE_SIZE);

    disk_fill(device, 0, 2 * PAGE_SIZE, 'v');
    CHECK(memory[0] == 0 && memory[PAGE_SIZE] == 0);    /* zeros are mapped */
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, PAGE_SIZE, PAGE_SIZE, NULL, 0));
    CHECK_EQ(memory[PAGE_SIZE], 0);
    transfer(device, BLOCK_READ, vmo, 0, 0, 2 * PAGE_SIZE);
    for (size_t i = 0; i < 2 * PAGE_SIZE; i++)
        CHECK(memory[i] == 'v');
    unmap(memory, 2 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(device));
}

TEST(many_transfers_in_flight)
{
    enum { COUNT = 48 };
    handle_t device = open_scratch(), port = new_port(), vmo = new_vmo(COUNT * 8);
    uint64_t seen = 0;

    for (uint64_t i = 0; i < COUNT; i++)
        vmo_fill(vmo, i * 8 * PAGE_SIZE, 8 * PAGE_SIZE, (int)i + 1);
    for (unsigned op = BLOCK_WRITE;; op = BLOCK_READ) {
        seen = 0;
        for (uint64_t i = 0; i < COUNT; i++)
            CHECK_OK(sys_block_submit(device, port, i, op, vmo, i * 8 * PAGE_SIZE,
                                      i * 8 * PAGE_SIZE, 8 * PAGE_SIZE));
        for (uint64_t i = 0; i < COUNT; i++) {
            port_packet_t packet;

            CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
            CHECK_STATUS(packet.status, OK);
            CHECK(packet.block.op == op && packet.key < COUNT && !(seen & 1ull << packet.key));
            CHECK_EQ(packet.block.dev_offset, packet.key * 8 * PAGE_SIZE);
            seen |= 1ull << packet.key;
        }
        if (op == BLOCK_READ)
            break;
        CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, COUNT * 8 * PAGE_SIZE, NULL, 0));
    }
    for (uint64_t i = 0; i < COUNT; i++)
        CHECK(vmo_is_filled(vmo, i * 8 * PAGE_SIZE, 8 * PAGE_SIZE, (int)i + 1));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

/* Until the device answers, the pages are lent: who needs them otherwise waits or is refused. */
TEST(pages_in_transfer_are_busy)
{
    handle_t device = open_scratch(), port = new_port(), vmo = new_vmo(32), pager, paged;
    int64_t end = after(PATIENCE);
    bool submit_refused = false, supply_refused = false;

    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, LONGEST, &paged));
    disk_fill(device, 0, LONGEST, 'b');
    while ((!submit_refused || !supply_refused) && sys_clock_get() < end) {
        CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, LONGEST, NULL, 0));
        CHECK_OK(sys_block_submit(device, port, DISK_KEY, BLOCK_READ, vmo, 0, 0, LONGEST));
        if (!supply_refused) {
            supply_refused =
                sys_pager_supply_pages(pager, paged, 0, PAGE_SIZE, vmo, PAGE_SIZE) == ERR_BAD_STATE;
        } else if (sys_block_submit(device, port, 2, BLOCK_WRITE, vmo, PAGE_SIZE, 0, PAGE_SIZE) ==
                   ERR_BAD_STATE) {
            submit_refused = true;
        } else {
            expect_done(port, DISK_KEY, BLOCK_READ, 0, LONGEST);
            expect_done(port, 2, BLOCK_WRITE, 0, PAGE_SIZE);
            continue;
        }
        expect_done(port, DISK_KEY, BLOCK_READ, 0, LONGEST);
    }
    CHECK(submit_refused && supply_refused);
    COVERS("block_submit", BAD_STATE);
    COVERS("pager_supply_pages", BAD_STATE);

    for (int i = 0; i < 20; i++) {
        CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, LONGEST, NULL, 0));
        CHECK_OK(sys_block_submit(device, port, DISK_KEY, BLOCK_READ, vmo, 0, 0, LONGEST));
        if (i % 2)
            CHECK(vmo_is_filled(vmo, 0, LONGEST, 'b'));         /* waits for the bytes */
        else
            CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, LONGEST, NULL, 0));
        expect_done(port, DISK_KEY, BLOCK_READ, 0, LONGEST);
        CHECK_EQ(committed(vmo), i % 2 ? 32 : 0);
    }
    CHECK_OK(sys_handle_close(paged));
    CHECK_OK(sys_handle_close(pager));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

/* All of a long range, also where it is far from its beginning. */
TEST(zeroing_waits_for_pages_in_transfer)
{
    handle_t device = open_scratch(), port = new_port(), vmo = new_vmo(256);

    for (int i = 0; i < 20; i++) {
        CHECK_OK(sys_block_submit(device, port, DISK_KEY, BLOCK_READ, vmo, 200 * PAGE_SIZE, 0,
                                  LONGEST));
        CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_ZERO, 0, 256 * PAGE_SIZE, NULL, 0));
        CHECK_EQ(committed(vmo), 0);
        expect_done(port, DISK_KEY, BLOCK_READ, 0, LONGEST);
    }
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(device));
}

static bool no_page_is_busy(void *unused)
{
    (void)unused;
    return system_info().frames[FRAME_BUSY] == 0;
}

/*
 * Whoever started a transfer may drop everything; the pages live until the device is done with
 * them.
 */
TEST(handles_may_go_while_a_transfer_runs)
{
    uint64_t vmos, devices = system_info().objects[OBJECT_BLOCK];

    edge();
    vmos = live_vmos();
    for (int i = 0; i < 30; i++) {
        handle_t device = open_scratch(), port = new_port(), vmo = new_vmo(32);

        CHECK_OK(sys_block_submit(device, port, 1, BLOCK_READ, vmo, 0, 0, LONGEST));
        CHECK_OK(sys_block_submit(device, port, 2, BLOCK_FLUSH, 0, 0, 0, 0));
        CHECK_OK(sys_handle_close(vmo));
        CHECK_OK(sys_handle_close(i % 2 ? device : port));
        CHECK_OK(sys_handle_close(i % 2 ? port : device));
    }
    CHECK(objects_come_down_to(OBJECT_VMO, vmos));
    CHECK(objects_come_down_to(OBJECT_BLOCK, devices));
    CHECK(comes_true(no_page_is_busy, NULL));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
