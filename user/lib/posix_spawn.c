/*
 * posix_spawn.c: posix_spawn over spawn.
 *
 * The file actions are carried out on a table that says which of our descriptors becomes which of
 * the child's; a file that is opened for the child is ours for as long as it takes.  Attributes
 * (groups, signals, scheduling) do not exist here.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action_kind { ACTION_OPEN, ACTION_DUPLICATE, ACTION_CLOSE };

struct action {
    struct action *next;
    enum action_kind kind;
    int from, to;                       /* OPEN has no from, CLOSE no to */
    int flags;
    char path[];
};

struct __posix_spawn_file_actions {
    struct action *first, **last;
};

int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
    *actions = malloc(sizeof **actions);
    if (*actions == NULL)
        return ENOMEM;
    (*actions)->first = NULL;
    (*actions)->last = &(*actions)->first;
    return 0;
}

int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
    for (struct action *action = (*actions)->first, *next; action != NULL; action = next) {
        next = action->next;
        free(action);
    }
    free(*actions);
    return 0;
}

static int add_action(posix_spawn_file_actions_t *actions, const struct action *action,
                      const char *path)
{
    struct action *copy = malloc(sizeof *copy + strlen(path) + 1);
    if (action->from < 0 || action->from >= DESCRIPTOR_MAX || action->to < 0 ||
        action->to >= DESCRIPTOR_MAX) {
        free(copy);
        return EBADF;
    }
    if (copy == NULL)
        return ENOMEM;
    *copy = *action;
    strcpy(copy->path, path);
    *(*actions)->last = copy;
    (*actions)->last = &copy->next;
    return 0;
}

int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *restrict actions, int number,
                                     const char *restrict path, int flags, mode_t mode)
{
    (void)mode;
    struct action action = { .kind = ACTION_OPEN, .to = number, .flags = flags };
    return add_action(actions, &action, path);
}

int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
    return add_action(actions, &(struct action){ .kind = ACTION_DUPLICATE, .from = from, .to = to },
                      "");
}

int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int number)
{
    return add_action(actions, &(struct action){ .kind = ACTION_CLOSE, .from = number }, "");
}

/* The child's descriptors. */
struct table {
    int ours[DESCRIPTOR_MAX];           /* -1: closed */
    bool opened[DESCRIPTOR_MAX];        /* by descriptor of ours: to be closed afterwards */
};

static void table_init(struct table *table)
{
    memset(table->opened, 0, sizeof table->opened);
    for (int number = 0; number < DESCRIPTOR_MAX; number++) {
        struct descriptor descriptor;
        bool inherited = descriptor_find(number, &descriptor) && !descriptor.close_on_exec;
        table->ours[number] = inherited ? number : -1;
    }
}

static int apply(struct table *table, const struct action *action)
{
    struct descriptor descriptor;
    int number;
    switch (action->kind) {
    case ACTION_CLOSE:
        table->ours[action->from] = -1;
        return 0;
    case ACTION_DUPLICATE:
        number = table->ours[action->from];
        if (number < 0 && descriptor_find(action->from, &descriptor))
            number = action->from;      /* closed on exec, but not its duplicate */
        if (number < 0)
            return EBADF;
        break;
    default:
        number = open(action->path, action->flags);
        if (number < 0)
            return errno;
        table->opened[number] = true;
    }
    table->ours[action->to] = number;
    return 0;
}

static void table_close(struct table *table)
{
    for (int number = 0; number < DESCRIPTOR_MAX; number++)
        if (table->opened[number])
            close(number);
}

static int open_error(status_t status)
{
    switch (status) {
    case ERR_INVALID_ARGS: return ENOEXEC;
    case ERR_WRONG_TYPE:   return EACCES;
    default:               return status_errno(status);
    }
}

static int start(pid_t *restrict out_number, handle_t image, char *const arguments[],
                 char *const environment[], const struct table *table)
{
    handle_t process;
    pid_t number;
    struct spawn_arguments spawning = {
        .image = image,
        .arguments = (const char *const *)arguments,
        .environment = (const char *const *)environment,
        .descriptors = table->ours,
        .descriptor_count = DESCRIPTOR_MAX,
    };
    fflush(stdout);
    status_t status = spawn(&spawning, &process);
    if (status == ERR_OUT_OF_RANGE)
        return E2BIG;
    if (status != OK)
        return open_error(status);
    status = child_add(process, &number);
    if (status != OK) {                 /* it cannot be waited for, so it shall not run */
        sys_task_kill(process);
        sys_handle_close(process);
        return status_errno(status);
    }
    if (out_number != NULL)
        *out_number = number;
    return 0;
}

static int spawn_image(pid_t *restrict out_number, handle_t image,
                       const posix_spawn_file_actions_t *actions, char *const arguments[],
                       char *const environment[])
{
    struct table table;
    int error = 0;
    table_init(&table);
    const struct action *action = actions != NULL ? (*actions)->first : NULL;
    for (; action != NULL && error == 0; action = action->next)
        error = apply(&table, action);
    if (error == 0)
        error = start(out_number, image, arguments, environment, &table);
    table_close(&table);
    return error;
}

/* PATH is searched if the file has no slash; attributes must be NULL. */
int posix_spawnp(pid_t *restrict out_number, const char *restrict file,
                 const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *restrict attributes, char *const arguments[],
                 char *const environment[])
{
    handle_t image;
    if (attributes != NULL)
        return ENOTSUP;
    status_t status = program_open(file, &image);
    if (status != OK)
        return open_error(status);
    int error = spawn_image(out_number, image, actions, arguments, environment);
    sys_handle_close(image);
    return error;
}

int posix_spawn(pid_t *restrict out_number, const char *restrict path,
                const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *restrict attributes, char *const arguments[],
                char *const environment[])
{
    char absolute[FS_PATH_MAX + 1];
    status_t status = path_absolute(path, absolute);
    if (status != OK)
        return status == ERR_NOT_FOUND ? ENOENT : ENAMETOOLONG;
    return posix_spawnp(out_number, absolute, actions, attributes, arguments, environment);
}
