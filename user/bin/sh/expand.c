/*
 * expand.c: from a word to fields.
 *
 * A word becomes fields in one pass: quotes are taken off, $NAME, ${NAME}, $?, $# and $0 to $9 are
 * replaced (and outside of quotes cut at blanks), and each field is built twice: as text, and as a
 * pattern in which what was quoted cannot be special.  A field with * ? or [ is replaced by the
 * names that match, if there are any.
 */
#include "sh.h"

#include <ctype.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A growing string. */
struct text {
    char *bytes;
    size_t length, capacity;
};

static void *check(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "sh: no memory\n");
        exit(1);
    }
    return memory;
}

static void text_add(struct text *text, char c)
{
    if (text->length + 1 >= text->capacity) {
        text->capacity = 2 * text->capacity + 32;
        text->bytes = check(realloc(text->bytes, text->capacity));
    }
    text->bytes[text->length++] = c;
    text->bytes[text->length] = 0;
}

void words_add(struct words *words, const char *word, size_t length)
{
    if (words->count + 1 >= words->capacity) {
        words->capacity = 2 * words->capacity + 8;
        words->list = check(realloc(words->list, words->capacity * sizeof *words->list));
    }
    words->list[words->count++] = check(strndup(word, length));
    words->list[words->count] = NULL;
}

void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
    *words = (struct words){ 0 };
}

/* --- Patterns of file names. --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* `path` is what matches so far and `pattern` the rest, which does not begin with a slash. */
static void match_names(const char *path, const char *pattern, struct words *words)
{
    size_t length = strcspn(pattern, "/"), slashes = strspn(pattern + length, "/");
    char name[256], *full;
    DIR *directory = length < sizeof name ? opendir(path[0] != 0 ? path : ".") : NULL;
    if (directory == NULL)
        return;
    memcpy(name, pattern, length);
    name[length] = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        struct stat info;
        if (fnmatch(name, entry->d_name, FNM_PERIOD) != 0)
            continue;
        full = check(malloc(strlen(path) + strlen(entry->d_name) + slashes + 1));
        sprintf(full, "%s%s%.*s", path, entry->d_name, (int)slashes, pattern + length);
        if (pattern[length + slashes] != 0)
            match_names(full, pattern + length + slashes, words);
        else if (slashes == 0 || (stat(full, &info) == 0 && S_ISDIR(info.st_mode)))
            words_add(words, full, strlen(full));
        free(full);
    }
    closedir(directory);
}

/* False if nothing matches. */
static bool add_matches(const char *pattern, struct words *words)
{
    size_t before = words->count, slashes = strspn(pattern, "/");
    match_names(slashes > 0 ? "/" : "", pattern + slashes, words);
    if (words->count > before)
        qsort(words->list + before, words->count - before, sizeof *words->list, by_name);
    return words->count > before;
}

/* --- Fields. --- */

struct expansion {
    struct words *words;
    struct text field, pattern;
    bool begun;                         /* there is a field, though perhaps an empty one */
    bool is_pattern;
    bool splits;                        /* blanks of variables, and patterns, mean something */
};

static void add_character(struct expansion *expansion, char c, bool quoted)
{
    bool special = strchr("*?[]\\", c) != NULL;
    expansion->begun = true;
    text_add(&expansion->field, c);
    if (special && (quoted || !expansion->splits))
        text_add(&expansion->pattern, '\\');
    else if (special && c != ']' && c != '\\')
        expansion->is_pattern = true;
    text_add(&expansion->pattern, c);
}

static void end_field(struct expansion *expansion)
{
    if (expansion->begun &&
        !(expansion->is_pattern && add_matches(expansion->pattern.bytes, expansion->words)))
        words_add(expansion->words, expansion->field.length > 0 ? expansion->field.bytes : "",
                  expansion->field.length);
    expansion->field.length = expansion->pattern.length = 0;
    expansion->begun = expansion->is_pattern = false;
}

static void add_value(struct expansion *expansion, const char *value, bool quoted)
{
    for (; *value != 0; value++) {
        if (!quoted && expansion->splits && isspace((unsigned char)*value))
            end_field(expansion);
        else
            add_character(expansion, *value, quoted);
    }
}

static const char *argument(int number)
{
    for (int i = 0; i <= number; i++)
        if (script_arguments[i] == NULL)
            return "";
    return script_arguments[number];
}

/* What is behind a $, at `from`: adds the value and returns how long the name is; 0: no name. */
static size_t add_variable(struct expansion *expansion, const char *from, const char *end,
                           bool quoted)
{
    char name[256];
    bool braces = from < end && *from == '{';
    const char *start = from + braces, *stop = start;
    int count = 0;
    if (start < end && (*start == '?' || *start == '#')) {
        while (*start == '#' && count >= 0 && script_arguments[count + 1] != NULL)
            count++;
        snprintf(name, sizeof name, "%d", *start == '?' ? exit_status() : count);
        add_value(expansion, name, quoted);
        stop = start + 1;
    } else if (start < end && isdigit((unsigned char)*start)) {
        add_value(expansion, argument(*start - '0'), quoted);
        stop = start + 1;
    } else {
        while (stop < end && (isalnum((unsigned char)*stop) || *stop == '_'))
            stop++;
        snprintf(name, sizeof name, "%.*s", (int)(stop - start), start);
        const char *value = getenv(name);
        add_value(expansion, value != NULL ? value : "", quoted);
    }
    if (stop == start)
        return 0;
    return stop - from + (braces && stop < end && *stop == '}');
}

static void expand_text(struct expansion *expansion, const char *from, const char *end)
{
    char quote = 0;
    for (; from < end; from++) {
        size_t length = 0;
        if (*from == '$' && quote != '\'')
            length = add_variable(expansion, from + 1, end, quote != 0);
        if (length > 0) {
            from += length;
        } else if (*from == quote) {
            quote = 0;
        } else if (quote == 0 && (*from == '\'' || *from == '"')) {
            quote = *from;
            expansion->begun = true;
        } else if (*from == '\\' && from + 1 < end &&
                   (quote == 0 || (quote == '"' && strchr("\\\"$`", from[1]) != NULL))) {
            add_character(expansion, *++from, true);
        } else {
            add_character(expansion, *from, quote != 0);
        }
    }
}

void expand(const struct token *word, struct words *words)
{
    struct expansion expansion = { .words = words, .splits = true };
    expand_text(&expansion, word->text, word->text + word->length);
    end_field(&expansion);
    free(expansion.field.bytes);
    free(expansion.pattern.bytes);
}

char *expand_value(const char *text, size_t length)
{
    struct expansion expansion = { .splits = false };
    expand_text(&expansion, text, text + length);
    free(expansion.pattern.bytes);
    return expansion.field.bytes != NULL ? expansion.field.bytes : check(strdup(""));
}

size_t assignment_name(const struct token *token)
{
    size_t length = 0;
    while (length < token->length &&
           (isalpha((unsigned char)token->text[length]) || token->text[length] == '_' ||
            (length > 0 && isdigit((unsigned char)token->text[length]))))
        length++;
    return length < token->length && token->text[length] == '=' ? length : 0;
}
