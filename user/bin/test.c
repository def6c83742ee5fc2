/*
 * test.c: check a condition: status 0 if it holds, 1 if not, 2 if it makes no sense.
 *
 *     STRING   -n STRING   -z STRING   A = B   A != B
 *     A -eq -ne -lt -le -gt -ge B      (whole numbers)
 *     -e -f -d -h -L -s -r -w -x PATH      -t DESCRIPTOR
 *     ! CONDITION   C -a C   C -o C   ( CONDITION )
 */
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NONSENSE = 2 };

static char **words;
static int count, at;

static bool any(void);

static int64_t number(const char *text)
{
    char *end;
    int64_t value = strtoll(text, &end, 10);
    if (*end != 0 || end == text)
        errx(NONSENSE, "not a number: %s", text);
    return value;
}

static bool next_is(const char *word)
{
    return at < count && strcmp(words[at], word) == 0;
}

static bool about_file(char kind, const char *path)
{
    struct stat info;
    switch (kind) {
    case 'r': return access(path, R_OK) == 0;
    case 'w': return access(path, W_OK) == 0;
    case 'x': return access(path, X_OK) == 0;
    case 't': return isatty(number(path));
    case 'h': case 'L': return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    }
    if (stat(path, &info) != 0)
        return false;
    return kind == 'e' || (kind == 'f' && S_ISREG(info.st_mode)) ||
           (kind == 'd' && S_ISDIR(info.st_mode)) || (kind == 's' && info.st_size > 0);
}

/* Two operands and what is between them; false if that is no operator. */
static bool compare(const char *a, const char *operator, const char *b, bool *out)
{
    static const char *const operators[] = { "-eq", "-ne", "-lt", "-le", "-gt", "-ge" };
    size_t i = 0;
    if (strcmp(operator, "=") == 0 || strcmp(operator, "!=") == 0) {
        *out = (strcmp(a, b) == 0) == (operator[0] == '=');
        return true;
    }
    while (i < 6 && strcmp(operator, operators[i]) != 0)
        i++;
    if (i == 6)
        return false;
    int64_t left = number(a), right = number(b);
    bool results[] = { left == right, left != right, left < right,
                       left <= right, left > right,  left >= right };
    *out = results[i];
    return true;
}

static bool primary(void)
{
    bool result;
    if (at == count)
        errx(NONSENSE, "a condition is missing");
    if (at + 2 < count && compare(words[at], words[at + 1], words[at + 2], &result)) {
        at += 3;
        return result;
    }
    if (next_is("!") && at + 1 < count) {
        at++;
        return !primary();
    }
    if (next_is("(") && at + 1 < count) {
        at++;
        result = any();
        if (!next_is(")"))
            errx(NONSENSE, "no closing )");
        at++;
        return result;
    }
    const char *word = words[at++];
    if (word[0] != '-' || word[1] == 0 || word[2] != 0 || at == count)
        return word[0] != 0;
    if (word[1] == 'n' || word[1] == 'z')
        return (words[at++][0] != 0) == (word[1] == 'n');
    if (strchr("efdhLsrwxt", word[1]) == NULL)
        errx(NONSENSE, "unknown condition %s", word);
    return about_file(word[1], words[at++]);
}

static bool all(void)
{
    bool result = primary();
    while (next_is("-a")) {
        at++;
        result &= primary();
    }
    return result;
}

static bool any(void)
{
    bool result = all();
    while (next_is("-o")) {
        at++;
        result |= all();
    }
    return result;
}

int main(int argument_count, char **arguments)
{
    words = arguments + 1;
    count = argument_count - 1;
    if (count == 0)
        return 1;
    bool result = any();
    if (at < count)
        errx(NONSENSE, "what is %s?", words[at]);
    return !result;
}
