/*
 * fswalk.c: mount partitions and read everything on them: what a file server does with a disk that
 * is damaged, seen by a client.  test/test_corrupt.py gives it damaged ones.
 *
 * Each gets an ext2fs of its own.  One line says how the mount went, how many files and directories
 * could be read and how many answers were errors, and whether the server is still alive.
 *
 *     fswalk DEVICE...
 */
#include <quire.h>
#include <quire/fs.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_DEVICE = START_USER, TAG_CHANNEL = START_USER + 1 };
enum { DEPTH_MAX = 6, VISITS_MAX = 500, BLOCK = 65536, PATH_SIZE = 2048 };
#define READ_MAX (1ul << 20)            /* a damaged size may be anything */

static handle_t fs;
static unsigned visits, good, errors;
static char block[BLOCK];

static void count(status_t status)
{
    good += status == OK;
    errors += status != OK;
}

static status_t read_at(handle_t stream, uint64_t offset, size_t *out_actual)
{
    return sys_stream_read_at(stream, block, offset, BLOCK, out_actual);
}

/* Read the beginning, and the end. */
static status_t read_file(const char *path)
{
    struct fs_file file;
    size_t actual = 1;
    status_t status = fs_open(fs, path, FS_NO_FOLLOW, &file);
    if (status != OK)
        return status;
    for (uint64_t at = 0; status == OK && actual > 0 && at < READ_MAX; at += actual)
        status = read_at(file.stream, at, &actual);
    uint64_t size = file.attributes.size;
    status_t last = read_at(file.stream, size > 100 ? size - 100 : 0, &actual);
    fs_close(&file);
    return status != OK ? status : last;
}

static void walk(const char *folder, unsigned depth);

static void visit(const char *path, unsigned depth)
{
    struct fs_attributes attributes;
    char target[256];
    status_t status = fs_stat(fs, path, FS_NO_FOLLOW, &attributes);
    if (status == OK) {
        switch (attributes.mode & FS_MODE_TYPE) {
        case FS_MODE_REGULAR:   status = read_file(path); break;
        case FS_MODE_LINK:      status = fs_read_link(fs, path, target, sizeof target); break;
        case FS_MODE_DIRECTORY: walk(path, depth + 1); break;
        }
    }
    count(status);
}

/* Directories may contain each other when they are damaged: there is a limit to everything. */
static void walk(const char *folder, unsigned depth)
{
    const struct fs_entry *entry;
    status_t status;
    char path[PATH_SIZE];
    struct fs_directory *directory = depth <= DEPTH_MAX ? malloc(sizeof *directory) : NULL;
    if (directory == NULL)
        return;
    fs_directory_begin(directory, fs, folder);
    while ((status = fs_directory_next(directory, &entry)) == OK && entry != NULL &&
           visits++ < VISITS_MAX) {
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->name) < sizeof path)
            visit(path, depth);
    }
    count(status);
    free(directory);
}

/* The server of a device; its handle moves. */
static status_t start_server(handle_t device, handle_t *out_process)
{
    handle_t server, image;
    status_t status = program_open("ext2fs", &image);
    if (status != OK) {
        sys_handle_close(device);
        return status;
    }
    status = sys_channel_create(0, &fs, &server);
    if (status != OK) {
        sys_handle_close(device);
        sys_handle_close(image);
        return status;
    }
    const struct spawn_handle handles[] = { { device, TAG_DEVICE }, { server, TAG_CHANNEL } };
    status = spawn(&(struct spawn_arguments){
        .image = image, .arguments = (const char *const[]){ "ext2fs", NULL },
        .handles = handles, .handle_count = 2,
    }, out_process);
    sys_handle_close(image);
    if (status != OK)
        sys_handle_close(fs);
    return status;
}

/* A server that refused to mount ends by itself, which is well; nothing else may end it. */
static bool ended_well(handle_t process, status_t mounted)
{
    int64_t code = 0;
    if (mounted == OK) {
        bool alive = sys_object_wait_one(process, SIGNAL_TERMINATED, 0, NULL) == ERR_TIMED_OUT;
        sys_task_kill(process);
        process_wait(process, &code);
        return alive;
    }
    return process_wait(process, &code) == OK && code == 1;
}

static bool walk_device(const char *name)
{
    handle_t device, process;
    visits = good = errors = 0;
    status_t status = block_open(name, &device);
    if (status == OK)
        status = start_server(device, &process);
    if (status != OK) {
        printf("%s: %s\n", name, status_name(status));
        return false;
    }
    status_t mounted = fs_wait_mounted(fs);
    if (mounted == OK)
        walk("", 0);
    bool well = ended_well(process, mounted);
    sys_handle_close(fs);
    printf("%s: mount %s, %u read, %u errors, server %s\n", name, status_name(mounted), good,
           errors, well ? "well" : "LOST");
    return well;
}

int main(int argument_count, char **arguments)
{
    int code = 0;
    if (argument_count < 2)
        return usage("fswalk DEVICE...");
    for (int i = 1; i < argument_count; i++)
        if (!walk_device(arguments[i]))
            code = 1;
    return code;
}
