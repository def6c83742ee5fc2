/*
 * frame.c: physical memory.
 *
 * One struct page for every frame from the lowest of RAM to the highest, in one array carved out of RAM at boot; memory that is
 * not ours (firmware, kernel, device tree, boot archive) and holes have descriptors too, counted as FRAME_KERNEL, so the kinds
 * always add up to all of memory.  Free frames are a stack: the frame freed last is the one most likely still in a cache.
 *
 * Invariant: a frame is on the free stack exactly while its kind is FRAME_FREE; counts[kind] frames have each kind.
 * Locks: frame_lock guards the stack, and kinds that become or stop being FRAME_FREE; other changes
 * of kind are the owner's.  The counts are atomic.
 */
#include "mm/frame.h"

paddr_t frame_base = UINT64_MAX;
struct page *frame_pages;
uint64_t frame_total, frame_low;

static struct spinlock frame_lock = SPINLOCK_INITIALIZER(RANK_FRAME);
static struct list_node *free_frames;       /* singly linked through page->link.next */
_Atomic uint64_t frames_of_kind[FRAME_KINDS];

struct page *phys_to_page(paddr_t address)
{
    uint64_t number = (address - frame_base) >> PAGE_SHIFT;

    return number < frame_total ? &frame_pages[number] : NULL;
}

uint64_t frame_free_count(void)
{
    return atomic_load_explicit(&frames_of_kind[FRAME_FREE], memory_order_relaxed);
}

struct page *frame_alloc(uint8_t kind)
{
    struct page *page = NULL;

    if (allocation_fails())
        return NULL;
    bool allowed = frame_free_count() >= frame_low || frame_shortage(kind);

    spin_lock(&frame_lock);
    if (free_frames && allowed) {
        page = list_entry(free_frames, struct page, link);
        free_frames = page->link.next;
        frame_set_kind(page, kind);
        *page = (struct page){ .kind = kind };
    }
    this_hart()->frames_ran_out = !page;
    spin_unlock(&frame_lock);
    return page;
}

/* A page that is moved to another owner has none on the way. */
void *frame_ref_owner(struct page *page, bool (*ref)(void *owner))
{
    void *owner = NULL;

    spin_lock(&frame_lock);
    uint8_t kind = atomic_load_explicit(&page->kind, memory_order_acquire);

    if (kind == FRAME_ANON || kind == FRAME_PAGER || kind == FRAME_DEVICE)
        owner = *(void *volatile *)&page->owner;
    if (owner && !ref(owner))
        owner = NULL;
    spin_unlock(&frame_lock);
    return owner;
}

void frame_wait_for_readers(void)
{
    spin_lock(&frame_lock);
    spin_unlock(&frame_lock);
}

struct page *frame_alloc_zeroed(uint8_t kind)
{
    struct page *page = frame_alloc(kind);

    if (page)
        arch_zero_page(page_to_virt(page));
    return page;
}

void frame_free(struct page *page)
{
    assert(frame_kind(page) != FRAME_FREE);
    assert(page->busy == 0);
    assert(!list_linked(&page->link));
    spin_lock(&frame_lock);
    frame_set_kind(page, FRAME_FREE);
    page->link.next = free_frames;
    free_frames = &page->link;
    spin_unlock(&frame_lock);
}

void *frame_alloc_virt(uint8_t kind)
{
    struct page *page = frame_alloc_zeroed(kind);

    return page ? page_to_virt(page) : NULL;
}

void frame_free_virt(void *address) { frame_free(phys_to_page(virt_to_phys(address))); }

/* The end of a reserved area that shares a byte with [base, base + size), or 0. */
static paddr_t reserved_end(paddr_t base, uint64_t size)
{
    for (uint32_t i = 0; i < machine.reserved_ranges; i++) {
        paddr_t from = machine.reserved[i].base, end = from + machine.reserved[i].size;

        if (from < base + size && base < end)
            return end;
    }
    return 0;
}

/* Whole frames of RAM that nothing has reserved, for the descriptors. */
static paddr_t find_room(uint64_t size)
{
    for (uint32_t i = 0; i < machine.memory_ranges; i++) {
        paddr_t candidate = machine.memory[i].base, end;

        while ((end = reserved_end(candidate, size)))
            candidate = page_ceil(end);
        if (candidate + size <= machine.memory[i].base + machine.memory[i].size)
            return candidate;
    }
    panic("no room for %lu page descriptors", frame_total);
}

/* Mark the frames that [base, base + size) touches as the kernel's. */
static void reserve(paddr_t base, uint64_t size)
{
    for (paddr_t address = page_floor(base); address < base + size; address += PAGE_SIZE) {
        struct page *page = phys_to_page(address);

        if (page && frame_kind(page) == FRAME_FREE) {
            frame_set_kind(page, FRAME_KERNEL);
            *page = (struct page){ .kind = FRAME_KERNEL };
        }
    }
}

/* The hole between a range of RAM and the next one above it, if there is one, is not free. */
static void reserve_hole(const struct memory_range *range)
{
    paddr_t end = range->base + range->size, next = UINT64_MAX;

    for (uint32_t i = 0; i < machine.memory_ranges; i++)
        if (machine.memory[i].base >= end)
            next = min_u64(next, machine.memory[i].base);
    if (next != UINT64_MAX)
        reserve(end, next - end);
}

void frame_init(void)
{
    paddr_t top = 0;

    /* 1. From where to where?  The ranges are made of whole frames. */
    for (uint32_t i = 0; i < machine.memory_ranges; i++) {
        frame_base = min_u64(frame_base, machine.memory[i].base);
        top = max_u64(top, machine.memory[i].base + machine.memory[i].size);
    }
    frame_total = (top - frame_base) >> PAGE_SHIFT;

    /* 2. The descriptors. */
    uint64_t size = page_ceil(frame_total * sizeof(struct page));
    paddr_t room = find_room(size);
    struct page *const first = phys_to_virt(room), *const end = first + frame_total;

    for (struct page *page = first; page < end; page++)
        atomic_init(&page->kind, FRAME_FREE);   /* the rest is set with another kind */
    frame_pages = first;
    frames_of_kind[FRAME_FREE] = frame_total;

    /* 3. What is not free, and the stack of the rest, lowest address on top. */
    for (uint32_t i = 0; i < machine.reserved_ranges; i++)
        reserve(machine.reserved[i].base, machine.reserved[i].size);
    for (uint32_t i = 0; i < machine.memory_ranges; i++)
        reserve_hole(&machine.memory[i]);
    reserve(room, size);
    for (struct page *page = end; page-- > first; ) {
        if (frame_kind(page) == FRAME_FREE) {
            page->link.next = free_frames;
            free_frames = &page->link;
        }
    }
}
