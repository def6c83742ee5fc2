/*
 * sys_pager.c: system calls on pagers.  The order of the checks is part of the contract (docs/pager.md):
 * alignment, pager handle, VMO handle, "is it this pager's VMO", aux handle, then the operation's own.
 */
#include "sys/helpers.h"
#include "vm/pager.h"

status_t sys_pager_create(uint32_t options, uaddr_t out)
{
    struct pager *pager;
    status_t status;

    if (options != 0)
        return ERR_INVALID_ARGS;
    status = pager_create(&pager);
    if (status != OK)
        return status;
    return sys_new_handle(pager_object(pager), pager_ops_object.default_rights, out);
}

static status_t create_vmo(struct pager *pager, uint32_t options, handle_t port, uint64_t key, uint64_t size,
                           struct vmo **out_vmo)
{
    struct object *port_object;
    status_t status;

    if (options & ~(uint32_t)VMO_RESIZABLE)
        return ERR_INVALID_ARGS;
    status = sys_lookup(port, OBJECT_PORT, RIGHT_WRITE, &port_object);
    if (status != OK)
        return status;
    status = pager_create_vmo(pager, options & VMO_RESIZABLE, port_from_object(port_object), key, size,
                              out_vmo);
    object_unref(port_object);
    return status;
}

status_t sys_pager_create_vmo(handle_t handle, uint32_t options, handle_t port, uint64_t key, uint64_t size,
                              uaddr_t out)
{
    struct object *object;
    struct vmo *vmo;
    status_t status = sys_lookup(handle, OBJECT_PAGER, RIGHT_ATTACH_VMO, &object);

    if (status != OK)
        return status;
    status = create_vmo(pager_from_object(object), options, port, key, size, &vmo);
    object_unref(object);
    if (status != OK)
        return status;
    return sys_new_handle(&vmo->object, vmo_rights(vmo), out);
}

/* The pager and one of its VMOs.  On OK the caller owns a reference to the VMO. */
static status_t lookup_pair(handle_t pager, rights_t pager_rights, handle_t vmo, struct vmo **out_vmo)
{
    struct object *pager_object, *vmo_object;
    status_t status = sys_lookup(pager, OBJECT_PAGER, pager_rights, &pager_object);

    if (status != OK)
        return status;
    status = sys_lookup(vmo, OBJECT_VMO, RIGHT_WRITE, &vmo_object);
    if (status == OK) {
        *out_vmo = vmo_from_object(vmo_object);
        status = pager_check_vmo(pager_from_object(pager_object), *out_vmo);
        if (status != OK)
            object_unref(vmo_object);
    }
    object_unref(pager_object);
    return status;
}

status_t sys_pager_detach_vmo(handle_t pager, handle_t handle)
{
    struct vmo *vmo;
    status_t status = lookup_pair(pager, RIGHT_ATTACH_VMO | RIGHT_MANAGE_VMO, handle, &vmo);

    if (status != OK)
        return status;
    status = pager_detach_vmo(vmo);
    object_unref(&vmo->object);
    return status;
}

status_t sys_pager_supply_pages(handle_t pager, handle_t handle, uint64_t offset, uint64_t length,
                                handle_t aux, uint64_t aux_offset)
{
    struct object *aux_object;
    struct vmo *vmo;
    status_t status;

    if (!page_aligned(offset) || !page_aligned(length) || !page_aligned(aux_offset))
        return ERR_INVALID_ARGS;
    status = lookup_pair(pager, RIGHT_MANAGE_VMO, handle, &vmo);
    if (status != OK)
        return status;
    status = sys_lookup(aux, OBJECT_VMO, RIGHT_READ | RIGHT_WRITE, &aux_object);
    if (status == OK) {
        status = pager_supply_pages(vmo, offset, length, vmo_from_object(aux_object), aux_offset);
        object_unref(aux_object);
    }
    object_unref(&vmo->object);
    return status;
}

status_t sys_pager_op_range(handle_t pager, uint32_t op, handle_t handle, uint64_t offset, uint64_t length,
                            uint64_t data)
{
    struct vmo *vmo;
    status_t status;

    if (!page_aligned(offset) || !page_aligned(length))
        return ERR_INVALID_ARGS;
    status = lookup_pair(pager, RIGHT_MANAGE_VMO, handle, &vmo);
    if (status != OK)
        return status;
    status = op == PAGER_OP_FAIL ? pager_fail_pages(vmo, offset, length, data) : ERR_NOT_SUPPORTED;
    object_unref(&vmo->object);
    return status;
}
