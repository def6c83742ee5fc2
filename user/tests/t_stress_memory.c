/*
 * t_stress_memory.c: memory objects under everything at once: threads that read, write, resize,
 * zero, map, split, supply and transfer the pages of the same few VMOs, a pager that answers as it
 * likes, and kills in between.  The kernel lives, and all is given back.
 *
 * Machine: cpus=4
 */
#include "disk_rig.h"
#include "pager_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGES     160u                  /* of each VMO, to begin with */
#define OBJECTS   6u
#define PLACE     0x2200000000ul        /* WINDOW pages for each worker */
#define WINDOW    64u

static int64_t duration = 2 * SECOND;

/* 0, 1: anonymous; 2, 3: a pager's; 4: a device's; 5: a reference to 2. */
static handle_t vmos[OBJECTS];
static handle_t streams[OBJECTS];
static handle_t pager, pager_port, device, device_port;

static struct worker {
    struct raw_thread thread;
    unsigned number;
    uint64_t random;
    char buffer[8 * PAGE_SIZE];
} workers[6];

static struct raw_thread answerer;

static void move_bytes(struct worker *worker, uint64_t random, handle_t vmo, uint64_t at)
{
    uint64_t length = random % sizeof worker->buffer + 1, done;
    char *window = (char *)(PLACE + worker->number * WINDOW * PAGE_SIZE);
    char *buffer = random & (1 << 20) ? worker->buffer : window;
    handle_t stream = streams[(random >> 24) % OBJECTS];

    switch ((random >> 32) % 6) {
    case 0: sys_vmo_read(vmo, VMO_MAY_BLOCK, buffer, at, length); break;
    case 1: sys_vmo_write(vmo, VMO_MAY_BLOCK, buffer, at, length); break;
    case 2: sys_stream_read_at(stream, buffer, at, length, &done); break;
    case 3: sys_stream_write_at(stream, buffer, at, length, &done); break;
    case 4: sys_stream_read(stream, buffer, length, &done); break;
    case 5: sys_stream_seek(stream, STREAM_SEEK_START, at, &done); break;
    }
}

static void change_range(uint64_t random, handle_t vmo, uint64_t at)
{
    static const uint32_t ops[] = {
        VMO_OP_COMMIT, VMO_OP_DECOMMIT, VMO_OP_ZERO, VMO_OP_PREFETCH, VMO_OP_SYNC,
    };
    uint64_t length = random % (PAGES * PAGE_SIZE);

    if (random & (1 << 24))
        length &= -PAGE_SIZE;
    if ((random >> 32) % 8 == 0)
        sys_vmo_set_size(vmo, 3 * at);
    else
        sys_vmo_op_range(vmo, ops[(random >> 32) % array_size(ops)] | VMO_OP_MAY_BLOCK,
                         at & -PAGE_SIZE, length, NULL, 0);
}

static void change_mappings(struct worker *worker, uint64_t random, handle_t vmo, uint64_t at)
{
    uint32_t enter = random & (1 << 24) ? VM_MAP_RANGE : 0;
    uintptr_t place = PLACE + worker->number * WINDOW * PAGE_SIZE, mapped;
    uint64_t first = random % WINDOW, count = (random >> 8) % (WINDOW - first) + 1;

    place += first * PAGE_SIZE;
    switch ((random >> 32) % 4) {
    case 0:
    case 1:
        sys_vm_unmap(process_self(), place, count * PAGE_SIZE);
        sys_vm_map(process_self(), READ_WRITE | VM_FIXED | enter, place, vmo, at & -PAGE_SIZE,
                   count * PAGE_SIZE, &mapped);
        break;
    case 2:
        sys_vm_unmap(process_self(), place, count * PAGE_SIZE);
        break;
    case 3:
        sys_vm_protect(process_self(), enter ? VM_READ : READ_WRITE, place, count * PAGE_SIZE);
        break;
    }
}

static void move_pages(uint64_t random, handle_t vmo, uint64_t at)
{
    uint64_t length = (random % 32 + 1) * PAGE_SIZE;
    handle_t child;

    at &= -PAGE_SIZE;
    switch ((random >> 32) % 4) {
    case 0:
        sys_pager_supply_pages(pager, vmos[2 + (random >> 40) % 2],
                               (random >> 8) % PAGES * PAGE_SIZE, length,
                               vmos[(random >> 44) % 2], at);
        break;
    case 1:
        sys_block_submit(device, device_port, 1, BLOCK_READ, vmos[(random >> 40) % 2], at, 0,
                         length);
        break;
    case 2:
        sys_block_submit(device, device_port, 2, BLOCK_WRITE, vmos[(random >> 40) % 4], at,
                         1 << 20, length);
        break;
    case 3:
        if (sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &child) == OK)
            sys_handle_close(child);
        break;
    }
}

static void work(void *argument)
{
    struct worker *worker = argument;

    for (;;) {
        uint64_t random = next_random(&worker->random);
        handle_t vmo = vmos[random % OBJECTS];
        uint64_t at = (random >> 8) % (PAGES * PAGE_SIZE);

        random = next_random(&worker->random);
        switch (random >> 61) {
        case 0: case 1: case 2: move_bytes(worker, random, vmo, at); break;
        case 3: case 4: change_range(random, vmo, at); break;
        case 5: change_mappings(worker, random, vmo, at); break;
        default: move_pages(random, vmo, at); break;
        }
    }
}

/* The pager: some requests fail, some are answered in part before the rest fails. */
static void answer(void *argument)
{
    uint64_t random = 0x1234567;
    port_packet_t packet;
    handle_t aux;

    (void)argument;
    while (sys_port_wait(pager_port, DEADLINE_INFINITE, &packet) == OK) {
        uint64_t offset = packet.page_request.offset, length = packet.page_request.length;
        uint64_t supplied = next_random(&random) & 1 ? PAGE_SIZE : length;
        handle_t vmo = vmos[2 + packet.key % 2];

        if (next_random(&random) % 4 != 0 && sys_vmo_create(supplied, 0, &aux) == OK) {
            sys_vmo_op_range(aux, VMO_OP_COMMIT, 0, supplied, NULL, 0);
            sys_pager_supply_pages(pager, vmo, offset, supplied, aux, 0);
            sys_handle_close(aux);
        }
        sys_pager_op_range(pager, PAGER_OP_FAIL, vmo, offset, length, (uint64_t)(int64_t)ERR_IO);
    }
}

static void drain(handle_t port)
{
    port_packet_t packet;

    while (sys_port_wait(port, 0, &packet) == OK)
        ;
}

static void start_worker(struct worker *worker)
{
    raw_thread_start(&worker->thread, work, worker);
}

static void stop(struct raw_thread *thread)
{
    CHECK_OK(sys_task_kill(thread->handle));
    wait_for_end(thread->handle);
}

/* In a process of its own: what the killed held goes with it. */
static int stress(uint64_t random)
{
    device = open_scratch();
    pager = new_pager();
    pager_port = new_port();
    device_port = new_port();
    vmos[0] = new_resizable_vmo(PAGES);
    vmos[1] = new_resizable_vmo(PAGES);
    vmos[2] = new_pager_vmo(pager, pager_port, 0, PAGES);
    vmos[3] = new_pager_vmo(pager, pager_port, 1, PAGES);
    CHECK_OK(sys_block_create_vmo(device, 0, &vmos[4]));
    CHECK_OK(sys_vmo_create_child(vmos[2], VMO_CHILD_REFERENCE, 0, 0, &vmos[5]));
    for (unsigned i = 0; i < OBJECTS; i++)
        CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, vmos[i], 0, &streams[i]));
    raw_thread_start(&answerer, answer, NULL);
    for (unsigned i = 0; i < array_size(workers); i++) {
        workers[i].number = i;
        workers[i].random = next_random(&random);
        start_worker(&workers[i]);
    }
    for (int64_t end = after(duration); sys_clock_get() < end; ) {
        struct worker *victim = &workers[next_random(&random) % array_size(workers)];

        sys_nanosleep(after(next_random(&random) % 3000000));
        drain(device_port);
        stop(&victim->thread);
        start_worker(victim);
    }
    if (random & 1)                     /* else all end at once */
        for (unsigned i = 0; i < array_size(workers); i++)
            stop(&workers[i].thread);
    return 0;
}

int test_helper(int argument_count, char **arguments)
{
    uint64_t seed = strtoull(arguments[argument_count - 1], NULL, 10);

    if (argument_count > 3)             /* soak SECONDS SEED */
        duration = atoll(arguments[2]) * SECOND;
    return seed ? stress(seed) : 0;
}

TEST(everything_at_once)
{
    struct leftovers before;
    char seed[24];

    CHECK_OK(sys_handle_close(open_scratch()));
    CHECK_EQ(exit_code_of(start_helper("0", HANDLE_INVALID)), 0);   /* what the first one keeps */
    before = leftovers_now();
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)sys_clock_get());
    printf("# seed %s\n", seed);
    CHECK_EQ(exit_code_of(start_helper(seed, HANDLE_INVALID)), 0);
    CHECK(comes_true(nothing_is_left_over, &before));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
