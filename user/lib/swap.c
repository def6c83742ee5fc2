/*
 * swap.c: devices for the default pager, what programs ask about them, and what they are called.
 */
#include <inttypes.h>
#include <quire/swap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS_MAX = 16 };

status_t swap_add(handle_t device, int32_t priority)
{
    handle_t store;
    block_info_t info;
    status_t status = sys_block_get_info(device, &info);
    if (status == OK)
        status = sys_backing_store_create(default_pager_handle(), priority, SWAP_CLUSTER_SIZE, &store);
    if (status != OK)
        return status;
    status = sys_backing_store_add_segment(store, device, 0, info.size / info.block_size, info.block_size);
    sys_handle_close(store);
    return status;
}

status_t swap_segments(info_segment_t **out_segments, size_t *out_count)
{
    void *records;
    if (default_pager_handle() == HANDLE_INVALID)
        return ERR_BAD_HANDLE;
    status_t status = info_list(default_pager_handle(), INFO_SEGMENT_LIST, sizeof(info_segment_t),
                                &records, out_count);
    if (status == OK)
        *out_segments = records;
    return status;
}

/* Each store can tell the system's counters. */
static bool read_counters(uint64_t koid, info_swap_t *moved)
{
    info_backing_store_t info;
    handle_t store;
    if (sys_object_get_child(default_pager_handle(), koid, RIGHT_INSPECT, &store) != OK)
        return false;
    bool can_tell = sys_backing_store_info(store, &info, sizeof info) == OK;
    if (can_tell)
        *moved = info.system;
    sys_handle_close(store);
    return can_tell;
}

status_t swap_space_read(struct swap_space *space)
{
    info_segment_t *segments;
    size_t count;
    status_t status = swap_segments(&segments, &count);
    if (status != OK)
        return status;
    space->total = space->free = 0;
    for (size_t i = 0; i < count; i++) {
        space->total += segments[i].pages_total;
        space->free += segments[i].pages_free;
    }
    for (size_t i = 0; i < count && !read_counters(segments[i].store_koid, &space->moved); i++)
        continue;
    free(segments);
    return OK;
}

bool swap_segment_is_on(const info_segment_t *segment, const block_info_t *device)
{
    return segment->disk == device->disk &&
           segment->offset < device->disk_offset + device->size &&
           device->disk_offset < segment->offset + segment->length;
}

/* --- Names of devices. --- */

static char disk_letter(uint32_t disk) { return (char)('a' + disk % 26); }

char *device_name(uint32_t disk, uint64_t offset, uint64_t length,
                  char out[static DEVICE_NAME_SIZE])
{
    struct partition partition;
    block_info_t info;
    handle_t handle;
    snprintf(out, DEVICE_NAME_SIZE, "vd%c+%" PRIu64, disk_letter(disk), offset);
    if (sys_system_get_block(system_handle(), disk, &handle) != OK)
        return out;
    if (offset == 0 && sys_block_get_info(handle, &info) == OK && info.size == length)
        snprintf(out, DEVICE_NAME_SIZE, "vd%c", disk_letter(disk));
    for (uint32_t number = 1; number <= PARTITIONS_MAX; number++)
        if (partition_read(handle, number, &partition) == OK && partition.offset == offset &&
            partition.length == length)
            snprintf(out, DEVICE_NAME_SIZE, "vd%c%" PRIu32, disk_letter(disk), number);
    sys_handle_close(handle);
    return out;
}

static void list_add(char *list, const char *name)
{
    size_t used = strlen(list);
    size_t room = DEVICE_LIST_SIZE - used;
    if (strlen(name) + 8 < room)                        /* ", ..." goes behind it in any case */
        snprintf(list + used, room, "%s%s", used > 0 ? ", " : "", name);
    else if (room > 6 && strcmp(list + used - 3, "...") != 0)
        snprintf(list + used, room, ", ...");
}

char *device_list(char out[static DEVICE_LIST_SIZE])
{
    char name[DEVICE_NAME_SIZE + PARTITION_LABEL_MAX];
    struct partition partition;
    handle_t handle;
    out[0] = 0;
    for (uint32_t disk = 0; sys_system_get_block(system_handle(), disk, &handle) == OK; disk++) {
        snprintf(name, sizeof name, "vd%c", disk_letter(disk));
        list_add(out, name);
        for (uint32_t number = 1; number <= PARTITIONS_MAX; number++) {
            if (partition_read(handle, number, &partition) != OK)
                continue;
            bool has_label = partition.label[0] != 0;
            snprintf(name, sizeof name, "vd%c%" PRIu32 "%s%s%s", disk_letter(disk), number,
                     has_label ? " (" : "", partition.label, has_label ? ")" : "");
            list_add(out, name);
        }
        sys_handle_close(handle);
    }
    return out;
}
