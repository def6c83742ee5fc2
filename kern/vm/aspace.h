/* aspace.h: the regions of a user address space, each a window on a VMO. */
#pragma once

#include "arch.h"
#include "lib/tree.h"
#include "vm/vmo.h"

struct region {
    struct tree_node node;              /* aspace->regions, keyed by base; aspace->lock */
    struct list_node vmo_link;          /* vmo->regions; family lock */

    struct aspace *aspace;
    struct vmo *through;                /* what was mapped (a reference) */
    struct vmo *vmo;                    /* its target: where the pages are; kept alive by `through` */
    uint64_t base, length;              /* changed under aspace->lock and the family lock */
    uint64_t vmo_offset;                /* in `vmo` */
    uint32_t flags;                     /* VM_READ | _WRITE | _EXECUTE now, none: a guard; VM_SHARED */
    uint32_t allowed;                   /* the most that vm_protect may give */
};

struct aspace {
    struct spinlock lock;               /* RANK_ASPACE */
    struct tree regions;
    struct region *recent;              /* looked up last, or NULL */
    uint32_t region_count;
    uint64_t mapped_bytes;
    uint64_t hint;                      /* where the next search for room begins */
    bool closed;
    struct arch_mmu mmu;
};

/* Options and statuses as sys_vm_map, rights already checked: `allowed` is what the handle permits. */
status_t aspace_map(struct aspace *aspace, uint32_t options, uint32_t allowed, uint64_t address, struct vmo *vmo,
                    uint64_t vmo_offset, uint64_t length, uint64_t *out_address);
status_t aspace_unmap(struct aspace *aspace, uint64_t address, uint64_t length);
status_t aspace_protect(struct aspace *aspace, uint32_t flags, uint64_t address, uint64_t length);
/* The region that holds address, or NULL.  aspace->lock held; valid while it is. */
struct region *aspace_find_region(struct aspace *aspace, uint64_t address);
/*
 * The first region with a byte at or above `address`; false if there is none.  With out_vmo: the whole of it, and a reference
 * to what was mapped.  NULL: what lies at or above address, and its resident pages, counted as long as there are pages.
 */
bool aspace_describe(struct aspace *aspace, uint64_t address, info_map_t *info, struct vmo **out_vmo);

/*
 * The page at `address`, `index` in its VMO, was entered: enter the resident ones that follow in its block of 16 as well,
 * up to the first that is not there; how many.  Who reads on faults once for all of them.  Family lock held.
 */
uint64_t region_map_around(struct region *region, uint64_t address, uint64_t index);

/* The page-table rights of a region's page (NULL: the zero frame): never writable unless the page may be.  Family lock held. */
static inline uint32_t region_mmu_flags(const struct region *region, struct page *page)
{
    uint32_t flags = region->flags & (VM_READ | VM_EXECUTE);

    static_assert((int)VM_READ == (int)MMU_READ && (int)VM_WRITE == (int)MMU_WRITE &&
                  (int)VM_EXECUTE == (int)MMU_EXECUTE, "region flags are page-table flags");
    if ((region->flags & VM_WRITE) && page && vmo_page_writable(region->vmo, page))
        flags |= MMU_WRITE;
    return flags;
}
