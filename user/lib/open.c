/*
 * open.c: POSIX open, for reading, through the root file system.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <quire/fs.h>
#include <unistd.h>

int open(const char *path, int flags, ...)
{
    struct fs_file file;
    int number;
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0) {
        errno = EROFS;
        return -1;
    }
    status_t status = ERR_NOT_FOUND;
    if (root_fs_handle() != HANDLE_INVALID)
        status = fs_open(root_fs_handle(), path, 0, &file);
    if (status == OK) {
        sys_handle_close(file.vmo);
        status = descriptor_add(file.stream, &number);
        if (status != OK)
            sys_handle_close(file.stream);
    }
    if (status == OK)
        return number;
    errno = status == ERR_WRONG_TYPE ? EISDIR : status_errno(status);
    return -1;
}
