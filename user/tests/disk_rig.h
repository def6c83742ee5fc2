/*
 * disk_rig.h: transfers to and from the partition that exists for tests.
 */
#pragma once

#include "memory.h"

#define SECTOR      512ul
#define SCRATCH     (16ul << 20)        /* its size */
#define DISK_KEY    0x7766554433221100ull

static inline handle_t open_scratch(void)
{
    handle_t device = HANDLE_INVALID;
    status_t status = block_open("scratch", &device);

    if (status == ERR_NOT_FOUND)
        test_skip("no disk has a partition labelled scratch");
    CHECK_OK(status);
    return device;
}

/* The next packet must tell that this transfer ended well. */
static inline void expect_done(handle_t port, uint64_t key, uint32_t op, uint64_t offset, uint64_t length)
{
    port_packet_t packet, expected;

    memset(&packet, 0xff, sizeof packet);
    memset(&expected, 0, sizeof expected);
    expected.key = key;
    expected.type = PKT_BLOCK;
    expected.block.op = op;
    expected.block.dev_offset = offset;
    expected.block.length = length;
    CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
    CHECK_STATUS(packet.status, OK);
    CHECK_EQ(packet.key, key);
    CHECK(memcmp(&packet, &expected, sizeof packet) == 0);
}

/* A transfer from beginning to end. */
static inline void transfer(handle_t device, uint32_t op, handle_t vmo, uint64_t vmo_offset, uint64_t offset,
                            uint64_t length)
{
    handle_t port = new_port();

    CHECK_OK(sys_block_submit(device, port, DISK_KEY, op, vmo, vmo_offset, offset, length));
    expect_done(port, DISK_KEY, op, offset, length);
    CHECK_OK(sys_handle_close(port));
}

/* Fill a range of the device, or ask whether it is filled, with one byte; at most 128 KiB. */
static inline void disk_fill(handle_t device, uint64_t offset, uint64_t length, int byte)
{
    handle_t vmo = new_vmo(32);

    vmo_fill(vmo, 0, length, byte);
    transfer(device, BLOCK_WRITE, vmo, 0, offset, length);
    CHECK_OK(sys_handle_close(vmo));
}

static inline bool disk_is_filled(handle_t device, uint64_t offset, uint64_t length, int byte)
{
    handle_t vmo = new_vmo(32);

    transfer(device, BLOCK_READ, vmo, 0, offset, length);
    bool filled = vmo_is_filled(vmo, 0, length, byte);
    CHECK_OK(sys_handle_close(vmo));
    return filled;
}
