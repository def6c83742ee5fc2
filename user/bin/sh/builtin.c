/*
 * builtin.c: commands that concern the shell itself, or must work when nothing else does.
 */
#include "sh.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t fail(const char *command, const char *what)
{
    fprintf(stderr, "sh: %s: %s: %s\n", command, what, strerror(errno));
    return 1;
}

static int64_t change_directory(int count, char **words)
{
    const char *home = getenv("HOME");
    const char *where = count > 1 ? words[1] : home != NULL ? home : "/";
    if (chdir(where) != 0)
        return fail("cd", where);
    char *path = getcwd(NULL, 0);
    if (path != NULL)
        setenv("PWD", path, 1);
    free(path);
    return 0;
}

static int64_t export(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        char *equals = strchr(words[i], '=');
        if (equals == NULL)
            continue;                   /* every variable is exported already */
        *equals = 0;
        if (setenv(words[i], equals + 1, 1) != 0)
            return fail("export", words[i]);
    }
    return 0;
}

static int64_t unset(int count, char **words)
{
    for (int i = 1; i < count; i++)
        unsetenv(words[i]);
    return 0;
}

static int64_t leave(int count, char **words)
{
    wants_exit = true;
    return count > 1 ? atoi(words[1]) : exit_status();
}

static int64_t wait_command(int count, char **words)
{
    int64_t code = count == 1 ? jobs_wait(0) : 0;
    for (int i = 1; i < count; i++) {
        uint64_t koid = strtoull(words[i], NULL, 10);
        code = koid != 0 ? jobs_wait(koid) : STATUS_NOT_FOUND;
    }
    return code;
}

static int64_t list_jobs(int count, char **words)
{
    (void)count;
    (void)words;
    jobs_print();
    return 0;
}

/* A koid, or %N for a job. */
static int64_t kill_one(const char *word, int number)
{
    char *end;
    bool is_job = word[0] == '%';
    unsigned long koid = strtoul(word + is_job, &end, 10);
    if (is_job)
        koid = job_koid(koid);
    if (*end != 0 || end == word || koid == 0 || koid > INT32_MAX) {
        fprintf(stderr, "sh: kill: %s: no such %s\n", word, is_job ? "job" : "koid");
        return 1;
    }
    return kill(koid, number) == 0 ? 0 : fail("kill", word);
}

static int64_t kill_command(int count, char **words)
{
    int number = SIGTERM, first = 1;
    int64_t code = 0;
    if (count > 1 && strcmp(words[1], "-l") == 0) {
        for (int i = 1; i < NSIG; i++)
            if (signal_name(i) != NULL)
                printf("%d %s\n", i, signal_name(i));
        return 0;
    }
    if (count > 1 && words[1][0] == '-') {
        number = signal_number(words[1] + 1);
        first = 2;
    }
    if (number < 0 || first >= count) {
        fprintf(stderr, "usage: kill [-SIGNAL] KOID|%%JOB...\n");
        return STATUS_USAGE;
    }
    for (int i = first; i < count; i++)
        code |= kill_one(words[i], number);
    return code;
}

static int64_t power(int count, char **words)
{
    uint32_t action = strcmp(words[0], "reboot") == 0 ? POWER_REBOOT : POWER_OFF;
    fflush(stdout);
    status_t status = sys_system_power(system_handle(), action, count > 1 ? atoi(words[1]) : 0);
    fprintf(stderr, "sh: %s: %s\n", words[0], status_text(status));
    return 1;
}

static builtin_function help;

static const struct {
    const char *name, *usage, *meaning;
    builtin_function *run;
} builtins[] = {
    { "cd", "cd [FOLDER]", "change the current directory", change_directory },
    { "exit", "exit [STATUS]", "leave the shell", leave },
    { "export", "export NAME=VALUE", "set a variable, as NAME=VALUE alone does", export },
    { "unset", "unset NAME", "forget a variable", unset },
    { "wait", "wait [KOID]", "wait for what runs in the background", wait_command },
    { "jobs", "jobs", "what runs in the background", list_jobs },
    { "kill", "kill [-SIGNAL] KOID|%JOB", "send a signal; kill -l lists them", kill_command },
    { "help", "help", "this list", help },
    { "poweroff", "poweroff [STATUS]", "switch the machine off", power },
    { "reboot", "reboot", "start it again", power },
};

enum { BUILTINS = sizeof builtins / sizeof builtins[0] };

/* Programs in columns. */
static void print_name(const char *name, size_t length)
{
    static size_t column;
    if (name == NULL || column + length > 76) {
        printf("\n");
        column = 0;
    }
    if (name != NULL)
        printf("  %.*s", (int)length, name);
    column += length + 2;
}

static void print_archive(void)
{
    const char *path;
    size_t length;
    uint64_t size;
    for (size_t i = 0; initrd_entry(i, &path, &length, &size) == OK; i++)
        if (length > 4 && memcmp(path, "bin/", 4) == 0)
            print_name(path + 4, length - 4);
}

static int64_t help(int count, char **words)
{
    (void)count;
    (void)words;
    for (size_t i = 0; i < BUILTINS; i++)
        printf("%-25s %s\n", builtins[i].usage, builtins[i].meaning);
    printf("a | b   a < file   a > file   a ; b   a && b   a || b   a &   $NAME   $?   *\n"
           "Programs of the boot archive (the disk's /bin may have more):\n");
    print_archive();
    print_name(NULL, 0);
    return 0;
}

builtin_function *builtin_find(const char *name, size_t length)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (strlen(builtins[i].name) == length && memcmp(builtins[i].name, name, length) == 0)
            return builtins[i].run;
    return NULL;
}
