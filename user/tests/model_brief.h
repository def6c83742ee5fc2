/*
 * model_brief.h: a VMO that lives for some milliseconds, with a pager of its own, whose service ends in place of an answer.
 *
 * One thread uses it and knows what it wrote: until the service ends it sees just that, afterwards what was written is kept.
 */
#pragma once

#include "model_pager.h"

enum { BRIEF_KEY = 100, BRIEF_PAGES = 8 };

static struct {
    struct lock lock;
    _Atomic(handle_t) vmo, pager;
    unsigned generation;
    atomic_bool ending;                 /* said before it is done, */
    atomic_bool detached, closed;       /* afterwards */
    atomic_uint completed;              /* the generation */
} brief;

/* --- The pager's side. --- */

static inline uint64_t brief_word(unsigned generation, unsigned page)
{
    return (uint64_t)BRIEF_KEY << 56 | (uint64_t)page << 32 | generation;
}

static inline void end_brief(bool detach)
{
    atomic_store(&brief.ending, true);
    if (detach && !atomic_load(&brief.closed)) {
        GOOD(sys_pager_detach_vmo(atomic_load(&brief.pager), atomic_load(&brief.vmo)));
        atomic_store(&brief.detached, true);
    } else if (!detach && !atomic_load(&brief.detached) && !atomic_load(&brief.closed)) {
        GOOD(sys_handle_close(atomic_load(&brief.pager)));
        atomic_store(&brief.closed, true);
    }
}

static inline void supply_brief(struct server *server, uint64_t offset, uint64_t length)
{
    for (uint64_t at = 0; at < length; at += PAGE_SIZE) {
        for (unsigned i = 0; i < WORDS; i++)
            server->words[i] = brief_word(brief.generation, (unsigned)((offset + at) / PAGE_SIZE));
        GOOD(sys_vmo_write(server->aux, 0, server->words, at, PAGE_SIZE));
    }
    AMONG(sys_pager_supply_pages(atomic_load(&brief.pager), atomic_load(&brief.vmo), offset, length,
                                 server->aux, 0),
          ERR_BAD_STATE, ERR_BAD_HANDLE);
    if (atomic_load(&brief.closed))     /* and aux was not even looked at */
        GOOD(sys_vmo_op_range(server->aux, VMO_OP_DECOMMIT, 0, length, NULL, 0));
}

static inline void serve_brief(struct server *server, const port_packet_t *packet)
{
    uint64_t offset = packet->page_request.offset, length = packet->page_request.length;
    unsigned generation = (unsigned)(packet->key >> 32), how = any(&server->random, 16);
    bool read = packet->page_request.command == PAGER_VMO_READ;

    if (packet->page_request.command == PAGER_VMO_COMPLETE) {
        atomic_store(&brief.completed, generation);
        return;
    }
    lock(&brief.lock);
    if (generation == brief.generation && atomic_load(&brief.vmo) != HANDLE_INVALID) {
        if (how < 2)
            end_brief(how == 0);
        if (how == 2)
            AMONG(sys_pager_op_range(atomic_load(&brief.pager), PAGER_OP_FAIL,
                                     atomic_load(&brief.vmo), offset, length,
                                     (uint64_t)(int64_t)ERR_IO),
                  ERR_BAD_STATE, ERR_BAD_HANDLE);
        else if (read)
            supply_brief(server, offset, length);
        else
            AMONG(sys_pager_op_range(atomic_load(&brief.pager), PAGER_OP_DIRTY,
                                     atomic_load(&brief.vmo), offset, length, 0),
                  ERR_BAD_STATE, ERR_BAD_HANDLE, ERR_NOT_FOUND);
        if (how == 3)
            end_brief(true);
    }
    unlock(&brief.lock);
}

/* --- The user's side. --- */

/* What it must show: what the pager supplies, with what was written. */
static inline void check_brief(struct worker *worker, unsigned page, unsigned value)
{
    for (unsigned i = 0; i < WORDS; i++)
        EXPECT(worker->words[i] == brief_word(brief.generation, page) + ((uint64_t)value << 40),
               (int64_t)worker->words[i]);
}

static inline void use_brief(struct worker *worker, handle_t vmo, unsigned values[BRIEF_PAGES])
{
    unsigned page = any(&worker->random, BRIEF_PAGES);
    status_t status;

    if (any(&worker->random, 3) == 0) {
        for (unsigned i = 0; i < WORDS; i++)
            worker->words[i] =
                brief_word(brief.generation, page) + ((uint64_t)(values[page] + 1) << 40);
        status = sys_vmo_write(vmo, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE);
        values[page] += status == OK;
    } else {
        status = sys_vmo_read(vmo, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE);
        if (status == OK)
            check_brief(worker, page, values[page]);
    }
    EXPECT(status == OK || status == ERR_IO ||
               (status == ERR_BAD_STATE && atomic_load(&brief.ending)),
           status);
}

/* What was written is kept; what was only supplied is gone after detach. */
static inline void check_what_is_left(struct worker *worker, handle_t vmo,
                                      const unsigned values[BRIEF_PAGES])
{
    for (unsigned page = 0; page < BRIEF_PAGES; page++) {
        status_t status =
            sys_vmo_read(vmo, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE);

        EXPECT(status == OK || (status == ERR_BAD_STATE && values[page] == 0), status);
        if (status == OK)
            check_brief(worker, page, values[page]);
    }
}

static inline void begin_brief(struct worker *worker)
{
    uint32_t options = any(&worker->random, 2) ? VMO_TRAP_DIRTY : 0;
    handle_t made, vmo;

    lock(&brief.lock);
    brief.generation++;
    atomic_store(&brief.ending, false);
    atomic_store(&brief.detached, false);
    atomic_store(&brief.closed, false);
    GOOD(sys_pager_create(0, &made));
    GOOD(sys_pager_create_vmo(made, options, port, file_key(BRIEF_KEY, brief.generation),
                              BRIEF_PAGES * PAGE_SIZE, &vmo));
    atomic_store(&brief.pager, made);
    atomic_store(&brief.vmo, vmo);
    unlock(&brief.lock);
}

static inline void live_briefly(struct worker *worker)
{
    unsigned values[BRIEF_PAGES] = { 0 };

    begin_brief(worker);
    handle_t vmo = atomic_load(&brief.vmo);
    for (unsigned i = any(&worker->random, 24); i > 0; i--)
        use_brief(worker, vmo, values);
    lock(&brief.lock);
    end_brief(true);
    check_what_is_left(worker, vmo, values);
    atomic_store(&brief.vmo, HANDLE_INVALID);
    GOOD(sys_handle_close(vmo));
    unlock(&brief.lock);
    while (!atomic_load(&brief.closed) && atomic_load(&brief.completed) != brief.generation &&
           !wrong.line)
        sys_nanosleep(after(100000));
    if (!atomic_load(&brief.closed))
        GOOD(sys_handle_close(atomic_load(&brief.pager)));
}
