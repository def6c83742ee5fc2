/*
 * selfpage.c: a heap that knows which of its pages changed.
 *
 * Its memory is read-only.  The first store to a page is a fault, which arrives as SIGSEGV: the
 * handler notes the page as dirty and lets stores to it pass.  A checkpoint writes the dirty pages
 * alone to a child, through a pipe, and protects them again; the child applies them to its copy.
 * At the end both have the same checksum, though the child was never told more than what changed.
 */
#include <err.h>
#include <inttypes.h>
#include <quire.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 256, ROUNDS = 5, END = UINT32_MAX };

static uint8_t *heap;
static volatile uint8_t dirty[PAGES];
static volatile unsigned faults;

/* Only mprotect and memory of ours: safe wherever the store was. */
static void note_store(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    size_t page = ((uintptr_t)info->si_addr - (uintptr_t)heap) / PAGE_SIZE;
    if (info->si_code != SEGV_ACCERR || page >= PAGES) {
        signal(SIGSEGV, SIG_DFL);       /* a true fault: it happens again, and is the end */
        return;
    }
    faults++;
    dirty[page] = 1;
    mprotect(heap + page * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE);
}

static uint64_t checksum(void)
{
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < PAGES * PAGE_SIZE; i++)
        sum = (sum ^ heap[i]) * 1099511628211u;
    return sum;
}

/* A write to a pipe is whole; what is read may come in pieces. */
static void put(int pipe_end, const void *data, size_t length)
{
    if (write(pipe_end, data, length) != (ssize_t)length)
        err(1, "the pipe broke");
}

static void get(int pipe_end, void *data, size_t length)
{
    for (ssize_t got; length > 0; data = (char *)data + got, length -= got)
        if ((got = read(pipe_end, data, length)) <= 0)
            err(1, "the pipe broke");
}

/* Send what changed since the last checkpoint; from now on stores to it are noted again. */
static unsigned checkpoint(int pipe_end)
{
    unsigned sent = 0;
    for (uint32_t page = 0; page < PAGES; page++) {
        if (!dirty[page])
            continue;
        dirty[page] = 0;
        mprotect(heap + page * PAGE_SIZE, PAGE_SIZE, PROT_READ);
        put(pipe_end, &page, sizeof page);
        put(pipe_end, heap + page * PAGE_SIZE, PAGE_SIZE);
        sent++;
    }
    return sent;
}

/* The child: apply pages to the copy, compare the checksums at the end. */
static int keep_copy(int pipe_end)
{
    uint64_t expected;
    uint32_t page;
    mprotect(heap, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE);
    while (get(pipe_end, &page, sizeof page), page != END)
        get(pipe_end, heap + page * PAGE_SIZE, PAGE_SIZE);
    get(pipe_end, &expected, sizeof expected);
    return checksum() == expected ? 0 : 1;
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = note_store, .sa_flags = SA_SIGINFO };
    int ends[2], status;
    heap = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (heap == MAP_FAILED || pipe(ends) != 0 || sigaction(SIGSEGV, &action, NULL) != 0)
        err(1, "selfpage");
    pid_t child = fork();
    if (child < 0)
        err(1, "fork");
    if (child == 0)
        _exit(keep_copy(ends[0]));

    for (unsigned round = 1; round <= ROUNDS; round++) {
        unsigned before = faults;
        for (unsigned i = 0; i < 1000 * round; i++)
            heap[(i * 7919u * round) % (round * 40 * PAGE_SIZE)] += i;
        printf("round %u: %u stores, %u faults, %u of %u pages written\n", round, 1000 * round,
               faults - before, checkpoint(ends[1]), (unsigned)PAGES);
    }
    uint32_t end = END;
    uint64_t sum = checksum();
    put(ends[1], &end, sizeof end);
    put(ends[1], &sum, sizeof sum);
    if (waitpid(child, &status, 0) != child || status != 0)
        errx(1, "the copy differs");
    printf("the copy is the same: checksum %016" PRIx64 "\n", sum);
    return 0;
}
