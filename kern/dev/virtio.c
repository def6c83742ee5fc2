/*
 * virtio.c: talking to a virtio device: registers, the agreement on features, and the queue.
 *
 * A queue is three rings in one frame: descriptors (what and where), available (entries that we
 * give) and used (entries that the device gives back).  Either side announces new entries by
 * counting its index up, so every entry must be in memory before the index, and read after it; that
 * is what the fences are for.  One entry is a whole request: its descriptors are in a table of
 * their own, elsewhere (INDIRECT), so entry i always uses descriptor i.
 *
 * Invariant: what the device writes is data: nothing here trusts it for more than a number.
 * Locks: none; the driver locks around whatever touches the queue.
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

static_assert(sizeof(struct virtio_rings) <= PAGE_SIZE, "the rings fit one frame");

static volatile uint32_t *at(const struct virtio_device *device, uint32_t offset)
{
    return (volatile uint32_t *)(device->registers + offset);
}

static void write_64(const struct virtio_device *device, uint32_t offset, uint64_t value)
{
    *at(device, offset) = (uint32_t)value;
    *at(device, offset + 4) = (uint32_t)(value >> 32);
}

uint32_t virtio_probe(struct virtio_device *device, paddr_t base)
{
    device->registers = (vaddr_t)phys_to_virt(base);
    if (*at(device, REGISTER_MAGIC) != MAGIC)
        return 0;
    device->version = *at(device, REGISTER_VERSION);
    return *at(device, REGISTER_DEVICE);
}

static status_t agree_on_features(struct virtio_device *device, uint64_t required, uint64_t wanted)
{
    uint64_t offered = 0;

    for (uint32_t half = 0; half < 2; half++) {
        *at(device, REGISTER_OFFERED_SELECT) = half;
        offered |= (uint64_t)*at(device, REGISTER_OFFERED) << (32 * half);
    }
    if (required & ~offered)
        return ERR_NOT_SUPPORTED;
    device->features = offered & (required | wanted);
    for (uint32_t half = 0; half < 2; half++) {
        *at(device, REGISTER_ACCEPTED_SELECT) = half;
        *at(device, REGISTER_ACCEPTED) = (uint32_t)(device->features >> (32 * half));
    }
    *at(device, REGISTER_STATUS) |= STATUS_FEATURES_OK;
    return *at(device, REGISTER_STATUS) & STATUS_FEATURES_OK ? OK : ERR_NOT_SUPPORTED;
}

static status_t make_queue(struct virtio_device *device)
{
    struct virtio_rings *rings;
    uint32_t limit;

    *at(device, REGISTER_QUEUE_SELECT) = 0;
    limit = *at(device, REGISTER_QUEUE_MAX);
    if (limit == 0 || *at(device, REGISTER_QUEUE_READY))
        return ERR_NOT_SUPPORTED;
    for (device->entries = VIRTIO_QUEUE_MAX; device->entries > limit; device->entries /= 2)
        ;
    device->rings = rings = frame_alloc_virt(FRAME_KERNEL);
    if (!rings)
        return ERR_NO_MEMORY;

    *at(device, REGISTER_QUEUE_SIZE) = device->entries;
    write_64(device, REGISTER_DESCRIPTORS, virt_to_phys(&rings->descriptors));
    write_64(device, REGISTER_AVAILABLE, virt_to_phys(&rings->available));
    write_64(device, REGISTER_USED, virt_to_phys(&rings->used));
    arch_device_fence();
    *at(device, REGISTER_QUEUE_READY) = 1;
    return OK;
}

status_t virtio_start(struct virtio_device *device, uint64_t required, uint64_t wanted)
{
    status_t status = ERR_NOT_SUPPORTED;

    if (device->version != 2)
        return status;
    *at(device, REGISTER_STATUS) = 0;
    *at(device, REGISTER_STATUS) |= STATUS_ACKNOWLEDGED;
    *at(device, REGISTER_STATUS) |= STATUS_DRIVER;
    status = agree_on_features(device, required | VIRTIO_FEATURE_VERSION_1, wanted);
    return status == OK ? make_queue(device) : status;
}

void virtio_ready(struct virtio_device *device)
{
    *at(device, REGISTER_STATUS) |= STATUS_DRIVER_OK;
}

void virtio_abandon(struct virtio_device *device)
{
    *at(device, REGISTER_STATUS) = 0;
    *at(device, REGISTER_STATUS) = STATUS_FAILED;
    if (device->rings)
        frame_free_virt(device->rings);
    device->rings = NULL;
}

uint32_t virtio_config_32(struct virtio_device *device, uint32_t offset)
{
    return *at(device, REGISTER_CONFIG + offset);
}

/* The generation changes with the configuration: then both halves are read again. */
uint64_t virtio_config_64(struct virtio_device *device, uint32_t offset)
{
    uint32_t generation;
    uint64_t low, high;

    do {
        generation = *at(device, REGISTER_GENERATION);
        low = virtio_config_32(device, offset);
        high = virtio_config_32(device, offset + 4);
    } while (*at(device, REGISTER_GENERATION) != generation);
    return high << 32 | low;
}

bool virtio_acknowledge(struct virtio_device *device)
{
    *at(device, REGISTER_INTERRUPT_ACKNOWLEDGE) = *at(device, REGISTER_INTERRUPT_STATUS);
    arch_device_fence();
    return !(*at(device, REGISTER_STATUS) & STATUS_NEEDS_RESET);
}

void virtio_offer(struct virtio_device *device, uint32_t number,
                  const struct virtio_descriptor *table, uint32_t count)
{
    struct virtio_rings *rings = device->rings;
    uint16_t index = rings->available.index;

    rings->descriptors[number] = (struct virtio_descriptor){
        virt_to_phys(table), count * sizeof *table, DESCRIPTOR_INDIRECT, 0,
    };
    rings->available.ring[index % device->entries] = (uint16_t)number;
    arch_device_fence();
    rings->available.index = index + 1;
}

/* The index is visible before we look whether it wants to be told: else both sides could sleep. */
void virtio_notify(struct virtio_device *device)
{
    arch_device_fence();
    if (!(device->rings->used.flags & USED_NO_NOTIFY))
        *at(device, REGISTER_QUEUE_NOTIFY) = 0;
}

bool virtio_take(struct virtio_device *device, uint32_t *out_number, uint32_t *out_length)
{
    struct virtio_rings *rings = device->rings;
    uint32_t entry = device->used_seen % device->entries;

    if (rings->used.index == device->used_seen)
        return false;
    arch_device_fence();
    *out_number = rings->used.ring[entry].number;
    *out_length = rings->used.ring[entry].length;
    device->used_seen++;
    return true;
}
