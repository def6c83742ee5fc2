/*
 * writeback_rig.h: pagers that want to be asked for write-back, and page-out on demand.
 */
#pragma once

#include "dirty_rig.h"

#define ALL UINT64_MAX

static inline uint64_t evict(uint64_t pages)
{
    uint64_t went = 0;

    CHECK_OK(sys_system_reclaim(system_handle(), pages, &went));
    return went;
}

static inline handle_t new_writeback_pager(void)
{
    handle_t pager = HANDLE_INVALID;

    CHECK_OK(sys_pager_create(PAGER_WANTS_WRITEBACK, &pager));
    return pager;
}

static inline struct rig writeback_create(uint64_t pages, uint32_t options)
{
    struct rig rig = { .pager = new_writeback_pager(), .port = new_port() };

    CHECK_OK(sys_pager_create_vmo(rig.pager, options, rig.port, RIG_KEY, AT(pages), &rig.vmo));
    return rig;
}

/* A rig whose pages [0, count) are supplied, and dirty from `first` on. */
static inline struct rig dirty_rig(uint64_t pages, uint64_t count, uint64_t first)
{
    struct rig rig = writeback_create(pages, VMO_RESIZABLE);

    if (count)
        supply(rig, 0, count);
    for (uint64_t i = first; i < count; i++)
        write_byte(rig, i, 'd');
    return rig;
}

static inline void expect_writeback(struct rig rig, uint64_t first, uint64_t count)
{
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_WRITEBACK, first, count);
}

/* END with results, one a page. */
static inline status_t try_end_with(struct rig rig, uint64_t first, uint64_t count, const int32_t *results)
{
    return try_op(rig, PAGER_OP_WRITEBACK_END, first, count, (uintptr_t)results);
}

static inline uint64_t dirty_pages(handle_t vmo)
{
    return vmo_info(vmo).dirty_bytes / PAGE_SIZE;
}

/* Every page that is dirty now is written down; zeros stay as they are. */
static inline void write_back(struct rig rig)
{
    static vmo_dirty_range_t ranges[64];
    uint64_t size, count = 1;

    CHECK_OK(sys_vmo_get_size(rig.vmo, &size));
    for (uint64_t at = 0; at < size && count > 0; ) {
        CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, at, size - at, ranges, sizeof ranges, &count, NULL));
        for (uint64_t i = 0; i < count; i++) {
            if (ranges[i].options == VMO_DIRTY_RANGE_IS_ZERO)
                continue;
            begin(rig, ranges[i].offset / PAGE_SIZE, ranges[i].length / PAGE_SIZE);
            end(rig, ranges[i].offset / PAGE_SIZE, ranges[i].length / PAGE_SIZE);
        }
        if (count > 0)
            at = ranges[count - 1].offset + ranges[count - 1].length;
    }
}
