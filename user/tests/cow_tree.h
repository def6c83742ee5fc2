/*
 * cow_tree.h: a random tree of VMOs: what it consists of, and its numbers.
 *
 * test/quire/clone_model.py runs the same steps from the same seed on a model and compares what both
 * print: whoever changes the order of the draws here changes it there.
 */
#pragma once

#include "pager_rig.h"

enum {
    ROOTS = 2,                  /* nodes 0 and 1 are a pager's; node 0 is resizable */
    BASE_NODE = 2,              /* anonymous; these three are never closed */
    FIRST_NODE = 3,
    NODES = 14,
    PLACES = 6,                 /* mappings */
    ROOT_PAGES = 16,
    WORDS = PAGE_SIZE / 8,
    CHECK_EVERY = 50,           /* steps between two lines of output */
    TREES = 6,
    TEXT = 512 << 10,
};
#define TREE_PLACE 0x2400000000ul /* tree t, mapping m: 64 pages at (t * PLACES + m) * 64 pages */

enum node_kind { ANONYMOUS, ROOT, CLONE, SLICE, REFERENCE };

struct node {
    handle_t handle; /* HANDLE_INVALID: closed, but still mapped or the target of another */
    enum node_kind kind;
    int target;                 /* of slices and references; -1 */
    int root;                   /* the pager's VMO below; -1 */
    bool resizable, writable, shared;
    uint64_t pages;
    uint32_t uses;              /* mappings of it and nodes whose target it is */
};

struct mapping {
    bool used, write, may_write;
    int node;
    uint64_t offset, length;    /* pages */
};

struct tree {
    int number;
    bool exact;                 /* alone: frames are counted, nothing is fetched by looking */
    uint64_t seed, steps, random, seen;
    uint64_t tell_from;         /* from this step on each is told */
    bool detached[ROOTS];
    struct node nodes[NODES];
    struct mapping mappings[PLACES];
    handle_t scratch;           /* one page, for accesses through the kernel */
    uint64_t frames_before;
    char statuses[CHECK_EVERY + 1];
    uint64_t words[3 * WORDS];
    char text[TEXT];
    size_t used;                /* of text */
    bool prints;                /* each line at once */
};

/* A number as different as can be from that of x + 1. */
static inline uint64_t scramble(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* What the pager puts into word `word` of a page. */
static inline uint64_t root_word(unsigned root, uint64_t page, uint64_t word)
{
    return scramble(root * 100003 + page * 1009) + word;
}

/* What the base of all trees holds. */
static inline uint64_t base_word(uint64_t page, uint64_t word)
{
    return scramble(77 + page) + word;
}

static inline uint64_t draw(struct tree *tree, uint64_t bound)
{
    return (next_random(&tree->random) >> 16) % bound;
}
