/*
 * path.c: the current directory, and errno for what a file server says.
 *
 * The server knows absolute paths only.  A process is told its current directory by the variable
 * PWD that spawn puts into its environment; from then on chdir keeps it here.
 *
 * Locks: `lock` guards the current directory.
 */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct quire_mutex lock;
FORK_TAKES(lock);
static char current[FS_PATH_MAX + 1];   /* empty until it is asked for */

void current_directory(char out[static FS_PATH_MAX + 1])
{
    lock_hold(&lock);
    if (current[0] == 0) {
        const char *told = getenv("PWD");
        bool is_path = told != NULL && told[0] == '/' && strlen(told) <= FS_PATH_MAX;
        strcpy(current, is_path ? told : "/");
    }
    strcpy(out, current);
    lock_release(&lock);
}

status_t path_absolute(const char *path, char out[static FS_PATH_MAX + 1])
{
    size_t length = strlen(path), used = 0;
    if (length == 0)
        return ERR_NOT_FOUND;
    if (path[0] != '/') {
        current_directory(out);
        used = strlen(out);
        if (used < FS_PATH_MAX && out[used - 1] != '/')
            out[used++] = '/';
    }
    if (length > FS_PATH_MAX - used)
        return ERR_INVALID_ARGS;
    memcpy(out + used, path, length + 1);
    return OK;
}

int path_fail(status_t status)
{
    switch (status) {
    case ERR_WRONG_TYPE:   errno = ENOTDIR; break;
    case ERR_INVALID_ARGS: errno = ENAMETOOLONG; break;
    case ERR_NO_RESOURCES: errno = ELOOP; break;
    case ERR_PEER_CLOSED:  errno = EIO; break;          /* the server is gone */
    default:               errno = status_errno(status);
    }
    return -1;
}

status_t path_stat(const char *path, uint32_t flags, struct fs_attributes *out_attributes)
{
    char absolute[FS_PATH_MAX + 1];
    status_t status = path_absolute(path, absolute);
    if (status == OK && root_fs_handle() == HANDLE_INVALID)
        status = ERR_NOT_FOUND;
    return status == OK ? fs_stat(root_fs_handle(), absolute, flags, out_attributes) : status;
}

/* --- Paths without links. --- */

/* A path that is being resolved. */
struct walk {
    char done[FS_PATH_MAX + 1];         /* resolved; empty is the root */
    char rest[FS_PATH_MAX + 1];
    unsigned links;
};

static void drop_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = 0;
}

/* `done` has just grown by a symbolic link: put its target before the rest. */
static status_t follow_link(struct walk *walk)
{
    char target[FS_PATH_MAX + 1];
    if (++walk->links > FS_LINK_MAX)
        return ERR_NO_RESOURCES;
    status_t status = fs_read_link(root_fs_handle(), walk->done, target, sizeof target);
    if (status != OK)
        return status;
    size_t length = strlen(target), rest = strlen(walk->rest);
    if (length + 1 + rest > FS_PATH_MAX)
        return ERR_INVALID_ARGS;
    memmove(walk->rest + length + 1, walk->rest, rest + 1);
    memcpy(walk->rest, target, length);
    walk->rest[length] = '/';
    if (target[0] == '/')
        walk->done[0] = 0;
    else
        drop_last(walk->done);
    return OK;
}

/* Move the first name of the rest to what is done. */
static status_t walk_step(struct walk *walk)
{
    struct fs_attributes attributes;
    char *name = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(name, "/"), done = strlen(walk->done);
    bool is_last = name[length + strspn(name + length, "/")] == 0;
    bool up = length == 2 && memcmp(name, "..", 2) == 0, stay = length == 1 && name[0] == '.';
    if (up)
        drop_last(walk->done);
    if (!up && !stay && length > 0) {
        if (length > FS_NAME_MAX || done + 1 + length > FS_PATH_MAX)
            return ERR_INVALID_ARGS;
        walk->done[done] = '/';
        memcpy(walk->done + done + 1, name, length);
        walk->done[done + 1 + length] = 0;
    }
    memmove(walk->rest, name + length, strlen(name + length) + 1);
    if (up || stay || length == 0)
        return OK;

    status_t status = fs_stat(root_fs_handle(), walk->done, FS_NO_FOLLOW, &attributes);
    if (status != OK)
        return status;
    if ((attributes.mode & FS_MODE_TYPE) == FS_MODE_LINK)
        return follow_link(walk);
    bool is_directory = (attributes.mode & FS_MODE_TYPE) == FS_MODE_DIRECTORY;
    return is_last || is_directory ? OK : ERR_WRONG_TYPE;
}

static status_t resolve(const char *path, struct walk *walk)
{
    walk->done[0] = 0;
    walk->links = 0;
    status_t status = path_absolute(path, walk->rest);
    if (status == OK && root_fs_handle() == HANDLE_INVALID)
        status = ERR_NOT_FOUND;
    while (status == OK && walk->rest[strspn(walk->rest, "/")] != 0)
        status = walk_step(walk);
    if (status == OK && walk->done[0] == 0)
        strcpy(walk->done, "/");
    return status;
}

/* With NULL for resolved the result comes from malloc; else there must be PATH_MAX bytes. */
char *realpath(const char *restrict path, char *restrict resolved)
{
    struct walk *walk = malloc(sizeof *walk);
    if (walk == NULL)
        return NULL;
    status_t status = resolve(path, walk);
    char *result = NULL;
    if (status != OK)
        path_fail(status);
    else if (resolved == NULL)
        result = strdup(walk->done);
    else
        result = strcpy(resolved, walk->done);
    free(walk);
    return result;
}

int chdir(const char *path)
{
    struct fs_attributes attributes;
    char *where = realpath(path, NULL);
    if (where == NULL)
        return -1;
    status_t status = path_stat(where, 0, &attributes);
    if (status == OK && (attributes.mode & FS_MODE_TYPE) != FS_MODE_DIRECTORY)
        status = ERR_WRONG_TYPE;
    if (status == OK) {
        lock_hold(&lock);
        strcpy(current, where);
        lock_release(&lock);
    }
    free(where);
    return status == OK ? 0 : path_fail(status);
}

char *getcwd(char *to, size_t size)
{
    char path[FS_PATH_MAX + 1];
    current_directory(path);
    if (to == NULL)
        return strdup(path);
    if (strlen(path) < size)
        return strcpy(to, path);
    errno = size == 0 ? EINVAL : ERANGE;
    return NULL;
}
