/*
 * program.c: finding programs by name, running them, and waiting for them.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_DEFAULT "/bin"

static status_t open_on_disk(const char *path, handle_t *out_image)
{
    char absolute[FS_PATH_MAX + 1];
    struct fs_file file;
    if (root_fs_handle() == HANDLE_INVALID)
        return ERR_NOT_FOUND;
    status_t status = path_absolute(path, absolute);
    if (status == OK)
        status = fs_open(root_fs_handle(), absolute, 0, &file);
    if (status != OK)
        return status;
    sys_handle_close(file.stream);
    *out_image = file.vmo;
    return OK;
}

/* The first folder of PATH that has it; an error other than NOT_FOUND ends the search. */
static status_t search(const char *name, handle_t *out_image)
{
    char path[FS_PATH_MAX + 1];
    const char *folder = getenv("PATH");
    status_t status = ERR_NOT_FOUND;
    if (folder == NULL)
        folder = PATH_DEFAULT;
    while (status == ERR_NOT_FOUND && *folder != 0) {
        int length = strcspn(folder, ":");
        if ((size_t)snprintf(path, sizeof path, "%.*s/%s", length, folder, name) < sizeof path)
            status = open_on_disk(path, out_image);
        folder += length + (folder[length] == ':');
    }
    return status;
}

static status_t open_in_archive(const char *name, handle_t *out_image)
{
    char path[FS_PATH_MAX + 1];
    if (initrd_handle() == HANDLE_INVALID)
        return ERR_NOT_FOUND;
    bool is_path = strchr(name, '/') != NULL;
    snprintf(path, sizeof path, "%s%s", is_path ? "" : "bin/", name + (name[0] == '/'));
    return initrd_open(path, out_image);
}

status_t program_open(const char *name, handle_t *out_image)
{
    if (name[0] == 0 || strlen(name) > FS_PATH_MAX - sizeof "bin/")
        return ERR_NOT_FOUND;
    status_t status = strchr(name, '/') != NULL ? open_on_disk(name, out_image)
                                                : search(name, out_image);
    if (status != OK) {
        status_t second = open_in_archive(name, out_image);
        if (second == OK || status == ERR_NOT_FOUND)
            status = second;
    }
    return status;
}

status_t process_wait(handle_t process, int64_t *out_code)
{
    status_t status;
    do {
        status = sys_object_wait_one(process, SIGNAL_TERMINATED, DEADLINE_INFINITE, NULL);
    } while (status == ERR_CANCELED);

    info_process_t info;
    if (status == OK)
        status = sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL);
    sys_handle_close(process);
    if (status == OK)
        *out_code = info.exit_code;
    return status;
}

status_t program_run(const char *const *arguments, int64_t *out_code)
{
    handle_t image, process;
    status_t status = program_open(arguments[0], &image);
    if (status != OK)
        return status;
    struct spawn_arguments spawning = { .image = image, .arguments = arguments };
    fflush(stdout);
    status = spawn(&spawning, &process);
    sys_handle_close(image);
    return status == OK ? process_wait(process, out_code) : status;
}
