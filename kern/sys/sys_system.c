/* sys_system.c: system calls on the machine: the system object, block devices, backing stores. */
#include "dev/block.h"
#include "sys/helpers.h"
#include "vm/backing_store.h"
#include "vm/fault.h"
#include "vm/reclaim.h"
#include "vm/swap.h"

status_t sys_system_power(UNUSED struct object *object, uint32_t action, uint32_t code)
{
    if (action == POWER_OFF)
        arch_power_off(code);
    if (action == POWER_REBOOT)
        arch_reboot();
    return ERR_INVALID_ARGS;
}

status_t sys_system_get_block(rights_t held, UNUSED struct object *object, uint32_t index,
                              uaddr_t out)
{
    struct disk *disk = disk_by_index(index);
    rights_t rights = block_ops.default_rights;
    struct block *block;

    if (!disk)
        return ERR_NOT_FOUND;
    if (!(held & RIGHT_WRITE) || (disk_info(disk)->flags & BLOCK_INFO_READ_ONLY))
        rights &= ~RIGHT_WRITE;
    status_t status = block_create(disk, 0, disk_info(disk)->size, &block);

    return status == OK ? sys_new_handle(&block->object, rights, out) : status;
}

status_t sys_system_reclaim(UNUSED struct object *object, uint64_t pages, uaddr_t out)
{
    return sys_copy_out_u64(out, reclaim(pages));
}

/* The countdown stands still while the result is stored. */
status_t sys_system_fail_allocation(UNUSED struct object *object, uint32_t countdown, uaddr_t left)
{
    uint32_t before = this_hart()->fail_countdown;

    this_hart()->fail_countdown = 0;
    status_t status = user_copy_out(left, &before, sizeof(before));

    this_hart()->fail_countdown = status == OK ? countdown : before;
    return status;
}

/*
 * --- Block devices.  Whoever may write one is settled by handles alone: those of a read-only disk never
 * have WRITE (above), and partitions and VMOs have no more than the handle they are made from. ---
 */

status_t sys_block_get_info(struct block *block, uaddr_t info)
{
    block_info_t record = *disk_info(block->disk);

    record.size = block->length;
    record.disk_offset = block->offset;
    return user_copy_out(info, &record, sizeof(record));
}

status_t sys_block_create_partition(rights_t held, struct block *block, uint64_t offset,
                                    uint64_t length, rights_t rights, uaddr_t out)
{
    struct block *partition;
    status_t status = sys_narrow_rights(held, &rights);

    if (status == OK)
        status = block_create_partition(block, offset, length, &partition);
    return status == OK ? sys_new_handle(&partition->object, rights, out) : status;
}

status_t sys_block_create_vmo(rights_t held, struct block *block, uint32_t options, uaddr_t out)
{
    struct vmo *vmo;
    status_t status = options == 0 ? block_create_vmo(block, &vmo) : ERR_INVALID_ARGS;

    if (status != OK)
        return status;
    return sys_new_handle(&vmo->object, vmo_rights(vmo) & (held | ~RIGHT_WRITE), out);
}

/* The rights that an operation needs; none for an unknown one, which block_submit refuses. */
static rights_t device_rights(uint32_t op)
{
    if (op == BLOCK_READ)
        return RIGHT_READ;
    return op == BLOCK_WRITE || op == BLOCK_FLUSH ? RIGHT_WRITE : RIGHT_NONE;
}

/* A flush has no VMO: the handle is not looked at. */
status_t sys_block_submit(rights_t held, struct block *block, handle_t port_handle, uint64_t key,
                          uint32_t op, handle_t vmo_handle, uint64_t vmo_offset,
                          uint64_t dev_offset, uint64_t length)
{
    struct port *port;
    struct vmo *vmo = NULL;

    if (device_rights(op) & ~held)
        return ERR_ACCESS_DENIED;
    status_t status = sys_lookup(port_handle, OBJECT_PORT, RIGHT_WRITE, &port);

    if (status != OK)
        return status;
    if (op == BLOCK_READ || op == BLOCK_WRITE)
        status = sys_lookup(vmo_handle, OBJECT_VMO,
                            RIGHT_READ | (op == BLOCK_READ ? RIGHT_WRITE : 0), &vmo);
    if (status == OK)
        status = block_submit(block, port, key, op, vmo, vmo_offset, dev_offset, length);
    if (vmo)
        object_unref(&vmo->object);
    object_unref(&port->object);
    return status;
}

/* --- Backing stores. --- */

status_t sys_backing_store_create(UNUSED struct object *object, int32_t priority,
                                  uint32_t cluster_size, uaddr_t out)
{
    struct object *store;
    status_t status = backing_store_create(priority, cluster_size, &store);

    return status == OK ? sys_new_handle(store, store->ops->default_rights, out) : status;
}

status_t sys_backing_store_add_segment(struct backing_store *store, struct block *block,
                                       uint64_t offset, uint64_t count, uint32_t record_size)
{
    const block_info_t *info = disk_info(block->disk);
    const struct swap_device device = { &block->object, block->offset, block->length, info->disk,
                                        info->block_size };

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

status_t sys_backing_store_delete(struct backing_store *store) { return swap_delete_store(store); }

status_t sys_default_pager_set_alerts(struct object *object, uint64_t below, uint64_t above)
{
    backing_store_set_alerts(object, below, above);
    return OK;
}
