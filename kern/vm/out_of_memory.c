/*
 * out_of_memory.c: whose memory is taken when there is none left.
 *
 * A call that asks for memory can be refused, a page fault cannot.  When page-out has failed the process with most memory of its own
 * dies: anonymous pages in its mappings that nobody shares, on backing store or not, and VMOs that only handles keep; not what it may
 * only read (the boot archive).  Processes whose pagers have VMOs, on which others may depend, are taken last, after them only the first
 * process and those that it made (init), on which all depend.
 *
 * Locks: one at a time; it looks at each process by itself.
 */
#include "task/process.h"
#include "lib/kprintf.h"
#include "vm/aspace.h"
#include "vm/pager.h"
#include "vm/reclaim.h"
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

        if ((map.allowed & VM_WRITE) && vmo_locate(&target, &offset, 0) == OK)
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
    uint64_t koid = 0, best = 0, first = 0;

    while ((process = next_living(&koid))) {
        first = first ? first : koid;
        uint64_t pages = own_pages(process), rank = pages;

        /* More than the greatest number of pages stands between those who are spared and the others. */
        if (koid != first && process->object.related_koid != first)
            rank += user_source_any_of(koid) ? 1ul << 60 : 2ul << 60;

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

/* Is one dying, whose end will give frames and tell nobody? */
static bool any_is_dying(void)
{
    struct process *process;
    uint64_t koid = 0;
    bool dying = false;

    while (!dying && (process = next_living(&koid))) {
        dying = process->exiting;
        object_unref(&process->object);
    }
    return dying;
}

/* To choose takes long: what others did meanwhile is looked at after it, and frames after the processes that gave them. */
bool out_of_memory_kill(void)
{
    bool others = true;
    uint64_t pages;
    char name[32];

    if (thread_killed())
        return false;
    struct process *process = choose(&pages);

    if (!process)
        return false;
    if (any_is_dying()) {
        thread_park_until(arch_time() + REST);
        others = !thread_killed();
    } else if (frame_free_count() < frame_low) {
        object_get_name(&process->object, name);
        if (process_kill(process, EXIT_CODE_KILLED, true))
            kprintf("quire: out of memory: process %lu (%s), which has most (%lu KiB), is killed\n",
                    process->object.koid, name, pages * (PAGE_SIZE / 1024));
        others = process != current_process();
    }
    object_unref(&process->object);
    return others;
}
