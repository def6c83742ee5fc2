/*
 * devices.c: from the flattened device tree to `machine` and `platform`.
 *
 * The tree is a string of 32-bit big-endian tokens: a node begins (its name follows), a property (length, name, bytes), a node
 * ends.  visit_node is shown a node when it ends, its parents still being open, and asks for properties by their names.  All
 * that is needed later is copied: the tree's memory is free after boot.  What the firmware keeps for itself it says in the tree.
 *
 * Invariant: the tree comes from outside, so every offset is checked against its part's end before
 * use.  Every range in `machine` is page aligned (memory inwards, reservations outwards) and every
 * device has its registers below DEVICE_LIMIT, where the direct map has them.
 * Locks: none; used at boot by one hart.
 */
#include "platform.h"

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

struct node {
    const char *name;
    uint32_t properties;                        /* offset in the tree of the first, or of what follows */
};

static const char *tree, *strings;
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

/* The bytes of a property of a node whose properties were walked over; NULL, of length 0, if it has none. */
static const char *property(const struct node *node, const char *name, uint32_t *out_length)
{
    uint32_t at = node->properties;

    *out_length = 0;
    for (; cell(at) == PROPERTY || cell(at) == NOP;
         at += cell(at) == NOP ? 4 : (12 + cell(at + 4) + 3) & ~3u) {
        if (cell(at) == PROPERTY && strcmp(strings + cell(at + 8), name) == 0) {
            *out_length = cell(at + 4);
            return tree + at + 12;
        }
    }
    return NULL;
}

/* The first cell of a property, or `otherwise`. */
static uint32_t number(const struct node *node, const char *name, uint32_t otherwise)
{
    uint32_t length;
    const char *bytes = property(node, name, &length);

    return length < 4 ? otherwise : (uint32_t)cells(bytes, 1);
}

/* A property that is an address of one or two cells; 0 if there is none. */
static uint64_t address(const struct node *node, const char *name)
{
    uint32_t length;
    const char *bytes = property(node, name, &length);

    return cells(bytes, length / 4);
}

/* Is `text` one of the strings of this property? */
static bool has_string(const struct node *node, const char *name, const char *text)
{
    uint32_t length, size = (uint32_t)strlen(text) + 1;
    const char *bytes = property(node, name, &length);

    for (uint32_t at = 0; at < length; at += strnlen(bytes + at, length - at) + 1)
        if (length - at >= size && memcmp(bytes + at, text, size) == 0)
            return true;
    return false;
}

/* Entry `i` of "reg", in the cells that the parent says; false if there is none. */
static bool reg(const struct node *node, uint32_t i, uint64_t *out_base, uint64_t *out_size)
{
    uint32_t address_cells = number(node - 1, "#address-cells", 2);
    uint32_t size_cells = number(node - 1, "#size-cells", 1), length;
    const char *bytes = property(node, "reg", &length);
    uint64_t entry = 4 * (address_cells + size_cells), at = i * entry;

    if (address_cells > 3 || size_cells > 2 || entry == 0 || !range_inside(at, entry, length))
        return false;
    *out_base = cells(bytes + at, address_cells);
    *out_size = cells(bytes + at + 4 * address_cells, size_cells);
    return true;
}

static void visit_node(const struct node *node);

/* Show every node to visit_node, as far as the tree is sound. */
static void walk(uint32_t offset, uint32_t end, uint32_t strings_size)
{
    struct node *node = nodes;

    while (range_inside(offset, 4, end)) {
        uint32_t token = cell(offset), length;

        offset += 4;
        if (token == NODE_BEGIN) {
            length = (uint32_t)strnlen(tree + offset, end - offset);
            if (length == end - offset || node == nodes + TREE_MAX_DEPTH)
                return;
            *++node = (struct node){ tree + offset, (offset + length + 1 + 3) & ~3u };
            offset += length + 1;
        } else if (token == PROPERTY && node > nodes && range_inside(offset, 8, end)) {
            length = cell(offset);
            if (!range_inside(offset + 8, length, end) || cell(offset + 4) >= strings_size)
                return;
            offset += 8 + length;
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
static uint32_t copy(const struct node *node, const char *name, void *to, uint32_t room)
{
    uint32_t length;
    const char *bytes = property(node, name, &length);

    room = (uint32_t)min_u64(room, length);
    memcpy(to, bytes, room);
    return room;
}

static void visit_chosen(const struct node *node)
{
    uint64_t start = address(node, "linux,initrd-start"), end = address(node, "linux,initrd-end");

    copy(node, "bootargs", machine.command_line, sizeof(machine.command_line) - 1);
    machine.seed_size = copy(node, "rng-seed", machine.seed, sizeof(machine.seed));
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

    if (!reg(cpu, 0, &id, &size) || has_string(cpu, "status", "disabled"))
        return;
    if (platform.timebase == 0)
        platform.timebase = number(cpu, "timebase-frequency", number(cpu - 1, "timebase-frequency", 0));

    uint32_t index = id == harts[0].id ? 0 : platform.hart_count++;

    if (index < MAX_HARTS) {
        harts[index].id = id;
        platform.harts[index].phandle = number(controller, "phandle", 0);
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
    machine.virtio[i].irq = number(node, "interrupts", 0);
    machine.virtio_count++;
}

static void visit_device(const struct node *node)
{
    uint64_t base, size;

    if (!reg(node, 0, &base, &size) || !range_inside(base, size, DEVICE_LIMIT))
        return;
    if (has_string(node, "compatible", "ns16550a")) {
        platform.uart_base = base;
        platform.uart_irq = number(node, "interrupts", 0);
    } else if (has_string(node, "compatible", "virtio,mmio")) {
        visit_virtio(node, base);
    } else if (has_string(node, "compatible", "google,goldfish-rtc")) {
        machine.rtc_base = base;
    } else if (has_string(node, "compatible", "sifive,test0")) {
        platform.finisher_base = base;
    } else if (has_string(node, "compatible", "riscv,plic0")) {
        platform.plic_base = base;
        platform.plic_irqs = (uint32_t)min_u64(number(node, "riscv,ndev", 0), PLIC_MAX_IRQ);
        plic_links = property(node, "interrupts-extended", &plic_links_length);
    }
}

static void visit_node(const struct node *node)
{
    if (node == nodes + 1)
        return;
    if (has_string(node, "device_type", "memory"))
        each_range(node, add_memory);
    else if (strcmp(node[-1].name, "reserved-memory") == 0)
        each_range(node, add_reserved);
    else if (strcmp(node->name, "chosen") == 0)
        visit_chosen(node);
    else if (has_string(node, "compatible", "riscv,cpu-intc"))
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

/* The header: magic, size, then where structure, strings and reservations are. */
bool devices_parse(const void *base)
{
    tree = base;
    platform.hart_count = 1;
    if (((uint64_t)base & 7) || cell(0) != TREE_MAGIC)
        return false;

    uint32_t size = cell(4), structure = cell(8), names = cell(12), reservations = cell(16);
    uint32_t names_size = cell(32), structure_size = cell(36);

    /* The names end with a zero, so each of them ends inside. */
    if (size < 40 || size > TREE_MAX_SIZE || (structure & 3) || (reservations & 7) ||
        !range_inside(structure, structure_size, size) ||
        !range_inside(names, names_size, size) || names_size == 0 ||
        tree[names + names_size - 1] != 0)
        return false;
    strings = tree + names;

    for (uint32_t at = reservations;
         range_inside(at, 16, size) && (cells(tree + at, 2) || cells(tree + at + 8, 2)); at += 16)
        add_reserved(cells(tree + at, 2), cells(tree + at + 8, 2));
    walk(structure, structure + structure_size, names_size);
    resolve_plic_contexts();
    add_reserved(virt_to_phys(kernel_start), (uint64_t)(kernel_end - kernel_start));
    add_reserved(machine.initrd_base, machine.initrd_size);
    return machine.memory_ranges > 0 && platform.timebase > 0;
}
