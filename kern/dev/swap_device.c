/* Provisional: the last disk is for paging if the command line says swap=1. */
#include "dev/disk.h"
#include "lib/command_line.h"
#include "vm/backing_store.h"

#define REQUESTS 16u
static struct request { struct disk_request disk; bool used; void (*done)(void *, status_t); void *argument; } requests[REQUESTS];
static struct spinlock lock = SPINLOCK_INITIALIZER(RANK_SWAP);

static void done(struct disk_request *disk, status_t status)
{
    struct request *request = container_of(disk, struct request, disk);
    void (*call)(void *, status_t) = request->done;
    void *argument = request->argument;

    spin_lock(&lock);
    request->used = false;
    spin_unlock(&lock);
    call(argument, status);
}

static void submit(struct swap_device *device, bool out, uint64_t offset, struct page **pages, uint32_t count,
                   void (*call)(void *argument, status_t status), void *argument)
{
    struct request *request = NULL;

    spin_lock(&lock);
    for (uint32_t i = 0; i < REQUESTS && !request; i++)
        if (!requests[i].used)
            request = &requests[i];
    assert(request);
    request->used = true;
    spin_unlock(&lock);
    request->done = call;
    request->argument = argument;
    disk_request_init(&request->disk, out ? BLOCK_WRITE : BLOCK_READ, offset, done);
    for (uint32_t i = 0; i < count; i++)
        disk_request_add(&request->disk, page_to_phys(pages[i]), PAGE_SIZE);
    if (disk_submit(device->disk, &request->disk) != OK)
        panic("provisional");
}

void swap_device_try(void)
{
    static struct swap_device device = { .submit = submit };
    uint64_t number = command_line_number("swap", 0);

    if (number == 0)
        return;
    device.disk = disk_by_index(number);
    if (!device.disk)
        return;
    device.length = disk_info(device.disk)->size;
    swap_try_device(&device);
}
