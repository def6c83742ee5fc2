/*
 * page_list.h: page number -> slot, a radix tree.  It knows nothing of VMOs.
 *
 * A slot is one word: empty, a page, or a zero marker ("known to be zero").  The tree grows upwards with the greatest
 * index used; a node is freed when its last slot empties.  A slot above the lowest level may hold a zero marker for
 * all pages below it, so a range of zeros costs a few nodes however long it is.  Callers hold the family lock.
 */
#pragma once

#include "lib/types.h"

#define PAGE_LIST_BITS   6
#define PAGE_LIST_FANOUT (1u << PAGE_LIST_BITS)

struct page;

typedef uintptr_t slot_t;           /* 0: empty */

enum { SLOT_EMPTY = 0, SLOT_PAGE = 1, SLOT_BLOCK = 2, SLOT_ZERO = 3, SLOT_TAG = 3 };

static inline uint32_t slot_kind(slot_t slot)          { return slot & SLOT_TAG; }
static inline slot_t slot_of_page(struct page *page)   { return (slot_t)page | SLOT_PAGE; }
/* A block of backing store in place of a page. */
static inline slot_t slot_of_block(uint64_t block)     { return block << 2 | SLOT_BLOCK; }
static inline uint64_t slot_block(slot_t slot)         { return slot >> 2; }
/* "Known to be zero", and what a pager has still to be told of it: nothing; that it is; and it has begun to write that down. */
enum zero_state { ZERO_CLEAN, ZERO_DIRTY, ZERO_AWAITING_CLEAN };
static inline slot_t slot_zero(enum zero_state state)  { return (slot_t)state << 2 | SLOT_ZERO; }
static inline enum zero_state slot_zero_state(slot_t slot) { return (enum zero_state)(slot >> 2); }
/* NULL for an empty slot or a zero marker. */
static inline struct page *slot_page(slot_t slot)
{
    return slot_kind(slot) == SLOT_PAGE ? (struct page *)(slot - SLOT_PAGE) : NULL;
}

struct page_list_node {
    uintptr_t slots[PAGE_LIST_FANOUT];
    uint32_t used;
};

struct page_list {
    struct page_list_node *root;
    uint32_t height;                /* levels; 0: no root */
    struct page_list_node *recent;  /* the lowest node used last, for pages recent_number * 64 on; or NULL */
    uint64_t recent_number;
};

static inline void page_list_init(struct page_list *list) { *list = (struct page_list){ 0 }; }

slot_t page_list_find(struct page_list *list, uint64_t index);
/* Likewise where the list was looked into last; empty elsewhere. */
static inline slot_t page_list_recent(const struct page_list *list, uint64_t index)
{
    bool known = list->recent && list->recent_number == index >> PAGE_LIST_BITS;

    return known ? list->recent->slots[index % PAGE_LIST_FANOUT] : SLOT_EMPTY;
}
static inline slot_t page_list_get(struct page_list *list, uint64_t index)
{
    if (list->recent && list->recent_number == index >> PAGE_LIST_BITS)
        return list->recent->slots[index % PAGE_LIST_FANOUT];
    return page_list_find(list, index);
}
/* NO_MEMORY when a node is needed; replacing a page cannot fail.  slot is not empty. */
status_t page_list_set(struct page_list *list, uint64_t index, slot_t slot);
/* Make [first, end), where there are no pages, all empty or all the same zero marker.  NO_MEMORY: done in part. */
status_t page_list_fill(struct page_list *list, uint64_t first, uint64_t end, slot_t slot);

/*
 * A run: the slots from index on, of those below `end`, that one node holds; or (slots is NULL) that are all `fill`, empty or
 * zero markers.  make_run makes the node; NO_MEMORY.  Who fills or empties slots of a run in place then says how many more
 * are in use, and the run is over.
 */
struct page_list_run {
    struct page_list_node *node;
    slot_t *slots;
    slot_t fill;
    uint64_t count;
};
struct page_list_run page_list_search_run(struct page_list *list, uint64_t index, uint64_t end);
static inline struct page_list_run page_list_find_run(struct page_list *list, uint64_t index, uint64_t end)
{
    uint64_t number = index % PAGE_LIST_FANOUT, left = PAGE_LIST_FANOUT - number;

    if (!list->recent || list->recent_number != index >> PAGE_LIST_BITS)
        return page_list_search_run(list, index, end);
    return (struct page_list_run){
        .node = list->recent, .slots = &list->recent->slots[number], .count = left < end - index ? left : end - index,
    };
}
status_t page_list_make_run(struct page_list *list, uint64_t index, uint64_t end, struct page_list_run *out_run);
void page_list_prune(struct page_list *list, uint64_t index);
static inline void page_list_changed(struct page_list *list, const struct page_list_run *run, uint64_t index, int64_t more)
{
    run->node->used += more;
    if (run->node->used == 0)
        page_list_prune(list, index);
}

/* No page has this number or a greater one. */
static inline uint64_t page_list_end(const struct page_list *list)
{
    return list->height ? 1ul << (list->height * PAGE_LIST_BITS) : 0;
}
/* The first page at or after *index, which becomes its number; NULL: none below `end`. */
struct page *page_list_next(struct page_list *list, uint64_t *index, uint64_t end);
/* How many slots from index on are empty, at most `limit`. */
uint64_t page_list_gap(struct page_list *list, uint64_t index, uint64_t limit);
