/*
 * drive_heap.c: kern/mm/heap.c on fake frames.  The rest of the drivers use malloc for the heap; here the real one,
 * compiled with its names changed, must hand out aligned objects that never overlap, and give frames back.
 */
#include "fake.h"
#include "mm/heap.h"

void kernel_heap_init(void);
void *kernel_heap_alloc(size_t size);
void kernel_heap_free(void *object);

#define OBJECTS 400u

static struct { uint8_t *object; size_t size; uint8_t mark; } objects[OBJECTS];
static uint32_t count;

static void check_object(uint32_t i)
{
    for (size_t at = 0; at < objects[i].size; at++)
        if (objects[i].object[at] != objects[i].mark)
            fail("byte %zu of an object of %zu bytes was overwritten", at, objects[i].size);
}

static void release(uint32_t i)
{
    check_object(i);
    kernel_heap_free(objects[i].object);
    objects[i] = objects[--count];
}

/* Each class keeps one empty frame for ever: let it have that frame before the frames are counted. */
void heap_driver_start(void)
{
    kernel_heap_init();
    for (size_t size = 16; size <= HEAP_MAX; size += 16)
        kernel_heap_free(kernel_heap_alloc(size));
}

void drive_heap(uint32_t steps)
{
    count = 0;
    while (steps-- > 0 && choices_left()) {
        bool grow = steps / 700 % 2;

        if (count < OBJECTS && !one_in(grow ? 4 : 2)) {
            size_t size = one_in(2) ? choose_between(1, HEAP_MAX) : choose_between(1, 200);
            uint8_t *object;

            fail_allocation(one_in(20));
            object = kernel_heap_alloc(size);
            step("allocate %zu: %s", size, object ? "yes" : "no");
            check_equal(object == NULL, allocation_failed());
            if (object) {
                check_equal((uintptr_t)object % 16, 0);
                objects[count].object = memset(object, steps & 0x7f, size);
                objects[count].size = size;
                objects[count++].mark = steps & 0x7f;
            }
        } else if (count > 0) {
            step("free one of %u", count);
            release(choose(count));
        }
        if (count > 0)
            check_object(choose(count));
    }
    while (count > 0)
        release(count - 1);
}
