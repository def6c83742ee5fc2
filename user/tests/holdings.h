/*
 * holdings.h: what the machine holds, to be compared before and after.
 */
#pragma once

#include <stdio.h>

#include "memory.h"

struct holdings {
    info_system_t system;
    uint32_t handles, regions;
    uint64_t mapped;
};

static inline struct holdings holdings(void)
{
    info_process_t own = own_info();

    return (struct holdings){ system_info(), own.num_handles, own.num_regions, own.mapped_bytes };
}

static const uint32_t exact[] = { FRAME_TABLE, FRAME_ANON, FRAME_PAGER, FRAME_DEVICE, FRAME_BUSY };

static inline bool same(const struct holdings *a, const struct holdings *b)
{
    for (size_t i = 0; i < array_size(exact); i++)
        if (a->system.frames[exact[i]] != b->system.frames[exact[i]])
            return false;
    return memcmp(a->system.objects, b->system.objects, sizeof a->system.objects) == 0 &&
           a->handles == b->handles && a->regions == b->regions && a->mapped == b->mapped;
}

/* Threads and processes that have ended go a little later. */
static inline bool is_as_before(void *before)
{
    struct holdings now = holdings();

    return same(before, &now);
}

/* Is nothing more there, but something less, of what was counted while it was on its way? */
static inline bool is_less(const struct holdings *now, const struct holdings *before)
{
    for (size_t i = 0; i < array_size(exact); i++)
        if (now->system.frames[exact[i]] > before->system.frames[exact[i]])
            return false;
    for (size_t i = 0; i < array_size(now->system.objects); i++)
        if (now->system.objects[i] > before->system.objects[i])
            return false;
    return now->handles == before->handles && now->regions == before->regions && now->mapped == before->mapped;
}

#define LATE_MAX 3u                     /* how often in a program what is counted may have been on its way */

static inline bool is_as_before_or_less(void *argument)
{
    static unsigned late;
    struct holdings now = holdings(), *before = argument;

    if (same(before, &now))
        return true;
    if (late == LATE_MAX || !is_less(&now, before))
        return false;
    late++;
    *before = now;
    return true;
}

/* What there is now is what there was before, which is set right if that was counted too early. */
static inline void check_same(struct holdings *before, const char *what)
{
    if (comes_true(is_as_before_or_less, before))
        return;
    struct holdings now = holdings();
    for (size_t i = 0; i < array_size(exact); i++)
        if (now.system.frames[exact[i]] != before->system.frames[exact[i]])
            test_failed(__FILE__, __LINE__, "%s: frames of kind %u: %llu, before %llu", what, exact[i],
                        (unsigned long long)now.system.frames[exact[i]],
                        (unsigned long long)before->system.frames[exact[i]]);
    for (unsigned i = 0; i < array_size(now.system.objects); i++)
        if (now.system.objects[i] != before->system.objects[i])
            test_failed(__FILE__, __LINE__, "%s: objects of type %u: %llu, before %llu", what, i,
                        (unsigned long long)now.system.objects[i],
                        (unsigned long long)before->system.objects[i]);
    test_failed(__FILE__, __LINE__, "%s: %u handles, before %u; %u regions, before %u", what, now.handles,
                before->handles, now.regions, before->regions);
}
