/*
 * virtio.c: talking to a virtio device: registers, the agreement on features, and the queue.
 *
 * A queue is three rings in one frame: descriptors (what and where), available (heads of chains
 * that we give) and used (heads that the device gives back).  Either side announces new entries by
 * counting its index up, so every entry must be in memory before the index, and read after it; that
 * is what the fences are for.
 *
 * Invariant: what the device writes is data: nothing here trusts it for more than a number.
 * Locks: none; the driver that owns the queue locks around the virtqueue_ calls.
 */
#include "dev/virtio.h"

#include "arch.h"
#include "mm/frame.h"

enum {
    REGISTER_MAGIC = 0x000, REGISTER_VERSION = 0x004, REGISTER_DEVICE = 0x008,
    REGISTER_OFFERED = 0x010, REGISTER_OFFERED_SELECT = 0x014,
    REGISTER_ACCEPTED = 0x020, REGISTER_ACCEPTED_SELECT = 0x024,
    REGISTER_QUEUE_SELECT = 0x030, REGISTER_QUEUE_MAX = 0x034, REGISTER_QUEUE_SIZE = 0x038,
    REGISTER_QUEUE_READY = 0x044, REGISTER_QUEUE_NOTIFY = 0x050,
    REGISTER_INTERRUPT_STATUS = 0x060, REGISTER_INTERRUPT_ACKNOWLEDGE = 0x064,
    REGISTER_STATUS = 0x070,
    REGISTER_DESCRIPTORS = 0x080, REGISTER_AVAILABLE = 0x090, REGISTER_USED = 0x0a0,
    REGISTER_GENERATION = 0x0fc, REGISTER_CONFIG = 0x100,
};

enum {
    STATUS_ACKNOWLEDGED = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64, STATUS_FAILED = 128,
};

#define MAGIC 0x74726976u                   /* "virt" */
#define USED_NO_NOTIFY 1u
#define USED_RING_AT (PAGE_SIZE * 5 / 8)    /* in the frame of a queue */

static_assert(VIRTQUEUE_ENTRIES_MAX * (sizeof(struct virtio_descriptor) + sizeof(uint16_t)) +
                  sizeof(struct virtio_available) + sizeof(uint16_t) <= USED_RING_AT,
              "descriptors and the available ring come before the used ring");
static_assert(USED_RING_AT + sizeof(struct virtio_used) + sizeof(uint16_t) +
                  VIRTQUEUE_ENTRIES_MAX * 2 * sizeof(uint32_t) <= PAGE_SIZE,
              "the rings fit one frame");

static uint32_t register_read(const struct virtio_device *device, uint32_t offset)
{
    return *(volatile uint32_t *)(device->registers + offset);
}

static void register_write(struct virtio_device *device, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(device->registers + offset) = value;
}

static void register_write_address(struct virtio_device *device, uint32_t offset,
                                   const volatile void *address)
{
    paddr_t physical = virt_to_phys((const void *)address);

    register_write(device, offset, (uint32_t)physical);
    register_write(device, offset + 4, (uint32_t)(physical >> 32));
}

static void status_add(struct virtio_device *device, uint32_t bits)
{
    register_write(device, REGISTER_STATUS, register_read(device, REGISTER_STATUS) | bits);
}

uint32_t virtio_probe(struct virtio_device *device, paddr_t base)
{
    device->registers = (vaddr_t)phys_to_virt(base);
    if (register_read(device, REGISTER_MAGIC) != MAGIC)
        return 0;
    device->version = register_read(device, REGISTER_VERSION);
    return register_read(device, REGISTER_DEVICE);
}

status_t virtio_start(struct virtio_device *device, uint64_t wanted, uint64_t *out_features)
{
    uint64_t accepted;

    register_write(device, REGISTER_STATUS, 0);
    status_add(device, STATUS_ACKNOWLEDGED);
    status_add(device, STATUS_DRIVER);

    register_write(device, REGISTER_OFFERED_SELECT, 0);
    device->offered = register_read(device, REGISTER_OFFERED);
    register_write(device, REGISTER_OFFERED_SELECT, 1);
    device->offered |= (uint64_t)register_read(device, REGISTER_OFFERED) << 32;

    accepted = device->offered & (wanted | VIRTIO_FEATURE_VERSION_1);
    register_write(device, REGISTER_ACCEPTED_SELECT, 0);
    register_write(device, REGISTER_ACCEPTED, (uint32_t)accepted);
    register_write(device, REGISTER_ACCEPTED_SELECT, 1);
    register_write(device, REGISTER_ACCEPTED, (uint32_t)(accepted >> 32));
    status_add(device, STATUS_FEATURES_OK);
    if (!(accepted & VIRTIO_FEATURE_VERSION_1) ||
        !(register_read(device, REGISTER_STATUS) & STATUS_FEATURES_OK))
        return ERR_NOT_SUPPORTED;
    *out_features = accepted;
    return OK;
}

status_t virtio_make_queue(struct virtio_device *device, struct virtqueue *queue)
{
    uint32_t entries = VIRTQUEUE_ENTRIES_MAX;
    uint32_t limit;
    char *memory;

    register_write(device, REGISTER_QUEUE_SELECT, 0);
    limit = register_read(device, REGISTER_QUEUE_MAX);
    if (limit == 0 || register_read(device, REGISTER_QUEUE_READY))
        return ERR_NOT_SUPPORTED;
    while (entries > limit)
        entries /= 2;
    memory = frame_alloc_virt(FRAME_KERNEL);
    if (!memory)
        return ERR_NO_MEMORY;

    queue->device = device;
    queue->entries = entries;
    queue->used_seen = 0;
    queue->descriptors = (struct virtio_descriptor *)memory;
    queue->available = (struct virtio_available *)(queue->descriptors + entries);
    queue->used = (struct virtio_used *)(memory + USED_RING_AT);

    register_write(device, REGISTER_QUEUE_SIZE, entries);
    register_write_address(device, REGISTER_DESCRIPTORS, queue->descriptors);
    register_write_address(device, REGISTER_AVAILABLE, queue->available);
    register_write_address(device, REGISTER_USED, queue->used);
    arch_device_fence();
    register_write(device, REGISTER_QUEUE_READY, 1);
    return OK;
}

void virtio_ready(struct virtio_device *device)
{
    status_add(device, STATUS_DRIVER_OK);
}

/* After the reset the device touches no memory of ours. */
void virtio_abandon(struct virtio_device *device, struct virtqueue *queue)
{
    register_write(device, REGISTER_STATUS, 0);
    register_write(device, REGISTER_STATUS, STATUS_FAILED);
    if (queue->descriptors)
        frame_free_virt(queue->descriptors);
    queue->descriptors = NULL;
}

uint32_t virtio_config_32(struct virtio_device *device, uint32_t offset)
{
    return register_read(device, REGISTER_CONFIG + offset);
}

/* The generation changes when the device changes its configuration: then read both halves again. */
uint64_t virtio_config_64(struct virtio_device *device, uint32_t offset)
{
    uint32_t generation;
    uint64_t value;

    do {
        generation = register_read(device, REGISTER_GENERATION);
        value = virtio_config_32(device, offset) |
            (uint64_t)virtio_config_32(device, offset + 4) << 32;
    } while (register_read(device, REGISTER_GENERATION) != generation);
    return value;
}

void virtio_acknowledge(struct virtio_device *device)
{
    register_write(device, REGISTER_INTERRUPT_ACKNOWLEDGE,
                   register_read(device, REGISTER_INTERRUPT_STATUS));
    arch_device_fence();
}

bool virtio_needs_reset(struct virtio_device *device)
{
    return register_read(device, REGISTER_STATUS) & STATUS_NEEDS_RESET;
}

void virtqueue_offer(struct virtqueue *queue, uint16_t head)
{
    uint16_t index = queue->available->index;

    queue->available->ring[index % queue->entries] = head;
    arch_device_fence();
    queue->available->index = index + 1;
}

/* The index must be visible before we look whether the device wants to be told: else both sides
 * could sleep. */
void virtqueue_notify(struct virtqueue *queue)
{
    arch_device_fence();
    if (!(queue->used->flags & USED_NO_NOTIFY))
        register_write(queue->device, REGISTER_QUEUE_NOTIFY, 0);
}

bool virtqueue_take(struct virtqueue *queue, uint32_t *out_head, uint32_t *out_length)
{
    uint32_t entry = queue->used_seen % queue->entries;

    if (queue->used->index == queue->used_seen)
        return false;
    arch_device_fence();
    *out_head = queue->used->ring[entry].id;
    *out_length = queue->used->ring[entry].length;
    queue->used_seen++;
    return true;
}
