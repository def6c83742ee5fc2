/*
 * fdt.c: reading a flattened device tree.
 *
 * The tree is a string of 32-bit big-endian tokens: a node begins (its name follows), a property
 * (length, name, bytes), a node ends.  In a node the properties come before the children, so one
 * pass can show every node complete.  The tree comes from outside: every offset is checked against
 * its part's end before use.
 *
 * Locks: none; used at boot by one hart.
 */
#include "fdt.h"

#include "lib/string.h"

#define FDT_MAGIC 0xd00dfeedu
enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROPERTY = 3, FDT_NOP = 4, FDT_END = 9 };

/* A property as it lies in the tree. */
struct property {
    const char *name;
    const uint8_t *data;
    uint32_t length;
    uint32_t next;                  /* offset of the token after it */
};

uint32_t fdt_cell(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint64_t cells(const uint8_t *bytes, uint32_t count)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < count; i++)
        value = value << 32 | fdt_cell(bytes + 4 * i);
    return value;
}

bool fdt_open(struct fdt *tree, const void *base)
{
    const uint8_t *header = base;

    if (((uint64_t)base & 7) || fdt_cell(header) != FDT_MAGIC)
        return false;
    tree->base = base;
    tree->size = fdt_cell(header + 4);
    tree->structure = fdt_cell(header + 8);
    tree->strings = fdt_cell(header + 12);
    tree->reservations = fdt_cell(header + 16);
    if (tree->size < 40 || tree->size > (16u << 20) ||
        (tree->structure & 3) || (tree->reservations & 7))
        return false;

    uint32_t strings_size = fdt_cell(header + 32), structure_size = fdt_cell(header + 36);

    tree->structure_end = tree->structure + structure_size;
    tree->strings_end = tree->strings + strings_size;
    return range_inside(tree->structure, structure_size, tree->size) &&
           range_inside(tree->strings, strings_size, tree->size);
}

/* The token at *offset, or FDT_END where the tree breaks off; *offset moves behind it. */
static uint32_t next_token(const struct fdt *tree, uint32_t *offset)
{
    uint32_t token;

    do {
        if (!range_inside(*offset, 4, tree->structure_end))
            return FDT_END;
        token = fdt_cell(tree->base + *offset);
        *offset += 4;
    } while (token == FDT_NOP);
    return token;
}

/* The property whose token lies at `offset`; false if something else does. */
static bool property_at(const struct fdt *tree, uint32_t offset, struct property *property)
{
    if (next_token(tree, &offset) != FDT_PROPERTY || !range_inside(offset, 8, tree->structure_end))
        return false;

    uint32_t length = fdt_cell(tree->base + offset), name = fdt_cell(tree->base + offset + 4);

    offset += 8;
    if (!range_inside(offset, length, tree->structure_end) ||
        name >= tree->strings_end - tree->strings)
        return false;

    uint32_t room = tree->strings_end - tree->strings - name;

    property->name = (const char *)tree->base + tree->strings + name;
    if (strnlen(property->name, room) == room)
        return false;
    property->data = tree->base + offset;
    property->length = length;
    property->next = (offset + length + 3) & ~3u;
    return true;
}

const uint8_t *fdt_property(const struct fdt_node *node, const char *name, uint32_t *out_length)
{
    struct property property;

    for (uint32_t offset = node->properties; property_at(node->tree, offset, &property);
         offset = property.next) {
        if (strcmp(property.name, name) == 0) {
            *out_length = property.length;
            return property.data;
        }
    }
    return NULL;
}

uint32_t fdt_number(const struct fdt_node *node, const char *name, uint32_t otherwise)
{
    uint32_t length;
    const uint8_t *data = fdt_property(node, name, &length);

    return data && length >= 4 ? fdt_cell(data) : otherwise;
}

bool fdt_has_string(const struct fdt_node *node, const char *name, const char *text)
{
    uint32_t length, size = (uint32_t)strlen(text) + 1;
    const uint8_t *data = fdt_property(node, name, &length);

    for (uint32_t at = 0; data && at < length;) {
        if (length - at >= size && memcmp(data + at, text, size) == 0)
            return true;
        at += (uint32_t)strnlen((const char *)data + at, length - at) + 1;
    }
    return false;
}

bool fdt_reg(const struct fdt_node *node, uint32_t number, uint64_t *out_base, uint64_t *out_size)
{
    uint32_t length, entry = 4 * (node->address_cells + node->size_cells);
    const uint8_t *data = fdt_property(node, "reg", &length);

    if (!data || entry == 0 || !range_inside((uint64_t)number * entry, entry, length))
        return false;
    data += number * entry;
    *out_base = cells(data, node->address_cells);
    *out_size = cells(data + 4 * node->address_cells, node->size_cells);
    return true;
}

bool fdt_reservation(const struct fdt *tree, uint32_t number,
                     uint64_t *out_base, uint64_t *out_size)
{
    uint64_t offset = tree->reservations + (uint64_t)number * 16;

    if (!range_inside(offset, 16, tree->size))
        return false;
    *out_base = cells(tree->base + offset, 2);
    *out_size = cells(tree->base + offset + 8, 2);
    return *out_base != 0 || *out_size != 0;
}

/* What the children of a node inherit, one a level. */
struct level { uint32_t address_cells, size_cells; const char *name; };

/* Read the name and the properties of the node at *offset, and visit it. */
static bool enter_node(const struct fdt *tree, uint32_t *offset, struct level *levels,
                       uint32_t depth, void (*visit)(const struct fdt_node *node))
{
    const struct level *parent = &levels[depth];
    const char *name = (const char *)tree->base + *offset;
    uint32_t room = tree->structure_end - *offset;
    uint32_t name_length = (uint32_t)strnlen(name, room);
    struct property property;

    if (name_length == room || depth + 1 >= FDT_MAX_DEPTH)
        return false;
    *offset = (*offset + name_length + 4) & ~3u;

    struct fdt_node node = {
        tree, name, *offset, depth, parent->address_cells, parent->size_cells, parent->name,
    };

    while (property_at(tree, *offset, &property))
        *offset = property.next;
    levels[depth + 1] = (struct level){
        fdt_number(&node, "#address-cells", 2), fdt_number(&node, "#size-cells", 1), name,
    };
    if (levels[depth + 1].address_cells > 3 || levels[depth + 1].size_cells > 2)
        return false;
    visit(&node);
    return true;
}

bool fdt_walk(const struct fdt *tree, void (*visit)(const struct fdt_node *node))
{
    struct level levels[FDT_MAX_DEPTH] = { { 2, 1, "" } };
    uint32_t offset = tree->structure, depth = 0;

    for (;;) {
        switch (next_token(tree, &offset)) {
        case FDT_BEGIN_NODE:
            if (!enter_node(tree, &offset, levels, depth, visit))
                return false;
            depth++;
            break;
        case FDT_END_NODE:
            if (depth == 0)
                return false;
            if (--depth == 0)
                return true;
            break;
        default:
            return false;
        }
    }
}
