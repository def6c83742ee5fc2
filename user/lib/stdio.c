/*
 * stdio.c: the three standard streams, and what makes streams safe in threads.
 *
 * Output is buffered by lines, so that one printed line is one write; what is left in any stream
 * goes out at exit.  The C library locks a stream for each character only.  The functions that
 * move more than one are wrapped by the linker (Makefile: --wrap), so that each of them is whole;
 * the lock is the same and recursive, so flockfile keeps every other thread out.
 *
 * Locks: `open_lock` guards the list of streams.  It is taken before the lock of a stream.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio-bufio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_SIZE 512
#define INPUT_SIZE 1024

struct open_stream {
    struct open_stream *next;
    FILE *file;
};

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

static struct open_stream standard[3] = {
    { &standard[1], &streams[0].xfile.cfile.file },
    { &standard[2], &streams[1].xfile.cfile.file },
    { NULL, &streams[2].xfile.cfile.file },
};
static struct open_stream *open_streams = standard;
static struct quire_mutex open_lock;
static struct __lock exit_lock;

__attribute__((constructor)) static void standard_streams_init(void)
{
    for (int i = 0; i < 3; i++)
        streams[i].lock = &locks[i];
}

/* --- The lock of a stream.  One that writes to a string has none. --- */

static _LOCK_T lock_of(FILE *file)
{
    return file->flags & __SBUF ? ((struct __file_bufio *)file)->lock : NULL;
}

void flockfile(FILE *file)
{
    if (lock_of(file) != NULL)
        __lock_acquire_recursive(lock_of(file));
}

int ftrylockfile(FILE *file)
{
    return lock_of(file) == NULL || library_lock_try(lock_of(file)) ? 0 : -1;
}

void funlockfile(FILE *file)
{
    if (lock_of(file) != NULL)
        __lock_release_recursive(lock_of(file));
}

/* Define __wrap_NAME, which is NAME with the stream locked; CALL names the real one. */
#define WHOLE(type, name, parameters, file, call)                                                 \
    type __real_##name parameters;                                                                \
    type __wrap_##name parameters;                                                                \
    type __wrap_##name parameters                                                                 \
    {                                                                                             \
        flockfile(file);                                                                          \
        type result = __real_##name call;                                                         \
        funlockfile(file);                                                                        \
        return result;                                                                            \
    }

WHOLE(int, vfprintf, (FILE *file, const char *format, va_list arguments), file,
      (file, format, arguments))
WHOLE(int, vfscanf, (FILE *file, const char *format, va_list arguments), file,
      (file, format, arguments))
WHOLE(int, fputs, (const char *text, FILE *file), file, (text, file))
WHOLE(int, puts, (const char *text), stdout, (text))
WHOLE(size_t, fwrite, (const void *from, size_t size, size_t count, FILE *file), file,
      (from, size, count, file))
WHOLE(size_t, fread, (void *to, size_t size, size_t count, FILE *file), file,
      (to, size, count, file))
WHOLE(char *, fgets, (char *to, int size, FILE *file), file, (to, size, file))

/* --- The list of streams. --- */

FILE *__real_fdopen(int descriptor, const char *mode);
FILE *__wrap_fdopen(int descriptor, const char *mode);
int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);
int __real_fflush(FILE *file);
int __wrap_fflush(FILE *file);
_Noreturn void __real_exit(int code);
_Noreturn void __wrap_exit(int code);

/* fopen calls it too. */
FILE *__wrap_fdopen(int descriptor, const char *mode)
{
    struct open_stream *stream = malloc(sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->file = __real_fdopen(descriptor, mode);
    if (stream->file == NULL) {
        free(stream);
        return NULL;
    }
    FILE *file = stream->file;
    quire_mutex_lock(&open_lock);
    stream->next = open_streams;
    open_streams = stream;
    quire_mutex_unlock(&open_lock);
    return file;
}

int __wrap_fclose(FILE *file)
{
    struct open_stream *found = NULL;
    quire_mutex_lock(&open_lock);
    for (struct open_stream **link = &open_streams; *link != NULL; link = &(*link)->next) {
        if ((*link)->file == file) {
            found = *link;
            *link = found->next;
            break;
        }
    }
    quire_mutex_unlock(&open_lock);
    if (found != NULL && (found < standard || found >= standard + 3))
        free(found);
    return __real_fclose(file);
}

/* Streams that are only read from are left alone: another thread may wait for input in one. */
static int flush_all(void)
{
    int result = 0;
    quire_mutex_lock(&open_lock);
    for (struct open_stream *stream = open_streams; stream != NULL; stream = stream->next)
        if (stream->file->flags & __SWR)
            result |= __real_fflush(stream->file);
    quire_mutex_unlock(&open_lock);
    return result;
}

int __wrap_fflush(FILE *file)
{
    return file == NULL ? flush_all() : __real_fflush(file);
}

__attribute__((destructor)) static void streams_flush(void)
{
    flush_all();
}

/* The first thread that comes here ends the process; the others wait for that. */
void __wrap_exit(int code)
{
    __lock_acquire_recursive(&exit_lock);
    library_exiting = true;
    __real_exit(code);
}

/* --- Fork. --- */

/*
 * A thread may hold a stream's lock for as long as it waits for input, or for room in a pipe, so
 * fork does not wait for these locks.  It takes those that are free.  In the child nobody holds the
 * others any more; what was in such a buffer belongs to the parent's thread, which writes it.
 */
void streams_fork_prepare(void)
{
    quire_mutex_lock(&open_lock);
    for (struct open_stream *stream = open_streams; stream != NULL; stream = stream->next)
        ftrylockfile(stream->file);
}

static void release(FILE *file, bool is_child)
{
    struct __file_bufio *stream = (struct __file_bufio *)file;
    _LOCK_T lock = lock_of(file);
    if (lock == NULL)
        return;
    if (lock->owner == (uintptr_t)__builtin_thread_pointer()) {
        funlockfile(file);
    } else if (is_child) {
        memset(lock, 0, sizeof *lock);
        stream->len = stream->off = 0;
    }
}

void streams_fork_parent(void)
{
    for (struct open_stream *stream = open_streams; stream != NULL; stream = stream->next)
        release(stream->file, false);
    quire_mutex_unlock(&open_lock);
}

void streams_fork_child(void)
{
    for (struct open_stream *stream = open_streams; stream != NULL; stream = stream->next)
        release(stream->file, true);
    quire_mutex_unlock(&open_lock);
    if (exit_lock.owner != (uintptr_t)__builtin_thread_pointer()) {
        memset(&exit_lock, 0, sizeof exit_lock);
        library_exiting = false;
    }
}
