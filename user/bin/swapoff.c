/*
 * swapoff.c: take a disk or partition back from the default pager: swapoff DEVICE.
 *
 * The stores that have a segment there are deleted, with all their segments.
 */
#include <err.h>
#include <quire/tool.h>
#include <stdlib.h>

static status_t delete_store(uint64_t koid)
{
    handle_t store;
    status_t status = sys_object_get_child(default_pager_handle(), koid, RIGHT_SAME_RIGHTS, &store);
    if (status != OK)
        return status == ERR_NOT_FOUND ? OK : status;       /* it went with an earlier segment */
    status = sys_backing_store_delete(store);
    sys_handle_close(store);
    return status;
}

/* NOT_FOUND: nothing of the device is in use. */
static status_t take_back(const block_info_t *device)
{
    void *records;
    size_t count;
    status_t status = info_list(default_pager_handle(), INFO_SEGMENT_LIST, sizeof(info_segment_t),
                                &records, &count);
    if (status != OK)
        return status;
    const info_segment_t *segments = records;
    status = ERR_NOT_FOUND;
    for (size_t i = 0; i < count && (status == OK || status == ERR_NOT_FOUND); i++)
        if (segments[i].disk == device->disk && segments[i].offset >= device->disk_offset &&
            segments[i].offset - device->disk_offset < device->size)
            status = delete_store(segments[i].store_koid);
    free(records);
    return status;
}

int main(int argument_count, char **arguments)
{
    handle_t device;
    block_info_t info;
    if (argument_count != 2)
        return usage("swapoff DEVICE");
    status_t status = block_open(arguments[1], &device);
    if (status != OK)
        errx(1, "%s: no such device", arguments[1]);
    status = sys_block_get_info(device, &info);
    sys_handle_close(device);
    if (status == OK)
        status = take_back(&info);
    if (status != OK)
        errx(1, "%s: %s", arguments[1],
             status == ERR_NOT_FOUND ? "it is not in use" :
             status == ERR_NO_SPACE ? "there is no room elsewhere for what it holds" :
             status_text(status));
    return 0;
}
