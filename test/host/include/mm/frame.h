/*
 * frame.h, found before the kernel's: frames of fake_memory.c lie anywhere, so where one lies is a
 * question for it.
 */
#pragma once

#define page_to_phys page_of_ram_to_phys
#define page_to_virt page_of_ram_to_virt
#include_next "mm/frame.h"
#undef page_to_virt
#undef page_to_phys

paddr_t page_to_phys(const struct page *page);
static inline void *page_to_virt(const struct page *page)
{
    return phys_to_virt(page_to_phys(page));
}
