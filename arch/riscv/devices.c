/*
 * devices.c: from the device tree to `machine` and `platform`.
 *
 * Every node is shown once to visit_node, which asks for what it knows by device type or
 * `compatible`.  References between nodes (interrupt controllers of harts) are collected and
 * resolved after the walk, so the order of nodes does not matter.  All that is needed later is
 * copied: the tree's memory is free after boot.
 *
 * Invariant: every range in `machine` is page aligned (memory inwards, reservations outwards) and
 * every device has its registers below DEVICE_LIMIT, where the direct map has them.
 * Locks: none; used at boot by one hart.
 */
#include "fdt.h"
#include "platform.h"

#include "lib/kprintf.h"
#include "lib/string.h"

#define DEVICE_LIMIT   0x80000000ul
#define RAM_LIMIT      (254ul << 30)        /* there the stack area follows the direct map */
#define MAX_INTERRUPTS 1024

struct machine machine;
struct platform platform;

extern const char kernel_start[], kernel_end[];

/* What the walk collects for afterwards. */
static struct {
    uint64_t hart_id;                       /* of the cpu node being walked */
    bool     hart_usable;
    struct { uint32_t phandle; uint64_t hart_id; } controllers[64];
    uint32_t controller_count;
    const uint8_t *plic_links;              /* interrupts-extended of the PLIC */
    uint32_t plic_links_length;
    char     console[32];                   /* last part of stdout-path */
} walk;

static void add_reserved(uint64_t base, uint64_t size)
{
    uint64_t end = page_ceil(base + size);

    if (size == 0 || base + size < base)
        return;
    if (machine.reserved_ranges == array_size(machine.reserved))
        panic("the device tree reserves more than %u ranges of memory", machine.reserved_ranges);
    machine.reserved[machine.reserved_ranges].base = page_floor(base);
    machine.reserved[machine.reserved_ranges].size = end - page_floor(base);
    machine.reserved_ranges++;
}

static void add_memory(uint64_t base, uint64_t size)
{
    uint64_t start = page_ceil(base), end = page_floor(min_u64(base + size, RAM_LIMIT));

    if (base + size < base || end <= start || machine.memory_ranges == MAX_MEMORY_RANGES)
        return;
    machine.memory[machine.memory_ranges].base = start;
    machine.memory[machine.memory_ranges].size = end - start;
    machine.memory_ranges++;
}

/* A property of one or two cells, as the firmware writes addresses. */
static uint64_t address_property(const struct fdt_node *node, const char *name)
{
    uint32_t length;
    const uint8_t *data = fdt_property(node, name, &length);

    if (data && length == 4)
        return fdt_cell(data);
    return data && length == 8 ? (uint64_t)fdt_cell(data) << 32 | fdt_cell(data + 4) : 0;
}

static void visit_chosen(const struct fdt_node *node)
{
    uint32_t length;
    const uint8_t *data = fdt_property(node, "bootargs", &length);

    if (data)
        memcpy(machine.command_line, data, min_u64(length, sizeof(machine.command_line) - 1));
    data = fdt_property(node, "rng-seed", &length);
    if (data) {
        machine.seed_size = (uint32_t)min_u64(length, sizeof(machine.seed));
        memcpy(machine.seed, data, machine.seed_size);
    }
    data = fdt_property(node, "stdout-path", &length);
    for (uint32_t i = 0, at = 0; data && i < length && data[i] && data[i] != ':'; i++) {
        if (data[i] == '/')
            at = 0;
        else if (at < sizeof(walk.console) - 1)
            walk.console[at++] = (char)data[i];
        walk.console[at] = 0;
    }

    uint64_t start = address_property(node, "linux,initrd-start");
    uint64_t end = address_property(node, "linux,initrd-end");

    if (start < end && end <= RAM_LIMIT) {
        machine.initrd_base = start;
        machine.initrd_size = end - start;
    }
}

static void visit_cpu(const struct fdt_node *node)
{
    uint64_t size;

    walk.hart_usable = fdt_reg(node, 0, &walk.hart_id, &size) &&
                       !fdt_has_string(node, "status", "disabled");
    if (!walk.hart_usable)
        return;
    if (platform.timebase == 0)
        platform.timebase = fdt_number(node, "timebase-frequency", 0);
    if (platform.hart_ids_count == MAX_HARTS)
        platform.harts_ignored++;
    else
        platform.hart_ids[platform.hart_ids_count++] = walk.hart_id;
}

static void visit_cpu_interrupts(const struct fdt_node *node)
{
    if (!walk.hart_usable || walk.controller_count == array_size(walk.controllers))
        return;
    walk.controllers[walk.controller_count].phandle = fdt_number(node, "phandle", 0);
    walk.controllers[walk.controller_count].hart_id = walk.hart_id;
    walk.controller_count++;
}

static void visit_uart(const struct fdt_node *node, uint64_t base)
{
    if (platform.uart_base && strncmp(walk.console, node->name, sizeof(walk.console) - 1) != 0)
        return;
    platform.uart_base = base;
    platform.uart_irq = fdt_number(node, "interrupts", 0);
    platform.uart_shift = fdt_number(node, "reg-shift", 0);
}

static void visit_virtio(const struct fdt_node *node, uint64_t base, uint64_t size)
{
    if (machine.virtio_count == array_size(machine.virtio))
        return;
    machine.virtio[machine.virtio_count].base = base;
    machine.virtio[machine.virtio_count].size = size;
    machine.virtio[machine.virtio_count].irq = fdt_number(node, "interrupts", 0);
    machine.virtio_count++;
}

static void visit_device(const struct fdt_node *node)
{
    uint64_t base, size;

    if (!fdt_reg(node, 0, &base, &size) || !range_inside(base, size, DEVICE_LIMIT))
        return;
    if (fdt_has_string(node, "compatible", "ns16550a") ||
        fdt_has_string(node, "compatible", "ns16550")) {
        visit_uart(node, base);
    } else if (fdt_has_string(node, "compatible", "virtio,mmio")) {
        visit_virtio(node, base, size);
    } else if (fdt_has_string(node, "compatible", "google,goldfish-rtc")) {
        machine.rtc_base = base;
    } else if (fdt_has_string(node, "compatible", "sifive,test1") ||
               fdt_has_string(node, "compatible", "sifive,test0")) {
        platform.finisher_base = base;
    } else if (fdt_has_string(node, "compatible", "riscv,plic0") ||
               fdt_has_string(node, "compatible", "sifive,plic-1.0.0")) {
        platform.plic_base = base;
        platform.plic_irqs = (uint32_t)min_u64(fdt_number(node, "riscv,ndev", 0),
                                                MAX_INTERRUPTS - 1);
        walk.plic_links = fdt_property(node, "interrupts-extended", &walk.plic_links_length);
    }
}

static void visit_node(const struct fdt_node *node)
{
    uint64_t base, size;

    if (fdt_has_string(node, "device_type", "memory")) {
        for (uint32_t i = 0; fdt_reg(node, i, &base, &size); i++)
            add_memory(base, size);
    } else if (strcmp(node->parent, "reserved-memory") == 0) {
        for (uint32_t i = 0; fdt_reg(node, i, &base, &size); i++)
            add_reserved(base, size);
    } else if (strcmp(node->name, "chosen") == 0) {
        visit_chosen(node);
    } else if (strcmp(node->name, "cpus") == 0) {
        platform.timebase = fdt_number(node, "timebase-frequency", 0);
    } else if (fdt_has_string(node, "device_type", "cpu")) {
        visit_cpu(node);
    } else if (fdt_has_string(node, "compatible", "riscv,cpu-intc")) {
        visit_cpu_interrupts(node);
    } else {
        visit_device(node);
    }
}

/* Context i of the PLIC is pair i of interrupts-extended: a hart's controller and a cause. */
static void resolve_plic_contexts(void)
{
    for (uint32_t i = 0; walk.plic_links && (i + 1) * 8 <= walk.plic_links_length; i++) {
        uint32_t phandle = fdt_cell(walk.plic_links + i * 8);
        uint32_t cause = fdt_cell(walk.plic_links + i * 8 + 4);

        for (uint32_t k = 0; cause == 9 && k < walk.controller_count; k++) {
            uint32_t count = platform.plic_context_count;

            if (walk.controllers[k].phandle != phandle || count == MAX_PLIC_CONTEXTS)
                continue;
            platform.plic_contexts[count].hart_id = walk.controllers[k].hart_id;
            platform.plic_contexts[count].context = i;
            platform.plic_context_count++;
        }
    }
}

/* The kernel, the initrd, and the firmware below the kernel where the firmware forgot to say so. */
static void reserve_known(void)
{
    paddr_t kernel = virt_to_phys(kernel_start);

    for (uint32_t i = 0; i < machine.memory_ranges; i++) {
        paddr_t base = machine.memory[i].base;
        bool said = false;

        if (base > kernel || kernel - base >= machine.memory[i].size)
            continue;
        for (uint32_t k = 0; k < machine.reserved_ranges; k++)
            said |= machine.reserved[k].base <= base &&
                    base - machine.reserved[k].base < machine.reserved[k].size;
        if (!said)
            add_reserved(base, kernel - base);
    }
    add_reserved(kernel, (uint64_t)(kernel_end - kernel_start));
    add_reserved(machine.initrd_base, machine.initrd_size);
}

bool devices_parse(const void *base)
{
    struct fdt tree;
    uint64_t start, size;

    if (!fdt_open(&tree, base))
        return false;
    for (uint32_t i = 0; fdt_reservation(&tree, i, &start, &size); i++)
        add_reserved(start, size);
    fdt_walk(&tree, visit_node);
    resolve_plic_contexts();
    reserve_known();
    return machine.memory_ranges > 0 && platform.timebase > 0;
}
