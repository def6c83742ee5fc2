/* sys_vm.c: system calls on VMOs, address spaces and streams. */
#include "sys/helpers.h"
#include "vm/fault.h"
#include "vm/reclaim.h"
#include "vm/stream.h"

status_t sys_vmo_create(uint64_t size, uint32_t options, uaddr_t out)
{
    struct vmo *vmo;

    if (options & ~(uint32_t)VMO_RESIZABLE)
        return ERR_INVALID_ARGS;
    status_t status = vmo_create(size, options & VMO_RESIZABLE, &vmo);

    return status == OK ? sys_new_handle(&vmo->object, vmo_rights(vmo), out) : status;
}

/* A copy may always be written, whatever the parent's handle says; a view no more than that allows. */
status_t sys_vmo_create_child(rights_t held, struct vmo *vmo, uint32_t options, uint64_t offset,
                              uint64_t size, uaddr_t out)
{
    bool view = options & (VMO_CHILD_REFERENCE | VMO_CHILD_SLICE);
    struct vmo *child;
    status_t status = vmo_create_child(vmo, options, offset, size, &child);

    if (status != OK)
        return status;
    if (!view)
        held |= RIGHT_WRITE | RIGHT_RESIZE;
    if (options & VMO_CHILD_NO_WRITE)
        held &= ~(rights_t)RIGHT_WRITE;
    if (!child->resizable)
        held &= ~(rights_t)RIGHT_RESIZE;
    return sys_new_handle(&child->object, held, out);
}

status_t sys_vmo_read(struct vmo *vmo, uint32_t options, uaddr_t buffer, uint64_t offset,
                      size_t length)
{
    uint64_t done;

    if (options & ~(uint32_t)VMO_MAY_BLOCK)
        return ERR_INVALID_ARGS;
    return vmo_copy(vmo, offset, buffer, length, VMO_TO_USER, options & VMO_MAY_BLOCK, &done);
}

status_t sys_vmo_write(struct vmo *vmo, uint32_t options, uaddr_t buffer, uint64_t offset,
                       size_t length)
{
    uint64_t done;

    if (options & ~(uint32_t)VMO_MAY_BLOCK)
        return ERR_INVALID_ARGS;
    return vmo_copy(vmo, offset, buffer, length, VMO_FROM_USER, options & VMO_MAY_BLOCK, &done);
}

static status_t put_size(uaddr_t out, uint64_t size)
{
    return user_copy_out(out, &size, sizeof(size));
}

status_t sys_vmo_get_size(struct vmo *vmo, uaddr_t out) { return put_size(out, vmo_size(vmo)); }

/* A VMO that cannot be resized says so before rights are looked at: no handle to it has RESIZE. */
status_t sys_vmo_set_size(rights_t held, struct vmo *vmo, uint64_t size)
{
    if (!vmo->resizable)
        return ERR_UNAVAILABLE;
    if ((RIGHT_RESIZE | RIGHT_WRITE) & ~held)
        return ERR_ACCESS_DENIED;
    return vmo_set_size(vmo, size);
}

status_t sys_vmo_get_content_size(struct vmo *vmo, uaddr_t out)
{
    return put_size(out, vmo_content_size(vmo));
}

status_t sys_vmo_set_content_size(struct vmo *vmo, uint64_t size)
{
    return vmo_set_content_size(vmo, size);
}

static rights_t op_rights(uint32_t op)
{
    if (op == VMO_OP_COMMIT || op == VMO_OP_DECOMMIT || op == VMO_OP_ZERO || op == VMO_OP_SYNC)
        return RIGHT_WRITE;
    return op == VMO_OP_PREFETCH ? RIGHT_READ : RIGHT_NONE;
}

/*
 * Bring pages in and keep them; whatever the pager says, only a bad range or a missing MAY_BLOCK is
 * an error.  Of anonymous memory only the range is looked at.
 */
static status_t always_need(struct vmo *vmo, uint64_t offset, uint64_t length, bool may_block)
{
    bool paged = vmo_root(vmo_target(vmo))->ops;
    status_t status = paged ? vmo_commit(vmo, offset, length, WANT_READ, may_block) : OK;

    if (status == ERR_OUT_OF_RANGE || status == ERR_SHOULD_WAIT || status == ERR_CANCELED)
        return status;
    status = reclaim_hint(vmo, offset, length, true);
    return paged ? OK : status;         /* it may be shorter by now */
}

static status_t apply(struct vmo *vmo, uint32_t op, uint64_t offset, uint64_t length,
                      bool may_block)
{
    switch (op) {
    case VMO_OP_COMMIT:             /* of a clone: copies of its own */
        return vmo_commit(vmo, offset, length, WANT_COMMIT, may_block);
    case VMO_OP_DECOMMIT:
        return vmo_decommit(vmo, offset, length);
    case VMO_OP_ZERO:
        return vmo_zero(vmo, offset, length, may_block);
    case VMO_OP_PREFETCH:
        return vmo_commit(vmo, offset, length, WANT_READ, may_block);
    case VMO_OP_ALWAYS_NEED:
        return always_need(vmo, offset, length, may_block);
    case VMO_OP_DONT_NEED:
        return reclaim_hint(vmo, offset, length, false);
    case VMO_OP_SYNC:
        return vmo_sync(vmo, offset, length);
    case 3: case 4: case 11:        /* locks, of VMOs that can be discarded: there are none */
        return ERR_NOT_SUPPORTED;
    default:
        return ERR_INVALID_ARGS;
    }
}

status_t sys_vmo_op_range(rights_t held, struct vmo *vmo, uint32_t op, uint64_t offset,
                          uint64_t length, uaddr_t buffer, size_t size)
{
    bool may_block = op & VMO_OP_MAY_BLOCK;

    op &= ~VMO_OP_MAY_BLOCK;
    if (op_rights(op) & ~held)
        return ERR_ACCESS_DENIED;
    return buffer || size ? ERR_INVALID_ARGS : apply(vmo, op, offset, length, may_block);
}

/* --- Address spaces. --- */

#define RIGHTS_SHIFT 2          /* from VM_READ, _WRITE, _EXECUTE to the rights of these names */

static_assert(VM_READ << RIGHTS_SHIFT == RIGHT_READ && VM_WRITE << RIGHTS_SHIFT == RIGHT_WRITE &&
              VM_EXECUTE << RIGHTS_SHIFT == RIGHT_EXECUTE, "protections are rights, further down");

/* What the handle's rights allow a mapping to become. */
static uint32_t allowed_flags(rights_t rights)
{
    return rights >> RIGHTS_SHIFT & (VM_READ | VM_WRITE | VM_EXECUTE);
}

/* Whether the result can be written is tried with what is there, before anything is mapped. */
status_t sys_vm_map(struct process *process, uint32_t options, uintptr_t address, handle_t handle,
                    uint64_t vmo_offset, size_t length, uaddr_t mapped)
{
    uint32_t wanted = options & (VM_READ | VM_WRITE | VM_EXECUTE);
    struct object *vmo;
    rights_t rights;
    uint64_t where;
    status_t status = user_copy_in(&where, mapped, sizeof(where));

    if (status == OK)
        status = user_copy_out(mapped, &where, sizeof(where));
    if (status == OK)
        status = handle_lookup(current_process()->handles, handle, OBJECT_VMO, RIGHT_MAP, &vmo,
                               &rights);
    if (status != OK)
        return status;
    if (wanted & ~allowed_flags(rights))
        status = ERR_ACCESS_DENIED;
    else
        status = aspace_map(process->aspace, options, allowed_flags(rights), address,
                            vmo_from_object(vmo), vmo_offset, length, &where);
    object_unref(vmo);
    if (status != OK)
        return status;
    status = user_copy_out(mapped, &where, sizeof(where));
    if (status != OK)                   /* another thread unmapped the result's page */
        aspace_unmap(process->aspace, where, length);
    return status;
}

status_t sys_vm_unmap(struct process *process, uintptr_t address, size_t length)
{
    return aspace_unmap(process->aspace, address, length);
}

status_t sys_vm_protect(struct process *process, uint32_t options, uintptr_t address, size_t length)
{
    return aspace_protect(process->aspace, options, address, length);
}

/* The handle has the rights that the one had through which it was mapped, as far as the mapping knows them. */
status_t sys_vm_get_mapping(struct process *process, uintptr_t address, uaddr_t info_out, uaddr_t vmo_out)
{
    info_map_t info;
    struct vmo *vmo;

    if (!aspace_describe(process->aspace, address, &info, &vmo))
        return ERR_NOT_FOUND;
    status_t status = user_copy_out(info_out, &info, sizeof(info));
    if (status == OK && vmo_out)
        return sys_new_handle(&vmo->object,
                              RIGHTS_BASIC | RIGHT_MAP | info.allowed << RIGHTS_SHIFT, vmo_out);
    object_unref(&vmo->object);
    return status;
}

/*
 * --- Streams.  A transfer that moved some bytes before it failed is a success with fewer bytes; the next one meets
 * the failure.  `actual` is written once before anything moves, so a bad pointer costs no bytes. ---
 */

status_t sys_stream_create(uint32_t options, handle_t vmo_handle, uint64_t seek, uaddr_t out)
{
    rights_t rights = (options & STREAM_READ ? RIGHT_READ : 0) |
                      (options & (STREAM_WRITE | STREAM_APPEND) ? RIGHT_WRITE : 0);
    struct vmo *vmo;
    struct stream *stream;
    status_t status = sys_lookup(vmo_handle, OBJECT_VMO, rights, &vmo);

    if (status != OK)
        return status;
    status = stream_create(vmo, options, seek, &stream);
    object_unref(&vmo->object);
    rights |= stream_ops.default_rights & ~(RIGHT_READ | RIGHT_WRITE);
    return status == OK ? sys_new_handle(&stream->object, rights, out) : status;
}

typedef status_t stream_transfer(struct stream *, uaddr_t, uint64_t, const uint64_t *, uint64_t *);

static status_t transfer(struct stream *stream, stream_transfer *move, uaddr_t buffer,
                         size_t length, const uint64_t *offset, uaddr_t actual)
{
    uint64_t done = 0;
    status_t status = sys_copy_out_u64(actual, 0);

    if (status == OK)
        status = move(stream, buffer, length, offset, &done);
    return done > 0 ? sys_copy_out_u64(actual, done) : status;
}

status_t sys_stream_read(struct stream *stream, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return transfer(stream, stream_read, buffer, length, NULL, actual);
}

status_t sys_stream_read_at(struct stream *stream, uaddr_t buffer, uint64_t offset, size_t length,
                            uaddr_t actual)
{
    return transfer(stream, stream_read, buffer, length, &offset, actual);
}

status_t sys_stream_write(struct stream *stream, uaddr_t buffer, size_t length, uaddr_t actual)
{
    return transfer(stream, stream_write, buffer, length, NULL, actual);
}

status_t sys_stream_write_at(struct stream *stream, uaddr_t buffer, uint64_t offset, size_t length,
                             uaddr_t actual)
{
    return transfer(stream, stream_write, buffer, length, &offset, actual);
}

status_t sys_stream_seek(rights_t held, struct stream *stream, uint32_t whence, int64_t offset,
                         uaddr_t out_position)
{
    uint64_t position;

    if (!(held & (RIGHT_READ | RIGHT_WRITE)))
        return ERR_ACCESS_DENIED;
    status_t status = sys_copy_out_u64(out_position, 0);

    if (status == OK)
        status = stream_seek(stream, whence, offset, &position);
    return status == OK ? sys_copy_out_u64(out_position, position) : status;
}
