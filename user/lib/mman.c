/*
 * mman.c: POSIX mappings over VMOs.
 *
 * A file is mapped by the VMO that its descriptor has: pages that are in memory come without
 * anybody being asked.  A private mapping is a copy-on-write clone of that VMO, also one that cannot
 * be written yet: mprotect may allow it later.
 */
#include "internal.h"

#include <errno.h>
#include <sys/mman.h>

#define PAGE_MASK (PAGE_SIZE - 1)

static void *fail(int code)
{
    errno = code;
    return MAP_FAILED;
}

static uint32_t map_options(int protection)
{
    uint32_t options = protection & PROT_EXEC ? VM_EXECUTE : 0;
    if ((protection & (PROT_READ | PROT_WRITE)) != 0)
        options |= VM_READ;
    return options | (protection & PROT_WRITE ? VM_WRITE : 0);
}

static int map_error(status_t status)
{
    return status == ERR_OUT_OF_RANGE ? ENXIO
         : status == ERR_NO_SPACE     ? ENOMEM
         : status == ERR_BAD_STATE    ? EIO : status_errno(status);
}

static void *map(void *address, size_t length, int protection, int flags, handle_t vmo,
                 uint64_t offset)
{
    uint32_t options = map_options(protection) | (flags & MAP_SHARED ? VM_SHARED : 0);
    uintptr_t place = (uintptr_t)address & ~PAGE_MASK, mapped;
    if ((flags & MAP_FIXED) != 0) {
        if (place != (uintptr_t)address)
            return fail(EINVAL);
        status_t status = sys_vm_unmap(process_self(), place, length);
        if (status != OK && status != ERR_NOT_FOUND)
            return fail(EINVAL);
        options |= VM_FIXED;
    }
    status_t status = sys_vm_map(process_self(), options, place, vmo, offset, length, &mapped);
    if (status == OK)
        return (void *)mapped;
    return fail(map_error(status));
}

/* What a private mapping of a file maps.  OUT_OF_RANGE: it goes further than the file's last page. */
static status_t clone_file(handle_t file, uint64_t offset, size_t length, handle_t *out_vmo)
{
    uint64_t size;
    status_t status = sys_vmo_get_size(file, &size);
    if (status == OK && (offset > size || length > size - offset))
        status = ERR_OUT_OF_RANGE;
    if (status == OK)
        status = sys_vmo_create_child(file, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, offset, length,
                                      out_vmo);
    return status;
}

/*
 * ENXIO: the range goes further than the last page of the file.  EACCES: files cannot be written, so
 * a shared mapping of one cannot either.
 */
void *mmap(void *address, size_t length, int protection, int flags, int number, off_t offset)
{
    struct descriptor descriptor;
    int kind = flags & (MAP_SHARED | MAP_PRIVATE);
    handle_t vmo;
    status_t status;
    if (length == 0 || length > USER_TOP || (offset & PAGE_MASK) != 0 || offset < 0 ||
        (kind != MAP_SHARED && kind != MAP_PRIVATE))
        return fail(EINVAL);
    length = (length + PAGE_MASK) & ~PAGE_MASK;
    if ((flags & MAP_ANONYMOUS) == 0) {
        if (!descriptor_find(number, &descriptor))
            return fail(EBADF);
        if (descriptor.pages == HANDLE_INVALID)
            return fail(ENODEV);
        if (kind == MAP_SHARED && (protection & PROT_WRITE) != 0)
            return fail(EACCES);
        if (kind == MAP_SHARED)
            return map(address, length, protection, flags, descriptor.pages, offset);
        status = clone_file(descriptor.pages, offset, length, &vmo);
    } else {
        status = sys_vmo_create(length, 0, &vmo);
    }
    if (status != OK)
        return fail(map_error(status));
    void *result = map(address, length, protection, flags, vmo, 0);
    sys_handle_close(vmo);
    return result;
}

static int finish(status_t status)
{
    if (status == OK || status == ERR_NOT_FOUND)
        return 0;
    errno = status_errno(status);
    return -1;
}

int munmap(void *address, size_t length)
{
    return finish(sys_vm_unmap(process_self(), (uintptr_t)address,
                               (length + PAGE_MASK) & ~PAGE_MASK));
}

int mprotect(void *address, size_t length, int protection)
{
    status_t status = sys_vm_protect(process_self(), map_options(protection), (uintptr_t)address,
                                     (length + PAGE_MASK) & ~PAGE_MASK);
    if (status != ERR_NOT_FOUND)
        return finish(status);
    errno = ENOMEM;                     /* not mapped everywhere */
    return -1;
}
