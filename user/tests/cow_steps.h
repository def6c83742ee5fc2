/*
 * cow_steps.h: the steps of a random tree; each draws what it needs and asks the kernel.
 */
#pragma once

#include "cow_tree.h"

static handle_t pager, roots[ROOTS];

/* --- Nodes. --- */

static uint64_t pages_of(struct tree *tree, int number)
{
    struct node *node = &tree->nodes[number];

    return node->kind == REFERENCE ? pages_of(tree, node->target) : node->pages;
}

/* The node whose pages these are. */
static int owner_of(struct tree *tree, int number)
{
    int target = tree->nodes[number].target;

    return target < 0 ? number : owner_of(tree, target);
}

static bool in_use(const struct node *node)
{
    return node->handle != HANDLE_INVALID || node->uses > 0;
}

static int free_node(struct tree *tree)
{
    for (int i = FIRST_NODE; i < NODES; i++)
        if (!in_use(&tree->nodes[i]))
            return i;
    return -1;
}

/* One of those that have a handle, from `first` on; -1 if there is none. */
static int pick(struct tree *tree, int first)
{
    int open[NODES], count = 0;

    for (int i = first; i < NODES; i++)
        if (tree->nodes[i].handle != HANDLE_INVALID)
            open[count++] = i;
    return count ? open[draw(tree, count)] : -1;
}

static int pick_mapping(struct tree *tree)
{
    int used[PLACES], count = 0;

    for (int i = 0; i < PLACES; i++)
        if (tree->mappings[i].used)
            used[count++] = i;
    return count ? used[draw(tree, count)] : -1;
}

static int free_mapping(struct tree *tree)
{
    for (int i = 0; i < PLACES; i++)
        if (!tree->mappings[i].used)
            return i;
    return -1;
}

static void release(struct tree *tree, int number)
{
    struct node *node = &tree->nodes[number];

    if (in_use(node) || node->target < 0)
        return;
    tree->nodes[node->target].uses--;
    release(tree, node->target);
}

static uint64_t *address_of(struct tree *tree, int mapping, uint64_t page, uint64_t word)
{
    uint64_t place = ((uint64_t)tree->number * PLACES + mapping) * 64 + page;

    return (uint64_t *)(TREE_PLACE + place * PAGE_SIZE) + word;
}

/* --- Steps that make and end VMOs.  Each gives the status, or 1 where there was nothing to do. --- */

enum { SKIPPED = 1 };

static status_t make_anonymous(struct tree *tree)
{
    int i = free_node(tree);

    if (i < 0)
        return SKIPPED;
    struct node node = { .kind = ANONYMOUS, .target = -1, .root = -1, .writable = true };

    node.pages = 1 + draw(tree, 12);
    node.resizable = draw(tree, 2);
    status_t status =
        sys_vmo_create(node.pages * PAGE_SIZE, node.resizable ? VMO_RESIZABLE : 0, &node.handle);
    if (status == OK)
        tree->nodes[i] = node;
    return status;
}

static status_t make_snapshot(struct tree *tree)
{
    int i = free_node(tree), p = pick(tree, 0);

    if (i < 0)
        return SKIPPED;
    struct node *parent = &tree->nodes[p];
    struct node node = { .kind = parent->root < 0 ? ANONYMOUS : CLONE,
                         .target = -1,
                         .root = parent->root };
    uint64_t offset = draw(tree, pages_of(tree, p) + 3) * PAGE_SIZE;
    uint64_t kind = draw(tree, 4), crooked;

    node.pages = 1 + draw(tree, 14);
    node.resizable = draw(tree, 2);
    node.writable = draw(tree, 8) != 0;
    crooked = draw(tree, 32) == 0;
    bool strict = !crooked && (kind == 0 || (kind > 1 && node.root < 0));
    status_t status = sys_vmo_create_child(
        parent->handle,
        (strict ? VMO_CHILD_SNAPSHOT : VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE) |
            (node.resizable ? VMO_CHILD_RESIZABLE : 0) | (node.writable ? 0 : VMO_CHILD_NO_WRITE),
        offset + 8 * crooked, node.pages * PAGE_SIZE - 16, &node.handle);
    if (status == OK)
        tree->nodes[i] = node;
    return status;
}

static status_t make_slice(struct tree *tree)
{
    int i = free_node(tree), p = pick(tree, 0);
    uint64_t pages = pages_of(tree, p);

    if (i < 0 || pages == 0)
        return SKIPPED;
    struct node *parent = &tree->nodes[p];
    struct node node = {
        .kind = SLICE, .target = p, .root = parent->root, .shared = parent->shared
    };
    uint64_t offset = draw(tree, pages + 1);

    node.pages = 1 + draw(tree, 8);
    node.writable = draw(tree, 8) != 0 && parent->writable;
    if (parent->resizable)
        offset = 0, node.pages = 1;
    status_t status = sys_vmo_create_child(
        parent->handle, VMO_CHILD_SLICE | (node.writable ? 0 : VMO_CHILD_NO_WRITE),
        offset * PAGE_SIZE, node.pages * PAGE_SIZE, &node.handle);
    if (status == OK) {
        tree->nodes[i] = node;
        parent->uses++;
    }
    return status;
}

static status_t make_reference(struct tree *tree)
{
    int i = free_node(tree), p = pick(tree, 0);

    if (i < 0)
        return SKIPPED;
    struct node node = tree->nodes[p];

    node.kind = REFERENCE;
    node.target = p;
    node.uses = 0;
    status_t status =
        sys_vmo_create_child(tree->nodes[p].handle, VMO_CHILD_REFERENCE, 0, 0, &node.handle);
    if (status == OK) {
        tree->nodes[i] = node;
        tree->nodes[p].uses++;
    }
    return status;
}

static status_t close_node(struct tree *tree)
{
    int p = pick(tree, FIRST_NODE);

    if (p < 0)
        return SKIPPED;
    status_t status = sys_handle_close(tree->nodes[p].handle);
    tree->nodes[p].handle = HANDLE_INVALID;
    release(tree, p);
    return status;
}

/* --- Mappings. --- */

static status_t map_at(struct tree *tree, int m, int p, uint64_t offset, uint64_t length,
                       bool write)
{
    uintptr_t at;
    status_t status = sys_vm_map(process_self(), VM_READ | VM_FIXED | (write ? VM_WRITE : 0),
                                 (uintptr_t)address_of(tree, m, 0, 0), tree->nodes[p].handle,
                                 offset * PAGE_SIZE, length * PAGE_SIZE, &at);

    if (status == OK) {
        tree->mappings[m] = (struct mapping){
            .used = true, .write = write, .node = p, .offset = offset, .length = length,
            .may_write = tree->nodes[p].writable && !tree->nodes[p].shared,
        };
        tree->nodes[p].uses++;
    }
    return status;
}

static status_t unmap_mapping(struct tree *tree, int m)
{
    struct mapping *mapping = &tree->mappings[m];
    status_t status = sys_vm_unmap(process_self(), (uintptr_t)address_of(tree, m, 0, 0),
                                   mapping->length * PAGE_SIZE);

    mapping->used = false;
    tree->nodes[mapping->node].uses--;
    release(tree, mapping->node);
    return status;
}

static status_t map_node(struct tree *tree)
{
    int m = free_mapping(tree), p = pick(tree, 0);
    uint64_t pages = pages_of(tree, p);

    if (m < 0 || pages == 0)
        return SKIPPED;
    uint64_t offset = draw(tree, pages), length = 1 + draw(tree, pages - offset);
    bool write = draw(tree, 4) != 0 && tree->nodes[p].writable && !tree->nodes[p].shared;

    return map_at(tree, m, p, offset, length, write);
}

static status_t unmap_node(struct tree *tree)
{
    int m = pick_mapping(tree);

    return m < 0 ? SKIPPED : unmap_mapping(tree, m);
}

static status_t protect_mapping(struct tree *tree)
{
    int m = pick_mapping(tree);

    if (m < 0)
        return SKIPPED;
    struct mapping *mapping = &tree->mappings[m];

    mapping->write = draw(tree, 2) && mapping->may_write;
    return sys_vm_protect(process_self(), VM_READ | (mapping->write ? VM_WRITE : 0),
                          (uintptr_t)address_of(tree, m, 0, 0), mapping->length * PAGE_SIZE);
}

/* What fork does to a mapping: a snapshot behind the same addresses, or beside them. */
static status_t fork_mapping(struct tree *tree)
{
    int m = pick_mapping(tree), i = free_node(tree), place = free_mapping(tree);

    if (m < 0 || i < 0)
        return SKIPPED;
    struct mapping old = tree->mappings[m];
    struct node *parent = &tree->nodes[old.node];
    struct node node = { .kind = ANONYMOUS, .target = -1, .root = parent->root, .writable = true };

    node.pages = pages_of(tree, old.node);
    if (parent->handle == HANDLE_INVALID || old.offset + old.length > node.pages)
        return SKIPPED;
    if (node.root >= 0)
        node.kind = CLONE;
    status_t status = sys_vmo_create_child(parent->handle, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0,
                                           node.pages * PAGE_SIZE, &node.handle);
    if (status != OK)
        return status;
    tree->nodes[i] = node;
    if (place < 0)
        status = unmap_mapping(tree, place = m);
    if (status == OK)
        status = map_at(tree, place, i, old.offset, old.length, true);
    sys_handle_close(node.handle);
    tree->nodes[i].handle = HANDLE_INVALID;
    return status;
}

/* --- Accesses. --- */

/* Would a load there end well? */
static bool is_safe(struct tree *tree, const struct mapping *mapping, uint64_t page)
{
    int root = tree->nodes[mapping->node].root;

    return mapping->offset + page < pages_of(tree, mapping->node) &&
           !(root >= 0 && tree->detached[root]);
}

/* Through the kernel where a store would end the program. */
static status_t store_word(struct tree *tree)
{
    int m = pick_mapping(tree);

    if (m < 0)
        return SKIPPED;
    struct mapping *mapping = &tree->mappings[m];
    uint64_t page = draw(tree, mapping->length), word = draw(tree, WORDS);
    uint64_t value = next_random(&tree->random);
    uint64_t *at = address_of(tree, m, page, word);

    if (is_safe(tree, mapping, page) && mapping->write) {
        *(volatile uint64_t *)at = value;
        return OK;
    }
    CHECK_OK(sys_vmo_write(tree->scratch, 0, &value, 0, sizeof value));
    return sys_vmo_read(tree->scratch, 0, at, 0, sizeof value);
}

static void see(struct tree *tree, uint64_t value)
{
    tree->seen = tree->seen * 0x5851f42d4c957f2dull + value;
}

static status_t load_word(struct tree *tree)
{
    int m = pick_mapping(tree);
    status_t status;
    uint64_t value;

    if (m < 0)
        return SKIPPED;
    struct mapping *mapping = &tree->mappings[m];
    uint64_t page = draw(tree, mapping->length), word = draw(tree, WORDS);
    uint64_t *at = address_of(tree, m, page, word);

    if (is_safe(tree, mapping, page)) {
        see(tree, *(volatile uint64_t *)at);
        return OK;
    }
    status = sys_vmo_write(tree->scratch, 0, at, 0, sizeof value);
    if (status == OK) {
        CHECK_OK(sys_vmo_read(tree->scratch, 0, &value, 0, sizeof value));
        see(tree, value);
    }
    return status;
}

/* A few words mostly, sometimes pages. */
static void draw_words(struct tree *tree, int p, uint64_t *first, uint64_t *count)
{
    *first = draw(tree, pages_of(tree, p) * WORDS + 64);
    *count = draw(tree, 4) == 0 ? 1 + draw(tree, 1200) : 1 + draw(tree, 8);
}

static status_t write_words(struct tree *tree)
{
    int p = pick(tree, 0);
    uint64_t first, count;

    draw_words(tree, p, &first, &count);
    uint64_t value = next_random(&tree->random);

    if (tree->nodes[p].shared)
        return SKIPPED;
    for (uint64_t i = 0; i < count; i++)
        tree->words[i] = value + i * 0x9e3779b97f4a7c15ull;
    return sys_vmo_write(tree->nodes[p].handle, VMO_MAY_BLOCK, tree->words, first * 8, count * 8);
}

static status_t read_words(struct tree *tree)
{
    int p = pick(tree, 0);
    uint64_t first, count;

    draw_words(tree, p, &first, &count);
    status_t status =
        sys_vmo_read(tree->nodes[p].handle, VMO_MAY_BLOCK, tree->words, first * 8, count * 8);
    for (uint64_t i = 0; status == OK && i < count; i++)
        see(tree, tree->words[i]);
    return status;
}

/* Of a pager's own VMO only parts of pages: what whole ones cost is not settled. */
static status_t zero_words(struct tree *tree)
{
    int p = pick(tree, 0);
    uint64_t first = draw(tree, pages_of(tree, p) * WORDS + 64), count = 1 + draw(tree, 2000);

    if (draw(tree, 3) == 0) {
        count = (count + WORDS - 1) / WORDS * WORDS;
        first = first / WORDS * WORDS;
    }
    if (tree->nodes[p].shared)
        return SKIPPED;
    if (tree->nodes[owner_of(tree, p)].kind == ROOT) {
        first |= 1;
        count = count < WORDS - first % WORDS ? count : WORDS - first % WORDS;
    }
    return sys_vmo_op_range(tree->nodes[p].handle, VMO_OP_ZERO | VMO_OP_MAY_BLOCK, first * 8,
                            count * 8, NULL, 0);
}

static status_t operate(struct tree *tree, uint32_t op)
{
    int p = pick(tree, 0);
    uint64_t pages = pages_of(tree, p), first = draw(tree, pages + 1), count = draw(tree, 6);

    if (tree->nodes[p].root >= 0)               /* two reasons to refuse would be one too many */
        count = count < pages - first ? count : pages - first;
    if (tree->nodes[p].shared)
        return SKIPPED;
    return sys_vmo_op_range(tree->nodes[p].handle, op | VMO_OP_MAY_BLOCK, first * PAGE_SIZE,
                            count * PAGE_SIZE, NULL, 0);
}

/* The root goes up and down a little, so that it stays of use. */
static status_t resize(struct tree *tree)
{
    int p = pick(tree, 0);
    uint64_t pages = draw(tree, 16);

    if (tree->nodes[p].shared)
        return SKIPPED;
    if (tree->nodes[owner_of(tree, p)].kind == ROOT)
        pages = ROOT_PAGES - pages % 6;
    status_t status = sys_vmo_set_size(tree->nodes[p].handle, pages * PAGE_SIZE);
    if (status == OK)
        tree->nodes[owner_of(tree, p)].pages = pages;
    return status;
}

/* Pages of the tree, shared or not, become a root's. */
static status_t supply_from_tree(struct tree *tree)
{
    int p = pick(tree, 0), root = (int)draw(tree, ROOTS);
    uint64_t pages = pages_of(tree, p), room = pages_of(tree, root);

    if (!tree->exact || tree->detached[root] || tree->nodes[p].kind != ANONYMOUS ||
        !tree->nodes[p].writable || p < FIRST_NODE || pages == 0 || room == 0)
        return SKIPPED;
    uint64_t first = draw(tree, pages), at = draw(tree, room), count = 1 + draw(tree, 4);

    count = count < pages - first ? count : pages - first;
    count = count < room - at ? count : room - at;
    return sys_pager_supply_pages(pager, roots[root], at * PAGE_SIZE, count * PAGE_SIZE,
                                  tree->nodes[p].handle, first * PAGE_SIZE);
}

static status_t take_step(struct tree *tree)
{
    static const struct {
        uint32_t weight;
        status_t (*step)(struct tree *tree);
        uint32_t op;
    } choices[] = {
        { 4, make_anonymous, 0 },   { 12, make_snapshot, 0 },   { 3, make_slice, 0 },
        { 2, make_reference, 0 },   { 6, close_node, 0 },       { 6, map_node, 0 },
        { 3, unmap_node, 0 },       { 2, protect_mapping, 0 },  { 18, store_word, 0 },
        { 6, load_word, 0 },        { 14, write_words, 0 },     { 4, read_words, 0 },
        { 5, zero_words, 0 },       { 2, NULL, VMO_OP_DECOMMIT }, { 2, NULL, VMO_OP_COMMIT },
        { 2, NULL, VMO_OP_PREFETCH }, { 5, resize, 0 },         { 2, fork_mapping, 0 },
        { 2, supply_from_tree, 0 },
    };
    uint64_t lot = draw(tree, 100);
    size_t i = 0;

    for (; lot >= choices[i].weight; i++)
        lot -= choices[i].weight;
    return choices[i].step ? choices[i].step(tree) : operate(tree, choices[i].op);
}
