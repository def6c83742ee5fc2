/*
 * devices.c: from the flattened device tree to `machine` and `platform`.
 *
 * The tree is a string of 32-bit big-endian tokens: a node begins (its name follows), a property
 * (length, name, bytes), a node ends.  One pass keeps, for each node that is open, the properties
 * that somebody asks for; visit_node is shown a node when it ends, its parents still being open.
 * All that is needed later is copied: the tree's memory is free after boot.
 *
 * Invariant: the tree comes from outside, so every offset is checked against its part's end before
 * use.  Every range in `machine` is page aligned (memory inwards, reservations outwards) and every
 * device has its registers below DEVICE_LIMIT, where the direct map has them.
 * Locks: none; used at boot by one hart.
 */
#include "platform.h"

#include "lib/kprintf.h"
#include "lib/string.h"

#define DEVICE_LIMIT 0x80000000ul
#define RAM_LIMIT    (254ul << 30)          /* there the stack area follows the direct map */

#define TREE_MAGIC     0xd00dfeedu
#define TREE_MAX_SIZE  (16u << 20)
#define TREE_MAX_DEPTH 12
enum { NODE_BEGIN = 1, NODE_END = 2, PROPERTY = 3, NOP = 4, TREE_END = 9 };

struct machine machine;
struct platform platform;

extern const char kernel_start[], kernel_end[];

/* The properties that are kept, and their names. */
enum property {
    ADDRESS_CELLS, SIZE_CELLS, REG, COMPATIBLE, DEVICE_TYPE, STATUS, PHANDLE, INTERRUPTS, LINKS,
    LAST_INTERRUPT, TIMEBASE, ARGUMENTS, SEED, INITRD_START, INITRD_END,
    PROPERTIES,
};
static const char *const property_names[PROPERTIES] = {
    "#address-cells", "#size-cells", "reg", "compatible", "device_type", "status", "phandle",
    "interrupts", "interrupts-extended", "riscv,ndev", "timebase-frequency",
    "bootargs", "rng-seed", "linux,initrd-start", "linux,initrd-end",
};

struct node {
    const char *name;
    struct { const char *bytes; uint32_t length; } properties[PROPERTIES];  /* NULL: it has none */
};

static const char *tree;
static struct node nodes[TREE_MAX_DEPTH + 1];   /* the open ones; the first is the root's parent */

/* What the walk leaves for afterwards; it lies in the tree. */
static const char *plic_links;
static uint32_t plic_links_length;

/* --- Reading the tree. --- */

static uint64_t cells(const char *bytes, uint32_t count)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < 4 * count; i++)
        value = value << 8 | (uint8_t)bytes[i];
    return value;
}

static uint32_t cell(uint64_t offset) { return (uint32_t)cells(tree + offset, 1); }

/* The first cell of a property, or `otherwise`. */
static uint32_t number(const struct node *node, enum property property, uint32_t otherwise)
{
    return node->properties[property].length < 4 ? otherwise :
           (uint32_t)cells(node->properties[property].bytes, 1);
}

/* A property that is an address of one or two cells; 0 if there is none. */
static uint64_t address(const struct node *node, enum property property)
{
    return cells(node->properties[property].bytes, node->properties[property].length / 4);
}

/* Is `text` one of the strings of this property? */
static bool has_string(const struct node *node, enum property property, const char *text)
{
    const char *bytes = node->properties[property].bytes;
    uint32_t length = node->properties[property].length, size = (uint32_t)strlen(text) + 1;

    for (uint32_t at = 0; at < length; at += strnlen(bytes + at, length - at) + 1)
        if (length - at >= size && memcmp(bytes + at, text, size) == 0)
            return true;
    return false;
}

/* Entry `i` of "reg", in the cells that the parent says; false if there is none. */
static bool reg(const struct node *node, uint32_t i, uint64_t *out_base, uint64_t *out_size)
{
    uint32_t address_cells = number(node - 1, ADDRESS_CELLS, 2);
    uint32_t size_cells = number(node - 1, SIZE_CELLS, 1);
    uint64_t entry = 4 * (address_cells + size_cells), at = i * entry;

    if (address_cells > 3 || size_cells > 2 || entry == 0 ||
        !range_inside(at, entry, node->properties[REG].length))
        return false;
    *out_base = cells(node->properties[REG].bytes + at, address_cells);
    *out_size = cells(node->properties[REG].bytes + at + 4 * address_cells, size_cells);
    return true;
}

static void keep_property(struct node *node, const char *name, const char *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < PROPERTIES; i++) {
        if (strcmp(name, property_names[i]) == 0) {
            node->properties[i].bytes = bytes;
            node->properties[i].length = length;
        }
    }
}

static void visit_node(const struct node *node);

/* Show every node to visit_node, as far as the tree is sound. */
static void walk(uint32_t offset, uint32_t end, const char *strings, uint32_t strings_size)
{
    struct node *node = nodes;

    while (range_inside(offset, 4, end)) {
        uint32_t token = cell(offset), length, name;

        offset += 4;
        if (token == NODE_BEGIN) {
            length = (uint32_t)strnlen(tree + offset, end - offset);
            if (length == end - offset || node == nodes + TREE_MAX_DEPTH)
                return;
            *++node = (struct node){ .name = tree + offset };
            offset += length + 1;
        } else if (token == PROPERTY && node > nodes && range_inside(offset, 8, end)) {
            length = cell(offset);
            name = cell(offset + 4);
            offset += 8;
            if (!range_inside(offset, length, end) || name >= strings_size)
                return;
            keep_property(node, strings + name, tree + offset, length);
            offset += length;
        } else if (token == NODE_END && node > nodes) {
            visit_node(node--);
        } else if (token != NOP) {
            return;
        }
        offset = (offset + 3) & ~3u;
    }
}

/* --- What the nodes mean. --- */

static void add_reserved(uint64_t base, uint64_t size)
{
    uint64_t start = page_floor(base), end = page_ceil(base + size);

    if (size == 0 || base + size < base)
        return;
    if (machine.reserved_ranges == array_size(machine.reserved))
        panic("the device tree reserves more than %u ranges of memory", machine.reserved_ranges);
    machine.reserved[machine.reserved_ranges++] = (struct memory_range){ start, end - start };
}

static void add_memory(uint64_t base, uint64_t size)
{
    uint64_t start = page_ceil(base), end = page_floor(min_u64(base + size, RAM_LIMIT));

    if (base + size < base || end <= start || machine.memory_ranges == MAX_MEMORY_RANGES)
        return;
    machine.memory[machine.memory_ranges++] = (struct memory_range){ start, end - start };
}

static void each_range(const struct node *node, void (*add)(uint64_t base, uint64_t size))
{
    uint64_t base, size;

    for (uint32_t i = 0; reg(node, i, &base, &size); i++)
        add(base, size);
}

/* Copy what fits of a property: how much that is. */
static uint32_t copy(const struct node *node, enum property property, void *to, size_t room)
{
    room = min_u64(room, node->properties[property].length);
    memcpy(to, node->properties[property].bytes, room);
    return (uint32_t)room;
}

static void visit_chosen(const struct node *node)
{
    uint64_t start = address(node, INITRD_START), end = address(node, INITRD_END);

    copy(node, ARGUMENTS, machine.command_line, sizeof(machine.command_line) - 1);
    machine.seed_size = copy(node, SEED, machine.seed, sizeof(machine.seed));
    if (start < end && end <= RAM_LIMIT && page_aligned(start)) {
        machine.initrd_base = start;
        machine.initrd_size = end - start;
    }
}

/* A hart is met at its interrupt controller, a child of its node.  The one that boots is index 0. */
static void visit_hart(const struct node *controller)
{
    const struct node *cpu = controller - 1;
    uint64_t id, size;

    if (!reg(cpu, 0, &id, &size) || has_string(cpu, STATUS, "disabled"))
        return;
    if (platform.timebase == 0)
        platform.timebase = number(cpu, TIMEBASE, number(cpu - 1, TIMEBASE, 0));

    uint32_t index = id == harts[0].id ? 0 : platform.hart_count++;

    if (index < MAX_HARTS) {
        harts[index].id = id;
        platform.harts[index].phandle = number(controller, PHANDLE, 0);
    }
}

/* In order of their addresses, by which disks are numbered. */
static void visit_virtio(const struct node *node, uint64_t base)
{
    uint32_t i = machine.virtio_count;

    if (i == array_size(machine.virtio))
        return;
    for (; i > 0 && machine.virtio[i - 1].base > base; i--)
        machine.virtio[i] = machine.virtio[i - 1];
    machine.virtio[i].base = base;
    machine.virtio[i].irq = number(node, INTERRUPTS, 0);
    machine.virtio_count++;
}

static void visit_device(const struct node *node)
{
    uint64_t base, size;

    if (!reg(node, 0, &base, &size) || !range_inside(base, size, DEVICE_LIMIT))
        return;
    if (has_string(node, COMPATIBLE, "ns16550a")) {
        platform.uart_base = base;
        platform.uart_irq = number(node, INTERRUPTS, 0);
    } else if (has_string(node, COMPATIBLE, "virtio,mmio")) {
        visit_virtio(node, base);
    } else if (has_string(node, COMPATIBLE, "google,goldfish-rtc")) {
        machine.rtc_base = base;
    } else if (has_string(node, COMPATIBLE, "sifive,test0")) {
        platform.finisher_base = base;
    } else if (has_string(node, COMPATIBLE, "riscv,plic0")) {
        platform.plic_base = base;
        platform.plic_irqs = (uint32_t)min_u64(number(node, LAST_INTERRUPT, 0), PLIC_MAX_IRQ);
        plic_links = node->properties[LINKS].bytes;
        plic_links_length = node->properties[LINKS].length;
    }
}

static void visit_node(const struct node *node)
{
    if (node == nodes + 1)
        return;
    if (has_string(node, DEVICE_TYPE, "memory"))
        each_range(node, add_memory);
    else if (strcmp(node[-1].name, "reserved-memory") == 0)
        each_range(node, add_reserved);
    else if (strcmp(node->name, "chosen") == 0)
        visit_chosen(node);
    else if (has_string(node, COMPATIBLE, "riscv,cpu-intc"))
        visit_hart(node);
    else
        visit_device(node);
}

/* Context i of the PLIC is pair i of interrupts-extended: a hart's controller and a cause. */
static void resolve_plic_contexts(void)
{
    for (uint32_t i = 0; (i + 1) * 8 <= plic_links_length; i++) {
        uint64_t phandle = cells(plic_links + i * 8, 1), cause = cells(plic_links + i * 8 + 4, 1);

        for (uint32_t k = 0; cause == IRQ_EXTERNAL && k < MAX_HARTS; k++)
            if (platform.harts[k].phandle == phandle)
                platform.harts[k].plic_context = i;
    }
}

/* The kernel, the initrd, and the firmware below the kernel where the firmware forgot to say so. */
static void reserve_known(void)
{
    paddr_t kernel = virt_to_phys(kernel_start);

    for (uint32_t i = 0; i < machine.memory_ranges; i++) {
        paddr_t base = machine.memory[i].base;
        bool said = !range_inside(kernel - base, 1, machine.memory[i].size);

        for (uint32_t k = 0; k < machine.reserved_ranges; k++)
            said |= range_inside(base - machine.reserved[k].base, 1, machine.reserved[k].size);
        if (!said)
            add_reserved(base, kernel - base);
    }
    add_reserved(kernel, (uint64_t)(kernel_end - kernel_start));
    add_reserved(machine.initrd_base, machine.initrd_size);
}

/* The header: magic, size, then where structure, strings and reservations are. */
bool devices_parse(const void *base)
{
    tree = base;
    platform.hart_count = 1;
    if (((uint64_t)base & 7) || cell(0) != TREE_MAGIC)
        return false;

    uint32_t size = cell(4), structure = cell(8), strings = cell(12), reservations = cell(16);
    uint32_t strings_size = cell(32), structure_size = cell(36);

    /* The strings end with a zero, so each of them ends inside. */
    if (size < 40 || size > TREE_MAX_SIZE || (structure & 3) || (reservations & 7) ||
        !range_inside(structure, structure_size, size) ||
        !range_inside(strings, strings_size, size) || strings_size == 0 ||
        tree[strings + strings_size - 1] != 0)
        return false;

    for (uint32_t at = reservations; range_inside(at, 16, size); at += 16) {
        if (cells(tree + at, 2) == 0 && cells(tree + at + 8, 2) == 0)
            break;
        add_reserved(cells(tree + at, 2), cells(tree + at + 8, 2));
    }
    walk(structure, structure + structure_size, tree + strings, strings_size);
    resolve_plic_contexts();
    reserve_known();
    return machine.memory_ranges > 0 && platform.timebase > 0;
}
