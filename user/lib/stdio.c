/*
 * stdio.c: stdin, stdout and stderr over descriptors 0, 1 and 2.
 *
 * Output is buffered by lines, so that one printed line is one write; what is left goes out at
 * exit.
 */
#include "internal.h"

#include <stdio-bufio.h>
#include <unistd.h>

#define OUTPUT_SIZE 512
#define INPUT_SIZE 1024

static char input[INPUT_SIZE], output[OUTPUT_SIZE], errors[OUTPUT_SIZE];
static struct __lock locks[3];

#define STREAM(number, room, direction, how) \
    FDEV_SETUP_BUFIO(number, room, sizeof room, read, write, lseek, close, direction, how)

static struct __file_bufio streams[3] = {
    STREAM(0, input, __SRD, 0),
    STREAM(1, output, __SWR, __BLBF),
    STREAM(2, errors, __SWR, __BLBF),
};

FILE *const stdin = &streams[0].xfile.cfile.file;
FILE *const stdout = &streams[1].xfile.cfile.file;
FILE *const stderr = &streams[2].xfile.cfile.file;

__attribute__((constructor)) static void standard_streams_init(void)
{
    for (int i = 0; i < 3; i++)
        streams[i].lock = &locks[i];
}

__attribute__((destructor)) static void standard_streams_flush(void)
{
    fflush(stdout);
    fflush(stderr);
}
