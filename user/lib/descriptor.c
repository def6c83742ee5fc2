/*
 * descriptor.c: small numbers for handles: what POSIX reads and writes.
 *
 * Invariant: a descriptor that is not FREE owns its handle.
 * Locks: `lock` guards the table.  Calls that wait use the handle after the lock is dropped:
 * closing a descriptor that another thread is reading is that program's mistake, as everywhere.
 */
#include "internal.h"

static struct quire_mutex lock;
static struct {
    enum descriptor_kind kind;
    handle_t handle;
} descriptors[DESCRIPTOR_MAX];

static status_t kind_of(handle_t handle, enum descriptor_kind *out_kind)
{
    info_handle_basic_t info;
    status_t status = sys_object_get_info(handle, INFO_HANDLE_BASIC, &info, sizeof info, NULL,
                                          NULL);
    if (status != OK)
        return status;
    switch (info.type) {
    case OBJECT_CONSOLE: *out_kind = DESCRIPTOR_CONSOLE; return OK;
    case OBJECT_STREAM:  *out_kind = DESCRIPTOR_STREAM; return OK;
    case OBJECT_PIPE:    *out_kind = DESCRIPTOR_PIPE; return OK;
    default:             return ERR_WRONG_TYPE;
    }
}

status_t descriptor_set(int number, handle_t handle)
{
    enum descriptor_kind kind;
    if (number < 0 || number >= DESCRIPTOR_MAX)
        return ERR_OUT_OF_RANGE;
    status_t status = kind_of(handle, &kind);
    if (status != OK)
        return status;
    descriptor_close(number);
    quire_mutex_lock(&lock);
    descriptors[number].kind = kind;
    descriptors[number].handle = handle;
    quire_mutex_unlock(&lock);
    return OK;
}

status_t descriptor_add(handle_t handle, int *out_number)
{
    enum descriptor_kind kind;
    status_t status = kind_of(handle, &kind);
    if (status != OK)
        return status;
    status = ERR_NO_RESOURCES;
    quire_mutex_lock(&lock);
    for (int number = 0; number < DESCRIPTOR_MAX; number++) {
        if (descriptors[number].kind == DESCRIPTOR_FREE) {
            descriptors[number].kind = kind;
            descriptors[number].handle = handle;
            *out_number = number;
            status = OK;
            break;
        }
    }
    quire_mutex_unlock(&lock);
    return status;
}

enum descriptor_kind descriptor_get(int number, handle_t *out_handle)
{
    if (number < 0 || number >= DESCRIPTOR_MAX)
        return DESCRIPTOR_FREE;
    quire_mutex_lock(&lock);
    enum descriptor_kind kind = descriptors[number].kind;
    *out_handle = descriptors[number].handle;
    quire_mutex_unlock(&lock);
    return kind;
}

status_t descriptor_close(int number)
{
    if (number < 0 || number >= DESCRIPTOR_MAX)
        return ERR_BAD_HANDLE;
    quire_mutex_lock(&lock);
    enum descriptor_kind kind = descriptors[number].kind;
    handle_t handle = descriptors[number].handle;
    descriptors[number].kind = DESCRIPTOR_FREE;
    quire_mutex_unlock(&lock);
    return kind == DESCRIPTOR_FREE ? ERR_BAD_HANDLE : sys_handle_close(handle);
}
