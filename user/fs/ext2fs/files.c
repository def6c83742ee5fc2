/*
 * files.c: the table of open files, by inode number.
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256u

static struct file *buckets[BUCKETS];

/* A VMO of the file's length whose pages this server supplies. */
static status_t file_create_vmo(struct file *file)
{
    uint64_t size = file->inode.attributes.size;
    char name[NAME_MAX_LENGTH + 1];
    status_t status =
        sys_pager_create_vmo(server.pager, 0, server.pager_port, (uintptr_t)file, size, &file->vmo);

    if (status != OK)
        return status;
    snprintf(name, sizeof(name), "inode %u", (unsigned)file->inode.number);
    sys_object_set_name(file->vmo, name, strlen(name));         /* for listings only: may fail */
    status = sys_vmo_set_content_size(file->vmo, size);
    if (status != OK)
        sys_handle_close(file->vmo);
    return status;
}

status_t file_open(const struct inode *inode, struct file **out_file)
{
    struct file **bucket = &buckets[inode->number % BUCKETS];

    for (struct file *file = *bucket; file != NULL; file = file->next) {
        if (file->inode.number == inode->number) {
            *out_file = file;
            return OK;
        }
    }

    struct file *file = malloc(sizeof(*file));
    if (file == NULL)
        return ERR_NO_MEMORY;
    file->inode = *inode;
    status_t status = file_create_vmo(file);
    if (status != OK) {
        free(file);
        return status;
    }
    file->next = *bucket;
    *bucket = file;
    *out_file = file;
    return OK;
}
