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

#include "lib/string.h"
#include "task/process.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

struct page *zero_frame;

void vm_init(void)
{
    zero_frame = frame_alloc_zeroed(FRAME_KERNEL);
    assert(zero_frame);
}

/* May the region be accessed so? */
static status_t check_access(const struct region *region, uint32_t access)
{
    if (!region)
        return ERR_NOT_FOUND;
    return (region->flags & access) == access ? OK : ERR_ACCESS_DENIED;
}

/* [fault 8/8] Enter the page; family lock held. */
static status_t map_page(struct region *region, uint64_t address, struct page *page, uint32_t access)
{
    status_t status = arch_mmu_map(&region->aspace->mmu, address, page_to_phys(page ? page : zero_frame),
                                   region_mmu_flags(region, page));

    if (!page)
        region->vmo->zeros_mapped = true;
    if (status == OK && access == MMU_EXECUTE)
        arch_mmu_sync_code(&region->aspace->mmu);
    return status;
}

/* One round: OK, an error, or ERR_SHOULD_WAIT with the request armed. */
static status_t try_fault(struct aspace *aspace, uint64_t address, uint32_t access,
                          struct page_request *request)
{
    struct region *region;
    struct page *page;
    status_t status;

    mutex_lock(&aspace->lock);
    region = aspace_find_region(aspace, address);
    status = check_access(region, access);
    if (status == OK) {
        struct vmo *vmo = region->vmo;

        vmo_lock(vmo);
        status = vmo_get_page(vmo, (address - region->base + region->vmo_offset) >> PAGE_SHIFT,
                              access == MMU_WRITE ? WANT_WRITE : WANT_READ, 1, request, &page);
        if (status == OK)
            status = map_page(region, page_floor(address), page, access);
        vmo_unlock(vmo);
    }
    mutex_unlock(&aspace->lock);
    return status;
}

/* [fault 2/8] The loop around everything that can happen. */
status_t vm_fault(struct aspace *aspace, vaddr_t address, uint32_t access)
{
    struct page_request request;
    status_t status;

    page_request_init(&request, true);
    do {
        status = try_fault(aspace, address, access, &request);
        status = page_request_resolve(&request, status);
    } while (status == ERR_RETRY);
    return status;
}

status_t vm_fault_current(vaddr_t address, uint32_t access)
{
    this_hart()->page_faults++;
    return vm_fault(current_process()->aspace, address, access);
}

/* --- The kernel's own accesses to user memory. --- */

/* One page that a copy with faults disabled could not reach. */
static status_t touch_page(uaddr_t address, bool write)
{
    status_t status;

    if (address >= USER_TOP)
        return ERR_INVALID_ARGS;
    status = vm_fault(current_process()->aspace, address, write ? MMU_WRITE : MMU_READ);
    if (status == OK || status == ERR_CANCELED)
        return status;
    return ERR_INVALID_ARGS;
}

status_t user_touch(uaddr_t address, size_t length, bool write)
{
    status_t status = OK;

    if (!range_inside(address, length, USER_TOP))
        return ERR_INVALID_ARGS;
    for (uaddr_t page = page_floor(address); page < address + length && status == OK; page += PAGE_SIZE)
        status = touch_page(page, write);
    return status;
}

status_t user_copy_in(void *to, uaddr_t from, size_t length)
{
    size_t left;
    status_t status;

    if (!range_inside(from, length, USER_TOP))
        return ERR_INVALID_ARGS;
    while ((left = arch_copy_from_user(to, from, length)) > 0) {
        to = (char *)to + (length - left);
        from += length - left;
        length = left;
        status = touch_page(from, false);
        if (status != OK)
            return status;
    }
    return OK;
}

status_t user_copy_out(uaddr_t to, const void *from, size_t length)
{
    size_t left;
    status_t status;

    if (!range_inside(to, length, USER_TOP))
        return ERR_INVALID_ARGS;
    while ((left = arch_copy_to_user(to, from, length)) > 0) {
        from = (const char *)from + (length - left);
        to += length - left;
        length = left;
        status = touch_page(to, true);
        if (status != OK)
            return status;
    }
    return OK;
}
