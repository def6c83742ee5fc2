/*
 * stat.c: what files are: stat and its relatives, and directories.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(S_IFMT == FS_MODE_TYPE && S_IFDIR == FS_MODE_DIRECTORY && S_IFLNK == FS_MODE_LINK,
               "modes mean the same to both sides");

static void fill(struct stat *to, const struct fs_attributes *from)
{
    memset(to, 0, sizeof *to);
    to->st_dev = 1;
    to->st_ino = from->inode;
    to->st_mode = from->mode;
    to->st_nlink = from->links;
    to->st_uid = from->user;
    to->st_gid = from->group;
    to->st_size = from->size;
    to->st_atime = from->access_time;
    to->st_mtime = from->modify_time;
    to->st_ctime = from->change_time;
    to->st_blksize = from->block_size;
    to->st_blocks = from->blocks;
}

static int stat_path(const char *restrict path, uint32_t flags, struct stat *restrict out)
{
    struct fs_attributes attributes;
    status_t status = path_stat(path, flags, &attributes);
    if (status != OK)
        return path_fail(status);
    fill(out, &attributes);
    return 0;
}

int stat(const char *restrict path, struct stat *restrict out)
{
    return stat_path(path, 0, out);
}

int lstat(const char *restrict path, struct stat *restrict out)
{
    return stat_path(path, FS_NO_FOLLOW, out);
}

/* Of an inherited stream only the size is known, and that it is a file. */
int fstat(int number, struct stat *out)
{
    struct descriptor descriptor;
    if (!descriptor_find(number, &descriptor)) {
        errno = EBADF;
        return -1;
    }
    fill(out, &descriptor.attributes);
    switch (descriptor.kind) {
    case DESCRIPTOR_STREAM:
        if (out->st_mode == 0)
            out->st_mode = S_IFREG | 0444;
        uint64_t size;
        if (descriptor.pages != HANDLE_INVALID &&
            sys_vmo_get_content_size(descriptor.pages, &size) == OK)
            out->st_size = size;
        break;
    case DESCRIPTOR_PIPE:
        out->st_mode = S_IFIFO | 0600;
        break;
    default:
        out->st_mode = S_IFCHR | 0666;
    }
    return 0;
}

/* Everybody may read everything, execute what has an x, and write nothing. */
int access(const char *path, int mode)
{
    struct stat info = { 0 };
    if (stat(path, &info) != 0)
        return -1;
    if ((mode & W_OK) != 0)
        errno = EROFS;
    else if ((mode & X_OK) != 0 && (info.st_mode & 0111) == 0)
        errno = EACCES;
    else
        return 0;
    return -1;
}

ssize_t readlink(const char *restrict path, char *restrict to, size_t size)
{
    char absolute[FS_PATH_MAX + 1], target[FS_PATH_MAX + 1];
    status_t status = path_absolute(path, absolute);
    if (status == OK && root_fs_handle() == HANDLE_INVALID)
        status = ERR_NOT_FOUND;
    if (status == OK)
        status = fs_read_link(root_fs_handle(), absolute, target, sizeof target);
    struct stat info;
    if (status == ERR_WRONG_TYPE && lstat(path, &info) == 0) {
        errno = EINVAL;                 /* it exists, and is no link */
        return -1;
    }
    if (status != OK)
        return path_fail(status);
    size_t length = strlen(target) < size ? strlen(target) : size;
    memcpy(to, target, length);
    return length;
}

/* --- Directories. --- */

struct __dirstream {
    struct fs_directory walk;
    struct dirent entry;
    char path[FS_PATH_MAX + 1];
};

DIR *opendir(const char *path)
{
    struct fs_attributes attributes;
    status_t status = path_stat(path, 0, &attributes);
    if (status == OK && (attributes.mode & FS_MODE_TYPE) != FS_MODE_DIRECTORY)
        status = ERR_WRONG_TYPE;
    if (status != OK) {
        path_fail(status);
        return NULL;
    }
    DIR *directory = malloc(sizeof *directory);
    if (directory == NULL)
        return NULL;
    path_absolute(path, directory->path);
    fs_directory_begin(&directory->walk, root_fs_handle(), directory->path);
    return directory;
}

/* NULL at the end, and with errno set on an error. */
struct dirent *readdir(DIR *directory)
{
    static const unsigned char types[] = {
        [FS_ENTRY_UNKNOWN] = DT_UNKNOWN, [FS_ENTRY_REGULAR] = DT_REG,
        [FS_ENTRY_DIRECTORY] = DT_DIR,   [FS_ENTRY_CHARACTER] = DT_CHR,
        [FS_ENTRY_BLOCK] = DT_BLK,       [FS_ENTRY_FIFO] = DT_FIFO,
        [FS_ENTRY_SOCKET] = DT_SOCK,     [FS_ENTRY_LINK] = DT_LNK,
    };
    const struct fs_entry *entry;
    status_t status = fs_directory_next(&directory->walk, &entry);
    if (status != OK)
        path_fail(status);
    if (status != OK || entry == NULL)
        return NULL;
    directory->entry.d_ino = entry->inode;
    directory->entry.d_type = entry->type < sizeof types ? types[entry->type] : DT_UNKNOWN;
    memcpy(directory->entry.d_name, entry->name, entry->name_length);
    directory->entry.d_name[entry->name_length] = 0;
    return &directory->entry;
}

void rewinddir(DIR *directory)
{
    fs_directory_begin(&directory->walk, root_fs_handle(), directory->path);
}

int closedir(DIR *directory)
{
    free(directory);
    return 0;
}
