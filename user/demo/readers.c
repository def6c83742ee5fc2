/*
 * readers.c: several threads read one disk at random, each waiting for its own block.
 *
 * Every thread has one request in flight, so a driver that starts a request as soon as it is submitted keeps as
 * many on the disk as there are readers.  test/test_disk.py counts them in QEMU's trace.
 *
 *     readers DISK [THREADS] [READS EACH]
 */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK 4096u
#define MAX_THREADS 32

struct reader {
    handle_t thread;
    uint32_t number, reads;
    status_t status;
};

static handle_t device;
static uint64_t blocks;

/* Read one block into the VMO and wait for it. */
static status_t read_block(handle_t port, handle_t vmo, uint64_t block)
{
    port_packet_t packet;
    status_t status = sys_block_submit(device, port, block, BLOCK_READ, vmo, 0, block * BLOCK, BLOCK);

    if (status == OK)
        status = sys_port_wait(port, DEADLINE_INFINITE, &packet);
    return status == OK ? packet.status : status;
}

static void read_at_random(void *argument)
{
    struct reader *reader = argument;
    uint64_t random = 88172645463325252ull + reader->number * 1000003ull;
    handle_t port, vmo;

    reader->status = sys_port_create(0, &port);
    if (reader->status == OK)
        reader->status = sys_vmo_create(BLOCK, 0, &vmo);
    for (uint32_t i = 0; i < reader->reads && reader->status == OK; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        reader->status = read_block(port, vmo, random % blocks);
    }
}

int main(int argument_count, char **arguments)
{
    uint32_t threads = argument_count > 2 ? (uint32_t)atoi(arguments[2]) : 8;
    uint32_t reads = argument_count > 3 ? (uint32_t)atoi(arguments[3]) : 200;
    struct reader readers[MAX_THREADS];
    block_info_t info;
    status_t status = block_open(argument_count > 1 ? arguments[1] : "vda", &device);

    if (threads < 1 || threads > MAX_THREADS) {
        printf("readers: 1 to %d threads\n", MAX_THREADS);
        return 2;
    }
    if (status == OK)
        status = sys_block_get_info(device, &info);
    blocks = status == OK ? info.size / BLOCK : 0;
    for (uint32_t i = 0; i < threads && status == OK; i++) {
        readers[i] = (struct reader){ .number = i, .reads = reads };
        status = quire_thread_create(read_at_random, &readers[i], &readers[i].thread);
    }
    for (uint32_t i = 0; i < threads && status == OK; i++) {
        status = quire_thread_join(readers[i].thread);
        if (status == OK)
            status = readers[i].status;
    }
    if (status != OK) {
        printf("readers: %s\n", status_text(status));
        return 1;
    }
    printf("%u threads made %u reads each\n", threads, reads);
    return 0;
}
