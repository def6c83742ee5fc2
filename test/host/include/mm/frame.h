/*
 * frame.h, found before the kernel's: on the host each frame is a piece of memory of its own, and descriptors are no array.
 */
#pragma once

#define page_to_phys page_to_phys_in_array
#define page_to_virt page_to_virt_in_array
#define frame_by_number frame_by_number_in_array
#include_next "mm/frame.h"
#undef page_to_phys
#undef page_to_virt
#undef frame_by_number

struct page *frame_by_number(uint64_t number);
paddr_t page_to_phys(const struct page *page);

static inline void *page_to_virt(const struct page *page)
{
    return phys_to_virt(page_to_phys(page));
}
