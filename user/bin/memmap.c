/*
 * memmap.c: physical memory as a map of coloured characters.
 *
 * The kernel tells runs of equal frames, in the order of their addresses.  A character stands for
 * so many frames that the map has at most MAP_ROWS lines; it shows the most frequent use in them,
 * free only if nothing else is there, and `*` if a page is in flight.  -p: without colours.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_COLUMNS = 64, MAP_ROWS = 24, OWNERS_MAX = 24, OTHERS = OWNERS_MAX };

/* Uses are the frame kinds, and behind them one for each pager. */
enum { USE_NONE = FRAME_KINDS, USE_OWNER, USES = USE_OWNER + OWNERS_MAX + 1 };

static const struct {
    char letter;
    const char *colour, *name;
} kinds[] = {
    [FRAME_FREE]   = { '.', "90", "free" },
    [FRAME_KERNEL] = { 'K', "31", "kernel" },
    [FRAME_TABLE]  = { 'T', "33", "page tables" },
    [FRAME_ANON]   = { 'a', "32", "anonymous" },
    [FRAME_PAGER]  = { '?', "36", "pager" },
    [FRAME_DEVICE] = { 'd', "35", "device pages" },
    [FRAME_BUSY]   = { '*', "1;37", "in flight" },
    [USE_NONE]     = { ' ', "0", "not memory" },
};
static const char owner_letters[OWNERS_MAX + 2] = "ABCDEFGHIJLMNOPQRSUVWXYZ+";
static const char *const owner_colours[] = { "36", "34", "96", "94", "92", "95" };

static bool plain;
static info_pager_vmo_t *vmos;          /* all pager-backed VMOs */
static size_t vmo_count;
static uint64_t owners[OWNERS_MAX];     /* koids of their pagers, as first met */
static size_t owner_count;
static uint64_t totals[USES];

/* A frame's owner is a VMO; the map shows whose pager that is.  0: it is gone. */
static uint64_t pager_of(uint64_t koid)
{
    for (size_t i = 0; i < vmo_count; i++)
        if (vmos[i].vmo_koid == koid)
            return vmos[i].pager_koid;
    return 0;
}

static int use_of(const info_frame_run_t *run)
{
    if (run->kind != FRAME_PAGER)
        return run->kind < FRAME_KINDS ? (int)run->kind : USE_NONE;
    uint64_t pager = pager_of(run->owner_koid);
    for (size_t i = 0; i < owner_count; i++)
        if (owners[i] == pager)
            return USE_OWNER + i;
    if (owner_count == OWNERS_MAX)
        return USE_OWNER + OTHERS;
    owners[owner_count] = pager;
    return USE_OWNER + owner_count++;
}

static char letter_of(int use)
{
    return use >= USE_OWNER ? owner_letters[use - USE_OWNER] : kinds[use].letter;
}

/* Change the colour only where it differs: a line of free memory is one escape sequence. */
static void set_colour(int use)
{
    static const char *current = "0";
    const char *wanted = use < USE_OWNER ? kinds[use].colour : owner_colours[(use - USE_OWNER) % 6];
    if (!plain && strcmp(current, wanted) != 0)
        printf("\033[%sm", wanted);
    current = wanted;
}

static int choose_use(const uint64_t counts[USES])
{
    int best = USE_NONE;
    if (counts[FRAME_BUSY] > 0)
        return FRAME_BUSY;
    for (int use = 0; use < USES; use++)
        if (use != FRAME_FREE && counts[use] > (best == USE_NONE ? 0 : counts[best]))
            best = use;
    return best == USE_NONE && counts[FRAME_FREE] > 0 ? FRAME_FREE : best;
}

/* Count the frames of [start, end) by use; *next is the first run that can matter, and moves on. */
static void count_cell(const info_frame_run_t *runs, size_t run_count, size_t *next, uint64_t start,
                       uint64_t end, uint64_t counts[USES])
{
    for (size_t i = *next; i < run_count && runs[i].base < end; i++) {
        uint64_t run_end = runs[i].base + runs[i].frames * PAGE_SIZE;
        uint64_t from = runs[i].base > start ? runs[i].base : start;
        uint64_t to = run_end < end ? run_end : end;
        if (to > from) {
            int use = use_of(&runs[i]);
            counts[use] += (to - from) / PAGE_SIZE;
            totals[use] += (to - from) / PAGE_SIZE;
        }
        if (run_end <= end)
            *next = i + 1;
    }
}

static void draw(const info_frame_run_t *runs, size_t run_count)
{
    uint64_t base = runs[0].base;
    uint64_t end = runs[run_count - 1].base + runs[run_count - 1].frames * PAGE_SIZE;
    uint64_t cell = PAGE_SIZE;
    size_t next = 0;
    while ((end - base + cell - 1) / cell > MAP_COLUMNS * MAP_ROWS)
        cell *= 2;

    printf("one character is %" PRIu64 " KiB\n", cell / 1024);
    for (uint64_t line = base; line < end; line += cell * MAP_COLUMNS) {
        printf("%010" PRIx64 " ", line);
        uint64_t line_end = line + cell * MAP_COLUMNS < end ? line + cell * MAP_COLUMNS : end;
        for (uint64_t start = line; start < line_end; start += cell) {
            uint64_t counts[USES] = { 0 };
            count_cell(runs, run_count, &next, start, start + cell, counts);
            int use = choose_use(counts);
            set_colour(use);
            putchar(letter_of(use));
        }
        set_colour(USE_NONE);
        putchar('\n');
    }
}

/* The process that made a pager. */
static const char *owner_name(uint64_t pager)
{
    for (size_t i = 0; i < vmo_count; i++)
        if (vmos[i].pager_koid == pager)
            return vmos[i].owner;
    return "a pager that is gone";
}

static void print_use(int use, const char *name, uint64_t koid)
{
    set_colour(use);
    putchar(letter_of(use));
    set_colour(USE_NONE);
    printf(" %s", name);
    if (koid != 0)
        printf(" (pager %" PRIu64 ")", koid);
    printf(": %" PRIu64 " pages\n", totals[use]);
}

static void print_legend(void)
{
    for (int kind = 0; kind < FRAME_KINDS; kind++)
        if (totals[kind] > 0)
            print_use(kind, kinds[kind].name, 0);
    for (size_t i = 0; i < owner_count; i++)
        print_use(USE_OWNER + i, owner_name(owners[i]), owners[i]);
    if (totals[USE_OWNER + OTHERS] > 0)
        print_use(USE_OWNER + OTHERS, "other pagers", 0);
}

int main(int argument_count, char **arguments)
{
    void *runs = NULL, *records = NULL;
    size_t run_count;
    plain = argument_count == 2 && strcmp(arguments[1], "-p") == 0;
    if (argument_count > 1 && !plain)
        return usage("memmap [-p]");
    status_t status = info_list(system_handle(), INFO_PAGER_LIST, sizeof(info_pager_vmo_t),
                                &records, &vmo_count);
    vmos = records;
    if (status == OK)
        status = info_list(system_handle(), INFO_FRAME_MAP, sizeof(info_frame_run_t), &runs,
                           &run_count);
    if (status != OK) {
        errx(1, "%s", status_text(status));
    }
    if (run_count > 0)
        draw(runs, run_count);
    print_legend();
    free(runs);
    free(records);
    return 0;
}
