/*
 * stack.c: kernel stacks and what can be read from them.
 *
 * The stack area is cut into slots of twice the size of a stack; the lower half of each is never
 * mapped.  So a stack that overflows faults, and one bit of the stack pointer tells trap.S that it
 * did.  The stack of the boot hart lies in the kernel image with the same geometry.
 *
 * A few free stacks stay mapped for the next thread; more are unmapped and their frames go back.
 * Leaf tables of the area are never freed: all address spaces share them.
 *
 * Locks: stack_lock guards everything here.
 */
#include "csr.h"
#include "platform.h"
#include "sbi.h"

#include "mm/frame.h"

#define STACK_SLOTS 8192u
#define STACK_CACHE 16u
#define STACK_PAGES (KERNEL_STACK_SIZE / PAGE_SIZE)

uint64_t stack_area_table[512] __attribute__((aligned(4096)));  /* the middle level of the area */
uint8_t emergency_stacks[MAX_HARTS][EMERGENCY_STACK_SIZE] __attribute__((aligned(16)));

static struct spinlock stack_lock = SPINLOCK_INITIALIZER(RANK_KSTACK);
static uint64_t slots_used[STACK_SLOTS / 64];
static void *cached[STACK_CACHE];
static uint32_t cached_count;

/* The entry of a page of the area; its table is made if there is none.  NULL without memory. */
static uint64_t *page_entry(vaddr_t page)
{
    uint64_t *middle = &stack_area_table[page >> 21 & 511];

    if (!(*middle & PTE_VALID)) {
        uint64_t *table = frame_alloc_virt(FRAME_TABLE);

        if (!table)
            return NULL;
        atomic_thread_fence(memory_order_release);
        *middle = pte_make(virt_to_phys(table), PTE_VALID);
    }
    return (uint64_t *)phys_to_virt(pte_address(*middle)) + (page >> PAGE_SHIFT & 511);
}

/* Every hart looks at the tables anew for this stack. */
static void flush_stack(vaddr_t stack)
{
    uint32_t others = 0;

    for (uint32_t i = 0; i < hart_count; i++)
        if (harts[i].online && &harts[i] != this_hart())
            others |= 1u << i;
    flush_tlb_all();
    if (others)
        sbi_remote_tlb_flush(others, stack, KERNEL_STACK_SIZE);
}

/* Take the pages of a stack, as far as it has any, out of the tables and free them. */
static void unmap_stack(vaddr_t stack)
{
    paddr_t frames[STACK_PAGES];
    uint32_t count = 0;

    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        uint64_t *entry = page_entry(stack + i * PAGE_SIZE);

        if (!entry || !(*entry & PTE_VALID))
            continue;
        frames[count++] = pte_address(*entry);
        *entry = 0;
    }
    flush_stack(stack);
    while (count)
        frame_free(phys_to_page(frames[--count]));
}

static bool map_stack(vaddr_t stack)
{
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        uint64_t *entry = page_entry(stack + i * PAGE_SIZE);
        struct page *page = entry ? frame_alloc(FRAME_KERNEL) : NULL;

        if (!page) {
            unmap_stack(stack);
            return false;
        }
        *entry = pte_make(page_to_phys(page), PTE_KERNEL_DATA);
    }
    flush_stack(stack);
    return true;
}

/* A free slot, marked used, or STACK_SLOTS. */
static uint32_t take_slot(void)
{
    for (uint32_t i = 0; i < array_size(slots_used); i++) {
        if (slots_used[i] == UINT64_MAX)
            continue;
        uint32_t bit = (uint32_t)__builtin_ctzl(~slots_used[i]);

        slots_used[i] |= 1ul << bit;
        return i * 64 + bit;
    }
    return STACK_SLOTS;
}

static void return_slot(uint32_t slot)
{
    slots_used[slot / 64] &= ~(1ul << (slot % 64));
}

static void *stack_create_locked(void)
{
    if (cached_count)
        return cached[--cached_count];

    uint32_t slot = take_slot();
    vaddr_t stack = STACK_AREA + slot * STACK_SLOT + KERNEL_STACK_SIZE;

    if (slot == STACK_SLOTS)
        return NULL;
    if (!map_stack(stack)) {
        return_slot(slot);
        return NULL;
    }
    return (void *)stack;
}

void *arch_stack_create(void)
{
    spin_lock(&stack_lock);

    void *stack = stack_create_locked();

    spin_unlock(&stack_lock);
    return stack;
}

void arch_stack_destroy(void *stack)
{
    spin_lock(&stack_lock);
    if (cached_count < STACK_CACHE) {
        cached[cached_count++] = stack;
    } else {
        unmap_stack((vaddr_t)stack);
        return_slot((uint32_t)(((vaddr_t)stack - STACK_AREA) / STACK_SLOT));
    }
    spin_unlock(&stack_lock);
}

bool stack_contains(uint64_t address)
{
    uint64_t emergency = (uint64_t)emergency_stacks;

    if (address - emergency < sizeof(emergency_stacks))
        return true;
    if (!(address & KERNEL_STACK_SIZE))
        return false;
    return address - (uint64_t)boot_stack < KERNEL_STACK_SIZE ||
           address - STACK_AREA < STACK_SLOTS * STACK_SLOT;
}

/* Below what s0 points to lie a function's return address, then its caller's s0. */
void arch_backtrace(void (*line)(uint64_t return_address))
{
    const uint64_t *frame = __builtin_frame_address(0);

    for (uint32_t depth = 0; depth < 32; depth++) {
        if (((uint64_t)frame & 7) || !stack_contains((uint64_t)(frame - 2)) ||
            !stack_contains((uint64_t)(frame - 1)))
            return;
        if (frame[-1] < DIRECT_MAP)
            return;
        line(frame[-1]);
        frame = (const uint64_t *)frame[-2];
    }
}
