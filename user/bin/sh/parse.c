/*
 * parse.c: from text to tokens, and from tokens to pipelines.
 *
 *     line      pipeline { (";" | "&" | "&&" | "||") pipeline } [";" | "&"]
 *     pipeline  ["!"] command { "|" command }
 *     command   { NAME=value } { word | [n]("<" | ">" | ">>" | ">&") word }
 *
 * Words keep their quotes here: what they mean is known when the command runs.
 */
#include "sh.h"

#include <ctype.h>
#include <string.h>

static bool fail(const char *message, const char *text, size_t length)
{
    fprintf(stderr, "sh: %s%.*s\n", message, (int)length, text);
    return false;
}

/* --- Tokens. --- */

static bool is_operator(char c)
{
    return c != 0 && strchr(";&|<>", c) != NULL;
}

/* The end of the word at `from`; NULL if a quote is not closed. */
static const char *word_end(const char *from)
{
    char quote = 0;
    for (; *from != 0; from++) {
        if (quote == 0 && (isspace((unsigned char)*from) || is_operator(*from)))
            break;
        if (*from == quote)
            quote = 0;
        else if (quote == 0 && (*from == '\'' || *from == '"'))
            quote = *from;
        else if (quote != '\'' && *from == '\\' && from[1] != 0)
            from++;
    }
    return quote == 0 ? from : NULL;
}

/* A digit right before < or > says which descriptor is meant. */
static size_t scan_redirection(const char *from, struct token *token)
{
    size_t digit = isdigit((unsigned char)from[0]) && (from[1] == '<' || from[1] == '>');
    const char *sign = from + digit;
    if (*sign != '<' && *sign != '>')
        return 0;
    token->kind = *sign == '<' ? TOKEN_IN : sign[1] == '>' ? TOKEN_APPEND
                : sign[1] == '&' ? TOKEN_COPY : TOKEN_OUT;
    token->number = digit ? *from - '0' : *sign == '>';
    return digit + (token->kind == TOKEN_IN || token->kind == TOKEN_OUT ? 1 : 2);
}

static size_t scan_operator(const char *from, struct token *token)
{
    bool twice = from[0] == from[1];
    switch (*from) {
    case ';': token->kind = TOKEN_SEMICOLON; return 1;
    case '&': token->kind = twice ? TOKEN_AND : TOKEN_BACKGROUND; return 1 + twice;
    case '|': token->kind = twice ? TOKEN_OR : TOKEN_PIPE; return 1 + twice;
    default:  return scan_redirection(from, token);
    }
}

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return *text == '#' ? text + strlen(text) : text;
}

static bool scan(const char *text, struct line *line)
{
    line->token_count = 0;
    for (;;) {
        struct token *token = &line->tokens[line->token_count];
        text = skip_blanks(text);
        *token = (struct token){ .kind = TOKEN_END, .text = text };
        if (*text == 0)
            return true;
        if (++line->token_count == TOKENS_MAX)
            return fail("line too long", "", 0);
        token->length = scan_operator(text, token);
        if (token->length == 0) {
            const char *end = word_end(text);
            if (end == NULL)
                return fail("a quote is not closed: ", text, strlen(text));
            token->kind = TOKEN_WORD;
            token->length = end - text;
        }
        text += token->length;
    }
}

/* --- Pipelines. --- */

static bool unexpected(const struct token *token)
{
    return token->kind == TOKEN_END ? fail("unexpected end of the line", "", 0)
                                    : fail("unexpected ", token->text, token->length);
}

/* One command; *next moves behind it. */
static bool parse_command(struct line *line, const struct token **next)
{
    const struct token *first = *next;
    if (line->command_count == COMMANDS_MAX)
        return fail("line too long", "", 0);
    for (; (*next)->kind <= TOKEN_COPY; (*next)++) {
        if ((*next)->kind != TOKEN_WORD && (++*next)->kind != TOKEN_WORD)
            return unexpected(*next);
    }
    if (*next == first)
        return unexpected(first);
    line->commands[line->command_count++] = (struct command){ first, *next - first };
    return true;
}

static bool is_not(const struct token *token)
{
    return token->kind == TOKEN_WORD && token->length == 1 && token->text[0] == '!';
}

static bool parse_pipeline(struct line *line, const struct token **next)
{
    struct pipeline *pipeline = &line->pipelines[line->pipeline_count++];
    *pipeline = (struct pipeline){ .commands = &line->commands[line->command_count] };
    for (; is_not(*next); (*next)++)
        pipeline->negated = !pipeline->negated;
    for (;;) {
        if (!parse_command(line, next))
            return false;
        pipeline->count++;
        if ((*next)->kind != TOKEN_PIPE)
            break;
        (*next)++;
    }
    pipeline->end = (*next)->kind == TOKEN_END ? TOKEN_SEMICOLON : (*next)->kind;
    if ((*next)->kind != TOKEN_END)
        (*next)++;
    return true;
}

bool parse_line(const char *text, struct line *line)
{
    line->command_count = line->pipeline_count = 0;
    if (!scan(text, line))
        return false;
    const struct token *next = line->tokens;
    while (next->kind != TOKEN_END)
        if (!parse_pipeline(line, &next))
            return false;
    if (line->pipeline_count > 0) {
        enum token_kind end = line->pipelines[line->pipeline_count - 1].end;
        if (end == TOKEN_AND || end == TOKEN_OR)
            return unexpected(next);
    }
    return true;
}
