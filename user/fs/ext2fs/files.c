/*
 * files.c: the table of open files, and which of them to forget.
 *
 * A file that no client has any more stays, with its pages, until memory is wanted for something
 * else: the files not in use may keep a third of the memory, and nothing while less than an eighth
 * is free. The one that is unused for longest goes first, except that a file that is too large to
 * stay does not drive the others out.
 *
 * Invariant: a file is in the line of unused files, or in_use is set and a pager_watch on it is not
 * answered yet. So nothing of a file that is dropped is under way.
 * Locks: files_lock. Both buckets' threads take it, and none waits for anything while it has it.
 */
#include "server.h"

#include <stdlib.h>

#define BUCKETS 256u

enum {
    FILE_RIGHTS = RIGHT_READ | RIGHT_MAP | RIGHT_EXECUTE | RIGHT_DUPLICATE | RIGHT_TRANSFER |
                  RIGHT_INSPECT | RIGHT_WAIT,
};

static struct quire_mutex files_lock;
static struct file *buckets[BUCKETS];
static struct file *oldest, *newest;    /* not in use; the order in which they came to be so */
static uint64_t memory_bytes = UINT64_MAX;      /* of the machine, once memory_is_short has asked */
static uint64_t unused_bytes;
static uint32_t file_count, unused_count;

/* --- The line of unused files. --- */

static void line_insert(struct file *file)
{
    file->charge = pager_resident(&file->pager) + PAGE_SIZE;    /* about what its records take */
    bool is_next = file->charge > memory_bytes / 3;

    file->older = is_next ? NULL : newest;
    file->newer = is_next ? oldest : NULL;
    *(file->older != NULL ? &file->older->newer : &oldest) = file;
    *(file->newer != NULL ? &file->newer->older : &newest) = file;
    unused_bytes += file->charge;
    unused_count++;
}

static void line_remove(struct file *file)
{
    *(file->older != NULL ? &file->older->newer : &oldest) = file->newer;
    *(file->newer != NULL ? &file->newer->older : &newest) = file->older;
    unused_bytes -= file->charge;
    unused_count--;
}

/* A client has the unused file now. */
static status_t file_use(struct file *file)
{
    status_t status = pager_watch(&file->pager);

    if (status == OK) {
        line_remove(file);
        file->in_use = true;
    }
    return status;
}

/* --- Forgetting. --- */

/* False if it turns out that the file is in use and cannot be watched. */
static bool drop_oldest(void)
{
    struct file *file = oldest, **link = &buckets[file->inode.number % BUCKETS];

    if (pager_children(&file->pager) > 0)
        return file_use(file) == OK;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    line_remove(file);
    file_count--;
    pager_end(&file->pager);            /* file_free follows */
    return true;
}

static bool memory_is_short(void)
{
    info_system_t system;

    if (sys_object_get_info(system_handle(), INFO_SYSTEM, &system, sizeof(system), NULL, NULL) !=
        OK)
        return true;
    memory_bytes = system.memory_bytes;
    return unused_bytes > memory_bytes / 3 ||
           system.frames[FRAME_FREE] * PAGE_SIZE < memory_bytes / 8;
}

static void make_room(bool in_any_case)
{
    while (oldest != NULL && (in_any_case || memory_is_short())) {
        if (!drop_oldest())
            return;
    }
}

void files_make_room(bool in_any_case)
{
    quire_mutex_lock(&files_lock);
    make_room(in_any_case);
    quire_mutex_unlock(&files_lock);
}

/*
 * The last client went, but another may have come since. If it cannot be watched, it is among the
 * unused ones until drop_oldest meets it.
 */
void file_unused(struct pager *pager)
{
    struct file *file = (struct file *)pager;

    quire_mutex_lock(&files_lock);
    if (pager_children(pager) == 0 || pager_watch(pager) != OK) {
        file->in_use = false;
        line_insert(file);
        make_room(false);
    }
    quire_mutex_unlock(&files_lock);
}

void file_free(struct pager *pager)
{
    free((struct file *)pager);
}

/* --- Opening. --- */

/* The file of the inode; a new one is not in use. */
static status_t file_get(const struct inode *inode, const char *path, size_t length,
                         struct file **out_file)
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
    *file = (struct file){ .inode = *inode, .next = *bucket };
    status_t status =
        pager_init(&file->pager, &server.pagers, &file_ops, inode->attributes.size);
    if (status != OK) {
        free(file);
        return status;
    }
    pager_set_name(&file->pager, path, length);
    *bucket = file;
    file_count++;
    line_insert(file);
    *out_file = file;
    return OK;
}

status_t file_open(const struct inode *inode, const char *path, size_t length, handle_t *out_vmo)
{
    struct file *file;

    quire_mutex_lock(&files_lock);
    status_t status = file_get(inode, path, length, &file);
    if (status == OK)
        status = pager_make_reference(&file->pager, FILE_RIGHTS, out_vmo);
    if (status == OK && !file->in_use) {
        status = file_use(file);
        if (status != OK)
            sys_handle_close(*out_vmo);
    }
    quire_mutex_unlock(&files_lock);
    return status;
}

void files_count(struct fs_cache_statistics *statistics)
{
    quire_mutex_lock(&files_lock);
    statistics->files = file_count;
    statistics->unused_files = unused_count;
    statistics->unused_bytes = unused_bytes;
    quire_mutex_unlock(&files_lock);
}
