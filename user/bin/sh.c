/*
 * sh.c: the rescue shell: runs programs, one line at a time.
 *
 * A line is commands separated by `;`, each a list of words; 'quotes', "quotes" and backslash keep
 * blanks, $? is the last exit status, # begins a comment, and & as the last word does not wait.  No
 * variables, pipes or files: a bigger shell can be a program on the disk.
 */
#include <ctype.h>
#include <inttypes.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 1024, WORDS_MAX = 64, STATUS_USAGE = 2,
       STATUS_NOT_RUNNABLE = 126, STATUS_NOT_FOUND = 127 };

/* One command, and where its line goes on. */
struct command {
    const char *rest;
    char text[LINE_SIZE * 4];           /* the words, each ended by zero */
    size_t used;
    const char *words[WORDS_MAX + 1];
    int count;
};

static int64_t last_status;
static bool wants_exit;

static int64_t run_words(const char *const *words, int count);

static bool add_character(struct command *command, char c)
{
    if (command->used == sizeof command->text)
        return false;
    command->text[command->used++] = c;
    return true;
}

static bool add_status(struct command *command)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, last_status);
    for (const char *c = digits; *c != 0; c++)
        if (!add_character(command, *c))
            return false;
    return true;
}

/* Append one word, without its quotes; false with a message if it does not end or is too long. */
static bool parse_word(struct command *command)
{
    const char *from = command->rest;
    char quote = 0;
    bool fits = command->count < WORDS_MAX;
    command->words[command->count] = command->text + command->used;
    for (; *from != 0 && fits; from++) {
        if (quote == 0 && (isspace((unsigned char)*from) || *from == ';'))
            break;
        if (*from == quote)
            quote = 0;
        else if (quote == 0 && (*from == '\'' || *from == '"'))
            quote = *from;
        else if (quote != '\'' && *from == '\\' && from[1] != 0)
            fits = add_character(command, *++from);
        else if (quote != '\'' && from[0] == '$' && from[1] == '?')
            from++, fits = add_status(command);
        else
            fits = add_character(command, *from);
    }
    command->rest = from;
    if (!fits || !add_character(command, 0)) {
        printf("sh: line too long\n");
        return false;
    }
    if (quote != 0) {
        printf("sh: no closing %c\n", quote);
        return false;
    }
    command->count++;
    return true;
}

/* The next command of the line into words. */
static bool parse_command(struct command *command)
{
    command->used = 0;
    command->count = 0;
    for (;;) {
        while (isspace((unsigned char)*command->rest))
            command->rest++;
        if (*command->rest == '#')
            command->rest += strlen(command->rest);
        if (*command->rest == 0 || *command->rest == ';')
            break;
        if (!parse_word(command))
            return false;
    }
    if (*command->rest == ';')
        command->rest++;
    command->words[command->count] = NULL;
    return true;
}

static int64_t print_help(const char *const *words, int count);

static int64_t power(const char *const *words, int count)
{
    uint32_t action = strcmp(words[0], "reboot") == 0 ? POWER_REBOOT : POWER_OFF;
    fflush(stdout);
    status_t status = sys_system_power(system_handle(), action, count > 1 ? atoi(words[1]) : 0);
    printf("sh: %s: %s\n", words[0], status_text(status));
    return 1;
}

static int64_t leave(const char *const *words, int count)
{
    wants_exit = true;
    return count > 1 ? atoi(words[1]) : last_status;
}

static int64_t time_command(const char *const *words, int count)
{
    int64_t begin = sys_clock_get();
    int64_t code = run_words(words + 1, count - 1);
    int64_t spent = sys_clock_get() - begin;
    printf("%" PRId64 ".%06" PRId64 " s\n", spent / 1000000000, spent / 1000 % 1000000);
    return code;
}

static const struct {
    const char *name, *usage, *meaning;
    int64_t (*run)(const char *const *words, int count);
} builtins[] = {
    { "help", "help", "this list", print_help },
    { "poweroff", "poweroff [STATUS]", "switch the machine off", power },
    { "reboot", "reboot", "start it again", power },
    { "exit", "exit [STATUS]", "leave the shell", leave },
    { "time", "time COMMAND", "run a command and say how long it took", time_command },
};

static int64_t print_help(const char *const *words, int count)
{
    const char *path;
    size_t length, column = 0;
    uint64_t size;
    (void)words;
    (void)count;
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        printf("%-20s %s\n", builtins[i].usage, builtins[i].meaning);
    printf("Programs of the boot archive (the disk's /bin may have more):\n");
    for (size_t i = 0; initrd_entry(i, &path, &length, &size) == OK; i++) {
        if (length <= 4 || memcmp(path, "bin/", 4) != 0)
            continue;
        if (column + length > 76) {
            printf("\n");
            column = 0;
        }
        printf("  %.*s", (int)length - 4, path + 4);
        column += length - 2;
    }
    printf("\n");
    return 0;
}

/* Start a program and do not wait. */
static status_t start_program(const char *const *words)
{
    handle_t image, process;
    info_process_t info;
    status_t status = program_open(words[0], &image);
    if (status != OK)
        return status;
    status = spawn(&(struct spawn_arguments){ .image = image, .arguments = words }, &process);
    sys_handle_close(image);
    if (status != OK)
        return status;
    if (sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL) == OK)
        printf("[%" PRIu64 "] %s\n", info.koid, words[0]);
    sys_handle_close(process);
    return OK;
}

/* Say why a program could not be started; returns the exit status that stands for it. */
static int64_t explain(const char *name, status_t status)
{
    switch (status) {
    case ERR_NOT_FOUND:
        printf("sh: %s: no such program (try help)\n", name);
        return STATUS_NOT_FOUND;
    case ERR_INVALID_ARGS:
        printf("sh: %s: not a program that can run here\n", name);
        break;
    case ERR_WRONG_TYPE:
        printf("sh: %s: not a file\n", name);
        break;
    default:
        printf("sh: %s: %s (%s)\n", name, status_text(status), status_name(status));
    }
    return STATUS_NOT_RUNNABLE;
}

static int64_t run_words(const char *const *words, int count)
{
    int64_t code = 0;
    status_t status;
    if (count == 0)
        return 0;
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        if (strcmp(words[0], builtins[i].name) == 0)
            return builtins[i].run(words, count);

    if (count > 1 && strcmp(words[count - 1], "&") == 0) {
        const char *copy[WORDS_MAX + 1];
        memcpy(copy, words, (count - 1) * sizeof copy[0]);
        copy[count - 1] = NULL;
        status = start_program(copy);
    } else {
        status = program_run(words, &code);
    }
    return status == OK ? code : explain(words[0], status);
}

static void report_status(void)
{
    if (last_status == EXIT_CODE_KILLED)
        printf("[killed]\n");
    else if (last_status == EXIT_CODE_FAULT)
        printf("[fault]\n");
    else if (last_status != 0)
        printf("[exit %" PRId64 "]\n", last_status);
}

static void run_line(const char *line)
{
    static struct command command;
    command.rest = line;
    while (*command.rest != 0 && !wants_exit) {
        if (!parse_command(&command)) {
            last_status = STATUS_USAGE;
            report_status();
            return;
        }
        if (command.count == 0)
            continue;
        last_status = run_words(command.words, command.count);
        if (!wants_exit)
            report_status();
    }
}

int main(void)
{
    static char line[LINE_SIZE];
    while (!wants_exit) {
        printf("quire$ ");
        fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL)
            break;
        run_line(line);
    }
    return last_status;
}
