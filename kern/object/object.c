/*
 * object.c: references, handles, signals, and the end of objects.
 *
 * Ending one object may end others (a channel's messages hold handles of channels, whose messages ...), so ends do
 * not nest: the first one on a thread runs a loop, and what dies meanwhile waits in the thread's reaper.  A chain of
 * any length is taken apart on a stack of fixed depth, before object_unref returns.
 *
 * Invariant: an object in a reaper either holds the reference of its last handle (unreachable is
 * due) or has no reference at all (destroy is due).
 * Locks: object.lock guards observers and the setting of signals; observers are told with it held,
 * so they see every signal become set, in order.
 */
#include "object/object.h"

#include "lib/string.h"
#include "mm/heap.h"

static _Atomic uint64_t last_koid = 1023;       /* small numbers are left to people */
_Atomic uint64_t object_counts[OBJECT_TYPES];

void object_init(struct object *object, const struct object_ops *ops, signals_t signals)
{
    assert(ops->type < OBJECT_TYPES);
    object->ops = ops;
    object->koid = atomic_fetch_add_explicit(&last_koid, 1, memory_order_relaxed) + 1;
    object->related_koid = 0;
    atomic_init(&object->references, 1);
    atomic_init(&object->handles, 0);
    atomic_init(&object->unreachable, false);
    object->next_ending = NULL;
    spin_init(&object->lock, RANK_OBJECT);
    atomic_init(&object->signals, signals);
    list_init(&object->observers);
    atomic_fetch_add_explicit(&object_counts[ops->type], 1, memory_order_relaxed);
}

void object_get_name(struct object *object, char to[32])
{
    spin_lock(&object->lock);
    memcpy(to, (char *)object + object->ops->name_offset, 32);
    spin_unlock(&object->lock);
}

void object_set_name(struct object *object, const char from[32])
{
    spin_lock(&object->lock);
    memcpy((char *)object + object->ops->name_offset, from, 32);
    spin_unlock(&object->lock);
}

static void end_one(struct object *object)
{
    const struct object_ops *ops = object->ops;

    bool referenced = atomic_load_explicit(&object->references, memory_order_relaxed) > 0;

    if (referenced || (ops->unreachable && !atomic_load(&object->unreachable)))
        ops->unreachable(object);
    if (referenced && !object_drop_reference(object))
        return;
    assert(list_empty(&object->observers));
    atomic_fetch_sub_explicit(&object_counts[ops->type], 1, memory_order_relaxed);
    ops->destroy(object);
}

void object_end(struct object *object)
{
    struct object_reaper *reaper = current_reaper();

    assert_no_spinlocks();
    object->next_ending = reaper->first;
    reaper->first = object;
    if (reaper->running)
        return;

    reaper->running = true;
    while (reaper->first) {
        struct object *next = reaper->first;

        reaper->first = next->next_ending;
        end_one(next);
    }
    reaper->running = false;
}

void object_free(struct object *object) { heap_free(object); }

status_t event_create(struct object **out_event)
{
    static const struct object_ops event_ops = {
        .type = OBJECT_EVENT, .default_rights = RIGHTS_BASIC | RIGHT_WRITE,
        .destroy = object_free,
    };
    struct object *event = heap_alloc(sizeof(*event));

    if (!event)
        return ERR_NO_MEMORY;
    object_init(event, &event_ops, 0);
    *out_event = event;
    return OK;
}

void object_add_handle(struct object *object)
{
    object_ref(object);
    atomic_fetch_add_explicit(&object->handles, 1, memory_order_relaxed);
}

/* Detach whoever observes through a port: with no handle left nobody can ask for that to end. */
static void drop_observers(struct object *object)
{
    struct list dropped = LIST_INITIALIZER(dropped);
    struct list_node *next;

    spin_lock(&object->lock);
    list_for_each(&object->observers, node) {
        struct observer *observer = list_entry(node, struct observer, link);

        if (observer->ops->claim && observer->ops->claim(observer)) {
            list_remove(node);
            list_push_back(&dropped, node);
        }
    }
    spin_unlock(&object->lock);

    while ((next = list_pop_front(&dropped))) {
        struct observer *observer = list_entry(next, struct observer, link);

        observer->ops->release(observer);
    }
}

void object_drop_handle(struct object *object)
{
    uint32_t before = atomic_fetch_sub_explicit(&object->handles, 1, memory_order_acq_rel);

    assert(before > 0);
    if (before > 1) {
        object_unref(object);
        return;
    }
    assert_no_spinlocks();
    drop_observers(object);
    if (object->ops->unreachable && !atomic_exchange(&object->unreachable, true))
        object_end(object);
    else
        object_unref(object);
}

void object_raise(struct object *object, signals_t set, bool hand_over)
{
    spin_lock(&object->lock);

    signals_t before = atomic_fetch_or_explicit(&object->signals, set, memory_order_relaxed);
    signals_t risen = set & ~before;

    list_for_each(&object->observers, node) {
        struct observer *observer = list_entry(node, struct observer, link);

        if (observer->trigger & risen)
            observer->ops->notify(observer, object, before | set, hand_over);
    }
    spin_unlock(&object->lock);
}

bool object_observe(struct object *object, struct observer *observer)
{
    const struct observer_ops *ops = observer->ops;

    spin_lock(&object->lock);
    bool attached = atomic_load(&object->handles) > 0 && (!ops->attach || ops->attach(observer));

    if (attached) {
        signals_t now = atomic_load_explicit(&object->signals, memory_order_relaxed);

        list_push_back(&object->observers, &observer->link);
        if (now & observer->trigger)
            ops->notify(observer, object, now, false);
    }
    spin_unlock(&object->lock);
    return attached;
}

void object_unobserve(struct object *object, struct observer *observer)
{
    spin_lock(&object->lock);
    if (list_linked(&observer->link))
        list_remove(&observer->link);
    spin_unlock(&object->lock);
}
