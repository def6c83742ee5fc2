/*
 * run.c: running what was parsed.
 *
 * A program of a pipeline gets its descriptors as a map of ours (spawn); nothing of the shell's own
 * is changed for it.  What needs a shell of its own (a builtin in a pipeline or in the background,
 * a list in the background) runs in another shell that is given the text.
 *
 * Invariant: a descriptor above 2 that is open here is in a struct launch, and is closed with it.
 */
#include "sh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPENED_MAX = 16 };

int64_t last_status;
bool wants_exit, interactive;

int exit_status(void)
{
    switch (last_status) {
    case EXIT_CODE_KILLED: return 137;
    case EXIT_CODE_FAULT:  return 139;
    default:               return last_status;
    }
}

/* A command that is being started. */
struct launch {
    struct words words;
    int descriptors[3];                 /* ours, for its 0, 1 and 2 */
    int opened[OPENED_MAX];             /* to be closed once it runs */
    size_t opened_count;
    size_t assignment_count;            /* tokens of the command that are NAME=value before it */
};

/* --- Starting one program. --- */

/* Say, where the program's errors would go, why it could not be started; the status for that. */
static int64_t explain(const struct launch *launch, status_t status)
{
    char message[256];
    const char *reason = status == ERR_NOT_FOUND    ? "no such program (try help)"
                       : status == ERR_INVALID_ARGS ? "not a program that can run here"
                       : status == ERR_WRONG_TYPE   ? "not a file" : status_text(status);
    snprintf(message, sizeof message, "sh: %.150s: %s\n", launch->words.list[0], reason);
    write(launch->descriptors[STDERR_FILENO], message, strlen(message));
    return status == ERR_NOT_FOUND ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}

/* [ CONDITION ] is test CONDITION. */
static bool rewrite_bracket(struct words *words)
{
    if (strcmp(words->list[0], "[") != 0)
        return true;
    char **last = &words->list[words->count - 1];
    if (words->count < 2 || strcmp(*last, "]") != 0) {
        fprintf(stderr, "sh: [ needs ]\n");
        return false;
    }
    free(*last);
    *last = NULL;
    words->count--;
    free(words->list[0]);
    words->list[0] = strdup("test");
    return words->list[0] != NULL;
}

static int64_t start(struct launch *launch, handle_t *out_process)
{
    handle_t image;
    if (!rewrite_bracket(&launch->words))
        return STATUS_USAGE;
    char **words = launch->words.list;
    status_t status = program_open(words[0], &image);
    if (status != OK)
        return explain(launch, status);
    fflush(stdout);
    status = spawn(&(struct spawn_arguments){
        .image = image,
        .arguments = (const char *const *)words,
        .descriptors = launch->descriptors,
        .descriptor_count = 3,
    }, out_process);
    sys_handle_close(image);
    return status == OK ? 0 : explain(launch, status);
}

/* --- Preparing it: words, redirections, variables. --- */

static void launch_close(struct launch *launch)
{
    for (size_t i = 0; i < launch->opened_count; i++)
        close(launch->opened[i]);
    words_free(&launch->words);
}

static bool open_file(struct launch *launch, const struct token *redirection, const char *path)
{
    static const int flags[] = {
        [TOKEN_IN] = O_RDONLY, [TOKEN_OUT] = O_WRONLY | O_CREAT | O_TRUNC,
        [TOKEN_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    };
    int number = open(path, flags[redirection->kind], 0666);
    if (number < 0) {
        fprintf(stderr, "sh: %s: %s\n", path, strerror(errno));
        return false;
    }
    launch->opened[launch->opened_count++] = number;
    launch->descriptors[redirection->number] = number;
    return true;
}

static bool redirect(struct launch *launch, const struct token *redirection)
{
    struct words target = { 0 };
    bool done = false;
    expand(redirection + 1, &target);
    const char *word = target.count == 1 ? target.list[0] : "";
    bool copies = redirection->kind == TOKEN_COPY;
    if (redirection->number > 2 || launch->opened_count == OPENED_MAX)
        fprintf(stderr, "sh: descriptor %d cannot be redirected\n", redirection->number);
    else if (target.count != 1 || (copies && (word[0] < '0' || word[0] > '2' || word[1] != 0)))
        fprintf(stderr, "sh: cannot redirect to %.*s\n", (int)redirection[1].length,
                redirection[1].text);
    else if (!copies)
        done = open_file(launch, redirection, word);
    else
        done = true, launch->descriptors[redirection->number] = launch->descriptors[word[0] - '0'];
    words_free(&target);
    return done;
}

/* On failure everything is closed and freed.  `in` and `out` are for 0 and 1. */
static bool prepare(const struct command *command, int in, int out, struct launch *launch)
{
    *launch = (struct launch){ .descriptors = { in, out, STDERR_FILENO } };
    for (size_t i = 0; i < command->count; i++) {
        const struct token *token = &command->tokens[i];
        if (token->kind == TOKEN_WORD) {
            if (launch->words.count == 0 && assignment_name(token) > 0)
                launch->assignment_count++;
            else
                expand(token, &launch->words);
        } else if (!redirect(launch, token)) {
            launch_close(launch);
            return false;
        } else {
            i++;
        }
    }
    return true;
}

/*
 * Carry out the assignments of a command, which are its first words; `old` gets the values from
 * before, in order, with NULL for none.
 */
static void assign(const struct command *command, size_t count, char **old)
{
    for (size_t i = 0; i < command->count && count > 0; i++) {
        const struct token *token = &command->tokens[i];
        size_t length = token->kind == TOKEN_WORD ? assignment_name(token) : 0;
        i += token->kind != TOKEN_WORD;
        if (length == 0)
            continue;
        char *name = strndup(token->text, length);
        char *value = expand_value(token->text + length + 1, token->length - length - 1);
        if (old != NULL)
            *old++ = getenv(name) != NULL ? strdup(getenv(name)) : NULL;
        setenv(name, value, 1);
        free(name);
        free(value);
        count--;
    }
}

static void restore(const struct command *command, size_t count, char **old)
{
    for (size_t i = 0; i < command->count && count > 0; i++) {
        const struct token *token = &command->tokens[i];
        size_t length = token->kind == TOKEN_WORD ? assignment_name(token) : 0;
        i += token->kind != TOKEN_WORD;
        if (length == 0)
            continue;
        char *name = strndup(token->text, length);
        if (*old != NULL)
            setenv(name, *old, 1);
        else
            unsetenv(name);
        free(*old++);
        free(name);
        count--;
    }
}

/* --- Commands. --- */

/* Run a builtin with its descriptors in the place of ours. */
static int64_t run_builtin(builtin_function *function, struct launch *launch)
{
    int saved[3];
    fflush(stdout);
    for (int i = 0; i < 3; i++)
        saved[i] = dup(i);
    for (int i = 0; i < 3; i++) {
        int from = launch->descriptors[i];
        if (from != i)
            dup2(from <= 2 ? saved[from] : from, i);
    }
    int64_t code = function(launch->words.count, launch->words.list);
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    return code;
}

/* The builtin that a command names, if its name is written plainly. */
static builtin_function *builtin_of(const struct command *command)
{
    for (size_t i = 0; i < command->count; i++) {
        const struct token *token = &command->tokens[i];
        if (token->kind != TOKEN_WORD)
            i++;
        else if (assignment_name(token) == 0)
            return builtin_find(token->text, token->length);
    }
    return NULL;
}

/* The text of tokens as the line has it, from malloc. */
static char *text_of(const struct token *first, const struct token *last)
{
    return strndup(first->text, last->text + last->length - first->text);
}

/* Make it `sh -c TEXT`; the inner shell does the rest. */
static void prepare_shell(char *text, int in, int out, struct launch *launch)
{
    *launch = (struct launch){ .descriptors = { in, out, STDERR_FILENO } };
    words_add(&launch->words, "sh", 2);
    words_add(&launch->words, "-c", 2);
    words_add(&launch->words, text, strlen(text));
    free(text);
}

/* Start one command as a process; *out_process is HANDLE_INVALID if nothing was started. */
static int64_t start_command(const struct command *command, int in, int out, handle_t *out_process)
{
    struct launch launch;
    char *old[COMMANDS_MAX];
    int64_t code = 0;
    *out_process = HANDLE_INVALID;
    const struct token *last = &command->tokens[command->count - 1];
    if (builtin_of(command) != NULL)
        prepare_shell(text_of(command->tokens, last), in, out, &launch);
    else if (!prepare(command, in, out, &launch))
        return 1;
    if (launch.words.count > 0 && launch.assignment_count < COMMANDS_MAX) {
        assign(command, launch.assignment_count, old);
        code = start(&launch, out_process);
        restore(command, launch.assignment_count, old);
    }
    launch_close(&launch);
    return code;
}

static int64_t wait_for_one(handle_t process)
{
    foreground_begin(&process, 1);
    return job_wait(process);
}

/* A command by itself: here if it is a builtin or only assigns. */
static int64_t run_command(const struct command *command)
{
    handle_t process;
    struct launch launch;
    builtin_function *function = builtin_of(command);
    bool assigns = function == NULL && assignment_name(command->tokens) > 0;
    if (function == NULL && !assigns) {
        int64_t code = start_command(command, STDIN_FILENO, STDOUT_FILENO, &process);
        return process != HANDLE_INVALID ? wait_for_one(process) : code;
    }
    if (!prepare(command, STDIN_FILENO, STDOUT_FILENO, &launch))
        return 1;
    int64_t code = 0;
    if (function != NULL) {
        code = run_builtin(function, &launch);
    } else if (launch.words.count == 0) {
        assign(command, launch.assignment_count, NULL);
    } else {
        code = start_command(command, STDIN_FILENO, STDOUT_FILENO, &process);
        code = process != HANDLE_INVALID ? wait_for_one(process) : code;
    }
    launch_close(&launch);
    return code;
}

/* --- Pipelines and lists. --- */

static void close_if_ours(int number)
{
    if (number > 2)
        close(number);
}

/* Start all commands, `in` for the first: the processes, and the status of one that has none. */
static int64_t start_pipeline(const struct pipeline *pipeline, int in, handle_t *processes)
{
    int64_t code = 0;
    for (size_t i = 0; i < pipeline->count; i++) {
        int ends[2] = { -1, STDOUT_FILENO };
        bool last = i + 1 == pipeline->count;
        processes[i] = HANDLE_INVALID;
        if (!last && pipe(ends) != 0) {
            fprintf(stderr, "sh: pipe: %s\n", strerror(errno));
            ends[1] = STDOUT_FILENO;
        }
        code = start_command(&pipeline->commands[i], in, ends[1], &processes[i]);
        close_if_ours(in);
        close_if_ours(ends[1]);
        in = ends[0];
    }
    return code;
}

static int64_t run_pipeline(const struct pipeline *pipeline)
{
    handle_t processes[COMMANDS_MAX];
    int64_t code;
    if (pipeline->count == 1) {
        code = run_command(pipeline->commands);
    } else {
        code = start_pipeline(pipeline, STDIN_FILENO, processes);
        foreground_begin(processes, pipeline->count);
        for (size_t i = 0; i < pipeline->count; i++)
            if (processes[i] != HANDLE_INVALID)
                code = i + 1 == pipeline->count ? job_wait(processes[i])
                                                : (job_wait(processes[i]), code);
    }
    return pipeline->negated ? code == 0 : code;
}

/* Input of what runs in the background: nothing. */
static int open_null(void)
{
    return open("/dev/null", O_RDONLY);
}

static int64_t run_in_background(const struct pipeline *first, const struct pipeline *last)
{
    handle_t processes[COMMANDS_MAX];
    const struct command *end = &last->commands[last->count - 1];
    const struct token *token = first->commands[0].tokens;
    size_t count = first->count;
    int64_t code;
    if (first == last) {
        code = start_pipeline(first, open_null(), processes);
    } else {
        struct launch launch;
        int in = open_null();
        char *text = text_of(token, &end->tokens[end->count - 1]);
        prepare_shell(text, in, STDOUT_FILENO, &launch);
        processes[0] = HANDLE_INVALID;
        code = start(&launch, &processes[0]);
        launch_close(&launch);
        close_if_ours(in);
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        char *name = text_of(token, token);
        if (processes[i] != HANDLE_INVALID)
            job_add(processes[i], name != NULL ? name : "?");
        free(name);
        token = i + 1 < count ? first->commands[i + 1].tokens : token;
    }
    return code;
}

static void run_parsed(const struct line *line)
{
    const struct pipeline *next = line->pipelines, *end = next + line->pipeline_count;
    while (next < end && !wants_exit && !job_interrupted) {
        const struct pipeline *last = next;
        while (last->end == TOKEN_AND || last->end == TOKEN_OR)
            last++;
        if (last->end == TOKEN_BACKGROUND) {
            last_status = run_in_background(next, last);
            next = last + 1;
            continue;
        }
        bool runs = true;
        for (; next <= last && !wants_exit && !job_interrupted; next++) {
            if (runs)
                last_status = run_pipeline(next);
            if (next->end == TOKEN_AND || next->end == TOKEN_OR)
                runs = (last_status == 0) == (next->end == TOKEN_AND);
        }
    }
}

void run_text(const char *text)
{
    static struct line line;
    while (*text != 0 && !wants_exit && !job_interrupted) {
        size_t length = strcspn(text, "\n");
        char *copy = strndup(text, length);
        if (copy == NULL || !parse_line(copy, &line))
            last_status = STATUS_USAGE;
        else
            run_parsed(&line);
        free(copy);
        text += length + (text[length] == '\n');
    }
}
