/* sys_backing_store.c: system calls on backing stores. */
#include "dev/block.h"
#include "sys/helpers.h"
#include "vm/backing_store.h"
#include "vm/fault.h"

status_t sys_backing_store_create(UNUSED struct object *object, int32_t priority, uint32_t cluster_size, uaddr_t out)
{
    struct object *store;
    status_t status = backing_store_create(priority, cluster_size, &store);

    return status == OK ? sys_new_handle(store, store->ops->default_rights, out) : status;
}

status_t sys_backing_store_add_segment(struct backing_store *store, struct block *block, uint64_t offset, uint64_t count,
                                       uint32_t record_size)
{
    const block_info_t *info = disk_info(block->disk);
    const struct swap_device device = { &block->object, block->offset, block->length, info->disk, info->block_size };

    return backing_store_add_segment(store, &device, offset, count, record_size);
}

status_t sys_backing_store_info(struct backing_store *store, uaddr_t out, size_t size)
{
    info_backing_store_t info;
    status_t status = backing_store_info(store, &info);

    if (status == OK && size < sizeof(info))
        status = ERR_BUFFER_TOO_SMALL;
    return status == OK ? user_copy_out(out, &info, sizeof(info)) : status;
}

status_t sys_backing_store_delete(struct backing_store *store) { return backing_store_delete(store); }
