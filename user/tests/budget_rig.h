/*
 * budget_rig.h: pagers whose dirty budget is used up.
 */
#pragma once

#include "writeback_rig.h"

#define OTHER_KEY 77u                   /* of a second VMO */
#define MINIMUM 64u                     /* pages that each pager may always have dirty */
#define MORE    64u                     /* pages of a full rig that are not dirty */

/* Write to the pages, as far as that goes without waiting: how many of them are dirty then. */
static inline uint64_t fill(struct rig rig, uint64_t pages)
{
    uint64_t i;
    status_t status = OK;

    for (i = 0; i < pages && status == OK; i++)
        status = sys_vmo_write(rig.vmo, 0, "x", AT(i), 1);
    CHECK(status == OK || status == ERR_SHOULD_WAIT);
    return i - (status != OK);
}

/* Pages of zeros: each becomes dirty without being supplied. */
static inline struct rig empty_rig(uint64_t key, uint64_t pages)
{
    struct rig rig = { .pager = new_writeback_pager(), .port = new_port() };

    rig.vmo = new_pager_vmo(rig.pager, rig.port, key, 0);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(pages)));
    return rig;
}

/* Its first pages are dirty, as many as may be, and MORE follow. */
static inline struct rig full_rig(uint64_t key)
{
    struct rig rig = empty_rig(key, 1 << 20);
    uint64_t dirty = fill(rig, 1 << 20);

    CHECK(dirty < 1 << 20);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(dirty + MORE)));
    return rig;
}

/* Who waits has asked for write-back of the whole VMO. */
static inline void expect_full_writeback(struct rig rig)
{
    uint64_t size = 0;

    CHECK_OK(sys_vmo_get_size(rig.vmo, &size));
    expect_writeback(rig, 0, size / PAGE_SIZE);
}
