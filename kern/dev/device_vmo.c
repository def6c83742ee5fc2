/*
 * device_vmo.c: memory whose pages are those of a disk or partition.
 *
 * The source of a device VMO is the disk itself.  An absent page becomes a busy frame and a disk
 * request, both made under the family lock by whoever needs the page; the disk's interrupt ends the
 * fill and wakes the waiters.  Only what is asked for is read.  Dirty pages go back by vmo_sync
 * alone, because a file server needs the order of its metadata.
 *
 * Invariant: a frame is busy exactly while one request moves it; a page is never in two writes at
 * once, so the later content is the one that stays on the disk.
 * Locks: the family lock, then disk.lock (in disk_submit).  transfer_done runs in the disk's
 * interrupt.
 */
#include "dev/block.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "task/wait_queue.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

#define SYNC_IN_FLIGHT_MAX 32u          /* requests that one vmo_sync has running */

/* A vmo_sync in progress, on the stack of its thread, which waits for its requests in any case. */
struct sync {
    /* Guarded by the family lock. */
    uint32_t in_flight;
    status_t status;                    /* the first failure */
    struct wait_queue waiter;
};

/* Pages on their way between the device and a VMO. */
struct page_transfer {
    struct disk_request request;
    struct vmo *vmo;                    /* a reference while the disk has the request */
    uint64_t first;
    struct sync *sync;                  /* for whom it is written; NULL: a read */
};

static struct block *vmo_block(const struct vmo *vmo) { return vmo->source; }

/* Family lock held. */
static void transfer_end(struct page_transfer *transfer, status_t status)
{
    const struct disk_request *request = &transfer->request;
    struct sync *sync = transfer->sync;

    if (request->op == BLOCK_READ)
        vmo_fill_done(transfer->vmo, transfer->first, request->pieces, status);
    else if (request->op == BLOCK_WRITE)
        vmo_clean_done(transfer->vmo, transfer->first, request->pieces, status);
    if (sync) {
        sync->in_flight--;
        if (sync->status == OK)
            sync->status = status;
        wait_queue_wake_all(&sync->waiter);
    }
    heap_free(transfer);
}

static void transfer_done(struct disk_request *request, status_t status)
{
    struct page_transfer *transfer = container_of(request, struct page_transfer, request);
    struct vmo *vmo = transfer->vmo;

    vmo_lock(vmo);
    transfer_end(transfer, status);
    vmo_unlock(vmo);
    object_unref(&vmo->object);
}

static struct page_transfer *transfer_create(struct vmo *vmo, uint32_t op, uint64_t first,
                                             struct sync *sync)
{
    struct page_transfer *transfer = heap_alloc(sizeof *transfer);

    if (!transfer)
        return NULL;
    disk_request_init(&transfer->request, op, vmo_block(vmo)->offset + (first << PAGE_SHIFT),
                      transfer_done);
    transfer->vmo = vmo;
    transfer->first = first;
    transfer->sync = sync;
    return transfer;
}

/* The next page joins the transfer, as far as it lies on the device. */
static void transfer_add(struct page_transfer *transfer, struct page *page)
{
    uint64_t offset = (transfer->first + transfer->request.pieces) << PAGE_SHIFT;
    uint64_t rest = vmo_block(transfer->vmo)->length - offset;

    disk_request_add(&transfer->request, page_to_phys(page), (uint32_t)min_u64(PAGE_SIZE, rest));
}

/* Family lock held, so that the disk cannot end it meanwhile. */
static void transfer_start(struct page_transfer *transfer)
{
    if (transfer->sync)
        transfer->sync->in_flight++;
    if (disk_submit(vmo_block(transfer->vmo)->disk, &transfer->request) == OK)
        object_ref(&transfer->vmo->object);
    else
        transfer_end(transfer, ERR_IO);
}

static uint64_t transfer_max_pages(const struct vmo *vmo)
{
    return disk_info(vmo_block(vmo)->disk)->max_transfer >> PAGE_SHIFT;
}

/* --- The source. --- */

/* A busy frame in an empty slot, zeroed beyond the device's end.  NULL without memory. */
static struct page *insert_frame(struct vmo *vmo, uint64_t index)
{
    uint64_t valid = vmo_block(vmo)->length - (index << PAGE_SHIFT);
    struct page *page = frame_alloc(FRAME_DEVICE);

    if (!page || vmo_insert_busy(vmo, index, page) != OK)
        return NULL;
    if (valid < PAGE_SIZE)
        memset((char *)page_to_virt(page) + valid, 0, PAGE_SIZE - valid);
    return page;
}

/* One read for the run of empty slots that begins with the required page, none before it. */
static status_t device_getpages(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required,
                                struct page_request *request)
{
    uint64_t room = min_u64(first + count - required, transfer_max_pages(vmo));
    struct page_transfer *transfer;
    struct page *page;

    assert(vmo_locked(vmo));
    if (!request)
        return ERR_SHOULD_WAIT;
    transfer = transfer_create(vmo, BLOCK_READ, required, NULL);
    if (!transfer)
        return ERR_NO_MEMORY;
    for (uint64_t i = 0; i < room && page_list_get(&vmo->pages, required + i) == SLOT_EMPTY; i++) {
        page = insert_frame(vmo, required + i);
        if (!page)
            break;
        transfer_add(transfer, page);
    }
    if (transfer->request.pieces == 0) {
        heap_free(transfer);
        return ERR_NO_MEMORY;
    }
    page_request_arm(request, vmo, REQUEST_READ, required, transfer->request.pieces);
    transfer_start(transfer);
    return ERR_SHOULD_WAIT;
}

static void device_detach(struct vmo *vmo)
{
    object_unref(&vmo_block(vmo)->object);
}

static const struct pager_ops device_pager_ops = {
    .getpages = device_getpages,
    .detach = device_detach,
};

status_t block_create_vmo(struct block *block, struct vmo **out_vmo)
{
    status_t status;

    object_ref(&block->object);
    status = vmo_create_with_source(VMO_DEVICE, block->length, false, &device_pager_ops, block,
                                    out_vmo);
    if (status != OK)
        object_unref(&block->object);
    return status;
}

/* --- Writing back. --- */

/* The dirty page that a sync has to write at `index`, or NULL. */
static struct page *dirty_page(struct vmo *vmo, uint64_t index)
{
    struct page *page = slot_page(page_list_get(&vmo->pages, index));

    return page && page->state == PAGE_DIRTY && page->busy == 0 ? page : NULL;
}

static void sync_wait(struct vmo *vmo, struct sync *sync, uint32_t until)
{
    while (sync->in_flight > until)
        wait_queue_sleep(&sync->waiter, &vmo->family->lock, DEADLINE_INFINITE,
                         WAIT_UNINTERRUPTIBLE);
}

/* Start to write the run of dirty pages at `index`: where it ends. */
static uint64_t write_run(struct page_transfer *transfer, uint64_t index, uint64_t end)
{
    struct vmo *vmo = transfer->vmo;
    uint64_t last = min_u64(end, index + transfer_max_pages(vmo));
    struct page *page;

    for (; index < last && (page = dirty_page(vmo, index)); index++) {
        vmo_clean_start(vmo, page);
        transfer_add(transfer, page);
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
    struct page_transfer *transfer;
    status_t status = OK;
    struct page *page;

    while (status == OK && (page = page_list_next(&vmo->pages, &index, end))) {
        if (page->state == PAGE_CLEAN || page->state == PAGE_FILLING)
            index++;
        else if (page->busy)
            status = vmo_wait_not_busy(vmo, index, index + 1);
        else if (sync->in_flight < SYNC_IN_FLIGHT_MAX &&
                 (transfer = transfer_create(vmo, BLOCK_WRITE, index, sync)))
            index = write_run(transfer, index, end);
        else if (sync->in_flight > 0)
            sync_wait(vmo, sync, sync->in_flight - 1);
        else
            status = ERR_NO_MEMORY;
    }
    return status;
}

/*
 * Write the dirty pages of the range to the device and wait until they are on its medium.  The
 * first error is returned; pages that could not be written stay dirty.  NOT_SUPPORTED for other
 * VMOs; OUT_OF_RANGE; IO; NO_MEMORY; CANCELED when the thread is killed while another's transfer
 * holds a page.  Takes the family lock; sleeps.
 */
status_t vmo_sync(struct vmo *vmo, uint64_t offset, uint64_t length)
{
    struct sync sync = { .in_flight = 0, .status = OK };
    struct page_transfer *flush;
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
    if (status == OK && disk_can_flush(vmo_block(vmo)->disk)) {
        flush = transfer_create(vmo, BLOCK_FLUSH, 0, &sync);
        if (flush)
            transfer_start(flush);
        sync_wait(vmo, &sync, 0);
        status = flush ? sync.status : ERR_NO_MEMORY;
    }
    vmo_unlock(vmo);
    return status;
}
