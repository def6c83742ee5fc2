/*
 * swapdesk.c: memory sent to backing store and fetched back by hand.
 *
 * Each argument is a command; without arguments they are read from standard input, one a line.  `help` lists them; in an
 * argument commas are as good as blanks.
 */
#include "desk.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 12

/* --- Memory that is only there to be in the way. --- */

static handle_t hidden = HANDLE_INVALID;    /* where `pin` and `fill` put it */

/* Dirty pages of a pager that does not want them back: they stay in memory.  So many frames are left to all others. */
static void pin_command(char **words)
{
    static uint64_t content[WORDS] = { 1 };
    uint64_t leave = strtoul(words[1], NULL, 10), pages = 0;
    handle_t port, pager, aux;
    info_system_t info;
    status_t status = system_info(&info);
    if (status == OK && info.frames[FRAME_FREE] + info.frames[FRAME_ANON] > leave)
        pages = info.frames[FRAME_FREE] + info.frames[FRAME_ANON] - leave;
    if (status == OK)
        status = sys_port_create(0, &port);
    if (status == OK)
        status = sys_pager_create(0, &pager);
    if (status == OK)
        status = sys_pager_create_vmo(pager, 0, port, 0, pages * PAGE_SIZE, &hidden);
    if (status == OK)
        status = sys_vmo_create(PAGE_SIZE, 0, &aux);
    for (uint64_t i = 0; i < pages && status == OK; i += status == OK) {
        status = sys_vmo_write(aux, 0, content, 0, PAGE_SIZE);
        if (status == OK)
            status = sys_pager_supply_pages(pager, hidden, i * PAGE_SIZE, PAGE_SIZE, aux, 0);
        if (status == OK)
            status = sys_vmo_write(hidden, 0, content, i * PAGE_SIZE, PAGE_SIZE);
        if (status == ERR_SHOULD_WAIT) {            /* it went between the two calls */
            status = OK;
            i--;
        }
    }
    printf("pinned %" PRIu64 " pages: %s\n", pages, status_name(status));
}

/* A VMO that is not mapped, page by page until the kernel refuses, or so many. */
static void fill_command(char **words)
{
    static const uint64_t content[WORDS] = { 1 };
    uint64_t pages = words[1] ? strtoul(words[1], NULL, 10) : 1ul << 30, done = 0;
    status_t status = sys_vmo_create(pages * PAGE_SIZE, 0, &hidden);
    while (status == OK && done < pages) {
        status = sys_vmo_write(hidden, 0, content, done * PAGE_SIZE, PAGE_SIZE);
        done += status == OK;
    }
    printf("filled %" PRIu64 " pages: %s\n", done, status_name(status));
}

/* Stores to fresh memory, which nobody can refuse, then looks at all of it twice. */
static void hog_command(char **words)
{
    uint64_t pages = strtoul(words[1], NULL, 10), wrong = 0;
    handle_t vmo;
    uintptr_t at;
    status_t status = sys_vmo_create(pages * PAGE_SIZE, 0, &vmo);
    if (status == OK)
        status = sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, vmo, 0, pages * PAGE_SIZE, &at);
    if (status != OK)
        errx(1, "hog: %s", status_name(status));
    volatile uint64_t *content = (uint64_t *)at;
    for (uint64_t i = 0; i < pages; i++)
        content[i * WORDS] = mix(i);
    for (uint64_t i = 0; i < 2 * pages; i++)
        wrong += content[i % pages * WORDS] != mix(i % pages);
    printf("hog: %" PRIu64 " pages, %" PRIu64 " wrong\n", pages, wrong);
    sys_vm_unmap(process_self(), at, pages * PAGE_SIZE);
    sys_handle_close(vmo);
}

/* --- Stores. --- */

/* segment DEVICE OFFSET COUNT RECORD-SIZE [PRIORITY [CLUSTER-PAGES]]: the one segment of a new store. */
static void segment_command(char **words)
{
    handle_t device, store;
    uint64_t numbers[5] = { [3] = 4, [4] = 8 };
    for (int i = 0; i < 5 && words[2 + i]; i++)
        numbers[i] = strtoul(words[2 + i], NULL, 10);
    status_t status = block_open(words[1], &device);
    if (status == OK)
        status = sys_backing_store_create(default_pager_handle(), (int32_t)numbers[3],
                                          (uint32_t)(numbers[4] * PAGE_SIZE), &store);
    if (status == OK)
        status = sys_backing_store_add_segment(store, device, numbers[0], numbers[1], (uint32_t)numbers[2]);
    printf("segment: %s\n", status_name(status));
}

/* The stores with segments, one line for each segment. */
static void stores_command(char **words)
{
    void *records;
    size_t count;
    (void)words;
    if (info_list(default_pager_handle(), INFO_SEGMENT_LIST, sizeof(info_segment_t), &records, &count) != OK)
        return;
    for (info_segment_t *segment = records; segment < (info_segment_t *)records + count; segment++) {
        info_backing_store_t info = { 0 };
        handle_t store;
        if (sys_object_get_child(default_pager_handle(), segment->store_koid, RIGHT_INSPECT, &store) == OK) {
            sys_backing_store_info(store, &info, sizeof info);
            sys_handle_close(store);
        }
        printf("vd%c: total %" PRIu64 " free %" PRIu64 " retired %" PRIu64 " in %" PRIu64 " out %" PRIu64
               " in_failed %" PRIu64 " out_failed %" PRIu64 " draining %u\n", 'a' + segment->disk, info.pages_total,
               info.pages_free, info.pages_retired, info.pages[SWAP_IN], info.pages[SWAP_OUT],
               info.pages_failed[SWAP_IN], info.pages_failed[SWAP_OUT], segment->draining);
    }
    free(records);
}

static void disk_command(char **words)
{
    handle_t device;
    block_info_t info = { 0 };
    if (block_open(words[1], &device) == OK && sys_block_get_info(device, &info) == OK)
        printf("%s: %" PRIu64 " reads %" PRIu64 " writes %" PRIu64 " errors\n", words[1], info.reads, info.writes,
               info.errors);
    sys_handle_close(device);
}

static void free_command(char **words)
{
    info_system_t info = { 0 };
    (void)words;
    system_info(&info);
    printf("free %" PRIu64 " kernel %" PRIu64 " anonymous %" PRIu64 "\n", info.frames[FRAME_FREE],
           info.frames[FRAME_KERNEL], info.frames[FRAME_ANON]);
}

static void run_command(char **words)
{
    int64_t code = 0;
    fflush(stdout);
    status_t status = program_run((const char *const *)&words[1], &code);
    printf("%s: %s, exit %" PRId64 "\n", words[1], status_name(status), code);
}

/* A program that runs beside this one, in silence; there is one at a time. */
static handle_t started = HANDLE_INVALID;

static void start_command(char **words)
{
    handle_t image;
    status_t status = program_open(words[1], &image);
    fflush(stdout);
    if (status == OK) {
        status = spawn(&(struct spawn_arguments){
            .image = image,
            .arguments = (const char *const *)&words[1],
            .descriptors = (const int[]){ 0, -1, -1 },
            .descriptor_count = 3,
        }, &started);
        sys_handle_close(image);
    }
    printf("%s: %s\n", words[1], status_name(status));
}

static void end_of_started(const char *how)
{
    int64_t code = 0;
    status_t status = process_wait(started, &code);
    printf("%s: %s, exit %" PRId64 "\n", how, status_name(status), code);
}

/* So many at once; waits for all. */
static void crowd_command(char **words)
{
    handle_t processes[16];
    unsigned wanted = (unsigned)atoi(words[1]), count = 0, well = 0;
    handle_t image;
    int64_t code;
    status_t status = program_open(words[2], &image);
    fflush(stdout);
    if (status != OK)
        errx(1, "%s: %s", words[2], status_name(status));
    for (unsigned i = 0; i < wanted && i < 16; i++)
        count += spawn(&(struct spawn_arguments){ .image = image, .arguments = (const char *const *)&words[2] },
                       &processes[count]) == OK;
    sys_handle_close(image);
    for (unsigned i = 0; i < count; i++)
        well += process_wait(processes[i], &code) == OK && code == 0;
    printf("crowd: %u of %u started, %u ended well\n", count, wanted, well);
}

static void finish_command(char **words)
{
    end_of_started(words[0]);
}

static void kill_command(char **words)
{
    sys_task_kill(started);
    end_of_started(words[0]);
}

/* --- Commands. --- */

static void help_command(char **words);

static const struct {
    const char *name;
    void (*run)(char **words);
    int arguments;                      /* at least */
    const char *usage;
} commands[] = {
    { "new", new_command, 2, "new A PAGES: a VMO, written" },
    { "empty", empty_command, 2, "empty A PAGES: a VMO that nobody has written to" },
    { "drop", drop_command, 1, "drop A" },
    { "write", write_command, 1, "write A [FIRST [COUNT]]: write pages anew" },
    { "check", check_command, 1, "check A [FIRST [COUNT]]: read pages and look at every word" },
    { "load", load_command, 1, "load A [FIRST [COUNT]]: the same through a mapping" },
    { "commit", commit_command, 1, "commit A [FIRST [COUNT]]" },
    { "map", map_command, 1, "map A [FIRST [COUNT]]: with all pages, and unmap" },
    { "decommit", decommit_command, 1, "decommit A [FIRST [COUNT]]: the pages read as zeros" },
    { "out", out_command, 1, "out A: page out until none of it is in memory" },
    { "shuffle", shuffle_command, 1, "shuffle A: the same in pieces, in disorder" },
    { "work", work_command, 1, "work A: from now on a thread reads and writes it at random" },
    { "steps", steps_command, 1, "steps A: wait until that thread has done a hundred steps more" },
    { "rest", rest_command, 0, "rest: all such threads end, and say what they have seen" },
    { "pin", pin_command, 1, "pin FRAMES: dirty pages of a pager take all memory but so many frames" },
    { "fill", fill_command, 0, "fill [PAGES]: a VMO that is not mapped, until the kernel refuses" },
    { "hog", hog_command, 1, "hog PAGES: store to so many pages" },
    { "segment", segment_command, 4, "segment DEVICE OFFSET COUNT RECORD-SIZE [PRIORITY [CLUSTER-PAGES]]" },
    { "stores", stores_command, 0, "stores: their segments and counters" },
    { "disk", disk_command, 1, "disk DEVICE: its counters" },
    { "free", free_command, 0, "free: frames" },
    { "run", run_command, 1, "run PROGRAM [ARGUMENT...]" },
    { "start", start_command, 1, "start PROGRAM [ARGUMENT...]: beside this one, in silence" },
    { "crowd", crowd_command, 2, "crowd COUNT PROGRAM [ARGUMENT...]: so many at once" },
    { "finish", finish_command, 0, "finish: wait until it has ended" },
    { "kill", kill_command, 0, "kill: it" },
    { "help", help_command, 0, "help" },
};

static void help_command(char **words)
{
    (void)words;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("%s\n", commands[i].usage);
}

/* The line is changed. */
static void obey(char *line, const char *blanks)
{
    char *words[WORDS_MAX + 1] = { NULL }, *rest;
    int count = 0;
    for (char *word = strtok_r(line, blanks, &rest); word && count < WORDS_MAX; word = strtok_r(NULL, blanks, &rest))
        words[count++] = word;
    for (size_t i = 0; count > 0 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(words[0], commands[i].name) == 0 && count > commands[i].arguments) {
            commands[i].run(words);
            fflush(stdout);
            return;
        }
    }
    if (count > 0)
        errx(EXIT_USAGE, "%s: help lists the commands", words[0]);
}

int main(int argument_count, char **arguments)
{
    char *line = NULL;
    size_t size = 0;
    for (int i = 1; i < argument_count; i++)
        obey(arguments[i], " ,");
    while (argument_count == 1) {
        printf("desk> ");
        fflush(stdout);
        if (getline(&line, &size, stdin) <= 0)
            break;
        obey(line, " \n");
    }
    return 0;
}
