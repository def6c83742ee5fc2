/*
 * virtio.h: devices behind virtio-mmio registers (version 2 of the transport) with one split queue.
 *
 * It knows nothing of what a device does; dev/virtio_blk.c does.
 */
#pragma once

#include "lib/types.h"

#define VIRTIO_BLOCK_DEVICE 2u              /* what virtio_probe answers for a disk */
#define VIRTIO_FEATURE_INDIRECT  (1ull << 28)
#define VIRTIO_FEATURE_VERSION_1 (1ull << 32)

#define VIRTIO_QUEUE_MAX 64u                /* its three rings share one frame */

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_DEVICE_WRITES = 2, DESCRIPTOR_INDIRECT = 4 };

struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

/* The queue: what and where; entries that we give; entries that the device gives back. */
struct virtio_rings {
    struct virtio_descriptor descriptors[VIRTIO_QUEUE_MAX];
    struct {
        volatile uint16_t flags, index, ring[VIRTIO_QUEUE_MAX], event;
    } available;
    struct {
        volatile uint16_t flags, index;
        volatile struct { uint32_t number, length; } ring[VIRTIO_QUEUE_MAX];
        volatile uint16_t event;
    } used;
};

struct virtio_device {
    vaddr_t registers;
    uint32_t version;                       /* of the transport; 1, the legacy one, is no use */
    uint64_t features;                      /* agreed on */
    uint32_t entries;                       /* of the queue; a power of two */
    struct virtio_rings *rings;
    uint16_t used_seen;                     /* how many used entries were taken */
};

/* What is behind the registers at `base`: a device number, or 0 for nothing. */
uint32_t virtio_probe(struct virtio_device *device, paddr_t base);
/*
 * Reset the device, agree on VERSION_1, all of `required` and those of `wanted` that it offers, and
 * make its queue.  NOT_SUPPORTED; NO_MEMORY.
 */
status_t virtio_start(struct virtio_device *device, uint64_t required, uint64_t wanted);
/* All is prepared: the device may work / it is given up for good and touches no more memory. */
void virtio_ready(struct virtio_device *device);
void virtio_abandon(struct virtio_device *device);
/* The device's own configuration, from the byte `offset` on. */
uint32_t virtio_config_32(struct virtio_device *device, uint32_t offset);
uint64_t virtio_config_64(struct virtio_device *device, uint32_t offset);
/* In the interrupt: take note of its reasons.  False: the device has stopped after an error. */
bool virtio_acknowledge(struct virtio_device *device);

/* Give the device a table of descriptors as entry `number` of the queue / tell it to look there. */
void virtio_offer(struct virtio_device *device, uint32_t number,
                  const struct virtio_descriptor *table, uint32_t count);
void virtio_notify(struct virtio_device *device);
/* The next entry that it is done with, the number unchecked, and how many bytes it wrote. */
bool virtio_take(struct virtio_device *device, uint32_t *out_number, uint32_t *out_length);
