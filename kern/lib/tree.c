/*
 * tree.c: the search tree (a treap: a search tree by key, a heap by a random priority).
 *
 * Seen from left to right the keys ascend; seen from the root down the priorities descend.  The
 * shape that satisfies both is unique for given keys and priorities, and priorities are drawn at
 * random, so the shape is that of a random insertion order: depth about 2 log n.
 *
 * Invariant: below child[0] are keys <= node->key, below child[1] keys >=; no child has a higher priority than its parent.
 */
#include "lib/tree.h"

#include <stdatomic.h>

#include "lib/assert.h"

/* A different well-mixed number at each call, on any hart. */
static uint32_t draw_priority(void)
{
    static atomic_uint drawn;
    uint32_t x = (atomic_fetch_add_explicit(&drawn, 1, memory_order_relaxed) + 1) * 0x9e3779b9u;

    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

/* Which child of its parent a node is. */
static int side_of(const struct tree_node *node) { return node->parent->child[1] == node; }

/* Let `child` (or nothing) take the place of `node` under node's parent. */
static void replace_child(struct tree *tree, struct tree_node *node, struct tree_node *child)
{
    if (node->parent)
        node->parent->child[side_of(node)] = child;
    else
        tree->root = child;
    if (child)
        child->parent = node->parent;
}

/* Exchange node and its parent; the order of keys stays. */
static void rotate_up(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    int side = side_of(node);
    struct tree_node *between = node->child[!side];

    replace_child(tree, parent, node);
    node->child[!side] = parent;
    parent->parent = node;
    parent->child[side] = between;
    if (between)
        between->parent = parent;
}

void tree_insert(struct tree *tree, struct tree_node *node, uint64_t key)
{
    struct tree_node **place = &tree->root, *parent = NULL;

    assert(!node->linked);
    while (*place) {
        parent = *place;
        place = &parent->child[key >= parent->key];
    }
    *node = (struct tree_node){ .parent = parent, .key = key, .priority = draw_priority(),
                                .linked = true };
    *place = node;
    while (node->parent && node->parent->priority < node->priority)
        rotate_up(tree, node);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    assert(node->linked);
    while (node->child[0] && node->child[1])
        rotate_up(tree, node->child[node->child[1]->priority >= node->child[0]->priority]);
    replace_child(tree, node, node->child[0] ? node->child[0] : node->child[1]);
    *node = (struct tree_node){ 0 };
}

static struct tree_node *leftmost(struct tree_node *node)
{
    while (node && node->child[0])
        node = node->child[0];
    return node;
}

struct tree_node *tree_first(const struct tree *tree) { return leftmost(tree->root); }

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->child[1])
        return leftmost(node->child[1]);
    while (node->parent && side_of(node) == 1)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_last_at_most(const struct tree *tree, uint64_t key)
{
    struct tree_node *node = tree->root, *best = NULL;

    for (; node; node = node->key <= key ? node->child[1] : node->child[0])
        if (node->key <= key)
            best = node;
    return best;
}

struct tree_node *tree_first_at_least(const struct tree *tree, uint64_t key)
{
    struct tree_node *before = key ? tree_last_at_most(tree, key - 1) : NULL;

    return before ? tree_next(before) : tree_first(tree);
}
