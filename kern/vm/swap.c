/*
 * swap.c: anonymous pages on their way to backing store, and back.
 *
 * A page on its way out is busy and mapped nowhere, but it stays in its slots: who reads it has it, and it stays then; who writes
 * to it takes its block away, and the write was for nothing.  When the transfer is over and neither happened, the slots of all
 * that hold the page name the block instead.  On the way back all of them get the page at once, FILLING until the device is done.
 *
 * Page-out allocates nothing: transfers come from a pool, a list node holds a block where it held a page.
 *
 * Locks: the family lock; pool_lock (RANK_SWAP_POOL) for the transfers.
 */
#include "vm/swap.h"

#include "task/wait_queue.h"
#include "vm/backing_store.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

#define TRANSFERS 16u

struct swap_transfer {
    struct vmo *vmo;                    /* one of those that hold the pages; a reference */
    uint64_t first;                     /* page number there */
    uint64_t block;                     /* of the first page; the others follow */
    uint32_t count;
    bool out;
    bool used;                          /* pool_lock */
    struct page *pages[SWAP_CLUSTER];
};

static struct spinlock pool_lock = SPINLOCK_INITIALIZER(RANK_SWAP_POOL);
static struct swap_transfer pool[TRANSFERS];
static uint32_t outgoing;               /* transfers on their way out; pool_lock */
static struct wait_queue gone = { LIST_INITIALIZER(gone.sleepers) };

/* Page-in may have the last ones: what it brings is what others wait for. */
static struct swap_transfer *transfer_take(bool out)
{
    struct swap_transfer *found = NULL;

    spin_lock(&pool_lock);
    for (uint32_t i = 0; i < TRANSFERS && !found && !(out && outgoing >= TRANSFERS / 2); i++)
        if (!pool[i].used)
            found = &pool[i];
    if (found) {
        found->used = true;
        found->out = out;
        outgoing += out;
    }
    spin_unlock(&pool_lock);
    return found;
}

static void transfer_give_back(struct swap_transfer *transfer)
{
    spin_lock(&pool_lock);
    transfer->used = false;
    outgoing -= transfer->out;
    wait_queue_wake_all(&gone);
    spin_unlock(&pool_lock);
}

bool swap_wait(void)
{
    bool any;

    spin_lock(&pool_lock);
    any = outgoing > 0;
    if (any && wait_queue_sleep(&gone, &pool_lock, DEADLINE_INFINITE, WAIT_KILLABLE) != OK)
        any = false;
    spin_unlock(&pool_lock);
    return any;
}

/* --- The slots that hold a page, or name a block. --- */

/*
 * In each VMO of the family whose slot for the page of this family number is `old` comes `new` in its place; how many there
 * were.  One kind of slot is a page and the other its block.
 */
static uint32_t replace_slots(struct vmo_family *family, uint64_t number, slot_t old, slot_t new)
{
    int64_t pages = slot_kind(new) == SLOT_PAGE ? 1 : -1;
    uint32_t count = 0;

    list_for_each(&family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);

        if (vmo->ops || number < vmo->base || page_list_get(&vmo->pages, number - vmo->base) != old)
            continue;
        page_list_set(&vmo->pages, number - vmo->base, new);    /* replaces: cannot fail */
        vmo->resident += pages;
        vmo->swapped -= pages;
        count++;
    }
    return count;
}

static void unmap_everywhere(struct vmo_family *family, struct page *page)
{
    list_for_each(&family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);

        if (!vmo->ops && page->index >= vmo->base &&
            slot_page(page_list_get(&vmo->pages, page->index - vmo->base)) == page)
            vmo_unmap_pages(vmo, page->index - vmo->base, 1);
    }
}

/* Its slots name its block from now on, the frame is free.  It is mapped nowhere. */
static void let_go(struct vmo_family *family, struct page *page)
{
    uint64_t block = page->block;
    uint32_t holders = replace_slots(family, page->index, slot_of_page(page), slot_of_block(block));

    assert(holders == page->shares);
    swap_set_holders(block, holders);
    page->shares = 0;
    page->block = 0;
    frame_free(page);
}

void swap_forget(struct page *page)
{
    if (!page->busy)                    /* else the end of the transfer sees that it is gone */
        swap_release(page->block);
    page->block = 0;
}

/* Who waits for the pages of the transfer, in any VMO of the family, looks again. */
static void complete(const struct swap_transfer *transfer, enum request_kind kind, status_t status)
{
    uint64_t number = transfer->vmo->base + transfer->first;

    list_for_each(&transfer->vmo->family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);
        uint64_t from = max_u64(number, vmo->base), end = number + transfer->count;

        if (!vmo->ops && from < end)
            vmo_complete_range(vmo, kind, from - vmo->base, end - from, status);
    }
}

/* --- Out. --- */

static void out_done(struct swap_transfer *transfer, status_t status)
{
    struct vmo_family *family = transfer->vmo->family;

    for (uint32_t i = 0; i < transfer->count; i++) {
        struct page *page = transfer->pages[i];
        uint64_t block = transfer->block + i;

        page_let_go(transfer->vmo, page);
        if (status != OK)
            swap_quarantine(block);
        else if (page->block != block)
            swap_release(block);
        else if (!page->referenced)
            let_go(family, page);
        if (status != OK && page->block == block)
            page->block = 0;
    }
}

/* Those that keep their block go now. */
static uint64_t drop_clean(struct vmo *vmo, uint64_t index, uint64_t wanted, bool (*may_go)(struct vmo *, uint64_t))
{
    uint64_t count = 0;
    struct page *page;

    while (count < wanted && (page = slot_page(page_list_get(&vmo->pages, index + count))) && page->block &&
           may_go(vmo, index + count)) {
        unmap_everywhere(vmo->family, page);
        let_go(vmo->family, page);
        count++;
    }
    return count;
}

static void transfer_done(void *argument, status_t status);

static void start(struct swap_transfer *transfer)
{
    uint64_t offset;
    struct swap_device *device = swap_place(transfer->block, &offset);

    object_ref(&transfer->vmo->object);
    device->submit(device, transfer->out, offset, transfer->pages, transfer->count, transfer_done, transfer);
}

uint64_t swap_out(struct vmo *vmo, uint64_t index, uint64_t wanted, bool (*may_go)(struct vmo *vmo, uint64_t index))
{
    uint64_t went = drop_clean(vmo, index, wanted, may_go);
    struct swap_transfer *transfer = went ? NULL : transfer_take(true);
    uint32_t count = 0, room;
    struct page *page;

    if (!transfer)
        return went;
    wanted = min_u64(wanted, SWAP_CLUSTER);
    while (count < wanted && (page = slot_page(page_list_get(&vmo->pages, index + count))) && !page->block &&
           may_go(vmo, index + count))
        transfer->pages[count++] = page;
    transfer->block = count ? swap_alloc(count, vmo->family, vmo->base + index, &room) : 0;
    if (!transfer->block) {
        transfer_give_back(transfer);
        return 0;
    }
    transfer->vmo = vmo;
    transfer->first = index;
    transfer->count = min_u64(count, room);
    for (uint32_t i = 0; i < transfer->count; i++) {
        page = transfer->pages[i];
        unmap_everywhere(vmo->family, page);
        page_hold(vmo, page);
        page->block = transfer->block + i;
    }
    start(transfer);
    return transfer->count;
}

/* --- In. --- */

static void in_done(struct swap_transfer *transfer, status_t status)
{
    for (uint32_t i = 0; i < transfer->count; i++) {
        struct page *page = transfer->pages[i];

        page_let_go(transfer->vmo, page);
        page->state = PAGE_CLEAN;
        if (status != OK)
            let_go(transfer->vmo->family, page);
    }
    /* A neighbour may have been at fault: the page alone is tried next. */
    if (status != OK && transfer->count > 1) {
        transfer->vmo->swap_alone = true;
        status = OK;
    }
    complete(transfer, REQUEST_READ, status);
}

static void transfer_done(void *argument, status_t status)
{
    struct swap_transfer *transfer = argument;
    struct vmo *vmo = transfer->vmo;

    vmo_lock(vmo);
    if (transfer->out)
        out_done(transfer, status);
    else
        in_done(transfer, status);
    complete(transfer, REQUEST_UNBUSY, OK);
    vmo_unlock(vmo);
    transfer_give_back(transfer);
    object_unref(&vmo->object);
}

/* A frame for the block that the slot at index names, in all slots that name it.  NULL without memory. */
static struct page *insert_frame(struct vmo *vmo, uint64_t index, slot_t slot)
{
    struct page *page = frame_alloc(FRAME_ANON);

    if (!page)
        return NULL;
    page_init(page, vmo, index);
    page->block = slot_block(slot);
    page->shares = replace_slots(vmo->family, page->index, slot, slot_of_page(page));
    swap_set_holders(page->block, 1);
    page->state = PAGE_FILLING;
    page_hold(vmo, page);
    return page;
}

status_t swap_in(struct vmo *vmo, uint64_t index, struct page_request *request)
{
    struct swap_transfer *transfer = request ? transfer_take(false) : NULL;
    uint32_t limit = vmo->swap_alone ? 1 : SWAP_CLUSTER;
    slot_t slot = page_list_get(&vmo->pages, index);

    if (!request)
        return ERR_SHOULD_WAIT;
    if (!transfer)
        return ERR_NO_MEMORY;           /* so many are in flight: some will be over soon */
    vmo->swap_alone = false;
    transfer->vmo = vmo;
    transfer->first = index;
    transfer->block = slot_block(slot);
    transfer->count = 0;
    while (transfer->count < limit && slot == slot_of_block(transfer->block + transfer->count) &&
           swap_same_segment(transfer->block, transfer->block + transfer->count) &&
           (transfer->count == 0 || frame_free_count() > 2 * frame_low)) {
        struct page *page = insert_frame(vmo, index + transfer->count, slot);

        if (!page)
            break;
        transfer->pages[transfer->count++] = page;
        slot = page_list_get(&vmo->pages, index + transfer->count);
    }
    if (transfer->count == 0) {
        transfer_give_back(transfer);
        return ERR_NO_MEMORY;
    }
    page_request_arm(request, vmo, REQUEST_READ, index, transfer->count);
    start(transfer);
    return ERR_SHOULD_WAIT;
}

status_t swap_bring_in(struct vmo *vmo, uint64_t first, uint64_t end)
{
    struct page_request request;
    struct page *page;
    status_t status = OK;

    page_request_init(&request, false);
    for (uint64_t i = first; i < end && status == OK && (vmo->swapped || vmo->family->busy); i++) {
        slot_t slot = page_list_get(&vmo->pages, i);

        page = slot_page(slot);
        if (slot_kind(slot) != SLOT_BLOCK && !(page && page->busy && page->block))
            continue;
        if (page && page->state != PAGE_FILLING) {
            status = vmo_wait_not_busy(vmo, i, i + 1);
        } else {
            status = vmo_get_page(vmo, i, WANT_READ, 1, &request, &page);
            vmo_unlock(vmo);
            status = page_request_resolve(&request, status);
            vmo_lock(vmo);
        }
        if (status == ERR_RETRY)
            status = OK;
        i = first - 1;                  /* what was there may be on its way again */
    }
    return status;
}
