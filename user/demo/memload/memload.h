/*
 * memload.h: processes that use more memory than there is, and look at every word of it.
 */
#pragma once

#include <inttypes.h>
#include <quire.h>

enum { WORDS = PAGE_SIZE / sizeof(uint64_t) };

/*
 * Memory of which each page's content is known.  A page's tag says who wrote it last, and how many pages that one had written by then; all its words
 * follow from the tag, the page's number and their own, so that a wrong word tells where it comes from.
 */
struct area {
    handle_t vmo;                       /* HANDLE_INVALID in a forked copy: there the handle names its parent's */
    uint64_t *words;
    uint64_t pages;
    uint32_t *tags;                     /* owner << 16 | version; 0: zeros */
    uint32_t owner;                     /* 1 to 255 */
    uint64_t random;
    uint64_t verified, written;         /* pages, one as often as it was */
};

uint64_t next_random(uint64_t *state);

/* All of these end the process with a message if something is not as it should be. */
void area_create(struct area *area, uint32_t owner, uint64_t pages, uint64_t seed);
/* A snapshot of all pages; what is written to it from now on is `owner`'s. */
void area_snapshot(const struct area *area, uint32_t owner, struct area *out_copy);
void area_free(struct area *area);
/* Give each word of a page a new value; verify each word. */
void page_write(struct area *area, uint64_t page);
void page_verify(struct area *area, uint64_t page);
/* The same by system calls on the VMO. */
void page_write_by_call(struct area *area, uint64_t page);
void page_verify_by_call(struct area *area, uint64_t page);
/* These pages are zeros again. */
void pages_discard(struct area *area, uint64_t first, uint64_t count);

struct phase {
    const char *name, *what;
    void (*run)(struct area *);
};
extern const struct phase phases[];     /* ends with a NULL name */

/* Start a process with a pager that never answers, and wait until others wait for it.  The end of `out_end`'s pipe ends it. */
void silent_start(int *out_process, int *out_end);
/* End it: it finds its pages as they were, and who waited for it waiting. */
void silent_stop(int process, int end);
/* Wait for a forked process, which must have found all as it should be. */
void wait_for_success(int process, const char *what);
/* Succeeds, or ends the process with a message. */
void require(status_t status, const char *what);
