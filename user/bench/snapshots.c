/*
 * snapshots.c: a snapshot of memory that is all there and mapped.
 */
#include "bench.h"

enum { PAGES = 4096, ROUNDS = 3 };

static struct samples samples;

int main(void)
{
    handle_t vmo, child;

    require(sys_vmo_create(PAGES * PAGE_SIZE, 0, &vmo), "create");
    volatile char *memory = map_vmo(vmo, VM_READ | VM_WRITE, PAGES * PAGE_SIZE);

    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < PAGES; i++)
            memory[i * PAGE_SIZE] = 1;          /* so that each is mapped writable again */
        uint64_t begin = instructions();

        require(sys_vmo_create_child(vmo, VMO_CHILD_SNAPSHOT, 0, PAGES * PAGE_SIZE, &child), "snapshot");
        sample(&samples, spent_since(begin));
        require(sys_handle_close(child), "close");
    }
    report("snapshot of 16 MiB resident", &samples, 1);
    return 0;
}
