/*
 * program.c: finding programs by name, running them, and waiting for them.
 */
#include <quire.h>
#include <quire/fs.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 256 };

static status_t open_on_disk(const char *path, handle_t *out_image)
{
    struct fs_file file;
    if (root_fs_handle() == HANDLE_INVALID)
        return ERR_NOT_FOUND;
    status_t status = fs_open(root_fs_handle(), path, 0, &file);
    if (status != OK)
        return status;
    sys_handle_close(file.stream);
    *out_image = file.vmo;
    return OK;
}

status_t program_open(const char *name, handle_t *out_image)
{
    char path[PATH_SIZE];
    bool is_path = strchr(name, '/') != NULL;
    if (name[0] == 0 || strlen(name) + sizeof "/bin/" > sizeof path)
        return ERR_NOT_FOUND;
    snprintf(path, sizeof path, "%s%s", is_path ? "" : "/bin/", name);

    status_t status = open_on_disk(path, out_image);
    if (status != OK && initrd_handle() != HANDLE_INVALID) {
        status_t second = initrd_open(path + (path[0] == '/'), out_image);
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
