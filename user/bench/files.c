/*
 * files.c: files on the disk, whose pages the file server supplies.
 *
 * The argument says what to measure.  What is cold is so once a boot, so test/bench.py gives each argument
 * a machine of its own.  Passes over a file are reported as a whole, divided by the pages, and without the time
 * that the machine slept (bench.h).
 */
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_NAME "/data/random.bin"

enum { PAGES = 2048, RANDOM_PAGES = 512, TIMES = 101 };

static struct samples samples;

static int open_file(void)
{
    int file = open(FILE_NAME, O_RDONLY);

    require(file >= 0 ? OK : ERR_NOT_FOUND, FILE_NAME);
    return file;
}

/* One sample: what went on in between, counted by `count` of something. */
static void report_pass(const char *operation, uint64_t begin, uint64_t slept_before, uint64_t count)
{
    uint64_t spent = spent_since(begin);

    sample(&samples, spent - (slept() - slept_before));
    report(operation, &samples, count);
}

/* Touch `count` pages of a new mapping; the step is odd, so no page comes twice. */
static void touch(int file, const char *operation, size_t step, size_t count)
{
    const volatile char *memory = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ, MAP_SHARED, file, 0);

    require(memory != MAP_FAILED ? OK : ERR_NO_MEMORY, "mmap");
    uint64_t before = slept(), begin = instructions();

    for (size_t i = 0, page = 0; i < count; i++, page = (page + step) % PAGES)
        (void)memory[page * PAGE_SIZE];
    report_pass(operation, begin, before, count);
    munmap((void *)memory, PAGES * PAGE_SIZE);
}

static void read_through(int file, const char *operation)
{
    static char buffer[PAGE_SIZE];

    lseek(file, 0, SEEK_SET);
    memset(buffer, 1, sizeof buffer);
    uint64_t before = slept(), begin = instructions();

    for (size_t page = 0; page < PAGES; page++)
        require(read(file, buffer, sizeof buffer) == PAGE_SIZE ? OK : ERR_IO, "read");
    report_pass(operation, begin, before, PAGES);
}

static void open_and_close(void)
{
    close(open_file());
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();

        close(open_file());
        sample(&samples, spent_since(begin));
    }
    report("open and close", &samples, 1);
}

static void run_program(int times, const char *operation)
{
    const char *arguments[] = { "/bin/true", NULL };

    for (int i = 0; i < times; i++) {
        uint64_t before = slept(), begin = instructions();
        int64_t code;

        require(program_run(arguments, &code), "run");
        uint64_t spent = spent_since(begin);

        sample(&samples, spent - (slept() - before));
    }
    report(operation, &samples, 1);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "mmap") == 0) {
        int file = open_file();

        touch(file, "cold file by mmap, in order, each page", 1, PAGES);
        touch(file, "hot file by mmap, each page", 1, PAGES);
        read_through(file, "hot file by read, each page");
        open_and_close();
    } else if (strcmp(what, "read") == 0) {
        read_through(open_file(), "cold file by read, in order, each page");
    } else if (strcmp(what, "random") == 0) {
        touch(open_file(), "cold file by mmap, at random, each page", 1229, RANDOM_PAGES);
    } else if (strcmp(what, "programs") == 0) {
        run_program(1, "spawn and wait from disk, cold");
        run_program(TIMES, "spawn and wait from disk");
    } else {
        fprintf(stderr, "usage: files mmap | read | random | programs\n");
        return 2;
    }
    return 0;
}
