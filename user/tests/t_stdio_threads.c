/*
 * t_stdio_threads.c: streams of eight threads at once: lines stay whole, and what fork must hold can be held at any moment.
 *
 * Machine: cpus=4
 */
#include "pthread_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES 400

/* --- Lines. --- */

static FILE *reader, *writer;

static void open_pipe(void)
{
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    reader = fdopen(ends[0], "r");
    writer = fdopen(ends[1], "w");
    CHECK(reader != NULL && writer != NULL);
}

/*
 * A line is `thread:number:` and then the thread's letter, so many times that it is longer than
 * some buffers.
 */
static int letters_of(unsigned number)
{
    return 5 + number * 37 % 700;
}

static const char *letters(unsigned thread, unsigned number)
{
    static char all[THREADS][800];

    memset(all[thread], 'a' + thread, letters_of(number));
    all[thread][letters_of(number)] = 0;
    return all[thread];
}

enum { WITH_PRINTF, WITH_FPUTS, WITH_FWRITE, WITH_FLOCKFILE, WAYS };
static int way;

static void print_locked(unsigned thread, unsigned number)
{
    flockfile(writer);
    CHECK_EQ(ftrylockfile(writer), 0);          /* it may be taken again */
    fprintf(writer, "%u:%u:", thread, number);
    funlockfile(writer);
    for (int i = 0; i < letters_of(number); i++)
        putc_unlocked('a' + thread, writer);
    putc('\n', writer);
    funlockfile(writer);
}

static void print_line(unsigned thread, unsigned number)
{
    char line[900];
    int length = snprintf(line, sizeof line, "%u:%u:%s\n", thread, number,
                          letters(thread, number));

    switch (way) {
    case WITH_PRINTF:
        CHECK_EQ(fprintf(writer, "%u:%u:%s\n", thread, number, letters(thread, number)), length);
        break;
    case WITH_FPUTS:
        CHECK(fputs(line, writer) >= 0);
        break;
    case WITH_FWRITE:
        CHECK_EQ(fwrite(line, 1, length, writer), length);
        break;
    default:
        print_locked(thread, number);
    }
}

static void *print_lines(void *argument)
{
    for (unsigned i = 0; i < LINES; i++)
        print_line((uintptr_t)argument, i);
    return NULL;
}

/* The line is whole; which thread's and which number. */
static bool read_line(const char *line, size_t length, unsigned *thread, unsigned *number)
{
    int used = 0;

    if (sscanf(line, "%u:%u:%n", thread, number, &used) != 2 || *thread >= THREADS ||
        *number >= LINES || length != (size_t)used + letters_of(*number) + 1)
        return false;
    for (int i = 0; i < letters_of(*number); i++)
        if (line[used + i] != (char)('a' + *thread))
            return false;
    return line[length - 1] == '\n';
}

static unsigned next_line[THREADS];

static void *check_lines(void *argument)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    unsigned thread = 0, number = 0;

    memset(next_line, 0, sizeof next_line);
    while ((length = getline(&line, &size, reader)) > 0) {
        if (!read_line(line, length, &thread, &number)) {
            test_failed(__FILE__, __LINE__, "way %d, a torn line: %.60s", way, line);
            continue;                   /* the writers must not wait for ever */
        }
        CHECK_EQ(number, next_line[thread]);
        next_line[thread] = number + 1;
    }
    free(line);
    return argument;
}

static void check_way(int new_way)
{
    pthread_t checker;

    way = new_way;
    open_pipe();
    CHECK_EQ(pthread_create(&checker, NULL, check_lines, NULL), 0);
    start_all(print_lines);
    join_all();
    CHECK_EQ(fclose(writer), 0);
    CHECK_EQ(pthread_join(checker, NULL), 0);
    CHECK_EQ(fclose(reader), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(next_line[i], LINES);
}

TEST(lines_of_printf_are_whole)
{
    check_way(WITH_PRINTF);
}

TEST(lines_of_fputs_are_whole)
{
    check_way(WITH_FPUTS);
}

TEST(lines_of_fwrite_are_whole)
{
    check_way(WITH_FWRITE);
}

TEST(a_locked_stream_is_one_threads)
{
    check_way(WITH_FLOCKFILE);
}

/* Each of several readers gets whole lines, and all of them together each line once. */
static _Atomic uint32_t seen[THREADS][LINES];
static bool with_fgets;

static void *read_lines(void *argument)
{
    char *line = malloc(1000);
    size_t size = 1000;
    unsigned thread = 0, number = 0;

    CHECK(line != NULL);
    for (;;) {
        ssize_t length = !with_fgets ? getline(&line, &size, reader) :
                         fgets(line, 1000, reader) != NULL ? (ssize_t)strlen(line) : -1;
        if (length <= 0)
            break;
        CHECK(read_line(line, length, &thread, &number));
        seen[thread % THREADS][number % LINES]++;
    }
    free(line);
    return argument;
}

static void *print_all(void *argument)
{
    for (unsigned i = 0; i < LINES; i++)
        for (unsigned thread = 0; thread < THREADS; thread++)
            print_line(thread, i);
    CHECK_EQ(fclose(writer), 0);
    return argument;
}

TEST(readers_of_one_stream_get_whole_lines)
{
    for (int round = 0; round < 2; round++) {
        pthread_t printer;

        with_fgets = round == 1;
        way = WITH_PRINTF;
        memset((void *)seen, 0, sizeof seen);
        open_pipe();
        CHECK_EQ(pthread_create(&printer, NULL, print_all, NULL), 0);
        start_all(read_lines);
        join_all();
        CHECK_EQ(pthread_join(printer, NULL), 0);
        CHECK_EQ(fclose(reader), 0);
        for (unsigned i = 0; i < THREADS * LINES; i++)
            CHECK_EQ(seen[i / LINES][i % LINES], 1);
    }
}

static void *hold_stream(void *argument)
{
    flockfile(writer);
    CHECK_OK(sys_channel_write((handle_t)(uintptr_t)argument, 0, NULL, 0, NULL, 0));
    CHECK_OK(sys_object_wait_one((handle_t)(uintptr_t)argument, SIGNAL_PEER_CLOSED,
                                 after(PATIENCE), NULL));
    funlockfile(writer);
    return NULL;
}

TEST(ftrylockfile_says_that_another_thread_has_it)
{
    pthread_t holder;
    handle_t near, far;
    char text[10];

    open_pipe();
    CHECK_OK(sys_channel_create(0, &near, &far));
    CHECK_EQ(pthread_create(&holder, NULL, hold_stream, (void *)(uintptr_t)far), 0);
    CHECK_OK(sys_object_wait_one(near, SIGNAL_READABLE, after(PATIENCE), NULL));
    CHECK(ftrylockfile(writer) != 0);
    CHECK_OK(sys_handle_close(near));
    CHECK_EQ(pthread_join(holder, NULL), 0);
    CHECK_EQ(ftrylockfile(writer), 0);
    funlockfile(writer);
    CHECK_OK(sys_handle_close(far));
    CHECK_EQ(fclose(writer), 0);
    CHECK_EQ(fclose(reader), 0);
    snprintf(text, sizeof text, "%d", 5);       /* streams without a lock */
    CHECK(strcmp(text, "5") == 0);
}

static void *open_and_close(void *argument)
{
    for (int i = 0; i < 100; i++) {
        int ends[2];
        char text[20];

        CHECK_EQ(pipe(ends), 0);
        FILE *in = fdopen(ends[0], "r"), *out = fdopen(ends[1], "w");
        CHECK(in != NULL && out != NULL);
        fprintf(out, "%d\n", i);
        if (i % 2 == 0)
            CHECK_EQ(fflush(NULL), 0);
        CHECK_EQ(fclose(out), 0);
        CHECK(fgets(text, sizeof text, in) != NULL);
        CHECK_EQ(atoi(text), i);
        CHECK_EQ(fclose(in), 0);
    }
    return argument;
}

TEST(streams_open_and_close_in_all_threads)
{
    start_all(open_and_close);
    join_all();
}

/* --- What fork holds. --- */

void fork_prepare(void);
void fork_parent(void);

static char order[8];

static void add(char letter)
{
    order[strlen(order)] = letter;
}

static void prepare_first(void)  { add('A'); }
static void prepare_second(void) { add('B'); }
static void parent_first(void)   { add('a'); }
static void parent_second(void)  { add('b'); }

TEST(functions_around_fork_run_in_order)
{
    CHECK_EQ(pthread_atfork(prepare_first, parent_first, NULL), 0);
    CHECK_EQ(pthread_atfork(prepare_second, parent_second, NULL), 0);
    CHECK_EQ(pthread_atfork(NULL, NULL, NULL), 0);
    fork_prepare();
    fork_parent();
    CHECK(strcmp(order, "BAab") == 0);
}

static _Atomic bool stop;

static void *use_library(void *argument)
{
    while (!stop) {
        struct stat file;
        char *text = malloc(100 + (uintptr_t)argument);

        CHECK(text != NULL);
        snprintf(text, 100, "%s", getenv("PATH"));
        fprintf(writer, "%s\n", text);
        free(text);
        stat("/", &file);
        open_and_close(NULL);
    }
    return NULL;
}

static void *drain(void *argument)
{
    char text[200];

    while (fgets(text, sizeof text, reader) != NULL)
        ;
    return argument;
}

/* While it is all held, the heap is whole and nobody else moves it. */
TEST(fork_can_hold_everything_at_any_moment)
{
    pthread_t drainer;

    open_pipe();
    stop = false;
    CHECK_EQ(pthread_create(&drainer, NULL, drain, NULL), 0);
    start_all(use_library);
    for (int i = 0; i < 200; i++) {
        order[0] = 0;
        memset(order, 0, sizeof order);
        fork_prepare();
        void *block = malloc(50);
        free(block);
        fork_parent();
        CHECK(block != NULL);
    }
    stop = true;
    join_all();
    CHECK_EQ(fclose(writer), 0);
    CHECK_EQ(pthread_join(drainer, NULL), 0);
    CHECK_EQ(fclose(reader), 0);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
