/*
 * t_private.c: private mappings of files and the data of programs: copies that are made by writing.
 */
#include "posix.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define UNUSED __attribute__((unused))

enum { FILE_PAGES = 64 };
#define FILE_NAME "/data/random.bin"

static char expected[PAGE_SIZE];

static int open_file(void)
{
    close(open_motd());
    int file = open(FILE_NAME, O_RDONLY);

    CHECK(file >= 0);
    return file;
}

static void *map_file(int file, int protection, off_t page)
{
    void *memory = mmap(NULL, FILE_PAGES * PAGE_SIZE, protection, MAP_PRIVATE, file,
                        page * PAGE_SIZE);

    CHECK(memory != MAP_FAILED);
    return memory;
}

/* Is page `page` of memory what the file has there? */
static bool is_as_in_file(int file, const char *memory, off_t page, off_t first)
{
    return pread(file, expected, PAGE_SIZE, (first + page) * PAGE_SIZE) == PAGE_SIZE &&
           memcmp(memory + page * PAGE_SIZE, expected, PAGE_SIZE) == 0;
}

static int in_child(int (*function)(void *), void *argument)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(function(argument));
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(writes_are_private)
{
    int file = open_file();
    char *one = map_file(file, PROT_READ | PROT_WRITE, 3);
    char *two = map_file(file, PROT_READ | PROT_WRITE, 3);

    for (int page = 0; page < FILE_PAGES; page += 2)
        one[page * PAGE_SIZE + 7] ^= 0x55;
    for (int page = 0; page < FILE_PAGES; page++) {
        CHECK(is_as_in_file(file, two, page, 3));
        CHECK_EQ(is_as_in_file(file, one, page, 3), page % 2 == 1);
        CHECK_EQ(one[page * PAGE_SIZE + 8], two[page * PAGE_SIZE + 8]);
    }
    CHECK_EQ(munmap(one, FILE_PAGES * PAGE_SIZE) | munmap(two, FILE_PAGES * PAGE_SIZE), 0);
    close(file);
}

/* What a large mapping costs is what is written to it. */
TEST(only_what_is_written_takes_memory)
{
    int file = open_file();
    info_system_t before, after_mapping;
    char *memory = map_file(file, PROT_READ | PROT_WRITE, 0);

    for (int page = 0; page < FILE_PAGES; page++)
        (void)((volatile char *)memory)[page * PAGE_SIZE];
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &before, sizeof before, NULL, NULL));
    memory[0]++;
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &after_mapping, sizeof before, NULL,
                                 NULL));
    CHECK(after_mapping.frames[FRAME_ANON] - before.frames[FRAME_ANON] < 8);
    CHECK_EQ(munmap(memory, FILE_PAGES * PAGE_SIZE), 0);
    close(file);
}

TEST(protection_that_changes)
{
    int file = open_file();
    char *memory = map_file(file, PROT_READ, 0);
    char *shared = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, file, 0);

    CHECK(is_as_in_file(file, memory, 0, 0));
    CHECK_EQ(mprotect(memory, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    memory[0] ^= 1;
    memory[PAGE_SIZE] ^= 1;
    CHECK(!is_as_in_file(file, memory, 0, 0));
    CHECK(!is_as_in_file(file, memory, 1, 0));
    CHECK(is_as_in_file(file, memory, 2, 0));
    CHECK_EQ(mprotect(memory, 2 * PAGE_SIZE, PROT_READ), 0);
    CHECK(!is_as_in_file(file, memory, 0, 0));
    CHECK_EQ(mprotect(memory, PAGE_SIZE, PROT_NONE), 0);

    CHECK(shared != MAP_FAILED);
    CHECK(is_as_in_file(file, shared, 0, 0));
    CHECK_ERRNO(mprotect(shared, PAGE_SIZE, PROT_READ | PROT_WRITE), EACCES);
    CHECK_EQ(munmap(memory, FILE_PAGES * PAGE_SIZE) | munmap(shared, PAGE_SIZE), 0);
    close(file);
}

static char *inherited;
static int inherited_file;

static int look_and_write(UNUSED void *unused)
{
    for (int page = 0; page < FILE_PAGES; page++)
        if (is_as_in_file(inherited_file, inherited, page, 0) != (page % 3 != 0))
            return 1;
    for (int page = 0; page < FILE_PAGES; page++)
        inherited[page * PAGE_SIZE]++;
    return 0;
}

TEST(fork_copies_exactly)
{
    inherited_file = open_file();
    inherited = map_file(inherited_file, PROT_READ | PROT_WRITE, 0);
    for (int page = 0; page < FILE_PAGES; page += 3)
        inherited[page * PAGE_SIZE]++;
    CHECK_EQ(in_child(look_and_write, NULL), 0);
    CHECK_EQ(in_child(look_and_write, NULL), 0);        /* nothing of the first child is here */
    CHECK_EQ(munmap(inherited, FILE_PAGES * PAGE_SIZE), 0);
    close(inherited_file);
}

static int write_after_protect(UNUSED void *unused)
{
    if (mprotect(inherited, PAGE_SIZE, PROT_READ | PROT_WRITE) != 0)
        return 1;
    inherited[0]++;
    return is_as_in_file(inherited_file, inherited, 0, 0) ? 2 : 0;
}

TEST(fork_of_what_may_be_written_later)
{
    inherited_file = open_file();
    inherited = map_file(inherited_file, PROT_READ, 0);
    CHECK_EQ(in_child(write_after_protect, NULL), 0);
    CHECK(is_as_in_file(inherited_file, inherited, 0, 0));
    CHECK_EQ(munmap(inherited, FILE_PAGES * PAGE_SIZE), 0);
    close(inherited_file);
}

TEST(the_end_of_the_file)
{
    close(open_motd());
    int file = open("/data/odd.bin", O_RDONLY);
    off_t size = lseek(file, 0, SEEK_END), pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);

    CHECK(size > 0 && size % PAGE_SIZE != 0);
    CHECK(memory != MAP_FAILED);
    for (off_t i = size; i < pages * (off_t)PAGE_SIZE; i++)
        CHECK_EQ(memory[i], 0);
    memory[size] = 1;
    CHECK_EQ(munmap(memory, size), 0);
    CHECK(mmap(NULL, (pages + 1) * PAGE_SIZE, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED &&
          errno == ENXIO);
    CHECK(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, pages * PAGE_SIZE) ==
          MAP_FAILED && errno == ENXIO);
    CHECK(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, INT64_MAX & -PAGE_SIZE) == MAP_FAILED);
    close(file);
}

TEST(a_mapping_in_the_place_of_another)
{
    int file = open_file();
    char *memory = map_file(file, PROT_READ | PROT_WRITE, 0);

    memory[0]++;
    CHECK(mmap(memory, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) ==
          memory);
    CHECK(is_as_in_file(file, memory, 0, 0));
    CHECK_EQ(munmap(memory, FILE_PAGES * PAGE_SIZE), 0);
    close(file);
}

/* --- Large data: spawn and exec clone it. --- */

enum { NUMBERS = 20000 };

#define ONE(n)      [n] = (n) * 7 + 1
static int numbers[NUMBERS] = { ONE(0), ONE(1023), ONE(1024), ONE(9999), ONE(NUMBERS - 1) };
static char nothing[5 * PAGE_SIZE + 100];

static int check_data(void)
{
    for (int i = 0; i < NUMBERS; i++) {
        bool is_set = i == 0 || i == 1023 || i == 1024 || i == 9999 || i == NUMBERS - 1;

        if (numbers[i] != (is_set ? i * 7 + 1 : 0))
            return 1;
        numbers[i]++;
    }
    for (size_t i = 0; i < sizeof nothing; i++)
        if (nothing[i]++ != 0)
            return 2;
    return 0;
}

int test_helper(int count, char **arguments)
{
    int result = check_data();

    if (result == 0 && count > 2)
        execlp(arguments[0], arguments[0], "data", NULL);
    return result;
}

static int exec_with_data(UNUSED void *unused)
{
    execlp(test_arguments[0], test_arguments[0], "data", "again", NULL);
    return 100;
}

TEST(large_data)
{
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(exit_code_of(start_helper("data", HANDLE_INVALID)), 0);
        CHECK_EQ(in_child(exec_with_data, NULL), 0);
    }
}

TEST(nothing_is_left_behind)
{
    CHECK(open_handles() <= handles_at_start + 1);      /* a port for children's ends */
}
