/*
 * bench.h: measuring in instructions.
 *
 * `make bench` runs the machine so that it counts instructions (QEMU's -icount).  User code may read that
 * count, the kernel's and the firmware's instructions included.  An operation is measured many times, one
 * sample each, and its median printed: a timer interrupt, or a page table that had to be made, shows in
 * few samples and not in the median.  What reading the counter costs is subtracted.
 */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <quire.h>

enum { SAMPLES_MAX = 1024 };

struct samples {
    size_t count;
    uint64_t values[SAMPLES_MAX];
};

static inline uint64_t instructions(void)
{
    uint64_t count;

    __asm__ volatile("rdinstret %0" : "=r"(count) :: "memory");
    return count;
}

/* What instructions() between `begin` and now were spent on other things than reading the counter. */
static inline uint64_t spent_since(uint64_t begin)
{
    uint64_t now = instructions(), then = instructions();

    return now - begin - (then - now);
}

/*
 * Nanoseconds that the machine has slept.  While it waits for a disk its clock and its counter run on, so
 * an operation that may wait reads this before and after.
 */
static inline uint64_t slept(void)
{
    info_system_t info;

    if (sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL) != OK)
        exit(1);
    return info.idle_time;
}

static inline void sample(struct samples *samples, uint64_t value)
{
    if (samples->count < SAMPLES_MAX)
        samples->values[samples->count++] = value;
}

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Print the median of the samples, each of which did the operation `each` times, and forget them. */
static inline void report(const char *operation, struct samples *samples, uint64_t each)
{
    qsort(samples->values, samples->count, sizeof samples->values[0], compare_values);
    printf("BENCH %s: %" PRIu64 "\n", operation, (samples->values[samples->count / 2] + each / 2) / each);
    samples->count = 0;
}

static inline void require(status_t status, const char *what)
{
    if (status != OK) {
        fprintf(stderr, "%s: %s\n", what, status_name(status));
        exit(1);
    }
}

/* An anonymous VMO's, or any VMO's, first `size` bytes in this process. */
static inline char *map_vmo(handle_t vmo, uint32_t protection, size_t size)
{
    uintptr_t address;

    require(sys_vm_map(process_self(), protection, 0, vmo, 0, size, &address), "map");
    return (char *)address;
}

/* Start this program again with other arguments; the handles move. */
static inline handle_t start_again(const char *const *arguments, const struct spawn_handle *handles,
                                   size_t count)
{
    struct spawn_arguments how = { .arguments = arguments, .handles = handles, .handle_count = count };
    handle_t process;

    require(program_open(arguments[0], &how.image), "find the program");
    require(spawn(&how, &process), "start the program");
    require(sys_handle_close(how.image), "close");
    return process;
}

static inline void stop(handle_t process)
{
    int64_t code;

    require(sys_task_kill(process), "kill");
    require(process_wait(process, &code), "wait for the end");
}
