/*
 * aspace.c: the regions of an address space.
 *
 * Regions never overlap.  unmap and protect first split the regions that cross the ends of their range, so that
 * afterwards the range is made of whole regions.
 *
 * Invariant: a region is in aspace->regions exactly while it is in its VMO's list of regions.
 * Locks: aspace->lock; base and length change under the VMO's family lock too, because vmo_unmap_pages reads them.
 */
#include "vm/aspace.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "task/process.h"
#include "vm/page_request.h"
#include "vm/vmo_pages.h"

#define MAP_BASE 0x1000000000ul         /* where the kernel looks for room first */

status_t aspace_create(struct aspace **out_aspace)
{
    struct aspace *aspace = heap_alloc_zeroed(sizeof *aspace);
    status_t status;

    if (!aspace)
        return ERR_NO_MEMORY;
    status = arch_mmu_init(&aspace->mmu);
    if (status != OK) {
        heap_free(aspace);
        return status;
    }
    mutex_init(&aspace->lock, RANK_ASPACE);
    aspace->hint = MAP_BASE;
    *out_aspace = aspace;
    return OK;
}

void aspace_destroy(struct aspace *aspace)
{
    assert(aspace->region_count == 0);
    arch_mmu_destroy(&aspace->mmu);
    heap_free(aspace);
}

struct arch_mmu *aspace_mmu(struct aspace *aspace)
{
    return &aspace->mmu;
}

static struct region *region_of_node(struct tree_node *node)
{
    return node ? tree_entry(node, struct region, node) : NULL;
}

/* [fault 3/8] Which region holds the address? */
struct region *aspace_find_region(struct aspace *aspace, uint64_t address)
{
    struct region *region;

    assert(mutex_held(&aspace->lock));
    region = region_of_node(tree_last_at_most(&aspace->regions, address));
    return region && address - region->base < region->length ? region : NULL;
}

/* The first region with a byte at or above address. */
static struct region *first_region(struct aspace *aspace, uint64_t address)
{
    struct region *region = aspace_find_region(aspace, address);

    return region ? region : region_of_node(tree_first_at_least(&aspace->regions, address));
}

static bool range_is_free(struct aspace *aspace, uint64_t address, uint64_t length)
{
    struct region *region = first_region(aspace, address);

    return !region || region->base >= address + length;
}

/* The lowest free place of this length in [from, to). */
static bool find_room(struct aspace *aspace, uint64_t from, uint64_t to, uint64_t length, uint64_t *out_address)
{
    struct region *region = first_region(aspace, from);

    while (region && (region->base < from || region->base - from < length)) {
        from = region->base + region->length;
        region = region_of_node(tree_next(&region->node));
    }
    if (from > to || to - from < length)
        return false;
    *out_address = from;
    return true;
}

/* A fixed place, or the user's hint, or any. */
static status_t choose_address(struct aspace *aspace, uint32_t options, uint64_t address, uint64_t length,
                               uint64_t *out_address)
{
    *out_address = address;
    if (options & VM_FIXED) {
        if (address < USER_BASE || !range_inside(address, length, USER_TOP))
            return ERR_INVALID_ARGS;
        return range_is_free(aspace, address, length) ? OK : ERR_ALREADY_EXISTS;
    }
    if (address >= USER_BASE && range_inside(address, length, USER_TOP) &&
        range_is_free(aspace, address, length))
        return OK;
    if (find_room(aspace, aspace->hint, USER_TOP, length, out_address) ||
        find_room(aspace, USER_BASE, USER_TOP, length, out_address)) {
        aspace->hint = *out_address + length;
        return OK;
    }
    return ERR_NO_SPACE;
}

/* Family lock held. */
static void region_link(struct aspace *aspace, struct region *region)
{
    tree_insert(&aspace->regions, &region->node, region->base);
    aspace->region_count++;
    list_push_back(&region->vmo->regions, &region->vmo_link);
    region->vmo->mappings++;
}

/* The page table holds nothing of the region any more. */
static void region_free(struct aspace *aspace, struct region *region)
{
    struct vmo *vmo = region->vmo, *through = region->through;

    tree_remove(&aspace->regions, &region->node);
    aspace->region_count--;
    aspace->mapped_bytes -= region->length;
    vmo_lock(vmo);
    list_remove(&region->vmo_link);
    vmo->mappings--;
    vmo_unlock(vmo);
    object_unref(&through->object);
    heap_free(region);
}

uint32_t region_mmu_flags(const struct region *region, struct page *page)
{
    uint32_t flags = region->flags & (VM_READ | VM_EXECUTE);

    static_assert((int)VM_READ == (int)MMU_READ && (int)VM_WRITE == (int)MMU_WRITE &&
                  (int)VM_EXECUTE == (int)MMU_EXECUTE, "region flags are page-table flags");
    if ((region->flags & VM_WRITE) && page && vmo_page_writable(region->vmo, page))
        flags |= MMU_WRITE;
    return flags;
}

/* VM_MAP_RANGE: enter what is resident; a shortage of tables only means faults later. */
static void map_resident(struct region *region)
{
    uint64_t first = region->vmo_offset >> PAGE_SHIFT;
    uint64_t end = first + (region->length >> PAGE_SHIFT);
    slot_t slot;

    vmo_lock(region->vmo);
    for (uint64_t i = first; page_list_next(&region->vmo->pages, i, end, &i, &slot); i++) {
        struct page *page = slot_page(slot);

        if (page && page->state != PAGE_FILLING &&
            arch_mmu_map(&region->aspace->mmu, region->base + ((i - first) << PAGE_SHIFT),
                         page_to_phys(page), region_mmu_flags(region, page)) != OK)
            break;
    }
    vmo_unlock(region->vmo);
    if (region->flags & VM_EXECUTE)
        arch_mmu_sync_code(&region->aspace->mmu);
}

static status_t insert_region(struct aspace *aspace, uint32_t options, uint64_t address,
                              struct region *region)
{
    status_t status = aspace->closed ? ERR_BAD_STATE : OK;

    if (status == OK)
        status = choose_address(aspace, options, address, region->length, &region->base);
    if (status != OK)
        return status;
    object_ref(&region->through->object);
    aspace->mapped_bytes += region->length;
    vmo_lock(region->vmo);
    region_link(aspace, region);
    vmo_unlock(region->vmo);
    if (options & (VM_MAP_RANGE | VM_COMMIT))
        map_resident(region);
    return OK;
}

status_t aspace_map(struct aspace *aspace, uint32_t options, uint32_t allowed, uint64_t address,
                    struct vmo *vmo, uint64_t vmo_offset, uint64_t length, uint64_t *out_address)
{
    uint32_t flags = options & (VM_READ | VM_WRITE | VM_EXECUTE);
    struct region *region;
    status_t status;

    if ((options & ~(VM_READ | VM_WRITE | VM_EXECUTE | VM_FIXED | VM_MAP_RANGE | VM_COMMIT)) != 0 ||
        flags == 0 || (flags & (VM_READ | VM_WRITE)) == VM_WRITE)
        return ERR_INVALID_ARGS;
    if (length == 0 || !page_aligned(address) || !page_aligned(vmo_offset))
        return ERR_INVALID_ARGS;
    if (length > USER_TOP || !range_inside(vmo_offset, page_ceil(length), vmo_size(vmo)))
        return ERR_OUT_OF_RANGE;
    if (options & VM_COMMIT) {
        status = vmo_commit(vmo, vmo_offset, length, flags & VM_WRITE ? WANT_WRITE : WANT_READ, false);
        if (status != OK)
            return status;
    }
    region = heap_alloc_zeroed(sizeof *region);
    if (!region)
        return ERR_NO_MEMORY;
    region->aspace = aspace;
    region->through = vmo;
    region->vmo = vmo_target(vmo);
    region->vmo_offset = vmo_offset;
    region->length = page_ceil(length);
    region->flags = flags;
    region->allowed = allowed;

    mutex_lock(&aspace->lock);
    status = insert_region(aspace, options, address, region);
    if (status == OK)
        *out_address = region->base;
    mutex_unlock(&aspace->lock);
    if (status != OK)
        heap_free(region);
    return status;
}

/*
 * Make `at` a border between regions.  ERR_NO_MEMORY.  Under one hold of the family lock: at no
 * moment may vmo_unmap_pages miss a page that is mapped.
 */
static status_t split(struct aspace *aspace, uint64_t at)
{
    struct region *low = aspace_find_region(aspace, at);
    struct region *high;

    if (!low || low->base == at)
        return OK;
    high = heap_alloc(sizeof *high);
    if (!high)
        return ERR_NO_MEMORY;
    *high = *low;
    high->node.linked = false;
    high->base = at;
    high->vmo_offset += at - low->base;
    high->length -= at - low->base;
    object_ref(&high->through->object);
    vmo_lock(low->vmo);
    low->length = at - low->base;
    region_link(aspace, high);
    vmo_unlock(low->vmo);
    return OK;
}

/* Checks common to unmap and protect, then the splits. */
static status_t prepare_range(struct aspace *aspace, uint64_t address, uint64_t length)
{
    status_t status;

    if (aspace->closed)
        return ERR_BAD_STATE;
    if (range_is_free(aspace, address, length))
        return ERR_NOT_FOUND;
    status = split(aspace, address);
    return status == OK ? split(aspace, address + length) : status;
}

static bool user_range_valid(uint64_t address, uint64_t length)
{
    return length > 0 && page_aligned(address) && address >= USER_BASE && length <= USER_TOP &&
           range_inside(address, page_ceil(length), USER_TOP);
}

/* Region by region: between them nothing is mapped, and walking there would cost most of it. */
static void unmap_regions(struct aspace *aspace, uint64_t address, uint64_t length)
{
    struct region *region;

    while ((region = first_region(aspace, address)) && region->base < address + length) {
        arch_mmu_unmap(&aspace->mmu, region->base, region->length);
        region_free(aspace, region);
    }
}

status_t aspace_unmap(struct aspace *aspace, uint64_t address, uint64_t length)
{
    status_t status;

    if (!user_range_valid(address, length))
        return ERR_INVALID_ARGS;
    length = page_ceil(length);
    mutex_lock(&aspace->lock);
    status = prepare_range(aspace, address, length);
    if (status == OK)
        unmap_regions(aspace, address, length);
    mutex_unlock(&aspace->lock);
    return status;
}

/* Is every byte mapped by a region that allows these flags? */
static status_t check_protect(struct aspace *aspace, uint32_t flags, uint64_t address, uint64_t length)
{
    uint64_t end = address + length;

    while (address < end) {
        struct region *region = aspace_find_region(aspace, address);

        if (!region)
            return ERR_NOT_FOUND;
        if (flags & ~region->allowed)
            return ERR_ACCESS_DENIED;
        address = region->base + region->length;
    }
    return OK;
}

status_t aspace_protect(struct aspace *aspace, uint32_t flags, uint64_t address, uint64_t length)
{
    status_t status;

    if ((flags & ~(uint32_t)(VM_READ | VM_WRITE | VM_EXECUTE)) || flags == 0 ||
        (flags & (VM_READ | VM_WRITE)) == VM_WRITE || !user_range_valid(address, length))
        return ERR_INVALID_ARGS;
    length = page_ceil(length);
    mutex_lock(&aspace->lock);
    status = aspace->closed ? ERR_BAD_STATE : check_protect(aspace, flags, address, length);
    if (status == OK)
        status = prepare_range(aspace, address, length);
    if (status == OK) {
        for (struct region *region = first_region(aspace, address);
             region && region->base < address + length; region = region_of_node(tree_next(&region->node))) {
            vmo_lock(region->vmo);
            region->flags = flags;
            vmo_unlock(region->vmo);
        }
        /* Nothing gains a right here: pages that may be written fault once and are found so. */
        arch_mmu_protect(&aspace->mmu, address, length, flags & ~(uint32_t)MMU_WRITE);
        if (flags & VM_EXECUTE)
            arch_mmu_sync_code(&aspace->mmu);
    }
    mutex_unlock(&aspace->lock);
    return status;
}

void aspace_clear(struct aspace *aspace)
{
    mutex_lock(&aspace->lock);
    aspace->closed = true;
    unmap_regions(aspace, 0, USER_TOP);
    mutex_unlock(&aspace->lock);
}

bool aspace_info_next(struct aspace *aspace, uint64_t address, info_map_t *info)
{
    struct region *region;

    mutex_lock(&aspace->lock);
    region = first_region(aspace, address);
    if (region) {
        *info = (info_map_t){
            .base = region->base, .length = region->length, .vmo_offset = region->vmo_offset,
            .vmo_koid = region->vmo->object.koid, .flags = region->flags,
            .resident_bytes = arch_mmu_resident(&aspace->mmu, region->base, region->length) << PAGE_SHIFT,
        };
    }
    mutex_unlock(&aspace->lock);
    return region != NULL;
}

/* --- The reverse map: from pages of a VMO to the page tables. --- */

/* The addresses at which region shows pages [first, first + count) of its VMO: false if none. */
static bool region_shows(const struct region *region, uint64_t first, uint64_t count, uint64_t *address,
                         uint64_t *length)
{
    uint64_t offset = region->vmo_offset >> PAGE_SHIFT;
    uint64_t from = max_u64(first, offset);
    uint64_t to = min_u64(first + count, offset + (region->length >> PAGE_SHIFT));

    if (from >= to)
        return false;
    *address = region->base + ((from - offset) << PAGE_SHIFT);
    *length = (to - from) << PAGE_SHIFT;
    return true;
}

void vmo_unmap_pages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    uint64_t address, length;

    assert(vmo_locked(vmo));
    list_for_each(&vmo->regions, node) {
        struct region *region = list_entry(node, struct region, vmo_link);

        if (region_shows(region, first, count, &address, &length))
            arch_mmu_unmap(&region->aspace->mmu, address, length);
    }
    if (!vmo->ops)
        return;
    list_for_each(&vmo->family->members, node) {        /* its clones, where [first, first + count) is in them */
        struct vmo *clone = list_entry(node, struct vmo, family_link);
        uint64_t from = max_u64(first, clone->base);

        if (clone != vmo && from < first + count)
            vmo_unmap_pages(clone, from - clone->base, first + count - from);
    }
}

void vmo_protect_pages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    uint64_t address, length;

    assert(vmo_locked(vmo));
    list_for_each(&vmo->regions, node) {
        struct region *region = list_entry(node, struct region, vmo_link);

        if (region_shows(region, first, count, &address, &length))
            arch_mmu_protect(&region->aspace->mmu, address, length,
                             region->flags & ~(uint32_t)MMU_WRITE);
    }
}
