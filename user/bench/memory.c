/*
 * memory.c: first touches of anonymous memory.
 */
#include "bench.h"

enum { PAGES = 1000 };

static struct samples samples;

static char *fresh_memory(void)
{
    handle_t vmo;

    require(sys_vmo_create(PAGES * PAGE_SIZE, 0, &vmo), "create");
    char *memory = map_vmo(vmo, VM_READ | VM_WRITE, PAGES * PAGE_SIZE);
    require(sys_handle_close(vmo), "close");
    return memory;
}

int main(void)
{
    volatile char *memory = fresh_memory();
    uint64_t begin;

    for (size_t i = 0; i < PAGES; i++) {
        begin = instructions();
        memory[i * PAGE_SIZE] = 1;
        sample(&samples, spent_since(begin));
    }
    report("anonymous write fault", &samples, 1);

    memory = fresh_memory();
    for (size_t i = 0; i < PAGES; i++) {
        begin = instructions();
        (void)memory[i * PAGE_SIZE];
        sample(&samples, spent_since(begin));
    }
    report("anonymous read fault", &samples, 1);
    return 0;
}
