#pragma once
/* Provisional: one segment, to try paging with. */
#include "vm/vmo.h"

struct swap_device {
    uint64_t offset, length;
    void *disk;
    void (*submit)(struct swap_device *device, bool out, uint64_t offset, struct page **pages, uint32_t count,
                   void (*done)(void *argument, status_t status), void *argument);
};
void swap_try_device(struct swap_device *device);
uint64_t swap_alloc(uint32_t wanted, void *owner, uint64_t index, uint32_t *out_count);
void swap_hold(uint64_t block);
void swap_release(uint64_t block);
void swap_set_holders(uint64_t block, uint32_t holders);
void swap_quarantine(uint64_t block);
bool swap_same_segment(uint64_t a, uint64_t b);
struct swap_device *swap_place(uint64_t block, uint64_t *out_offset);
uint64_t swap_used(void);
