/*
 * line.c: typed lines, with echo and the few keys that a serial line needs.
 *
 * Bytes are taken from the console one at a time: what was typed ahead stays in the kernel for the
 * next reader, so a whole script may be pasted.  Backspace removes a character, ^U and ^C the line,
 * ^W a word; ^D on an empty line is the end of input.  Escape sequences (arrow keys) are swallowed.
 */
#include "internal.h"

enum {
    CONTROL_C = 3, CONTROL_D = 4, BACKSPACE = 8, CONTROL_U = 21, CONTROL_W = 23, ESCAPE = 27,
    DELETE = 127,
};

static void echo(handle_t console, const char *text, size_t length)
{
    sys_console_write(console, text, length);
}

static status_t read_byte(handle_t console, char *out)
{
    size_t actual = 0;
    status_t status;
    do {
        status = sys_console_read(console, out, 1, &actual);
    } while (status == OK && actual == 0);
    return status;
}

/* ESC [ parameters letter, or ESC and one letter. */
static status_t swallow_escape(handle_t console)
{
    char byte;
    status_t status = read_byte(console, &byte);
    if (status != OK || byte != '[')
        return status;
    do {
        status = read_byte(console, &byte);
    } while (status == OK && (byte < '@' || byte > '~'));
    return status;
}

/* Remove characters from the end of the line, here and on the screen, down to `length`. */
static size_t erase_to(handle_t console, size_t from, size_t length)
{
    for (; from > length; from--)
        echo(console, "\b \b", 3);
    return length;
}

static size_t word_start(const char *line, size_t length)
{
    while (length > 0 && line[length - 1] == ' ')
        length--;
    while (length > 0 && line[length - 1] != ' ')
        length--;
    return length;
}

status_t line_read(handle_t console, char *line, size_t size, size_t *out_length)
{
    size_t length = 0;
    for (;;) {
        char byte;
        status_t status = read_byte(console, &byte);
        if (status != OK)
            return status;

        if (byte == '\r' || byte == '\n') {
            echo(console, "\n", 1);
            line[length++] = '\n';
            break;
        } else if (byte == CONTROL_C) {
            echo(console, "^C\n", 3);
            line[0] = '\n';
            length = 1;
            break;
        } else if (byte == CONTROL_D && length == 0) {
            break;
        } else if (byte == BACKSPACE || byte == DELETE) {
            length = erase_to(console, length, length > 0 ? length - 1 : 0);
        } else if (byte == CONTROL_U) {
            length = erase_to(console, length, 0);
        } else if (byte == CONTROL_W) {
            length = erase_to(console, length, word_start(line, length));
        } else if (byte == ESCAPE) {
            swallow_escape(console);
        } else if ((byte == '\t' || (unsigned char)byte >= ' ') && length + 1 < size) {
            byte = byte == '\t' ? ' ' : byte;
            line[length++] = byte;
            echo(console, &byte, 1);
        }
    }
    *out_length = length;
    return OK;
}
