/*
 * mmu_boot.c: the kernel half of every address space.
 *
 * Root entries 256 to 509 are the direct map by gigapages (boot.S), entry 510 the kernel stacks.  They are
 * complete before the first process exists and are copied into each new root; what changes later
 * are tables below entry 510, which all roots share.  The gigapage of the kernel image is split so
 * that text is RX, rodata R and the rest RW: nothing is both writable and executable at any
 * address.
 *
 * Locks: none; used at boot by one hart.
 */
#include "platform.h"

extern const char kernel_start[], text_end[], rodata_end[], kernel_end[], boot_guard[];

#define GIGAPAGE (1ul << 30)
#define MEGAPAGE (1ul << 21)
#define IMAGE_TABLES 3                      /* linker.ld asserts that the image fits */

static uint64_t image_gigabyte[512] __attribute__((aligned(4096)));
static uint64_t image_tables[IMAGE_TABLES][512] __attribute__((aligned(4096)));

static uint64_t table_entry(const void *table)
{
    return pte_make(virt_to_phys(table), PTE_VALID);
}

/* The entry of one page of the kernel image, by what the linker put there. */
static uint64_t image_entry(const char *page)
{
    uint64_t flags = PTE_KERNEL_DATA;

    if (page < text_end)
        flags = PTE_VALID | PTE_READ | PTE_EXECUTE | PTE_GLOBAL | PTE_ACCESSED;
    else if (page < rodata_end)
        flags = PTE_VALID | PTE_READ | PTE_GLOBAL | PTE_ACCESSED;
    else if (page >= boot_guard && page < boot_stack)
        flags = 0;
    return pte_make(virt_to_phys(page), flags);
}

static void map_image(void)
{
    paddr_t gigabyte = virt_to_phys(kernel_start) & ~(GIGAPAGE - 1);
    uint32_t first = (uint32_t)((virt_to_phys(kernel_start) - gigabyte) / MEGAPAGE);

    for (uint32_t i = 0; i < 512; i++)
        image_gigabyte[i] = pte_make(gigabyte + i * MEGAPAGE, PTE_KERNEL_DATA);
    for (uint32_t t = 0; t < IMAGE_TABLES; t++) {
        for (uint32_t i = 0; i < 512; i++)
            image_tables[t][i] = image_entry(kernel_start + t * MEGAPAGE + i * PAGE_SIZE);
        image_gigabyte[first + t] = table_entry(image_tables[t]);
    }
    kernel_root[256 + gigabyte / GIGAPAGE] = table_entry(image_gigabyte);
}

void mmu_boot(void)
{
    kernel_root[STACK_AREA >> 30 & 511] = table_entry(stack_area_table);
    map_image();
    flush_tlb_all();
}
