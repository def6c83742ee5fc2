/*
 * stack.c: kernel stacks and what can be read from them.
 *
 * The stack area is cut into slots of twice the size of a stack; the lower half of each is never
 * mapped.  So a stack that overflows faults, and one bit of the stack pointer tells trap.S that it
 * did.  The stack of the boot hart lies in the kernel image with the same geometry.
 *
 * A few free stacks stay mapped for the next thread; more are unmapped and their frames go back.  Which slots are in
 * use is told by the page tables themselves.  Leaf tables of the area are never freed: all address spaces share them.
 *
 * Locks: stack_lock guards everything here.
 */
#include "platform.h"

#include "lib/kprintf.h"
#include "mm/frame.h"

#define STACK_SLOT  (2 * KERNEL_STACK_SIZE)
#define STACK_SLOTS 8192u
#define STACK_CACHE 16u
#define STACK_PAGES (KERNEL_STACK_SIZE / PAGE_SIZE)

uint64_t stack_area_table[512] __attribute__((aligned(4096)));  /* the middle level of the area */
uint8_t emergency_stacks[MAX_HARTS][EMERGENCY_STACK_SIZE] __attribute__((aligned(16)));

static struct spinlock stack_lock = SPINLOCK_INITIALIZER(RANK_KSTACK);
static void *cached[STACK_CACHE];
static uint32_t cached_count;
static uint32_t first_free;                 /* no slot below it is free */

/* The entries of a stack's pages; their table is made if there is none.  NULL without memory. */
static uint64_t *stack_entries(vaddr_t stack)
{
    uint64_t *table = mmu_next_table(&stack_area_table[stack >> 21 & 511], NULL);

    return table ? table + (stack >> PAGE_SHIFT & 511) : NULL;
}

/* Every hart, this one too, looks at the tables anew for this stack. */
static void flush_stack(vaddr_t stack)
{
    sbi_hart_call(SBI_RFENCE, RFENCE_TLB, (1u << hart_count) - 1, stack, KERNEL_STACK_SIZE, 0);
}

/* Take the pages of a stack, as far as it has any, out of the tables and free them. */
static void unmap_stack(vaddr_t stack, uint64_t *entries)
{
    paddr_t frames[STACK_PAGES];

    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        frames[i] = pte_address(entries[i]);
        entries[i] = 0;
    }
    flush_stack(stack);
    for (uint32_t i = 0; i < STACK_PAGES; i++)
        if (frames[i])
            frame_free(phys_to_page(frames[i]));
}

static bool map_stack(vaddr_t stack, uint64_t *entries)
{
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        struct page *page = frame_alloc(FRAME_KERNEL);

        if (!page) {
            unmap_stack(stack, entries);
            return false;
        }
        entries[i] = pte_make(page_to_phys(page), PTE_KERNEL_DATA);
    }
    flush_stack(stack);
    return true;
}

static void *create_locked(void)
{
    if (cached_count)
        return cached[--cached_count];
    for (; first_free < STACK_SLOTS; first_free++) {
        vaddr_t stack = STACK_AREA + first_free * STACK_SLOT + KERNEL_STACK_SIZE;
        uint64_t *entries = stack_entries(stack);

        if (!entries)
            return NULL;
        if (!(entries[0] & PTE_VALID))
            return map_stack(stack, entries) ? (void *)stack : NULL;
    }
    return NULL;
}

void *arch_stack_create(void)
{
    spin_lock(&stack_lock);

    void *stack = create_locked();

    spin_unlock(&stack_lock);
    return stack;
}

void arch_stack_destroy(void *stack)
{
    vaddr_t address = (vaddr_t)stack;

    spin_lock(&stack_lock);
    if (cached_count < STACK_CACHE) {
        cached[cached_count++] = stack;
    } else {
        unmap_stack(address, stack_entries(address));
        first_free = (uint32_t)min_u64(first_free, (address - STACK_AREA) / STACK_SLOT);
    }
    spin_unlock(&stack_lock);
}

static bool stack_contains(uint64_t address)
{
    if (address - (uint64_t)emergency_stacks < sizeof(emergency_stacks))
        return true;
    return (address & KERNEL_STACK_SIZE) &&
           (address - (uint64_t)boot_stack < KERNEL_STACK_SIZE ||
            address - STACK_AREA < STACK_SLOTS * STACK_SLOT);
}

/* Below what s0 points to lie a function's return address, then its caller's s0. */
void arch_backtrace(void)
{
    const uint64_t *frame = __builtin_frame_address(0);

    for (uint32_t depth = 0; depth < 32; depth++) {
        if (((uint64_t)frame & 7) || !stack_contains((uint64_t)(frame - 2)) ||
            !stack_contains((uint64_t)(frame - 1)) || frame[-1] < DIRECT_MAP)
            return;
        kprintf("    called from 0x%lx\n", frame[-1]);
        frame = (const uint64_t *)frame[-2];
    }
}
