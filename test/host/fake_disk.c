/*
 * fake_disk.c: disks that pages are swapped to.  What they were asked for ends when the director says so, in any order, well or
 * badly, or fails at once.
 *
 * A device reads memory at any moment between the begin and the end of a transfer: the first and the last are what it does here.
 * What a transfer that fails leaves, on the disk or in memory, is garbage.
 *
 * Invariant: no two transfers that run touch the same byte of a disk.
 */
#include "fake.h"
#include "vm/swap.h"

static struct { struct object *object; uint8_t bytes[DISK_BYTES]; } disks[DISKS];
static struct { bool runs, out, late; uint32_t disk; uint64_t offset; } transfers[SWAP_TRANSFERS];

uint32_t disk_error_odds, disk_failing;
uint64_t disk_errors[2];

void disks_start(void)
{
    disk_error_odds = 0;
    for (uint32_t i = 0; i < DISKS; i++) {
        check_equal(event_create(&disks[i].object), OK);
        memset(disks[i].bytes, 0xd5, DISK_BYTES);
    }
}

void disks_end(void)
{
    for (uint32_t i = 0; i < SWAP_TRANSFERS; i++)
        check(!transfers[i].runs);
    for (uint32_t i = 0; i < DISKS; i++) {
        check_equal(disks[i].object->references, 1);
        object_unref(disks[i].object);
    }
}

struct swap_device disk_device(uint32_t disk)
{
    return (struct swap_device){ .object = disks[disk].object, .length = DISK_BYTES, .disk = disk, .block_size = 512 };
}

void disk_store(uint32_t disk, uint32_t pages, uint32_t cluster, struct backing_store **out_store)
{
    struct swap_device device = disk_device(disk);
    struct object *object;

    check_equal(backing_store_create(disk % 2 ? 4 : 0, cluster << PAGE_SHIFT, &object), OK);
    *out_store = (struct backing_store *)object;
    check_equal(backing_store_add_segment(*out_store, &device, 0, pages, PAGE_SIZE), OK);
}

/* Memory of the transfer goes to the disk, as far as it is still the transfer's. */
static void write_disk(const struct swap_transfer *transfer, uint8_t *bytes)
{
    for (uint32_t i = 0; i < transfer->count; i++, bytes += PAGE_SIZE) {
        if (transfer->pages[i]->block == transfer->block + i)
            memcpy(bytes, page_to_virt(transfer->pages[i]), PAGE_SIZE);
        else
            memset(bytes, 0xdd, PAGE_SIZE);
    }
}

static void read_disk(const struct swap_transfer *transfer, const uint8_t *bytes, bool fails)
{
    for (uint32_t i = 0; i < transfer->count; i++, bytes += PAGE_SIZE) {
        check(transfer->pages[i]->busy > 0 && transfer->pages[i]->state == PAGE_FILLING);
        if (fails)
            memset(page_to_virt(transfer->pages[i]), 0xee, PAGE_SIZE);
        else
            memcpy(page_to_virt(transfer->pages[i]), bytes, PAGE_SIZE);
    }
}

status_t swap_submit(struct swap_transfer *transfer, bool out, struct object *device, uint64_t offset)
{
    uint32_t number = (uint32_t)(transfer - swap_transfers), disk = device == disks[0].object ? 0 : 1;
    uint64_t length = (uint64_t)transfer->count << PAGE_SHIFT;

    check(device == disks[disk].object && range_inside(offset, length, DISK_BYTES) && offset % 512 == 0);
    check(number < SWAP_TRANSFERS && transfer->count > 0 && transfer->count <= SWAP_CLUSTER && !transfers[number].runs);
    for (uint32_t i = 0; i < SWAP_TRANSFERS; i++)
        if (transfers[i].runs && transfers[i].disk == disk)
            check(transfers[i].offset >= offset + length ||
                  offset >= transfers[i].offset + ((uint64_t)swap_transfers[i].count << PAGE_SHIFT));
    step("the disk is asked to %s %u pages at 0x%lx", out ? "write" : "read", transfer->count, offset);
    if (disk_error_odds > 0 && one_in(2 * disk_error_odds)) {
        disk_errors[out]++;
        return ERR_IO;
    }
    transfers[number].runs = true;
    transfers[number].out = out;
    transfers[number].late = one_in(2);
    transfers[number].disk = disk;
    transfers[number].offset = offset;
    if (out && !transfers[number].late)
        write_disk(transfer, disks[disk].bytes + offset);
    return OK;
}

bool disk_answer(void)
{
    uint32_t running[SWAP_TRANSFERS], count = 0;

    for (uint32_t i = 0; i < SWAP_TRANSFERS; i++)
        if (transfers[i].runs)
            running[count++] = i;
    if (count == 0)
        return false;
    uint32_t number = running[choose(count)];
    struct swap_transfer *transfer = &swap_transfers[number];
    uint8_t *bytes = disks[transfers[number].disk].bytes + transfers[number].offset;
    bool out = transfers[number].out, fails = disk_error_odds > 0 && one_in(disk_error_odds);

    step("the disk ends to %s %u pages at 0x%lx%s", out ? "write" : "read", transfer->count, transfers[number].offset,
         fails ? ", badly" : "");
    if (out && fails)
        memset(bytes, 0xde, (uint64_t)transfer->count << PAGE_SHIFT);
    else if (out && transfers[number].late)
        write_disk(transfer, bytes);
    else if (!out)
        read_disk(transfer, bytes, fails);
    disk_errors[out] += fails;
    transfers[number].runs = false;
    disk_failing += fails && !out;
    swap_done(transfer, fails ? ERR_IO : OK);
    disk_failing -= fails && !out;
    return true;
}
