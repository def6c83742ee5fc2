/*
 * fake_mmu.c: page tables as plain lists of mappings, and copies to and from user memory through them.
 *
 * A translation is forgotten the moment it is removed: stale TLB entries are the machine layer's business,
 * stale *mappings* are what check_mappings finds.
 */
#include <stdlib.h>

#include "fake.h"
#include "vm/aspace.h"
#include "vm/fault.h"
#include "vm/vmo_pages.h"

struct table {
    uint64_t count, room;
    struct mapping *mappings;
};

uint8_t window[WINDOW_SIZE];
bool window_closed;

static struct table *table_of(const struct arch_mmu *mmu)
{
    return (struct table *)mmu->root;
}

status_t arch_mmu_init(struct arch_mmu *mmu)
{
    if (!allocation_may_succeed())
        return ERR_NO_MEMORY;
    spin_init(&mmu->lock, RANK_PAGE_TABLE);
    mmu->root = (paddr_t)calloc(1, sizeof(struct table));
    return OK;
}

void arch_mmu_destroy(struct arch_mmu *mmu)
{
    check_equal(table_of(mmu)->count, 0);
    free(table_of(mmu)->mappings);
    free(table_of(mmu));
}

bool mmu_mapping(const struct arch_mmu *mmu, uint64_t i, struct mapping *out_mapping)
{
    if (i >= table_of(mmu)->count)
        return false;
    *out_mapping = table_of(mmu)->mappings[i];
    return true;
}

static struct mapping *find(const struct arch_mmu *mmu, vaddr_t address)
{
    struct table *table = table_of(mmu);

    for (uint64_t i = 0; i < table->count; i++)
        if (table->mappings[i].address == address)
            return &table->mappings[i];
    return NULL;
}

status_t arch_mmu_map(struct arch_mmu *mmu, vaddr_t address, paddr_t frame, uint32_t flags)
{
    struct table *table = table_of(mmu);
    struct mapping *mapping;

    check(page_aligned(address) && page_aligned(frame) && address < USER_TOP && flags != 0);
    spin_lock(&mmu->lock);
    mapping = find(mmu, address);
    if (!mapping && allocation_may_succeed()) {
        if (table->count == table->room) {
            table->room = 2 * table->room + 16;
            table->mappings = realloc(table->mappings, table->room * sizeof *mapping);
        }
        mapping = &table->mappings[table->count++];
        mmu->resident++;
    }
    if (mapping)
        *mapping = (struct mapping){ address, frame, flags, true };
    spin_unlock(&mmu->lock);
    return mapping ? OK : ERR_NO_MEMORY;
}

/* Room for each page is a matter of luck, like the leaf table in the real one. */
void arch_mmu_map_around(struct arch_mmu *mmu, vaddr_t address, const uint64_t *entries, uint32_t count)
{
    check(count > 0 && address >> 21 == (address + (count - 1) * PAGE_SIZE) >> 21);
    for (uint32_t i = 0; i < count; i++)
        if (!find(mmu, address + i * PAGE_SIZE))
            (void)arch_mmu_map(mmu, address + i * PAGE_SIZE, page_floor(entries[i]), entries[i] & PAGE_MASK);
}

void arch_mmu_protect(struct arch_mmu *mmu, vaddr_t address, uint64_t length, uint32_t flags)
{
    struct table *table = table_of(mmu);

    check(range_inside(address, length, USER_TOP));
    spin_lock(&mmu->lock);
    for (uint64_t i = table->count; i-- > 0;) {
        struct mapping *mapping = &table->mappings[i];

        if (mapping->address - address >= length)
            continue;
        mapping->flags &= flags;
        if (mapping->flags == 0) {
            *mapping = table->mappings[--table->count];
            mmu->resident--;
        }
    }
    spin_unlock(&mmu->lock);
}

bool arch_mmu_test_accessed(struct arch_mmu *mmu, vaddr_t address)
{
    struct mapping *mapping = find(mmu, address);
    bool accessed = mapping && mapping->accessed;

    if (mapping)
        mapping->accessed = false;
    return accessed;
}

uint64_t arch_mmu_resident(struct arch_mmu *mmu, vaddr_t address, uint64_t length)
{
    uint64_t found = 0;

    spin_lock(&mmu->lock);
    for (uint64_t i = 0; i < table_of(mmu)->count; i++)
        found += table_of(mmu)->mappings[i].address - address < length;
    spin_unlock(&mmu->lock);
    return found;
}

void arch_mmu_sync_code(struct arch_mmu *mmu)
{
    (void)mmu;
}

/* --- User memory. --- */

/* Where the current process has this byte, or NULL. */
static uint8_t *user_byte(uaddr_t address, uint32_t access)
{
    struct mapping *mapping;

    if (address - WINDOW_BASE < WINDOW_SIZE)
        return window_closed ? NULL : &window[address - WINDOW_BASE];
    if (address >= USER_TOP)
        return NULL;
    mapping = find(aspace_mmu(current_process()->aspace), page_floor(address));
    if (!mapping || (mapping->flags & access) != access)
        return NULL;
    return (uint8_t *)phys_to_virt(mapping->frame) + (address & PAGE_MASK);
}

/* Between user memory and the kernel's: into `to`, or out of `from`. */
static size_t copy(uaddr_t user, uint8_t *to, const uint8_t *from, size_t length)
{
    size_t done = 0;

    while (done < length) {
        uint8_t *bytes = user_byte(user + done, to ? MMU_READ : MMU_WRITE);
        size_t part = min_u64(length - done, PAGE_SIZE - ((user + done) & PAGE_MASK));

        if (!bytes)
            break;
        if (to)
            memcpy(to + done, bytes, part);
        else
            memcpy(bytes, from + done, part);
        done += part;
    }
    return length - done;
}

size_t arch_copy_from_user(void *to, uaddr_t from, size_t length)
{
    return copy(from, to, NULL, length);
}

size_t arch_copy_to_user(uaddr_t to, const void *from, size_t length)
{
    return copy(to, NULL, from, length);
}

size_t arch_store_to_user(uaddr_t to, uint32_t value)
{
    return arch_copy_to_user(to, &value, sizeof value);
}

status_t user_access(uint64_t address, bool write, uint8_t *value)
{
    uint32_t access = write ? MMU_WRITE : MMU_READ;
    uint8_t *byte;

    while (!(byte = user_byte(address, access))) {
        status_t status = vm_fault(address, access);

        if (status != OK)
            return status;
    }
    if (write)
        *byte = *value;
    else
        *value = *byte;
    return OK;
}

/* --- What a page table may say. --- */

/* What the VMO shows at index: its page, or its root's where it holds nothing; NULL: zeros. */
static struct page *shown_page(struct vmo *vmo, uint64_t index)
{
    slot_t slot = page_list_get(&vmo->pages, index);

    if (slot == SLOT_EMPTY && vmo->parent && index < vmo->source_pages)
        return shown_page(vmo->parent, vmo->base + index);
    return slot_page(slot);
}

/* Only a VMO's own page, which no other holds, of a source only a dirty one, and none that backing store has too. */
static bool may_be_writable(struct vmo *vmo, uint64_t index)
{
    struct page *page = slot_page(page_list_get(&vmo->pages, index));

    return page && page->shares == 1 && (vmo->ops ? page->state == PAGE_DIRTY : !page->block || page->state == PAGE_DIRTY);
}

static void check_mapping(const struct region *region, const struct mapping *mapping)
{
    uint64_t index = (mapping->address - region->base + region->vmo_offset) >> PAGE_SHIFT;
    struct page *page = shown_page(region->vmo, index);
    paddr_t frame = page_to_phys(page ? page : zero_frame);

    if (index >= region->vmo->size >> PAGE_SHIFT)
        fail("0x%lx is mapped beyond the end of its VMO", mapping->address);
    if (slot_kind(page_list_get(&region->vmo->pages, index)) == SLOT_BLOCK)
        fail("0x%lx is mapped, but page %lu of the VMO is on backing store", mapping->address, index);
    if (mapping->frame != frame)
        fail("0x%lx is mapped to %s, but page %lu of the VMO is %s", mapping->address,
             mapping->frame == page_to_phys(zero_frame) ? "the frame of zeros" : "a stale frame", index,
             page ? "another frame" : "absent");
    if (page && page->state == PAGE_FILLING)
        fail("0x%lx is mapped to page %lu, which a device is filling", mapping->address, index);
    if (mapping->flags & ~region->flags)
        fail("0x%lx is mapped with rights %u, its region has %u", mapping->address, mapping->flags, region->flags);
    if ((mapping->flags & MMU_WRITE) && !may_be_writable(region->vmo, index))
        fail("0x%lx is mapped writable, but page %lu is clean, zero, or another's too", mapping->address, index);
}

void check_mappings(struct aspace *aspace)
{
    struct mapping mapping;

    spin_lock(&aspace->lock);
    for (uint64_t i = 0; mmu_mapping(&aspace->mmu, i, &mapping); i++) {
        struct region *region = aspace_find_region(aspace, mapping.address);

        if (!region)
            fail("0x%lx is mapped without a region", mapping.address);
        vmo_lock(region->vmo);
        check_mapping(region, &mapping);
        vmo_unlock(region->vmo);
    }
    spin_unlock(&aspace->lock);
}
