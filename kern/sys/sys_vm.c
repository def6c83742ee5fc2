/*
 * sys_vm.c: system calls on VMOs and address spaces.
 */
#include "sys/helpers.h"
#include "vm/aspace.h"
#include "vm/fault.h"
#include "vm/vmo_copy.h"

static status_t lookup_vmo(handle_t handle, rights_t rights, struct vmo **out_vmo)
{
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_VMO, rights, &object);

    if (status == OK)
        *out_vmo = vmo_from_object(object);
    return status;
}

status_t sys_vmo_create(uint64_t size, uint32_t options, uaddr_t out)
{
    struct vmo *vmo;
    status_t status;

    if (options & ~(uint32_t)VMO_RESIZABLE)
        return ERR_INVALID_ARGS;
    status = vmo_create(size, options & VMO_RESIZABLE, &vmo);
    if (status != OK)
        return status;
    return sys_new_handle(&vmo->object, vmo_rights(vmo), out);
}

/* Options that later kernels know are refused as unsupported, others as wrong. */
status_t sys_vmo_create_child(handle_t handle, uint32_t options, uint64_t offset, uint64_t size, uaddr_t out)
{
    const uint32_t known = VMO_CHILD_SNAPSHOT | VMO_CHILD_RESIZABLE | VMO_CHILD_SLICE |
                           VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | VMO_CHILD_NO_WRITE | VMO_CHILD_REFERENCE;
    struct object *object;
    struct vmo *child;
    rights_t rights;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_VMO,
                                    RIGHT_READ | RIGHT_DUPLICATE, &object, &rights);

    if (status != OK)
        return status;
    if (options == 0 || (options & ~known) || (options == VMO_CHILD_REFERENCE && (offset || size)))
        status = ERR_INVALID_ARGS;
    else if (options != VMO_CHILD_REFERENCE)
        status = ERR_NOT_SUPPORTED;
    else
        status = vmo_create_reference(vmo_from_object(object), &child);
    object_unref(object);
    return status == OK ? sys_new_handle(&child->object, rights, out) : status;
}

status_t sys_vmo_read(handle_t handle, uint32_t options, uaddr_t buffer, uint64_t offset, size_t length)
{
    struct vmo *vmo;
    uint64_t done;
    status_t status = lookup_vmo(handle, RIGHT_READ, &vmo);

    if (status != OK)
        return status;
    if (options & ~(uint32_t)VMO_MAY_BLOCK)
        status = ERR_INVALID_ARGS;
    else
        status = vmo_copy_to_user(vmo, offset, buffer, length, options & VMO_MAY_BLOCK, &done);
    object_unref(&vmo->object);
    return status;
}

status_t sys_vmo_write(handle_t handle, uint32_t options, uaddr_t buffer, uint64_t offset, size_t length)
{
    struct vmo *vmo;
    uint64_t done;
    status_t status = lookup_vmo(handle, RIGHT_WRITE, &vmo);

    if (status != OK)
        return status;
    if (options & ~(uint32_t)VMO_MAY_BLOCK)
        status = ERR_INVALID_ARGS;
    else
        status = vmo_copy_from_user(vmo, offset, buffer, length, options & VMO_MAY_BLOCK, &done);
    object_unref(&vmo->object);
    return status;
}

status_t sys_vmo_get_size(handle_t handle, uaddr_t out)
{
    struct vmo *vmo;
    uint64_t size;
    status_t status = lookup_vmo(handle, RIGHT_NONE, &vmo);

    if (status != OK)
        return status;
    size = vmo_size(vmo);
    object_unref(&vmo->object);
    return user_copy_out(out, &size, sizeof size);
}

/* A VMO that cannot be resized says so before rights are looked at: no handle to it has RESIZE. */
status_t sys_vmo_set_size(handle_t handle, uint64_t size)
{
    struct object *object;
    struct vmo *vmo;
    rights_t rights;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_VMO, RIGHT_NONE, &object,
                                    &rights);

    if (status != OK)
        return status;
    vmo = vmo_from_object(object);
    if (!vmo->resizable)
        status = ERR_UNAVAILABLE;
    else if ((rights & (RIGHT_RESIZE | RIGHT_WRITE)) != (RIGHT_RESIZE | RIGHT_WRITE))
        status = ERR_ACCESS_DENIED;
    else
        status = vmo_set_size(vmo, size);
    object_unref(object);
    return status;
}

status_t sys_vmo_get_content_size(handle_t handle, uaddr_t out)
{
    struct vmo *vmo;
    uint64_t size;
    status_t status = lookup_vmo(handle, RIGHT_NONE, &vmo);

    if (status != OK)
        return status;
    size = vmo_content_size(vmo);
    object_unref(&vmo->object);
    return user_copy_out(out, &size, sizeof size);
}

status_t sys_vmo_set_content_size(handle_t handle, uint64_t size)
{
    struct vmo *vmo;
    status_t status = lookup_vmo(handle, RIGHT_WRITE, &vmo);

    if (status != OK)
        return status;
    status = vmo_set_content_size(vmo, size);
    object_unref(&vmo->object);
    return status;
}

/* Hints about pages that nothing evicts yet: in range or not is all there is to say. */
static status_t hint(struct vmo *vmo, uint64_t offset, uint64_t length)
{
    return range_inside(offset, length, vmo_size(vmo)) ? OK : ERR_OUT_OF_RANGE;
}

/* Bring pages in and keep them; whatever the pager says, only a bad range or a missing MAY_BLOCK is an error. */
static status_t always_need(struct vmo *vmo, uint64_t offset, uint64_t length, bool may_block)
{
    status_t status = vmo_commit(vmo, offset, length, WANT_READ, may_block);

    return status == ERR_OUT_OF_RANGE || status == ERR_SHOULD_WAIT || status == ERR_CANCELED ? status : OK;
}

static rights_t op_rights(uint32_t op)
{
    switch (op) {
    case VMO_OP_COMMIT:
    case VMO_OP_DECOMMIT:
    case VMO_OP_ZERO:
    case VMO_OP_SYNC:
        return RIGHT_WRITE;
    case VMO_OP_PREFETCH:
        return RIGHT_READ;
    default:
        return RIGHT_NONE;
    }
}

static status_t apply(struct vmo *vmo, uint32_t op, uint64_t offset, uint64_t length, bool may_block)
{
    bool anonymous = vmo->kind == VMO_ANONYMOUS;

    switch (op) {
    case VMO_OP_COMMIT:
        return vmo_commit(vmo, offset, length, anonymous ? WANT_WRITE : WANT_READ, may_block);
    case VMO_OP_DECOMMIT:
        return vmo_decommit(vmo, offset, length);
    case VMO_OP_ZERO:
        return vmo_zero(vmo, offset, length, may_block);
    case VMO_OP_PREFETCH:
        return vmo_commit(vmo, offset, length, WANT_READ, may_block);
    case VMO_OP_ALWAYS_NEED:
        return anonymous ? hint(vmo, offset, length) : always_need(vmo, offset, length, may_block);
    case VMO_OP_DONT_NEED:
        return hint(vmo, offset, length);
    case VMO_OP_SYNC:
        return vmo_sync(vmo, offset, length);
    default:
        return ERR_NOT_SUPPORTED;
    }
}

status_t sys_vmo_op_range(handle_t handle, uint32_t op, uint64_t offset, uint64_t length, uaddr_t buffer,
                          size_t size)
{
    bool may_block = op & VMO_OP_MAY_BLOCK;
    struct vmo *vmo;
    status_t status;

    op &= ~VMO_OP_MAY_BLOCK;
    status = lookup_vmo(handle, op_rights(op), &vmo);
    if (status != OK)
        return status;
    status = buffer || size ? ERR_INVALID_ARGS : apply(vmo, op, offset, length, may_block);
    object_unref(&vmo->object);
    return status;
}

/* --- Address spaces. --- */

static status_t lookup_process(handle_t handle, struct process **out_process)
{
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_PROCESS, RIGHT_WRITE, &object);

    if (status == OK)
        *out_process = process_from_object(object);
    return status;
}

/* What the handle's rights allow a mapping to become. */
static uint32_t allowed_flags(rights_t rights)
{
    return (rights & RIGHT_READ ? VM_READ : 0) | (rights & RIGHT_WRITE ? VM_WRITE : 0) |
           (rights & RIGHT_EXECUTE ? VM_EXECUTE : 0);
}

static status_t map_into(struct process *process, uint32_t options, uintptr_t address, handle_t handle,
                         uint64_t vmo_offset, size_t length, uint64_t *out_address)
{
    uint32_t wanted = options & (VM_READ | VM_WRITE | VM_EXECUTE);
    struct object *object;
    rights_t rights;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_VMO, RIGHT_MAP, &object,
                                    &rights);

    if (status != OK)
        return status;
    if (wanted & ~allowed_flags(rights))
        status = ERR_ACCESS_DENIED;
    else
        status = aspace_map(process->aspace, options, allowed_flags(rights), address,
                            vmo_from_object(object), vmo_offset, length, out_address);
    object_unref(object);
    return status;
}

/* The result pointer is tested before anything is mapped. */
status_t sys_vm_map(handle_t handle, uint32_t options, uintptr_t address, handle_t vmo, uint64_t vmo_offset,
                    size_t length, uaddr_t mapped)
{
    struct process *process;
    uint64_t where = 0;
    status_t status = lookup_process(handle, &process);

    if (status != OK)
        return status;
    status = user_touch(mapped, sizeof where, true);
    if (status == OK)
        status = map_into(process, options, address, vmo, vmo_offset, length, &where);
    if (status == OK) {
        status = user_copy_out(mapped, &where, sizeof where);
        if (status != OK)               /* another thread unmapped the result's page */
            aspace_unmap(process->aspace, where, length);
    }
    object_unref(&process->object);
    return status;
}

status_t sys_vm_unmap(handle_t handle, uintptr_t address, size_t length)
{
    struct process *process;
    status_t status = lookup_process(handle, &process);

    if (status != OK)
        return status;
    status = aspace_unmap(process->aspace, address, length);
    object_unref(&process->object);
    return status;
}

status_t sys_vm_protect(handle_t handle, uint32_t options, uintptr_t address, size_t length)
{
    struct process *process;
    status_t status = lookup_process(handle, &process);

    if (status != OK)
        return status;
    status = aspace_protect(process->aspace, options, address, length);
    object_unref(&process->object);
    return status;
}
