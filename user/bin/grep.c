/*
 * grep.c: print the lines that match a pattern: grep [-Fcinqv] PATTERN [FILE...].
 *
 * Patterns are the old small ones: . any character, [abc] [a-z] [^abc], * after any of them, ^ and
 * $ for the ends of the line, and backslash to mean a character itself; with -F no character is
 * special.  -c counts, -i ignores case, -n numbers, -q prints nothing, -v turns the meaning round.
 * The status is 0 if a line was found, 1 if none, 2 after an error.
 */
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOUND = 0, NOT_FOUND = 1, TROUBLE = 2 };

static const char *pattern;
static bool fixed, counts, ignores_case, numbers, quiet, inverted, names;
static bool found_any, trouble;

static int fold(char c)
{
    return ignores_case ? tolower((unsigned char)c) : (unsigned char)c;
}

/* --- Patterns. --- */

/* The end of the bracket expression that begins at `from`; NULL if it has none. */
static const char *bracket_end(const char *from)
{
    const char *at = from + 1 + (from[1] == '^');
    const char *end = *at != 0 ? strchr(at + 1, ']') : NULL;
    return end != NULL ? end + 1 : NULL;
}

/* The end of the pattern's first element, without a star. */
static const char *element_end(const char *from)
{
    if (*from == '[')
        return bracket_end(from);
    return from + (from[0] == '\\' && from[1] != 0 ? 2 : 1);
}

static bool bracket_matches(const char *from, const char *end, int c)
{
    bool negated = from[1] == '^', found = false;
    const char *at = from + 1 + negated, *last = end - 2;
    while (at <= last) {
        bool is_range = at + 2 <= last && at[1] == '-';
        const char *high = is_range ? at + 2 : at;
        found = found || (c >= fold(*at) && c <= fold(*high));
        at = high + 1;
    }
    return found != negated;
}

static bool element_matches(const char *from, const char *end, char character)
{
    int c = fold(character);
    switch (*from) {
    case '.':  return true;
    case '[':  return bracket_matches(from, end, c);
    case '\\': return fold(from[1] != 0 ? from[1] : from[0]) == c;
    default:   return fold(*from) == c;
    }
}

static bool matches_here(const char *at, const char *text, const char *end)
{
    if (*at == 0)
        return true;
    if (at[0] == '$' && at[1] == 0)
        return text == end;
    const char *after = element_end(at);
    if (*after != '*')
        return text < end && element_matches(at, after, *text) &&
               matches_here(after, text + 1, end);
    for (;; text++) {
        if (matches_here(after + 1, text, end))
            return true;
        if (text == end || !element_matches(at, after, *text))
            return false;
    }
}

static bool matches_fixed(const char *text, const char *end)
{
    size_t length = strlen(pattern), i;
    for (; (size_t)(end - text) >= length; text++) {
        for (i = 0; i < length && fold(text[i]) == fold(pattern[i]); i++)
            ;
        if (i == length)
            return true;
    }
    return false;
}

static bool matches(const char *text, const char *end)
{
    if (fixed)
        return matches_fixed(text, end);
    if (pattern[0] == '^')
        return matches_here(pattern + 1, text, end);
    for (; text <= end; text++)
        if (matches_here(pattern, text, end))
            return true;
    return false;
}

static void check_pattern(void)
{
    for (const char *at = pattern; !fixed && *at != 0; at = element_end(at))
        if (element_end(at) == NULL)
            errx(TROUBLE, "no ] in %s", pattern);
}

/* --- Files. --- */

static void print_line(const char *name, uint64_t number, const char *line, size_t length)
{
    if (names)
        printf("%s:", name);
    if (numbers)
        printf("%" PRIu64 ":", number);
    fwrite(line, 1, length, stdout);
    putchar('\n');
}

static int search(int descriptor, const char *name)
{
    static char *line;
    static size_t size;
    uint64_t number = 0, found = 0;
    ssize_t length;
    FILE *file = fdopen(dup(descriptor), "r");
    if (file == NULL)
        err(TROUBLE, "%s", name);
    while ((length = getline(&line, &size, file)) >= 0) {
        length -= line[length - 1] == '\n';
        number++;
        if (matches(line, line + length) == inverted)
            continue;
        found++;
        if (quiet)
            break;
        if (!counts)
            print_line(name, number, line, length);
    }
    if (ferror(file)) {
        warn("%s", name);
        trouble = true;
    }
    fclose(file);
    if (counts && !quiet)
        printf(names ? "%s:%" PRIu64 "\n" : "%.0s%" PRIu64 "\n", name, found);
    found_any = found_any || found > 0;
    return 0;
}

int main(int argument_count, char **arguments)
{
    int option;
    while ((option = getopt(argument_count, arguments, "Fcinqv")) != -1) {
        switch (option) {
        case 'F': fixed = true; break;
        case 'c': counts = true; break;
        case 'i': ignores_case = true; break;
        case 'n': numbers = true; break;
        case 'q': quiet = true; break;
        case 'v': inverted = true; break;
        default:  optind = argument_count;
        }
    }
    if (optind >= argument_count)
        return usage("grep [-Fcinqv] PATTERN [FILE...]");
    pattern = arguments[optind++];
    names = argument_count - optind > 1;
    check_pattern();
    if (each_file(arguments + optind, search) != 0)
        trouble = true;
    return trouble ? TROUBLE : found_any ? FOUND : NOT_FOUND;
}
