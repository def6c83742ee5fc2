/*
 * top.c: the processes that use the processors most.
 *
 * Every round compares the processor time of each process with the round before (the first: with
 * the start of the system), and draws over the last screen; keys are read without waiting for a
 * line.  -b, and output that is not the console: rounds one below the other, and all processes.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_DEFAULT 2000000000ll
#define USAGE "top [-b] [-d SECONDS] [-n COUNT]"

enum { ROWS = 17 };                     /* of a screen of 24 lines */

struct row {
    info_process_t process;
    const char *state;
    uint64_t run_time;                  /* nanoseconds, of the threads that live */
    uint64_t used;                      /* of them, since the round before */
};

struct round {
    info_system_t system;
    struct row *rows;
    size_t count;
};

static bool batch;

/* What most matters of the states of its threads. */
static void read_threads(struct row *row)
{
    static const char *const names[] = { "new", "ended", "waits", "page", "fault", "runs" };
    static const uint8_t ranks[] = {
        [THREAD_NEW] = 0, [THREAD_DEAD] = 1, [THREAD_BLOCKED] = 2, [THREAD_BLOCKED_PAGER] = 3,
        [THREAD_EXCEPTION] = 4, [THREAD_RUNNING] = 5,
    };
    uint8_t rank = row->process.started ? 1 : 0;
    handle_t process;
    void *records;
    size_t count;
    if (process_open(row->process.koid, &process) == OK) {
        if (info_list(process, INFO_PROCESS_THREADS, sizeof(info_thread_t), &records,
                      &count) == OK) {
            for (size_t i = 0; i < count; i++) {
                const info_thread_t *thread = (const info_thread_t *)records + i;
                row->run_time += thread->run_time;
                if (ranks[thread->state] > rank)
                    rank = ranks[thread->state];
            }
            free(records);
        }
        sys_handle_close(process);
    }
    row->state = names[rank];
}

static const struct row *find(const struct round *round, uint64_t koid)
{
    for (size_t i = 0; i < round->count; i++)
        if (round->rows[i].process.koid == koid)
            return &round->rows[i];
    return NULL;
}

static int compare(const void *one, const void *other)
{
    const struct row *a = one, *b = other;
    return a->used != b->used ? (a->used < b->used ? 1 : -1)
         : a->run_time != b->run_time ? (a->run_time < b->run_time ? 1 : -1)
         : a->process.koid < b->process.koid ? -1 : 1;
}

static struct round read_round(const struct round *before)
{
    struct round round = { .count = 0 };
    void *records;
    status_t status = system_info(&round.system);
    if (status == OK)
        status = info_list(system_handle(), INFO_PROCESS_LIST, sizeof(info_process_t), &records,
                           &round.count);
    if (status != OK)
        errx(1, "%s", status_text(status));
    round.rows = calloc(round.count + 1, sizeof *round.rows);
    if (round.rows == NULL)
        err(1, "processes");
    for (size_t i = 0; i < round.count; i++) {
        struct row *row = &round.rows[i];
        row->process = ((const info_process_t *)records)[i];
        read_threads(row);
        const struct row *last = find(before, row->process.koid);
        /* A thread that ended has taken its time with it. */
        row->used = last == NULL ? row->run_time :
                    row->run_time > last->run_time ? row->run_time - last->run_time : 0;
    }
    free(records);
    qsort(round.rows, round.count, sizeof *round.rows, compare);
    return round;
}

static void print_line_end(void)
{
    printf(batch ? "\n" : "\033[K\n");  /* what the last screen has further right goes */
}

static void print_system(const struct round *now, const struct round *before)
{
    const info_system_t *info = &now->system;
    double all = (double)(info->uptime - before->system.uptime) * info->harts;
    double idle = all > 0 ? 100.0 * (info->idle_time - before->system.idle_time) / all : 100;
    uint64_t cached = info->frames[FRAME_PAGER] + info->frames[FRAME_DEVICE];
    uint64_t free = info->frames[FRAME_FREE], kib = PAGE_SIZE / 1024;
    printf("up %.0f s, %" PRIu32 " harts, %zu processes, %" PRIu64 " threads",
           info->uptime / 1e9, info->harts, now->count, info->objects[OBJECT_THREAD]);
    print_line_end();
    printf("processors: %.1f%% busy, %.1f%% idle", idle > 100 ? 0 : 100 - idle,
           idle > 100 ? 100 : idle);
    print_line_end();
    printf("memory, KiB: %" PRIu64 " total, %" PRIu64 " used, %" PRIu64 " free, %" PRIu64
           " cached", info->memory_bytes / 1024,
           info->memory_bytes / 1024 - (free + cached) * kib, free * kib, cached * kib);
    print_line_end();
    struct swap_space swap;
    if (swap_space_read(&swap) == OK) {
        printf("swap, KiB: %" PRIu64 " total, %" PRIu64 " used, %" PRIu64 " free", swap.total * kib,
               (swap.total - swap.free) * kib, swap.free * kib);
        print_line_end();
    }
    print_line_end();
}

static void print_round(const struct round *now, const struct round *before)
{
    double interval = now->system.uptime - before->system.uptime;
    if (!batch)
        printf("\033[H");
    print_system(now, before);
    printf("  KOID STATE THREADS   %%CPU      TIME   MAPPED RESIDENT NAME");
    print_line_end();
    for (size_t i = 0; i < now->count && (batch || i < ROWS); i++) {
        const struct row *row = &now->rows[i];
        printf("%6" PRIu64 " %-5s %7" PRIu32 " %6.1f %9.2f %7" PRIu64 "K %7" PRIu64 "K %.*s",
               row->process.koid, row->state, row->process.num_threads,
               interval > 0 ? 100.0 * row->used / interval : 0.0, row->run_time / 1e9,
               row->process.mapped_bytes / 1024, row->process.resident_bytes / 1024,
               batch ? NAME_MAX_LENGTH : 20, row->process.name);
        print_line_end();
    }
    if (!batch)
        printf("\033[J");               /* processes that have ended */
    fflush(stdout);
}

/* Wait for the next round; false if the user wants no more: q, ^C or ^D. */
static bool wait_for_round(int64_t until)
{
    while (!batch && sys_object_wait_one(console_handle(), SIGNAL_READABLE, until, NULL) == OK) {
        char key;
        size_t actual;
        if (sys_console_read(console_handle(), &key, 1, &actual) != OK || actual == 0 ||
            key == 'q' || key == 3 || key == 4)
            return false;
        if (key == ' ')
            return true;
    }
    sys_nanosleep(until);
    return true;
}

int main(int argument_count, char **arguments)
{
    int64_t interval = INTERVAL_DEFAULT;
    long count = 0;
    int option;
    while ((option = getopt(argument_count, arguments, "bd:n:")) != -1) {
        switch (option) {
        case 'b': batch = true; break;
        case 'd': interval = interval_read(optarg); break;
        case 'n': count = count_read(optarg); break;
        default:  return usage(USAGE);
        }
    }
    if (optind < argument_count || interval < 0 || count < 0)
        return usage(USAGE);
    if (!isatty(STDOUT_FILENO) || console_handle() == HANDLE_INVALID)
        batch = true;
    if (!batch)
        printf("\033[2J");

    struct round before = { .count = 0 };
    int64_t next = sys_clock_get();
    for (long i = 0; count == 0 || i < count; i++) {
        if (i > 0) {
            next += interval;
            if (!wait_for_round(next))
                break;
            if (batch)
                printf("\n");
        }
        struct round now = read_round(&before);
        print_round(&now, &before);
        free(before.rows);
        before = now;
    }
    free(before.rows);
    return 0;
}
