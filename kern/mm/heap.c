/*
 * heap.c: small kernel objects by size class.
 *
 * A frame serves one class; its free objects form a stack inside the frame, and its struct page is the record:
 * `owner` the top of that stack, `index` how many objects are in use, `state` the class (plus one: 0 is not the
 * heap's).  So freeing finds everything from the address alone.  A class lists its frames that have room; one that is
 * full is in no list, one that is wholly free goes back unless it is the only one with room.
 *
 * Invariant: a frame is in its class' list exactly while it has a free object; at most one there is wholly free.
 * Locks: each class has its lock (RANK_HEAP) for its list and the records of its frames.
 */
#include "mm/heap.h"

#include "lib/string.h"
#include "mm/frame.h"

#define GRANULE    16ul
#define FREE_MARK  0xdeadc0de0badf00dull

struct free_object {
    struct free_object *next;
    uint64_t mark;          /* FREE_MARK: probably free, worth a search before it is freed again */
};

struct size_class {
    struct spinlock lock;               /* RANK_HEAP */
    struct list frames;                 /* struct page with a free object, by link */
};

static const uint16_t class_sizes[] = {
    16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, HEAP_MAX,
};

#define CLASSES array_size(class_sizes)

static struct size_class classes[CLASSES];
static uint8_t class_of_granules[HEAP_MAX / GRANULE + 1];

void heap_init(void)
{
    uint8_t class = 0;

    for (size_t i = 0; i < CLASSES; i++) {
        spin_init(&classes[i].lock, RANK_HEAP);
        list_init(&classes[i].frames);
    }
    for (size_t granules = 0; granules < array_size(class_of_granules); granules++) {
        while (class_sizes[class] < granules * GRANULE)
            class++;
        class_of_granules[granules] = class;
    }
}

/* A new frame for a class, cut into free objects.  Its lock is held. */
static struct page *grow(struct size_class *class, uint8_t number)
{
    struct page *page = frame_alloc(FRAME_KERNEL);
    size_t size = class_sizes[number];

    if (!page)
        return NULL;

    char *base = page_to_virt(page);

    for (size_t offset = PAGE_SIZE / size * size; offset > 0; ) {
        struct free_object *object = (struct free_object *)(base + (offset -= size));

        object->next = page->owner;
        object->mark = FREE_MARK;
        page->owner = object;
    }
    page->state = number + 1;
    list_push_back(&class->frames, &page->link);
    return page;
}

void *heap_alloc(size_t size)
{
    assert(size <= HEAP_MAX);

    uint8_t number = class_of_granules[(size + GRANULE - 1) / GRANULE];
    struct size_class *class = &classes[number];
    struct free_object *object = NULL;

    if (allocation_fails())
        return NULL;
    spin_lock(&class->lock);

    struct list_node *first = list_first(&class->frames);
    struct page *page = first ? list_entry(first, struct page, link) : grow(class, number);

    if (page) {
        object = page->owner;
        page->owner = object->next;
        page->index++;
        object->mark = 0;
        if (!page->owner)
            list_remove(&page->link);
    }
    spin_unlock(&class->lock);
    return object;
}

void *heap_alloc_zeroed(size_t size)
{
    void *object = heap_alloc(size);

    return object ? memset(object, 0, size) : NULL;
}

void heap_free(void *address)
{
    struct free_object *object = address;

    if (!object)
        return;

    struct page *page = phys_to_page(virt_to_phys(object));

    assert(page && page->state != 0);
    assert(atomic_load_explicit(&page->kind, memory_order_relaxed) == FRAME_KERNEL);

    struct size_class *class = &classes[page->state - 1];

    assert(((uintptr_t)object & PAGE_MASK) % class_sizes[page->state - 1] == 0);
    spin_lock(&class->lock);
    for (struct free_object *other = page->owner; object->mark == FREE_MARK && other;
         other = other->next)
        assert(other != object);

    if (!page->owner)               /* it has room again */
        list_push_back(&class->frames, &page->link);
    object->next = page->owner;
    object->mark = FREE_MARK;
    page->owner = object;

    bool surplus = --page->index == 0 && class->frames.head.next != class->frames.head.prev;

    if (surplus)
        list_remove(&page->link);
    spin_unlock(&class->lock);
    if (surplus)
        frame_free(page);
}
