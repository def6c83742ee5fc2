/*
 * sys_info.c: sys_object_get_info.
 *
 * A topic is one record or a list.  A list is walked with a cursor, one record at a time: it is
 * gathered in kernel memory under the locks it needs and copied out with none held, so a listing of
 * a system at work is a set of true records but not one moment's picture.
 */
#include "dev/block.h"
#include "lib/string.h"
#include "sys/helpers.h"
#include "vm/backing_store.h"
#include "vm/fault.h"
#include "vm/pager.h"
#include "vm/swap.h"

/* The object asked about, and how far the walk over a list has come (0 at first). */
struct info_query {
    struct object *object;
    rights_t rights;
    uint64_t cursor;
};

/* Fill in the record (all zero) at the cursor, or the only one, and advance; false at the end. */
typedef bool info_next(struct info_query *query, void *record);

static bool next_basic(struct info_query *query, void *record)
{
    struct object *object = query->object;

    *(info_handle_basic_t *)record = (info_handle_basic_t){
        .koid = object->koid, .related_koid = object->related_koid,
        .type = object->ops->type, .rights = query->rights,
    };
    return true;
}

/* The object asked about, if of this type, else the next that it lists, with a reference; NULL. */
static struct object *next_object(struct info_query *query, const struct object_ops *ops)
{
    struct object *object = query->object;

    if (object->ops == ops) {
        object_ref(object);
        return object;
    }
    object = process_next(ops == &thread_ops ? process_from_object(object) : NULL,
                          query->cursor + 1);
    if (object)
        query->cursor = object->koid;
    return object;
}

static bool next_process(struct info_query *query, void *record)
{
    struct object *object = next_object(query, &process_ops);
    info_process_t *info = record;

    if (!object)
        return false;
    struct process *process = process_from_object(object);
    struct aspace *aspace = process->aspace;

    spin_lock(&process->lock);
    *info = (info_process_t){
        .koid = object->koid, .exit_code = process->exit_code, .num_threads = process->thread_count,
        .started = process->started, .exited = process->exited, .killed = process->was_killed,
    };
    spin_unlock(&process->lock);

    info->num_handles = handle_table_count(process->handles);
    spin_lock(&aspace->lock);
    info->num_regions = aspace->region_count;
    info->mapped_bytes = aspace->mapped_bytes;
    spin_unlock(&aspace->lock);
    spin_lock(&aspace->mmu.lock);
    info->resident_bytes = aspace->mmu.resident * PAGE_SIZE;
    spin_unlock(&aspace->mmu.lock);
    object_get_name(object, info->name);
    object_unref(object);
    return true;
}

static bool next_thread(struct info_query *query, void *record)
{
    struct object *object = next_object(query, &thread_ops);
    info_thread_t *info = record;

    if (!object)
        return false;
    struct thread *thread = thread_from_object(object);

    *info = (info_thread_t){
        .koid = object->koid, .state = thread_state(thread),
        .hart = thread->home, .run_time = thread->run_time,
    };
    object_get_name(object, info->name);
    object_unref(object);
    return true;
}

static bool next_vmo(struct info_query *query, void *record)
{
    info_vmo_t *info = record;

    vmo_info(vmo_from_object(query->object), info);
    info->handle_rights = query->rights;
    return true;
}

static bool next_map(struct info_query *query, void *record)
{
    info_map_t *map = record;

    if (!aspace_describe(process_from_object(query->object)->aspace, query->cursor, map, NULL))
        return false;
    query->cursor = map->base + map->length;
    return true;
}

static bool next_system(struct info_query *query, void *record)
{
    info_system_t *info = record;

    info->koid = query->object->koid;
    info->uptime = arch_time();
    info->memory_bytes = frame_total * PAGE_SIZE;
    for (uint32_t kind = 0; kind < FRAME_KINDS; kind++)
        info->frames[kind] = frames_of_kind[kind];
    for (uint32_t type = 0; type < array_size(info->objects); type++)
        info->objects[type] = object_count(type);
    info->harts = hart_count;
    for (uint32_t i = 0; i < hart_count; i++) {
        const struct hart *hart = &harts[i];

        info->context_switches += hart->context_switches;
        info->hand_overs += hart->hand_overs;
        info->page_faults += hart->page_faults;
        info->syscalls += hart->syscalls;
        info->interrupts += hart->interrupts;
        info->tlb_shootdowns += hart->tlb_shootdowns;
        int64_t idle = *(volatile const uint64_t *)&hart->idle_time;
        info->idle_time += idle < 0 ? idle + (int64_t)arch_time() : idle;
    }
    return true;
}

static bool next_pager_vmo(struct info_query *query, void *record)
{
    return pager_describe(query->cursor++, record);
}

/*
 * What a frame is used for now.  Read without its owner's lock: each field is true by itself, and a
 * frame that changes hands meanwhile may show the kind of one user and the koid of the other.
 */
static void describe_frame(const struct page *page, info_frame_run_t *run)
{
    const volatile struct page *racy = page;
    uint32_t kind = atomic_load_explicit(&page->kind, memory_order_relaxed);
    bool owned = kind == FRAME_ANON || kind == FRAME_PAGER || kind == FRAME_DEVICE;

    run->base = page_to_phys(page);
    run->kind = owned && racy->busy > 0 ? FRAME_BUSY : kind;
    run->owner_koid = owned ? racy->owner_koid : 0;
}

/* The longest run of equal frames from the cursor on. */
static bool next_frame_run(struct info_query *query, void *record)
{
    info_frame_run_t *run = record, next = { 0 };

    for (; query->cursor < frame_total; query->cursor++, run->frames++) {
        describe_frame(frame_by_number(query->cursor), &next);
        if (run->frames == 0)
            *run = next;
        if (next.kind != run->kind || next.owner_koid != run->owner_koid ||
            next.base != run->base + run->frames * PAGE_SIZE)
            break;
        if (query->cursor % 4096 == 0)
            sched_preempt_point();
    }
    return run->frames > 0;
}

static bool next_segment(struct info_query *query, void *record)
{
    while (query->cursor < SEGMENTS_MAX) {
        if (swap_segment_info(query->cursor++, record))
            return true;
    }
    return false;
}

static bool next_swap_page(struct info_query *query, void *record)
{
    return swap_page_info(&query->cursor, record) && query->cursor++;
}

#define ONE(record, type, next)  { OBJECT_##type, false, sizeof(record), next }
#define LIST(record, type, next) { OBJECT_##type, true, sizeof(record), next }

static const struct topic {
    uint32_t type;                      /* of the object asked about */
    bool is_list;
    size_t size;                        /* of a record */
    info_next *next;
} topics[] = {
    /* The first one is no topic, and stands for every unknown number. */
    [INFO_HANDLE_BASIC]    = ONE(info_handle_basic_t, ANY, next_basic),
    [INFO_PROCESS]         = ONE(info_process_t, PROCESS, next_process),
    [INFO_THREAD]          = ONE(info_thread_t, THREAD, next_thread),
    [INFO_VMO]             = ONE(info_vmo_t, VMO, next_vmo),
    [INFO_SYSTEM]          = ONE(info_system_t, SYSTEM, next_system),
    [INFO_PROCESS_MAPS]    = LIST(info_map_t, PROCESS, next_map),
    [INFO_PROCESS_LIST]    = LIST(info_process_t, SYSTEM, next_process),
    [INFO_PROCESS_THREADS] = LIST(info_thread_t, PROCESS, next_thread),
    [INFO_PAGER_LIST]      = LIST(info_pager_vmo_t, SYSTEM, next_pager_vmo),
    [INFO_FRAME_MAP]       = LIST(info_frame_run_t, SYSTEM, next_frame_run),
    [INFO_SEGMENT_LIST]    = LIST(info_segment_t, DEFAULT_PAGER, next_segment),
    [INFO_SWAP_PAGE_LIST]  = LIST(info_swap_page_t, DEFAULT_PAGER, next_swap_page),
};

/* Write as many records as there is room for; *actual and *available count from 0. */
static status_t write_records(const struct topic *topic, struct info_query *query, uaddr_t to,
                              size_t room, uint64_t *actual, uint64_t *available)
{
    _Alignas(uint64_t) char record[sizeof(info_system_t)];       /* the largest */

    assert(topic->size <= sizeof(record));
    do {
        memset(record, 0, sizeof(record));
        if (!topic->next(query, record))
            break;
        if (*actual < room) {
            status_t status = user_copy_out(to + *actual * topic->size, record, topic->size);

            if (status != OK)
                return status;
            ++*actual;
        }
        ++*available;
        sched_preempt_point();
        if (thread_killed())
            return ERR_CANCELED;
    } while (topic->is_list);
    return !topic->is_list && *actual == 0 ? ERR_BUFFER_TOO_SMALL : OK;
}

/* INSPECT is needed for all but HANDLE_BASIC; an unknown topic is refused after the same checks. */
status_t sys_object_get_info(handle_t handle, uint32_t topic_number, uaddr_t buffer, size_t size,
                             uaddr_t actual_at, uaddr_t available_at)
{
    const struct topic *topic = &topics[topic_number < array_size(topics) ? topic_number : 0];
    rights_t rights = topic->type == OBJECT_ANY ? RIGHT_NONE : RIGHT_INSPECT;
    struct info_query query = { 0 };
    uint64_t actual = 0, available = 0;
    status_t status = handle_lookup(current_process()->handles, handle, topic->type, rights,
                                    &query.object, &query.rights);
    if (status != OK)
        return status;
    status = !topic->next ? ERR_NOT_SUPPORTED :
             write_records(topic, &query, buffer, size / topic->size, &actual, &available);
    object_unref(query.object);
    if (status != OK && status != ERR_BUFFER_TOO_SMALL)
        return status;

    status_t copied = sys_copy_out_u64(actual_at, actual);

    if (copied == OK)
        copied = sys_copy_out_u64(available_at, available);
    return copied == OK ? status : copied;
}
