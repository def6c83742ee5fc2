/*
 * sys_pager.c: system calls on pagers.  The order of the checks is part of the contract (docs/pager.md):
 * alignment, pager handle, VMO handle, "is it this pager's VMO", aux handle, then the operation's own.
 */
#include "sys/helpers.h"
#include "vm/fault.h"
#include "vm/pager.h"

status_t sys_pager_create(uint32_t options, uaddr_t out)
{
    struct object *pager;

    if (options & ~(uint32_t)PAGER_WANTS_WRITEBACK)
        return ERR_INVALID_ARGS;
    status_t status = pager_create(options & PAGER_WANTS_WRITEBACK, &pager);

    return status == OK ? sys_new_handle(pager, pager->ops->default_rights, out) : status;
}

status_t sys_pager_create_vmo(struct pager *pager, uint32_t options, handle_t port_handle,
                              uint64_t key, uint64_t size, uaddr_t out)
{
    struct port *port;
    struct vmo *vmo;

    if (options & ~(uint32_t)(VMO_RESIZABLE | VMO_TRAP_DIRTY))
        return ERR_INVALID_ARGS;
    status_t status = sys_lookup(port_handle, OBJECT_PORT, RIGHT_WRITE, &port);

    if (status != OK)
        return status;
    status = pager_create_vmo(pager, options, port, key, size, &vmo);
    object_unref(&port->object);
    return status == OK ? sys_new_handle(&vmo->object, vmo_rights(vmo), out) : status;
}

status_t sys_pager_detach_vmo(struct pager *pager, struct vmo *vmo)
{
    status_t status = pager_check_vmo(pager, vmo);

    if (status == OK)
        pager_detach_vmo(vmo);
    return status;
}

/*
 * For the calls that look at alignment first: one of the pager's VMOs, and unless out_aux is NULL the VMO behind aux that has pages to
 * supply, each with a reference.  The pager itself is only compared.
 */
static INLINE status_t
look_up(handle_t pager_handle, handle_t handle, struct vmo **out_vmo,
        handle_t aux_handle, uint64_t *aux_offset, uint64_t length, struct vmo **out_aux)
{
    struct handle_table *table = current_process()->handles;
    struct object *pager, *vmo, *aux = NULL;

    handle_begin_reading(table);
    status_t status = handle_peek(table, pager_handle, OBJECT_PAGER, RIGHT_MANAGE_VMO, &pager, NULL);

    if (status == OK)
        status = handle_peek(table, handle, OBJECT_VMO, RIGHT_WRITE, &vmo, NULL);
    if (status == OK)
        status = pager_check_vmo(pager_from_object(pager), *out_vmo = vmo_from_object(vmo));
    if (status == OK && out_aux)
        status = handle_peek(table, aux_handle, OBJECT_VMO, RIGHT_READ | RIGHT_WRITE, &aux, NULL);
    if (status == OK && out_aux) {
        *out_aux = vmo_from_object(aux);
        status = pager_supply_from(out_aux, aux_offset, length);
    }
    if (status == OK)
        object_ref(vmo);
    if (status == OK && out_aux)
        object_ref(&(*out_aux)->object);
    handle_end_reading();
    return status;
}

status_t sys_pager_supply_pages(handle_t pager, handle_t handle, uint64_t offset, uint64_t length,
                                handle_t aux_handle, uint64_t aux_offset)
{
    struct vmo *vmo, *aux;

    if (!page_aligned(offset | length | aux_offset))
        return ERR_INVALID_ARGS;
    status_t status = look_up(pager, handle, &vmo, aux_handle, &aux_offset, length, &aux);

    return status == OK ? pager_supply_pages(vmo, offset, length, aux, aux_offset) : status;
}

#define RESULTS 64u             /* pages whose results are copied in together */

/* The end of a write-back with a result for each page.  A bad array: what came before it is done. */
static status_t end_page_by_page(struct vmo *vmo, uint64_t offset, uint64_t length, uaddr_t from)
{
    int32_t results[RESULTS];
    uint64_t part;
    status_t status = range_inside(offset, length, vmo_size(vmo)) ? OK : ERR_OUT_OF_RANGE;

    for (uint64_t done = 0; done < length && status == OK; done += part) {
        part = min_u64(length - done, RESULTS * PAGE_SIZE);
        status = user_copy_in(results, from + (done >> PAGE_SHIFT) * sizeof(results[0]),
                              (part >> PAGE_SHIFT) * sizeof(results[0]));
        for (uint64_t i = 0; i < part >> PAGE_SHIFT && status == OK; i++)
            if (results[i] < VM_PAGER_OK || results[i] > VM_PAGER_AGAIN)
                status = ERR_INVALID_ARGS;
        if (status == OK)
            status = pager_op_range(vmo, PAGER_OP_WRITEBACK_END, offset + done, part, from, results);
        if (thread_killed())
            return ERR_CANCELED;
    }
    return status;
}

status_t sys_pager_op_range(handle_t pager, uint32_t op, handle_t handle, uint64_t offset,
                            uint64_t length, uint64_t data)
{
    struct vmo *vmo;

    if (!page_aligned(offset | length))
        return ERR_INVALID_ARGS;
    status_t status = look_up(pager, handle, &vmo, HANDLE_INVALID, NULL, 0, NULL);

    if (status != OK)
        return status;
    if (op == PAGER_OP_WRITEBACK_END && data && vmo->budget)
        status = end_page_by_page(vmo, offset, length, data);
    else
        status = pager_op_range(vmo, op, offset, length, data, NULL);
    object_unref(&vmo->object);
    return status;
}

/* Between two runs the VMO may change: the answer is of no one moment (nor is it where this comes from). */
status_t sys_pager_query_dirty_ranges(struct pager *pager, struct vmo *vmo, uint64_t offset, uint64_t length,
                                      uaddr_t buffer, size_t size, uaddr_t actual_out, uaddr_t avail_out)
{
    uint64_t index = offset >> PAGE_SHIFT, end;
    size_t room = size / sizeof(vmo_dirty_range_t), actual = 0, avail = 0;
    vmo_dirty_range_t range;
    status_t status = pager_check_vmo(pager, vmo);

    if (status == OK && !range_inside(offset, length, vmo_size(vmo)))
        status = ERR_OUT_OF_RANGE;
    end = length ? page_ceil(offset + length) >> PAGE_SHIFT : index;
    while (status == OK && (actual < room || avail_out) && vmo_next_dirty(vmo, &index, end, &range)) {
        if (actual < room)
            status = user_copy_out(buffer + actual++ * sizeof(range), &range, sizeof(range));
        avail++;
        if (thread_killed())
            return ERR_CANCELED;
    }
    if (status == OK && actual_out)
        status = user_copy_out(actual_out, &actual, sizeof(actual));
    return status == OK && avail_out ? user_copy_out(avail_out, &avail, sizeof(avail)) : status;
}

status_t sys_pager_query_vmo_stats(struct pager *pager, struct vmo *vmo, uint32_t options, uaddr_t buffer,
                                   size_t size)
{
    pager_vmo_stats_t stats;
    status_t status = pager_check_vmo(pager, vmo);

    if (status != OK)
        return status;
    if (size < sizeof(stats))
        return ERR_BUFFER_TOO_SMALL;
    if (options & ~(uint32_t)PAGER_RESET_VMO_STATS)
        return ERR_INVALID_ARGS;
    stats.modified = pager_modified(vmo, false) ? PAGER_VMO_STATS_MODIFIED : 0;
    status = user_copy_out(buffer, &stats, sizeof(stats));
    if (status == OK && stats.modified && (options & PAGER_RESET_VMO_STATS))
        pager_modified(vmo, true);      /* only what was told is forgotten */
    return status;
}
