/*
 * swapinfo.c: where the default pager keeps pages, how much of it is used, what went there and back.
 *
 * Used is what is not free: blocks with pages, and those that could not be written, which nobody gets
 * again (retired).  How many those are a store knows, not each of its segments: its first line tells.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>

#define KIB (PAGE_SIZE / 1024)

/* Pages of the store that could not be written. */
static uint64_t retired_of(uint64_t koid)
{
    info_backing_store_t info;
    handle_t store;
    if (sys_object_get_child(default_pager_handle(), koid, RIGHT_INSPECT, &store) != OK)
        return 0;
    if (sys_backing_store_info(store, &info, sizeof info) != OK)
        info.pages_retired = 0;
    sys_handle_close(store);
    return info.pages_retired;
}

static bool is_first_of_store(const info_segment_t *segments, const info_segment_t *segment)
{
    for (const info_segment_t *earlier = segments; earlier < segment; earlier++)
        if (earlier->store_koid == segment->store_koid)
            return false;
    return true;
}

static void print_segment(const info_segment_t *segment, uint64_t retired)
{
    char name[DEVICE_NAME_SIZE];
    printf("%-16s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %8" PRIu32,
           device_name(segment->disk, segment->offset, segment->length, name),
           segment->pages_total * KIB, (segment->pages_total - segment->pages_free) * KIB,
           segment->pages_free * KIB, segment->priority);
    if (retired > 0)
        printf(" (%" PRIu64 " KiB retired)", retired * KIB);
    printf(segment->draining ? " (leaving)\n" : "\n");
}

static void print_sums(const struct swap_space *space)
{
    const info_swap_t *moved = &space->moved;
    printf("%-16s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", "all", space->total * KIB,
           (space->total - space->free) * KIB, space->free * KIB);
    printf("in: %" PRIu64 " pages in %" PRIu64 " requests, out: %" PRIu64 " pages in %" PRIu64
           " requests\n", moved->pages[SWAP_IN], moved->calls[SWAP_IN], moved->pages[SWAP_OUT],
           moved->calls[SWAP_OUT]);
}

int main(int argument_count, char **arguments)
{
    struct swap_space space = { .total = 0 };
    info_segment_t *segments;
    size_t count;
    (void)arguments;
    if (argument_count > 1)
        return usage("swapinfo");
    if (default_pager_handle() == HANDLE_INVALID)
        errx(1, "no right to ask the default pager");
    status_t status = swap_segments(&segments, &count);
    if (status == OK)
        status = swap_space_read(&space);
    if (status != OK)
        errx(1, "%s", status_text(status));
    printf("%-16s %10s %10s %10s %8s\n", "DEVICE", "KiB", "USED", "FREE", "PRIORITY");
    for (size_t i = 0; i < count; i++)
        print_segment(&segments[i], is_first_of_store(segments, &segments[i]) ?
                                    retired_of(segments[i].store_koid) : 0);
    print_sums(&space);
    free(segments);
    return 0;
}
