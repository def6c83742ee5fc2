/*
 * drive.c: choices, checks, and the main program that runs one driver with one seed.
 *
 *   drivers                          lists the drivers, one a line
 *   drivers NAME [SEED [STEPS]]      runs one; exit status 0 or an abort with a report
 *
 * With QUIRE_STEPS in the environment every step is printed, not only the last ones before a failure.
 *
 * Built with FUZZ, the main program is libFuzzer's and QUIRE_FUZZ_TARGET names the driver.
 */
#include <sanitizer/common_interface_defs.h>
#include <stdarg.h>
#include <stdlib.h>

#include "fake.h"

#define LOG_LINES 60
#define LOG_WIDTH 160

uint64_t run_seed;
const char *run_name = "none";

/*
 * Leaks are counted by the drivers themselves, exactly: frames, heap objects and kernel objects are what they were. The
 * sanitizer's own search does not see the stacks of parked coroutines, and takes what only they point to for lost.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* --- Choices. --- */

static uint64_t generator;
static const uint8_t *choice_bytes;
static size_t choice_bytes_left;
static bool from_bytes;

/* splitmix64: every seed gives a good sequence. */
static uint64_t next_random(void)
{
    uint64_t x = generator += 0x9e3779b97f4a7c15ull;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

void choices_from_seed(uint64_t seed)
{
    from_bytes = false;
    generator = seed;
    generator = next_random();          /* the sequences of two seeds have nothing in common */
}

void choices_from_bytes(const uint8_t *bytes, size_t size)
{
    choice_bytes = bytes;
    choice_bytes_left = size;
    from_bytes = true;
}

bool choices_left(void)
{
    return !from_bytes || choice_bytes_left > 0;
}

/* As many bytes as the limit needs, so that a fuzzer can change one choice without moving the others. */
static uint64_t next_bytes(uint64_t limit)
{
    uint64_t value = 0;

    for (uint64_t reach = limit - 1; reach > 0; reach >>= 8) {
        value <<= 8;
        if (choice_bytes_left > 0) {
            value |= *choice_bytes++;
            choice_bytes_left--;
        }
    }
    return value;
}

uint64_t choose(uint64_t limit)
{
    check(limit > 0);
    return (from_bytes ? next_bytes(limit) : next_random()) % limit;
}

/* --- Checks. --- */

static char steps_log[LOG_LINES][LOG_WIDTH];
static uint64_t steps_done;
static bool all_steps;

void step(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(steps_log[steps_done++ % LOG_LINES], LOG_WIDTH, format, arguments);
    va_end(arguments);
    if (all_steps)
        printf("  %6lu  %s\n", steps_done, steps_log[(steps_done - 1) % LOG_LINES]);
}

static void print_steps(void)
{
    uint64_t from = steps_done > LOG_LINES ? steps_done - LOG_LINES : 0;

    fflush(stdout);
    fprintf(stderr, "driver %s, seed %lu: the last %lu steps\n", run_name, run_seed, steps_done - from);
    for (; from < steps_done; from++)
        fprintf(stderr, "  %6lu  %s\n", from + 1, steps_log[from % LOG_LINES]);
}

void fail_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    print_steps();
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* --- One run. --- */

static void count_objects(uint64_t counts[16])
{
    for (uint32_t type = 0; type < 16; type++)
        counts[type] = object_count(type);
}

void driver_run(const struct driver *driver, uint32_t steps)
{
    uint64_t frames = frames_live(), heap = heap_live();
    uint64_t before[16], after[16];

    run_name = driver->name;
    steps_done = 0;
    count_objects(before);
    driver->run(steps);
    step("the end");
    run_all();
    interleave_odds(0);
    fail_allocation(0);
    count_objects(after);
    for (uint32_t type = 0; type < 16; type++)
        if (after[type] != before[type])
            fail("objects of type %u: %lu before the run, %lu after it", type, before[type], after[type]);
    if (frames_live() != frames)
        fail("frames: %lu before the run, %lu after it", frames, frames_live());
    if (heap_live() != heap)
        fail("heap objects: %lu before the run, %lu after it", heap, heap_live());
    assert_no_spinlocks();
}

static const struct driver *find_driver(const char *name)
{
    for (const struct driver *driver = drivers; driver->name; driver++)
        if (name && strcmp(driver->name, name) == 0)
            return driver;
    fprintf(stderr, "no driver `%s`\n", name ? name : "");
    exit(2);
}

#ifdef FUZZ

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct driver *driver;

    if (!driver) {
        driver = find_driver(getenv("QUIRE_FUZZ_TARGET"));
        machine_start();
    }
    choices_from_bytes(bytes, size);
    driver_run(driver, UINT32_MAX);
    return 0;
}

#else

int main(int count, char **arguments)
{
    const struct driver *driver;
    uint32_t steps;

    if (count < 2) {
        for (driver = drivers; driver->name; driver++)
            printf("%-12s %s\n", driver->name, driver->what);
        return 0;
    }
    driver = find_driver(arguments[1]);
    run_seed = count > 2 ? strtoull(arguments[2], NULL, 0) : 1;
    steps = count > 3 ? strtoul(arguments[3], NULL, 0) : driver->steps;
    printf("driver %s, seed %lu, %u steps\n", driver->name, run_seed, steps);
    all_steps = getenv("QUIRE_STEPS") != NULL;
    __sanitizer_set_death_callback(print_steps);        /* their reports, too, end with the steps */
    machine_start();
    choices_from_seed(run_seed);
    driver_run(driver, steps);
    printf("passed\n");
    return 0;
}

#endif
