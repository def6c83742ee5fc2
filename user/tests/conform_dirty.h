/*
 * conform_dirty.h: the vocabulary of the conformance suite for what is dirty and who asks to write.
 */
#pragma once

#include "conform.h"
#include "dirty_rig.h"

#define DIRTY_IS(rig, runs)   CHECK(dirty_is(rig, runs))
#define NOTHING_DIRTY(rig)    DIRTY_IS(rig, "")
#define MODIFIED(rig)         CHECK(is_modified(rig, PAGER_RESET_VMO_STATS))    /* and no more */
#define NOT_MODIFIED(rig)     CHECK(!is_modified(rig, 0))

enum { PLAIN, TRAP, KINDS };            /* of pager-backed VMOs */

static inline struct rig rig_of_kind(unsigned kind, uint64_t pages)
{
    return kind == TRAP ? trap_create(pages) : rig_create(pages);
}

static inline struct rig trap_supplied(uint64_t pages, uint64_t first, uint64_t count)
{
    struct rig rig = trap_create(pages);

    supply(rig, first, count);
    return rig;
}

/* Zero markers, from a hole. */
static inline void supply_zeros(struct rig rig, uint64_t first, uint64_t count)
{
    handle_t hole = new_vmo(count);

    CHECK_OK(try_supply(rig, first, count, hole, 0));
    CLOSE(hole);
}

static inline void resize(struct rig rig, uint64_t pages)
{
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(pages)));
}

static inline void zero_pages(struct rig rig, uint64_t first, uint64_t count)
{
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, first, count));
}

static inline void detach(struct rig rig)
{
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
}

/* --- DIRTY packets and their answer. --- */

static inline void serve_dirty(struct rig rig, uint64_t first, uint64_t count)
{
    expect_dirty(rig, first, count);
    allow(rig, first, count);
}

/* Start to write `byte` into these pages, and see that it waits. */
static inline void ask_write(unsigned number, struct rig rig, uint64_t first, uint64_t count,
                             int byte)
{
    memset(accesses[number].buffer, byte, AT(count));
    ask(number, ACCESS_WRITE, rig.vmo, first, count);
}

/* Start to zero, read, ... some bytes inside one page, and see that it waits. */
static inline void ask_part_op(unsigned number, uint32_t op, struct rig rig, uint64_t offset,
                               uint64_t length)
{
    accesses[number].op = op;
    access_start_bytes(&accesses[number], ACCESS_OP, rig.vmo, offset, length);
    wait_until_asked(&accesses[number]);
}

/* Dirty, with this byte in front, of either kind of VMO. */
static inline void make_dirty(struct rig rig, unsigned kind, uint64_t page, char byte)
{
    if (kind == TRAP)
        allow(rig, page, 1);
    write_byte(rig, page, byte);
}

/* --- Early readers. --- */

static inline bool has_begun(void *argument)
{
    const volatile struct access *access = argument;

    return access->buffer[0] == (char)content_of(access->offset / PAGE_SIZE);
}

static inline void ask_read(unsigned number, struct rig rig, uint64_t first, uint64_t count)
{
    memset(accesses[number].buffer, 0, sizeof accesses[number].buffer);
    ask(number, ACCESS_READ, rig.vmo, first, count);
}

/* It has read its first page and waits for another. */
static inline void has_gone_on(unsigned number)
{
    CHECK(comes_true(has_begun, &accesses[number]));
    WAITS(number);
}

static inline void kill_waiting(unsigned number)
{
    kill_asleep(&accesses[number].thread);
}
