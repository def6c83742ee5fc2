/*
 * row_rig.h: stores on the scratch partition, and anonymous pages that go there, for the rows of the feature table.
 *
 * Page-out takes pages of everybody: of the programs that sleep, and of the test itself.  settle() puts the sleepers, and a VMO
 * that nobody touches, on a store of low priority, which is full then.  The cases look at the blocks of their own VMOs (INFO_SWAP_PAGE_LIST); what
 * they say about all blocks leaves room for FOREIGN pages, those of the test and of who woke up.
 */
#pragma once

#include "disk_rig.h"

#include <mach/default_pager_object.h>
#include <stdlib.h>

#define HIGH    4
#define LOW     0
#define FOREIGN 160u
#define PAGES   (SCRATCH / PAGE_SIZE)
#define WORDS   (PAGE_SIZE / sizeof(uint64_t))

/* --- Stores. --- */

static inline handle_t new_store(int32_t priority, uint32_t cluster_pages)
{
    handle_t store = HANDLE_INVALID;

    CHECK_OK(sys_backing_store_create(default_pager_handle(), priority, cluster_pages * PAGE_SIZE, &store));
    return store;
}

/* Pages [first, first + count) of the scratch partition. */
static inline void add_pages(handle_t store, uint64_t first, uint64_t count)
{
    handle_t device = open_scratch();

    CHECK_OK(sys_backing_store_add_segment(store, device, first, count, PAGE_SIZE));
    CHECK_OK(sys_handle_close(device));
}

static inline info_backing_store_t store_info(handle_t store)
{
    info_backing_store_t info = { 0 };

    CHECK_OK(sys_backing_store_info(store, &info, sizeof info));
    return info;
}

static inline uint64_t pages_free(handle_t store) { return store_info(store).pages_free; }

static inline void delete_store(handle_t store)
{
    CHECK_OK(sys_backing_store_delete(store));
    CHECK_OK(sys_handle_close(store));
}

/* Delete all stores but one (koid 0: all), those that the machine booted with or that a case which failed left behind. */
static inline void drop_stores_but(uint64_t spared)
{
    static info_segment_t segments[31];
    handle_t store;
    size_t count;

    CHECK_OK(sys_object_get_info(default_pager_handle(), INFO_SEGMENT_LIST, segments, sizeof segments, &count, NULL));
    for (size_t i = 0; i < count; i++)
        if (segments[i].store_koid != spared &&
            sys_object_get_child(default_pager_handle(), segments[i].store_koid, RIGHT_SAME_RIGHTS, &store) == OK)
            delete_store(store);
}

/* --- Blocks. --- */

enum { BLOCKS_MAX = 8192 };
static info_swap_page_t all_blocks[BLOCKS_MAX];

/* Into all_blocks: how many there are of all. */
static inline size_t list_blocks(void)
{
    size_t actual = 0, available = 0;

    CHECK_OK(sys_object_get_info(default_pager_handle(), INFO_SWAP_PAGE_LIST, all_blocks, sizeof all_blocks, &actual,
                                 &available));
    CHECK(available <= BLOCKS_MAX);
    return actual;
}

/* The blocks of a VMO come to the front of all_blocks, by offset in the VMO: how many. */
static inline size_t blocks_of(handle_t vmo)
{
    uint64_t koid = vmo_info(vmo).koid;
    size_t count = list_blocks(), own = 0;

    for (size_t i = 0; i < count; i++) {
        info_swap_page_t block = all_blocks[i];
        size_t at = own;
        if (block.vmo_koid != koid)
            continue;
        for (; at > 0 && all_blocks[at - 1].vmo_offset > block.vmo_offset; at--)
            all_blocks[at] = all_blocks[at - 1];
        all_blocks[at] = block;
        own++;
    }
    return own;
}

/* Where pages of the scratch partition begin on its disk. */
static inline uint64_t disk_place(uint64_t page)
{
    handle_t device = open_scratch();
    block_info_t info;

    CHECK_OK(sys_block_get_info(device, &info));
    CHECK_OK(sys_handle_close(device));
    return info.disk_offset + PAGE_SIZE * page;
}

/* How many pages of the VMO are in pages [first, first + count) of the scratch partition. */
static inline size_t blocks_within(handle_t vmo, uint64_t first, uint64_t count)
{
    uint64_t from = disk_place(first), end = from + count * PAGE_SIZE;
    size_t own = blocks_of(vmo), within = 0;

    for (size_t i = 0; i < own; i++)
        within += all_blocks[i].disk_offset >= from && all_blocks[i].disk_offset < end;
    return within;
}

/* --- Pages. --- */

static uint64_t page_words[WORDS];

static inline void write_page(handle_t vmo, uint64_t index, uint64_t seed)
{
    for (size_t i = 0; i < WORDS; i++)
        page_words[i] = seed * 0x9e3779b97f4a7c15ull + index * WORDS + i;
    CHECK_OK(sys_vmo_write(vmo, 0, page_words, index * PAGE_SIZE, PAGE_SIZE));
}

static inline bool page_is_right(handle_t vmo, uint64_t index, uint64_t seed)
{
    bool right = sys_vmo_read(vmo, 0, page_words, index * PAGE_SIZE, PAGE_SIZE) == OK;

    for (size_t i = 0; i < WORDS; i++)
        right = right && page_words[i] == seed * 0x9e3779b97f4a7c15ull + index * WORDS + i;
    return right;
}

static inline void check_page(handle_t vmo, uint64_t index, uint64_t seed)
{
    if (!page_is_right(vmo, index, seed))
        test_failed(__FILE__, __LINE__, "page %llu is not what was written there", (unsigned long long)index);
}

static inline handle_t filled(uint64_t pages, uint64_t seed)
{
    handle_t vmo = new_vmo(pages);

    for (uint64_t i = 0; i < pages; i++)
        write_page(vmo, i, seed);
    return vmo;
}

static inline void check_all(handle_t vmo, uint64_t pages, uint64_t seed)
{
    for (uint64_t i = 0; i < pages; i++)
        check_page(vmo, i, seed);
}

static inline void drop_pages(handle_t vmo, uint64_t first, uint64_t count)
{
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, first * PAGE_SIZE, count * PAGE_SIZE, NULL, 0));
}

/* --- Page-out. --- */

static inline void page_out(void)
{
    CHECK_OK(sys_system_reclaim(system_handle(), 256, NULL));
}

static inline bool is_out(void *vmo)
{
    if (committed(*(handle_t *)vmo) > 0)
        page_out();
    return committed(*(handle_t *)vmo) == 0;
}

/* All pages of the VMO go. */
static inline void evict(handle_t vmo)
{
    CHECK(comes_true(is_out, &vmo));
}

static inline bool is_full(void *store)
{
    if (pages_free(*(handle_t *)store) > 0)
        page_out();
    return pages_free(*(handle_t *)store) == 0;
}

/* No block of the store is free; something must be there to be paged out. */
static inline void fill_up(handle_t store)
{
    CHECK(comes_true(is_full, &store));
}

static inline bool sleepers_are_out(void *unused)
{
    (void)unused;
    page_out();
    return system_info().frames[FRAME_ANON] < 64;
}

/* Each case that pages out begins with this. */
static inline void settle(void)
{
    static handle_t filler;             /* stays open */
    static uint64_t koid;               /* of the store for it and the sleepers */
    handle_t device = HANDLE_INVALID;

    drop_stores_but(koid);
    if (filler)
        return;
    handle_t store = new_store(LOW, 4);
    CHECK_OK(block_open("swap0", &device));
    CHECK_OK(sys_backing_store_add_segment(store, device, 0, PAGES, PAGE_SIZE));
    CHECK_OK(sys_handle_close(device));
    CHECK(comes_true(sleepers_are_out, NULL));
    info_handle_basic_t info = { 0 };
    CHECK_OK(sys_object_get_info(store, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    koid = info.koid;
    filler = filled(pages_free(store), 99);
    fill_up(store);
    CHECK_OK(sys_handle_close(store));
}
