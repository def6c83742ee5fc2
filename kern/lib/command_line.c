/*
 * command_line.c: options of the kernel command line.  Words are separated by spaces; what follows a word `--`
 * belongs to the first program.
 */
#include "lib/command_line.h"

#include "arch.h"
#include "lib/string.h"

static size_t word_length(const char *text)
{
    size_t length = 0;

    while (text[length] && text[length] != ' ')
        length++;
    return length;
}

const char *command_line_value(const char *name, size_t *out_length)
{
    const char *word = machine.command_line;
    size_t name_length = strlen(name);

    for (;;) {
        size_t length;

        while (*word == ' ')
            word++;
        length = word_length(word);
        if (length == 0 || (length == 2 && strncmp(word, "--", 2) == 0))
            return NULL;
        if (length > name_length && strncmp(word, name, name_length) == 0 && word[name_length] == '=') {
            *out_length = length - name_length - 1;
            return word + name_length + 1;
        }
        word += length;
    }
}

uint64_t command_line_number(const char *name, uint64_t otherwise)
{
    size_t length;
    const char *text = command_line_value(name, &length);
    uint64_t number = 0;

    if (!text || length == 0 || length > 18)
        return otherwise;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return otherwise;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}
