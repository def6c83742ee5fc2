/*
 * line.h: editing a line on the console.
 *
 * Arrow keys, Home, End, Delete and Backspace; ^A ^E to the ends, ^B ^F by a character; ^U ^K ^W
 * delete to the start, to the end, a word; ^P ^N or up and down through earlier lines; ^L clears
 * the screen, ^C gives an empty line (without options: begins again, for the shell tells the
 * program), ^D on an empty line is the end of input.
 */
#pragma once

#include <quire.h>

struct line_options {
    const char *prompt;                 /* on the screen already; drawn again when that is needed */
    bool keeps_history;                 /* lines that are read join the earlier ones */
    /*
     * Tab.  Put what can be added at line[cursor] into `insert` (or "").  If that is nothing and
     * there is a choice, print it, from a new line on and with a newline at the end, and return
     * true.  May be NULL: a tab is a blank.
     */
    bool (*complete)(const char *line, size_t cursor, char *insert, size_t size);
};

/*
 * One line, with its newline, of at most `size` bytes; not terminated; length 0: end of input.
 * options may be NULL.  What is typed beyond the size is not taken.  *length is at first how much of the
 * line has been typed already: 0, or what a call left there that ended with an error.
 */
status_t line_edit(handle_t console, const struct line_options *options, char *line, size_t size,
                   size_t *length);
/*
 * A ^C has been acted upon: of what was typed so far, drop all up to it.  The rest is the beginning
 * of the next line.
 */
void line_drop_interrupted(handle_t console);
