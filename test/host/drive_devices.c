/*
 * drive_devices.c: arch/riscv/devices.c on device trees that are whole, damaged, or made of nothing but a header.
 *
 * The tree lies at the end of a block of its exact size, so that the address sanitizer sees every byte read beyond it. The
 * kernel parses one tree in its life; here its variables start afresh for each, so the file is compiled as a part of this one.
 */
#include <stdlib.h>

#include "host.h"

#include "devices.c"

char kernel_image[8192] __asm__("kernel_start");
__asm__(".globl kernel_end\n.set kernel_end, kernel_start + 8192");

#define BLOCK_MAX 2048u
#define HEADER   40u

struct builder {
    uint8_t bytes[BLOCK_MAX];
    uint32_t size;
};

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

/* memory@80000000 is seen only with its device_type; the rest is noise. */
static const char names[] = "reg\0compatible\0#address-cells\0#size-cells\0device_type\0timebase-frequency";
enum { NAME_REG = 0, NAME_COMPATIBLE = 4, NAME_ADDRESS_CELLS = 15, NAME_SIZE_CELLS = 30, NAME_TYPE = 42, NAME_TIMEBASE = 54 };

static void put_property(struct builder *builder, uint32_t name, const void *bytes, uint32_t length)
{
    put_cell(builder, 3);
    put_cell(builder, length);
    put_cell(builder, name);
    put_bytes(builder, bytes, length);
}

static void put_random_property(struct builder *builder)
{
    static const uint32_t choices[] = { NAME_REG, NAME_COMPATIBLE, NAME_ADDRESS_CELLS, NAME_SIZE_CELLS };
    uint32_t name = choices[choose(4)];
    uint32_t length = name >= NAME_ADDRESS_CELLS ? 4 : (uint32_t)choose(24);
    char bytes[24] = { 0 };

    for (uint32_t i = 0; i < length; i++)
        bytes[i] = name >= NAME_ADDRESS_CELLS ? (i == 3 ? (char)choose_between(1, 2) : 0) : (char)choose(4);
    put_property(builder, name, bytes, length);
}

/* The node that makes a tree usable: 16 MiB of memory at 2 GiB. */
static void put_memory(struct builder *builder)
{
    put_cell(builder, 1);
    put_bytes(builder, "memory@80000000", 16);
    put_property(builder, NAME_TYPE, "memory", 7);
    put_property(builder, NAME_REG, "\0\0\0\0\x80\0\0\0\0\0\0\0\x01\0\0\0", 16);
    put_cell(builder, 2);
}

/* And the ones that say how fast its clock is and that it has a hart. */
static void put_hart(struct builder *builder)
{
    static const char *const node_names[] = { "cpus", "cpu@0", "interrupt-controller" };

    for (int i = 0; i < 3; i++) {
        put_cell(builder, 1);
        put_bytes(builder, node_names[i], (uint32_t)strlen(node_names[i]) + 1);
        if (i == 0)
            put_property(builder, NAME_TIMEBASE, "\0\x98\x96\x80", 4);
        else if (i == 1)
            put_property(builder, NAME_REG, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
        else
            put_property(builder, NAME_COMPATIBLE, "riscv,cpu-intc", 15);
    }
    for (int i = 0; i < 3; i++)
        put_cell(builder, 2);
}

static void put_node(struct builder *builder, uint32_t depth)
{
    static const char *const node_names[] = { "", "uart@1000", "memory@80000000", "soc" };
    const char *name = node_names[choose(4)];

    put_cell(builder, 1);
    put_bytes(builder, depth ? name : "", depth ? (uint32_t)strlen(name) + 1 : 1);
    if (depth == 0)
        put_property(builder, NAME_SIZE_CELLS, "\0\0\0\x02", 4);
    for (uint64_t count = depth ? choose(4) : 0; count > 0; count--)
        put_random_property(builder);
    if (one_in(4))
        put_cell(builder, 4);
    for (uint64_t count = choose(4); count > 0 && depth < 5 && builder->size < BLOCK_MAX / 2; count--)
        put_node(builder, depth + 1);
    if (depth == 0) {
        put_memory(builder);
        put_hart(builder);
    }
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
    set_cell(builder, 32, sizeof names);
    put_bytes(builder, names, sizeof names);
    set_cell(builder, 4, builder->size);
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

static void forget_the_last_tree(void)
{
    memset(&machine, 0, sizeof machine);
    memset(&platform, 0, sizeof platform);
    memset(nodes, 0, sizeof nodes);
    plic_links = NULL;
    plic_links_length = 0;
}

void drive_devices(uint32_t steps)
{
    static struct builder builder;

    while (steps-- > 0 && choices_left()) {
        bool damaged = !one_in(4), usable;
        uint8_t *block;

        build(&builder);
        if (damaged)
            damage(&builder);
        /* The size it claims is believed, so it must be true. More reservations than there is room for are fatal by design. */
        set_cell(&builder, 4, builder.size);
        set_cell(&builder, 16, HEADER);
        for (uint32_t at = HEADER + 16; at < HEADER + 32; at += 4)
            set_cell(&builder, at, 0);
        block = malloc(builder.size);
        memcpy(block, builder.bytes, builder.size);
        forget_the_last_tree();
        step("a tree of %u bytes%s", builder.size, damaged ? ", damaged" : "");
        usable = devices_parse(block);
        if (!damaged) {
            check(usable);
            check_equal(platform.hart_count >= 1, true);
            check_equal(platform.timebase, 10000000);
        }
        free(block);
    }
}
