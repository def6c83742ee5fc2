/* command_line.c: the kernel command line.  Words are separated by spaces. */
#include "lib/command_line.h"

#include "arch.h"
#include "lib/string.h"

const char *command_line_value(const char *name, size_t *out_length)
{
    size_t name_length = strlen(name), length;

    for (const char *word = machine.command_line; *word; word += length + (word[length] == ' ')) {
        for (length = 0; word[length] && word[length] != ' '; length++)
            ;
        if (length == 2 && strncmp(word, "--", 2) == 0)
            break;
        if (length > name_length && strncmp(word, name, name_length) == 0 &&
            word[name_length] == '=') {
            *out_length = length - name_length - 1;
            return word + name_length + 1;
        }
    }
    return NULL;
}

uint64_t command_line_number(const char *name, uint64_t otherwise)
{
    size_t length;
    const char *text = command_line_value(name, &length);
    uint64_t number = 0;

    if (!text || length == 0 || length > 18)
        return otherwise;
    for (; length > 0; text++, length--) {
        if (*text < '0' || *text > '9')
            return otherwise;
        number = number * 10 + (*text - '0');
    }
    return number;
}
