/*
 * file_pager.c: pages of files, from the disk.
 *
 * The device reads the blocks of a range right into the room, the auxiliary pages that the library
 * then moves into the file: no byte is copied, and no page of a file is ever mapped here. Blocks
 * that follow one another on the disk are one device request; several requests of one range are at
 * work at the same time. Holes need no work: an absent page of the room supplies zeros.
 *
 * Locks: none; files_make_room takes its own.
 */
#include "server.h"

#define CHECK_PAGES 64u                 /* after so many pages read, look how much memory is left */

struct reading {
    const struct pager_room *room;
    uint64_t start, cursor, end;        /* bytes of the file; before the cursor all is asked for */
    uint32_t outstanding;               /* device requests */
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Wait for the device.  The first error, or OK. */
static status_t reading_wait(struct reading *reading)
{
    status_t status = OK;

    for (; reading->outstanding > 0; reading->outstanding--) {
        port_packet_t packet;
        status_t waited = sys_port_wait(reading->room->port, DEADLINE_INFINITE, &packet);

        if (waited != OK) {
            complain("a device request was lost (status %d)", (int)waited);
            sys_process_exit(1);        /* it may write into the room when nobody expects it */
        }
        if (status == OK)
            status = packet.status;
    }
    return status;
}

/* Have the device read `length` bytes at the cursor.  A page is lent to one request at a time. */
static status_t reading_submit(struct reading *reading, uint32_t block, uint64_t length)
{
    const struct pager_room *room = reading->room;
    status_t status = reading->cursor % PAGE_SIZE != 0 ? reading_wait(reading) : OK;

    if (status != OK)
        return status;
    status = sys_block_submit(server.disk.device, room->port, 0, BLOCK_READ, room->vmo,
                              room->offset + (reading->cursor - reading->start),
                              (uint64_t)block * server.fs.block_size, length);
    if (status == OK)
        reading->outstanding++;
    return status;
}

static status_t reading_go(struct reading *reading, const struct inode *inode)
{
    const struct file_system *fs = &server.fs;
    status_t status = OK;

    while (reading->cursor < reading->end && status == OK) {
        uint64_t wanted = smaller(reading->end - reading->cursor, server.disk.max_transfer);
        uint32_t block, count;

        status = blocks_find_run(fs, inode, reading->cursor / fs->block_size,
                                 wanted / fs->block_size, &block, &count);
        if (status == OK && block != 0)
            status = reading_submit(reading, block, (uint64_t)count * fs->block_size);
        if (status == OK)
            reading->cursor += (uint64_t)count * fs->block_size;
    }
    status_t waited = reading_wait(reading);
    return status != OK ? status : waited;
}

/* The file ends within a page: what the disk has behind the end is nobody's business. */
static status_t zero_tail(const struct pager_room *room, uint64_t offset, uint64_t length,
                          uint64_t size)
{
    static const uint8_t zeros[PAGE_SIZE];

    if (size % PAGE_SIZE == 0 || size <= offset || size >= offset + length)
        return OK;
    return sys_vmo_write(room->vmo, 0, zeros, room->offset + (size - offset),
                         PAGE_SIZE - size % PAGE_SIZE);
}

static status_t file_read_pages(struct pager *pager, uint64_t offset, uint64_t length,
                                const struct pager_room *room)
{
    static _Atomic uint32_t pages_read;
    const struct inode *inode = &((struct file *)pager)->inode;
    uint64_t size = inode->attributes.size;
    struct reading reading = {
        .room = room,
        .start = offset,
        .cursor = offset,
        .end = smaller(offset + length, round_up(size, server.fs.block_size)),
    };
    uint32_t pages = length / PAGE_SIZE, before = __atomic_fetch_add(&pages_read, pages,
                                                                     __ATOMIC_RELAXED);

    if (before / CHECK_PAGES != (before + pages) / CHECK_PAGES)
        files_make_room(false);
    status_t status = reading_go(&reading, inode);
    if (status == OK)
        status = zero_tail(room, offset, length, size);
    if (status == ERR_NO_MEMORY)
        files_make_room(true);          /* the library tries page by page */
    return status;
}

static void file_read_failed(struct pager *pager, uint64_t offset, status_t status)
{
    complain("inode %u: cannot read the page at %llu (%s)",
             (unsigned)((struct file *)pager)->inode.number, (unsigned long long)offset,
             status_name(status));
}

const struct pager_ops file_ops = {
    .read_pages = file_read_pages,
    .read_failed = file_read_failed,
    .unused = file_unused,
    .clean = file_free,
};
