/* command_line.c: the kernel command line.  Words are separated by spaces. */
#include "lib/command_line.h"

#include "arch.h"
#include "lib/string.h"

/* Let *at point at the next option from there on; its length, 0 at the end and at a `--`. */
static size_t next_option(const char **at)
{
    size_t length = 0;

    while (**at == ' ')
        (*at)++;
    while ((*at)[length] && (*at)[length] != ' ')
        length++;
    return length == 2 && strncmp(*at, "--", 2) == 0 ? 0 : length;
}

const char *command_line_value(const char *name, size_t *out_length)
{
    const char *word = machine.command_line;
    size_t name_length = strlen(name), length;

    for (; (length = next_option(&word)) > 0; word += length) {
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
