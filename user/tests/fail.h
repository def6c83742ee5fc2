/*
 * fail.h: kernel memory runs out at every place where a system call asks for it.
 *
 * sys_system_fail_allocation makes the n-th allocation of a call fail: with n = 1, 2, ... until the
 * call needs fewer.  Each time it has to say so, or do without, and once it is undone the machine
 * holds what it held before: the same objects, handles, regions, and page frames of every kind.
 * What frames do not show, a few bytes of heap, shows when it is done often enough.
 */
#pragma once

#include "disk_rig.h"
#include "holdings.h"
#include "pager_rig.h"
#include "tiny.h"

#define PLACE  0x2200000000ul           /* where nothing else is */
#define FAR    0x2240000000ul           /* not under the same page tables */

enum { ROUNDS = 60, FAILURES_MAX = 100 };

/* One thing that may fail.  prepare and undo run with all the memory they want. */
struct attempt {
    void (*prepare)(void);              /* may be NULL */
    status_t (*call)(void);
    void (*undo)(status_t status);      /* of what the call did, and prepare; may be NULL */
};

static inline uint32_t fail_after(uint32_t countdown)
{
    uint32_t left = 0;

    CHECK_OK(sys_system_fail_allocation(system_handle(), countdown, &left));
    return left;
}

/* --- Failures. --- */

/* The n-th allocation fails: true if the call made fewer. */
static inline bool fail_once(const struct attempt *attempt, uint32_t n)
{
    if (attempt->prepare)
        attempt->prepare();
    fail_after(n);
    status_t status = attempt->call();
    uint32_t left = fail_after(0);
    if (left > 0)
        CHECK_OK(status);
    else
        CHECK(status == OK || status == ERR_NO_MEMORY || status == ERR_NO_RESOURCES);
    if (attempt->undo)
        attempt->undo(status);
    return left > 0;
}

static inline uint32_t fail_everywhere(const struct attempt *attempt, struct holdings *before)
{
    uint32_t n = 1;

    for (; !fail_once(attempt, n); n++) {
        if (before)
            check_same(before, "after a failure");
        CHECK(n < FAILURES_MAX);
    }
    if (before)
        check_same(before, "after a success");
    return n - 1;
}

static inline bool no_more_kernel_frames(void *before)
{
    return holdings().system.frames[FRAME_KERNEL] <= ((struct holdings *)before)->system.frames[FRAME_KERNEL] + 1;
}

/* At least `sites` allocations can fail, one at a time, and nothing is lost. */
static inline void try(const struct attempt *attempt, uint32_t sites)
{
    fail_everywhere(attempt, NULL);     /* warms up the kernel's caches, and ours */
    struct holdings before = holdings();
    uint32_t failed = fail_everywhere(attempt, &before);
    if (failed < sites)
        test_failed(__FILE__, __LINE__, "only %u allocations can fail, expected %u", failed, sites);
    for (int round = 0; round < ROUNDS; round++)
        fail_everywhere(attempt, NULL);
    check_same(&before, "after all rounds");
    CHECK(comes_true(no_more_kernel_frames, &before));
}

/* --- Objects: each call makes `made`, or two. --- */

static handle_t made[2], held[4];

static inline void close_made(status_t status)
{
    if (status != OK)
        return;
    for (int i = 0; i < 2; i++) {
        if (made[i] != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(made[i]));
        made[i] = HANDLE_INVALID;
    }
}

static inline void close_held(void)
{
    for (size_t i = 0; i < array_size(held); i++) {
        if (held[i] != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(held[i]));
        held[i] = HANDLE_INVALID;
    }
}

static inline void undo_held(status_t status)
{
    (void)status;
    close_held();
}

static inline void undo_with_held(status_t status)
{
    close_made(status);
    close_held();
}

/* What is written and sent. */
__attribute__((unused)) static char page[4 * PAGE_SIZE] = "not zero, so it is there";
