/*
 * host.h: what drivers of kernel code on the host have: choices, checks, and a fake machine.
 *
 * A driver asks choose() for everything it does.  Choices come from a seed, or from a fuzzer's bytes; so each
 * driver is a random test and a fuzz target in one.  The driver runs as the *director*: a thread of its own
 * process that calls the kernel, and decides when the simulated threads run.
 */
#pragma once

#include <stdio.h>

#include "lib/string.h"
#include "task/process.h"
#include "task/sched.h"
#include "vm/backing_store.h"
#include "vm/pager.h"
#include "vm/vmo.h"

/* --- Choices. --- */

void choices_from_seed(uint64_t seed);
void choices_from_bytes(const uint8_t *bytes, size_t size);
bool choices_left(void);                        /* a seed never ends; bytes do, and then every choice is 0 */
uint64_t choose(uint64_t limit);                /* 0 .. limit - 1 */
static inline uint64_t choose_between(uint64_t low, uint64_t high) { return low + choose(high - low + 1); }
static inline bool one_in(uint64_t n)           { return choose(n) == n - 1; }  /* false when no choices are left */

/* --- Checks.  A failure prints the driver, its seed and the last steps, and aborts. --- */

void step(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define fail(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define check(condition) \
    do { \
        if (!(condition)) \
            fail("check failed: %s", #condition); \
    } while (0)
#define check_equal(found, expected) \
    do { \
        long long found_ = (long long)(found), expected_ = (long long)(expected); \
        if (found_ != expected_) \
            fail("%s is %lld (0x%llx), not %lld (0x%llx) = %s", #found, found_, found_, expected_, expected_, \
                 #expected); \
    } while (0)

/* --- Drivers. --- */

struct driver {
    const char *name, *what;
    void (*run)(uint32_t steps);                /* stops earlier when !choices_left() */
    uint32_t steps;                             /* by default */
};

extern const struct driver drivers[];           /* ends with a NULL name */
/* Run it and check that every frame, heap object and kernel object has gone. */
void driver_run(const struct driver *driver, uint32_t steps);

/* --- Memory (fake_memory.c). --- */

uint64_t frames_live(void);
uint64_t frames_live_of_kind(uint8_t kind);
uint64_t heap_live(void);                       /* objects */
/*
 * The n-th allocation from now on fails, n counted from 1; 0: none.  The n given before, less the allocations since, is
 * returned.  allocation_failed says whether it was reached, and ends it.
 */
uint64_t fail_allocation(uint64_t n);
bool allocation_failed(void);
/* The machine has so many frames, those in use included; without a word it has plenty and page-out never runs by itself. */
#define PLENTY 16384u
void memory_size(uint64_t frames);

/* As sys_pager_supply_pages makes it. */
static inline status_t supply_pages(struct vmo *vmo, uint64_t offset, uint64_t length, struct vmo *aux, uint64_t aux_offset)
{
    status_t status = pager_supply_from(&aux, &aux_offset, length);

    if (status != OK)
        return status;
    object_ref(&aux->object);
    object_ref(&vmo->object);
    return pager_supply_pages(vmo, offset, length, aux, aux_offset);
}

/* The end of a transfer that vmo_transfer_begin began, as kern/dev/block.c makes it. */
static inline void end_transfer(const struct vmo_transfer *transfer, status_t status)
{
    vmo_lock(transfer->vmo);
    vmo_transfer_done(transfer->vmo, transfer->first, transfer->count, status);
    vmo_unlock(transfer->vmo);
    object_unref(&transfer->vmo->object);
}

/* --- Disks for page-out (fake_disk.c). --- */

#define DISKS      2u
#define DISK_BYTES (1u << 20)

void disks_start(void);
void disks_end(void);                           /* nothing runs, and no segment is left on them */
struct swap_device disk_device(uint32_t disk);
/* A store with a segment of so many pages from the begin of the disk on; a cluster is in pages.  The second disk's has priority. */
void disk_store(uint32_t disk, uint32_t pages, uint32_t cluster, struct backing_store **out_store);
/* One of the transfers that run ends: false if none runs.  It also happens when the director sleeps. */
bool disk_answer(void);
/* The odds, one in `n`, that a transfer fails, at its begin or its end; 0: none does.  How many of SWAP_IN and _OUT did. */
extern uint32_t disk_error_odds;
extern uint32_t disk_failing;                   /* so many have failed, and not everybody has heard of it */
extern uint64_t disk_errors[2];

/* --- Address translation (fake_mmu.c). --- */

/* Memory that every process has, for arguments and results; closed: copies to and from it fail. */
#define WINDOW_BASE 0x20000000ul
#define WINDOW_SIZE 0x100000ul
extern uint8_t window[WINDOW_SIZE];
extern bool window_closed;

struct mapping { vaddr_t address; paddr_t frame; uint32_t flags; bool accessed; };

/* Mapping number i of an address space; false beyond the last. */
bool mmu_mapping(const struct arch_mmu *mmu, uint64_t i, struct mapping *out_mapping);
/* A load or store of user code at address: faults until it succeeds; *value is read or written. */
status_t user_access(uint64_t address, bool write, uint8_t *value);
/* Every mapping shows the page that its VMO holds, and is writable only if that page is.  Family locks are taken. */
void check_mappings(struct aspace *aspace);

/* --- Threads and time (fake_sched.c, fake_machine.c). --- */

void machine_start(void);                       /* once */
struct process *director_process(void);
/* A thread that runs body(argument) as user code would, in a process that starts with it if it is new.  A reference. */
struct thread *spawn(struct process *process, void (*body)(void *), void *argument);
bool thread_ended(struct thread *thread);
bool thread_blocked(struct thread *thread);
/* Let one simulated thread run until it sleeps or is overtaken: false if none can. */
bool run_one(void);
/* Let all run until none can. */
void run_all(void);
/* The odds, one in `n`, that a thread is overtaken where it takes its first spinlock; 0: never. */
void interleave_odds(uint32_t n);
/* Move the clock, and let the timers expire that are due. */
void advance_time(uint64_t nanoseconds);
/* What the kernel printed since last asked for. */
const char *console_text(void);
