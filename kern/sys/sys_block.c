/*
 * sys_block.c: system calls on block devices.
 *
 * Whoever may write a device is settled by handles alone: those of a read-only disk never have
 * WRITE (sys_system_get_block), and partitions and VMOs have no more than the handle they are made
 * from.
 */
#include "dev/block.h"
#include "sys/helpers.h"
#include "vm/fault.h"

/* With the rights that the handle has. */
static status_t lookup_block(handle_t handle, rights_t rights, struct block **out_block,
                             rights_t *out_rights)
{
    struct object *object;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_BLOCK, rights,
                                    &object, out_rights);

    if (status == OK)
        *out_block = block_from_object(object);
    return status;
}

status_t sys_block_get_info(handle_t device, uaddr_t info)
{
    struct block *block;
    block_info_t record;
    status_t status = lookup_block(device, RIGHT_INSPECT, &block, NULL);

    if (status != OK)
        return status;
    block_get_info(block, &record);
    object_unref(&block->object);
    return user_copy_out(info, &record, sizeof record);
}

status_t sys_block_create_partition(handle_t device, uint64_t offset, uint64_t length,
                                    rights_t rights, uaddr_t out)
{
    struct block *block, *partition;
    rights_t allowed;
    status_t status = lookup_block(device, RIGHT_DUPLICATE, &block, &allowed);

    if (status != OK)
        return status;
    if (rights == RIGHT_SAME_RIGHTS)
        rights = allowed;
    if (rights & ~allowed)
        status = ERR_INVALID_ARGS;
    else
        status = block_create_partition(block, offset, length, &partition);
    object_unref(&block->object);
    return status == OK ? sys_new_handle(&partition->object, rights, out) : status;
}

status_t sys_block_create_vmo(handle_t device, uint32_t options, uaddr_t out)
{
    struct block *block;
    struct vmo *vmo;
    rights_t allowed;
    status_t status = lookup_block(device, RIGHT_READ, &block, &allowed);

    if (status != OK)
        return status;
    status = options ? ERR_INVALID_ARGS : block_create_vmo(block, &vmo);
    object_unref(&block->object);
    if (status != OK)
        return status;
    return sys_new_handle(&vmo->object,
                          allowed & RIGHT_WRITE ? vmo_rights(vmo) : vmo_rights(vmo) & ~RIGHT_WRITE, out);
}

/* The rights that an operation needs; none for an unknown one, which block_submit refuses. */
static rights_t device_rights(uint32_t op)
{
    if (op == BLOCK_READ)
        return RIGHT_READ;
    return op == BLOCK_WRITE || op == BLOCK_FLUSH ? RIGHT_WRITE : RIGHT_NONE;
}

/* A flush has no VMO: the handle is not looked at. */
static status_t lookup_memory(uint32_t op, handle_t handle, struct vmo **out_vmo)
{
    struct object *object;
    status_t status;

    *out_vmo = NULL;
    if (op != BLOCK_READ && op != BLOCK_WRITE)
        return OK;
    status = sys_lookup(handle, OBJECT_VMO, op == BLOCK_READ ? RIGHT_READ | RIGHT_WRITE :
                        RIGHT_READ, &object);
    if (status == OK)
        *out_vmo = vmo_from_object(object);
    return status;
}

status_t sys_block_submit(handle_t device, handle_t port, uint64_t key, uint32_t op,
                          handle_t vmo_handle,
                          uint64_t vmo_offset, uint64_t dev_offset, uint64_t length)
{
    struct block *block;
    struct object *port_object;
    struct vmo *vmo;
    status_t status = lookup_block(device, device_rights(op), &block, NULL);

    if (status != OK)
        return status;
    status = sys_lookup(port, OBJECT_PORT, RIGHT_WRITE, &port_object);
    if (status != OK)
        goto out_block;
    status = lookup_memory(op, vmo_handle, &vmo);
    if (status != OK)
        goto out_port;

    status = block_submit(block, port_from_object(port_object), key, op, vmo, vmo_offset,
                          dev_offset, length);
    if (vmo)
        object_unref(&vmo->object);
out_port:
    object_unref(port_object);
out_block:
    object_unref(&block->object);
    return status;
}
