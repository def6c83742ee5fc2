/*
 * tree.c: the search tree (a treap).
 *
 * Seen from left to right the keys ascend; seen from the root down the priorities descend.  The
 * shape that satisfies both is unique for given keys and priorities, and priorities are drawn at
 * random, so the shape is that of a random insertion order: depth about 2 log n.
 *
 * Invariant: node->left holds keys <= node->key, node->right keys >=; no child has a higher
 * priority than its parent.
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

/* Let `child` (or nothing) take the place of `node` under node's parent. */
static void replace_child(struct tree *tree, struct tree_node *node, struct tree_node *child)
{
    struct tree_node *parent = node->parent;

    if (!parent)
        tree->root = child;
    else if (parent->left == node)
        parent->left = child;
    else
        parent->right = child;
    if (child)
        child->parent = parent;
}

/* Exchange node and its parent; the order of keys stays. */
static void rotate_up(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    struct tree_node *between;

    replace_child(tree, parent, node);
    if (parent->left == node) {
        between = node->right;
        node->right = parent;
        parent->left = between;
    } else {
        between = node->left;
        node->left = parent;
        parent->right = between;
    }
    parent->parent = node;
    if (between)
        between->parent = parent;
}

void tree_insert(struct tree *tree, struct tree_node *node, uint64_t key)
{
    struct tree_node **place = &tree->root, *parent = NULL;

    assert(!node->linked);
    while (*place) {
        parent = *place;
        place = key < parent->key ? &parent->left : &parent->right;
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
    while (node->left && node->right)
        rotate_up(tree, node->left->priority > node->right->priority ? node->left : node->right);
    replace_child(tree, node, node->left ? node->left : node->right);
    *node = (struct tree_node){ 0 };
}

struct tree_node *tree_first(const struct tree *tree)
{
    struct tree_node *node = tree->root;

    while (node && node->left)
        node = node->left;
    return node;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    struct tree_node *next = node->right;

    if (next) {
        while (next->left)
            next = next->left;
        return next;
    }
    while (node->parent && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    struct tree_node *previous = node->left;

    if (previous) {
        while (previous->right)
            previous = previous->right;
        return previous;
    }
    while (node->parent && node->parent->left == node)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_last_at_most(const struct tree *tree, uint64_t key)
{
    struct tree_node *node = tree->root, *best = NULL;

    while (node) {
        if (node->key <= key) {
            best = node;
            node = node->right;
        } else {
            node = node->left;
        }
    }
    return best;
}

struct tree_node *tree_first_at_least(const struct tree *tree, uint64_t key)
{
    struct tree_node *node = tree->root, *best = NULL;

    while (node) {
        if (node->key >= key) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}
