/*
 * disk.c: metadata through a device VMO.
 *
 * The kernel is the cache: each block of metadata is a page of the device VMO, fetched at its first
 * use.  It is read by system call and not through a mapping, because a bad sector then is a status
 * for one operation, where a mapping would end the server.
 */
#include "disk.h"

#include <quire.h>

status_t disk_init(struct disk *disk, handle_t device)
{
    block_info_t info;
    status_t status = sys_block_get_info(device, &info);

    if (status != OK)
        return status;
    disk->device = device;
    disk->size = info.size;
    disk->max_transfer = info.max_transfer;
    return sys_block_create_vmo(device, 0, &disk->vmo);
}

status_t disk_read(struct disk *disk, uint64_t offset, void *to, size_t length)
{
    if (offset > disk->size || length > disk->size - offset)
        return ERR_OUT_OF_RANGE;
    return sys_vmo_read(disk->vmo, 0, to, offset, length);
}
