/*
 * pager_actors.c: threads that need pages.
 *
 * An actor does one thing to pages of one VMO, in a process of its own: loads, stores, reads, writes or commits.  It
 * knows what it must see, and which errors the director has given reason for.
 */
#include "pager_world.h"
#include "vm/aspace.h"

struct actor actors[ACTORS];

uint8_t content(const struct model *model, uint64_t index)
{
    return index % 5 == 3 ? 0 : (uint8_t)(model->key * 37 + index * 11 + 1) | 1;
}

void check_content(const struct model *model, uint64_t index, uint8_t found)
{
    if (found != content(model, index) && !(found == 0 && model->may_be_zero[index]))
        fail("page %lu of the VMO with key %lu shows 0x%x, not 0x%x", index, model->key, found, content(model, index));
}

/* Loads and stores go through a mapping, the others through the VMO. */
static status_t act_on_pages(struct actor *actor)
{
    struct model *model = actor->model;
    uint64_t at = 0x80000 + actor->slot * 0x8000, length = actor->count << PAGE_SHIFT, done = 0;
    uint8_t value = content(model, actor->first);
    status_t status;

    switch (actor->action) {
    case LOAD:
    case STORE:
        status = user_access(actor->mapped + (actor->first << PAGE_SHIFT) + 5, actor->action == STORE, &value);
        if (status == OK)
            check_content(model, actor->first, value);
        return status;
    case READ:
        status = vmo_copy(model->vmo, actor->first << PAGE_SHIFT, WINDOW_BASE + at, length, VMO_TO_USER, true, &done);
        for (uint64_t i = 0; i < done >> PAGE_SHIFT; i++)
            check_content(model, actor->first + i, window[at + (i << PAGE_SHIFT) + 5]);
        return status;
    case WRITE:
        for (uint64_t i = 0; i < actor->count; i++)
            window[at + i] = content(model, actor->first + i);
        for (uint64_t i = 0; i < actor->count; i++) {
            status = vmo_copy(model->vmo, ((actor->first + i) << PAGE_SHIFT) + 5, WINDOW_BASE + at + i, 1, VMO_FROM_USER, true,
                                        &done);
            if (status != OK)
                return status;
        }
        return OK;
    default:
        return vmo_commit(model->vmo, actor->first << PAGE_SHIFT, length, WANT_READ, true);
    }
}

/* A status that nothing explains is an error. */
static void check_status(const struct actor *actor)
{
    const struct model *model = actor->model;
    bool explained = actor->status == OK;

    switch (actor->status) {
    case ERR_IO:
    case ERR_IO_DATA_INTEGRITY:
    case ERR_NO_SPACE:
        explained = model->failed;
        break;
    case ERR_BAD_STATE:
        explained = model->detached;
        break;
    case ERR_OUT_OF_RANGE:
        explained = model->shrank;
        break;
    case ERR_CANCELED:
        explained = actor->killed;
        break;
    case ERR_TIMED_OUT:
        explained = model->timed_out;
        break;
    case ERR_NO_MEMORY:                         /* it overtook the director and met the failure meant for him */
        explained = overtaking;
        break;
    default:
        break;
    }
    if (!explained)
        fail("actor %u, action %u on page %lu: status %d without a reason", actor->slot, actor->action, actor->first,
             actor->status);
}

static void actor_body(void *argument)
{
    struct actor *actor = argument;

    actor->status = act_on_pages(actor);
    step("actor %u: %d", actor->slot, actor->status);
    check_status(actor);
    actor->done = true;
    return_to_user();
}

void start_actor(struct actor *actor)
{
    struct model *model = &models[choose(VMOS)];
    uint64_t pages = model->vmo->size >> PAGE_SHIFT;

    if (pages == 0)
        return;
    *actor = (struct actor){ .model = model, .action = choose(ACTIONS), .slot = (uint32_t)(actor - actors) };
    actor->first = choose(one_in(2) ? pages : min_u64(pages, 4));       /* often the same pages as others */
    actor->count = 1 + choose(min_u64(pages - actor->first, 6));
    check_equal(process_create("actor", NULL, &actor->process), OK);
    check_equal(aspace_map(actor->process->aspace, VM_READ | VM_WRITE | (one_in(2) ? VM_MAP_RANGE : 0), VM_READ | VM_WRITE,
                           0, model->vmo, 0, model->vmo->size, &actor->mapped), OK);
    step("actor %u: action %u on %lu pages from %lu of key %lu", actor->slot, actor->action, actor->count, actor->first,
         model->key);
    actor->thread = spawn(actor->process, actor_body, actor);
}

void abandon(struct model *model)
{
    memset(model->abandoned, true, sizeof model->abandoned);
}

void kill_actor(struct actor *actor)
{
    step("kill actor %u", actor->slot);
    actor->killed = true;
    abandon(actor->model);
    if (one_in(2))
        thread_kill(actor->thread);
    else
        process_kill(actor->process, -1, true);
}

void reap_actors(void)
{
    for (uint32_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &actors[i];

        if (!actor->thread || !thread_ended(actor->thread))
            continue;
        check(actor->done || actor->killed);
        object_unref(&actor->thread->object);
        object_unref(&actor->process->object);
        actor->thread = NULL;
    }
}

bool in_use(const struct model *model)
{
    for (uint32_t i = 0; i < ACTORS; i++)
        if (actors[i].thread && actors[i].model == model)
            return true;
    return false;
}
