/*
 * line.c: typed lines: echo, editing, and the lines typed before.
 *
 * Bytes are taken from the console one at a time: what was typed ahead stays in the kernel for the
 * next reader, so a whole script may be pasted.  Every change is one `replace`, which draws with
 * nothing but text and backspaces; so any terminal will do, but a line that is longer than the
 * screen is wide looks wrong while it is edited in the middle.
 *
 * Invariant: cursor <= length < size, and the terminal's cursor is where `cursor` is.
 * Locks: none; a process has one console and reads it in one thread at a time (posix.c has a lock).
 */
#include "internal.h"

#include <quire/line.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL(letter) ((letter) & 31)
enum { ESCAPE = 27, DELETE = 127, HISTORY_MAX = 100, INSERT_MAX = 256, KEPT_MAX = 1024 };

/* Keys that are more than one byte. */
enum { KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_END, KEY_DELETE, KEY_OTHER };

struct editor {
    handle_t console;
    const struct line_options *options;
    char *line;
    size_t size, length, cursor;
    size_t history_index;               /* history_count: the line that is being typed */
    char *typed;                        /* that line, while an earlier one is shown */
    size_t typed_length;
};

static char *history[HISTORY_MAX];      /* oldest first */
static size_t history_count;

/* --- Keys. --- */

/* Typed behind a ^C: taken from the console already. */
static char kept[KEPT_MAX];
static size_t kept_length, kept_taken;

void line_drop_interrupted(handle_t console)
{
    signals_t now;
    kept_taken = kept_length;
    while (sys_object_wait_one(console, SIGNAL_READABLE, 0, &now) == OK) {
        kept_taken = kept_length = 0;
        if (sys_console_read(console, kept, sizeof kept, &kept_length) != OK)
            return;
        for (size_t i = 0; i < kept_length; i++)
            if (kept[i] == CONTROL('C'))
                kept_taken = i + 1;
        if (kept_taken > 0)
            return;
        kept_taken = kept_length;
    }
}

static status_t read_byte(handle_t console, char *out)
{
    size_t actual = 0;
    status_t status;
    if (kept_taken < kept_length) {
        *out = kept[kept_taken++];
        return OK;
    }
    do {
        status = RESTARTED(sys_console_read(console, out, 1, &actual));
    } while (status == OK && actual == 0);
    return status;
}

static int named_key(char last, int number)
{
    switch (last) {
    case 'A': return KEY_UP;
    case 'B': return KEY_DOWN;
    case 'C': return KEY_RIGHT;
    case 'D': return KEY_LEFT;
    case 'H': return KEY_HOME;
    case 'F': return KEY_END;
    case '~': break;
    default:  return KEY_OTHER;
    }
    switch (number) {
    case 1: case 7: return KEY_HOME;
    case 4: case 8: return KEY_END;
    case 3:         return KEY_DELETE;
    default:        return KEY_OTHER;
    }
}

/* A byte, or one of KEY_: ESC [ parameters letter, ESC O letter; other escapes mean nothing. */
static status_t read_key(handle_t console, int *out_key)
{
    char byte;
    int number = 0;
    status_t status = read_byte(console, &byte);
    *out_key = (unsigned char)byte;
    if (status != OK || byte != ESCAPE)
        return status;
    *out_key = KEY_OTHER;
    status = read_byte(console, &byte);
    if (status != OK || (byte != '[' && byte != 'O'))
        return status;
    do {
        status = read_byte(console, &byte);
        if (byte >= '0' && byte <= '9')
            number = (number * 10 + byte - '0') % 1000;
    } while (status == OK && (byte < '@' || byte > '~'));
    *out_key = named_key(byte, number);
    return status;
}

/* --- Drawing and changing. --- */

static void put(const struct editor *editor, const char *text, size_t length)
{
    if (length > 0)
        sys_console_write(editor->console, text, length);
}

static void put_times(const struct editor *editor, char c, size_t count)
{
    char text[32];
    memset(text, c, sizeof text);
    for (; count > sizeof text; count -= sizeof text)
        put(editor, text, sizeof text);
    put(editor, text, count);
}

static void move(struct editor *editor, size_t to)
{
    if (to < editor->cursor)
        put_times(editor, '\b', editor->cursor - to);
    else
        put(editor, editor->line + editor->cursor, to - editor->cursor);
    editor->cursor = to;
}

/* Put text in the place of line[from..to), here and on the screen; the cursor goes behind it. */
static void replace(struct editor *editor, size_t from, size_t to, const char *text, size_t length)
{
    size_t tail = editor->length - to, old_length = editor->length;
    if (editor->length - (to - from) + length >= editor->size)
        return;
    move(editor, from);
    memmove(editor->line + from + length, editor->line + to, tail);
    memcpy(editor->line + from, text, length);
    editor->length = from + length + tail;
    editor->cursor = from + length;
    size_t rest = old_length > editor->length ? old_length - editor->length : 0;
    put(editor, editor->line + from, length + tail);
    put_times(editor, ' ', rest);
    put_times(editor, '\b', tail + rest);
}

static void draw_again(struct editor *editor)
{
    size_t cursor = editor->cursor;
    if (editor->options != NULL)
        put(editor, editor->options->prompt, strlen(editor->options->prompt));
    editor->cursor = 0;
    move(editor, editor->length);
    move(editor, cursor);
}

static size_t word_start(const struct editor *editor)
{
    size_t start = editor->cursor;
    while (start > 0 && editor->line[start - 1] == ' ')
        start--;
    while (start > 0 && editor->line[start - 1] != ' ')
        start--;
    return start;
}

/* --- Earlier lines. --- */

static void show_history(struct editor *editor, size_t index)
{
    if (index > history_count || editor->options == NULL || !editor->options->keeps_history)
        return;
    if (editor->history_index == history_count) {
        free(editor->typed);
        editor->typed = malloc(editor->length + 1);
        editor->typed_length = editor->typed != NULL ? editor->length : 0;
        memcpy(editor->typed, editor->line, editor->typed_length);
    }
    editor->history_index = index;
    if (index == history_count)
        replace(editor, 0, editor->length, editor->typed, editor->typed_length);
    else
        replace(editor, 0, editor->length, history[index], strlen(history[index]));
}

/* Neither empty lines nor the same line twice are kept. */
static void add_history(const struct editor *editor)
{
    size_t length = editor->length;
    const char *last = history_count > 0 ? history[history_count - 1] : "";
    if (length == 0 || (strlen(last) == length && memcmp(last, editor->line, length) == 0))
        return;
    char *copy = strndup(editor->line, length);
    if (copy == NULL)
        return;
    if (history_count == HISTORY_MAX) {
        free(history[0]);
        memmove(history, history + 1, --history_count * sizeof history[0]);
    }
    history[history_count++] = copy;
}

/* --- The keys' meanings. --- */

static void complete(struct editor *editor)
{
    char insert[INSERT_MAX] = "";
    if (editor->options == NULL || editor->options->complete == NULL) {
        replace(editor, editor->cursor, editor->cursor, " ", 1);
        return;
    }
    editor->line[editor->length] = 0;   /* length < size */
    if (editor->options->complete(editor->line, editor->cursor, insert, sizeof insert))
        draw_again(editor);
    else
        replace(editor, editor->cursor, editor->cursor, insert, strlen(insert));
}

static void clear_screen(struct editor *editor)
{
    static const char home_and_clear[] = "\033[H\033[2J";
    put(editor, home_and_clear, sizeof home_and_clear - 1);
    draw_again(editor);
}

static void move_key(struct editor *editor, int key)
{
    switch (key) {
    case CONTROL('A'): case KEY_HOME:
        move(editor, 0);
        break;
    case CONTROL('E'): case KEY_END:
        move(editor, editor->length);
        break;
    case CONTROL('B'): case KEY_LEFT:
        move(editor, editor->cursor - (editor->cursor > 0));
        break;
    case CONTROL('F'): case KEY_RIGHT:
        move(editor, editor->cursor + (editor->cursor < editor->length));
        break;
    case CONTROL('P'): case KEY_UP:
        show_history(editor, editor->history_index - 1);
        break;
    case CONTROL('N'): case KEY_DOWN:
        show_history(editor, editor->history_index + 1);
        break;
    }
}

static void edit_key(struct editor *editor, int key)
{
    size_t cursor = editor->cursor, length = editor->length;
    switch (key) {
    case '\b': case DELETE:
        replace(editor, cursor - (cursor > 0), cursor, "", 0);
        break;
    case CONTROL('D'): case KEY_DELETE:
        replace(editor, cursor, cursor + (cursor < length), "", 0);
        move(editor, cursor);
        break;
    case CONTROL('U'):
        replace(editor, 0, cursor, "", 0);
        break;
    case CONTROL('K'):
        replace(editor, cursor, length, "", 0);
        break;
    case CONTROL('W'):
        replace(editor, word_start(editor), cursor, "", 0);
        break;
    case CONTROL('L'):
        clear_screen(editor);
        break;
    case '\t':
        complete(editor);
        break;
    default:
        if (key >= ' ' && key < 256)
            replace(editor, cursor, cursor, (char[]){ key }, 1);
        else
            move_key(editor, key);
    }
}

/* Edit until a key ends the line; *out_input is false for the end of input. */
static status_t edit(struct editor *editor, bool *out_input)
{
    for (;;) {
        int key;
        status_t status = read_key(editor->console, &key);
        if (status != OK)
            return status;
        *out_input = key != CONTROL('D') || editor->length > 0;
        if (key == CONTROL('C') && editor->options == NULL) {
            editor->length = editor->cursor = 0;
            continue;
        }
        if (key == CONTROL('C')) {
            put(editor, "^C", 2);
            editor->length = 0;
        }
        if (key == '\r' || key == '\n' || key == CONTROL('C') || !*out_input)
            return OK;
        edit_key(editor, key);
    }
}

status_t line_edit(handle_t console, const struct line_options *options, char *line, size_t size,
                   size_t *length)
{
    struct editor editor = {
        .console = console, .options = options, .line = line, .size = size,
        .length = *length, .cursor = *length, .history_index = history_count,
    };
    bool input = false;
    status_t status = edit(&editor, &input);
    free(editor.typed);
    *length = editor.length;
    if (status != OK) {
        move(&editor, editor.length);
        return status;
    }
    if (input) {
        if (options != NULL && options->keeps_history)
            add_history(&editor);
        put(&editor, "\n", 1);
        line[editor.length++] = '\n';
    }
    *length = editor.length;
    return OK;
}
