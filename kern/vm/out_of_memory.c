/*
 * out_of_memory.c: whose memory is taken when there is none left.
 *
 * A call that asks for memory can be refused, a page fault cannot.  When page-out has failed the process with most memory of its own
 * dies: anonymous pages in its mappings that nobody shares, on backing store or not, and VMOs that only handles keep.  The first process, on
 * which all others depend, and processes whose pagers have VMOs, on which others may depend, are taken last.
 *
 * Locks: one at a time; it looks at each process by itself.
 */
#include "task/process.h"
#include "lib/kprintf.h"
#include "vm/aspace.h"
#include "vm/reclaim.h"
#include "vm/user_source.h"
#include "vm/vmo_pages.h"

#define REST 10000000                   /* nanoseconds until the next look at a process that is dying */

/* Pages in [first, end) that no other VMO has. */
static uint64_t count_own(struct vmo *vmo, uint64_t first, uint64_t end)
{
    uint64_t own = 0;

    vmo_lock(vmo);
    for (uint64_t count; first < end && !vmo->ops; first += count) {
        slot_t slot = vmo_slot(vmo, first, end, &count);

        own += slot_kind(slot) == SLOT_BLOCK || (slot_page(slot) && slot_page(slot)->shares == 1);
    }
    vmo_unlock(vmo);
    return own;
}

static uint64_t own_pages(struct process *process)
{
    uint64_t own = 0;
    struct object *object;
    struct vmo *vmo;
    info_map_t map;

    for (uint64_t address = 0; aspace_describe(process->aspace, address, &map, &vmo); address = map.base + map.length) {
        struct vmo *target = vmo;
        uint64_t offset = map.vmo_offset;

        if (vmo_locate(&target, &offset, 0) == OK)
            own += count_own(target, offset >> PAGE_SHIFT, (offset + map.length) >> PAGE_SHIFT);
        object_unref(&vmo->object);
    }
    for (uint32_t index = 0; (object = handle_table_next(process->handles, &index)); object_unref(object)) {
        if (object->ops != &vmo_ops)
            continue;
        vmo = vmo_target(vmo_from_object(object));
        if (vmo->mappings == 0)
            own += count_own(vmo, 0, vmo->size >> PAGE_SHIFT);
    }
    return own;
}

/* The next process that lives, from *koid on, with a reference; NULL. */
static struct process *next_living(uint64_t *koid)
{
    struct object *object;

    while ((object = process_next(NULL, *koid + 1))) {
        struct process *process = process_from_object(object);

        *koid = object->koid;
        if (process->started && !process->exited)
            return process;
        object_unref(object);
    }
    return NULL;
}

/* A reference, and how many pages it has; NULL. */
static struct process *choose(uint64_t *out_pages)
{
    struct process *chosen = NULL, *process;
    uint64_t koid = 0, best = 0;
    bool first = true;

    while ((process = next_living(&koid))) {
        uint64_t pages = own_pages(process);
        /* Twice more than the greatest number of pages stands between those who are spared and the others. */
        uint64_t rank = pages + (first ? 0 : user_source_any_of(koid) ? 1ul << 60 : 2ul << 60);

        first = false;
        if (pages > 0 && rank > best) {
            if (chosen)
                object_unref(&chosen->object);
            chosen = process;
            best = rank;
            *out_pages = pages;
        } else {
            object_unref(&process->object);
        }
    }
    return chosen;
}

bool out_of_memory_kill(void)
{
    struct process *process;
    bool others;
    uint64_t koid = 0, pages;
    char name[32];

    if (thread_killed())
        return false;
    while ((process = next_living(&koid))) {
        bool dying = process->exiting;

        object_unref(&process->object);
        if (dying) {                    /* its end gives frames, and tells nobody */
            thread_park_until(arch_time() + REST);
            return !thread_killed();
        }
    }
    process = choose(&pages);
    if (!process)
        return false;
    object_get_name(&process->object, name);
    if (process_kill(process, EXIT_CODE_KILLED, true))
        kprintf("quire: out of memory: process %lu (%s), which has most (%lu KiB), is killed\n",
                process->object.koid, name, pages * (PAGE_SIZE / 1024));
    others = process != current_process();
    object_unref(&process->object);
    return others;
}
