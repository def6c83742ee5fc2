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

#define FDT_MAGIC     0xd00dfeedu
#define FDT_MAX_SIZE  (16u << 20)
#define FDT_MAX_DEPTH 12
enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROPERTY = 3, FDT_NOP = 4, FDT_END = 9 };

static struct {
    const uint8_t *base;
    uint32_t size, reservations, structure, structure_end, strings, strings_size;
} tree;

/* A property as it lies in the tree. */
struct property {
    const char *name;
    const uint8_t *data;
    uint32_t length;
    uint32_t next;                  /* offset of the token after it */
};

uint64_t fdt_cells(const uint8_t *bytes, uint32_t count)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < 4 * count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static uint32_t header_cell(uint32_t number)
{
    return (uint32_t)fdt_cells(tree.base + 4 * number, 1);
}

bool fdt_open(const void *base)
{
    tree.base = base;
    if (((uint64_t)base & 7) || header_cell(0) != FDT_MAGIC)
        return false;
    tree.size = header_cell(1);
    tree.structure = header_cell(2);
    tree.structure_end = tree.structure + header_cell(9);
    tree.strings = header_cell(3);
    tree.strings_size = header_cell(8);
    tree.reservations = header_cell(4);
    /* The strings end with a zero, so each of them ends inside. */
    return tree.size >= 40 && tree.size <= FDT_MAX_SIZE &&
           !(tree.structure & 3) && !(tree.reservations & 7) &&
           range_inside(tree.structure, header_cell(9), tree.size) &&
           range_inside(tree.strings, tree.strings_size, tree.size) && tree.strings_size > 0 &&
           tree.base[tree.strings + tree.strings_size - 1] == 0;
}

/* The cell at an offset of the structure, FDT_END where that breaks off. */
static uint32_t cell_at(uint32_t offset)
{
    return range_inside(offset, 4, tree.structure_end) ?
           (uint32_t)fdt_cells(tree.base + offset, 1) : FDT_END;
}

/* The token at *offset, which moves behind it. */
static uint32_t next_token(uint32_t *offset)
{
    uint32_t token;

    do {
        token = cell_at(*offset);
        *offset += 4;
    } while (token == FDT_NOP);
    return token;
}

/* The property whose token lies at `offset`; false if something else does. */
static bool property_at(uint32_t offset, struct property *property)
{
    if (next_token(&offset) != FDT_PROPERTY)
        return false;

    uint32_t length = cell_at(offset), name = cell_at(offset + 4);

    offset += 8;
    if (!range_inside(offset, length, tree.structure_end) || name >= tree.strings_size)
        return false;
    *property = (struct property){
        .name = (const char *)tree.base + tree.strings + name,
        .data = tree.base + offset,
        .length = length,
        .next = (offset + length + 3) & ~3u,
    };
    return true;
}

const uint8_t *fdt_property(const struct fdt_node *node, const char *name, uint32_t *out_length)
{
    struct property property;

    for (uint32_t at = node->properties; property_at(at, &property); at = property.next) {
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

    return data && length >= 4 ? (uint32_t)fdt_cells(data, 1) : otherwise;
}

bool fdt_has_string(const struct fdt_node *node, const char *name, const char *text)
{
    uint32_t length, size = (uint32_t)strlen(text) + 1;
    const char *data = (const char *)fdt_property(node, name, &length);

    for (uint32_t at = 0; data && at < length; at += strnlen(data + at, length - at) + 1)
        if (length - at >= size && memcmp(data + at, text, size) == 0)
            return true;
    return false;
}

bool fdt_reg(const struct fdt_node *node, uint32_t number, uint64_t *out_base, uint64_t *out_size)
{
    const struct fdt_node *parent = node->parent;
    uint32_t entry = parent ? 4 * (parent->address_cells + parent->size_cells) : 0, length;
    const uint8_t *data = fdt_property(node, "reg", &length);

    if (!data || entry == 0 || !range_inside((uint64_t)number * entry, entry, length))
        return false;
    data += number * entry;
    *out_base = fdt_cells(data, parent->address_cells);
    *out_size = fdt_cells(data + 4 * parent->address_cells, parent->size_cells);
    return true;
}

bool fdt_reservation(uint32_t number, uint64_t *out_base, uint64_t *out_size)
{
    uint64_t offset = tree.reservations + (uint64_t)number * 16;

    if (!range_inside(offset, 16, tree.size))
        return false;
    *out_base = fdt_cells(tree.base + offset, 2);
    *out_size = fdt_cells(tree.base + offset + 8, 2);
    return *out_base != 0 || *out_size != 0;
}

/* Visit the node whose name lies at *offset, then its children.  False where the tree breaks off. */
static bool walk_node(const struct fdt_node *parent, uint32_t depth, uint32_t *offset,
                      void (*visit)(const struct fdt_node *node))
{
    const char *name = (const char *)tree.base + *offset;
    uint32_t room = tree.structure_end - *offset;
    uint32_t name_length = (uint32_t)strnlen(name, room), token;
    struct fdt_node node = { parent, name, (*offset + name_length + 4) & ~3u, 0, 0 };
    struct property property;

    if (name_length == room || depth == FDT_MAX_DEPTH)
        return false;
    node.address_cells = fdt_number(&node, "#address-cells", 2);
    node.size_cells = fdt_number(&node, "#size-cells", 1);
    if (node.address_cells > 3 || node.size_cells > 2)
        return false;
    visit(&node);

    for (*offset = node.properties; property_at(*offset, &property); *offset = property.next)
        ;
    while ((token = next_token(offset)) == FDT_BEGIN_NODE)
        if (!walk_node(&node, depth + 1, offset, visit))
            return false;
    return token == FDT_END_NODE;
}

void fdt_walk(void (*visit)(const struct fdt_node *node))
{
    uint32_t offset = tree.structure;

    if (next_token(&offset) == FDT_BEGIN_NODE)
        walk_node(NULL, 0, &offset, visit);
}
