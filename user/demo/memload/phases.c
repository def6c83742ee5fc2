/*
 * phases.c: what a process does with its memory.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memload.h"

enum { FORK_OWNER = 16, KILLS = 6, QUARTERS = 4, HOT_PASSES = 2, TOUCHES = 8 };

/* Call step for each of so many steps, and say where we are: nobody should think that we hang. */
static void go(struct area *area, const char *what, uint64_t steps, void (*step)(struct area *, uint64_t))
{
    for (uint64_t i = 0; i < steps; i++) {
        step(area, i);
        if ((i + 1) * QUARTERS / steps != i * QUARTERS / steps)
            printf("memload %" PRIu32 ": %s %" PRIu64 "/%d\n", area->owner, what,
                   (i + 1) * QUARTERS / steps, QUARTERS);
    }
}

/* --- In order, and at random. --- */

static void verify_at_random(struct area *area, uint64_t i)
{
    uint64_t random = next_random(&area->random), page = (random >> 8) % area->pages;
    bool by_call = area->vmo != HANDLE_INVALID && random % 4 == 0;
    (void)i;
    if (by_call)
        page_verify_by_call(area, page);
    else
        page_verify(area, page);
    if (random % 3 > 0)
        return;
    if (by_call)
        page_write_by_call(area, page);
    else
        page_write(area, page);
}

static void write_in_order(struct area *area) { go(area, "write", area->pages, page_write); }
static void read_in_order(struct area *area) { go(area, "read", area->pages, page_verify); }
static void at_random(struct area *area) { go(area, "random", area->pages, verify_at_random); }

static void discard_some(struct area *area, uint64_t i)
{
    uint64_t random = next_random(&area->random), first = (random >> 8) % area->pages;
    uint64_t count = (random >> 40) % 32 + 1;
    (void)i;
    pages_discard(area, first, count < area->pages - first ? count : area->pages - first);
    for (int j = 0; j < 32; j++)
        verify_at_random(area, i);
}

static void discard(struct area *area) { go(area, "discard", area->pages / 64 + 1, discard_some); }

/* --- Copies. --- */

void wait_for_success(int process, const char *what)
{
    int status;
    if (waitpid(process, &status, 0) != process)
        err(1, "wait");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        errx(1, "%s ended with status %#x", what, (unsigned)status);
}

static int fork_or_end(void)
{
    fflush(stdout);
    int process = fork();
    if (process < 0)
        err(1, "fork");
    return process;
}

/* In a forked process, which has a snapshot of the area. */
static void become_copy(struct area *area)
{
    require(sys_handle_close(area->vmo), "close");
    area->vmo = HANDLE_INVALID;
    area->owner += FORK_OWNER;
    area->random += area->owner;
}

/* The child, its child, and we, all write to what they see, and verify all of it. */
static void fork_copies(struct area *area)
{
    int child = fork_or_end();
    if (child == 0) {
        become_copy(area);
        go(area, "child", area->pages / 4, verify_at_random);
        int grandchild = fork_or_end();
        if (grandchild == 0) {
            area->owner += FORK_OWNER;
            area->random += area->owner;
            go(area, "grandchild", area->pages / 8, verify_at_random);
        }
        read_in_order(area);
        if (grandchild != 0)
            wait_for_success(grandchild, "the grandchild");
        fflush(stdout);
        _exit(0);
    }
    go(area, "parent", area->pages / 4, verify_at_random);
    wait_for_success(child, "the child");
    read_in_order(area);
}

/* A snapshot, and one of that; the middle one goes first. */
static void clone_copies(struct area *area)
{
    struct area copy, copy_of_copy;
    area_snapshot(area, area->owner + FORK_OWNER, &copy);
    go(area, "cloned", area->pages / 4, verify_at_random);
    go(&copy, "clone", area->pages / 4, verify_at_random);
    area_snapshot(&copy, copy.owner + FORK_OWNER, &copy_of_copy);
    go(&copy_of_copy, "clone of clone", area->pages / 8, verify_at_random);
    read_in_order(&copy);
    area_free(&copy);
    read_in_order(&copy_of_copy);
    area_free(&copy_of_copy);
    read_in_order(area);
}

/* Copies that are killed in the middle of what they do, wherever their pages are. */
static void kill_copies(struct area *area)
{
    volatile uint64_t *steps = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (steps == MAP_FAILED)
        err(1, "shared memory");
    for (int i = 0; i < KILLS; i++) {
        uint64_t enough = next_random(&area->random) % 256;
        int status, child;
        *steps = 0;
        child = fork_or_end();
        if (child == 0) {
            become_copy(area);
            for (;; ++*steps)
                verify_at_random(area, 0);
        }
        while (*steps < enough && waitpid(child, &status, WNOHANG) == 0)
            verify_at_random(area, 0);
        if (*steps >= enough) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
        }
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            errx(1, "a process to be killed ended with status %#x", (unsigned)status);
        printf("memload %" PRIu32 ": killed %d/%d\n", area->owner, i + 1, KILLS);
    }
    munmap((void *)steps, PAGE_SIZE);
    read_in_order(area);
}

/* --- A hot quarter. --- */

static struct area hot;
static uint64_t touches;

/* The hot pages are used in turn, more often than others go by. */
static void touch_and_stream(struct area *area, uint64_t i)
{
    for (int j = 0; j < TOUCHES; j++)
        page_verify(&hot, touches++ % hot.pages);
    page_verify(area, i % area->pages);
    if (i % 4 == 0)
        page_write(area, i % area->pages);
}

static uint64_t went(void)
{
    info_vmo_t info;
    require(sys_object_get_info(hot.vmo, INFO_VMO, &info, sizeof info, NULL, NULL), "ask for the hot pages");
    return info.change_events;
}

/* A quarter of memory is touched again and again while the area streams by: no more than 2 % of the touches may find a page gone. */
static void hot_quarter(struct area *area)
{
    info_system_t system;
    require(sys_object_get_info(system_handle(), INFO_SYSTEM, &system, sizeof system, NULL, NULL), "ask for memory");
    area_create(&hot, area->owner + FORK_OWNER, system.memory_bytes / PAGE_SIZE / 4, area->random);
    for (uint64_t i = 0; i < hot.pages; i++)
        page_write(&hot, i);
    go(area, "warming up", area->pages, touch_and_stream);
    uint64_t touched = touches, gone = went();
    go(area, "hot", HOT_PASSES * area->pages, touch_and_stream);
    touched = touches - touched;
    gone = went() - gone;
    printf("memload %" PRIu32 ": of %" PRIu64 " touches of %" PRIu64 " hot pages, %" PRIu64 " pages were gone\n", area->owner,
           touched, hot.pages, gone);
    if (gone * 50 > touched)
        errx(1, "that is more than 2 %%");
    area_free(&hot);
}

const struct phase phases[] = {
    { "write", "write all pages in order", write_in_order },
    { "read", "read all pages in order", read_in_order },
    { "random", "read as many pages at random, write every third", at_random },
    { "discard", "give back runs of pages, and go on at random", discard },
    { "fork", "go on at random in a child, its child, and here", fork_copies },
    { "clone", "go on at random in a snapshot, a snapshot of that, and here", clone_copies },
    { "kill", "kill children that go on at random", kill_copies },
    { "hot", "touch a quarter of memory again and again while the rest streams by", hot_quarter },
    { NULL, NULL, NULL },
};
