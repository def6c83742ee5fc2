/*
 * swap.c: anonymous pages on their way to backing store, and back.
 *
 * A page on its way out (AWAITING_CLEAN) is mapped nowhere, but it stays in its slots and nobody waits for it: who reads it has it,
 * and it stays then; once it is written to (DIRTY) the device's work was for nothing; one that nobody holds any more is freed at the end.
 * When the transfer is over and none of that happened, the slots of all that hold the page name the block instead.  On the way back all
 * of them get the page at once, FILLING and busy until the device is done.
 *
 * Page-out allocates nothing: transfers come from a pool, a list node holds a block where it held a page.
 *
 * Invariant: a block in use has as many holders as slots name it, or one: the page that has it.  A frame is not used for anything else
 * while a device has it.
 * Locks: the family lock; pool_lock (RANK_SWAP_POOL) for the transfers.
 */
#include "vm/swap.h"

#include "task/wait_queue.h"
#include "vm/backing_store.h"
#include "vm/page_request.h"
#include "vm/reclaim.h"
#include "vm/vmo_pages.h"

struct swap_transfer swap_transfers[SWAP_TRANSFERS];
_Atomic uint64_t swap_leaving, swap_clean;

static struct spinlock pool_lock = SPINLOCK_INITIALIZER(RANK_SWAP_POOL);
static uint32_t in_flight;              /* transfers in use; changed under pool_lock */
static struct wait_queue over = { LIST_INITIALIZER(over.sleepers) };     /* who waits for the end of some transfer */

bool swap_in_flight(void) { return *(volatile uint32_t *)&in_flight > 0; }

/* Page-out leaves half of them to page-in: what that brings is what others wait for. */
static struct swap_transfer *transfer_take(struct vmo *vmo, bool out)
{
    struct swap_transfer *found = NULL;

    spin_lock(&pool_lock);
    for (uint32_t i = out ? SWAP_TRANSFERS / 2 : 0; i < SWAP_TRANSFERS && !found; i++)
        if (!swap_transfers[i].used)
            found = &swap_transfers[i];
    if (found) {
        in_flight++;
        *found = (struct swap_transfer){ .used = true, .family = vmo->family, .vmo = out ? NULL : vmo };
    }
    spin_unlock(&pool_lock);
    return found;
}

/* Sleep until a transfer is over, if there are any. */
static status_t wait_for_transfer(void)
{
    status_t status = OK;

    spin_lock(&pool_lock);
    if (in_flight > 0)
        status = wait_queue_sleep(&over, &pool_lock, DEADLINE_INFINITE, WAIT_KILLABLE);
    spin_unlock(&pool_lock);
    sched_preempt_point();
    return status;
}

status_t swap_wait(struct page_request *request)
{
    request->no_transfer = false;
    return wait_for_transfer() == OK ? ERR_RETRY : ERR_CANCELED;
}

static void transfer_give_back(struct swap_transfer *transfer)
{
    spin_lock(&pool_lock);
    transfer->used = false;
    in_flight--;
    wait_queue_wake_all(&over);
    spin_unlock(&pool_lock);
}

/* --- The slots that hold a page, or name a block. --- */

/*
 * In each VMO of the family whose slot for the page of this number is `old` comes `new` in its place; how many there were.  One kind of
 * slot is a page and the other its block.
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
        vmo->change_events += pages < 0;
        count++;
    }
    return count;
}

static void unmap_everywhere(struct vmo_family *family, uint64_t number, uint64_t count)
{
    list_for_each(&family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);
        uint64_t from = max_u64(number, vmo->base), end = number + count;

        if (!vmo->ops && from < end)
            vmo_unmap_pages(vmo, from - vmo->base, end - from);
    }
}

static void set_block(struct page *page, uint64_t block)
{
    page->block = block;
    atomic_fetch_add_explicit(&swap_clean, block ? 1 : -1, memory_order_relaxed);
}

/* Its slots name its block from now on, the frame is free.  It is mapped nowhere. */
static void let_go(struct vmo_family *family, struct page *page)
{
    uint64_t block = page->block;
    uint32_t holders = replace_slots(family, page->index, slot_of_page(page), slot_of_block(block));

    assert(holders == page->shares);
    swap_set_holders(block, holders);
    page->shares = 0;
    set_block(page, 0);
    frame_free(page);
}

void swap_forget(struct page *page)
{
    if (page->state == PAGE_AWAITING_CLEAN) {
        page->state = PAGE_DIRTY;       /* the end of its transfer frees the block */
    } else if (page->state == PAGE_CLEAN) {
        swap_release(page->block, true);
        set_block(page, 0);
    }
}

bool swap_forget_last(struct page *page)
{
    if (page->state == PAGE_CLEAN)
        swap_forget(page);
    return page->block == 0;
}

/* --- Both ways. --- */

static void finish(struct swap_transfer *transfer, bool out, status_t status);

/* Family lock held. */
static void start(struct swap_transfer *transfer)
{
    bool out = !transfer->vmo;
    uint64_t offset;
    const struct swap_device *device = swap_place(transfer->block, &offset);

    atomic_fetch_add(&transfer->family->references, 1);
    if (!out)
        object_ref(&transfer->vmo->object);
    if (swap_submit(transfer, out, device->object, offset) != OK) {
        /* Not the last references: the caller works with both. */
        atomic_fetch_sub(&transfer->family->references, 1);
        if (!out)
            object_drop_reference(&transfer->vmo->object);
        finish(transfer, out, ERR_IO);
    }
}

/* --- Out. --- */

static void out_done(struct swap_transfer *transfer, status_t status)
{
    struct vmo_family *family = transfer->family;

    atomic_fetch_sub(&swap_leaving, transfer->count);
    family->busy -= transfer->count;
    family->leaving -= transfer->count;
    unmap_everywhere(family, transfer->number, transfer->count);
    for (uint32_t i = 0; i < transfer->count; i++) {
        struct page *page = transfer->pages[i];
        bool equal = page->state == PAGE_AWAITING_CLEAN && status == OK && page->shares > 0;

        page->state = PAGE_CLEAN;
        if (equal && !page->referenced && page->busy == 0) {
            let_go(family, page);
        } else if (!equal) {
            swap_release(page->block, status == OK);
            set_block(page, 0);
            if (page->shares == 0)
                frame_free(page);
        }
    }
}

uint64_t swap_drop(struct vmo *vmo, uint64_t first, uint64_t count)
{
    unmap_everywhere(vmo->family, vmo->base + first, count);
    for (uint64_t i = first; i < first + count; i++)
        let_go(vmo->family, slot_page(page_list_get(&vmo->pages, i)));
    return count;
}

/* As many blocks as there are for the pages, in one transfer; how many pages that are. */
static uint64_t write_cluster(struct vmo *vmo, uint64_t index, uint64_t count)
{
    struct swap_transfer *transfer = transfer_take(vmo, true);
    uint32_t room;

    if (!transfer)
        return 0;
    count = min_u64(count, SWAP_CLUSTER);
    transfer->number = vmo->base + index;
    while (transfer->count < count) {
        uint64_t block = swap_alloc((uint32_t)count - transfer->count, transfer->block + transfer->count, vmo->family,
                                    transfer->number + transfer->count, &room);

        if (block == SWAP_NONE)
            break;
        if (transfer->count == 0)
            transfer->block = block;
        for (; room > 0; room--, block++) {
            struct page *page = slot_page(page_list_get(&vmo->pages, index + transfer->count));

            set_block(page, block);
            page->state = PAGE_AWAITING_CLEAN;
            transfer->pages[transfer->count++] = page;
        }
    }
    if (transfer->count == 0) {
        transfer_give_back(transfer);
        return 0;
    }
    count = transfer->count;            /* it may be over and another's soon */
    atomic_fetch_add(&swap_leaving, count);
    vmo->family->busy += count;
    vmo->family->leaving += count;
    start(transfer);
    return count;
}

uint64_t swap_putpages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    uint64_t went = 0, some = 1;

    unmap_everywhere(vmo->family, vmo->base + first, count);
    for (; went < count && some > 0; went += some)
        some = write_cluster(vmo, first + went, count - went);
    return went;
}

/* --- In. --- */

/* Who waits for the pages of the transfer, in any VMO of the family, looks again. */
static void complete(const struct swap_transfer *transfer, enum request_kind kind, status_t status)
{
    list_for_each(&transfer->family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);
        uint64_t from = max_u64(transfer->number, vmo->base), end = transfer->number + transfer->count;

        if (!vmo->ops && from < end)
            vmo_complete_range(vmo, kind, from - vmo->base, end - from, status);
    }
}

/* Who waits for a page that was read in vain with others reads it alone. */
static void in_done(struct swap_transfer *transfer, status_t status)
{
    for (uint32_t i = 0; i < transfer->count; i++) {
        struct page *page = transfer->pages[i];

        page_let_go(transfer->vmo, page);
        page->state = PAGE_CLEAN;
        if (status != OK)
            let_go(transfer->family, page);
    }
    if (status != OK && transfer->count > 1) {
        transfer->vmo->swap_window = 0;
        status = OK;
    }
    complete(transfer, REQUEST_READ, status);
    complete(transfer, REQUEST_UNBUSY, OK);
}

/* A frame for the block that the slot at index names, in all slots that name it.  NULL without memory. */
static struct page *insert_frame(struct vmo *vmo, uint64_t index, slot_t slot)
{
    struct page *page = frame_alloc(FRAME_ANON);

    if (!page)
        return NULL;
    page_init(page, vmo, index);
    set_block(page, slot_block(slot));
    page->shares = replace_slots(vmo->family, page->index, slot, slot_of_page(page));
    swap_set_holders(page->block, 1);
    page->state = PAGE_FILLING;
    page_hold(vmo, page);
    return page;
}

/* How many pages to read: 1, and then 3, 7, 15, 16 each time that a reader goes on behind the last ones. */
static uint32_t window(struct vmo *vmo, uint64_t index)
{
    bool goes_on = index - vmo->swap_next < SWAP_CLUSTER;

    vmo->swap_window = goes_on ? min_u64(2 * vmo->swap_window + 1, SWAP_CLUSTER) : 1;
    return vmo->swap_window;
}

status_t swap_in(struct vmo *vmo, uint64_t index, struct page_request *request)
{
    slot_t slot = page_list_get(&vmo->pages, index);
    struct swap_transfer *transfer = request ? transfer_take(vmo, false) : NULL;

    if (!request)
        return ERR_SHOULD_WAIT;
    request->no_transfer = !transfer;
    if (!transfer)
        return ERR_SHOULD_WAIT;
    transfer->number = vmo->base + index;
    transfer->block = slot_block(slot);
    for (uint32_t limit = window(vmo, index); transfer->count < limit; transfer->count++) {
        struct page *page = NULL;

        slot = page_list_get(&vmo->pages, index + transfer->count);
        if (slot == slot_of_block(transfer->block + transfer->count) &&
            (transfer->count == 0 || frame_free_count() > frame_low))
            page = insert_frame(vmo, index + transfer->count, slot);
        if (!page)
            break;
        page->referenced = transfer->count == 0;
        transfer->pages[transfer->count] = page;
    }
    if (transfer->count == 0) {
        transfer_give_back(transfer);
        return ERR_NO_MEMORY;
    }
    vmo->swap_next = index + transfer->count;
    page_request_arm(request, vmo, REQUEST_READ, index, transfer->count);
    start(transfer);
    return ERR_SHOULD_WAIT;
}

/* The slot names a block, or its page is on its way in: OK when the page is there, or the slot is another's or nobody's by then. */
static status_t bring_in_one(struct vmo *vmo, uint64_t index)
{
    struct page_request request;
    struct page *page;
    status_t status;

    page_request_init(&request, false);
    while ((status = vmo_get_page(vmo, index, WANT_READ, 1, &request, &page)) != OK) {
        vmo_unlock(vmo);
        status = page_request_resolve(&request, status);
        vmo_lock(vmo);
        if (status != ERR_RETRY)
            break;
    }
    return status == ERR_CANCELED || slot_kind(page_list_get(&vmo->pages, index)) == SLOT_BLOCK ? status : OK;
}

/* On its way out. */
static bool is_leaving(const struct page *page)
{
    return page && page->block && (page->state == PAGE_AWAITING_CLEAN || page->state == PAGE_DIRTY);
}

status_t swap_bring_in(struct vmo *vmo, uint64_t first, uint64_t end)
{
    status_t status = OK;

    for (uint64_t i = first, count; i < end && status == OK && vmo->swapped + vmo->family->busy > 0; i += count) {
        slot_t slot = vmo_slot(vmo, i, end, &count);
        struct page *page = slot_page(slot);

        if (slot_kind(slot) == SLOT_BLOCK || (page && page->block && page->state == PAGE_FILLING)) {
            status = bring_in_one(vmo, i);
        } else if (is_leaving(page)) {
            vmo_unlock(vmo);
            status = wait_for_transfer();
            vmo_lock(vmo);
        } else {
            continue;
        }
        i = first;                      /* what was there may be on its way again */
        count = 0;
    }
    return status;
}

/* --- The end of a transfer. --- */

static void finish(struct swap_transfer *transfer, bool out, status_t status)
{
    swap_count(transfer->block, out ? SWAP_OUT : SWAP_IN, transfer->count, status);
    if (out)
        out_done(transfer, status);
    else
        in_done(transfer, status);
    transfer_give_back(transfer);
}

void swap_done(struct swap_transfer *transfer, status_t status)
{
    struct vmo_family *family = transfer->family;
    struct vmo *vmo = transfer->vmo;

    spin_lock(&family->lock);
    finish(transfer, !vmo, status);
    spin_unlock(&family->lock);
    reclaim_made_room();
    if (vmo)
        object_unref(&vmo->object);
    vmo_family_unref(family);
}

/* --- Emptying a store. --- */

/* A VMO with a slot that names the block, or has its page: with a reference, and the family lock held.  NULL: none, and not held. */
static struct vmo *lock_holder(struct vmo_family *family, uint64_t number, uint64_t block)
{
    spin_lock(&family->lock);
    list_for_each(&family->members, node) {
        struct vmo *vmo = list_entry(node, struct vmo, family_link);
        slot_t slot = vmo->ops || number < vmo->base ? SLOT_EMPTY : page_list_get(&vmo->pages, number - vmo->base);
        struct page *page = slot_page(slot);

        if ((slot == slot_of_block(block) || (page && page->block == block)) && object_ref_unless_dead(&vmo->object))
            return vmo;
    }
    spin_unlock(&family->lock);
    return NULL;
}

/* The page that a block holds comes into memory and has no block.  It may be on its way out or be dropped: look at the block again. */
static status_t evacuate(struct vmo_family *family, uint64_t number, uint64_t block)
{
    struct vmo *vmo = lock_holder(family, number, block);

    if (!vmo)
        return wait_for_transfer();
    status_t status = bring_in_one(vmo, number - vmo->base);
    struct page *page = slot_page(page_list_get(&vmo->pages, number - vmo->base));

    if (status == OK && page && page->block == block)
        swap_forget(page);
    bool wait = is_leaving(page);

    vmo_unlock(vmo);
    object_unref(&vmo->object);
    return wait ? wait_for_transfer() : status;
}

static void ref_family(void *family) { atomic_fetch_add(&((struct vmo_family *)family)->references, 1); }

bool swap_page_info(uint64_t *block, info_swap_page_t *info)
{
    struct swap_entry entry;

    if (!swap_next_used(NULL, block, &entry, ref_family))
        return false;
    struct vmo *vmo = lock_holder(entry.owner, entry.index, *block);

    if (vmo) {
        info->disk = swap_place(*block, &info->disk_offset)->disk;
        info->vmo_koid = vmo->object.koid;
        info->vmo_offset = (entry.index - vmo->base) << PAGE_SHIFT;
        info->in_memory = slot_page(page_list_get(&vmo->pages, entry.index - vmo->base)) != NULL;
        vmo_unlock(vmo);
        object_unref(&vmo->object);
    }
    vmo_family_unref(entry.owner);
    return true;
}

status_t swap_delete_store(struct backing_store *store)
{
    status_t status = backing_store_drain(store, true);
    uint64_t block = SWAP_NONE;
    struct swap_entry entry;

    if (status != OK)
        return status;
    while (status == OK && swap_next_used(store, &block, &entry, ref_family)) {
        status = thread_killed() ? ERR_CANCELED : backing_store_has_room(store) ? OK : ERR_NO_SPACE;
        if (status == OK)
            status = evacuate(entry.owner, entry.index, block);
        vmo_family_unref(entry.owner);
    }
    if (status == OK)
        status = backing_store_delete(store);
    if (status != OK)
        backing_store_drain(store, false);
    return status;
}
