/*
 * block.c: disks and ranges of them as objects, and whatever moves pages between them and VMOs.
 *
 * A device VMO has the disk itself as its source: an absent page becomes a busy frame and a request, both made under
 * the family lock by whoever needs the page.  Only what is asked for is read.  Dirty pages go back by vmo_sync alone,
 * because a file server needs the order of its metadata.  sys_block_submit moves bytes between the disk and the
 * frames that any VMO holds already, without a copy, and a BLOCK packet tells the port.  Both are a struct transfer:
 * one allocation for all that is needed, the packet included.
 *
 * Invariant: a range never reaches beyond the range it was made from.  A frame is busy exactly while one request
 * moves it; a page is never in two writes at once, so the later content is the one that stays on the disk.
 * Locks: the family lock, then disk.lock (in disk_submit).  transfer_done runs in the disk's interrupt, with none held.
 */
#include "dev/block.h"

#include "mm/heap.h"
#include "vm/page_request.h"
#include "vm/reclaim.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

#define SYNC_IN_FLIGHT_MAX 32u          /* requests that one vmo_sync has running */

const struct object_ops block_ops = {
    .type = OBJECT_BLOCK, .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
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

static bool can_flush(const struct block *block)
{
    return disk_info(block->disk)->flags & BLOCK_INFO_FLUSH;
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

/* A vmo_sync in progress, on the stack of its thread, which waits for its requests in any case. */
struct sync {
    /* Guarded by the family lock. */
    uint32_t in_flight;
    status_t status;                    /* the first failure */
    struct wait_queue waiter;
};

/* Pages on their way between a disk and a VMO, or a flush. */
struct transfer {
    struct disk_request request;
    struct vmo *vmo;                    /* a reference while the disk has the request; NULL: a user's flush */
    uint64_t first;                     /* the page of the first piece; the others follow */
    struct sync *sync;                  /* whose it is, or NULL */
    struct port *port;                  /* where its packet goes, a reference; or NULL */
    struct packet packet;
};

static_assert(sizeof(struct transfer) <= HEAP_MAX, "a transfer comes from the heap");
static_assert(VMO_TRANSFER_MAX / PAGE_SIZE + 1 <= DISK_PIECES, "one piece a page");

/* The pages are free again.  Family lock held. */
static void pages_done(struct transfer *transfer, status_t status)
{
    struct sync *sync = transfer->sync;

    vmo_transfer_done(transfer->vmo, transfer->first, transfer->request.pieces, status);
    if (sync) {
        sync->in_flight--;
        if (sync->status == OK)
            sync->status = status;
        wait_queue_wake_all(&sync->waiter);
    }
}

/* Once the packet is queued, its reader may free the transfer at any moment. */
static void transfer_done(struct disk_request *request, status_t status)
{
    struct transfer *transfer = container_of(request, struct transfer, request);
    struct vmo *vmo = transfer->vmo;
    struct port *port = transfer->port;

    if (vmo) {
        vmo_lock(vmo);
        pages_done(transfer, status);
        vmo_unlock(vmo);
        object_unref(&vmo->object);
    }
    transfer->packet.content.status = status;
    if (!port || !port_queue_packet(port, &transfer->packet, false))
        heap_free(transfer);
    if (port)
        object_unref(&port->object);
}

/* offset: bytes in the block's range.  NULL without memory. */
static struct transfer *transfer_create(const struct block *block, uint32_t op, uint64_t offset,
                                        struct vmo *vmo, struct sync *sync)
{
    struct transfer *transfer = heap_alloc(sizeof *transfer);

    if (!transfer)
        return NULL;
    disk_request_init(&transfer->request, op, block->offset + offset, transfer_done);
    transfer->vmo = vmo;
    transfer->first = offset >> PAGE_SHIFT;
    transfer->sync = sync;
    transfer->port = NULL;
    return transfer;
}

/* --- Device VMOs. --- */

static struct block *vmo_block(const struct vmo *vmo) { return vmo->source; }

/* The next page joins the transfer, as far as it lies on the device. */
static void add_page(struct transfer *transfer, struct page *page)
{
    uint64_t offset = (transfer->first + transfer->request.pieces) << PAGE_SHIFT;
    uint64_t rest = vmo_block(transfer->vmo)->length - offset;

    disk_request_add(&transfer->request, page_to_phys(page), (uint32_t)min_u64(PAGE_SIZE, rest));
}

/* Family lock held, so that the disk cannot end it meanwhile. */
static void transfer_start(struct transfer *transfer)
{
    if (transfer->sync)
        transfer->sync->in_flight++;
    if (disk_submit(vmo_block(transfer->vmo)->disk, &transfer->request) == OK) {
        object_ref(&transfer->vmo->object);
    } else {
        pages_done(transfer, ERR_IO);
        heap_free(transfer);
    }
}

static uint64_t transfer_max_pages(const struct vmo *vmo)
{
    return disk_info(vmo_block(vmo)->disk)->max_transfer >> PAGE_SHIFT;
}

/* A busy frame in an empty slot, zeroed beyond the device's end.  NULL without memory. */
static struct page *insert_frame(struct vmo *vmo, uint64_t index)
{
    uint64_t valid = vmo_block(vmo)->length - (index << PAGE_SHIFT);
    struct page *page = valid < PAGE_SIZE ? frame_alloc_zeroed(FRAME_DEVICE) : frame_alloc(FRAME_DEVICE);

    return vmo_insert_busy(vmo, index, page) == OK ? page : NULL;
}

/* One read for the run of empty slots that begins with the required page, none before it. */
static status_t device_getpages(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required,
                                struct page_request *request)
{
    uint64_t room = min_u64(first + count - required, transfer_max_pages(vmo));
    struct transfer *transfer;
    struct page *page;

    assert(vmo_locked(vmo));
    if (!request)
        return ERR_SHOULD_WAIT;
    transfer = transfer_create(vmo_block(vmo), BLOCK_READ, required << PAGE_SHIFT, vmo, NULL);
    if (!transfer)
        return ERR_NO_MEMORY;
    for (uint64_t i = 0; i < room && page_list_get(&vmo->pages, required + i) == SLOT_EMPTY; i++) {
        page = insert_frame(vmo, required + i);
        if (!page)
            break;
        add_page(transfer, page);
    }
    if (transfer->request.pieces == 0) {
        heap_free(transfer);
        return ERR_NO_MEMORY;
    }
    page_request_arm(request, vmo, REQUEST_READ, required, transfer->request.pieces);
    transfer_start(transfer);
    return ERR_SHOULD_WAIT;
}

static void device_detach(struct vmo *vmo) { object_unref(&vmo_block(vmo)->object); }

static const struct pager_ops device_pager_ops = {
    .getpages = device_getpages,
    .detach = device_detach,
};

status_t block_create_vmo(struct block *block, struct vmo **out_vmo)
{
    status_t status = vmo_create_with_source(VMO_DEVICE, block->length, false, &device_pager_ops,
                                             block, out_vmo);

    if (status == OK)
        object_ref(&block->object);
    return status;
}

/* --- Writing back. --- */

static void sync_wait(struct vmo *vmo, struct sync *sync, uint32_t until)
{
    while (sync->in_flight > until)
        wait_queue_sleep(&sync->waiter, &vmo->family->lock, DEADLINE_INFINITE,
                         WAIT_UNINTERRUPTIBLE);
}

/* Start to write the run of dirty pages at `index`: where it ends. */
static uint64_t write_run(struct transfer *transfer, uint64_t index, uint64_t end)
{
    struct vmo *vmo = transfer->vmo;
    uint64_t last = min_u64(end, index + transfer_max_pages(vmo));

    for (; index < last; index++) {
        struct page *page = slot_page(page_list_get(&vmo->pages, index));

        if (!page || page->state != PAGE_DIRTY || page->busy)
            break;
        vmo_clean_start(vmo, page);
        add_page(transfer, page);
    }
    transfer_start(transfer);
    return index;
}

/*
 * Start a write of every dirty page of [index, end).  A page that another transfer holds is waited
 * for, and then written if it is dirty (again): what was stored before the sync must be on the disk
 * after it.  While memory is short, requests of ours will give some back.
 */
static status_t sync_pages(struct vmo *vmo, struct sync *sync, uint64_t index, uint64_t end)
{
    struct transfer *transfer;
    status_t status = OK;
    struct page *page;

    while (status == OK && (page = page_list_next(&vmo->pages, &index, end))) {
        if (page->state == PAGE_CLEAN || page->state == PAGE_FILLING)
            index++;
        else if (page->busy)
            status = vmo_wait_not_busy(vmo, index, index + 1);
        else if (sync->in_flight < SYNC_IN_FLIGHT_MAX &&
                 (transfer = transfer_create(vmo_block(vmo), BLOCK_WRITE, index << PAGE_SHIFT, vmo, sync)))
            index = write_run(transfer, index, end);
        else if (sync->in_flight > 0)
            sync_wait(vmo, sync, sync->in_flight - 1);
        else
            status = ERR_NO_MEMORY;
    }
    return status;
}

/*
 * Write the dirty pages of the range to the device and wait until they are on its medium.  The first error is
 * returned; pages that could not be written stay dirty.  NOT_SUPPORTED for other VMOs; OUT_OF_RANGE; IO; NO_MEMORY;
 * CANCELED when the thread is killed while another's transfer holds a page.  Takes the family lock; sleeps.
 */
status_t vmo_sync(struct vmo *vmo, uint64_t offset, uint64_t length)
{
    struct sync sync = { .in_flight = 0, .status = OK };
    struct transfer *flush;
    status_t status = vmo_locate(&vmo, &offset, length);

    if (vmo_target(vmo)->kind != VMO_DEVICE)
        return ERR_NOT_SUPPORTED;
    if (status != OK)
        return status;
    wait_queue_init(&sync.waiter);
    vmo_lock(vmo);
    status = sync_pages(vmo, &sync, offset >> PAGE_SHIFT, page_ceil(offset + length) >> PAGE_SHIFT);
    sync_wait(vmo, &sync, 0);
    if (status == OK)
        status = sync.status;
    if (status == OK && can_flush(vmo_block(vmo))) {
        flush = transfer_create(vmo_block(vmo), BLOCK_FLUSH, 0, vmo, &sync);
        if (flush)
            transfer_start(flush);
        sync_wait(vmo, &sync, 0);
        status = flush ? sync.status : ERR_NO_MEMORY;
    }
    vmo_unlock(vmo);
    return status;
}

/* --- sys_block_submit. --- */

static void packet_dequeued(struct packet *packet)
{
    heap_free(container_of(packet, struct transfer, packet));
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
static void add_pieces(struct transfer *transfer, struct page **page, uint64_t skip, uint64_t length)
{
    for (; length > 0; page++) {
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
    struct vmo_transfer memory = { .vmo = NULL };
    struct transfer *transfer;

    if (status != OK)
        return status;
    transfer = transfer_create(block, op, offset, NULL, NULL);
    if (!transfer)
        return ERR_NO_MEMORY;
    if (op != BLOCK_FLUSH)
        do
            status = vmo_transfer_begin(vmo, vmo_offset, length, op == BLOCK_READ, &memory);
        while (status == ERR_NO_MEMORY && reclaim_for_retry());
    if (status != OK) {
        heap_free(transfer);
        return status;
    }
    add_pieces(transfer, memory.pages, vmo_offset & PAGE_MASK, length);
    transfer->vmo = memory.vmo;
    transfer->first = memory.first;
    transfer->port = port;
    transfer->packet = (struct packet){
        .content = { .key = key, .type = PKT_BLOCK,
                     .block = { .op = op, .dev_offset = offset, .length = length } },
        .dequeued = packet_dequeued,
    };
    object_ref(&port->object);
    if (op == BLOCK_FLUSH && !can_flush(block))
        transfer_done(&transfer->request, OK);
    else if (disk_submit(block->disk, &transfer->request) != OK)
        transfer_done(&transfer->request, ERR_IO);
    return OK;
}

/* --- The default pager. --- */

/* Each transfer of pages has its request. */
static struct disk_request swap_requests[SWAP_TRANSFERS];

static void swap_request_done(struct disk_request *request, status_t status)
{
    swap_done(&swap_transfers[request - swap_requests], status);
}

status_t swap_submit(struct swap_transfer *transfer, bool out, struct object *device, uint64_t offset)
{
    struct disk_request *request = &swap_requests[transfer - swap_transfers];

    disk_request_init(request, out ? BLOCK_WRITE : BLOCK_READ, offset, swap_request_done);
    for (uint32_t i = 0; i < transfer->count; i++)
        disk_request_add(request, page_to_phys(transfer->pages[i]), PAGE_SIZE);
    return disk_submit(((struct block *)object_checked(device, &block_ops))->disk, request);
}
