/*
 * conform.h: the vocabulary of the pager conformance suite (t_conform_*.c).
 *
 * Each case checks one statement of the pager's contract.  The comment above it begins with the
 * number of the section that makes the statement; docs/pager-conformance.md lists them all.
 * Pages, not bytes, except where a name says bytes.
 */
#pragma once

#include "cow.h"
#include "exception_rig.h"

#define DELIVERED(status) ((uint64_t)(int64_t)(status))     /* as the data of PAGER_OP_FAIL */

/* A VMO that cannot be resized, so that it can have slices. */
static inline struct rig rig_fixed(uint64_t pages)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };

    CHECK_OK(sys_pager_create_vmo(rig.pager, 0, rig.port, RIG_KEY, AT(pages), &rig.vmo));
    return rig;
}

/* With these pages supplied. */
static inline struct rig rig_supplied(uint64_t pages, uint64_t first, uint64_t count)
{
    struct rig rig = rig_create(pages);

    supply(rig, first, count);
    return rig;
}

static inline status_t try_supply(struct rig rig, uint64_t first, uint64_t count, handle_t aux,
                                  uint64_t aux_first)
{
    return sys_pager_supply_pages(rig.pager, rig.vmo, AT(first), AT(count), aux, AT(aux_first));
}

static inline status_t try_fail(struct rig rig, uint64_t first, uint64_t count, status_t status)
{
    return try_op(rig, PAGER_OP_FAIL, first, count, DELIVERED(status));
}

/* A range operation that asks nobody. */
static inline status_t range_op(handle_t vmo, uint32_t op, uint64_t first, uint64_t count)
{
    return sys_vmo_op_range(vmo, op, AT(first), AT(count), NULL, 0);
}

/* Without waiting; the byte is the one that is there. */
static inline status_t try_write(handle_t vmo, uint64_t page)
{
    char byte = 0;

    return sys_vmo_write(vmo, 0, &byte, AT(page), 1);
}

/* --- Who waits.  `number` is that of the thread in accesses[]. --- */

static inline void ask_op(unsigned number, uint32_t op, handle_t vmo, uint64_t first,
                          uint64_t count)
{
    op_start(&accesses[number], op, vmo, first, count);
    wait_until_asked(&accesses[number]);
}

#define WAITS(number)        wait_until_asked(&accesses[number])    /* still, or again */

/* A read of supplied pages that ends well. */
static inline void ends_with_content(unsigned number)
{
    ENDS(number, OK);
    CHECK(access_read_content(&accesses[number]));
}

/* --- A thread that reads from a stream, from its beginning. --- */

__attribute__((unused)) static struct {
    struct raw_thread thread;
    handle_t stream;
    size_t length, actual;
    status_t status;
    volatile char bytes[AT(4)];
} reader;

static inline void read_stream(void *unused)
{
    (void)unused;
    reader.status =
        sys_stream_read(reader.stream, (char *)reader.bytes, reader.length, &reader.actual);
}

static inline void stream_read_start(handle_t vmo, uint64_t pages)
{
    CHECK_OK(sys_stream_create(STREAM_READ, vmo, 0, &reader.stream));
    reader.length = AT(pages);
    raw_thread_start(&reader.thread, read_stream, NULL);
}

/* It ended well: so many bytes were read. */
static inline size_t stream_read_end(void)
{
    wait_for_end(reader.thread.handle);
    CHECK_OK(reader.status);
    CLOSE(reader.stream);
    return reader.actual;
}

/* --- Loads and stores, and crash(address, status). --- */

__attribute__((unused)) static handle_t reports[array_size(accesses)];

static inline void touch_start(unsigned number, enum access_kind kind, volatile char *address)
{
    reports[number] = new_port();
    touch_start_bound(&accesses[number], reports[number], kind, address, '!');
}

static inline void touch_asks(unsigned number, enum access_kind kind, volatile char *address)
{
    touch_start(number, kind, address);
    wait_until_asked(&accesses[number]);
}

/* It ended well: the byte it loaded or stored. */
static inline int touch_end(unsigned number)
{
    wait_for_end(accesses[number].thread.handle);
    expect_silence(reports[number]);
    CLOSE(reports[number]);
    return (unsigned char)accesses[number].buffer[0];
}

static inline void expect_crash(unsigned number, status_t reason)
{
    struct access *access = &accesses[number];
    bool store = access->kind == ACCESS_STORE;
    port_packet_t packet =
        expect_report(reports[number], access->thread.handle,
                      store ? EXCEPTION_STORE_FAULT : EXCEPTION_LOAD_FAULT, reason);

    CHECK_EQ(packet.exception.address, (uintptr_t)access->address);
    CHECK_OK(sys_exception_resume(access->thread.handle, EXCEPTION_KILL_THREAD));
    wait_for_end(access->thread.handle);
    CLOSE(reports[number]);
}

/* A load that meets this at once, or when what it waits for ends. */
static inline void load_crashes(volatile char *address, status_t reason)
{
    touch_start(3, ACCESS_LOAD, address);
    expect_crash(3, reason);
}
