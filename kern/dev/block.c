/*
 * block.c: disks and ranges of them as objects, and transfers that user programs start.
 *
 * A transfer moves bytes between the device and the frames that a VMO holds already, without a
 * copy: the frames are busy until the device answers, then a BLOCK packet tells the port.  One
 * allocation holds all that a transfer needs, its packet included; it is freed when the packet is
 * read or dropped.
 *
 * Invariant: a range never reaches beyond the range it was made from.
 * Locks: none of its own.  transfer_done runs in the disk's interrupt with none held.
 */
#include "dev/block.h"

#include "mm/heap.h"

const struct object_ops block_ops = {
    .type = OBJECT_BLOCK,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
    .destroy = object_free,
};

status_t block_create(struct disk *disk, uint64_t offset, uint64_t length, struct block **out_block)
{
    struct block *block = heap_alloc_zeroed(sizeof *block);

    if (!block)
        return ERR_NO_MEMORY;
    object_init(&block->object, &block_ops, 0);
    block->disk = disk;
    block->offset = offset;
    block->length = length;
    *out_block = block;
    return OK;
}

static bool block_aligned(const struct block *block, uint64_t x)
{
    return (x & (disk_info(block->disk)->block_size - 1)) == 0;
}

status_t block_create_partition(struct block *block, uint64_t offset, uint64_t length,
                                struct block **out_block)
{
    if (!block_aligned(block, offset | length) || length == 0)
        return ERR_INVALID_ARGS;
    if (!range_inside(offset, length, block->length))
        return ERR_OUT_OF_RANGE;
    return block_create(block->disk, block->offset + offset, length, out_block);
}

/* --- Transfers. --- */

struct block_transfer {
    struct disk_request request;
    struct vmo_transfer memory;         /* not for a flush */
    struct packet packet;
    struct port *port;                  /* a reference, until the packet is queued */
};

static_assert(sizeof(struct block_transfer) <= HEAP_MAX, "a transfer comes from the heap");
static_assert(VMO_TRANSFER_MAX / PAGE_SIZE + 1 <= DISK_PIECES, "one piece a page");

static void packet_dequeued(struct packet *packet)
{
    heap_free(container_of(packet, struct block_transfer, packet));
}

/* Once the packet is queued, its reader may free the transfer at any moment. */
static void transfer_done(struct disk_request *request, status_t status)
{
    struct block_transfer *transfer = container_of(request, struct block_transfer, request);
    struct port *port = transfer->port;

    if (request->op != BLOCK_FLUSH)
        vmo_transfer_end(&transfer->memory, status);
    transfer->packet.content.status = status;
    if (!port_queue_packet(port, &transfer->packet, false))
        heap_free(transfer);
    object_unref(&port->object);
}

static status_t check_transfer(struct block *block, uint32_t op, uint64_t vmo_offset,
                               uint64_t offset, uint64_t length)
{
    if (op == BLOCK_FLUSH)
        return vmo_offset || offset || length ? ERR_INVALID_ARGS : OK;
    if (op > BLOCK_FLUSH || !block_aligned(block, offset | length) || vmo_offset % 512 != 0 ||
        length == 0)
        return ERR_INVALID_ARGS;
    return length <= disk_info(block->disk)->max_transfer &&
           range_inside(offset, length, block->length) ? OK : ERR_OUT_OF_RANGE;
}

/* One piece a page; the first may begin and the last may end inside its page. */
static void add_pieces(struct block_transfer *transfer, uint64_t vmo_offset, uint64_t length)
{
    uint64_t skip = vmo_offset & PAGE_MASK;

    for (struct page **page = transfer->memory.pages; length > 0; page++) {
        uint32_t piece = (uint32_t)min_u64(length, PAGE_SIZE - skip);

        disk_request_add(&transfer->request, page_to_phys(*page) + skip, piece);
        length -= piece;
        skip = 0;
    }
}

status_t block_submit(struct block *block, struct port *port, uint64_t key, uint32_t op,
                      struct vmo *vmo, uint64_t vmo_offset, uint64_t offset, uint64_t length)
{
    status_t status = check_transfer(block, op, vmo_offset, offset, length);
    struct block_transfer *transfer;

    if (status != OK)
        return status;
    transfer = heap_alloc(sizeof *transfer);
    if (!transfer)
        return ERR_NO_MEMORY;
    disk_request_init(&transfer->request, op, block->offset + offset, transfer_done);
    if (op != BLOCK_FLUSH) {
        status = vmo_transfer_begin(vmo, vmo_offset, length, op == BLOCK_READ, &transfer->memory);
        if (status != OK) {
            heap_free(transfer);
            return status;
        }
        add_pieces(transfer, vmo_offset, length);
    }

    object_ref(&port->object);
    transfer->port = port;
    transfer->packet = (struct packet){
        .content = { .key = key, .type = PKT_BLOCK,
                     .block = { .op = op, .dev_offset = offset, .length = length } },
        .dequeued = packet_dequeued,
    };
    if (op == BLOCK_FLUSH && !disk_can_flush(block->disk))
        transfer_done(&transfer->request, OK);
    else if (disk_submit(block->disk, &transfer->request) != OK)
        transfer_done(&transfer->request, ERR_IO);
    return OK;
}
