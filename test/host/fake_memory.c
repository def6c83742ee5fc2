/*
 * fake_memory.c: frames and heap objects over malloc.
 *
 * Each frame and each heap object is a malloc of its own, and a free frame's descriptor is poisoned, so that the address
 * sanitizer sees every use after it was freed.  Physical addresses are host addresses less DIRECT_MAP; a frame's number has
 * nothing to do with them, so that a seed gives the same run each time.  A descriptor is used again as late as can be.
 *
 * Invariant: a frame is in its bucket exactly while it is allocated.
 */
#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>

#include "fake.h"
#include "mm/frame.h"
#include "mm/heap.h"

#define BUCKETS 1024u

struct fake_frame {
    struct page page;               /* first */
    void *memory;
    struct fake_frame *next;
};

static struct fake_frame *buckets[BUCKETS];
static struct fake_frame descriptors[PLENTY];       /* by number */
static uint64_t next_number;
_Atomic uint64_t frames_of_kind[FRAME_KINDS] = { [FRAME_FREE] = PLENTY };
static uint64_t live_objects;
static uint64_t fail_countdown;
static bool failed;

uint64_t fail_allocation(uint64_t n)
{
    uint64_t before = fail_countdown;

    fail_countdown = n;
    failed = false;
    return before;
}

bool allocation_failed(void)
{
    fail_countdown = 0;
    return failed;
}

bool allocation_may_succeed(void)
{
    if (fail_countdown == 0 || --fail_countdown > 0)
        return true;
    failed = true;
    return false;
}

/* --- Frames. --- */

uint64_t frame_total = PLENTY, frame_low;

static struct fake_frame *frame_with(const struct page *page) { return (struct fake_frame *)page; }

static struct fake_frame **place_of(const void *memory)
{
    struct fake_frame **place = &buckets[((uintptr_t)memory >> PAGE_SHIFT) % BUCKETS];

    while (*place && (*place)->memory != memory)
        place = &(*place)->next;
    return place;
}

void memory_size(uint64_t frames)
{
    frames = min_u64(frames, PLENTY);
    for (uint64_t i = frames; i < PLENTY; i++)
        check_equal(descriptors[i].page.kind, FRAME_FREE);
    frame_total = frames;
    frames_of_kind[FRAME_FREE] = frames - frames_live();
    next_number = 0;
}

/* Of a free frame's descriptor the kernel may look at the kind and the index, and at the end of a transfer at the block. */
static void poison(struct page *page)
{
    ASAN_POISON_MEMORY_REGION(&page->not_linked, sizeof page->not_linked);
    ASAN_POISON_MEMORY_REGION(&page->owner, sizeof page->owner);
    ASAN_POISON_MEMORY_REGION(&page->owner_koid, sizeof page->owner_koid);
}

static struct fake_frame *take_descriptor(uint8_t kind)
{
    for (uint64_t i = 0; i < frame_total; i++) {
        struct fake_frame *frame = &descriptors[next_number++ % frame_total];

        if (frame->page.kind != FRAME_FREE)
            continue;
        ASAN_UNPOISON_MEMORY_REGION(&frame->page, sizeof frame->page);
        frame->page = (struct page){ .kind = kind };
        return frame;
    }
    return NULL;
}

struct page *frame_alloc(uint8_t kind)
{
    struct fake_frame *frame = NULL, **place;

    check(kind != FRAME_FREE && kind < FRAME_KINDS);
    this_hart()->frames_ran_out = false;
    if (!allocation_may_succeed())
        return NULL;
    if (frame_free_count() >= frame_low || frame_shortage(kind))
        frame = take_descriptor(kind);
    this_hart()->frames_ran_out = !frame;
    if (!frame)
        return NULL;
    frame->memory = memalign(PAGE_SIZE, PAGE_SIZE);
    memset(frame->memory, 0xa5, PAGE_SIZE);
    place = place_of(frame->memory);
    check(!*place);
    frame->next = NULL;
    *place = frame;
    frame_recount(FRAME_FREE, kind, 1);
    return &frame->page;
}

struct page *frame_by_number(uint64_t number) { return &descriptors[number].page; }

uint64_t frame_free_count(void) { return frames_of_kind[FRAME_FREE]; }

void *frame_ref_owner(struct page *page, bool (*ref)(void *owner))
{
    uint8_t kind = frame_kind(page);

    if ((kind != FRAME_ANON && kind != FRAME_PAGER && kind != FRAME_DEVICE) || !page->owner)
        return NULL;
    return ref(page->owner) ? page->owner : NULL;
}

void frame_wait_for_readers(void) { }

struct page *frame_alloc_zeroed(uint8_t kind)
{
    struct page *page = frame_alloc(kind);

    if (page)
        arch_zero_page(page_to_virt(page));
    return page;
}

void frame_free(struct page *page)
{
    struct fake_frame *frame = frame_with(page), **place = place_of(frame->memory);

    check(*place == frame);
    check_equal(page->busy, 0);
    check(!list_linked(&page->link));
    *place = frame->next;
    frame_set_kind(page, FRAME_FREE);
    poison(page);
    free(frame->memory);
}

paddr_t page_to_phys(const struct page *page)
{
    return virt_to_phys(frame_with(page)->memory);
}

struct page *phys_to_page(paddr_t address)
{
    struct fake_frame *frame = *place_of(phys_to_virt(page_floor(address)));

    return frame ? &frame->page : NULL;
}

void *frame_alloc_virt(uint8_t kind)
{
    struct page *page = frame_alloc_zeroed(kind);

    return page ? page_to_virt(page) : NULL;
}

void frame_free_virt(void *address)
{
    frame_free(phys_to_page(virt_to_phys(address)));
}

uint64_t frames_live_of_kind(uint8_t kind)
{
    return frames_of_kind[kind];
}

uint64_t frames_live(void)
{
    uint64_t sum = 0;

    for (uint32_t kind = 0; kind < FRAME_KINDS; kind++)
        sum += kind != FRAME_FREE ? frames_of_kind[kind] : 0;
    return sum;
}

void arch_zero_page(void *page)                         { memset(page, 0, PAGE_SIZE); }
void arch_copy_page(void *to, const void *from)         { memcpy(to, from, PAGE_SIZE); }

/* --- The heap. --- */

void *heap_alloc(size_t size)
{
    void *object;

    check(size <= HEAP_MAX);
    if (!allocation_may_succeed())
        return NULL;
    object = malloc(size);
    memset(object, 0xa5, size);
    live_objects++;
    return object;
}

void *heap_alloc_zeroed(size_t size)
{
    void *object = heap_alloc(size);

    return object ? memset(object, 0, size) : NULL;
}

void heap_free(void *object)
{
    if (!object)
        return;
    live_objects--;
    free(object);
}

uint64_t heap_live(void)
{
    return live_objects;
}

/* --- Kernel stacks: room for the sanitizers' frames too. --- */

#define HOST_STACK_SIZE (8 * KERNEL_STACK_SIZE)

void *arch_stack_create(void)
{
    if (!allocation_may_succeed())
        return NULL;
    live_objects++;
    return malloc(HOST_STACK_SIZE);
}

void arch_stack_destroy(void *stack)
{
    live_objects--;
    free(stack);
}

size_t host_stack_size(void)
{
    return HOST_STACK_SIZE;
}
