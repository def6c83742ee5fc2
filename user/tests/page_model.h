/*
 * page_model.h: what the pages of some pager-backed VMOs may show while many threads write to them.
 *
 * A page is cut into runs of words, each written by one thread alone.  A word says where it belongs and which version
 * of its run it is, so a byte of the wrong page, offset or time is seen at once.  A writer counts a version as started before
 * it writes and as completed afterwards.  So whoever samples a page's completed versions, reads it, and then looks at the started
 * ones must have read something in between: nothing lost, nothing old, nothing made up.
 *
 * The pages from HEAD on of some VMOs come and go.  They may be zero, and show no version that was complete before they
 * were last taken away.
 */
#pragma once

#include "stress.h"

enum { FILE_FIXED, FILE_TRAPPED, FILE_NOISY, FILE_WHOLE, FILES };
enum { PAGES = 32, HEAD = 24, RUNS = 16, USERS = 6, WHOLE_PAGES = 4 };

struct versions {
    atomic_uint started, completed;
    atomic_uint gone;                   /* of a page that may go: up to here nothing may show */
};

static struct versions versions[FILES][PAGES][RUNS];

/* What the check of a page found, for the report. */
static struct {
    unsigned file, page, word, lower, upper;
    uint64_t value;
} wrong_word;

/* Sizes change, and zeros come: those of two VMOs. */
static inline bool may_go(unsigned file, unsigned page)
{
    return page >= HEAD && (file == FILE_TRAPPED || file == FILE_NOISY);
}

static inline unsigned runs_of(unsigned file)
{
    return file == FILE_WHOLE ? 1 : RUNS;
}

static inline unsigned run_words(unsigned file)
{
    return WORDS / runs_of(file);
}

/* Written by sys_vmo_write alone, which no reader sees half done within a page; the others by stores. */
static inline bool written_at_once(unsigned file, unsigned run)
{
    return file == FILE_WHOLE || run % 2 == 0;
}

static inline uint64_t stamp(unsigned file, unsigned page, unsigned word, unsigned version)
{
    return (uint64_t)(file + 1) << 56 | (uint64_t)page << 48 | (uint64_t)word << 32 | version;
}

static inline void fill_run(uint64_t *words, unsigned file, unsigned page, unsigned run,
                            unsigned version)
{
    for (unsigned i = 0; i < run_words(file); i++)
        words[i] = stamp(file, page, run * run_words(file) + i, version);
}

/* Version 1 of everything. */
static inline void model_begin(uint64_t content[FILES][PAGES][WORDS])
{
    for (unsigned file = 0; file < FILES; file++)
        for (unsigned page = 0; page < PAGES; page++)
            for (unsigned run = 0; run < runs_of(file); run++) {
                fill_run(content[file][page] + run * run_words(file), file, page, run, 1);
                atomic_store(&versions[file][page][run].started, 1);
                atomic_store(&versions[file][page][run].completed, 1);
            }
}

/* --- Writing: only by the run's own thread. --- */

static inline unsigned version_start(unsigned file, unsigned page, unsigned run)
{
    return atomic_fetch_add(&versions[file][page][run].started, 1) + 1;
}

static inline void version_complete(unsigned file, unsigned page, unsigned run, unsigned version)
{
    atomic_store(&versions[file][page][run].completed, version);
}

/* --- Reading. --- */

/* The oldest versions that a read may show that begins now. */
struct view {
    unsigned lower[RUNS];
};

static inline void view_now(struct view *view, unsigned file, unsigned page)
{
    for (unsigned run = 0; run < runs_of(file); run++) {
        struct versions *v = &versions[file][page][run];

        view->lower[run] =
            may_go(file, page) ? atomic_load(&v->gone) + 1 : atomic_load(&v->completed);
    }
}

static inline void model_wrong(int line, unsigned file, unsigned page, unsigned word,
                               uint64_t value, unsigned lower, unsigned upper)
{
    if (wrong.line)
        return;
    wrong_word.file = file;
    wrong_word.page = page;
    wrong_word.word = word;
    wrong_word.value = value;
    wrong_word.lower = lower;
    wrong_word.upper = upper;
    note(line, (int64_t)value);
}

/* A page that was read since `view`, at once or word by word.  `skip`: a run that is something else, or RUNS. */
static inline void check_model(const uint64_t *words, unsigned file, unsigned page,
                               const struct view *view, bool at_once, unsigned skip)
{
    for (unsigned run = 0; run < runs_of(file); run++) {
        unsigned first = run * run_words(file), lower = view->lower[run];
        unsigned upper = atomic_load(&versions[file][page][run].started);
        bool whole = at_once && written_at_once(file, run);

        for (unsigned word = first; word < first + run_words(file) && run != skip; word++) {
            unsigned version = (unsigned)words[word];
            bool zero = words[word] == 0 && may_go(file, page);

            if (!zero && (words[word] != stamp(file, page, word, version) || version < lower ||
                          version > upper))
                model_wrong(__LINE__, file, page, word, words[word], lower, upper);
            if (whole && version != (unsigned)words[first])
                model_wrong(__LINE__, file, page, word, words[word], (unsigned)words[first], upper);
        }
    }
}

/* --- Taking pages away: by one thread alone, which samples before and publishes afterwards. --- */

struct going {
    unsigned completed[PAGES][RUNS];
};

static inline void going_begin(struct going *going, unsigned file, unsigned first, unsigned end)
{
    for (unsigned page = first; page < end; page++)
        for (unsigned run = 0; run < RUNS; run++)
            going->completed[page][run] = atomic_load(&versions[file][page][run].completed);
}

static inline void going_done(const struct going *going, unsigned file, unsigned first,
                              unsigned end)
{
    for (unsigned page = first; page < end; page++)
        for (unsigned run = 0; run < RUNS; run++)
            atomic_store(&versions[file][page][run].gone, going->completed[page][run]);
}

static inline void print_wrong(void)
{
    if (!wrong.line)
        return;
    printf("# line %d: %lld (%#llx)\n", wrong.line, (long long)wrong.value,
           (unsigned long long)wrong.value);
    if (wrong_word.upper)
        printf("# model: file %u page %u word %u is %#llx, allowed %u to %u\n", wrong_word.file,
               wrong_word.page, wrong_word.word, (unsigned long long)wrong_word.value,
               wrong_word.lower, wrong_word.upper);
}
