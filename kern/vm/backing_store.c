#include "vm/backing_store.h"
#include "lib/kprintf.h"
#define BLOCKS 131072u
#define CLUSTER 16u
static struct spinlock lock = SPINLOCK_INITIALIZER(RANK_SWAP);
static uint32_t holders[BLOCKS];
static struct swap_device *device;
static uint64_t hint = 1, total, used;
void swap_try_device(struct swap_device *new) { total = min_u64(new->length / PAGE_SIZE, BLOCKS - 1); device = new; kprintf("swap: %lu pages\n", total); }
uint64_t swap_alloc(uint32_t wanted, void *owner, uint64_t index, uint32_t *out_count)
{
    uint64_t found = 0;
    (void)owner; (void)index;
    spin_lock(&lock);
    for (uint64_t tries = 0; device && tries < total && !found; tries++, hint = hint % total + 1)
        if (!holders[hint])
            found = hint;
    *out_count = 0;
    while (found && *out_count < wanted && found + *out_count <= total && !holders[found + *out_count])
        holders[found + (*out_count)++] = 1;
    used += *out_count;
    if (found)
        hint = (found + *out_count - 1) % total + 1;
    spin_unlock(&lock);
    return found;
}
void swap_hold(uint64_t block) { spin_lock(&lock); assert(holders[block]); holders[block]++; spin_unlock(&lock); }
void swap_release(uint64_t block) { spin_lock(&lock); assert(holders[block]); used -= --holders[block] == 0; spin_unlock(&lock); }
void swap_set_holders(uint64_t block, uint32_t n) { spin_lock(&lock); assert(holders[block] && n); holders[block] = n; spin_unlock(&lock); }
void swap_quarantine(uint64_t block) { (void)block; }
bool swap_same_segment(uint64_t a, uint64_t b) { (void)a; return b <= total; }
struct swap_device *swap_place(uint64_t block, uint64_t *out_offset) { *out_offset = device->offset + (block - 1) * PAGE_SIZE; return device; }
uint64_t swap_used(void) { return used; }
