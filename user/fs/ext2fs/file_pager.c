/*
 * file_pager.c: pages for the kernel, from the disk.
 *
 *     PAGE_REQUEST packet -> transfer -> chunks -> runs of disk blocks -> sys_block_submit
 *                                          supply <- BLOCK packet <-
 *
 * A transfer is one request of the kernel.  It is answered in chunks of up to 128 KiB: the blocks
 * of a chunk are read by the device into the transfer's window, a range of one auxiliary VMO, and
 * when all are there sys_pager_supply_pages moves the pages out of it into the file.  No byte is
 * copied, and no page of the file is ever mapped here.  Holes need no work: an absent page of the
 * window supplies zeros.
 *
 * A transfer has one disk request outstanding, and there are as many transfers at work as there are
 * windows; the others wait in line.  The thread itself never waits for the disk except for the
 * file's pointer blocks.
 *
 * Invariant: a window is empty while no transfer uses it, and after every chunk.
 * Locks: none.  All of this belongs to the pager thread.
 */
#include "server.h"

#include <stdlib.h>

#define WINDOWS      16u
#define WINDOW_BYTES (32 * PAGE_SIZE)

struct transfer {
    struct transfer *next;              /* in the line, or among the spare ones */
    struct file *file;
    uint32_t window;
    uint64_t end;                       /* of the request: bytes of the file, as all that follow */
    uint64_t chunk, chunk_end;          /* being read; before it everything is answered */
    uint64_t cursor;                    /* in the chunk: before it all is read */
    uint64_t run_length;                /* bytes that the device is reading now, at cursor */
    uint64_t careful_end;               /* after a read error: one page at a time up to here */
};

static handle_t windows;                /* the auxiliary VMO */
static uint32_t free_windows[WINDOWS], free_window_count;
static struct transfer *line, **line_end = &line;       /* without a window, oldest first */
static struct transfer *spare;

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Whatever the reason is, those who wait are told that it is an I/O error. */
static void fail_pages(struct file *file, uint64_t offset, uint64_t length)
{
    sys_pager_op_range(server.pager, PAGER_OP_FAIL, file->vmo, offset, length,
                       (uint64_t)(int64_t)ERR_IO);
}

/* The place in the auxiliary VMO of a byte of the chunk. */
static uint64_t window_offset(const struct transfer *transfer, uint64_t offset)
{
    return transfer->window * WINDOW_BYTES + (offset - transfer->chunk);
}

static void chunk_begin(struct transfer *transfer)
{
    uint64_t most = transfer->chunk < transfer->careful_end ? PAGE_SIZE : WINDOW_BYTES;

    transfer->chunk_end = smaller(transfer->end, transfer->chunk + most);
    transfer->cursor = transfer->chunk;
}

/*
 * Have the device read the next run of blocks, passing over holes.  *out_busy: a BLOCK packet will
 * tell its end.
 */
static status_t chunk_read(struct transfer *transfer, bool *out_busy)
{
    const struct file_system *fs = &server.fs;
    struct inode *inode = &transfer->file->inode;
    uint64_t end = smaller(transfer->chunk_end, round_up(inode->attributes.size, fs->block_size));

    *out_busy = false;
    while (transfer->cursor < end) {
        uint32_t block, count;
        uint64_t wanted =
            smaller(end - transfer->cursor, server.disk.max_transfer) / fs->block_size;
        status_t status =
            blocks_find_run(fs, inode, transfer->cursor / fs->block_size, wanted, &block, &count);

        if (status != OK)
            return status;
        transfer->run_length = (uint64_t)count * fs->block_size;
        if (block != 0) {
            *out_busy = true;
            return sys_block_submit(server.disk.device, server.pager_port, (uintptr_t)transfer,
                                    BLOCK_READ, windows, window_offset(transfer, transfer->cursor),
                                    (uint64_t)block * fs->block_size, transfer->run_length);
        }
        transfer->cursor += transfer->run_length;
    }
    return OK;
}

/* The file ends within its last page: what the disk has behind the end is nobody's business. */
static status_t chunk_zero_tail(struct transfer *transfer)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint64_t size = transfer->file->inode.attributes.size;

    if (size % PAGE_SIZE == 0 || size <= transfer->chunk || size >= transfer->chunk_end)
        return OK;
    return sys_vmo_write(windows, 0, zeros, window_offset(transfer, size),
                         PAGE_SIZE - size % PAGE_SIZE);
}

/* All of the chunk is in the window. */
static status_t chunk_supply(struct transfer *transfer)
{
    status_t status = chunk_zero_tail(transfer);

    if (status == OK)
        status = sys_pager_supply_pages(server.pager, transfer->file->vmo, transfer->chunk,
                                        transfer->chunk_end - transfer->chunk, windows,
                                        window_offset(transfer, transfer->chunk));
    return status;
}

/*
 * The chunk cannot be had.  If it is more than a page the trouble may be with only some of them: it
 * is tried again page by page, so that only those fail that must.
 */
static void chunk_fail(struct transfer *transfer, status_t status)
{
    uint64_t length = transfer->chunk_end - transfer->chunk;

    sys_vmo_op_range(windows, VMO_OP_DECOMMIT, window_offset(transfer, transfer->chunk), length,
                     NULL, 0);
    if (length > PAGE_SIZE) {
        transfer->careful_end = transfer->chunk_end;
        return;
    }
    complain("inode %u: cannot read the page at %llu (status %d)",
             (unsigned)transfer->file->inode.number, (unsigned long long)transfer->chunk,
             (int)status);
    fail_pages(transfer->file, transfer->chunk, length);
    transfer->chunk = transfer->chunk_end;
}

/* Carry a transfer on until the device is at work for it; false when all is answered. */
static bool transfer_advance(struct transfer *transfer, status_t status)
{
    while (transfer->chunk < transfer->end) {
        bool busy = false;

        if (status == OK)
            status = chunk_read(transfer, &busy);
        if (status == OK && busy)
            return true;
        if (status == OK)
            status = chunk_supply(transfer);
        if (status == OK)
            transfer->chunk = transfer->chunk_end;
        else
            chunk_fail(transfer, status);
        status = OK;
        chunk_begin(transfer);
    }
    return false;
}

/* Give free windows to the transfers in line. */
static void line_advance(void)
{
    while (line != NULL && free_window_count > 0) {
        struct transfer *transfer = line;

        line = transfer->next;
        if (line == NULL)
            line_end = &line;
        transfer->window = free_windows[--free_window_count];
        chunk_begin(transfer);
        if (transfer_advance(transfer, OK))
            continue;
        free_windows[free_window_count++] = transfer->window;
        transfer->next = spare;
        spare = transfer;
    }
}

static void pages_requested(const port_packet_t *packet)
{
    struct file *file = (struct file *)(uintptr_t)packet->key;
    struct transfer *transfer = spare;

    if (packet->page_request.command != PAGER_VMO_READ)
        return;                         /* nothing else is sent for a VMO that is not written */
    if (transfer != NULL)
        spare = transfer->next;
    else
        transfer = malloc(sizeof(*transfer));
    if (transfer == NULL) {
        fail_pages(file, packet->page_request.offset, packet->page_request.length);
        return;
    }
    *transfer = (struct transfer){
        .file = file,
        .chunk = packet->page_request.offset,
        .end = packet->page_request.offset + packet->page_request.length,
    };
    *line_end = transfer;
    line_end = &transfer->next;
}

static void blocks_read_done(const port_packet_t *packet)
{
    struct transfer *transfer = (struct transfer *)(uintptr_t)packet->key;

    transfer->cursor += transfer->run_length;
    if (transfer_advance(transfer, packet->status))
        return;
    free_windows[free_window_count++] = transfer->window;
    transfer->next = spare;
    spare = transfer;
}

static void file_pager_serve(void *unused)
{
    port_packet_t packet;

    (void)unused;
    while (sys_port_wait(server.pager_port, DEADLINE_INFINITE, &packet) == OK) {
        if (packet.type == PKT_PAGE_REQUEST)
            pages_requested(&packet);
        else if (packet.type == PKT_BLOCK)
            blocks_read_done(&packet);
        line_advance();
    }
    complain("the pager's port failed");
    sys_process_exit(1);
}

status_t file_pager_start(void)
{
    status_t status = sys_vmo_create(WINDOWS * WINDOW_BYTES, 0, &windows);

    for (uint32_t i = 0; i < WINDOWS; i++)
        free_windows[free_window_count++] = i;
    return status != OK ? status : quire_thread_create(file_pager_serve, NULL, NULL);
}
