/*
 * fdt.h: reading the flattened device tree that the firmware hands over.
 */
#pragma once

#include "lib/types.h"

/* Valid during the visit; the names and data it leads to stay where they are. */
struct fdt_node {
    const struct fdt_node *parent;          /* NULL: this is the root */
    const char *name;
    uint32_t properties;                    /* offset of its first property in the tree */
    uint32_t address_cells, size_cells;     /* in its children's "reg" */
};

/* The tree to read from now on; false if this is none or its parts lie outside of it. */
bool fdt_open(const void *base);
/* Call visit for every node, parents first, as far as the tree is sound. */
void fdt_walk(void (*visit)(const struct fdt_node *node));
/* A property's bytes, or NULL. */
const uint8_t *fdt_property(const struct fdt_node *node, const char *name, uint32_t *out_length);
/* The number in `count` cells. */
uint64_t fdt_cells(const uint8_t *bytes, uint32_t count);
/* The first cell of a property, or `otherwise`. */
uint32_t fdt_number(const struct fdt_node *node, const char *name, uint32_t otherwise);
/* Is `text` one of the strings of this property? */
bool fdt_has_string(const struct fdt_node *node, const char *name, const char *text);
/* Entry `number` of "reg"; false if there is none. */
bool fdt_reg(const struct fdt_node *node, uint32_t number, uint64_t *out_base, uint64_t *out_size);
/* Entry `number` of the memory reservation block; false at its end. */
bool fdt_reservation(uint32_t number, uint64_t *out_base, uint64_t *out_size);
