/*
 * virtio_blk.c: disks, behind virtio-mmio registers (version 2 of the transport) with one queue.
 *
 * The queue is three rings in one frame: descriptors (what and where), available (entries that we give) and used
 * (entries that the device gives back).  Either side announces new entries by counting its index up, so every entry
 * must be in memory before the index, and read after it; that is what the fences are for.  One entry is a whole
 * request: its descriptors are in a table of its own (INDIRECT), so entry i always uses descriptor i.
 *
 * A request carries all that the device wants to see of it, so submitting needs no memory: it takes
 * a free number of the queue, or waits in a list, oldest first.  An interrupt ends any number of
 * requests, starts waiting ones in their place, drops the lock, and only then tells the owners.
 *
 * A device that stops because of an error is given up: what runs and waits fails, later requests are refused.
 *
 * Invariant: until then, running[i] is set exactly while i is not among the free numbers, and nothing waits while a
 * number is free.  What the device writes is data: nothing here trusts it for more than a number.
 * Locks: disk.lock for the queue, the numbers and the counters.  `done` is called with none.
 */
#include "dev/disk.h"

#include "lib/kprintf.h"
#include "mm/heap.h"

enum {
    REGISTER_MAGIC = 0x000, REGISTER_VERSION = 0x004, REGISTER_DEVICE = 0x008,
    REGISTER_OFFERED = 0x010, REGISTER_OFFERED_SELECT = 0x014,
    REGISTER_ACCEPTED = 0x020, REGISTER_ACCEPTED_SELECT = 0x024,
    REGISTER_QUEUE_SELECT = 0x030, REGISTER_QUEUE_MAX = 0x034, REGISTER_QUEUE_SIZE = 0x038,
    REGISTER_QUEUE_READY = 0x044, REGISTER_QUEUE_NOTIFY = 0x050, REGISTER_INTERRUPT_STATUS = 0x060,
    REGISTER_INTERRUPT_ACKNOWLEDGE = 0x064, REGISTER_STATUS = 0x070,
    REGISTER_DESCRIPTORS = 0x080, REGISTER_AVAILABLE = 0x090, REGISTER_USED = 0x0a0,
};

enum {
    STATUS_ACKNOWLEDGED = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64, STATUS_FAILED = 128,
};

enum { CONFIG_CAPACITY = 0x100, CONFIG_SEGMENT_LIMIT = 0x10c, CONFIG_BLOCK_SIZE = 0x114 };
enum { RESULT_OK = 0, RESULT_NONE = 0xff };

#define MAGIC          0x74726976u             /* "virt" */
#define BLOCK_DEVICE   2u
#define USED_NO_NOTIFY 1u

#define FEATURE_SEGMENT_LIMIT (1ull << 2)
#define FEATURE_READ_ONLY     (1ull << 5)
#define FEATURE_BLOCK_SIZE    (1ull << 6)
#define FEATURE_FLUSH         (1ull << 9)
#define FEATURES_REQUIRED     (1ull << 28 | 1ull << 32)     /* INDIRECT, VERSION_1 */
#define FEATURES_WANTED \
    (FEATURES_REQUIRED | FEATURE_SEGMENT_LIMIT | FEATURE_READ_ONLY | FEATURE_BLOCK_SIZE | \
     FEATURE_FLUSH)

#define SECTOR 512u                             /* the protocol's unit, whatever the block size */

static const uint32_t types[] = { [BLOCK_READ] = 0, [BLOCK_WRITE] = 1, [BLOCK_FLUSH] = 4 };

#define QUEUE_MAX 64u                           /* its three rings share one frame */

struct rings {
    struct virtio_descriptor descriptors[QUEUE_MAX];
    struct { volatile uint16_t flags, index, ring[QUEUE_MAX], event; } available;
    struct {
        volatile uint16_t flags, index;
        volatile struct { uint32_t number, length; } ring[QUEUE_MAX];
        volatile uint16_t event;
    } used;
};

static_assert(sizeof(struct rings) <= PAGE_SIZE, "the rings fit one frame");

struct disk {
    /* Immutable after the boot. */
    uint32_t index;
    uint32_t max_pieces;                        /* of a request */
    vaddr_t registers;
    uint32_t entries;                           /* of the queue; a power of two */

    struct spinlock lock;                       /* RANK_BLOCK: all below */
    struct rings *rings;                        /* NULL: the device was given up */
    uint16_t used_seen;                         /* how many used entries were taken */
    block_info_t info;                          /* only its counters change */
    uint32_t free_count;
    uint8_t free[QUEUE_MAX];                    /* numbers, the first free_count are valid */
    struct disk_request *running[QUEUE_MAX];
    struct list waiting;                        /* struct disk_request, oldest first */
};

static_assert(sizeof(struct disk) <= HEAP_MAX, "a disk comes from the heap");

static struct disk *disks[array_size(machine.virtio)];
static uint32_t disk_count;

struct disk *disk_by_index(uint32_t index) { return index < disk_count ? disks[index] : NULL; }
const block_info_t *disk_info(const struct disk *disk) { return &disk->info; }

static volatile uint32_t *at(const struct disk *disk, uint32_t offset)
{
    return (volatile uint32_t *)(disk->registers + offset);
}

/* It touches no more memory. */
static void abandon(struct disk *disk)
{
    *at(disk, REGISTER_STATUS) = 0;
    *at(disk, REGISTER_STATUS) = STATUS_FAILED;
    if (disk->rings)
        frame_free_virt(disk->rings);
    disk->rings = NULL;
}

/* --- Starting requests. --- */

void disk_request_init(struct disk_request *request, uint32_t op, uint64_t offset,
                       void (*done)(struct disk_request *, status_t status))
{
    request->op = op;
    request->pieces = 0;
    request->length = 0;
    request->done = done;
    request->header.type = types[op];
    request->header.reserved = 0;
    request->header.sector = offset / SECTOR;
    request->result = RESULT_NONE;
    request->table[0] = (struct virtio_descriptor){
        virt_to_phys(&request->header), sizeof request->header, DESCRIPTOR_NEXT, 1,
    };
}

void disk_request_add(struct disk_request *request, paddr_t address, uint32_t length)
{
    uint16_t direction = request->op == BLOCK_READ ? DESCRIPTOR_DEVICE_WRITES : 0;
    uint16_t n = (uint16_t)++request->pieces;

    request->length += length;
    request->table[n] = (struct virtio_descriptor){
        address, length, DESCRIPTOR_NEXT | direction, n + 1,
    };
}

/* Put a request into the queue under a free number; the device is not told yet. */
static void start_request(struct disk *disk, struct disk_request *request)
{
    uint32_t number = disk->free[--disk->free_count], count = request->pieces + 2;
    struct rings *rings = disk->rings;
    uint16_t index = rings->available.index;

    request->table[count - 1] = (struct virtio_descriptor){
        virt_to_phys((const void *)&request->result), 1, DESCRIPTOR_DEVICE_WRITES, 0,
    };
    disk->running[number] = request;
    rings->descriptors[number] = (struct virtio_descriptor){
        virt_to_phys(request->table), count * sizeof request->table[0], DESCRIPTOR_INDIRECT, 0,
    };
    rings->available.ring[index % disk->entries] = (uint16_t)number;
    arch_device_fence();
    rings->available.index = index + 1;
}

/* Start what waits while there are numbers.  The index is seen before we look at the flags: else both could sleep. */
static void start_waiting(struct disk *disk)
{
    bool started = false;

    while (disk->free_count > 0 && !list_empty(&disk->waiting)) {
        start_request(disk, list_entry(list_pop_front(&disk->waiting), struct disk_request, link));
        started = true;
    }
    if (!started)
        return;
    arch_device_fence();
    if (!(disk->rings->used.flags & USED_NO_NOTIFY))
        *at(disk, REGISTER_QUEUE_NOTIFY) = 0;
}

status_t disk_submit(struct disk *disk, struct disk_request *request)
{
    status_t status;

    assert(request->pieces <= disk->max_pieces);
    assert((request->op == BLOCK_FLUSH) == (request->pieces == 0));
    assert(request->op != BLOCK_FLUSH || (disk->info.flags & BLOCK_INFO_FLUSH));

    spin_lock(&disk->lock);
    status = disk->rings ? OK : ERR_IO;
    if (status == OK) {
        list_push_back(&disk->waiting, &request->link);
        start_waiting(disk);
    }
    spin_unlock(&disk->lock);
    return status;
}

/* --- Ending requests. --- */

static void end_request(struct disk *disk, struct disk_request *request, status_t status,
                        struct list *ended)
{
    disk->info.reads += request->op == BLOCK_READ;
    disk->info.writes += request->op == BLOCK_WRITE;
    disk->info.flushes += request->op == BLOCK_FLUSH;
    disk->info.errors += status != OK;
    request->status = status;
    list_push_back(ended, &request->link);
}

/* The device is done with a request; a read that is too short is an error too. */
static void end_number(struct disk *disk, uint32_t number, uint32_t written, struct list *ended)
{
    struct disk_request *request = number < disk->entries ? disk->running[number] : NULL;

    if (!request) {
        kprintf("disk %u: the device returned request %u, which is not running; ignored\n",
                disk->index, number);
        return;
    }

    uint64_t expected = (request->op == BLOCK_READ ? request->length : 0) + sizeof request->result;
    bool good = request->result == RESULT_OK && written >= expected;

    end_request(disk, request, good ? OK : ERR_IO, ended);
    disk->running[number] = NULL;
    disk->free[disk->free_count++] = (uint8_t)number;
}

/* Only when the device is given up are the frames of running requests safe from it. */
static void fail_disk(struct disk *disk, struct list *ended)
{
    kprintf("disk %u: the device has stopped; every request fails from now on\n", disk->index);
    abandon(disk);
    for (uint32_t i = 0; i < disk->entries; i++)
        if (disk->running[i])
            end_request(disk, disk->running[i], ERR_IO, ended);
    while (!list_empty(&disk->waiting))
        end_request(disk, list_entry(list_pop_front(&disk->waiting), struct disk_request, link),
                    ERR_IO, ended);
}

/* End what the device is done with.  It reports an error of its own in the status register. */
static void look_at_device(struct disk *disk, struct list *ended)
{
    struct rings *rings = disk->rings;

    *at(disk, REGISTER_INTERRUPT_ACKNOWLEDGE) = *at(disk, REGISTER_INTERRUPT_STATUS);
    arch_device_fence();

    bool stopped = *at(disk, REGISTER_STATUS) & STATUS_NEEDS_RESET;

    while (rings->used.index != disk->used_seen) {
        uint32_t entry = disk->used_seen++ % disk->entries;

        arch_device_fence();
        end_number(disk, rings->used.ring[entry].number, rings->used.ring[entry].length, ended);
    }
    if (stopped)
        fail_disk(disk, ended);
    else
        start_waiting(disk);
}

static void disk_interrupt(void *argument)
{
    struct disk *disk = argument;
    struct list ended = LIST_INITIALIZER(ended);
    struct list_node *node;

    spin_lock(&disk->lock);
    if (disk->rings)
        look_at_device(disk, &ended);
    spin_unlock(&disk->lock);

    while ((node = list_pop_front(&ended))) {
        struct disk_request *request = list_entry(node, struct disk_request, link);

        request->done(request, request->status);
    }
}

/* --- Finding disks. --- */

/* What both sides can; 0: not enough. */
static uint64_t agree_on_features(struct disk *disk)
{
    uint64_t agreed = 0;

    for (uint32_t half = 0; half < 2; half++) {
        *at(disk, REGISTER_OFFERED_SELECT) = half;
        agreed |= ((uint64_t)*at(disk, REGISTER_OFFERED) << (32 * half)) & FEATURES_WANTED;
        *at(disk, REGISTER_ACCEPTED_SELECT) = half;
        *at(disk, REGISTER_ACCEPTED) = (uint32_t)(agreed >> (32 * half));
    }
    *at(disk, REGISTER_STATUS) |= STATUS_FEATURES_OK;
    return (agreed & FEATURES_REQUIRED) == FEATURES_REQUIRED &&
           (*at(disk, REGISTER_STATUS) & STATUS_FEATURES_OK) ? agreed : 0;
}

static void write_address(const struct disk *disk, uint32_t offset, const void *address)
{
    *at(disk, offset) = (uint32_t)virt_to_phys(address);
    *at(disk, offset + 4) = (uint32_t)(virt_to_phys(address) >> 32);
}

static status_t make_queue(struct disk *disk)
{
    uint32_t limit;

    *at(disk, REGISTER_QUEUE_SELECT) = 0;
    limit = *at(disk, REGISTER_QUEUE_MAX);
    if (limit < 4 || *at(disk, REGISTER_QUEUE_READY))
        return ERR_NOT_SUPPORTED;
    for (disk->entries = QUEUE_MAX; disk->entries > limit; disk->entries /= 2)
        ;
    disk->rings = frame_alloc_virt(FRAME_KERNEL);
    if (!disk->rings)
        return ERR_NO_MEMORY;
    *at(disk, REGISTER_QUEUE_SIZE) = disk->entries;
    write_address(disk, REGISTER_DESCRIPTORS, &disk->rings->descriptors);
    write_address(disk, REGISTER_AVAILABLE, &disk->rings->available);
    write_address(disk, REGISTER_USED, &disk->rings->used);
    arch_device_fence();
    *at(disk, REGISTER_QUEUE_READY) = 1;
    return OK;
}

/*
 * Sizes and limits.  A chain is never longer than its queue, wherever its table lies; a transfer that begins inside a
 * page touches one page more.  NOT_SUPPORTED for what the rest of the kernel cannot use.
 */
static status_t read_geometry(struct disk *disk, uint64_t features)
{
    uint64_t sectors = (uint64_t)*at(disk, CONFIG_CAPACITY + 4) << 32 | *at(disk, CONFIG_CAPACITY);
    uint64_t pieces = DISK_PIECES;
    uint32_t block_size = SECTOR;

    if (features & FEATURE_BLOCK_SIZE)
        block_size = *at(disk, CONFIG_BLOCK_SIZE);
    if (features & FEATURE_SEGMENT_LIMIT)
        pieces = min_u64(pieces, *at(disk, CONFIG_SEGMENT_LIMIT));
    if (block_size < SECTOR || block_size > PAGE_SIZE || (block_size & (block_size - 1)) ||
        sectors > UINT64_MAX / 2 / SECTOR || pieces < 2)
        return ERR_NOT_SUPPORTED;

    disk->max_pieces = (uint32_t)min_u64(pieces, disk->entries - 2);
    disk->info = (block_info_t){
        .size = sectors * SECTOR / block_size * block_size,
        .block_size = block_size,
        .disk = disk->index,
        .max_transfer = (uint32_t)min_u64((disk->max_pieces - 1) * PAGE_SIZE, VMO_TRANSFER_MAX),
        .flags = (features & FEATURE_READ_ONLY ? BLOCK_INFO_READ_ONLY : 0) |
                 (features & FEATURE_FLUSH ? BLOCK_INFO_FLUSH : 0),
    };
    return OK;
}

static status_t start_disk(struct disk *disk, uint32_t irq)
{
    uint64_t features;
    status_t status = ERR_NOT_SUPPORTED;

    spin_init(&disk->lock, RANK_BLOCK);
    list_init(&disk->waiting);
    *at(disk, REGISTER_STATUS) = 0;
    *at(disk, REGISTER_STATUS) |= STATUS_ACKNOWLEDGED;
    *at(disk, REGISTER_STATUS) |= STATUS_DRIVER;
    features = agree_on_features(disk);
    if (features)
        status = make_queue(disk);
    if (status == OK)
        status = read_geometry(disk, features);
    for (uint32_t i = 0; status == OK && i < disk->entries; i++)
        disk->free[disk->free_count++] = (uint8_t)i;
    if (status == OK)
        status = arch_irq_register(irq, disk_interrupt, disk);
    if (status == OK)
        *at(disk, REGISTER_STATUS) |= STATUS_DRIVER_OK;
    else
        abandon(disk);
    return status;
}

static void add_disk(vaddr_t registers, uint32_t irq)
{
    struct disk *disk = heap_alloc_zeroed(sizeof *disk);
    status_t status = ERR_NO_MEMORY;
    bool legacy = *(volatile uint32_t *)(registers + REGISTER_VERSION) != 2;

    if (disk && !legacy) {
        disk->index = disk_count;
        disk->registers = registers;
        status = start_disk(disk, irq);
    }
    if (status == OK) {
        disks[disk_count++] = disk;
        kprintf("disk %u: %lu KiB%s\n", disk->index, disk->info.size / 1024,
                disk->info.flags & BLOCK_INFO_READ_ONLY ? ", read-only" : "");
        return;
    }
    heap_free(disk);
    kprintf("disk %u ignored: %s\n", disk_count,
            legacy ? "start QEMU with -global virtio-mmio.force-legacy=false" :
            status == ERR_NO_MEMORY ? "no memory" : "it lacks something that this kernel needs");
}

void disks_init(void)
{
    for (uint32_t i = 0; i < machine.virtio_count; i++) {
        vaddr_t registers = (vaddr_t)phys_to_virt(machine.virtio[i].base);

        if (*(volatile uint32_t *)(registers + REGISTER_MAGIC) == MAGIC &&
            *(volatile uint32_t *)(registers + REGISTER_DEVICE) == BLOCK_DEVICE)
            add_disk(registers, machine.virtio[i].irq);
    }
}
