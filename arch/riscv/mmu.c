/*
 * mmu.c: user address spaces (Sv39) and what other harts remember of them.
 *
 * A virtual address is three indices of nine bits and an offset of twelve; each index picks one of
 * 512 eight-byte entries:
 *
 *      38    30 29    21 20    12 11        0
 *     | root   | middle | leaf   | offset    |
 *
 * TLB entries carry the address space's ASID, so they outlive a switch.  hart->space says which space each hart runs
 * now.  A shootdown interrupts the harts that run the space; of every other hart it only clears the bit in
 * mmu->harts, and a hart whose bit is clear flushes the ASID when it next enters the space.
 *
 * Invariant: a hart with its bit in mmu->harts has no stale entry of the space, or is interrupted
 * before the shootdown returns.  The two sides cannot miss each other: a hart sets `space`, then
 * looks at its bit; a shootdown clears the bit, then looks at `space`.
 * Locks: mmu->lock guards tables and counts.  ASIDs are taken and returned atomically.
 */
#include "platform.h"

#include "lib/string.h"
#include "mm/frame.h"

#define MAX_ASIDS 4096u
#define LEAF_RIGHTS (PTE_READ | PTE_WRITE | PTE_EXECUTE)

static uint32_t asid_limit;                             /* 1 .. asid_limit - 1 can be given out */
static _Atomic uint64_t asids_used[MAX_ASIDS / 64];

static uint64_t satp_value(paddr_t root, uint64_t asid)
{
    return SATP_SV39 | asid << SATP_ASID_SHIFT | root >> PAGE_SHIFT;
}

/* Boot: how many ASID bits does satp keep? */
void mmu_probe_asids(void)
{
    csr_write("satp", satp_value(virt_to_phys(kernel_root), SATP_ASID_MASK));

    uint64_t highest = csr_read("satp") >> SATP_ASID_SHIFT & SATP_ASID_MASK;

    asid_limit = (uint32_t)min_u64(highest + 1, MAX_ASIDS);
    csr_write("satp", satp_value(virt_to_phys(kernel_root), 0));
    flush_tlb_all();
}

/* ASID 0, the kernel's, when there is none: such spaces share it and flush at every entry. */
static uint16_t asid_alloc(void)
{
    for (uint32_t asid = 1; asid < asid_limit; asid++) {
        _Atomic uint64_t *word = &asids_used[asid / 64];
        uint64_t bit = 1ul << (asid % 64);

        if (!(atomic_load(word) & bit) && !(atomic_fetch_or(word, bit) & bit))
            return (uint16_t)asid;
    }
    return 0;
}

status_t arch_mmu_init(struct arch_mmu *mmu)
{
    uint64_t *root = frame_alloc_virt(FRAME_TABLE);

    if (!root)
        return ERR_NO_MEMORY;
    memcpy(root + 256, kernel_root + 256, 256 * sizeof(root[0]));
    spin_init(&mmu->lock, RANK_PAGE_TABLE);
    mmu->root = virt_to_phys(root);
    mmu->asid = asid_alloc();
    mmu->satp = satp_value(mmu->root, mmu->asid);
    list_init(&mmu->tables);
    atomic_init(&mmu->harts, 0);            /* every hart flushes what the ASID's last owner left */
    atomic_init(&mmu->stale_code, UINT32_MAX);
    mmu->resident = 0;
    return OK;
}

void arch_mmu_destroy(struct arch_mmu *mmu)
{
    struct list_node *table;

    for (uint32_t i = 0; i < MAX_HARTS; i++)
        assert(atomic_load(&harts[i].space) != mmu);
    while ((table = list_pop_front(&mmu->tables)))
        frame_free(list_entry(table, struct page, link));
    frame_free_virt(phys_to_virt(mmu->root));
    if (mmu->asid)
        atomic_fetch_and(&asids_used[mmu->asid / 64], ~(1ul << (mmu->asid % 64)));
}

void mmu_switch(struct arch_mmu *mmu)
{
    struct hart *hart = this_hart();
    uint32_t me = 1u << hart->index;

    if (atomic_load_explicit(&hart->space, memory_order_relaxed) == mmu)
        return;
    atomic_store_explicit(&hart->space, mmu, memory_order_release);
    if (!mmu) {
        csr_write("satp", satp_value(virt_to_phys(kernel_root), 0));
        return;
    }
    csr_write("satp", mmu->satp);
    atomic_thread_fence(memory_order_seq_cst);
    if (!(atomic_load_explicit(&mmu->harts, memory_order_relaxed) & me) || mmu->asid == 0) {
        atomic_fetch_or(&mmu->harts, me);
        flush_tlb_asid(mmu->asid);
    }
    if (atomic_load_explicit(&mmu->stale_code, memory_order_relaxed) & me) {
        atomic_fetch_and(&mmu->stale_code, ~me);
        flush_code();
    }
}

/* The other harts that run this space now. */
static uint32_t active_elsewhere(const struct arch_mmu *mmu, uint32_t me)
{
    uint32_t mask = 0;

    for (uint32_t i = 0; i < hart_count; i++)
        if (i != me && atomic_load(&harts[i].space) == mmu)
            mask |= 1u << i;
    return mask;
}

/* Every hart forgets the page at `address` (length PAGE_SIZE) or all of them (UINT64_MAX).  mmu->lock held. */
static void shootdown(struct arch_mmu *mmu, vaddr_t address, uint64_t length)
{
    struct hart *hart = this_hart();
    bool here = atomic_load(&hart->space) == mmu;

    /* Who runs it is interrupted and keeps its bit; the rest loses it, then is looked at again. */
    uint32_t keep = active_elsewhere(mmu, hart->index) | (here ? 1u << hart->index : 0);

    atomic_fetch_and(&mmu->harts, keep);

    uint32_t targets = (keep & ~(1u << hart->index)) | active_elsewhere(mmu, hart->index);

    if (here && length == PAGE_SIZE)
        flush_tlb_page(address, mmu->asid);
    else if (here)
        flush_tlb_asid(mmu->asid);
    if (targets) {
        hart->tlb_shootdowns++;
        sbi_hart_call(SBI_RFENCE, RFENCE_TLB_ASID, targets, address, length, mmu->asid);
    }
}

/* The leaf table that covers address, or NULL and the size of the hole.  Inline: the fault path. */
static INLINE uint64_t *leaf_table(const struct arch_mmu *mmu, vaddr_t address, uint64_t *out_span)
{
    uint64_t entry = ((uint64_t *)phys_to_virt(mmu->root))[address >> 30];

    *out_span = 1ul << 30;
    if (!(entry & PTE_VALID))
        return NULL;
    entry = pte_table(entry)[address >> 21 & 511];
    *out_span = 1ul << 21;
    return entry & PTE_VALID ? pte_table(entry) : NULL;
}

uint64_t *mmu_next_table(uint64_t *entry, struct list *tables)
{
    if (*entry & PTE_VALID)
        return pte_table(*entry);

    uint64_t *table = frame_alloc_virt(FRAME_TABLE);

    if (!table)
        return NULL;
    /* Other harts' walkers see the zeros before they see the table. */
    atomic_thread_fence(memory_order_release);
    *(volatile uint64_t *)entry = pte_make(virt_to_phys(table), PTE_VALID);
    if (tables)
        list_push_back(tables, &phys_to_page(virt_to_phys(table))->link);
    return table;
}

static NOINLINE uint64_t *make_leaf_table(struct arch_mmu *mmu, vaddr_t address)
{
    uint64_t *root = phys_to_virt(mmu->root);
    uint64_t *middle = mmu_next_table(&root[address >> 30], &mmu->tables);

    return middle ? mmu_next_table(&middle[address >> 21 & 511], &mmu->tables) : NULL;
}

static uint64_t leaf_entry(paddr_t frame, uint64_t flags)
{
    uint64_t entry = pte_make(frame, flags << 1 | PTE_VALID | PTE_USER | PTE_ACCESSED);

    return flags & MMU_WRITE ? entry | PTE_READ | PTE_DIRTY : entry;
}

static_assert(MMU_READ << 1 == PTE_READ && MMU_WRITE << 1 == PTE_WRITE &&
              MMU_EXECUTE << 1 == PTE_EXECUTE, "rights are the same bits, one place on");

status_t arch_mmu_map(struct arch_mmu *mmu, vaddr_t address, paddr_t frame, uint32_t flags)
{
    uint64_t span;

    assert(address < USER_TOP && flags != 0);
    spin_lock(&mmu->lock);

    uint64_t *table = leaf_table(mmu, address, &span);

    if (!table && !(table = make_leaf_table(mmu, address))) {
        spin_unlock(&mmu->lock);
        return ERR_NO_MEMORY;
    }

    volatile uint64_t *slot = &table[address >> PAGE_SHIFT & 511];
    uint64_t old = *slot, new = leaf_entry(frame, flags);

    *slot = new;
    if (!(old & PTE_VALID))
        mmu->resident++;
    else if (pte_address(old) != pte_address(new) || (old & ~new & LEAF_RIGHTS))
        shootdown(mmu, page_floor(address), PAGE_SIZE);
    else                                        /* rights gained, or none missing: a stale TLB */
        flush_tlb_page(address, mmu->asid);
    spin_unlock(&mmu->lock);
    return OK;
}

void arch_mmu_map_around(struct arch_mmu *mmu, vaddr_t address, const uint64_t *entries,
                         uint32_t count)
{
    uint64_t span;

    spin_lock(&mmu->lock);

    uint64_t *table = leaf_table(mmu, address, &span);

    for (uint32_t i = 0; table && i < count; i++) {
        volatile uint64_t *slot = &table[(address >> PAGE_SHIFT & 511) + i];

        if (*slot & PTE_VALID)
            continue;
        *slot = leaf_entry(page_floor(entries[i]), entries[i] & PAGE_MASK);
        mmu->resident++;
    }
    spin_unlock(&mmu->lock);
}

/*
 * Clear some bits of each entry of a range that has one of `match`; one left without rights goes.
 * How many there were.  One leaf table at a time; a hole of the upper levels is one step.
 */
static uint64_t clear_range(struct arch_mmu *mmu, vaddr_t address, uint64_t length, uint64_t clear, uint64_t match)
{
    const uint64_t keep = ~clear, rights = LEAF_RIGHTS & ~clear;
    vaddr_t end = address + length;
    uint64_t span, count = 0;

    assert(range_inside(address, length, USER_TOP));
    spin_lock(&mmu->lock);
    while (address < end) {
        uint64_t *table = leaf_table(mmu, address, &span);
        vaddr_t next = min_u64((address & ~(span - 1)) + span, end);
        volatile uint64_t *entry = &table[address >> PAGE_SHIFT & 511];
        volatile uint64_t *entry_end = table ? entry + ((next - address) >> PAGE_SHIFT) : entry;

#pragma GCC unroll 8
        for (; entry < entry_end; entry++) {
            uint64_t old = *entry;

            if (!(old & match))
                continue;
            count++;
            if (old & rights) {
                *entry = old & keep;
            } else {
                *entry = 0;
                mmu->resident--;
            }
        }
        address = next;
    }
    if (count > 0 && (clear & LEAF_RIGHTS))
        shootdown(mmu, length == PAGE_SIZE ? end - length : 0, length == PAGE_SIZE ? length : UINT64_MAX);
    spin_unlock(&mmu->lock);
    return count;
}

void arch_mmu_protect(struct arch_mmu *mmu, vaddr_t address, uint64_t length, uint32_t flags)
{
    uint64_t clear = LEAF_RIGHTS & ~(flags ? leaf_entry(0, flags) : 0);

    clear_range(mmu, address, length, clear, clear);
}

/* Other harts are not interrupted for this: one that has the page in its TLB tells of it later. */
bool arch_mmu_test_accessed(struct arch_mmu *mmu, vaddr_t address)
{
    bool used = clear_range(mmu, address, PAGE_SIZE, PTE_ACCESSED, PTE_ACCESSED);

    if (used && atomic_load(&this_hart()->space) == mmu)
        flush_tlb_page(address, mmu->asid);
    return used;
}

uint64_t arch_mmu_resident(struct arch_mmu *mmu, vaddr_t address, uint64_t length)
{
    return clear_range(mmu, address, length, 0, LEAF_RIGHTS);
}

void arch_mmu_sync_code(struct arch_mmu *mmu)
{
    uint32_t me = this_hart()->index;

    atomic_store(&mmu->stale_code, UINT32_MAX);
    sbi_hart_call(SBI_RFENCE, RFENCE_CODE, active_elsewhere(mmu, me), 0, 0, 0);
    if (atomic_load(&harts[me].space) == mmu)
        flush_code();
}
