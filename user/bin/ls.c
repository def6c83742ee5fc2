/*
 * ls.c: list directories of the root file system; -l: with mode, links, size and time; -a: also
 * names with a dot.
 */
#include <inttypes.h>
#include <quire.h>
#include <quire/fs.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool long_form, all_names;

static char type_letter(uint32_t mode)
{
    switch (mode & FS_MODE_TYPE) {
    case FS_MODE_DIRECTORY: return 'd';
    case FS_MODE_LINK:      return 'l';
    case FS_MODE_CHARACTER: return 'c';
    case FS_MODE_BLOCK:     return 'b';
    case FS_MODE_FIFO:      return 'p';
    case FS_MODE_SOCKET:    return 's';
    default:                return '-';
    }
}

/* One line; `path` leads to the file, `name` is what is printed. */
static status_t print_file(const char *path, const char *name)
{
    struct fs_attributes attributes;
    char target[256], date[24];
    if (!long_form) {
        printf("%s\n", name);
        return OK;
    }
    status_t status = fs_stat(root_fs_handle(), path, FS_NO_FOLLOW, &attributes);
    if (status != OK)
        return status;

    putchar(type_letter(attributes.mode));
    for (int i = 0; i < 9; i++)
        putchar(attributes.mode & 0400 >> i ? "rwx"[i % 3] : '-');
    time_t changed = attributes.modify_time;
    struct tm parts;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", gmtime_r(&changed, &parts));
    printf(" %3" PRIu32 " %10" PRIu64 " %s %s", attributes.links, attributes.size, date, name);
    if ((attributes.mode & FS_MODE_TYPE) == FS_MODE_LINK &&
        fs_read_link(root_fs_handle(), path, target, sizeof target) == OK)
        printf(" -> %s", target);
    printf("\n");
    return OK;
}

static status_t list_directory(const char *path)
{
    static struct fs_directory directory;
    static char full[FS_PATH_MAX + FS_NAME_MAX + 2];
    const struct fs_entry *entry;
    status_t status, result = OK;
    fs_directory_begin(&directory, root_fs_handle(), path);
    while ((status = fs_directory_next(&directory, &entry)) == OK && entry != NULL) {
        if (entry->name[0] == '.' && !all_names)
            continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->name);
        status = print_file(full, entry->name);
        if (status != OK) {
            fprintf(stderr, "ls: %s: %s\n", full, status_text(status));
            result = status;
        }
    }
    return status != OK ? status : result;
}

static int list(const char *path)
{
    struct fs_attributes attributes;
    status_t status = ERR_NOT_FOUND;
    if (root_fs_handle() != HANDLE_INVALID)
        status = fs_stat(root_fs_handle(), path, 0, &attributes);
    if (status == OK) {
        bool directory = (attributes.mode & FS_MODE_TYPE) == FS_MODE_DIRECTORY;
        status = directory ? list_directory(path) : print_file(path, path);
    }
    if (status != OK)
        fprintf(stderr, "ls: %s: %s\n", path, status_text(status));
    return status != OK;
}

int main(int argument_count, char **arguments)
{
    int code = 0, first = 1;
    for (; first < argument_count && arguments[first][0] == '-'; first++) {
        long_form |= strchr(arguments[first], 'l') != NULL;
        all_names |= strchr(arguments[first], 'a') != NULL;
    }
    if (first == argument_count)
        return list("/");
    for (int i = first; i < argument_count; i++)
        code |= list(arguments[i]);
    return code;
}
