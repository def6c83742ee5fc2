/*
 * dirty_rig.h: pager-backed VMOs whose pages become dirty, and what their pager sees of it.
 */
#pragma once

#include <stdio.h>

#include "cow.h"

static inline struct rig trap_create(uint64_t pages)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };

    CHECK_OK(sys_pager_create_vmo(rig.pager, VMO_RESIZABLE | VMO_TRAP_DIRTY, rig.port, RIG_KEY,
                                  pages * PAGE_SIZE, &rig.vmo));
    return rig;
}

/* The dirty runs as text: "1+2 5+1z" is pages 1 and 2, and zeros at 5. */
static inline const char *dirty_runs(struct rig rig, uint64_t first, uint64_t count)
{
    static char text[256];
    vmo_dirty_range_t ranges[16];
    size_t actual = 0, avail = 0, length = 0;

    text[0] = 0;
    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, first * PAGE_SIZE, count * PAGE_SIZE,
                                          ranges, sizeof ranges, &actual, &avail));
    CHECK_EQ(actual, avail);
    for (size_t i = 0; i < actual && length < sizeof text; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%u+%u%s", i ? " " : "",
                                   (unsigned)(ranges[i].offset / PAGE_SIZE),
                                   (unsigned)(ranges[i].length / PAGE_SIZE),
                                   ranges[i].options == VMO_DIRTY_RANGE_IS_ZERO ? "z" : "");
    return text;
}

static inline bool dirty_is(struct rig rig, const char *expected)
{
    uint64_t size;

    CHECK_OK(sys_vmo_get_size(rig.vmo, &size));
    const char *seen = dirty_runs(rig, 0, size / PAGE_SIZE);
    if (strcmp(seen, expected) != 0)
        printf("# dirty: \"%s\", expected \"%s\"\n", seen, expected);
    return strcmp(seen, expected) == 0;
}

static inline void pager_op(struct rig rig, uint32_t op, uint64_t first, uint64_t count, uint64_t data)
{
    CHECK_OK(try_op(rig, op, first, count, data));
}

static inline void begin(struct rig rig, uint64_t first, uint64_t count)
{
    pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, first, count, 0);
}

static inline void end(struct rig rig, uint64_t first, uint64_t count)
{
    pager_op(rig, PAGER_OP_WRITEBACK_END, first, count, 0);
}

static inline void expect_dirty(struct rig rig, uint64_t first, uint64_t count)
{
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, first, count);
}

static inline void allow(struct rig rig, uint64_t first, uint64_t count)
{
    pager_op(rig, PAGER_OP_DIRTY, first, count, 0);
}

static inline void write_byte(struct rig rig, uint64_t page, char value)
{
    CHECK_OK(sys_vmo_write(rig.vmo, 0, &value, page * PAGE_SIZE, 1));
}

static inline bool is_modified(struct rig rig, uint32_t options)
{
    pager_vmo_stats_t stats = { 7 };

    CHECK_OK(sys_pager_query_vmo_stats(rig.pager, rig.vmo, options, &stats, sizeof stats));
    return stats.modified == PAGER_VMO_STATS_MODIFIED;
}
