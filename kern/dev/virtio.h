/*
 * virtio.h: devices behind virtio-mmio registers (version 2 of the transport), and their split queues.
 *
 * It knows nothing of what a device does; dev/virtio_blk.c does.
 */
#pragma once

#include "lib/types.h"

#define VIRTIO_BLOCK_DEVICE 2u              /* what virtio_probe answers for a disk */
#define VIRTIO_FEATURE_INDIRECT  (1ull << 28)
#define VIRTIO_FEATURE_VERSION_1 (1ull << 32)

#define VIRTQUEUE_ENTRIES_MAX 128u          /* so that the three rings of a queue share one frame */

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_DEVICE_WRITES = 2, DESCRIPTOR_INDIRECT = 4 };

struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct virtio_available {                   /* written by us, read by the device */
    uint16_t flags, index;
    uint16_t ring[];
};

struct virtio_used {                        /* written by the device, read by us */
    uint16_t flags, index;
    struct { uint32_t id, length; } ring[];
};

struct virtio_device {
    vaddr_t registers;
    uint32_t version;                       /* of the transport: 1 is the legacy one, which we do not speak */
    uint64_t offered;                       /* features, from virtio_start on */
};

struct virtqueue {
    struct virtio_device *device;
    uint32_t entries;                       /* a power of two */
    struct virtio_descriptor *descriptors;
    volatile struct virtio_available *available;
    volatile struct virtio_used *used;
    uint16_t used_seen;                     /* how many used entries were taken */
};

/* What is behind the registers at `base`: a device number, or 0 for nothing. */
uint32_t virtio_probe(struct virtio_device *device, paddr_t base);
/* Reset the device and agree on VERSION_1 and those of `wanted` that it offers.  NOT_SUPPORTED. */
status_t virtio_start(struct virtio_device *device, uint64_t wanted, uint64_t *out_features);
/* Make the only queue.  NOT_SUPPORTED, NO_MEMORY. */
status_t virtio_make_queue(struct virtio_device *device, struct virtqueue *queue);
/* All is prepared: the device may work / we give it up for good (it forgets the queue, whose memory is freed). */
void virtio_ready(struct virtio_device *device);
void virtio_abandon(struct virtio_device *device, struct virtqueue *queue);
/* The device's own configuration, from the byte `offset` on. */
uint32_t virtio_config_32(struct virtio_device *device, uint32_t offset);
uint64_t virtio_config_64(struct virtio_device *device, uint32_t offset);
/* In the interrupt: take note of its reasons. */
void virtio_acknowledge(struct virtio_device *device);
/* Has the device stopped for good because of an error? */
bool virtio_needs_reset(struct virtio_device *device);

/* Give the chain of descriptors that begins with `head` to the device; it is told by virtqueue_notify. */
void virtqueue_offer(struct virtqueue *queue, uint16_t head);
void virtqueue_notify(struct virtqueue *queue);
/* The next chain that the device is done with: its head as the device tells it, unchecked, and the bytes it wrote. */
bool virtqueue_take(struct virtqueue *queue, uint32_t *out_head, uint32_t *out_length);
