/*
 * fake_memory.c: frames and heap objects over malloc.
 *
 * Each frame, each struct page and each heap object is a malloc of its own, so that the address sanitizer sees
 * every use after it was freed.  Physical addresses are host addresses less DIRECT_MAP.
 *
 * Invariant: a frame is in its bucket exactly while it is allocated.
 */
#include <malloc.h>
#include <stdlib.h>

#include "host.h"
#include "mm/frame.h"
#include "mm/heap.h"

#define BUCKETS 1024u

struct fake_frame {
    struct page page;               /* first */
    void *memory;
    struct fake_frame *next;
};

static struct fake_frame *buckets[BUCKETS];
_Atomic uint64_t frames_of_kind[FRAME_KINDS];
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

static struct fake_frame **place_of(const void *memory)
{
    struct fake_frame **place = &buckets[((uintptr_t)memory >> PAGE_SHIFT) % BUCKETS];

    while (*place && (*place)->memory != memory)
        place = &(*place)->next;
    return place;
}

struct page *frame_alloc(uint8_t kind)
{
    struct fake_frame *frame, **place;

    check(kind != FRAME_FREE && kind < FRAME_KINDS);
    if (!allocation_may_succeed())
        return NULL;
    frame = calloc(1, sizeof *frame);
    frame->memory = memalign(PAGE_SIZE, PAGE_SIZE);
    memset(frame->memory, 0xa5, PAGE_SIZE);
    frame->page.kind = kind;
    place = place_of(frame->memory);
    check(!*place);
    *place = frame;
    frames_of_kind[kind]++;
    return &frame->page;
}

/* Numbers are places in the buckets: what is not there is as good as a free frame. */
uint64_t frame_total = 16 * BUCKETS, frame_low;

struct page *frame_by_number(uint64_t number)
{
    static struct page nothing = { .kind = FRAME_FREE };
    struct fake_frame *frame = buckets[number % BUCKETS];

    for (uint64_t depth = number / BUCKETS; frame && depth > 0; depth--)
        frame = frame->next;
    return frame ? &frame->page : &nothing;
}

uint64_t frame_free_count(void) { return frame_total; }

void *frame_ref_owner(struct page *page, void (*ref)(void *owner))
{
    if ((frame_kind(page) != FRAME_PAGER && frame_kind(page) != FRAME_DEVICE) || !page->owner)
        return NULL;
    ref(page->owner);
    return page->owner;
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
    struct fake_frame *frame = (struct fake_frame *)page, **place = place_of(frame->memory);

    check(*place == frame);
    check_equal(page->busy, 0);
    check(!list_linked(&page->link));
    *place = frame->next;
    frames_of_kind[page->kind]--;
    free(frame->memory);
    free(frame);
}

paddr_t page_to_phys(const struct page *page)
{
    return virt_to_phys(((const struct fake_frame *)page)->memory);
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
        sum += frames_of_kind[kind];
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
