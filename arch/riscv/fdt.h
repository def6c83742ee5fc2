/*
 * fdt.h: reading a flattened device tree.
 */
#pragma once

#include "lib/types.h"

#define FDT_MAX_DEPTH 12

/* One node, with what its parent says about addresses.  Valid during the visit; data stays put. */
struct fdt_node {
    const struct fdt *tree;
    const char *name;
    uint32_t properties;            /* offset of its first property in the tree */
    uint32_t depth;                 /* 0: the root */
    uint32_t address_cells, size_cells;
    const char *parent;             /* the parent's name; "" for the root */
};

struct fdt {
    const uint8_t *base;
    uint32_t structure, structure_end, strings, strings_end, reservations, size;
};

/* Check the header; false if this is no device tree or its parts lie outside of it. */
bool fdt_open(struct fdt *tree, const void *base);
/* Call visit for every node, parents first.  A tree that breaks off ends the walk: false. */
bool fdt_walk(const struct fdt *tree, void (*visit)(const struct fdt_node *node));
/* A property's bytes, or NULL. */
const uint8_t *fdt_property(const struct fdt_node *node, const char *name, uint32_t *out_length);
/* The first cell of a property, or `otherwise`. */
uint32_t fdt_number(const struct fdt_node *node, const char *name, uint32_t otherwise);
/* Is `text` one of the strings of this property? */
bool fdt_has_string(const struct fdt_node *node, const char *name, const char *text);
/* Entry `number` of "reg"; false if there is none. */
bool fdt_reg(const struct fdt_node *node, uint32_t number, uint64_t *out_base, uint64_t *out_size);
/* Entry `number` of the memory reservation block; false at its end. */
bool fdt_reservation(const struct fdt *tree, uint32_t number,
                     uint64_t *out_base, uint64_t *out_size);
uint32_t fdt_cell(const uint8_t *bytes);
