/*
 * aspace.c: the regions of an address space.
 *
 * Regions never overlap.  unmap and protect first split the regions that cross the ends of their range, so that
 * the range is made of whole regions; afterwards neighbours that go on in each other become one again.
 *
 * Invariant: a region is in aspace->regions exactly while it is in its VMO's list of regions.
 * Locks: aspace->lock; base and length change under the VMO's family lock too, because vmo_unmap_pages reads them.
 */
#include "vm/aspace.h"

#include "mm/heap.h"
#include "task/process.h"

#define MAP_BASE   0x1000000000ul       /* where the kernel looks for room first */
#define PROTECTION (uint32_t)(VM_READ | VM_WRITE | VM_EXECUTE)

struct aspace *aspace_create(void)
{
    struct aspace *aspace = heap_alloc_zeroed(sizeof *aspace);

    if (!aspace || arch_mmu_init(&aspace->mmu) != OK) {
        heap_free(aspace);
        return NULL;
    }
    spin_init(&aspace->lock, RANK_ASPACE);
    aspace->hint = MAP_BASE;
    return aspace;
}

void aspace_destroy(struct aspace *aspace)
{
    assert(aspace->region_count == 0);
    arch_mmu_destroy(&aspace->mmu);
    heap_free(aspace);
}

struct arch_mmu *aspace_mmu(struct aspace *aspace) { return &aspace->mmu; }

static struct region *region_of_node(struct tree_node *node)
{
    return node ? tree_entry(node, struct region, node) : NULL;
}

static struct region *next_region(const struct region *region)
{
    return region_of_node(tree_next(&region->node));
}

/* [fault 3/8] Which region holds the address? */
struct region *aspace_find_region(struct aspace *aspace, uint64_t address)
{
    struct region *region = aspace->recent;

    assert(spin_held(&aspace->lock));
    if (region && address - region->base < region->length)
        return region;
    region = region_of_node(tree_last_at_most(&aspace->regions, address));
    if (!region || address - region->base >= region->length)
        return NULL;
    return aspace->recent = region;
}

/* The first region with a byte at or above address. */
static struct region *first_region(struct aspace *aspace, uint64_t address)
{
    struct region *region = aspace_find_region(aspace, address);

    return region ? region : region_of_node(tree_first_at_least(&aspace->regions, address));
}

/* The lowest free place of this length in [from, to). */
static bool find_room(struct aspace *aspace, uint64_t from, uint64_t to, uint64_t length, uint64_t *out_address)
{
    struct region *region = first_region(aspace, from);

    while (region && (region->base < from || region->base - from < length)) {
        from = region->base + region->length;
        region = next_region(region);
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
    bool usable = address >= USER_BASE && range_inside(address, length, USER_TOP);

    if ((options & VM_FIXED) && !usable)
        return ERR_INVALID_ARGS;
    if (usable && find_room(aspace, address, address + length, length, out_address))
        return OK;
    if (options & VM_FIXED)
        return ERR_ALREADY_EXISTS;
    if (!find_room(aspace, aspace->hint, USER_TOP, length, out_address) &&
        !find_room(aspace, USER_BASE, USER_TOP, length, out_address))
        return ERR_NO_SPACE;
    aspace->hint = *out_address + length;
    return OK;
}

/* Family lock held. */
static void region_link(struct aspace *aspace, struct region *region)
{
    tree_insert(&aspace->regions, &region->node, region->base);
    aspace->region_count++;
    list_push_back(&region->vmo->regions, &region->vmo_link);
    region->vmo->mappings++;
}

/* Family lock held; region_free comes next, without the address space's lock if a VMO may end. */
static void region_unlink(struct aspace *aspace, struct region *region)
{
    tree_remove(&aspace->regions, &region->node);
    if (aspace->recent == region)
        aspace->recent = NULL;
    aspace->region_count--;
    list_remove(&region->vmo_link);
    region->vmo->mappings--;
}

static void region_free(struct region *region)
{
    object_unref(&region->through->object);
    heap_free(region);
}

#define AROUND (16 * PAGE_SIZE)     /* pages of one aligned block of this size are entered together */

uint64_t region_map_around(struct region *region, uint64_t address, uint64_t index)
{
    uint64_t end = min_u64((address + AROUND) & ~(AROUND - 1), region->base + region->length);
    uint64_t entries[AROUND / PAGE_SIZE];
    uint32_t found = 0;
    struct page_list_run run = page_list_find_run(&region->vmo->pages, index + 1,
                                                  index + ((end - address) >> PAGE_SHIFT));

    while (run.slots && found < run.count) {
        struct page *page = slot_page(run.slots[found]);

        if (!page || page->state == PAGE_FILLING)
            break;
        entries[found++] = page_to_phys(page) | region_mmu_flags(region, page);
    }
    if (found > 0)
        arch_mmu_map_around(&region->aspace->mmu, address + PAGE_SIZE, entries, found);
    return found;
}

/* VM_MAP_RANGE: enter what is resident; a shortage of tables only means faults later. */
static void map_resident(struct region *region)
{
    uint64_t first = region->vmo_offset >> PAGE_SHIFT;
    uint64_t end = first + (region->length >> PAGE_SHIFT);
    struct page *page;

    if (!(region->flags & PROTECTION))
        return;
    vmo_lock(region->vmo);
    for (uint64_t i = first; (page = page_list_next(&region->vmo->pages, &i, end)); i++) {
        uint64_t address = region->base + ((i - first) << PAGE_SHIFT);

        if (page->state == PAGE_FILLING)
            continue;
        if (arch_mmu_map(&region->aspace->mmu, address, page_to_phys(page), region_mmu_flags(region, page)) != OK)
            break;
        i += region_map_around(region, address, i);
    }
    vmo_unlock(region->vmo);
    if (region->flags & VM_EXECUTE)
        arch_mmu_sync_code(&region->aspace->mmu);
}

static status_t insert_region(struct aspace *aspace, uint32_t options, uint64_t address,
                              struct region *region, uint64_t *out_address)
{
    status_t status = ERR_BAD_STATE;

    spin_lock(&aspace->lock);
    if (!aspace->closed)
        status = choose_address(aspace, options, address, region->length, &region->base);
    if (status == OK) {
        *out_address = region->base;
        object_ref(&region->through->object);
        aspace->mapped_bytes += region->length;
        vmo_lock(region->vmo);
        region_link(aspace, region);
        vmo_unlock(region->vmo);
    }
    spin_unlock(&aspace->lock);
    return status;
}

/* One region of two, if what comes behind it shows what comes behind it in the VMO, in the same way. */
static bool merge_with_next(struct aspace *aspace, struct region *low)
{
    struct region *high = next_region(low);

    if (!high || high->base != low->base + low->length || high->through != low->through ||
        high->vmo_offset != low->vmo_offset + low->length || high->flags != low->flags ||
        high->allowed != low->allowed)
        return false;
    vmo_lock(low->vmo);
    low->length += high->length;
    region_unlink(aspace, high);
    vmo_unlock(low->vmo);
    region_free(high);
    return true;
}

/* Merge what can be between the ends of the range, and across them. */
static void merge(struct aspace *aspace, uint64_t address, uint64_t length)
{
    struct region *region = first_region(aspace, address - 1);

    while (region && region->base < address + length)
        if (!merge_with_next(aspace, region))
            region = next_region(region);
}

/* The end of aspace_map: the region may be another one by now, if another thread wanted it so. */
static void settle(struct aspace *aspace, uint32_t options, uint64_t address, uint64_t length)
{
    struct region *region;

    spin_lock(&aspace->lock);
    region = aspace_find_region(aspace, address);
    if (region && (options & (VM_MAP_RANGE | VM_COMMIT)))
        map_resident(region);
    merge(aspace, address, length);
    spin_unlock(&aspace->lock);
}

status_t aspace_map(struct aspace *aspace, uint32_t options, uint32_t allowed, uint64_t address,
                    struct vmo *vmo, uint64_t vmo_offset, uint64_t length, uint64_t *out_address)
{
    uint64_t target_offset = vmo_offset;
    struct vmo *target = vmo;
    struct region *region;
    status_t status;

    if ((options & ~(PROTECTION | VM_FIXED | VM_MAP_RANGE | VM_COMMIT | VM_SHARED)) ||
        (options & (VM_READ | VM_WRITE)) == VM_WRITE)
        return ERR_INVALID_ARGS;
    if (length == 0 || !page_aligned(address) || !page_aligned(vmo_offset))
        return ERR_INVALID_ARGS;
    if (length > USER_TOP || vmo_locate(&target, &target_offset, page_ceil(length)) != OK)
        return ERR_OUT_OF_RANGE;
    region = heap_alloc(sizeof *region);
    if (!region)
        return ERR_NO_MEMORY;
    *region = (struct region){
        .aspace = aspace, .through = vmo, .vmo = target, .vmo_offset = target_offset,
        .length = page_ceil(length), .flags = options & (PROTECTION | VM_SHARED), .allowed = allowed,
    };
    status = insert_region(aspace, options, address, region, out_address);
    if (status != OK) {
        heap_free(region);
        return status;
    }
    if (options & VM_COMMIT)
        status = vmo_commit(vmo, vmo_offset, length, options & VM_WRITE ? WANT_COMMIT : WANT_READ, false);
    if (status == OK)
        settle(aspace, options, *out_address, length);
    else                                /* it is not merged yet: this splits nothing */
        aspace_unmap(aspace, *out_address, length);
    return status;
}

/* Make `at` a border between regions.  NO_MEMORY.  One hold of the family lock: vmo_unmap_pages misses no page. */
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
    uint64_t unused;
    status_t status;

    if (aspace->closed)
        return ERR_BAD_STATE;
    if (find_room(aspace, address, address + length, length, &unused))
        return ERR_NOT_FOUND;
    status = split(aspace, address);
    if (status == OK)
        status = split(aspace, address + length);
    if (status != OK)
        merge(aspace, address, length);
    return status;
}

static bool user_range_valid(uint64_t address, uint64_t length)
{
    return length > 0 && page_aligned(address) && address >= USER_BASE && length <= USER_TOP &&
           range_inside(address, page_ceil(length), USER_TOP);
}

/* Region by region: between them nothing is mapped.  The lock is given back: a VMO may end with its last region. */
static void unmap_regions_unlock(struct aspace *aspace, uint64_t address, uint64_t length)
{
    struct list gone = LIST_INITIALIZER(gone);
    struct region *region;
    struct list_node *node;

    while ((region = first_region(aspace, address)) && region->base < address + length) {
        struct vmo *vmo = region->vmo;

        arch_mmu_protect(&aspace->mmu, region->base, region->length, 0);
        aspace->mapped_bytes -= region->length;
        vmo_lock(vmo);
        region_unlink(aspace, region);
        vmo_unlock(vmo);
        list_push_back(&gone, &region->vmo_link);
    }
    spin_unlock(&aspace->lock);
    while ((node = list_pop_front(&gone)))
        region_free(list_entry(node, struct region, vmo_link));
}

status_t aspace_unmap(struct aspace *aspace, uint64_t address, uint64_t length)
{
    status_t status;

    if (!user_range_valid(address, length))
        return ERR_INVALID_ARGS;
    length = page_ceil(length);
    spin_lock(&aspace->lock);
    status = prepare_range(aspace, address, length);
    if (status == OK && address >= MAP_BASE && address < aspace->hint)
        aspace->hint = address;         /* tables stay: places are used again before new ones */
    if (status == OK)
        unmap_regions_unlock(aspace, address, length);
    else
        spin_unlock(&aspace->lock);
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

    if ((flags & ~PROTECTION) || (flags & (VM_READ | VM_WRITE)) == VM_WRITE ||
        !user_range_valid(address, length))
        return ERR_INVALID_ARGS;
    length = page_ceil(length);
    spin_lock(&aspace->lock);
    status = aspace->closed ? ERR_BAD_STATE : check_protect(aspace, flags, address, length);
    if (status == OK)
        status = prepare_range(aspace, address, length);
    if (status == OK) {
        for (struct region *region = first_region(aspace, address);
             region && region->base < address + length; region = next_region(region)) {
            vmo_lock(region->vmo);
            region->flags = flags | (region->flags & VM_SHARED);
            vmo_unlock(region->vmo);
        }
        /* Nothing gains a right here: pages that may be written fault once and are found so. */
        arch_mmu_protect(&aspace->mmu, address, length, flags & ~(uint32_t)MMU_WRITE);
        merge(aspace, address, length);
        if (flags & VM_EXECUTE)
            arch_mmu_sync_code(&aspace->mmu);
    }
    spin_unlock(&aspace->lock);
    return status;
}

void aspace_clear(struct aspace *aspace)
{
    spin_lock(&aspace->lock);
    aspace->closed = true;
    unmap_regions_unlock(aspace, 0, USER_TOP);
}

bool aspace_describe(struct aspace *aspace, uint64_t address, info_map_t *info, struct vmo **out_vmo)
{
    struct region *region;

    spin_lock(&aspace->lock);
    region = first_region(aspace, address);
    if (region) {
        struct vmo *through = region->through;
        uint64_t skip = out_vmo || address < region->base ? 0 : address - region->base;
        uint64_t base = through == region->vmo ? 0 : through->base << PAGE_SHIFT;

        *info = (info_map_t){
            .base = region->base + skip, .length = region->length - skip,
            .vmo_offset = region->vmo_offset - base + skip, .vmo_koid = through->object.koid,
            .vmo_size = vmo_size(through), .flags = region->flags, .allowed = region->allowed,
        };
        if (out_vmo) {
            *out_vmo = through;
            object_ref(&through->object);
        } else {
            info->resident_bytes = PAGE_SIZE * arch_mmu_resident(&aspace->mmu, info->base, info->length);
        }
    }
    spin_unlock(&aspace->lock);
    return region != NULL;
}

/* --- The reverse map: from pages of a VMO to the page tables. --- */

enum { TEST_ACCESSED = 1 << 8 };

/*
 * Where mappings show pages [first, first + count): of their rights only those in `keep` stay, or (TEST_ACCESSED) was one of
 * them used?  Pages of a root are looked for in its clones too.
 */
static bool each_mapping(struct vmo *vmo, uint64_t first, uint64_t count, uint32_t keep)
{
    bool used = false;

    assert(vmo_locked(vmo));
    list_for_each(&vmo->regions, node) {
        struct region *region = list_entry(node, struct region, vmo_link);
        uint64_t start = region->vmo_offset >> PAGE_SHIFT, from = max_u64(first, start);
        uint64_t to = min_u64(first + count, start + (region->length >> PAGE_SHIFT));
        uint64_t address = region->base + ((from - start) << PAGE_SHIFT);

        if (from < to && keep == TEST_ACCESSED)
            used |= arch_mmu_test_accessed(&region->aspace->mmu, address);
        else if (from < to)
            arch_mmu_protect(&region->aspace->mmu, address, (to - from) << PAGE_SHIFT, region->flags & keep);
    }
    if (!vmo->ops)
        return used;
    list_for_each(&vmo->family->members, node) {        /* its clones, where [first, first + count) is in them */
        struct vmo *clone = list_entry(node, struct vmo, family_link);
        uint64_t from = max_u64(first, clone->base);
        bool its_own = keep == TEST_ACCESSED && page_list_get(&clone->pages, from - clone->base);

        if (clone != vmo && from < first + count && !its_own)
            used |= each_mapping(clone, from - clone->base, first + count - from, keep);
    }
    return used;
}

void vmo_unmap_pages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    each_mapping(vmo, first, count, 0);
}

void vmo_protect_pages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    each_mapping(vmo, first, count, MMU_READ | MMU_EXECUTE);
}

bool vmo_test_accessed(struct vmo *vmo, uint64_t index)
{
    return each_mapping(vmo, index, 1, TEST_ACCESSED);
}
