/*
 * swapon.c: let the default pager use a disk or partition: swapon [-f] DEVICE [PRIORITY].
 *
 * The device becomes the one segment of a store of its own, which lives until swapoff.  Its content is
 * lost; what holds a file system or partitions is taken only with -f.  Priority 4, the usual one, goes
 * before 0.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE "swapon [-f] DEVICE [4|0]"

enum { BLOCKS_OF_LEAF = 128, EXT2_MAGIC_AT = 1024 + 56 };

static handle_t open_device(const char *name, block_info_t *info)
{
    char list[DEVICE_LIST_SIZE];
    handle_t device;
    status_t status = block_open(name, &device);
    if (status == ERR_NOT_FOUND)
        errx(1, "%s: no such device; there are: %s", name, device_list(list));
    if (status == OK)
        status = sys_block_get_info(device, info);
    if (status != OK)
        errx(1, "%s: %s", name, status_text(status));
    return device;
}

static void check_unused(const char *name, const block_info_t *info)
{
    char other[DEVICE_NAME_SIZE];
    info_segment_t *segments;
    size_t count;
    status_t status = swap_segments(&segments, &count);
    if (status != OK)
        errx(1, "%s", status_text(status));
    for (size_t i = 0; i < count; i++) {
        const info_segment_t *segment = &segments[i];
        if (!swap_segment_is_on(segment, info))
            continue;
        if (segment->offset == info->disk_offset && segment->length == info->size)
            errx(1, "%s: it is in use already, as swap", name);
        errx(1, "%s: it is in use already: %s is swap", name,
             device_name(segment->disk, segment->offset, segment->length, other));
    }
    free(segments);
}

/* What would be missed if it were overwritten; NULL: nothing that is known here. */
static const char *content_of(handle_t device, const block_info_t *info, status_t *status)
{
    unsigned char start[2 * PAGE_SIZE] = { 0 };
    handle_t vmo;
    *status = sys_block_create_vmo(device, 0, &vmo);
    if (*status != OK)
        return NULL;
    *status = sys_vmo_read(vmo, VMO_MAY_BLOCK, start, 0, sizeof start);
    sys_handle_close(vmo);
    if (*status != OK)
        return NULL;
    if (start[EXT2_MAGIC_AT] == 0x53 && start[EXT2_MAGIC_AT + 1] == 0xef)
        return "a file system";
    bool has_table = info->block_size <= PAGE_SIZE &&
                     memcmp(start + info->block_size, "EFI PART", 8) == 0;
    return has_table ? "partitions" : NULL;
}

static void check_content(const char *name, handle_t device, const block_info_t *info)
{
    status_t status;
    const char *content = content_of(device, info, &status);
    if (status != OK)
        errx(1, "%s: it cannot be read: %s", name, status_text(status));
    if (content != NULL)
        errx(1, "%s: it holds %s; `swapon -f %s` destroys that", name, content, name);
}

static void report(const char *name, const block_info_t *info, status_t status)
{
    switch (status) {
    case OK:
        return;
    case ERR_INVALID_ARGS:              /* somebody else was faster */
        errx(1, "%s: it is in use already", name);
    case ERR_NO_RESOURCES:
        errx(1, "%s: there can be no more segments; swapoff another device first", name);
    case ERR_NO_MEMORY:
        errx(1, "%s: no memory for its map (%" PRIu64 " KiB); end programs, or try again", name,
             info->size / BLOCKS_OF_LEAF / 1024);
    default:
        errx(1, "%s: %s", name, status_text(status));
    }
}

int main(int argument_count, char **arguments)
{
    bool forced = false;
    int option;
    while ((option = getopt(argument_count, arguments, "f")) != -1) {
        if (option != 'f')
            return usage(USAGE);
        forced = true;
    }
    int left = argument_count - optind;
    const char *name = arguments[optind], *priority = left == 2 ? arguments[optind + 1] : "4";
    if (left < 1 || left > 2 || (strcmp(priority, "0") != 0 && strcmp(priority, "4") != 0))
        return usage(USAGE);
    if (default_pager_handle() == HANDLE_INVALID)
        errx(1, "no right to use the default pager");

    block_info_t info;
    handle_t device = open_device(name, &info);
    if (info.flags & BLOCK_INFO_READ_ONLY)
        errx(1, "%s: it cannot be written", name);
    check_unused(name, &info);
    if (info.size < SWAP_CLUSTER_SIZE)
        errx(1, "%s: it is too small: pages go in clusters of %d KiB", name,
             (int)(SWAP_CLUSTER_SIZE / 1024));
    if (!forced)
        check_content(name, device, &info);
    report(name, &info, swap_add(device, atoi(priority)));
    return 0;
}
