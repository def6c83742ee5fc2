/*
 * virtio_blk.c: disks.
 *
 * A request that is running occupies a *slot*: memory for what the device wants to see (header,
 * table of pieces, status byte), allocated at boot, so submitting needs no memory.  With indirect
 * descriptors a slot takes one entry of the ring; a device without them gets a fixed run of entries
 * per slot instead, hence fewer slots.  When all slots are taken, requests wait in a queue, oldest
 * first.  An interrupt ends any number of requests, starts waiting ones in their place, drops the
 * lock, and only then tells the owners.
 *
 * Invariant: running[i] is set exactly while i is not among free_slots; nothing waits while a slot
 * is free.
 * Locks: disk.lock for the queue, the slots and the counters.  `done` is called with none.
 */
#include "dev/disk.h"

#include "dev/virtio.h"
#include "lib/kprintf.h"
#include "mm/heap.h"

#define FEATURE_SEGMENT_LIMIT (1ull << 2)
#define FEATURE_READ_ONLY     (1ull << 5)
#define FEATURE_BLOCK_SIZE    (1ull << 6)
#define FEATURE_FLUSH         (1ull << 9)

enum { CONFIG_CAPACITY = 0, CONFIG_SEGMENT_LIMIT = 12, CONFIG_BLOCK_SIZE = 20 };
enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_FLUSH = 4 };
enum { RESULT_OK = 0, RESULT_NONE = 0xff };

#define SECTOR 512u                             /* the protocol's unit, whatever the block size */
#define SLOT_DESCRIPTORS (DISK_SEGMENTS + 2)    /* header and status besides the data */
#define SLOTS_MAX 64u

struct slot {
    struct { uint32_t type, reserved; uint64_t sector; } header;
    struct virtio_descriptor table[SLOT_DESCRIPTORS];
    volatile uint8_t result;
};

#define SLOTS_PER_FRAME (PAGE_SIZE / sizeof(struct slot))

struct disk {
    /* Immutable after the boot. */
    struct virtio_device device;
    uint32_t index;
    uint64_t size;
    uint32_t block_size;
    uint32_t max_segments;
    uint32_t stride;                            /* ring entries of a slot; 1: indirect descriptors */
    uint32_t slot_count;
    bool read_only, can_flush;
    struct slot *slots[SLOTS_MAX];

    struct spinlock lock;                       /* RANK_BLOCK: all below */
    struct virtqueue queue;
    uint32_t free_count;
    uint8_t free_slots[SLOTS_MAX];              /* numbers, the first free_count are valid */
    struct disk_request *running[SLOTS_MAX];
    struct list waiting;                        /* struct disk_request, oldest first */
    uint64_t reads, writes, flushes, errors;
};

static_assert(sizeof(struct disk) <= HEAP_MAX, "a disk comes from the heap");

static struct disk *disks[array_size(machine.virtio)];
static uint32_t disk_count;

/* --- Starting requests. --- */

static uint32_t request_type(const struct disk_request *request)
{
    if (request->op == BLOCK_FLUSH)
        return TYPE_FLUSH;
    return request->op == BLOCK_WRITE ? TYPE_WRITE : TYPE_READ;
}

/* Put a request into a free slot and its chain into the ring; the device is not told yet. */
static void start_request(struct disk *disk, struct disk_request *request)
{
    uint32_t index = disk->free_slots[--disk->free_count];
    struct slot *slot = disk->slots[index];
    struct virtio_descriptor *ring = &disk->queue.descriptors[index * disk->stride];
    bool indirect = disk->stride == 1;
    struct virtio_descriptor *table = indirect ? slot->table : ring;
    uint16_t base = indirect ? 0 : (uint16_t)(index * disk->stride);
    uint16_t direction = request->op == BLOCK_READ ? DESCRIPTOR_DEVICE_WRITES : 0;
    uint32_t n = 0;

    slot->header.type = request_type(request);
    slot->header.reserved = 0;
    slot->header.sector = request->offset / SECTOR;
    slot->result = RESULT_NONE;

    table[n] = (struct virtio_descriptor){ virt_to_phys(&slot->header), sizeof slot->header,
                                           DESCRIPTOR_NEXT, (uint16_t)(base + 1) };
    for (n = 1; n <= request->segment_count; n++)
        table[n] = (struct virtio_descriptor){ request->segments[n - 1].address,
                                               request->segments[n - 1].length,
                                               DESCRIPTOR_NEXT | direction, (uint16_t)(base + n + 1) };
    table[n] = (struct virtio_descriptor){ virt_to_phys((const void *)&slot->result), 1,
                                           DESCRIPTOR_DEVICE_WRITES, 0 };
    if (indirect)
        *ring = (struct virtio_descriptor){ virt_to_phys(table), (n + 1) * sizeof *table,
                                           DESCRIPTOR_INDIRECT, 0 };

    disk->running[index] = request;
    virtqueue_offer(&disk->queue, (uint16_t)(index * disk->stride));
}

/* Start what waits while there are slots. */
static void start_waiting(struct disk *disk)
{
    bool started = false;

    while (disk->free_count > 0 && !list_empty(&disk->waiting)) {
        start_request(disk, list_entry(list_pop_front(&disk->waiting), struct disk_request, link));
        started = true;
    }
    if (started)
        virtqueue_notify(&disk->queue);
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
    assert(request->segment_count <= disk->max_segments);
    assert((request->op == BLOCK_FLUSH) == (request->segment_count == 0));
    assert(request->op != BLOCK_FLUSH || disk->can_flush);

    spin_lock(&disk->lock);
    list_push_back(&disk->waiting, &request->link);
    start_waiting(disk);
    spin_unlock(&disk->lock);
}

/* --- Ending requests. --- */

/* What the device says about a request; a read that is too short is an error too. */
static status_t request_result(const struct disk_request *request, const struct slot *slot,
                               uint32_t written)
{
    uint64_t expected = 1;

    if (slot->result != RESULT_OK)
        return ERR_IO;
    if (request->op == BLOCK_READ)
        for (uint32_t i = 0; i < request->segment_count; i++)
            expected += request->segments[i].length;
    return written >= expected ? OK : ERR_IO;
}

static void count_request(struct disk *disk, const struct disk_request *request)
{
    if (request->status != OK)
        disk->errors++;
    if (request->op == BLOCK_READ)
        disk->reads++;
    else if (request->op == BLOCK_WRITE)
        disk->writes++;
    else
        disk->flushes++;
}

/* The device is done with the chain that begins with `head`: free its slot.  NULL if that is
 * nonsense. */
static struct disk_request *end_request(struct disk *disk, uint32_t head, uint32_t written)
{
    uint32_t index = head / disk->stride;
    struct disk_request *request;

    if (head % disk->stride || index >= disk->slot_count || !disk->running[index]) {
        kprintf("disk %u: the device returned request %u, which is not running; ignored\n",
                disk->index, head);
        return NULL;
    }
    request = disk->running[index];
    request->status = request_result(request, disk->slots[index], written);
    count_request(disk, request);
    disk->running[index] = NULL;
    disk->free_slots[disk->free_count++] = (uint8_t)index;
    return request;
}

static void disk_interrupt(void *argument)
{
    struct disk *disk = argument;
    struct list ended;
    struct list_node *node;
    uint32_t head, written;

    list_init(&ended);
    spin_lock(&disk->lock);
    virtio_acknowledge(&disk->device);
    while (virtqueue_take(&disk->queue, &head, &written)) {
        struct disk_request *request = end_request(disk, head, written);

        if (request)
            list_push_back(&ended, &request->link);
    }
    if (virtio_needs_reset(&disk->device))
        kprintf("disk %u: the device has stopped and answers no more requests\n", disk->index);
    start_waiting(disk);
    spin_unlock(&disk->lock);

    while ((node = list_pop_front(&ended))) {
        struct disk_request *request = list_entry(node, struct disk_request, link);

        request->done(request, request->status);
    }
}

/* --- Finding disks. --- */

/* As many as the ring has room for. */
static status_t make_slots(struct disk *disk)
{
    struct slot *memory = NULL;

    disk->slot_count = (uint32_t)min_u64(disk->queue.entries / disk->stride, SLOTS_MAX);
    if (disk->slot_count == 0)
        return ERR_NOT_SUPPORTED;
    for (uint32_t i = 0; i < disk->slot_count; i++) {
        if (i % SLOTS_PER_FRAME == 0)
            memory = frame_alloc_virt(FRAME_KERNEL);
        if (!memory)
            return ERR_NO_MEMORY;
        disk->slots[i] = &memory[i % SLOTS_PER_FRAME];
        disk->free_slots[disk->free_count++] = (uint8_t)i;
    }
    return OK;
}

static void free_slots(struct disk *disk)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i += SLOTS_PER_FRAME)
        if (disk->slots[i])
            frame_free_virt(disk->slots[i]);
}

/* Size and limits.  NOT_SUPPORTED for what the rest of the kernel cannot use. */
static status_t read_geometry(struct disk *disk, uint64_t features)
{
    uint64_t sectors = virtio_config_64(&disk->device, CONFIG_CAPACITY);

    disk->read_only = features & FEATURE_READ_ONLY;
    disk->can_flush = features & FEATURE_FLUSH;
    disk->stride = features & VIRTIO_FEATURE_INDIRECT ? 1 : SLOT_DESCRIPTORS;
    disk->block_size = SECTOR;
    if (features & FEATURE_BLOCK_SIZE)
        disk->block_size = virtio_config_32(&disk->device, CONFIG_BLOCK_SIZE);
    disk->max_segments = DISK_SEGMENTS;
    if (features & FEATURE_SEGMENT_LIMIT)
        disk->max_segments = virtio_config_32(&disk->device, CONFIG_SEGMENT_LIMIT);

    if (disk->block_size < SECTOR || disk->block_size > PAGE_SIZE ||
        (disk->block_size & (disk->block_size - 1)) ||
        sectors > UINT64_MAX / 2 / SECTOR)
        return ERR_NOT_SUPPORTED;
    disk->size = sectors * SECTOR / disk->block_size * disk->block_size;
    return OK;
}

/* A chain is never longer than its queue, wherever its table lies. */
static status_t limit_segments(struct disk *disk)
{
    disk->max_segments = (uint32_t)min_u64(disk->max_segments, DISK_SEGMENTS);
    if (disk->max_segments + 2 > disk->queue.entries)
        disk->max_segments = disk->queue.entries - 2;
    return disk->queue.entries > 2 && disk->max_segments >= 2 ? OK : ERR_NOT_SUPPORTED;
}

static status_t start_disk(struct disk *disk, uint32_t irq)
{
    uint64_t features;
    status_t status;

    spin_init(&disk->lock, RANK_BLOCK);
    list_init(&disk->waiting);
    status = virtio_start(&disk->device,
                          FEATURE_SEGMENT_LIMIT | FEATURE_READ_ONLY | FEATURE_BLOCK_SIZE |
                          FEATURE_FLUSH | VIRTIO_FEATURE_INDIRECT, &features);
    if (status == OK)
        status = read_geometry(disk, features);
    if (status == OK)
        status = virtio_make_queue(&disk->device, &disk->queue);
    if (status == OK)
        status = limit_segments(disk);
    if (status == OK)
        status = make_slots(disk);
    if (status == OK)
        status = arch_irq_register(irq, disk_interrupt, disk);
    if (status == OK)
        virtio_ready(&disk->device);
    return status;
}

static void add_disk(const struct virtio_device *device, uint32_t irq)
{
    struct disk *disk;
    status_t status = ERR_NO_MEMORY;

    if (device->version != 2) {
        kprintf("disk %u ignored: start QEMU with -global virtio-mmio.force-legacy=false\n",
                disk_count);
        return;
    }
    disk = heap_alloc_zeroed(sizeof *disk);
    if (disk) {
        disk->device = *device;
        disk->index = disk_count;
        status = start_disk(disk, irq);
        if (status == OK) {
            disks[disk_count++] = disk;
            kprintf("disk %u: %lu KiB%s\n", disk->index, disk->size / 1024,
                    disk->read_only ? ", read-only" : "");
            return;
        }
        virtio_abandon(&disk->device, &disk->queue);
        free_slots(disk);
        heap_free(disk);
    }
    kprintf("disk %u ignored: %s\n", disk_count,
            status == ERR_NO_MEMORY ? "no memory" : "it lacks something that this kernel needs");
}

void disks_init(void)
{
    uint64_t previous = 0;

    for (uint32_t i = 0; i < machine.virtio_count; i++) {
        struct virtio_device device;
        uint32_t next = UINT32_MAX;

        for (uint32_t j = 0; j < machine.virtio_count; j++)
            if (machine.virtio[j].base > previous &&
                (next == UINT32_MAX || machine.virtio[j].base < machine.virtio[next].base))
                next = j;
        if (next == UINT32_MAX)
            return;
        previous = machine.virtio[next].base;
        if (virtio_probe(&device, previous) == VIRTIO_BLOCK_DEVICE)
            add_disk(&device, machine.virtio[next].irq);
    }
}

/* --- What others ask. --- */

struct disk *disk_by_index(uint32_t index)         { return index < disk_count ? disks[index] :
                                                    NULL; }
uint64_t disk_size(const struct disk *disk)        { return disk->size; }
uint32_t disk_block_size(const struct disk *disk)  { return disk->block_size; }
bool disk_read_only(const struct disk *disk)       { return disk->read_only; }
bool disk_can_flush(const struct disk *disk)       { return disk->can_flush; }

/* One page less than there are segments: a transfer that begins inside a page touches one more. */
uint32_t disk_max_transfer(const struct disk *disk)
{
    return (uint32_t)min_u64((disk->max_segments - 1) * PAGE_SIZE, VMO_TRANSFER_MAX);
}

void disk_info(struct disk *disk, block_info_t *info)
{
    *info = (block_info_t){
        .size = disk->size,
        .block_size = disk->block_size,
        .max_transfer = disk_max_transfer(disk),
        .flags = (disk->read_only ? BLOCK_INFO_READ_ONLY : 0) |
            (disk->can_flush ? BLOCK_INFO_FLUSH : 0),
    };
    spin_lock(&disk->lock);
    info->reads = disk->reads;
    info->writes = disk->writes;
    info->flushes = disk->flushes;
    info->errors = disk->errors;
    spin_unlock(&disk->lock);
}
