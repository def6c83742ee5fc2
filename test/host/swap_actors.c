/*
 * swap_actors.c: threads that use VMOs whose pages come and go.
 *
 * An actor does some things to one VMO, directly and through a mapping, and knows what it must see.  Unless threads are overtaken, what an
 * operation does it does just before it returns, so the model can be changed then; otherwise the VMO has one actor.
 */
#include "swap_world.h"
#include "vm/aspace.h"

struct model swap_models[VMOS];
struct actor swap_actors[ACTORS];
struct vmo *swap_root;
bool swap_overtaken, swap_short;

static uint64_t last_serial;

uint64_t root_word(uint64_t index) { return 0x5157000000000001ull + index * 0x10000; }

struct model *new_model(void)
{
    for (uint32_t i = 0; i < VMOS; i++) {
        if (swap_models[i].taken)
            continue;
        swap_models[i] = (struct model){ .taken = true, .serial = ++last_serial };
        return &swap_models[i];
    }
    return NULL;
}

struct model *pick_model(bool to_use)
{
    uint32_t from = (uint32_t)choose(VMOS);

    for (uint32_t i = 0; i < VMOS; i++) {
        struct model *model = &swap_models[(from + i) % VMOS];

        if (model->vmo && (to_use ? !swap_overtaken || model->users == 0 : model->users == 0))
            return model;
    }
    return NULL;
}

/* --- What may be said. --- */

static void begin(struct actor *actor, uint64_t first, uint64_t count)
{
    actor->read_errors = disk_errors[SWAP_IN] - disk_failing;
    actor->resizes = actor->model->resizes;
    actor->was_outside = !range_inside(first, count, actor->model->pages);
}

/* A status that nothing explains is an error; was the operation done? */
static bool done(struct actor *actor, const char *what, uint64_t first, uint64_t count, status_t status)
{
    const struct model *model = actor->model;
    bool outside = !range_inside(first, count, model->pages), root = false, explained = false;

    step("actor %u: %s %lu + %lu of vmo %lu: %d", actor->slot, what, first, count, model->serial, status);
    for (uint64_t i = first; i < min_u64(first + count, PAGES); i++)
        root |= model->cells[i].state != KNOWN;
    switch (status) {
    case OK:
        explained = !outside || model->resizes != actor->resizes;
        break;
    case ERR_OUT_OF_RANGE:
        explained = outside || actor->was_outside || model->resizes != actor->resizes;
        break;
    case ERR_NO_MEMORY:
        explained = swap_short;
        break;
    case ERR_IO:
        explained = disk_errors[SWAP_IN] > actor->read_errors;
        break;
    case ERR_CANCELED:
        explained = thread_killed();
        break;
    case ERR_SHOULD_WAIT:
        explained = model->clone && root;       /* what the pager should give */
        break;
    default:
        break;
    }
    if (!explained)
        fail("actor %u: %s says %d without a reason", actor->slot, what, status);
    return status == OK;
}

static uint64_t choose_page(const struct model *model)
{
    return one_in(20) ? choose(PAGES + 1) : choose(max_u64(one_in(3) ? min_u64(model->pages, 4) : model->pages, 1));
}

static uint64_t choose_count(uint64_t first) { return choose_between(1, one_in(3) ? PAGES - min_u64(first, PAGES - 1) : 3); }

static uint64_t *window_of(struct actor *actor) { return (uint64_t *)(window + 0x80000 + actor->slot * 0x8000); }
static uaddr_t address_of(struct actor *actor) { return WINDOW_BASE + 0x80000 + actor->slot * 0x8000; }

static void check_word(struct model *model, uint64_t index, uint64_t found)
{
    struct cell *cell = &model->cells[index];
    uint64_t expected = cell->state == ROOTS ? root_word(model->first + index) : cell->word;

    if (cell->state == UNKNOWN)
        *cell = (struct cell){ KNOWN, found };
    else if (found != expected)
        fail("page %lu of vmo %lu shows 0x%lx, not 0x%lx", index, model->serial, found, expected);
}

/* --- Words. --- */

static void read_word(struct actor *actor)
{
    uint64_t page = choose_page(actor->model), copied;

    begin(actor, page, 1);
    if (done(actor, "read", page, 1, vmo_copy(actor->model->vmo, (page << PAGE_SHIFT) + WORD, address_of(actor), 8,
                                              VMO_TO_USER, false, &copied)))
        check_word(actor->model, page, *window_of(actor));
}

static bool write_page(struct actor *actor, uint64_t page, uint64_t value)
{
    uint64_t copied;

    *window_of(actor) = value;
    begin(actor, page, 1);
    status_t status = vmo_copy(actor->model->vmo, (page << PAGE_SHIFT) + WORD, address_of(actor), 8, VMO_FROM_USER, false,
                               &copied);

    if (copied > 0)                             /* it may be killed just afterwards */
        actor->model->cells[page] = (struct cell){ KNOWN, value };
    return done(actor, "write", page, 1, status);
}

static void write_word(struct actor *actor)
{
    write_page(actor, choose_page(actor->model), choose(UINT64_MAX) | 1);
}

/* Through the mapping: a byte. */
static void access_byte(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t page = choose_page(model);
    bool write = one_in(2);
    uint8_t byte = (uint8_t)choose(256);

    if (page >= actor->mapped_pages || model->cells[page].state != KNOWN)
        return;
    begin(actor, page, 1);
    if (!done(actor, write ? "store" : "load", page, 1,
              user_access(actor->mapped + (page << PAGE_SHIFT) + WORD, write, &byte)))
        return;
    uint8_t *word = (uint8_t *)&model->cells[page].word;

    if (write)
        *word = byte;
    else
        check_equal(byte, *word);
}

/* --- Ranges. --- */

static void known_zero(struct model *model, uint64_t first, uint64_t end)
{
    for (; first < end; first++)
        model->cells[first] = (struct cell){ KNOWN, 0 };
}

static void zero_range(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t first = choose_page(model), count = choose_count(first), copied = one_in(4);

    if (copied) {                               /* a part of a page, the word in it */
        begin(actor, first, 1);
        if (done(actor, "zero a part of", first, 1, vmo_zero(model->vmo, first << PAGE_SHIFT, 100, false)))
            known_zero(model, first, first + 1);
        return;
    }
    begin(actor, first, count);
    status_t status = vmo_zero(model->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT, false);

    if (done(actor, "zero", first, count, status))
        known_zero(model, first, first + count);
    for (uint64_t i = first; status == ERR_NO_MEMORY && i < min_u64(first + count, PAGES); i++)
        model->cells[i].state = UNKNOWN;
}

static void decommit_range(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t first = choose_page(model), count = choose_count(first);

    begin(actor, first, count);
    status_t status = vmo_decommit(model->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT);

    if (model->clone)
        check(status == ERR_NOT_SUPPORTED || (status == ERR_OUT_OF_RANGE && actor->was_outside));
    else if (done(actor, "decommit", first, count, status))
        known_zero(model, first, first + count);
}

static void commit_range(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t first = choose_page(model), count = choose_count(first);

    begin(actor, first, count);
    done(actor, "commit", first, count, vmo_commit(model->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT,
                                                   one_in(3) ? WANT_READ : WANT_WRITE, false));
}

static void set_size(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t pages = one_in(2) ? PAGES : choose(PAGES + 1);

    begin(actor, 0, 0);
    if (!done(actor, "set size", 0, pages, ((model->resizes++, vmo_set_size(model->vmo, pages << PAGE_SHIFT)))))
        return;
    model->resizes++;
    model->pages = pages;
    known_zero(model, pages, PAGES);
}

/* --- Children. --- */

static void make_snapshot(struct actor *actor)
{
    struct model *parent = actor->model, *child = new_model();
    uint64_t first = one_in(2) ? 0 : choose(PAGES), pages = one_in(2) ? PAGES : choose_between(1, PAGES);
    uint32_t kind = parent->clone || one_in(2) ? VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE : VMO_CHILD_SNAPSHOT;
    struct vmo *vmo;

    if (!child)
        return;
    begin(actor, 0, 0);
    if (!done(actor, "make a snapshot of", 0, 0, vmo_create_child(parent->vmo, kind | VMO_CHILD_RESIZABLE, first << PAGE_SHIFT,
                                                                  pages << PAGE_SHIFT, &vmo))) {
        child->taken = false;
        return;
    }
    child->vmo = vmo;
    child->pages = pages;
    child->clone = parent->clone;
    child->first = parent->first + first;
    for (uint64_t i = 0; i < pages && first + i < parent->pages; i++)
        child->cells[i] = parent->cells[first + i];
    step("  it is vmo %lu", child->serial);
    remember_family(vmo);
}

/* --- Transfers of a device. --- */

static bool may_lack(const struct model *model, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        if (model->cells[i].state != KNOWN || model->cells[i].word == 0)
            return true;
    return false;
}

static void fill_page(struct model *model, uint64_t index, struct page *page)
{
    model->cells[index] = (struct cell){ KNOWN, choose(UINT64_MAX) | 1 };
    memcpy((char *)page_to_virt(page) + WORD, &model->cells[index].word, 8);
}

static void lend(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t first = choose_page(model), count = choose_between(1, 4);
    bool into_memory = one_in(2), broken = one_in(3);
    struct vmo_transfer transfer;

    begin(actor, first, count);
    status_t status = vmo_transfer_begin(model->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT, into_memory, &transfer);

    if (status == ERR_BAD_STATE) {
        check(swap_overtaken || model->vmo->family->busy > 0);
    } else if (status == ERR_NOT_SUPPORTED) {
        check(into_memory && model->clone);
    } else if (status == ERR_NOT_FOUND) {
        check(!into_memory && may_lack(model, first, count));
    } else if (done(actor, into_memory ? "fill" : "copy out", first, count, status)) {
        for (uint64_t times = choose(4); times > 0; times--)
            sched_yield();
        for (uint64_t i = 0; i < count && into_memory && !broken; i++)
            fill_page(model, first + i, transfer.pages[i]);
        disk_errors[SWAP_IN] += broken;         /* who waits for the pages that were to be filled hears of it too */
        disk_failing += broken;
        end_transfer(&transfer, broken ? ERR_IO : OK);
        disk_failing -= broken;
    }
}

/* Its pages move to the root, with what the root's pages hold. */
static void supply(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t from = choose(PAGES), count = choose_between(1, 5), first = choose(ROOT_PAGES - 5);

    if (!swap_overtaken || model->clone || !range_inside(from, count, model->pages))
        return;
    for (uint64_t i = 0; i < count; i++)
        if (!write_page(actor, from + i, root_word(first + i)))
            return;
    for (uint64_t times = choose(6); times > 0; times--)
        sched_yield();
    begin(actor, from, count);
    status_t status = supply_pages(swap_root, first << PAGE_SHIFT, count << PAGE_SHIFT, model->vmo, from << PAGE_SHIFT);

    if (status == ERR_BAD_STATE)
        check(swap_overtaken || model->vmo->family->busy > 0);
    else if (done(actor, "supply", from, count, status))
        known_zero(model, from, from + count);
    for (uint64_t i = from; status != OK && status != ERR_BAD_STATE && i < from + count; i++)
        model->cells[i].state = UNKNOWN;
}

static void read_root(struct actor *actor)
{
    uint64_t page = choose(ROOT_PAGES), copied;
    status_t status = vmo_copy(swap_root, (page << PAGE_SHIFT) + WORD, address_of(actor), 8, VMO_TO_USER, false, &copied);

    if (status == OK)
        check_equal(*window_of(actor), root_word(page));
    else
        check(status == ERR_SHOULD_WAIT || (status == ERR_CANCELED && thread_killed()));
}

/* --- Actors. --- */

static void act(struct actor *actor)
{
    static void (*const operations[])(struct actor *) = {
        read_word, read_word, read_word, write_word, write_word, write_word, access_byte, access_byte, access_byte, access_byte,
        access_byte, access_byte, zero_range, decommit_range, commit_range, commit_range, set_size, make_snapshot, make_snapshot,
        lend, lend, supply, read_root,
    };

    operations[choose(array_size(operations))](actor);
}

static void actor_body(void *argument)
{
    struct actor *actor = argument;

    while (actor->left-- > 0 && !thread_killed()) {
        act(actor);
        if (one_in(2))
            sched_yield();
    }
    actor->done = true;
    return_to_user();
}

void start_user(void)
{
    struct actor *actor = &swap_actors[choose(ACTORS)];
    struct model *model = pick_model(true);

    if (actor->thread || !model)
        return;
    *actor = (struct actor){ .model = model, .left = (uint32_t)choose_between(1, 12), .slot = (uint32_t)(actor - swap_actors) };
    if (process_create("actor", NULL, &actor->process) != OK) {
        check(swap_short);
        return;
    }
    if (model->pages > 0 && aspace_map(actor->process->aspace, VM_READ | VM_WRITE | (one_in(2) ? VM_MAP_RANGE : 0),
                                       VM_READ | VM_WRITE, 0, model->vmo, 0, model->pages << PAGE_SHIFT, &actor->mapped) == OK)
        actor->mapped_pages = model->pages;
    actor->thread = spawn(actor->process, actor_body, actor);
    if (!actor->thread) {
        check(swap_short);
        aspace_clear(actor->process->aspace);
        object_unref(&actor->process->object);
        return;
    }
    model->users++;
    step("actor %u uses vmo %lu", actor->slot, model->serial);
}

void kill_user(void)
{
    struct actor *actor = &swap_actors[choose(ACTORS)];

    if (!actor->thread)
        return;
    step("kill actor %u", actor->slot);
    if (one_in(2))
        thread_kill(actor->thread);
    else
        process_kill(actor->process, -1, true);
}

void reap_users(void)
{
    for (uint32_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &swap_actors[i];

        if (!actor->thread || !thread_ended(actor->thread))
            continue;
        object_unref(&actor->thread->object);
        object_unref(&actor->process->object);
        actor->thread = NULL;
        actor->model->users--;
    }
}

bool any_user(void)
{
    for (uint32_t i = 0; i < ACTORS; i++)
        if (swap_actors[i].thread)
            return true;
    return false;
}
