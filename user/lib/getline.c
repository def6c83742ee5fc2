/*
 * getline.c: whole lines from a FILE, however long.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_SIZE = 120 };

static int grow(char **line, size_t *size)
{
    size_t wanted = *line == NULL ? FIRST_SIZE : 2 * *size;
    char *larger = realloc(*line, wanted);
    if (larger == NULL)
        return -1;
    *line = larger;
    *size = wanted;
    return 0;
}

static ssize_t read_line(char **line, size_t *size, FILE *file)
{
    size_t length = 0;
    int c;
    if (*line == NULL)
        *size = 0;
    do {
        if (length + 2 > *size && grow(line, size) != 0) {
            errno = ENOMEM;
            return -1;
        }
        c = getc(file);
        if (c == EOF)
            break;
        (*line)[length++] = c;
    } while (c != '\n');
    (*line)[length] = 0;
    return length > 0 && !ferror(file) ? (ssize_t)length : -1;
}

/* The length, with the newline if there is one; -1 at the end of the file or on an error. */
ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict file)
{
    flockfile(file);
    ssize_t length = read_line(line, size, file);
    funlockfile(file);
    return length;
}
