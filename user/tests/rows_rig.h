/*
 * rows_rig.h: what the tests of the feature table's rows share: one backing store of the test's own, and anonymous memory
 * that is on it.
 *
 * A case is named after its row: row_69_... for row 69.  The rows speak of anonymous memory and of pagers; a case looks at both
 * where both exist.
 *
 * Page-out on demand takes the pages of everybody, also of the servers, and the test's own come back at any moment.  So cases go
 * by what their own VMOs hold; by a counter of the whole system only where the same code ran just before, with its pages there.
 */
#pragma once

#include "disk_rig.h"
#include "exception_rig.h"
#include "writeback_rig.h"

#define CLUSTER 16u                     /* pages that are written or read at once at most */

static handle_t row_device, row_store, overflow_store;

/* The first time other stores go: what the test pages out can go to its own alone. */
static inline void delete_other_stores(void)
{
    static info_segment_t records[31];
    size_t count = 0;

    if (row_device != HANDLE_INVALID)
        return;
    row_device = open_scratch();
    CHECK_OK(sys_object_get_info(default_pager_handle(), INFO_SEGMENT_LIST, records, sizeof records,
                                 &count, NULL));
    for (size_t i = 0; i < count; i++) {
        handle_t store;

        if (sys_object_get_child(default_pager_handle(), records[i].store_koid, RIGHT_SAME_RIGHTS,
                                 &store) != OK)
            continue;                   /* it had another segment */
        CHECK_OK(sys_backing_store_delete(store));
        CHECK_OK(sys_handle_close(store));
    }
}

static inline void delete_store(handle_t *store)
{
    CHECK_OK(sys_backing_store_delete(*store));
    CHECK_OK(sys_handle_close(*store));
    *store = HANDLE_INVALID;
}

static inline handle_t new_store(int32_t priority, handle_t device)
{
    handle_t store = HANDLE_INVALID;
    block_info_t info;

    CHECK_OK(sys_block_get_info(device, &info));
    CHECK_OK(sys_backing_store_create(default_pager_handle(), priority, 8 * PAGE_SIZE, &store));
    CHECK_OK(sys_backing_store_add_segment(store, device, 0, info.size / PAGE_SIZE, PAGE_SIZE));
    return store;
}

/* There is no backing store. */
static inline void swap_off(void)
{
    delete_other_stores();
    if (row_store == HANDLE_INVALID)
        return;
    delete_store(&row_store);
    delete_store(&overflow_store);
}

/* There is one, and another for what it has no room for. */
static inline void swap_on(void)
{
    handle_t overflow;

    if (row_store != HANDLE_INVALID)
        return;
    delete_other_stores();
    CHECK_OK(block_open("swap1", &overflow));
    overflow_store = new_store(0, overflow);
    CHECK_OK(sys_handle_close(overflow));
    row_store = new_store(4, row_device);
}

static inline info_backing_store_t counters(void)
{
    info_backing_store_t info = { 0 };

    CHECK_OK(sys_backing_store_info(row_store, &info, sizeof info));
    return info;
}

/* --- Anonymous memory. --- */

/* The byte that a page is filled with. */
static inline int mark_of(uint64_t page)
{
    return (int)(page % 251 + 1);
}

static inline void mark(handle_t vmo, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        fill_page(vmo, i, mark_of(i));
}

static inline bool is_marked(handle_t vmo, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        if (!page_is(vmo, i, mark_of(i)))
            return false;
    return true;
}

static inline bool nothing_is_resident(void *vmo)
{
    if (committed(*(handle_t *)vmo) == 0)
        return true;
    evict(ALL);
    return false;
}

/* All pages of the VMO are on backing store, or with their source, and no transfer of them is under way. */
static inline void page_out(handle_t vmo)
{
    CHECK(comes_true(nothing_is_resident, &vmo));
}

/*
 * A VMO with these pages marked and paged out, of `pages` in all.  Where the clock's hand begins its round amid them they go in
 * pieces, so each VMO gets other frames than the last one: there are some more before it.
 */
static inline handle_t new_paged_out(uint64_t pages, uint64_t first, uint64_t count)
{
    static uint64_t calls;
    handle_t before = new_vmo(512), vmo = new_resizable_vmo(pages);

    swap_on();
    CHECK_OK(sys_vmo_op_range(before, VMO_OP_COMMIT, 0, AT(calls++ * 67 % 512), NULL, 0));
    mark(vmo, first, count);
    CHECK_OK(sys_handle_close(before));
    page_out(vmo);
    return vmo;
}

/* Touch the page: how many pages came. */
static inline uint64_t bring(handle_t vmo, uint64_t page)
{
    uint64_t before = committed(vmo);
    char byte;

    CHECK_OK(sys_vmo_read(vmo, 0, &byte, AT(page), 1));
    CHECK_EQ(byte, (char)mark_of(page));
    return committed(vmo) - before;
}

/* --- Faults. --- */

/* A load or store there ends with this reason; the thread goes. */
static inline void expect_fault(struct access *access, enum access_kind kind, volatile char *address,
                                status_t reason)
{
    uint32_t report = kind == ACCESS_LOAD ? EXCEPTION_LOAD_FAULT : EXCEPTION_STORE_FAULT;
    handle_t port = new_port();

    touch_start_bound(access, port, kind, address, '!');
    expect_report(port, access->thread.handle, report, reason);
    CHECK_OK(sys_exception_resume(access->thread.handle, EXCEPTION_KILL_THREAD));
    wait_for_end(access->thread.handle);
    CHECK_OK(sys_handle_close(port));
}

/* Pages of the mapping there that are in the page table. */
static inline uint64_t mapped_pages(const void *at)
{
    static info_map_t maps[256];
    size_t count = 0;

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, maps, sizeof maps, &count, NULL));
    for (size_t i = 0; i < count; i++)
        if (maps[i].base == (uintptr_t)at)
            return maps[i].resident_bytes / PAGE_SIZE;
    return 0;
}

/* For the last case of a program. */
static inline void rows_end(void)
{
    swap_off();
    if (row_device != HANDLE_INVALID)
        CHECK_OK(sys_handle_close(row_device));
    check_nothing_is_left();
}
