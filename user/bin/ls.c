/*
 * ls.c: list files and directories: ls [-alR] [PATH...].
 *
 * Names are sorted, one on each line; with -l before them mode, links, size and time.  -a shows
 * names that begin with a dot, -R goes into directories.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <quire/tool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static bool long_form, all_names, recursive;
static int code;

struct names {
    char **list;
    size_t count, capacity;
};

static void names_add(struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 32;
        names->list = realloc(names->list, names->capacity * sizeof *names->list);
        if (names->list == NULL)
            err(1, "names");
    }
    names->list[names->count] = strdup(name);
    if (names->list[names->count++] == NULL)
        err(1, "names");
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void fail(const char *path)
{
    warn("%s", path);
    code = 1;
}

static char type_letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:  return 'd';
    case S_IFLNK:  return 'l';
    case S_IFCHR:  return 'c';
    case S_IFBLK:  return 'b';
    case S_IFIFO:  return 'p';
    case S_IFSOCK: return 's';
    default:       return '-';
    }
}

/* One line; `path` leads to the file, `name` is what is printed. */
static void print_file(const char *path, const char *name)
{
    struct stat info;
    char target[PATH_SIZE], date[24];
    if (!long_form) {
        puts(name);
        return;
    }
    if (lstat(path, &info) != 0) {
        fail(path);
        return;
    }
    putchar(type_letter(info.st_mode));
    for (int i = 0; i < 9; i++)
        putchar(info.st_mode & 0400 >> i ? "rwx"[i % 3] : '-');
    struct tm parts;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", gmtime_r(&info.st_mtime, &parts));
    printf(" %3u %10" PRIu64 " %s %s", (unsigned)info.st_nlink, (uint64_t)info.st_size, date, name);
    ssize_t length = S_ISLNK(info.st_mode) ? readlink(path, target, sizeof target) : -1;
    if (length >= 0)
        printf(" -> %.*s", (int)length, target);
    putchar('\n');
}

static void join(char *to, const char *folder, const char *name)
{
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    snprintf(to, PATH_SIZE, "%s%s%s", folder, slash, name);
}

/* The names of a directory, sorted; what could be read of them if there was an error. */
static void read_names(const char *path, struct names *names)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        fail(path);
        return;
    }
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL)
        if (all_names || entry->d_name[0] != '.')
            names_add(names, entry->d_name);
    if (errno != 0)
        fail(path);
    closedir(directory);
    qsort(names->list, names->count, sizeof *names->list, by_name);
}

static bool is_directory(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void list_directory(const char *path)
{
    struct names names = { 0 };
    char *full = malloc(PATH_SIZE);
    if (full == NULL)
        err(1, "%s", path);
    if (recursive)
        printf("%s:\n", path);
    read_names(path, &names);
    for (size_t i = 0; i < names.count; i++) {
        join(full, path, names.list[i]);
        print_file(full, names.list[i]);
    }
    for (size_t i = 0; recursive && i < names.count; i++) {
        join(full, path, names.list[i]);
        bool special = strcmp(names.list[i], ".") == 0 || strcmp(names.list[i], "..") == 0;
        if (!special && is_directory(full)) {
            putchar('\n');
            list_directory(full);
        }
    }
    free(full);
    names_free(&names);
}

/* A link to a directory that is named is followed, except with -l. */
static void list(const char *path, bool with_title)
{
    struct stat info;
    if ((long_form ? lstat : stat)(path, &info) != 0 && lstat(path, &info) != 0) {
        fail(path);
    } else if (!S_ISDIR(info.st_mode)) {
        print_file(path, path);
    } else {
        if (with_title && !recursive)
            printf("%s:\n", path);
        list_directory(path);
    }
}

int main(int argument_count, char **arguments)
{
    int option;
    while ((option = getopt(argument_count, arguments, "1alR")) != -1) {
        switch (option) {
        case '1': break;
        case 'a': all_names = true; break;
        case 'l': long_form = true; break;
        case 'R': recursive = true; break;
        default:  return usage("ls [-alR] [PATH...]");
        }
    }
    if (optind == argument_count)
        list(".", false);
    for (int i = optind; i < argument_count; i++) {
        list(arguments[i], argument_count - optind > 1);
        if (i + 1 < argument_count && (recursive || is_directory(arguments[i + 1])))
            putchar('\n');
    }
    return code;
}
