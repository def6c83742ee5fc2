/*
 * open.c: POSIX open, for reading, through the root file system.
 *
 * A descriptor of a file is its stream, and beside it the VMO of its pages: reading and mapping ask
 * nobody but the kernel from then on.  /dev/null is no file: it is known here.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int add(struct descriptor *descriptor, int flags)
{
    int number;
    descriptor->close_on_exec = (flags & O_CLOEXEC) != 0;
    descriptor->flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
    status_t status = descriptor_add(descriptor, 0, &number);
    if (status == OK)
        return number;
    descriptor_drop(descriptor);
    errno = EMFILE;
    return -1;
}

static int open_null(int flags)
{
    struct descriptor descriptor = { .kind = DESCRIPTOR_NULL };
    status_t status = sys_event_create(0, &descriptor.handle);
    if (status == OK)
        return add(&descriptor, flags);
    errno = status_errno(status);
    return -1;
}

/* Why a path that is something else than a regular file does not open. */
static int fail_type(const char *path, int flags)
{
    struct fs_attributes attributes;
    status_t status = path_stat(path, flags & O_NOFOLLOW ? FS_NO_FOLLOW : 0, &attributes);
    if (status != OK)
        return path_fail(status);
    switch (attributes.mode & FS_MODE_TYPE) {
    case FS_MODE_DIRECTORY: errno = EISDIR; break;
    case FS_MODE_LINK:      errno = ELOOP; break;
    default:                errno = ENXIO;              /* a device or such, of another system */
    }
    return -1;
}

int open(const char *path, int flags, ...)
{
    char absolute[FS_PATH_MAX + 1];
    struct fs_file file;
    if (strcmp(path, "/dev/null") == 0)
        return open_null(flags);
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0) {
        errno = EROFS;
        return -1;
    }
    status_t status = path_absolute(path, absolute);
    if (status == OK && root_fs_handle() == HANDLE_INVALID)
        status = ERR_NOT_FOUND;
    if (status == OK)
        status = fs_open(root_fs_handle(), absolute, flags & O_NOFOLLOW ? FS_NO_FOLLOW : 0, &file);
    if (status == ERR_WRONG_TYPE)
        return fail_type(path, flags);
    if (status != OK)
        return path_fail(status);
    return add(&(struct descriptor){ .kind = DESCRIPTOR_STREAM,
                                     .handle = file.stream,
                                     .pages = file.vmo,
                                     .attributes = file.attributes }, flags);
}
