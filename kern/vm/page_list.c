/*
 * page_list.c: the radix tree from page numbers to slots.
 *
 * A node has 64 slots: of the lowest level they are what the VMO stores, above they point to nodes.  The tree
 * is as high as its greatest index needs, so a VMO of up to 64 pages is a single node.
 *
 * Invariant: node->used counts the slots that are not zero; no node but one being filled has used == 0.
 * Locks: the caller's family lock.
 */
#include "vm/page_list.h"

#include "lib/assert.h"
#include "lib/status.h"
#include "mm/heap.h"

#define LEVELS_MAX (64 / PAGE_LIST_BITS)

struct page_list_node {
    uintptr_t slots[PAGE_LIST_FANOUT];
    uint32_t used;
};

static bool fits(const struct page_list *list, uint64_t index)
{
    return list->height > 0 && index >> (list->height * PAGE_LIST_BITS) == 0;
}

static uint32_t slot_number(uint64_t index, uint32_t level)
{
    return (index >> (level * PAGE_LIST_BITS)) & (PAGE_LIST_FANOUT - 1);
}

struct page_list_run page_list_find_run(const struct page_list *list, uint64_t index, uint64_t end)
{
    struct page_list_run run = { .node = list->root, .count = end - index };
    uint32_t level = list->height;

    if (!fits(list, index))
        return (struct page_list_run){ .count = end - index };
    while (--level > 0) {
        run.node = (struct page_list_node *)run.node->slots[slot_number(index, level)];
        if (!run.node)
            break;
    }
    uint64_t span = 1ul << ((run.node ? 1 : level) * PAGE_LIST_BITS);

    run.count = min_u64(run.count, span - (index & (span - 1)));
    run.slots = run.node ? &run.node->slots[slot_number(index, 0)] : NULL;
    return run;
}

/* The lowest node for index; NULL if there is none. */
static inline struct page_list_node *find_leaf(const struct page_list *list, uint64_t index)
{
    struct page_list_node *node = list->root;

    if (!fits(list, index))
        return NULL;
    for (uint32_t level = list->height - 1; level > 0 && node; level--)
        node = (struct page_list_node *)node->slots[slot_number(index, level)];
    return node;
}

slot_t page_list_get(const struct page_list *list, uint64_t index)
{
    struct page_list_node *leaf = find_leaf(list, index);

    return leaf ? leaf->slots[slot_number(index, 0)] : SLOT_EMPTY;
}

/* Free the empty nodes on the way to index, from the lowest up, and the root if nothing is left. */
static void prune(struct page_list *list, uint64_t index)
{
    struct page_list_node *path[LEVELS_MAX];
    uint32_t level = list->height - 1;

    path[level] = list->root;
    while (level > 0 && path[level]->slots[slot_number(index, level)]) {
        path[level - 1] = (struct page_list_node *)path[level]->slots[slot_number(index, level)];
        level--;
    }
    while (path[level]->used == 0) {
        heap_free(path[level]);
        if (++level == list->height) {
            page_list_init(list);
            return;
        }
        path[level]->slots[slot_number(index, level)] = 0;
        path[level]->used--;
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

/* The lowest node for index, with the nodes above it; NULL without memory. */
static struct page_list_node *make_leaf(struct page_list *list, uint64_t index)
{
    struct page_list_node *node;

    if (grow(list, index) != OK)
        return NULL;
    node = list->root;
    for (uint32_t level = list->height - 1; level > 0; level--) {
        uintptr_t *slot = &node->slots[slot_number(index, level)];

        if (!*slot) {
            *slot = (uintptr_t)heap_alloc_zeroed(sizeof *node);
            if (!*slot)
                return NULL;
            node->used++;
        }
        node = (struct page_list_node *)*slot;
    }
    return node;
}

status_t page_list_make_run(struct page_list *list, uint64_t index, uint64_t end,
                            struct page_list_run *out_run)
{
    if (!make_leaf(list, index)) {
        if (list->root)
            prune(list, index);
        return ERR_NO_MEMORY;
    }
    *out_run = page_list_find_run(list, index, end);
    return OK;
}

void page_list_changed(struct page_list *list, const struct page_list_run *run, uint64_t index,
                       int64_t more)
{
    run->node->used += more;
    list->used += more;
    if (run->node->used == 0)
        prune(list, index);
}

status_t page_list_set(struct page_list *list, uint64_t index, slot_t slot)
{
    struct page_list_node *leaf = find_leaf(list, index);

    assert(slot != SLOT_EMPTY);
    if (!leaf && !(leaf = make_leaf(list, index))) {
        if (list->root)
            prune(list, index);
        return ERR_NO_MEMORY;
    }
    uintptr_t *place = &leaf->slots[slot_number(index, 0)];

    if (!*place) {
        leaf->used++;
        list->used++;
    }
    *place = slot;
    return OK;
}

slot_t page_list_take(struct page_list *list, uint64_t index)
{
    struct page_list_run run = page_list_find_run(list, index, index + 1);
    slot_t slot = run.slots ? *run.slots : SLOT_EMPTY;

    if (slot) {
        *run.slots = SLOT_EMPTY;
        page_list_changed(list, &run, index, -1);
    }
    return slot;
}

bool page_list_next(const struct page_list *list, uint64_t index, uint64_t end, uint64_t *out_index,
                    slot_t *out_slot)
{
    for (struct page_list_run run; index < end; index += run.count) {
        run = page_list_find_run(list, index, end);
        for (uint64_t i = 0; run.slots && i < run.count; i++) {
            if (!run.slots[i])
                continue;
            *out_index = index + i;
            *out_slot = run.slots[i];
            return true;
        }
    }
    return false;
}
