/*
 * drive_fdt.c: arch/riscv/fdt.c on device trees that are whole, damaged, or made of nothing but a header.
 *
 * The tree lies at the end of a block of its exact size, so that the address sanitizer sees every byte read beyond it.
 */
#include <stdlib.h>

#include "fdt.h"
#include "host.h"

#define TREE_MAX 2048u
#define HEADER   40u

struct builder {
    uint8_t bytes[TREE_MAX];
    uint32_t size, nodes, properties;
};

static uint32_t nodes_seen, properties_seen;

static void put_cell(struct builder *builder, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        builder->bytes[builder->size++] = (uint8_t)(value >> shift);
}

static void set_cell(struct builder *builder, uint32_t at, uint32_t value)
{
    uint32_t size = builder->size;

    builder->size = at;
    put_cell(builder, value);
    builder->size = size;
}

static void put_bytes(struct builder *builder, const char *bytes, uint32_t length)
{
    memcpy(builder->bytes + builder->size, bytes, length);
    builder->size += length;
    while (builder->size % 4)
        builder->bytes[builder->size++] = 0;
}

static const char strings[] = "reg\0compatible\0#address-cells\0#size-cells\0";

static void put_property(struct builder *builder)
{
    uint32_t names[] = { 0, 4, 15, 30 }, name = choose(4), length = name >= 2 ? 4 : choose(24);

    put_cell(builder, 3);
    put_cell(builder, length);
    put_cell(builder, names[name]);
    for (uint32_t i = 0; i < length; i++)
        builder->bytes[builder->size + i] = name >= 2 ? (i == 3 ? (uint8_t)choose_between(1, 2) : 0) : (uint8_t)choose(4);
    builder->size += (length + 3) & ~3u;
    builder->properties++;
}

static void put_node(struct builder *builder, uint32_t depth)
{
    static const char *const names[] = { "", "cpus", "memory@80000000", "soc" };
    const char *name = names[choose(4)];

    put_cell(builder, 1);
    put_bytes(builder, name, strlen(name) + 1);
    builder->nodes++;
    for (uint64_t count = choose(4); count > 0; count--)
        put_property(builder);
    if (one_in(4))
        put_cell(builder, 4);
    for (uint64_t count = choose(4); count > 0 && depth < 5 && builder->size < TREE_MAX / 2; count--)
        put_node(builder, depth + 1);
    put_cell(builder, 2);
}

static void build(struct builder *builder)
{
    memset(builder, 0, sizeof *builder);
    builder->size = HEADER;
    set_cell(builder, 0, 0xd00dfeed);
    set_cell(builder, 16, builder->size);                       /* reservations: one, and the end */
    for (int i = 0; i < 8; i++)
        put_cell(builder, i % 4 == 1 && i < 4 ? 0x1000 : 0);
    set_cell(builder, 8, builder->size);
    uint32_t start = builder->size;

    put_node(builder, 0);
    put_cell(builder, 9);
    set_cell(builder, 36, builder->size - start);
    set_cell(builder, 12, builder->size);
    set_cell(builder, 32, sizeof strings);
    put_bytes(builder, strings, sizeof strings);
    set_cell(builder, 4, builder->size);
}

static void visit(const struct fdt_node *node)
{
    uint32_t length;
    uint64_t base, size;

    nodes_seen++;
    check(strlen(node->name) < TREE_MAX);
    properties_seen += fdt_property(node, "reg", &length) != NULL;
    fdt_number(node, "#address-cells", 7);
    fdt_has_string(node, "compatible", "ns16550a");
    for (uint32_t i = 0; fdt_reg(node, i, &base, &size); i++)
        ;
}

static void damage(struct builder *builder)
{
    for (uint64_t count = choose_between(1, 6); count > 0; count--) {
        uint32_t at = one_in(2) ? choose(HEADER) & ~3u : choose(builder->size - 3) & ~3u;

        switch (choose(3)) {
        case 0:
            builder->bytes[at + choose(4)] = (uint8_t)choose(256);
            break;
        case 1:
            set_cell(builder, at, choose(12));
            break;
        default:
            set_cell(builder, at, (uint32_t)(UINT32_MAX - choose(16)));
        }
    }
}

void drive_fdt(uint32_t steps)
{
    static struct builder builder;

    while (steps-- > 0 && choices_left()) {
        bool damaged = !one_in(4), walked = false;
        struct fdt tree;
        uint64_t base, size;
        uint8_t *copy;

        build(&builder);
        if (damaged)
            damage(&builder);
        /* The size it claims is believed, so it must be true. */
        set_cell(&builder, 4, min_u64(fdt_cell(builder.bytes + 4), builder.size));
        copy = malloc(builder.size);
        memcpy(copy, builder.bytes, builder.size);
        nodes_seen = 0;
        step("a tree of %u bytes%s", builder.size, damaged ? ", damaged" : "");
        if (fdt_open(&tree, copy)) {
            walked = fdt_walk(&tree, visit);
            for (uint32_t i = 0; fdt_reservation(&tree, i, &base, &size); i++)
                ;
        }
        if (!damaged) {
            check(walked);
            check_equal(nodes_seen, builder.nodes);
        }
        free(copy);
    }
}
