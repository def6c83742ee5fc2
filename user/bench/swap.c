/*
 * swap.c: 256 MiB of anonymous memory on a machine of 128 MiB: swap [sequential].
 *
 * Means over all pages, not medians: page-out works in bursts.  While the machine waits for the disk nothing is counted.  What
 * each pass asked of the disk is printed besides, in pages a request.
 */
#include "bench.h"

#include <string.h>

enum { PAGES = 65536, WORDS = PAGE_SIZE / sizeof(uint64_t) };

static handle_t store;
static uint64_t *memory;

static info_backing_store_t counters(void)
{
    info_backing_store_t info;

    require(sys_backing_store_info(store, &info, sizeof info), "read the counters");
    return info;
}

static void read_page(uint64_t index)
{
    if (memory[index * WORDS] != index + 1) {
        fprintf(stderr, "page %" PRIu64 " is wrong\n", index);
        exit(1);
    }
}

static void read_in_order(uint64_t i) { read_page(i); }
static void write_page(uint64_t i) { memory[i * WORDS] = i + 1; }
/* Each page once, no two neighbours in a row: the step shares no factor with their number. */
static void read_at_random(uint64_t i) { read_page(i * 40503 % PAGES); }

static void print_requests(const char *way, uint64_t pages, uint64_t calls)
{
    if (calls > 0)
        printf("  %s: %" PRIu64 " pages in %" PRIu64 " requests, %" PRIu64 ".%" PRIu64 " each\n", way, pages,
               calls, pages / calls, pages * 10 / calls % 10);
}

static void pass(const char *name, void (*touch)(uint64_t))
{
    info_swap_t before = counters().system, after;
    uint64_t asleep = slept(), begin = instructions(), now;

    for (uint64_t i = 0; i < PAGES; i++)
        touch(i);
    now = instructions();
    printf("BENCH %s: %" PRIu64 "\n", name, (now - begin - (slept() - asleep)) / PAGES);
    after = counters().system;
    print_requests("in", after.pages[SWAP_IN] - before.pages[SWAP_IN], after.calls[SWAP_IN] - before.calls[SWAP_IN]);
    print_requests("out", after.pages[SWAP_OUT] - before.pages[SWAP_OUT],
                   after.calls[SWAP_OUT] - before.calls[SWAP_OUT]);
}

int main(int argument_count, char **arguments)
{
    handle_t device, vmo;
    block_info_t info;

    require(block_open("vda", &device), "open the disk");
    require(sys_block_get_info(device, &info), "ask for its size");
    require(sys_backing_store_create(default_pager_handle(), 4, 0, &store), "create a store");
    require(sys_backing_store_add_segment(store, device, 0, info.size / PAGE_SIZE, PAGE_SIZE), "add the disk");
    require(sys_vmo_create(PAGES * PAGE_SIZE, 0, &vmo), "create");
    memory = (uint64_t *)map_vmo(vmo, VM_READ | VM_WRITE, PAGES * PAGE_SIZE);
    pass("swap, first write pass, per page", write_page);
    pass("swap, sequential read pass, per page", read_in_order);
    if (argument_count < 2 || strcmp(arguments[1], "sequential") != 0)
        pass("swap, random read pass, per page", read_at_random);
    return 0;
}
