/*
 * model_pager.h: the pager of page_model.h's VMOs.  It answers late, in parts, twice, more than it was asked for, or not asked
 * at all, and writes back all the time to an array in memory.  What it may not do is lose a byte.
 *
 * A file's lock makes two things one: copying from the array and supplying; writing back to the array and saying so.  Without
 * it an old copy could be supplied where a newer one was cleaned away meanwhile.
 */
#pragma once

#include "page_model.h"

enum { SERVERS = 2 };

/* A lock of threads that are never killed: 0 free, 1 held, 2 somebody may sleep for it. */
struct lock {
    atomic_uint state;
};

static inline void lock(struct lock *lock)
{
    unsigned seen = 0;

    if (atomic_compare_exchange_strong(&lock->state, &seen, 1))
        return;
    while (atomic_exchange(&lock->state, 2) != 0)
        sys_futex_wait((const uint32_t *)&lock->state, 2, DEADLINE_INFINITE);
}

static inline void unlock(struct lock *lock)
{
    if (atomic_exchange(&lock->state, 0) == 2)
        sys_futex_wake((const uint32_t *)&lock->state, 1);
}

static struct file {
    struct lock lock;
    _Atomic(handle_t) vmo;
    unsigned generation;
    bool trap, told;                    /* TRAP_DIRTY; made by the second pager */
    atomic_uint completes;
} files[FILES];

static uint64_t stored[FILES][PAGES][WORDS];
static handle_t port, other_pager;
static handle_t pagers[2];              /* the second wants to be told what to write back */
static volatile bool pagers_stopping, calm;
static uint64_t evicted;

static struct server {
    struct raw_thread thread;
    uint64_t random;
    handle_t aux;
    uint64_t words[WORDS];
    volatile uint64_t steps;
} servers[SERVERS], writer;

static inline uint64_t file_key(unsigned file, unsigned generation)
{
    return (uint64_t)generation << 32 | file;
}

static inline unsigned any(uint64_t *random, unsigned below)
{
    return (unsigned)((next_random(random) >> 11) % below);
}

/* OK, or one of these.  Ends with OK. */
static inline status_t expect_among(int line, status_t status, const status_t *expected)
{
    status_t seen = status;

    while (*expected != OK && *expected != status)
        expected++;
    if (seen != OK && *expected == OK)
        note(line, seen);
    return seen;
}
#define AMONG(call, ...) expect_among(__LINE__, call, (const status_t[]){ __VA_ARGS__, OK })
#define GOOD(call) expect_among(__LINE__, call, (const status_t[]){ OK })

static inline handle_t pager_of(unsigned file)
{
    return pagers[files[file].told];
}

/* --- Answers.  The file's lock is held. --- */

static inline bool is_zero(const uint64_t *words)
{
    for (unsigned i = 0; i < WORDS; i++)
        if (words[i])
            return false;
    return true;
}

/* Zeros as a hole, or as a page.  A range that has shrunk away in part is answered page by page. */
static inline void supply_file(struct server *server, unsigned file, unsigned first, unsigned count)
{
    handle_t vmo = atomic_load(&files[file].vmo);

    for (unsigned i = 0; i < count; i++)
        if (!is_zero(stored[file][first + i]) || any(&server->random, 2))
            GOOD(sys_vmo_write(server->aux, 0, stored[file][first + i], i * PAGE_SIZE, PAGE_SIZE));
    status_t status = AMONG(sys_pager_supply_pages(pager_of(file), vmo, first * PAGE_SIZE,
                                                   count * PAGE_SIZE, server->aux, 0),
                            ERR_OUT_OF_RANGE);
    for (unsigned i = 0; status != OK && count > 1 && i < count; i++)
        supply_file(server, file, first + i, 1);
}

static inline status_t op_file(unsigned file, uint32_t op, unsigned first, unsigned count,
                               int64_t data)
{
    return AMONG(sys_pager_op_range(pager_of(file), op, atomic_load(&files[file].vmo),
                                    first * PAGE_SIZE, count * PAGE_SIZE, (uint64_t)data),
                 ERR_OUT_OF_RANGE, ERR_NOT_FOUND);
}

static inline void dirty_file(unsigned file, unsigned first, unsigned count)
{
    status_t status = op_file(file, PAGER_OP_DIRTY, first, count, 0);

    for (unsigned i = 0; status == ERR_OUT_OF_RANGE && count > 1 && i < count; i++)
        dirty_file(file, first + i, 1);
}

static inline void answer_range(struct server *server, unsigned file, bool read, unsigned first,
                                unsigned count)
{
    if (read)
        supply_file(server, file, first, count);
    else
        dirty_file(file, first, count);
}

static inline void refuse(struct server *server, unsigned file, bool read, unsigned first,
                          unsigned count)
{
    unsigned good = any(&server->random, count);
    status_t status = read ? ERR_IO : ERR_NO_SPACE;

    if (good > 0)
        answer_range(server, file, read, first, good);
    for (unsigned i = good; i < count; i++)
        op_file(file, PAGER_OP_FAIL, first + i, 1, status);
}

/* Too much.  A gap in what was not asked for leaves all of it undone. */
static inline void answer_wider(struct server *server, unsigned file, bool read, unsigned first,
                                unsigned count)
{
    unsigned from = first - any(&server->random, first + 1);
    unsigned end = first + count + any(&server->random, PAGES - first - count + 1);

    answer_range(server, file, read, from, end - from);
    if (!read)
        dirty_file(file, first, count);
}

static inline void answer_request(struct server *server, unsigned file, bool read, unsigned first,
                                  unsigned count)
{
    unsigned how = any(&server->random, 8);

    if (file == FILE_NOISY && !calm && any(&server->random, 6) == 0) {
        refuse(server, file, read, first, count);
    } else if (how == 0) {
        answer_wider(server, file, read, first, count);
    } else if (how == 1) {
        for (unsigned i = count; i-- > 0;)
            answer_range(server, file, read, first + i, 1);
    } else if (how == 2 && count > 1) {
        answer_range(server, file, read, first + count / 2, count - count / 2);
        unlock(&files[file].lock);
        sys_nanosleep(0);
        lock(&files[file].lock);
        answer_range(server, file, read, first, count / 2);
    } else {
        answer_range(server, file, read, first, count);
        if (how == 3)
            answer_range(server, file, read, first, count);
        if (how == 4)                   /* not this pager's to answer */
            EXPECT(sys_pager_supply_pages(other_pager, atomic_load(&files[file].vmo), 0, PAGE_SIZE,
                                          server->aux, 0) == ERR_INVALID_ARGS,
                   how);
    }
}

/* --- Writing back. --- */

/* Write a page down: OK, or a result that leaves it dirty.  What went meanwhile is not waited for. */
static inline int32_t write_page(struct server *server, unsigned file, unsigned page, bool zeros)
{
    if (files[file].told && !calm && any(&server->random, 8) == 0)
        return any(&server->random, 2) ? VM_PAGER_ERROR : VM_PAGER_AGAIN;
    if (zeros)
        memset(stored[file][page], 0, PAGE_SIZE);
    else if (AMONG(sys_vmo_read(atomic_load(&files[file].vmo), 0, server->words, page * PAGE_SIZE,
                                PAGE_SIZE),
                   ERR_OUT_OF_RANGE, ERR_SHOULD_WAIT) != OK)
        return VM_PAGER_ERROR;
    else
        memcpy(stored[file][page], server->words, PAGE_SIZE);
    if (any(&server->random, 4) == 0)
        sys_nanosleep(0);
    return VM_PAGER_OK;
}

/* Who may say for each page how it went does; the other pager's run is ended if all of it went well. */
static inline void write_back_run(struct server *server, unsigned file,
                                  const vmo_dirty_range_t *range)
{
    unsigned first = (unsigned)(range->offset / PAGE_SIZE);
    unsigned count = (unsigned)(range->length / PAGE_SIZE);
    int32_t results[PAGES], worst = VM_PAGER_OK;

    if (op_file(file, PAGER_OP_WRITEBACK_BEGIN, first, count, (int64_t)range->options) != OK)
        return;
    if (any(&server->random, 8) == 0)   /* the disk did not want it: another time */
        return;
    for (unsigned i = 0; i < count; i++) {
        results[i] = write_page(server, file, first + i, range->options == VMO_DIRTY_RANGE_IS_ZERO);
        worst = results[i] ? results[i] : worst;
    }
    if (any(&server->random, 2))        /* the disk takes its time, and others go on writing */
        sys_nanosleep(after(any(&server->random, 500000)));
    if (files[file].told)
        op_file(file, PAGER_OP_WRITEBACK_END, first, count, (int64_t)(uintptr_t)results);
    else if (worst == VM_PAGER_OK)
        op_file(file, PAGER_OP_WRITEBACK_END, first, count, 0);
}

/* The number of dirty runs that there were. */
static inline size_t write_back(struct server *server, unsigned file, unsigned first,
                                unsigned count)
{
    vmo_dirty_range_t ranges[PAGES];
    size_t found = 0;

    if (AMONG(sys_pager_query_dirty_ranges(pager_of(file), atomic_load(&files[file].vmo),
                                           first * PAGE_SIZE, count * PAGE_SIZE, ranges,
                                           sizeof ranges, &found, NULL),
              ERR_OUT_OF_RANGE) != OK)
        return 0;
    for (size_t i = 0; i < found && !wrong.line; i++)
        write_back_run(server, file, &ranges[i]);
    return found;
}

/* --- Threads. --- */

static inline void serve_file(struct server *server, const port_packet_t *packet)
{
    unsigned file = (unsigned)packet->key, generation = (unsigned)(packet->key >> 32);
    uint64_t first = packet->page_request.offset / PAGE_SIZE;
    uint64_t count = packet->page_request.length / PAGE_SIZE;

    if (packet->page_request.command == PAGER_VMO_COMPLETE) {
        EXPECT(atomic_fetch_add(&files[file].completes, 1) == generation, generation);
        return;
    }
    EXPECT(count > 0 && first < PAGES && count <= PAGES - first, (int64_t)first);
    if (any(&server->random, 4) == 0)
        sys_nanosleep(after(any(&server->random, 1000000)));
    lock(&files[file].lock);
    if (generation != files[file].generation || wrong.line)
        ;
    else if (packet->page_request.command == PAGER_VMO_WRITEBACK)
        write_back(server, file, (unsigned)first, (unsigned)count);
    else
        answer_request(server, file, packet->page_request.command == PAGER_VMO_READ,
                       (unsigned)first, (unsigned)count);
    unlock(&files[file].lock);
}

/* Memory is short. */
static inline void evict(struct server *server)
{
    uint64_t pages = 0;

    GOOD(sys_system_reclaim(system_handle(), 1 + any(&server->random, 32), &pages));
    evicted += pages;
}

static inline void write_run(void *argument)
{
    struct server *server = argument;

    while (!pagers_stopping) {
        unsigned file = any(&server->random, FILES), first = any(&server->random, PAGES);
        unsigned count = 1 + any(&server->random, PAGES - first);

        lock(&files[file].lock);
        if (!any(&server->random, 4))
            answer_range(server, file, !files[file].trap || any(&server->random, 2), first, count);
        write_back(server, file, first, count);
        unlock(&files[file].lock);
        if (any(&server->random, 8) == 0)
            evict(server);
        sys_nanosleep(after(any(&server->random, 1000000)));
        server->steps++;
    }
}
