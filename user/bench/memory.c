/*
 * memory.c: first touches of anonymous memory, and stores after a snapshot of it.
 */
#include "bench.h"

enum { PAGES = 1000 };

static struct samples samples;

static char *fresh_memory(handle_t *out_vmo)
{
    require(sys_vmo_create(PAGES * PAGE_SIZE, 0, out_vmo), "create");
    return map_vmo(*out_vmo, VM_READ | VM_WRITE, PAGES * PAGE_SIZE);
}

static void drop_memory(volatile char *memory, handle_t vmo)
{
    require(sys_vm_unmap(process_self(), (uintptr_t)memory, PAGES * PAGE_SIZE), "unmap");
    require(sys_handle_close(vmo), "close");
}

/* One sample a page: the store, or the load, that finds it not there or not writable. */
static void touch_pages(volatile char *memory, bool store)
{
    for (size_t i = 0; i < PAGES; i++) {
        uint64_t begin = instructions();

        if (store)
            memory[i * PAGE_SIZE] = 1;
        else
            (void)memory[i * PAGE_SIZE];
        sample(&samples, spent_since(begin));
    }
}

static handle_t snapshot(handle_t vmo)
{
    handle_t child;

    require(sys_vmo_create_child(vmo, VMO_CHILD_SNAPSHOT, 0, PAGES * PAGE_SIZE, &child), "snapshot");
    return child;
}

int main(void)
{
    handle_t vmo, child;
    volatile char *memory = fresh_memory(&vmo);

    touch_pages(memory, false);
    report("anonymous read fault", &samples, 1);
    drop_memory(memory, vmo);

    memory = fresh_memory(&vmo);
    touch_pages(memory, true);
    report("anonymous write fault", &samples, 1);

    child = snapshot(vmo);
    touch_pages(memory, true);
    report("copy-on-write fault", &samples, 1);
    require(sys_handle_close(child), "close");

    require(sys_handle_close(snapshot(vmo)), "close");
    touch_pages(memory, true);
    report("write fault on a page with one owner left", &samples, 1);
    drop_memory(memory, vmo);
    return 0;
}
