/*
 * model_users.h: the users of page_model.h's VMOs, and what each of them does at random.  They may be killed at any moment.
 */
#pragma once

#include "model_brief.h"

#define WINDOW     0x2900000000ul
#define FOREIGN    0x7777777777777777ull

/* What a user has besides; it outlives the thread. */
static struct user {
    handle_t copy;                      /* where the kernel copies mapped pages to */
    _Atomic(handle_t) child;
    atomic_uint lives;
    uint64_t again[WORDS];
} users[USERS];

/* --- Windows: each user maps each file, what goes included if it is there just now. --- */

static uintptr_t window(unsigned user, unsigned file)
{
    return WINDOW + (user * FILES + file) * PAGES * PAGE_SIZE;
}

static inline void open_window(unsigned user, unsigned file)
{
    uintptr_t at = window(user, file);
    handle_t vmo = atomic_load(&files[file].vmo);

    if (AMONG(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, at, vmo, 0, PAGES * PAGE_SIZE, &at),
              ERR_OUT_OF_RANGE) != OK)
        GOOD(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, at, vmo, 0, HEAD * PAGE_SIZE, &at));
}

static inline void close_window(unsigned user, unsigned file)
{
    AMONG(sys_vm_unmap(process_self(), window(user, file), PAGES * PAGE_SIZE), ERR_NOT_FOUND);
}

/* --- The users. --- */

/* What a call on such a page may answer. */
static inline status_t expect_file(int line, unsigned file, unsigned page, status_t status)
{
    bool refused = file == FILE_NOISY && !calm && (status == ERR_IO || status == ERR_NO_SPACE);

    if (status != OK && !refused && !(status == ERR_OUT_OF_RANGE && may_go(file, page)))
        note(line, status);
    return status;
}
#define ON_FILE(file, page, call) expect_file(__LINE__, file, page, call)

static inline void read_pages(struct worker *worker, unsigned file, unsigned page)
{
    unsigned count = 1 + any(&worker->random, PAGES - page < 4 ? PAGES - page : 4);
    bool may_block = any(&worker->random, 4);
    struct view views[4];

    for (unsigned i = 0; i < count; i++)
        view_now(&views[i], file, page + i);
    status_t status = sys_vmo_read(atomic_load(&files[file].vmo), may_block ? VMO_MAY_BLOCK : 0,
                                   worker->words, page * PAGE_SIZE, count * PAGE_SIZE);

    if (!may_block && status == ERR_SHOULD_WAIT)
        return;
    if (ON_FILE(file, page + count - 1, status) != OK)
        return;
    for (unsigned i = 0; i < count; i++)
        check_model(worker->words + i * WORDS, file, page + i, &views[i], true, RUNS);
}

/* The run of a page that this user may write: by calls, by stores. */
static inline unsigned own_run(const struct worker *worker, bool stores)
{
    return worker->number * 2 + stores;
}

static inline void write_run_of(struct worker *worker, handle_t vmo, unsigned file, unsigned page)
{
    unsigned run = own_run(worker, false), version = version_start(file, page, run);

    fill_run(worker->words, file, page, run, version);
    status_t status = sys_vmo_write(vmo, VMO_MAY_BLOCK, worker->words,
                                    page * PAGE_SIZE + run * run_words(file) * 8,
                                    run_words(file) * 8);
    if (ON_FILE(file, page, status) == OK)
        version_complete(file, page, run, version);
}

/* One to four pages that are this user's alone, in one call: which is done page by page. */
static inline void write_whole_pages(struct worker *worker)
{
    unsigned skip = any(&worker->random, WHOLE_PAGES);
    unsigned count = 1 + any(&worker->random, WHOLE_PAGES - skip);
    unsigned page = worker->number * WHOLE_PAGES + skip, version[WHOLE_PAGES];

    for (unsigned i = 0; i < count; i++) {
        version[i] = version_start(FILE_WHOLE, page + i, 0);
        fill_run(worker->words + i * WORDS, FILE_WHOLE, page + i, 0, version[i]);
    }
    if (GOOD(sys_vmo_write(atomic_load(&files[FILE_WHOLE].vmo), VMO_MAY_BLOCK, worker->words,
                           page * PAGE_SIZE, count * PAGE_SIZE)) == OK)
        for (unsigned i = 0; i < count; i++)
            version_complete(FILE_WHOLE, page + i, 0, version[i]);
}

static inline void write_pages(struct worker *worker, unsigned file, unsigned page)
{
    if (file == FILE_WHOLE)
        write_whole_pages(worker);
    else
        write_run_of(worker, atomic_load(&files[file].vmo), file, page);
}

/* Loads of our own, where nothing can be refused. */
static inline void load_page(struct worker *worker, unsigned file, unsigned page)
{
    const volatile uint64_t *from = (const void *)(window(worker->number, file) + page * PAGE_SIZE);
    struct view view;

    view_now(&view, file, page);
    for (unsigned i = 0; i < WORDS; i++)
        worker->words[i] = from[i];
    check_model(worker->words, file, page, &view, false, RUNS);
}

static inline void store_run(struct worker *worker, unsigned file, unsigned page)
{
    unsigned run = own_run(worker, true), version = version_start(file, page, run);
    volatile uint64_t *to = (void *)(window(worker->number, file) + page * PAGE_SIZE);

    fill_run(worker->words, file, page, run, version);
    for (unsigned i = 0; i < run_words(file); i++)
        to[run * run_words(file) + i] = worker->words[i];
    version_complete(file, page, run, version);
}

/* The kernel touches the mapping, so that a page that cannot be had is a status: INVALID_ARGS. */
static inline void touch_page(struct worker *worker, unsigned file, unsigned page)
{
    handle_t copy = users[worker->number].copy;
    struct view view;

    view_now(&view, file, page);
    status_t status =
        sys_vmo_write(copy, 0, (void *)(window(worker->number, file) + page * PAGE_SIZE), 0,
                      PAGE_SIZE);

    if (status != OK) {
        EXPECT(status == ERR_INVALID_ARGS && (may_go(file, page) || file == FILE_NOISY), status);
        return;
    }
    GOOD(sys_vmo_read(copy, 0, worker->words, 0, PAGE_SIZE));
    check_model(worker->words, file, page, &view, false, RUNS);
}

static inline void use_mapping(struct worker *worker, unsigned file, unsigned page)
{
    unsigned how = any(&worker->random, 8);

    if (how == 0) {
        close_window(worker->number, file);
        open_window(worker->number, file);
    }
    if (file == FILE_NOISY || may_go(file, page) || how < 2)
        touch_page(worker, file, page);
    else if (file == FILE_WHOLE || how < 5)
        load_page(worker, file, page);
    else
        store_run(worker, file, page);
}

/* A page that was written through a clone is frozen: nothing of it changes but by the clone. */
static inline void use_written_clone(struct worker *worker, handle_t clone, unsigned file,
                                     unsigned page)
{
    unsigned first = own_run(worker, false) * (WORDS / RUNS);
    uint64_t *again = users[worker->number].again;
    struct view view;

    for (unsigned i = 0; i < WORDS / RUNS; i++)
        worker->words[i] = FOREIGN + i;
    view_now(&view, file, page);
    status_t status = sys_vmo_write(clone, VMO_MAY_BLOCK, worker->words,
                                    page * PAGE_SIZE + first * 8, PAGE_SIZE / RUNS);
    if (ON_FILE(file, page, status) != OK)
        return;
    GOOD(sys_vmo_read(clone, 0, worker->words, page * PAGE_SIZE, PAGE_SIZE));
    GOOD(sys_vmo_read(clone, 0, again, page * PAGE_SIZE, PAGE_SIZE));
    EXPECT(memcmp(worker->words, again, PAGE_SIZE) == 0, page);
    for (unsigned i = 0; i < WORDS / RUNS; i++)
        EXPECT(again[first + i] == FOREIGN + i, (int64_t)again[first + i]);
    if (file != FILE_WHOLE)
        check_model(worker->words, file, page, &view, true, own_run(worker, false));
}

static inline void close_child(struct user *user)
{
    handle_t child = atomic_exchange(&user->child, HANDLE_INVALID);

    if (child != HANDLE_INVALID)
        GOOD(sys_handle_close(child));
}

/* A copy of it, or a window on it. */
static inline void use_child(struct worker *worker, unsigned file, unsigned page)
{
    struct user *user = &users[worker->number];
    uint32_t kind = file == FILE_FIXED && any(&worker->random, 2) ? VMO_CHILD_SLICE : ON_WRITE;
    handle_t child;
    struct view view;

    page %= HEAD;
    if (GOOD(sys_vmo_create_child(atomic_load(&files[file].vmo), kind, 0, HEAD * PAGE_SIZE,
                                  &child)) != OK)
        return;
    atomic_store(&user->child, child);
    view_now(&view, file, page);
    status_t status = sys_vmo_read(child, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE);
    if (ON_FILE(file, page, status) == OK)
        check_model(worker->words, file, page, &view, true, RUNS);
    if (kind == VMO_CHILD_SLICE)
        write_run_of(worker, child, file, page);
    else
        use_written_clone(worker, child, file, page);
    close_child(user);
}

static inline void hint(struct worker *worker, unsigned file, unsigned page)
{
    static const uint32_t hints[] = { VMO_OP_COMMIT, VMO_OP_PREFETCH, VMO_OP_ALWAYS_NEED,
                                      VMO_OP_DONT_NEED };
    uint32_t op = hints[any(&worker->random, array_size(hints))];
    unsigned count = 1 + any(&worker->random, PAGES - page);
    status_t status = sys_vmo_op_range(atomic_load(&files[file].vmo), op | VMO_OP_MAY_BLOCK,
                                       page * PAGE_SIZE, count * PAGE_SIZE, NULL, 0);

    ON_FILE(file, page + count - 1, status);
}

/* Whatever comes of it: somebody else's VMO, whose service may have ended. */
static inline void peek(struct worker *worker)
{
    status_t status = sys_vmo_read(atomic_load(&brief.vmo), VMO_MAY_BLOCK, worker->words,
                                   any(&worker->random, BRIEF_PAGES) * PAGE_SIZE, PAGE_SIZE);

    AMONG(status, ERR_BAD_STATE, ERR_BAD_HANDLE, ERR_IO, ERR_OUT_OF_RANGE);
    if (status == OK)
        EXPECT(worker->words[0] >> 56 == BRIEF_KEY && worker->words[0] == worker->words[WORDS - 1],
               (int64_t)worker->words[0]);
}

static inline void use(struct worker *worker)
{
    unsigned file = any(&worker->random, FILES), page = any(&worker->random, PAGES);

    switch (any(&worker->random, 16)) {
    case 0 ... 3:
        read_pages(worker, file, page);
        break;
    case 4 ... 7:
        write_pages(worker, file, page);
        break;
    case 8 ... 12:
        use_mapping(worker, file, page);
        break;
    case 13:
        use_child(worker, file, page);
        break;
    case 14:
        hint(worker, file, page);
        break;
    case 15:
        peek(worker);
        break;
    }
}
