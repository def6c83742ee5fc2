/*
 * page_list.h: page number -> slot, a radix tree.  It knows nothing of VMOs.
 *
 * A slot is one word: empty, a page, an anon (copy-on-write holder of a page), or a zero marker.  The tree
 * grows upwards with the greatest index used; a node is freed when its last slot empties.  Callers hold the
 * family lock.
 */
#pragma once

#include "lib/types.h"

#define PAGE_LIST_BITS   6
#define PAGE_LIST_FANOUT (1u << PAGE_LIST_BITS)

struct page;
struct anon;
struct page_list_node;

typedef uintptr_t slot_t;           /* 0: empty */

enum { SLOT_EMPTY = 0, SLOT_PAGE = 1, SLOT_ANON = 2, SLOT_ZERO = 3, SLOT_TAG = 3 };

static inline uint32_t slot_kind(slot_t slot)          { return slot & SLOT_TAG; }
static inline slot_t slot_of_page(struct page *page)   { return (slot_t)page | SLOT_PAGE; }
static inline slot_t slot_of_anon(struct anon *anon)   { return (slot_t)anon | SLOT_ANON; }
static inline slot_t slot_zero_marker(void)            { return SLOT_ZERO; }
static inline struct page *slot_page(slot_t slot)      { return (struct page *)(slot & ~(slot_t)SLOT_TAG); }
static inline struct anon *slot_anon(slot_t slot)      { return (struct anon *)(slot & ~(slot_t)SLOT_TAG); }

struct page_list {
    struct page_list_node *root;
    uint32_t height;                /* levels; 0: no root */
    uint64_t used;                  /* slots that are not empty */
};

static inline void page_list_init(struct page_list *list) { list->root = NULL; list->height = 0; list->used = 0; }

slot_t page_list_get(const struct page_list *list, uint64_t index);
/* NO_MEMORY when a node is needed; replacing a slot in use cannot fail.  slot is not 0. */
status_t page_list_set(struct page_list *list, uint64_t index, slot_t slot);
/* Empty a slot and give what was in it. */
slot_t page_list_take(struct page_list *list, uint64_t index);
/*
 * A run: the slots from index on, of those below `end`, that one node holds or that are all empty (find_run: then slots is
 * NULL).  make_run makes the node; NO_MEMORY.  Who fills or empties slots of a run in place then says how many more are in
 * use, and the run is over.
 */
struct page_list_run {
    struct page_list_node *node;
    slot_t *slots;
    uint64_t count;
};
struct page_list_run page_list_find_run(const struct page_list *list, uint64_t index, uint64_t end);
status_t page_list_make_run(struct page_list *list, uint64_t index, uint64_t end, struct page_list_run *out_run);
void page_list_changed(struct page_list *list, const struct page_list_run *run, uint64_t index, int64_t more);
/* First slot in use at or after index: false if none below `end`. */
bool page_list_next(const struct page_list *list, uint64_t index, uint64_t end, uint64_t *out_index, slot_t *out_slot);
