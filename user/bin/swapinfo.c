/* swapinfo.c: where the default pager keeps pages, how much of it is used, and what went there and back. */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTITIONS_MAX = 16, NAME_SIZE = 24 };

/* "vda2" where a partition begins, else the disk and the byte. */
static void device_name(const info_segment_t *segment, char name[static NAME_SIZE])
{
    struct partition partition;
    handle_t disk;
    snprintf(name, NAME_SIZE, "vd%c+%" PRIu64, (char)('a' + segment->disk % 26), segment->offset);
    if (sys_system_get_block(system_handle(), segment->disk, &disk) != OK)
        return;
    for (uint32_t number = 1; number <= PARTITIONS_MAX; number++)
        if (partition_read(disk, number, &partition) == OK && partition.offset == segment->offset)
            snprintf(name, NAME_SIZE, "vd%c%" PRIu32, (char)('a' + segment->disk % 26), number);
    sys_handle_close(disk);
}

/* The counters of the whole system, which each store can tell. */
static void print_counters(uint64_t koid)
{
    info_backing_store_t info;
    handle_t store;
    if (sys_object_get_child(default_pager_handle(), koid, RIGHT_INSPECT, &store) != OK)
        return;
    if (sys_backing_store_info(store, &info, sizeof info) == OK)
        printf("in: %" PRIu64 " pages in %" PRIu64 " requests, out: %" PRIu64 " pages in %" PRIu64
               " requests\n", info.system.pages[SWAP_IN], info.system.calls[SWAP_IN], info.system.pages[SWAP_OUT],
               info.system.calls[SWAP_OUT]);
    sys_handle_close(store);
}

int main(void)
{
    char name[NAME_SIZE];
    void *records;
    size_t count;
    if (default_pager_handle() == HANDLE_INVALID)
        errx(1, "no right to ask the default pager");
    status_t status = info_list(default_pager_handle(), INFO_SEGMENT_LIST, sizeof(info_segment_t),
                                &records, &count);
    if (status != OK)
        errx(1, "%s", status_text(status));
    const info_segment_t *segments = records;
    uint64_t total = 0, unused = 0;
    printf("%-16s %10s %10s %10s %8s\n", "DEVICE", "KiB", "USED", "FREE", "PRIORITY");
    for (size_t i = 0; i < count; i++) {
        const info_segment_t *segment = &segments[i];
        device_name(segment, name);
        printf("%-16s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %8" PRIu32 "%s\n", name,
               segment->pages_total * 4, (segment->pages_total - segment->pages_free) * 4,
               segment->pages_free * 4, segment->priority,
               segment->draining ? " (leaving)" : "");
        total += segment->pages_total;
        unused += segment->pages_free;
    }
    printf("%-16s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", "all", total * 4,
           (total - unused) * 4, unused * 4);
    if (count > 0)
        print_counters(segments[0].store_koid);
    free(records);
    return 0;
}
