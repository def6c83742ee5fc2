/*
 * fault.c: page faults.
 *
 * The driver is a loop: find the region, get the page from its VMO, enter it in the page table.  When the page is
 * not there the VMO's source has been asked, everything is unlocked, the thread sleeps, and the loop begins
 * again from the top: nothing that was looked up before the sleep is used after it.
 *
 * Locks: aspace->lock, then the family lock, then the page table's; none is held asleep.
 */
#include "vm/fault.h"

#include "task/process.h"
#include "vm/page_request.h"

struct page *zero_frame;

void vm_init(void)
{
    zero_frame = frame_alloc_zeroed(FRAME_KERNEL);
    assert(zero_frame);
}

/*
 * [fault 8/8] Enter the page (or zeros) and its neighbours; family lock held.  Fresh anonymous pages come one at a time, by
 * stores.  New code is entered by fetches alone, which make every hart look at it anew.
 */
static status_t map_page(struct region *region, uint64_t address, uint64_t index, struct page *page,
                         uint32_t access)
{
    struct vmo *vmo = region->vmo;
    struct arch_mmu *mmu = &region->aspace->mmu;
    uint32_t flags = region_mmu_flags(region, page);
    status_t status;

    if (access != MMU_EXECUTE)
        flags &= ~(uint32_t)MMU_EXECUTE;        /* a fetch will enter it anew, and be told to look */
    if (access == MMU_WRITE)
        vmo->modified = true;
    status = arch_mmu_map(mmu, address, page_to_phys(page ? page : zero_frame), flags);
    if (!page)
        vmo->others_mapped = true;
    else if (status == OK && (vmo->ops || access != MMU_WRITE) &&
             slot_page(page_list_get(&vmo->pages, index + 1)) &&
             (access == MMU_EXECUTE || !(region->flags & MMU_EXECUTE)))
        region_map_around(region, address, index);
    if (status == OK && access == MMU_EXECUTE)
        arch_mmu_sync_code(mmu);
    return status;
}

/* One round: OK, an error, or ERR_SHOULD_WAIT with the request armed. */
static status_t try_fault(struct aspace *aspace, uint64_t address, uint32_t access,
                          struct page_request *request)
{
    struct region *region;
    struct page *page;
    status_t status;

    spin_lock(&aspace->lock);
    region = aspace_find_region(aspace, address);
    if (!region) {
        status = ERR_NOT_FOUND;
    } else if ((region->flags & access) != access) {
        status = ERR_ACCESS_DENIED;
    } else {
        struct vmo *vmo = region->vmo;
        uint64_t index = (address - region->base + region->vmo_offset) >> PAGE_SHIFT;

        vmo_lock(vmo);
        status = vmo_get_page(vmo, index, access == MMU_WRITE ? WANT_WRITE : WANT_READ, 1, request,
                              &page);
        if (status == OK)
            status = map_page(region, page_floor(address), index, page, access);
        vmo_unlock(vmo);
    }
    spin_unlock(&aspace->lock);
    return status;
}

/* [fault 2/8] The loop around everything that can happen. */
status_t vm_fault(vaddr_t address, uint32_t access)
{
    struct aspace *aspace = current_process()->aspace;
    struct page_request request;
    status_t status;

    page_request_init(&request, true);
    request.of_fault = true;
    do {
        status = page_request_resolve(&request, try_fault(aspace, address, access, &request));
    } while (status == ERR_RETRY);
    return status;
}

/* --- The kernel's own accesses to user memory. --- */

status_t user_touch(uaddr_t address, size_t length, bool write)
{
    status_t status = range_inside(address, length, USER_TOP) ? OK : ERR_INVALID_ARGS;

    for (uaddr_t page = page_floor(address); status == OK && page < address + length; page += PAGE_SIZE) {
        status = vm_fault(page, write ? MMU_WRITE : MMU_READ);
        if (status != OK && status != ERR_CANCELED && status != ERR_NO_MEMORY)
            status = ERR_INVALID_ARGS;
    }
    return status;
}

/* What is left of a copy, page by page. */
static NOINLINE status_t copy_rest(char *kernel, uaddr_t user, size_t length, size_t left, bool out)
{
    status_t status = range_inside(user, length, USER_TOP) ? OK : ERR_INVALID_ARGS;

    while (status == OK && left > 0) {
        kernel += length - left;
        user += length - left;
        length = left;
        status = user_touch(user, 1, out);
        if (status == OK)
            left = out ? arch_copy_to_user(user, kernel, length)
                       : arch_copy_from_user(kernel, user, length);
    }
    return status;
}

status_t user_copy_in(void *to, uaddr_t from, size_t length)
{
    size_t left = arch_copy_from_user(to, from, length);

    return left ? copy_rest(to, from, length, left, false) : OK;
}

status_t user_copy_out(uaddr_t to, const void *from, size_t length)
{
    size_t left = arch_copy_to_user(to, from, length);

    return left ? copy_rest((char *)from, to, length, left, true) : OK;
}
