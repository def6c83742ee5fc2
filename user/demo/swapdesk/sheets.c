/*
 * sheets.c: the VMOs of swapdesk.
 *
 * They have one letter.  Every word of a page follows from the VMO's letter, the page's number and how often it was
 * written, so that a page that is wrong, stale, zero or another's is seen; the first bytes of each are MAGIC, by which
 * the test suite finds them on a disk.
 */
#include "desk.h"

#include <err.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC       0x6b73656470617773ull   /* "swapdesk" */
#define PATIENCE    3000000000ll        /* nanoseconds without any change until `out` gives up */
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

void write_command(char **words)
{
    static uint64_t content[WORDS];
    uint64_t first, end, page;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = OK;
    for (page = first; page < end && (status = write_page(sheet, page, content)) == OK; page++)
        ;
    printf("%s: wrote %" PRIu64 " pages: %s\n", words[1], page - first, status_name(status));
}

void empty_command(char **words)
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

void new_command(char **words)
{
    empty_command(words);
    write_command((char *[]){ "write", words[1], NULL });
}

void drop_command(char **words)
{
    struct sheet *sheet = sheet_of(words[1]);
    sys_handle_close(sheet->vmo);
    free(sheet->versions);
    *sheet = (struct sheet){ .vmo = HANDLE_INVALID };
}

/* A page that cannot be read, or is wrong, has a line of its own. */
void check_command(char **words)
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
void load_command(char **words)
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

void commit_command(char **words)
{
    uint64_t first, end;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = sys_vmo_op_range(sheet->vmo, VMO_OP_COMMIT, first * PAGE_SIZE, (end - first) * PAGE_SIZE, NULL, 0);
    printf("%s: COMMIT: %s\n", words[1], status_name(status));
}

void decommit_command(char **words)
{
    uint64_t first, end;
    struct sheet *sheet = range(words, &first, &end);
    status_t status = sys_vmo_op_range(sheet->vmo, VMO_OP_DECOMMIT, first * PAGE_SIZE, (end - first) * PAGE_SIZE, NULL, 0);
    for (uint64_t page = first; page < end && status == OK; page++)
        sheet->versions[page] = 0;
    printf("%s: DECOMMIT: %s\n", words[1], status_name(status));
}

/* The same through a mapping that has all its pages at once. */
void map_command(char **words)
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
void out_command(char **words)
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
void shuffle_command(char **words)
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

void work_command(char **words)
{
    struct sheet *sheet = sheet_of(words[1]);
    sheet->worker.steps = sheet->worker.wrong = sheet->worker.refused = 0;
    atomic_store(&resting, false);
    status_t status = quire_thread_create(work, sheet, &sheet->worker.thread);
    if (status != OK)
        errx(1, "thread: %s", status_name(status));
}

void steps_command(char **words)
{
    const volatile uint64_t *steps = &sheet_of(words[1])->worker.steps;
    uint64_t before = *steps;
    while (*steps < before + 100)
        sys_nanosleep(sys_clock_get() + MILLISECOND);
    printf("%s: it works\n", words[1]);
}

void rest_command(char **words)
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
