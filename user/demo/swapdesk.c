/*
 * swapdesk.c: memory sent to backing store and fetched back by hand.
 *
 * Each argument is a command; without arguments they are read from standard input, one a line.  `help` lists them; in an
 * argument commas are as good as blanks.
 * VMOs have one letter.  Every word of a page follows from the VMO's letter, the page's number and how often it was
 * written, so that a page that is wrong, stale, zero or another's is seen; the first bytes of each are MAGIC, by which
 * the test suite finds them on a disk.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC     0x6b73656470617773ull /* "swapdesk" */
#define WORDS     (PAGE_SIZE / sizeof(uint64_t))
#define PATIENCE  3000000000ll          /* nanoseconds without any change until `out` gives up */
#define WORDS_MAX 12
#define MILLISECOND 1000000

struct sheet {
    handle_t vmo;                       /* HANDLE_INVALID: there is none */
    uint64_t pages;
    uint32_t *versions;                 /* of each page; 0: never written */
    struct {
        handle_t thread;
        uint64_t steps, wrong, refused;
    } worker;
};

static struct sheet sheets[26];
static atomic_bool resting;             /* workers end */
static handle_t hidden = HANDLE_INVALID;    /* where `pin` and `fill` put memory */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static uint64_t tag_of(const struct sheet *sheet, uint64_t page)
{
    return (uint64_t)('A' + (sheet - sheets)) << 56 | (uint64_t)sheet->versions[page] << 32 | page;
}

static uint64_t word_of(uint64_t tag, uint64_t word)
{
    return word == 0 ? MAGIC : word == 1 ? tag : mix(tag * WORDS + word);
}

static status_t write_page(struct sheet *sheet, uint64_t page, uint64_t *words)
{
    sheet->versions[page]++;
    for (uint64_t i = 0; i < WORDS; i++)
        words[i] = word_of(tag_of(sheet, page), i);
    status_t status = sys_vmo_write(sheet->vmo, 0, words, page * PAGE_SIZE, PAGE_SIZE);
    if (status != OK)
        sheet->versions[page]--;
    return status;
}

/* The number of the first wrong word; WORDS: none is. */
static uint64_t first_wrong(const struct sheet *sheet, uint64_t page, const uint64_t *words)
{
    uint64_t i = 0;
    while (i < WORDS && words[i] == (sheet->versions[page] ? word_of(tag_of(sheet, page), i) : 0))
        i++;
    return i;
}

static info_vmo_t vmo_info(handle_t vmo)
{
    info_vmo_t info = { 0 };
    sys_object_get_info(vmo, INFO_VMO, &info, sizeof info, NULL, NULL);
    return info;
}

static struct sheet *sheet_of(const char *letter)
{
    if (letter[0] < 'A' || letter[0] > 'Z' || letter[1] != 0)
        errx(1, "%s: a VMO has a letter from A to Z", letter);
    return &sheets[letter[0] - 'A'];
}

/* A range of pages from words[2] and words[3], the whole VMO without them. */
static struct sheet *range(char **words, uint64_t *out_first, uint64_t *out_end)
{
    struct sheet *sheet = sheet_of(words[1]);
    *out_first = words[2] ? strtoul(words[2], NULL, 10) : 0;
    *out_end = words[2] ? *out_first + (words[3] ? strtoul(words[3], NULL, 10) : 1) : sheet->pages;
    if (sheet->vmo == HANDLE_INVALID || *out_end > sheet->pages || *out_first > *out_end)
        errx(1, "%s has no such pages", words[1]);
    return sheet;
}

/* --- VMOs. --- */

static void write_command(char **words)
{
    static uint64_t content[WORDS];
    uint64_t first, end, page;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = OK;
    for (page = first; page < end && (status = write_page(sheet, page, content)) == OK; page++)
        ;
    printf("%s: wrote %" PRIu64 " pages: %s\n", words[1], page - first, status_name(status));
}

static void empty_command(char **words)
{
    struct sheet *sheet = sheet_of(words[1]);
    sheet->pages = strtoul(words[2] ? words[2] : "1", NULL, 10);
    sheet->versions = calloc(sheet->pages, sizeof sheet->versions[0]);
    if (!sheet->versions || sheet->vmo != HANDLE_INVALID)
        errx(1, "%s: it is there, or there is no memory", words[1]);
    status_t status = sys_vmo_create(sheet->pages * PAGE_SIZE, 0, &sheet->vmo);
    if (status != OK)
        errx(1, "%s: %s", words[1], status_name(status));
}

static void new_command(char **words)
{
    empty_command(words);
    write_command((char *[]){ "write", words[1], NULL });
}

static void drop_command(char **words)
{
    struct sheet *sheet = sheet_of(words[1]);
    sys_handle_close(sheet->vmo);
    free(sheet->versions);
    *sheet = (struct sheet){ .vmo = HANDLE_INVALID };
}

/* A page that cannot be read, or is wrong, has a line of its own. */
static void check_command(char **words)
{
    static uint64_t content[WORDS];
    uint64_t first, end, right = 0, wrong = 0, refused = 0;
    struct sheet *sheet = range(words, &first, &end);
    for (uint64_t page = first; page < end; page++) {
        status_t status = sys_vmo_read(sheet->vmo, 0, content, page * PAGE_SIZE, PAGE_SIZE);
        uint64_t word = status == OK ? first_wrong(sheet, page, content) : 0;
        if (status != OK)
            printf("%s %" PRIu64 ": %s\n", words[1], page, status_name(status));
        else if (word < WORDS)
            printf("%s %" PRIu64 ": word %" PRIu64 " is %#" PRIx64 "\n", words[1], page, word, content[word]);
        right += status == OK && word == WORDS;
        wrong += status == OK && word < WORDS;
        refused += status != OK;
    }
    printf("%s: %" PRIu64 " right, %" PRIu64 " wrong, %" PRIu64 " refused\n", words[1], right, wrong, refused);
}

/* Through a mapping: a page that cannot be had ends this program. */
static void load_command(char **words)
{
    uint64_t first, end, sum = 0;
    uintptr_t at;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = sys_vm_map(process_self(), VM_READ, 0, sheet->vmo, first * PAGE_SIZE,
                                 (end - first) * PAGE_SIZE, &at);
    if (status != OK)
        errx(1, "map: %s", status_name(status));
    for (uint64_t page = first; page < end; page++, at += PAGE_SIZE) {
        fflush(stdout);
        sum += first_wrong(sheet, page, (const uint64_t *)at) == WORDS;
    }
    sys_vm_unmap(process_self(), at - (end - first) * PAGE_SIZE, (end - first) * PAGE_SIZE);
    printf("%s: %" PRIu64 " right\n", words[1], sum);
}

static void commit_command(char **words)
{
    uint64_t first, end;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = sys_vmo_op_range(sheet->vmo, VMO_OP_COMMIT, first * PAGE_SIZE, (end - first) * PAGE_SIZE, NULL, 0);
    printf("%s: COMMIT: %s\n", words[1], status_name(status));
}

static void decommit_command(char **words)
{
    uint64_t first, end;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = sys_vmo_op_range(sheet->vmo, VMO_OP_DECOMMIT, first * PAGE_SIZE, (end - first) * PAGE_SIZE, NULL, 0);
    for (uint64_t page = first; page < end && status == OK; page++)
        sheet->versions[page] = 0;
    printf("%s: DECOMMIT: %s\n", words[1], status_name(status));
}

/* The same through a mapping that has all its pages at once. */
static void map_command(char **words)
{
    uintptr_t at = 0;
    uint64_t first, end;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = sys_vm_map(process_self(), VM_READ | VM_WRITE | VM_COMMIT, 0, sheet->vmo, first * PAGE_SIZE,
                                 (end - first) * PAGE_SIZE, &at);
    if (status == OK)
        sys_vm_unmap(process_self(), at, (end - first) * PAGE_SIZE);
    printf("%s: VM_COMMIT: %s\n", words[1], status_name(status));
}

/* Until none of its pages is in memory, or nothing changes any more. */
static void out_command(char **words)
{
    struct sheet *sheet = sheet_of(words[1]);
    uint64_t last = UINT64_MAX, now;
    int64_t since = 0;
    while ((now = vmo_info(sheet->vmo).committed_bytes) > 0) {
        if (now != last)
            since = sys_clock_get();
        else if (sys_clock_get() - since > PATIENCE)
            break;
        last = now;
        sys_system_reclaim(system_handle(), UINT64_MAX, NULL);
        sys_nanosleep(sys_clock_get() + MILLISECOND);
    }
    printf("%s: %" PRIu64 " pages in memory, %" PRIu64 " out\n", words[1], now / PAGE_SIZE,
           (vmo_info(sheet->vmo).populated_bytes - now) / PAGE_SIZE);
}

/* Pages leave in an order that is not theirs: some are written anew, and leave again, many times. */
static void shuffle_command(char **words)
{
    static uint64_t content[WORDS];
    struct sheet *sheet = sheet_of(words[1]);
    uint64_t random = 1;
    for (uint64_t i = 0; i < 4 * sheet->pages; i++) {
        random = mix(random + i);
        status_t status = write_page(sheet, random % sheet->pages, content);
        if (status != OK)
            errx(1, "write: %s", status_name(status));
        if (i % 64 == 63)
            sys_system_reclaim(system_handle(), 64, NULL);
    }
    printf("%s: shuffled\n", words[1]);
}

/* --- Workers: they read and write at random until told to rest. --- */

static void work(void *argument)
{
    struct sheet *sheet = argument;
    uint64_t content[WORDS], random = (uint64_t)(sheet - sheets) + 1;
    while (!atomic_load(&resting)) {
        random = mix(random + sheet->worker.steps);
        uint64_t page = random % sheet->pages;
        status_t status = sys_vmo_read(sheet->vmo, 0, content, page * PAGE_SIZE, PAGE_SIZE);
        sheet->worker.wrong += status == OK && first_wrong(sheet, page, content) < WORDS;
        if (status == OK && random >> 40 & 1)
            status = write_page(sheet, page, content);
        sheet->worker.refused += status != OK;
        sheet->worker.steps++;
    }
}

static void work_command(char **words)
{
    struct sheet *sheet = sheet_of(words[1]);
    sheet->worker.steps = sheet->worker.wrong = sheet->worker.refused = 0;
    atomic_store(&resting, false);
    status_t status = quire_thread_create(work, sheet, &sheet->worker.thread);
    if (status != OK)
        errx(1, "thread: %s", status_name(status));
}

static void steps_command(char **words)
{
    const volatile uint64_t *steps = &sheet_of(words[1])->worker.steps;
    uint64_t before = *steps;
    while (*steps < before + 100)
        sys_nanosleep(sys_clock_get() + MILLISECOND);
    printf("%s: it works\n", words[1]);
}

static void rest_command(char **words)
{
    (void)words;
    atomic_store(&resting, true);
    for (unsigned i = 0; i < 26; i++) {
        if (sheets[i].worker.thread == HANDLE_INVALID)
            continue;
        quire_thread_join(sheets[i].worker.thread);
        sheets[i].worker.thread = HANDLE_INVALID;
        printf("%c: %" PRIu64 " steps, %" PRIu64 " wrong, %" PRIu64 " refused\n", 'A' + i, sheets[i].worker.steps,
               sheets[i].worker.wrong, sheets[i].worker.refused);
    }
}

/* --- Memory that is only there to be in the way. --- */

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

/* A program that runs beside this one; there is one at a time. */
static handle_t started = HANDLE_INVALID;

static void start_command(char **words)
{
    handle_t image;
    status_t status = program_open(words[1], &image);
    fflush(stdout);
    if (status == OK) {
        status = spawn(&(struct spawn_arguments){ .image = image, .arguments = (const char *const *)&words[1] }, &started);
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
    { "shuffle", shuffle_command, 1, "shuffle A: the same in pieces, so that the order on the disk is not that of the pages" },
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
    { "start", start_command, 1, "start PROGRAM [ARGUMENT...]: beside this one" },
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
