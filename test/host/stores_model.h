/*
 * stores_model.h: what drive_stores.c knows of stores, segments and blocks.
 */
#pragma once

#include "host.h"
#include "vm/backing_store.h"

#define STORES      5u
#define RANGES      6u
#define RANGE_BYTES (1u << 22)
#define BLOCKS_MAX  (RANGE_BYTES / PAGE_SIZE)
#define CLUSTER_MAX 8u

struct model_block { uint64_t number; void *owner; uint64_t index; uint32_t holders; bool retired; };
struct model_segment {
    int store;                          /* -1: there is none */
    uint32_t disk;
    uint64_t start, end, first, blocks;
    uint64_t gave;                      /* since the last change of who can give */
    struct model_block block[BLOCKS_MAX];
};
struct model_store {
    struct backing_store *store;        /* NULL: there is none */
    uint32_t priority, cluster;
    bool draining, deleted;
    uint64_t retired, pages[2], failed[2];
};

static struct model_store stores[STORES];
static struct model_segment segments[SEGMENTS_MAX];
static struct swap_device ranges[RANGES];
static info_swap_t totals;
static uint32_t owner_references;
static uint8_t families[3];

static bool is_free(const struct model_block *block) { return block->holders == 0 && !block->retired; }

static uint64_t count_free(const struct model_segment *segment)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < segment->blocks; i++)
        count += is_free(&segment->block[i]);
    return count;
}

static bool can_give(const struct model_segment *segment)
{
    return segment->store >= 0 && !stores[segment->store].draining && count_free(segment) > 0;
}

/* Who can give has changed, so old turns count no more. */
static void new_turns(void)
{
    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        segments[i].gave = 0;
}

static uint32_t blocks_in_use(uint32_t number)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SEGMENTS_MAX; i++)
        for (uint64_t j = 0; segments[i].store == (int)number && j < segments[i].blocks; j++)
            count += segments[i].block[j].holders > 0;
    return count;
}

static uint32_t round_up(uint32_t count)
{
    uint32_t power = 1;

    while (power < count)
        power *= 2;
    return power;
}
