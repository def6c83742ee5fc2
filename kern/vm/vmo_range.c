/*
 * vmo_range.c: sizes of VMOs, and operations on ranges of them.
 *
 * Long ranges are worked on in batches; between batches the family lock is dropped and others may run, so an
 * operation on a range is not atomic against other users of it (nor is it in the systems this follows).
 *
 * Locks: the family lock, dropped for every wait.
 */
#include "lib/string.h"
#include "task/sched.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

#define BATCH 64            /* pages between two chances for others */

status_t vmo_set_content_size(struct vmo *vmo, uint64_t size)
{
    bool fits;

    vmo = vmo_sized(vmo);
    vmo_lock(vmo);
    fits = size <= vmo->size;
    if (fits) {
        vmo->modified |= size != vmo->content_size;
        vmo->content_size = size;
        vmo->content_changes++;
    }
    vmo_unlock(vmo);
    return fits ? OK : ERR_OUT_OF_RANGE;
}

/* Who waits for pages of [first, end) looks again.  Those that are as he wants were reported when they became so. */
static void report_missing(struct vmo *vmo, uint64_t first, uint64_t end, enum request_kind kind)
{
    for (uint64_t count; first < end; first += count) {
        slot_t slot = vmo_slot(vmo, first, end, &count);
        struct page *page = slot_page(slot);

        if (kind == REQUEST_READ ? slot == SLOT_EMPTY : !page || page->state != PAGE_DIRTY)
            vmo_complete_range(vmo, kind, first, count, OK);
    }
}

/* Drop all slots of [first, end) and let those who wait for its pages look again.  Nothing in it is busy. */
static void drop_range(struct vmo *vmo, uint64_t first, uint64_t end)
{
    vmo_unmap_pages(vmo, first, end - first);
    if (!list_empty(&vmo->requests)) {
        report_missing(vmo, first, end, REQUEST_READ);
        report_missing(vmo, first, end, REQUEST_DIRTY);
    }
    vmo_drop_slots(vmo, first, end, DROP_ALL);
}

/* The VMO ends before page new_end: what lay behind is zero for good, for its clones too. */
static void lower_limits(struct vmo *vmo, uint64_t new_end)
{
    vmo->source_pages = min_u64(vmo->source_pages, new_end);
    list_for_each(&vmo->family->members, node) {
        struct vmo *member = list_entry(node, struct vmo, family_link);
        uint64_t limit = new_end > member->base ? new_end - member->base : 0;

        if (member->parent == vmo)
            member->source_pages = min_u64(member->source_pages, limit);
    }
}

status_t vmo_grow(struct vmo *vmo, uint64_t new_end)
{
    uint64_t old_end = vmo->size >> PAGE_SHIFT;
    status_t status = OK;

    if (vmo->kind == VMO_PAGER) {
        status = page_list_fill(&vmo->pages, old_end, new_end, slot_zero(ZERO_DIRTY));
        if (status != OK)
            vmo_drop_slots(vmo, old_end, new_end, DROP_ALL);
        else
            vmo->source_pages = new_end;
    }
    if (status == OK)
        vmo->size = new_end << PAGE_SHIFT;
    return status;
}

status_t vmo_set_size(struct vmo *vmo, uint64_t size)
{
    uint64_t old_end, new_end = page_ceil(size) >> PAGE_SHIFT;
    status_t status = OK;

    vmo = vmo_target(vmo);
    if (!vmo->resizable)
        return ERR_UNAVAILABLE;
    if (size > VMO_SIZE_MAX)
        return ERR_OUT_OF_RANGE;
    vmo_lock(vmo);
    if (new_end < vmo->size >> PAGE_SHIFT)
        status = vmo_wait_not_busy(vmo, new_end, UINT64_MAX);
    old_end = vmo->size >> PAGE_SHIFT;
    if (status == OK && new_end > old_end) {
        status = vmo_grow(vmo, new_end);
    } else if (status == OK) {
        vmo->size = new_end << PAGE_SHIFT;
        vmo->content_size = min_u64(vmo->content_size, size);
        vmo->content_changes++;
        lower_limits(vmo, new_end);
        drop_range(vmo, new_end, old_end);
    }
    if (status == OK)
        vmo->modified = true;
    vmo_unlock(vmo);
    return status;
}

/* A range that shrinks away meanwhile is no error: what is left of it was done. */
status_t vmo_commit(struct vmo *vmo, uint64_t offset, uint64_t length, enum page_want want, bool may_block)
{
    uint64_t index, end;
    struct page_request request;
    struct page *page;
    status_t status = vmo_locate(&vmo, &offset, length);

    if (status != OK)
        return status;
    index = offset >> PAGE_SHIFT;
    end = length ? page_ceil(offset + length) >> PAGE_SHIFT : index;
    page_request_init(&request, may_block);
    while (index < end) {
        status = OK;
        vmo_lock(vmo);
        for (uint32_t i = 0; i < BATCH && index < end && status == OK; i++) {
            status = vmo_get_page(vmo, index, want, end - index, &request, &page);
            index += status == OK;
        }
        vmo_unlock(vmo);
        status = page_request_resolve(&request, status);
        if (status == ERR_OUT_OF_RANGE)
            return OK;
        if (status != OK && status != ERR_RETRY)
            return status;
        if (thread_killed())
            return ERR_CANCELED;
        sched_preempt_point();
    }
    return OK;
}

/* Whole pages: anonymous ones are zero again, a device's dropped unwritten.  Not where a user's pager has its say. */
status_t vmo_decommit(struct vmo *vmo, uint64_t offset, uint64_t length)
{
    uint64_t first, end;
    status_t status = vmo_root(vmo_target(vmo))->kind == VMO_PAGER ? ERR_NOT_SUPPORTED : vmo_locate(&vmo, &offset, length);

    if (status != OK)
        return status;
    first = page_ceil(offset) >> PAGE_SHIFT;
    end = max_u64(first, (offset + length) >> PAGE_SHIFT);
    vmo_lock(vmo);
    status = vmo_wait_not_busy(vmo, first, end);
    if (status == OK && end > first)
        drop_range(vmo, first, end);
    vmo_unlock(vmo);
    return status;
}

status_t vmo_zero_part(struct vmo *vmo, uint64_t offset, uint64_t length, struct page_request *request)
{
    struct page *page;
    status_t status = vmo_get_page(vmo, offset >> PAGE_SHIFT, WANT_READ, 1, request, &page);

    if (status == OK && page)
        status = vmo_get_page(vmo, offset >> PAGE_SHIFT, WANT_WRITE, 1, request, &page);
    if (status == OK && page)
        memset((char *)page_to_virt(page) + (offset & PAGE_MASK), 0, length);
    vmo->modified |= status == OK;
    return status;
}

status_t vmo_zero_pages(struct vmo *vmo, uint64_t first, uint64_t end)
{
    uint64_t limit = max_u64(first, min_u64(end, vmo->source_pages));
    status_t status;

    vmo_unmap_pages(vmo, first, limit - first);
    report_missing(vmo, first, limit, REQUEST_READ);
    status = vmo_put_zeros(vmo, first, limit, vmo->kind == VMO_PAGER ? ZERO_DIRTY : ZERO_CLEAN);
    drop_range(vmo, limit, end);
    return status;
}

/* One whole page of a device VMO: zeros, dirty, and nothing is read. */
static status_t zero_device_page(struct vmo *vmo, uint64_t index)
{
    struct page *page = slot_page(page_list_get(&vmo->pages, index));

    if (page)
        arch_zero_page(page_to_virt(page));
    else if (vmo_put_page(vmo, index, frame_alloc_zeroed(FRAME_DEVICE)) == OK)
        vmo_complete_range(vmo, REQUEST_READ, index, 1, OK);
    else
        return ERR_NO_MEMORY;
    return vmo_get_page(vmo, index, WANT_WRITE, 1, NULL, &page);
}

/* Whole pages up to `end`: all of them at once; a device's become dirty pages, up to BATCH.  *done: how many bytes.  Family lock held. */
static status_t zero_batch(struct vmo *vmo, uint64_t first, uint64_t end, uint64_t *done)
{
    bool device = vmo->kind == VMO_DEVICE;
    uint64_t stop = device ? min_u64(end, first + BATCH) : end;
    status_t status = vmo_wait_not_busy(vmo, first, stop);

    if (status == OK && end > vmo->size >> PAGE_SHIFT)
        status = ERR_OUT_OF_RANGE;
    if (status == OK && !device)
        status = vmo_zero_pages(vmo, first, end);
    for (uint64_t index = first; device && status == OK && index < stop; index++)
        status = zero_device_page(vmo, index);
    vmo->modified = true;
    *done = (stop - first) << PAGE_SHIFT;
    return status;
}

status_t vmo_zero(struct vmo *vmo, uint64_t offset, uint64_t length, bool may_block)
{
    struct page_request request;
    status_t status = vmo_locate(&vmo, &offset, length);
    uint64_t end = offset + length, piece;

    page_request_init(&request, may_block);
    while ((status == OK || status == ERR_RETRY) && offset < end) {
        piece = min_u64(end - offset, PAGE_SIZE - (offset & PAGE_MASK));
        vmo_lock(vmo);
        if (piece == PAGE_SIZE)
            status = zero_batch(vmo, offset >> PAGE_SHIFT, end >> PAGE_SHIFT, &piece);
        else
            status = vmo_zero_part(vmo, offset, piece, &request);
        vmo_unlock(vmo);
        if (status == OK)
            offset += piece;
        status = page_request_resolve(&request, status);
        sched_preempt_point();
    }
    return status;
}

void vmo_info(struct vmo *vmo, info_vmo_t *info)
{
    struct vmo *target = vmo_target(vmo);

    vmo_lock(target);
    *info = (info_vmo_t){
        .koid = vmo->object.koid, .parent_koid = vmo->parent_koid, .size_bytes = vmo_size(vmo),
        .content_size = vmo_content_size(vmo), .committed_bytes = target->resident << PAGE_SHIFT,
        .populated_bytes = (target->resident + target->swapped) << PAGE_SHIFT, .dirty_bytes = target->dirty << PAGE_SHIFT,
        .change_events = target->change_events, .num_children = vmo->children,
        .num_mappings = target->mappings, .share_count = atomic_load(&vmo->object.handles),
        .flags = INFO_VMO_PAGED | (vmo->resizable ? INFO_VMO_RESIZABLE : 0) |
                 (target->kind == VMO_ANONYMOUS && target->parent_koid ? INFO_VMO_IS_COW_CLONE : 0) |
                 (vmo_root(target)->kind == VMO_PAGER ? INFO_VMO_PAGER_BACKED : 0),
    };
    vmo_unlock(target);
    object_get_name(&vmo->object, info->name);
}
