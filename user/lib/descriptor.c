/*
 * descriptor.c: small numbers for handles: what POSIX reads and writes.
 *
 * Invariant: a descriptor that is not FREE owns its handles.
 * Locks: `lock` guards the table.  Calls that wait use the handle after the lock is dropped:
 * closing a descriptor that another thread is reading is that program's mistake, as everywhere.
 */
#include "internal.h"

#include <fcntl.h>

static struct quire_mutex lock;
FORK_TAKES(lock);
static struct descriptor descriptors[DESCRIPTOR_MAX];

static bool is_number(int number)
{
    return number >= 0 && number < DESCRIPTOR_MAX;
}

static status_t describe(handle_t handle, info_handle_basic_t *out_info)
{
    return sys_object_get_info(handle, INFO_HANDLE_BASIC, out_info, sizeof *out_info, NULL, NULL);
}

status_t descriptor_describe(handle_t handle, struct descriptor *out)
{
    info_handle_basic_t info;
    status_t status = describe(handle, &info);
    if (status != OK)
        return status;
    *out = (struct descriptor){ .handle = handle };
    switch (info.type) {
    case OBJECT_CONSOLE: out->kind = DESCRIPTOR_CONSOLE; break;
    case OBJECT_STREAM:  out->kind = DESCRIPTOR_STREAM; break;
    case OBJECT_PIPE:    out->kind = DESCRIPTOR_PIPE; break;
    case OBJECT_EVENT:   out->kind = DESCRIPTOR_NULL; break;
    default:             return ERR_WRONG_TYPE;
    }
    if (out->kind == DESCRIPTOR_PIPE)
        out->flags = info.rights & RIGHT_WRITE ? O_WRONLY : O_RDONLY;
    else
        out->flags = out->kind == DESCRIPTOR_STREAM ? O_RDONLY : O_RDWR;
    return OK;
}

void descriptor_drop(const struct descriptor *descriptor)
{
    if (descriptor->kind == DESCRIPTOR_FREE)
        return;
    sys_handle_close(descriptor->handle);
    if (descriptor->pages != HANDLE_INVALID)
        sys_handle_close(descriptor->pages);
}

status_t descriptor_put(int number, const struct descriptor *descriptor)
{
    if (!is_number(number))
        return ERR_OUT_OF_RANGE;
    lock_hold(&lock);
    struct descriptor old = descriptors[number];
    descriptors[number] = *descriptor;
    lock_release(&lock);
    descriptor_drop(&old);
    return OK;
}

/* The pages of a stream follow it when a process is started. */
static status_t set_pages(int number, handle_t vmo)
{
    status_t status = ERR_WRONG_TYPE;
    lock_hold(&lock);
    struct descriptor *stream = &descriptors[number];
    if (stream->kind == DESCRIPTOR_STREAM && stream->pages == HANDLE_INVALID) {
        stream->pages = vmo;
        status = OK;
    }
    lock_release(&lock);
    return status;
}

status_t descriptor_set(int number, handle_t handle)
{
    struct descriptor descriptor;
    info_handle_basic_t info;
    if (!is_number(number))
        return ERR_OUT_OF_RANGE;
    status_t status = describe(handle, &info);
    if (status == OK && info.type == OBJECT_VMO)
        return set_pages(number, handle);
    if (status == OK)
        status = descriptor_describe(handle, &descriptor);
    return status == OK ? descriptor_put(number, &descriptor) : status;
}

status_t descriptor_add(const struct descriptor *descriptor, int lowest, int *out_number)
{
    status_t status = ERR_NO_RESOURCES;
    lock_hold(&lock);
    for (int number = lowest; number < DESCRIPTOR_MAX; number++) {
        if (descriptors[number].kind == DESCRIPTOR_FREE) {
            descriptors[number] = *descriptor;
            *out_number = number;
            status = OK;
            break;
        }
    }
    lock_release(&lock);
    return status;
}

bool descriptor_find(int number, struct descriptor *out)
{
    if (!is_number(number))
        return false;
    lock_hold(&lock);
    *out = descriptors[number];
    lock_release(&lock);
    return out->kind != DESCRIPTOR_FREE;
}

status_t descriptor_duplicate(int number, struct descriptor *out)
{
    struct descriptor from;
    if (!descriptor_find(number, &from))
        return ERR_BAD_HANDLE;
    *out = from;
    out->close_on_exec = false;
    out->pages = HANDLE_INVALID;
    status_t status = sys_handle_duplicate(from.handle, RIGHT_SAME_RIGHTS, &out->handle);
    if (status != OK || from.pages == HANDLE_INVALID)
        return status;
    status = sys_handle_duplicate(from.pages, RIGHT_SAME_RIGHTS, &out->pages);
    if (status != OK)
        sys_handle_close(out->handle);
    return status;
}

enum descriptor_kind descriptor_get(int number, handle_t *out_handle)
{
    if (!is_number(number))
        return DESCRIPTOR_FREE;
    lock_hold(&lock);
    enum descriptor_kind kind = descriptors[number].kind;
    *out_handle = descriptors[number].handle;
    lock_release(&lock);
    return kind;
}

bool descriptor_waits(int number)
{
    struct descriptor descriptor;
    return !descriptor_find(number, &descriptor) || (descriptor.flags & O_NONBLOCK) == 0;
}

status_t descriptor_set_flags(int number, int flags)
{
    const int settable = O_APPEND | O_NONBLOCK;
    status_t status = ERR_BAD_HANDLE;
    if (!is_number(number))
        return status;
    lock_hold(&lock);
    struct descriptor *descriptor = &descriptors[number];
    if (descriptor->kind != DESCRIPTOR_FREE) {
        descriptor->flags = (descriptor->flags & ~settable) | (flags & settable);
        status = OK;
    }
    lock_release(&lock);
    return status;
}

status_t descriptor_set_close_on_exec(int number, bool value)
{
    status_t status = ERR_BAD_HANDLE;
    if (!is_number(number))
        return status;
    lock_hold(&lock);
    if (descriptors[number].kind != DESCRIPTOR_FREE) {
        descriptors[number].close_on_exec = value;
        status = OK;
    }
    lock_release(&lock);
    return status;
}

status_t descriptor_close(int number)
{
    if (!is_number(number))
        return ERR_BAD_HANDLE;
    lock_hold(&lock);
    struct descriptor old = descriptors[number];
    descriptors[number] = (struct descriptor){ .kind = DESCRIPTOR_FREE };
    lock_release(&lock);
    descriptor_drop(&old);
    return old.kind == DESCRIPTOR_FREE ? ERR_BAD_HANDLE : OK;
}
