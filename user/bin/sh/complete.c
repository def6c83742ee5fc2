/*
 * complete.c: the tab key: names of files, and of programs where a command begins.
 *
 * All names that begin with what is typed are collected; what they have in common is inserted, and
 * when that is nothing they are printed.
 */
#include "sh.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Add the names in a folder that begin with `start`; those of folders with a slash. */
static void add_names(const char *folder, const char *start, struct words *words)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL) {
        char name[sizeof entry->d_name + 1];
        bool hidden = entry->d_name[0] == '.' && start[0] != '.';
        if (hidden || strncmp(entry->d_name, start, strlen(start)) != 0)
            continue;
        snprintf(name, sizeof name, "%s%s", entry->d_name, entry->d_type == DT_DIR ? "/" : "");
        words_add(words, name, strlen(name));
    }
    closedir(directory);
}

static void add_programs(const char *start, struct words *words)
{
    const char *path, *list = getenv("PATH");
    char folder[256];
    size_t length;
    uint64_t size;
    for (; list != NULL && *list != 0; list += length + (list[length] == ':')) {
        length = strcspn(list, ":");
        snprintf(folder, sizeof folder, "%.*s", (int)length, list);
        add_names(folder, start, words);
    }
    if (words->count > 0)
        return;
    for (size_t i = 0; initrd_entry(i, &path, &length, &size) == OK; i++)
        if (length >= 4 + strlen(start) && memcmp(path, "bin/", 4) == 0 &&
            memcmp(path + 4, start, strlen(start)) == 0)
            words_add(words, path + 4, length - 4);
}

/* Is the word that begins at `start` the name of a command? */
static bool is_command(const char *line, size_t start)
{
    while (start > 0 && isspace((unsigned char)line[start - 1]))
        start--;
    return start == 0 || strchr(";&|", line[start - 1]) != NULL;
}

static size_t common_length(const struct words *words)
{
    size_t length = strlen(words->list[0]);
    for (size_t i = 1; i < words->count; i++) {
        size_t same = 0;
        while (same < length && words->list[i][same] == words->list[0][same])
            same++;
        length = same;
    }
    return length;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_names(const struct words *words)
{
    size_t width = 0, column = 0;
    for (size_t i = 0; i < words->count; i++)
        if (strlen(words->list[i]) > width)
            width = strlen(words->list[i]);
    qsort(words->list, words->count, sizeof *words->list, by_name);
    for (size_t i = 0; i < words->count; i++) {
        if (i == 0 || column + width + 2 > 78)
            column = printf("\n") - 1;
        column += printf("%-*s  ", (int)width, words->list[i]);
    }
    printf("\n");
    fflush(stdout);
}

bool complete_word(const char *line, size_t cursor, char *insert, size_t size)
{
    struct words words = { 0 };
    size_t start = cursor;
    bool printed = false;
    while (start > 0 && strchr(" \t;&|<>='\"", line[start - 1]) == NULL)
        start--;
    char *word = strndup(line + start, cursor - start);
    if (word == NULL)
        return false;
    char *slash = strrchr(word, '/');
    char *typed = slash != NULL ? slash + 1 : word;
    if (slash == NULL && is_command(line, start)) {
        add_programs(word, &words);
    } else {
        char *folder = slash != NULL ? strndup(word, slash - word + 1) : NULL;
        add_names(folder != NULL ? folder : ".", typed, &words);
        free(folder);
    }
    if (words.count > 0) {
        size_t common = common_length(&words), length = strlen(typed);
        const char *only = words.count == 1 && words.list[0][common - 1] != '/' ? " " : "";
        snprintf(insert, size, "%.*s%s", (int)(common - length), words.list[0] + length, only);
        if (insert[0] == 0 && words.count > 1) {
            print_names(&words);
            printed = true;
        }
    }
    words_free(&words);
    free(word);
    return printed;
}
