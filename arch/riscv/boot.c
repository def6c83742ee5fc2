/*
 * boot.c: from the first C function to kernel_main, on every hart.
 *
 * Root entries 256 to 509 of the kernel's page table are the direct map by gigapages (boot.S), entry 510 the kernel
 * stacks.  They are complete before the first process exists and are copied into each new root; what changes later
 * are tables below entry 510, which all roots share.  The gigapage of the kernel image is split so that text is RX,
 * rodata R and the rest RW: nothing is both writable and executable at any address.
 *
 * The hart that the firmware chose to boot becomes index 0, whatever its hardware id.  The others are started by
 * arch_start_harts, one after the other, each on a stack of its own that becomes its idle thread's.
 *
 * Locks: none; until the scheduler runs only one hart is in here at a time.
 */
#include "platform.h"

#include "lib/kprintf.h"

#define START_PATIENCE 1000000000ull    /* nanoseconds for a hart that was started to be there */

/* --- The kernel half of every address space. --- */

extern const char kernel_start[], text_end[], rodata_end[], kernel_end[], boot_guard[];

#define GIGAPAGE (1ul << 30)
#define MEGAPAGE (1ul << 21)
#define IMAGE_TABLES 3                      /* linker.ld asserts that the image fits */

static uint64_t image_gigabyte[512] __attribute__((aligned(4096)));
static uint64_t image_tables[IMAGE_TABLES][512] __attribute__((aligned(4096)));

static uint64_t table_entry(const void *table) { return pte_make(virt_to_phys(table), PTE_VALID); }

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

/* The final kernel half, with W^X. */
static void mmu_boot(void)
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
    kernel_root[STACK_AREA >> 30 & 511] = table_entry(stack_area_table);
    flush_tlb_all();
}

/* --- Harts. --- */

struct hart harts[MAX_HARTS];
struct hart *volatile hart_starting;    /* for boot.S: see _start */
uint32_t hart_count = 1;

/* Called by boot.S, as secondary_start is. */
_Noreturn void boot_start(uint64_t hart_id, paddr_t tree)
{
    struct hart *hart = &harts[0];

    hart->id = hart_id;
    timer_init();
    trap_init_hart();

    bool parsed = devices_parse(phys_to_virt(tree));

    uart_init();
    if (!parsed)
        panic("the device tree at 0x%lx names no memory or no clock", tree);
    mmu_boot();
    mmu_probe_asids();
    plic_init_hart(hart);
    hart->online = true;
    kernel_main();
}

_Noreturn void secondary_start(uint64_t hart_id)
{
    struct hart *hart = this_hart();

    assert(hart->id == hart_id);
    trap_init_hart();
    arch_timer_set(UINT64_MAX);
    plic_init_hart(hart);
    atomic_thread_fence(memory_order_release);
    *(volatile bool *)&hart->online = true;
    kernel_secondary_main();
}

/* Start the next hart and wait until it is there.  One that comes too late joins then. */
static bool start_hart(void)
{
    struct hart *hart = &harts[hart_count];
    char *stack = arch_stack_create();
    uint64_t deadline;
    int64_t error;

    if (!stack) {
        kprintf("quire: no memory for the stack of hart %lu\n", hart->id);
        return false;
    }
    hart->index = hart_count;
    hart->kernel_sp = (uint64_t)stack + KERNEL_STACK_SIZE;
    hart_starting = hart;
    atomic_thread_fence(memory_order_seq_cst);
    error = sbi_call(hart->id, virt_to_phys(secondary_entry), (uint64_t)hart, 0, 0, 0, 0, SBI_HSM);
    if (error) {
        kprintf("quire: hart %lu does not start (SBI error %ld)\n", hart->id, error);
        arch_stack_destroy(stack);
        return false;
    }
    hart_count++;
    deadline = arch_time() + START_PATIENCE;
    while (!*(volatile bool *)&hart->online && arch_time() < deadline)
        ;
    if (!*(volatile bool *)&hart->online)
        kprintf("quire: hart %lu was started but does not answer\n", hart->id);
    return true;
}

uint32_t arch_start_harts(uint32_t limit)
{
    uint32_t online = 0;

    limit = (uint32_t)min_u64(limit, min_u64(platform.hart_count, MAX_HARTS));
    while (hart_count < limit && start_hart())
        ;
    if (platform.hart_count > hart_count)
        kprintf("quire: %u harts stay stopped\n", platform.hart_count - hart_count);
    for (uint32_t i = 0; i < hart_count; i++)
        online += harts[i].online;
    return online;
}
