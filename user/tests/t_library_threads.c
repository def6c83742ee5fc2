/*
 * t_library_threads.c: the C library in eight threads at once: blocks of the heap never overlap, the environment holds
 * together, and functions run at exit.
 *
 * Machine: cpus=4
 */
#include "pthread_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- The heap. --- */

#define BLOCKS 64

static void *use_heap(void *argument)
{
    static const size_t sizes[] = { 1, 16, 24, 100, 333, 1000, 5000, 40000 };
    uint8_t *blocks[BLOCKS] = { 0 }, mine = (uint8_t)((uintptr_t)argument * 31 + 1);
    size_t lengths[BLOCKS] = { 0 };
    unsigned seed = (uintptr_t)argument + 1;

    for (int i = 0; i < 4000; i++) {
        unsigned at = rand_r(&seed) % BLOCKS;
        uint8_t fill = (uint8_t)(mine + at);
        for (size_t j = 0; j < lengths[at]; j++)
            CHECK_EQ(blocks[at][j], fill);
        size_t length = sizes[rand_r(&seed) % array_size(sizes)] + i % 7;
        if (i % 3 == 0) {
            uint8_t *larger = realloc(blocks[at], length);
            CHECK(larger != NULL);
            for (size_t j = 0; j < length && j < lengths[at]; j++)
                CHECK_EQ(larger[j], fill);
            blocks[at] = larger;
        } else {
            free(blocks[at]);
            blocks[at] = i % 3 == 1 ? malloc(length) : calloc(1, length);
            CHECK(blocks[at] != NULL);
            for (size_t j = 0; i % 3 == 2 && j < length; j++)
                CHECK_EQ(blocks[at][j], 0);
        }
        lengths[at] = length;
        memset(blocks[at], fill, length);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return NULL;
}

TEST(blocks_of_the_heap_never_overlap)
{
    start_all(use_heap);
    join_all();
    void *large = malloc(8 << 20);              /* what was freed is in one piece again */
    CHECK(large != NULL);
    free(large);
}

/* --- The environment, strings, and running functions at exit. --- */

static void *use_environment(void *argument)
{
    char name[20], value[40];

    snprintf(name, sizeof name, "THREAD_%d", (int)(intptr_t)argument);
    for (int i = 0; i < 200; i++) {
        snprintf(value, sizeof value, "%d-%.*s", i, i % 20, "xxxxxxxxxxxxxxxxxxxx");
        CHECK_EQ(setenv(name, value, 1), 0);
        CHECK(getenv(name) != NULL && strcmp(getenv(name), value) == 0);
        CHECK(getenv("NOT_THERE") == NULL);
    }
    CHECK_EQ(unsetenv(name), 0);
    CHECK(getenv(name) == NULL);
    return NULL;
}

TEST(the_environment_holds_together)
{
    start_all(use_environment);
    join_all();
}

static void *split(void *argument)
{
    for (int i = 0; i < 300; i++) {
        char text[] = "one two,three  four,five", *rest = NULL;
        static const char *const words[] = { "one", "two", "three", "four", "five" };
        unsigned count = 0;

        for (char *word = strtok_r(text, " ,", &rest); word != NULL;
             word = strtok_r(NULL, " ,", &rest)) {
            CHECK(count < array_size(words) && strcmp(word, words[count]) == 0);
            count++;
        }
        CHECK_EQ(count, array_size(words));
        CHECK(rand() >= 0);
    }
    return argument;
}

TEST(strings_are_split_and_numbers_drawn_in_all_threads)
{
    start_all(split);
    join_all();
}

static _Atomic int at_exit_runs;

static void at_exit(void)
{
    at_exit_runs++;
}

static void *register_at_exit(void *argument)
{
    for (int i = 0; i < 3; i++)
        CHECK_EQ(atexit(at_exit), 0);
    return argument;
}

static void print_runs(void)
{
    printf("%d runs\n", at_exit_runs);
}

/* In the helper all is printed into a pipe, without a newline or a flush. */
int test_helper(int argc, char **argv)
{
    FILE *file = fdopen(dup(1), "w");

    (void)argc;
    (void)argv;
    atexit(print_runs);
    start_all(register_at_exit);
    join_all();
    fprintf(file, "left in a stream");
    return 0;
}

TEST(exit_runs_all_functions_and_writes_what_is_left)
{
    const char *const arguments[] = { test_arguments[0], "exit", NULL };
    int ends[2];
    handle_t image, process;
    char text[100] = "";
    size_t used = 0;

    CHECK_EQ(pipe(ends), 0);
    int descriptors[] = { 0, ends[1], 2 };
    CHECK_OK(program_open(test_arguments[0], &image));
    struct spawn_arguments spawning = { .image = image, .arguments = arguments,
        .descriptors = descriptors, .descriptor_count = 3 };
    CHECK_OK(spawn(&spawning, &process));
    CHECK_OK(sys_handle_close(image));
    CHECK_EQ(close(ends[1]), 0);
    for (ssize_t got = 1; got > 0; used += got > 0 ? got : 0)
        got = read(ends[0], text + used, sizeof text - 1 - used);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(exit_code_of(process), 0);
    CHECK(strstr(text, "left in a stream") != NULL);
    CHECK(strstr(text, "24 runs\n") != NULL);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
