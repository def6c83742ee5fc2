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

slot_t page_list_get(const struct page_list *list, uint64_t index)
{
    struct page_list_node *node = list->root;

    if (!fits(list, index))
        return SLOT_EMPTY;
    for (uint32_t level = list->height - 1; level > 0; level--) {
        node = (struct page_list_node *)node->slots[slot_number(index, level)];
        if (!node)
            return SLOT_EMPTY;
    }
    return node->slots[slot_number(index, 0)];
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

status_t page_list_set(struct page_list *list, uint64_t index, slot_t slot)
{
    struct page_list_node *leaf = make_leaf(list, index);
    uintptr_t *place;

    assert(slot != SLOT_EMPTY);
    if (!leaf) {
        if (list->root)
            prune(list, index);
        return ERR_NO_MEMORY;
    }
    place = &leaf->slots[slot_number(index, 0)];
    if (!*place) {
        leaf->used++;
        list->used++;
    }
    *place = slot;
    return OK;
}

slot_t page_list_take(struct page_list *list, uint64_t index)
{
    struct page_list_node *node = list->root;
    slot_t slot;

    if (!fits(list, index))
        return SLOT_EMPTY;
    for (uint32_t level = list->height - 1; level > 0; level--) {
        node = (struct page_list_node *)node->slots[slot_number(index, level)];
        if (!node)
            return SLOT_EMPTY;
    }
    slot = node->slots[slot_number(index, 0)];
    if (slot) {
        node->slots[slot_number(index, 0)] = SLOT_EMPTY;
        list->used--;
        if (--node->used == 0)
            prune(list, index);
    }
    return slot;
}

bool page_list_next(const struct page_list *list, uint64_t index, uint64_t end, uint64_t *out_index,
                    slot_t *out_slot)
{
    while (index < end && fits(list, index)) {
        struct page_list_node *node = list->root;
        uint32_t level = list->height - 1;

        while (level > 0 && node->slots[slot_number(index, level)]) {
            node = (struct page_list_node *)node->slots[slot_number(index, level)];
            level--;
        }
        if (level > 0) {        /* nothing below this inner slot: go to the next one */
            index = ((index >> (level * PAGE_LIST_BITS)) + 1) << (level * PAGE_LIST_BITS);
            continue;
        }
        do {
            slot_t slot = node->slots[slot_number(index, 0)];

            if (slot) {
                *out_index = index;
                *out_slot = slot;
                return true;
            }
        } while (slot_number(++index, 0) != 0 && index < end);
    }
    return false;
}

static void free_nodes(struct page_list_node *node, uint32_t level)
{
    if (level > 0) {
        for (uint32_t i = 0; i < PAGE_LIST_FANOUT; i++) {
            if (node->slots[i])
                free_nodes((struct page_list_node *)node->slots[i], level - 1);
        }
    }
    heap_free(node);
}

void page_list_destroy(struct page_list *list)
{
    if (list->root)
        free_nodes(list->root, list->height - 1);
    page_list_init(list);
}
