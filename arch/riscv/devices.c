/*
 * devices.c: from the device tree to `machine` and `platform`.
 *
 * Every node is shown once to visit_node, which asks for what it knows by name, device type or
 * `compatible`.  The PLIC names the harts' interrupt controllers by reference; that is resolved
 * after the walk, so the order of nodes does not matter.  All that is needed later is copied: the
 * tree's memory is free after boot.
 *
 * Invariant: every range in `machine` is page aligned (memory inwards, reservations outwards) and
 * every device has its registers below DEVICE_LIMIT, where the direct map has them.
 * Locks: none; used at boot by one hart.
 */
#include "csr.h"
#include "fdt.h"
#include "platform.h"

#include "lib/kprintf.h"
#include "lib/string.h"

#define DEVICE_LIMIT 0x80000000ul
#define RAM_LIMIT    (254ul << 30)          /* there the stack area follows the direct map */

struct machine machine;
struct platform platform;

extern const char kernel_start[], kernel_end[];

/* What the walk leaves for later. */
static const uint8_t *plic_links;           /* interrupts-extended of the PLIC */
static uint32_t plic_links_length;
static char console_path[128];              /* stdout-path */

static void add_reserved(uint64_t base, uint64_t size)
{
    if (size == 0 || base + size < base)
        return;
    if (machine.reserved_ranges == array_size(machine.reserved))
        panic("the device tree reserves more than %u ranges of memory", machine.reserved_ranges);
    machine.reserved[machine.reserved_ranges].base = page_floor(base);
    machine.reserved[machine.reserved_ranges].size = page_ceil(base + size) - page_floor(base);
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

static void each_range(const struct fdt_node *node, void (*add)(uint64_t base, uint64_t size))
{
    uint64_t base, size;

    for (uint32_t i = 0; fdt_reg(node, i, &base, &size); i++)
        add(base, size);
}

/* Copy what fits of a property: how much that is. */
static uint32_t copy_property(const struct fdt_node *node, const char *name, void *to, size_t room)
{
    uint32_t length;
    const uint8_t *data = fdt_property(node, name, &length);

    if (!data)
        return 0;
    length = (uint32_t)min_u64(length, room);
    memcpy(to, data, length);
    return length;
}

/* A property of one or two cells, as the firmware writes addresses. */
static uint64_t address_property(const struct fdt_node *node, const char *name)
{
    uint32_t length;
    const uint8_t *data = fdt_property(node, name, &length);

    return data && (length == 4 || length == 8) ? fdt_cells(data, length / 4) : 0;
}

static void visit_chosen(const struct fdt_node *node)
{
    uint64_t start = address_property(node, "linux,initrd-start");
    uint64_t end = address_property(node, "linux,initrd-end");

    copy_property(node, "bootargs", machine.command_line, sizeof(machine.command_line) - 1);
    machine.seed_size = copy_property(node, "rng-seed", machine.seed, sizeof(machine.seed));
    copy_property(node, "stdout-path", console_path, sizeof(console_path) - 1);
    if (start < end && end <= RAM_LIMIT) {
        machine.initrd_base = start;
        machine.initrd_size = end - start;
    }
}

/* A hart is met at its interrupt controller, a child of its node, so that all is known of it. */
static void visit_hart(const struct fdt_node *controller)
{
    const struct fdt_node *cpu = controller->parent;
    uint64_t id, size;

    if (!cpu || !fdt_reg(cpu, 0, &id, &size) || fdt_has_string(cpu, "status", "disabled"))
        return;
    if (platform.timebase == 0)
        platform.timebase = fdt_number(cpu, "timebase-frequency", 0);
    if (platform.hart_count == MAX_PLATFORM_HARTS)
        platform.harts_ignored++;
    else
        platform.harts[platform.hart_count++] = (struct platform_hart){
            .id = id,
            .phandle = fdt_number(controller, "phandle", 0),
            .plic_context = NO_CONTEXT,
        };
}

/* The first one, unless stdout-path (names, and perhaps a colon and the speed) ends with another. */
static void visit_uart(const struct fdt_node *node, uint64_t base)
{
    const char *at = strstr(console_path, node->name);
    char after = at ? at[strlen(node->name)] : '/';

    if (platform.uart_base && after != 0 && after != ':')
        return;
    platform.uart_base = base;
    platform.uart_irq = fdt_number(node, "interrupts", 0);
    platform.uart_shift = fdt_number(node, "reg-shift", 0);
}

/* In order of their addresses: so disks keep their numbers. */
static void visit_virtio(const struct fdt_node *node, uint64_t base)
{
    uint32_t i = machine.virtio_count;

    if (i == array_size(machine.virtio))
        return;
    for (; i > 0 && machine.virtio[i - 1].base > base; i--)
        machine.virtio[i] = machine.virtio[i - 1];
    machine.virtio[i].base = base;
    machine.virtio[i].irq = fdt_number(node, "interrupts", 0);
    machine.virtio_count++;
}

static void visit_plic(const struct fdt_node *node, uint64_t base)
{
    platform.plic_base = base;
    platform.plic_irqs = (uint32_t)min_u64(fdt_number(node, "riscv,ndev", 0), PLIC_MAX_IRQ);
    plic_links = fdt_property(node, "interrupts-extended", &plic_links_length);
}

static bool is(const struct fdt_node *node, const char *name)
{
    return fdt_has_string(node, "compatible", name);
}

static void visit_device(const struct fdt_node *node)
{
    uint64_t base, size;

    if (!fdt_reg(node, 0, &base, &size) || !range_inside(base, size, DEVICE_LIMIT))
        return;
    if (is(node, "ns16550a") || is(node, "ns16550"))
        visit_uart(node, base);
    else if (is(node, "virtio,mmio"))
        visit_virtio(node, base);
    else if (is(node, "google,goldfish-rtc"))
        machine.rtc_base = base;
    else if (is(node, "sifive,test1") || is(node, "sifive,test0"))
        platform.finisher_base = base;
    else if (is(node, "riscv,plic0") || is(node, "sifive,plic-1.0.0"))
        visit_plic(node, base);
}

static void visit_node(const struct fdt_node *node)
{
    if (fdt_has_string(node, "device_type", "memory"))
        each_range(node, add_memory);
    else if (node->parent && strcmp(node->parent->name, "reserved-memory") == 0)
        each_range(node, add_reserved);
    else if (strcmp(node->name, "chosen") == 0)
        visit_chosen(node);
    else if (strcmp(node->name, "cpus") == 0)
        platform.timebase = fdt_number(node, "timebase-frequency", 0);
    else if (is(node, "riscv,cpu-intc"))
        visit_hart(node);
    else
        visit_device(node);
}

/* Context i of the PLIC is pair i of interrupts-extended: a hart's controller and a cause. */
static void resolve_plic_contexts(void)
{
    for (uint32_t i = 0; plic_links && (i + 1) * 8 <= plic_links_length; i++) {
        const uint8_t *pair = plic_links + i * 8;

        for (uint32_t k = 0; k < platform.hart_count; k++)
            if (platform.harts[k].phandle == fdt_cells(pair, 1) &&
                fdt_cells(pair + 4, 1) == IRQ_EXTERNAL)
                platform.harts[k].plic_context = i;
    }
}

/* The kernel, the initrd, and the firmware below the kernel where the firmware forgot to say so. */
static void reserve_known(void)
{
    paddr_t kernel = virt_to_phys(kernel_start);

    for (uint32_t i = 0; i < machine.memory_ranges; i++) {
        paddr_t base = machine.memory[i].base;
        uint32_t k = 0;

        if (!range_inside(kernel - base, 1, machine.memory[i].size))
            continue;
        while (k < machine.reserved_ranges &&
               !ranges_overlap(machine.reserved[k].base, machine.reserved[k].size, base, 1))
            k++;
        if (k == machine.reserved_ranges)
            add_reserved(base, kernel - base);
    }
    add_reserved(kernel, (uint64_t)(kernel_end - kernel_start));
    add_reserved(machine.initrd_base, machine.initrd_size);
}

bool devices_parse(const void *tree)
{
    uint64_t start, size;

    if (!fdt_open(tree))
        return false;
    for (uint32_t i = 0; fdt_reservation(i, &start, &size); i++)
        add_reserved(start, size);
    fdt_walk(visit_node);
    resolve_plic_contexts();
    reserve_known();
    return machine.memory_ranges > 0 && platform.timebase > 0;
}
