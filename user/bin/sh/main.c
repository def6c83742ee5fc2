/*
 * main.c: the shell: where its lines come from.
 *
 *     sh                   lines from standard input; with a prompt and editing on the console
 *     sh -c TEXT [ARGS]    the lines of the text
 *     sh FILE [ARGS]       the lines of the file
 *
 * On the console the status of a line is printed when it is not 0.
 */
#include "sh.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <quire/line.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const *script_arguments;

static void report_status(void)
{
    if (last_status == EXIT_CODE_KILLED)
        printf("[killed]\n");
    else if (last_status == EXIT_CODE_FAULT)
        printf("[fault]\n");
    else if (last_status != 0)
        printf("[exit %" PRId64 "]\n", last_status);
}

/* A line without its newline; false at the end of the input. */
static bool read_typed(char *line, size_t size)
{
    static const struct line_options options = {
        .prompt = PROMPT, .keeps_history = true, .complete = complete_word,
    };
    size_t length = 0;
    printf(PROMPT);
    fflush(stdout);
    if (line_edit(console_handle(), &options, line, size, &length) != OK || length == 0)
        return false;
    line[length - 1] = 0;
    return true;
}

/* The same from a file or pipe, byte by byte: what follows is for the programs that are run. */
static bool read_plain(char *line, size_t size)
{
    size_t length = 0;
    char c = 0;
    while (c != '\n' && length + 1 < size && read(STDIN_FILENO, &c, 1) == 1)
        line[length++] = c;
    line[length] = 0;
    return length > 0;
}

static void run_input(void)
{
    static char line[LINE_SIZE];
    interactive = isatty(STDIN_FILENO);
    while (!wants_exit && (interactive ? read_typed : read_plain)(line, sizeof line)) {
        bool is_empty = line[strspn(line, " \t\n")] == 0;
        if (interactive && !is_empty)
            foreground_line_begin();
        run_text(line);
        fflush(stdout);
        if (interactive && !is_empty)
            foreground_line_end();
        if (interactive && !wants_exit && !is_empty)
            report_status();
    }
}

static char *read_file(const char *path)
{
    int number = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = number >= 0 ? lseek(number, 0, SEEK_END) : -1;
    char *text = size >= 0 ? malloc(size + 1) : NULL;
    if (text != NULL) {
        ssize_t length = pread(number, text, size, 0);
        text[length > 0 ? length : 0] = 0;
    }
    if (number >= 0)
        close(number);
    return text;
}

int main(int argument_count, char **arguments)
{
    bool is_text = argument_count > 2 && strcmp(arguments[1], "-c") == 0;
    script_arguments = (const char *const *)arguments;
    if (is_text) {
        if (argument_count > 3)
            script_arguments += 3;
        run_text(arguments[2]);
    } else if (argument_count > 1) {
        char *text = read_file(arguments[1]);
        if (text == NULL) {
            fprintf(stderr, "sh: %s: %s\n", arguments[1], strerror(errno));
            return STATUS_NOT_FOUND;
        }
        script_arguments += 1;
        run_text(text);
        free(text);
    } else {
        run_input();
    }
    return exit_status();
}
