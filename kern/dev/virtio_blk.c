/*
 * virtio_blk.c: disks.
 *
 * A request carries all that the device wants to see of it, so submitting needs no memory: it takes
 * a free number of the queue, or waits in a list, oldest first.  An interrupt ends any number of
 * requests, starts waiting ones in their place, drops the lock, and only then tells the owners.
 *
 * A device that stops because of an error is given up: what runs and waits fails, later requests
 * are refused.
 *
 * Invariant: until then, running[i] is set exactly while i is not among the free numbers, and
 * nothing waits while a number is free.
 * Locks: disk.lock for the queue, the numbers and the counters.  `done` is called with none.
 */
#include "dev/disk.h"

#include "dev/virtio.h"
#include "lib/kprintf.h"
#include "mm/heap.h"

#define FEATURE_SEGMENT_LIMIT (1ull << 2)
#define FEATURE_READ_ONLY     (1ull << 5)
#define FEATURE_BLOCK_SIZE    (1ull << 6)
#define FEATURE_FLUSH         (1ull << 9)
#define FEATURES_WANTED \
    (FEATURE_SEGMENT_LIMIT | FEATURE_READ_ONLY | FEATURE_BLOCK_SIZE | FEATURE_FLUSH)

enum { CONFIG_CAPACITY = 0, CONFIG_SEGMENT_LIMIT = 12, CONFIG_BLOCK_SIZE = 20 };
enum { RESULT_OK = 0, RESULT_NONE = 0xff };

#define SECTOR 512u                             /* the protocol's unit, whatever the block size */

static const uint32_t types[] = { [BLOCK_READ] = 0, [BLOCK_WRITE] = 1, [BLOCK_FLUSH] = 4 };

struct disk {
    /* Immutable after the boot. */
    uint32_t index;
    uint32_t max_pieces;                        /* of a request */

    struct spinlock lock;                       /* RANK_BLOCK: all below */
    struct virtio_device device;
    block_info_t info;                          /* only its counters change */
    bool failed;                                /* the device was given up */
    uint32_t free_count;
    uint8_t free[VIRTIO_QUEUE_MAX];             /* numbers, the first free_count are valid */
    struct disk_request *running[VIRTIO_QUEUE_MAX];
    struct list waiting;                        /* struct disk_request, oldest first */
};

static_assert(sizeof(struct disk) <= HEAP_MAX, "a disk comes from the heap");

static struct disk *disks[array_size(machine.virtio)];
static uint32_t disk_count;

struct disk *disk_by_index(uint32_t index)
{
    return index < disk_count ? disks[index] : NULL;
}

const block_info_t *disk_info(const struct disk *disk) { return &disk->info; }

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
    uint32_t number = disk->free[--disk->free_count];

    request->table[request->pieces + 1] = (struct virtio_descriptor){
        virt_to_phys((const void *)&request->result), 1, DESCRIPTOR_DEVICE_WRITES, 0,
    };
    disk->running[number] = request;
    virtio_offer(&disk->device, number, request->table, request->pieces + 2);
}

/* Start what waits while there are numbers. */
static void start_waiting(struct disk *disk)
{
    bool started = false;

    while (disk->free_count > 0 && !list_empty(&disk->waiting)) {
        start_request(disk, list_entry(list_pop_front(&disk->waiting), struct disk_request, link));
        started = true;
    }
    if (started)
        virtio_notify(&disk->device);
}

status_t disk_submit(struct disk *disk, struct disk_request *request)
{
    status_t status;

    assert(request->pieces <= disk->max_pieces);
    assert((request->op == BLOCK_FLUSH) == (request->pieces == 0));
    assert(request->op != BLOCK_FLUSH || disk_can_flush(disk));

    spin_lock(&disk->lock);
    status = disk->failed ? ERR_IO : OK;
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
    struct disk_request *request = number < disk->device.entries ? disk->running[number] : NULL;

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
    disk->failed = true;
    virtio_abandon(&disk->device);
    for (uint32_t i = 0; i < disk->device.entries; i++)
        if (disk->running[i])
            end_request(disk, disk->running[i], ERR_IO, ended);
    while (!list_empty(&disk->waiting))
        end_request(disk, list_entry(list_pop_front(&disk->waiting), struct disk_request, link),
                    ERR_IO, ended);
}

static void disk_interrupt(void *argument)
{
    struct disk *disk = argument;
    struct list ended = LIST_INITIALIZER(ended);
    struct list_node *node;
    uint32_t number, written;

    spin_lock(&disk->lock);

    bool works = virtio_acknowledge(&disk->device);

    while (!disk->failed && virtio_take(&disk->device, &number, &written))
        end_number(disk, number, written, &ended);
    if (!disk->failed && !works)
        fail_disk(disk, &ended);
    start_waiting(disk);
    spin_unlock(&disk->lock);

    while ((node = list_pop_front(&ended))) {
        struct disk_request *request = list_entry(node, struct disk_request, link);

        request->done(request, request->status);
    }
}

/* --- Finding disks. --- */

/*
 * Sizes and limits.  A chain is never longer than its queue, wherever its table lies; a transfer
 * that begins inside a page touches one page more.  NOT_SUPPORTED for what the rest of the kernel
 * cannot use.
 */
static status_t read_geometry(struct disk *disk)
{
    uint64_t features = disk->device.features, pieces = DISK_PIECES;
    uint64_t sectors = virtio_config_64(&disk->device, CONFIG_CAPACITY);
    uint32_t block_size = SECTOR;

    if (features & FEATURE_BLOCK_SIZE)
        block_size = virtio_config_32(&disk->device, CONFIG_BLOCK_SIZE);
    if (features & FEATURE_SEGMENT_LIMIT)
        pieces = min_u64(pieces, virtio_config_32(&disk->device, CONFIG_SEGMENT_LIMIT));
    if (block_size < SECTOR || block_size > PAGE_SIZE || (block_size & (block_size - 1)) ||
        sectors > UINT64_MAX / 2 / SECTOR || pieces < 2 || disk->device.entries < 4)
        return ERR_NOT_SUPPORTED;

    disk->max_pieces = (uint32_t)min_u64(pieces, disk->device.entries - 2);
    disk->info = (block_info_t){
        .size = sectors * SECTOR / block_size * block_size,
        .block_size = block_size,
        .max_transfer = (uint32_t)min_u64((disk->max_pieces - 1) * PAGE_SIZE, VMO_TRANSFER_MAX),
        .flags = (features & FEATURE_READ_ONLY ? BLOCK_INFO_READ_ONLY : 0) |
                 (features & FEATURE_FLUSH ? BLOCK_INFO_FLUSH : 0),
    };
    return OK;
}

static status_t start_disk(struct disk *disk, uint32_t irq)
{
    status_t status;

    spin_init(&disk->lock, RANK_BLOCK);
    list_init(&disk->waiting);
    status = virtio_start(&disk->device, VIRTIO_FEATURE_INDIRECT, FEATURES_WANTED);
    if (status == OK)
        status = read_geometry(disk);
    for (uint32_t i = 0; status == OK && i < disk->device.entries; i++)
        disk->free[disk->free_count++] = (uint8_t)i;
    if (status == OK)
        status = arch_irq_register(irq, disk_interrupt, disk);
    if (status == OK)
        virtio_ready(&disk->device);
    return status;
}

static void add_disk(const struct virtio_device *device, uint32_t irq)
{
    struct disk *disk = heap_alloc_zeroed(sizeof *disk);
    status_t status = ERR_NO_MEMORY;

    if (disk) {
        disk->index = disk_count;
        disk->device = *device;
        status = start_disk(disk, irq);
    }
    if (status == OK) {
        disks[disk_count++] = disk;
        kprintf("disk %u: %lu KiB%s\n", disk->index, disk->info.size / 1024,
                disk_read_only(disk) ? ", read-only" : "");
        return;
    }
    if (disk)
        virtio_abandon(&disk->device);
    heap_free(disk);
    kprintf("disk %u ignored: %s\n", disk_count,
            device->version != 2 ? "start QEMU with -global virtio-mmio.force-legacy=false" :
            status == ERR_NO_MEMORY ? "no memory" : "it lacks something that this kernel needs");
}

void disks_init(void)
{
    struct virtio_device device = { 0 };

    for (uint32_t i = 0; i < machine.virtio_count; i++)
        if (virtio_probe(&device, machine.virtio[i].base) == VIRTIO_BLOCK_DEVICE)
            add_disk(&device, machine.virtio[i].irq);
}
