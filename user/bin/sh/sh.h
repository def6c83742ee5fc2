/*
 * sh.h: what the parts of the shell share.
 *
 * A line goes through four hands: parse.c cuts it into tokens and those into pipelines; expand.c
 * makes fields of a command's words; run.c starts programs with the right descriptors, which jobs.c
 * waits for; builtin.c has the commands that concern the shell itself.
 */
#pragma once

#include <quire.h>
#include <stdio.h>

#define PROMPT "quire$ "

enum { LINE_SIZE = 8192, TOKENS_MAX = 1024, COMMANDS_MAX = 256 };
enum { STATUS_USAGE = 2, STATUS_NOT_RUNNABLE = 126, STATUS_NOT_FOUND = 127,
       STATUS_INTERRUPTED = 130 };

/* --- parse.c --- */

enum token_kind {
    TOKEN_WORD,
    TOKEN_IN, TOKEN_OUT, TOKEN_APPEND, TOKEN_COPY,      /* [n]< [n]> [n]>> [n]>& ; a word follows */
    TOKEN_PIPE, TOKEN_AND, TOKEN_OR, TOKEN_SEMICOLON, TOKEN_BACKGROUND,
    TOKEN_END,
};

struct token {
    enum token_kind kind;
    const char *text;                   /* in the line, with its quotes */
    size_t length;
    int number;                         /* the descriptor that is redirected */
};

struct command {
    const struct token *tokens;         /* words and redirections */
    size_t count;
};

struct pipeline {
    const struct command *commands;
    size_t count;
    bool negated;
    enum token_kind end;                /* AND, OR, SEMICOLON (also for the last), BACKGROUND */
};

/* A parsed line; refers to the text that it was made from. */
struct line {
    struct token tokens[TOKENS_MAX];
    struct command commands[COMMANDS_MAX];
    struct pipeline pipelines[COMMANDS_MAX];
    size_t token_count, command_count, pipeline_count;
};

/* False with a message if the text is not well formed; then nothing of it shall run. */
bool parse_line(const char *text, struct line *line);

/* --- expand.c --- */

/* A growing list of strings from malloc, followed by NULL. */
struct words {
    char **list;
    size_t count, capacity;
};

void words_add(struct words *words, const char *word, size_t length);
void words_free(struct words *words);
/* Append the fields of a word: variables, quotes, patterns of file names. */
void expand(const struct token *word, struct words *words);
/* Is the token NAME=value?  Then the length of the name, else 0. */
size_t assignment_name(const struct token *token);
/* The value of an assignment: no fields, no patterns.  From malloc. */
char *expand_value(const char *text, size_t length);

/* --- run.c --- */

extern int64_t last_status;             /* as the system has it: see EXIT_CODE_KILLED */
int exit_status(void);                  /* the same as $? has it, and as a parent is told */
extern bool wants_exit, interactive;
extern const char *const *script_arguments;     /* $0, $1, ...; ends with NULL */

/* Run every line of a text. */
void run_text(const char *text);

/* --- foreground.c --- */

/* In an interactive shell, around each line: a ^C that is typed meanwhile ends the job. */
void foreground_line_begin(void);
void foreground_line_end(void);
/* These processes are the job from now on. */
void foreground_begin(const handle_t *processes, size_t count);
/* There was a ^C since the line began. */
extern bool job_interrupted;
/*
 * Wait for a process, close the handle: how it ended, as last_status has it: 128 and the signal
 * that ended it, unless that is one of EXIT_CODE_KILLED and EXIT_CODE_FAULT.
 */
int64_t job_wait(handle_t process);
/* False: it still runs, but there was a ^C. */
bool job_wait_in_background(handle_t process);

/* --- jobs.c --- */

void jobs_print(void);
/* The koid of job %number; 0 if there is none. */
uint64_t job_koid(size_t number);
/* Remember a process that runs in the background.  The handle moves. */
void job_add(handle_t process, const char *name);
/* Wait for a background process by koid: its status, or 127 if there is none; or for all with 0. */
int64_t jobs_wait(uint64_t koid);

/* --- builtin.c --- */

typedef int64_t builtin_function(int count, char **words);

/* NULL if there is no such. */
builtin_function *builtin_find(const char *name, size_t length);

/* --- complete.c: for line_edit. --- */

bool complete_word(const char *line, size_t cursor, char *insert, size_t size);
