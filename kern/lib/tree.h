/*
 * tree.h: an intrusive search tree keyed by a 64-bit number, balanced on average whatever the order of insertion.
 *
 * Equal keys are allowed; they are kept in the order of insertion.  Whoever owns the tree's lock may call these.
 */
#pragma once

#include "lib/types.h"

struct tree_node {
    struct tree_node *child[2], *parent;    /* child[0] has the smaller keys */
    uint64_t key;
    uint32_t priority;
    bool linked;
};

struct tree { struct tree_node *root; };

#define tree_entry(node, type, member) container_of(node, type, member)

void tree_insert(struct tree *tree, struct tree_node *node, uint64_t key);
void tree_remove(struct tree *tree, struct tree_node *node);
/* The least, the next, the greatest with a key <= key, the least with a key >= key; or NULL. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_last_at_most(const struct tree *tree, uint64_t key);
struct tree_node *tree_first_at_least(const struct tree *tree, uint64_t key);
