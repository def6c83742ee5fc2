/*
 * page_list.c: the radix tree from page numbers to slots.
 *
 * A node has 64 slots: of the lowest level they are what the VMO stores, above they point to nodes, or hold
 * one zero marker for everything below.  The tree is as high as its greatest index needs, so a VMO of up to
 * 64 pages is a single node.  Who needs a slot below a marker splits it: a node of 64 markers takes its place.
 *
 * Invariant: node->used counts the slots that are not empty; no node but one being filled has used == 0.
 * list->recent is forgotten before a node is freed.
 * Locks: the caller's family lock.
 */
#include "vm/page_list.h"

#include "lib/assert.h"
#include "mm/heap.h"

#define LEVELS_MAX (64 / PAGE_LIST_BITS)

static bool fits(const struct page_list *list, uint64_t index)
{
    return list->height > 0 && index >> (list->height * PAGE_LIST_BITS) == 0;
}

static uint32_t slot_number(uint64_t index, uint32_t level)
{
    return (index >> (level * PAGE_LIST_BITS)) & (PAGE_LIST_FANOUT - 1);
}

/* What a slot above the lowest level points to; NULL if it is empty or a marker. */
static inline struct page_list_node *slot_node(uintptr_t slot)
{
    return slot_kind(slot) == SLOT_EMPTY ? (struct page_list_node *)slot : NULL;
}

struct page_list_run page_list_find_run(const struct page_list *list, uint64_t index, uint64_t end)
{
    struct page_list_run run = { .node = list->root, .count = end - index };
    struct page_list_node *below;
    uint32_t level;

    if (!fits(list, index))
        return run;
    for (level = list->height - 1; level > 0; level--) {
        below = slot_node(run.node->slots[slot_number(index, level)]);
        if (!below)
            break;
        run.node = below;
    }
    slot_t *slot = &run.node->slots[slot_number(index, level)];
    uint64_t span = 1ul << (max_u64(level, 1) * PAGE_LIST_BITS);

    if (level == 0)
        run.slots = slot;
    else
        run.fill = *slot;
    run.count = min_u64(run.count, span - (index & (span - 1)));
    return run;
}

slot_t page_list_find(struct page_list *list, uint64_t index)
{
    struct page_list_run run = page_list_find_run(list, index, index + 1);

    if (!run.slots)
        return run.fill;
    list->recent = run.node;
    list->recent_number = index >> PAGE_LIST_BITS;
    return *run.slots;
}

/* Free the empty nodes on the way to index, from the lowest up, and the root if nothing is left. */
static void prune(struct page_list *list, uint64_t index)
{
    struct page_list_node *path[LEVELS_MAX], *below = list->root;
    uint32_t level = list->height;

    list->recent = NULL;
    do {
        path[--level] = below;
        below = level > 0 ? slot_node(below->slots[slot_number(index, level)]) : NULL;
    } while (below);
    for (; path[level]->used == 0; path[level]->used--) {
        heap_free(path[level]);
        if (++level == list->height) {
            page_list_init(list);
            return;
        }
        path[level]->slots[slot_number(index, level)] = SLOT_EMPTY;
    }
}

/* Make the tree high enough for index: an empty one at once, so that no empty node hangs below its first slot. */
static status_t grow(struct page_list *list, uint64_t index)
{
    while (!fits(list, index)) {
        struct page_list_node *root = heap_alloc_zeroed(sizeof *root);

        if (!root)
            return ERR_NO_MEMORY;
        if (list->root) {
            root->slots[0] = (uintptr_t)list->root;
            root->used = 1;
        }
        list->root = root;
        do {
            list->height++;
        } while (root->used == 0 && !fits(list, index));
    }
    return OK;
}

/* The node below a slot that has none: as empty, or as full of markers, as the slot was.  NULL without memory. */
static struct page_list_node *make_node(struct page_list_node *above, uintptr_t *slot)
{
    struct page_list_node *node = heap_alloc_zeroed(sizeof *node);

    if (!node)
        return NULL;
    if (*slot) {
        for (uint32_t i = 0; i < PAGE_LIST_FANOUT; i++)
            node->slots[i] = *slot;
        node->used = PAGE_LIST_FANOUT;
    } else {
        above->used++;
    }
    *slot = (uintptr_t)node;
    return node;
}

status_t page_list_make_run(struct page_list *list, uint64_t index, uint64_t end,
                            struct page_list_run *out_run)
{
    struct page_list_node *node, *below;
    uint32_t number = slot_number(index, 0);

    if (!fits(list, index) && grow(list, index) != OK)
        return ERR_NO_MEMORY;
    node = list->root;
    for (uint32_t level = list->height - 1; level > 0; level--) {
        uintptr_t *slot = &node->slots[slot_number(index, level)];

        below = slot_node(*slot);
        if (!below && !(below = make_node(node, slot))) {
            prune(list, index);
            return ERR_NO_MEMORY;
        }
        node = below;
    }
    *out_run = (struct page_list_run){
        .node = node, .slots = &node->slots[number], .count = min_u64(end - index, PAGE_LIST_FANOUT - number),
    };
    return OK;
}

void page_list_changed(struct page_list *list, const struct page_list_run *run, uint64_t index,
                       int64_t more)
{
    run->node->used += more;
    if (run->node->used == 0)
        prune(list, index);
}

status_t page_list_set(struct page_list *list, uint64_t index, slot_t slot)
{
    struct page_list_run run;

    assert(slot != SLOT_EMPTY);
    if (list->recent && list->recent_number == index >> PAGE_LIST_BITS)
        run = (struct page_list_run){ .node = list->recent, .slots = &list->recent->slots[slot_number(index, 0)] };
    else if (page_list_make_run(list, index, index + 1, &run) != OK)
        return ERR_NO_MEMORY;
    run.node->used += *run.slots == SLOT_EMPTY;
    *run.slots = slot;
    return OK;
}

/* --- Ranges of zeros. --- */

static void free_markers(struct page_list_node *node, uint32_t level)
{
    for (uint32_t i = 0; i < PAGE_LIST_FANOUT; i++) {
        if (level > 0 && slot_node(node->slots[i]))
            free_markers(slot_node(node->slots[i]), level - 1);
        else
            assert(slot_kind(node->slots[i]) != SLOT_PAGE);
    }
    heap_free(node);
}

/* Fill [index, end) as far as it lies below node: whole subtrees by one slot, the others a level lower. */
static status_t fill_below(struct page_list_node *node, uint32_t level, uint64_t index, uint64_t end,
                           slot_t value)
{
    uint64_t span = 1ul << (level * PAGE_LIST_BITS), next;
    status_t status = OK;

    for (; index < end && status == OK; index = next) {
        uintptr_t *slot = &node->slots[slot_number(index, level)];
        struct page_list_node *below = level > 0 ? slot_node(*slot) : NULL;

        next = (index | (span - 1)) + 1;
        if (next <= end && (index & (span - 1)) == 0) {
            assert(level > 0 || slot_kind(*slot) != SLOT_PAGE);
            if (below)
                free_markers(below, level - 1);
            node->used += (value != SLOT_EMPTY) - (*slot != SLOT_EMPTY);
            *slot = value;
        } else if (*slot != value) {
            if (!below && !(below = make_node(node, slot)))
                return ERR_NO_MEMORY;
            status = fill_below(below, level - 1, index, min_u64(next, end), value);
            if (below->used == 0) {
                heap_free(below);
                *slot = SLOT_EMPTY;
                node->used--;
            }
        }
    }
    return status;
}

status_t page_list_fill(struct page_list *list, uint64_t first, uint64_t end, slot_t slot)
{
    status_t status;

    if (slot == SLOT_EMPTY)
        end = min_u64(end, page_list_end(list));
    if (first >= end)
        return OK;
    list->recent = NULL;
    if (grow(list, end - 1) != OK)
        return ERR_NO_MEMORY;
    status = fill_below(list->root, list->height - 1, first, end, slot);
    if (list->root->used == 0) {
        heap_free(list->root);
        page_list_init(list);
    }
    return status;
}

/* --- Looking for pages and for holes. --- */

struct page *page_list_next(const struct page_list *list, uint64_t *index, uint64_t end)
{
    for (struct page_list_run run; *index < end; *index += run.count) {
        run = page_list_find_run(list, *index, end);
        for (uint64_t i = 0; run.slots && i < run.count; i++) {
            if (slot_kind(run.slots[i]) == SLOT_PAGE) {
                *index += i;
                return slot_page(run.slots[i]);
            }
        }
    }
    return NULL;
}

uint64_t page_list_gap(const struct page_list *list, uint64_t index, uint64_t limit)
{
    uint64_t end = index + limit, at = index;

    for (struct page_list_run run; at < end; at += run.count) {
        run = page_list_find_run(list, at, end);
        for (uint64_t i = 0; run.slots && i < run.count; i++)
            if (run.slots[i] != SLOT_EMPTY)
                return at + i - index;
        if (!run.slots && run.fill != SLOT_EMPTY)
            break;
    }
    return at - index;
}
