/*
 * path.c: from a path to an inode.
 *
 * The path is walked name by name from the root.  "." and ".." are entries of every directory, so
 * they need no special care.  At a symbolic link its target is put in front of what is left of the
 * path, and the walk goes on from the root or, for a relative target, from the link's directory.
 */
#include "ext2.h"

#include <string.h>

struct walk {
    const struct file_system *fs;
    struct inode *at;                   /* where we are */
    uint32_t links;                     /* followed so far */
    size_t position, length;            /* what is left is path[position .. length) */
    char path[FS_PATH_MAX];
    char target[FS_PATH_MAX];
};

status_t link_read(const struct file_system *fs, const struct inode *inode,
                   char target[static FS_PATH_MAX], size_t *out_length)
{
    if (inode_type(inode) != FS_MODE_LINK)
        return ERR_WRONG_TYPE;
    *out_length = inode->attributes.size;
    if (!inode->short_link)
        return blocks_read(fs, inode, 0, target, *out_length);
    memcpy(target, inode->pointers, *out_length);
    return OK;
}

/* Put the target of `link` in front of what is left. */
static status_t walk_follow(struct walk *walk, const struct inode *link)
{
    size_t length, left = walk->length - walk->position;
    status_t status = link_read(walk->fs, link, walk->target, &length);

    if (status != OK)
        return status;
    if (++walk->links > FS_LINK_MAX)
        return ERR_NO_RESOURCES;
    if (length + left > FS_PATH_MAX || memchr(walk->target, '\0', length) != NULL)
        return ERR_INVALID_ARGS;
    memmove(walk->path + length, walk->path + walk->position, left);
    memcpy(walk->path, walk->target, length);
    walk->position = 0;
    walk->length = length + left;
    return walk->path[0] == '/' ? inode_load(walk->fs, EXT2_ROOT_INODE, walk->at) : OK;
}

/* Go one name on. */
static status_t walk_step(struct walk *walk, uint32_t flags)
{
    const char *name = walk->path + walk->position;
    const char *end = memchr(name, '/', walk->length - walk->position);
    size_t length = end != NULL ? (size_t)(end - name) : walk->length - walk->position;
    struct inode next;
    uint32_t number;

    if (length > FS_NAME_MAX)
        return ERR_INVALID_ARGS;
    status_t status = directory_find(walk->fs, walk->at, name, length, &number);
    if (status == OK)
        status = inode_load(walk->fs, number, &next);
    if (status != OK)
        return status;
    walk->position += length;
    if (inode_type(&next) == FS_MODE_LINK && (end != NULL || !(flags & FS_NO_FOLLOW)))
        return walk_follow(walk, &next);
    if (end != NULL && inode_type(&next) != FS_MODE_DIRECTORY)
        return ERR_WRONG_TYPE;
    *walk->at = next;
    return OK;
}

status_t path_resolve(const struct file_system *fs, const char *path, size_t length, uint32_t flags,
                      struct inode *out_inode)
{
    struct walk walk;                   /* not cleared: it is large */

    if (length > FS_PATH_MAX || memchr(path, '\0', length) != NULL)
        return ERR_INVALID_ARGS;
    walk.fs = fs;
    walk.at = out_inode;
    walk.links = 0;
    walk.position = 0;
    walk.length = length;
    memcpy(walk.path, path, length);
    status_t status = inode_load(fs, EXT2_ROOT_INODE, out_inode);
    while (status == OK) {
        while (walk.position < walk.length && walk.path[walk.position] == '/')
            walk.position++;
        if (walk.position == walk.length)
            break;
        status = walk_step(&walk, flags);
    }
    return status;
}
