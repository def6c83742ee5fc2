/*
 * sys_object.c: calls that work on any handle or object.
 */
#include "ipc/port.h"
#include "lib/string.h"
#include "sys/helpers.h"
#include "vm/fault.h"
#include "vm/vmo.h"

/* The rights asked for, if they are among those held. */
static status_t narrow_rights(rights_t wanted, rights_t held, rights_t *out_rights)
{
    if (wanted != RIGHT_SAME_RIGHTS && (wanted & ~held))
        return ERR_INVALID_ARGS;
    *out_rights = wanted == RIGHT_SAME_RIGHTS ? held : wanted;
    return OK;
}

status_t sys_handle_close(handle_t handle)
{
    struct handle_slot slot;
    status_t status = handle_remove(current_process()->handles, handle, &slot);

    if (status == OK)
        handle_slot_close(slot);
    return status;
}

status_t sys_handle_duplicate(handle_t handle, rights_t rights, uaddr_t out)
{
    struct object *object;
    rights_t held;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_ANY,
                                    RIGHT_DUPLICATE, &object, &held);
    if (status != OK)
        return status;
    status = narrow_rights(rights, held, &rights);
    if (status != OK) {
        object_unref(object);
        return status;
    }
    return sys_new_handle(object, rights, out);
}

status_t sys_handle_replace(handle_t handle, rights_t rights, uaddr_t out)
{
    struct handle_slot slot;
    status_t status = handle_remove(current_process()->handles, handle, &slot);

    if (status != OK)
        return status;
    status = narrow_rights(rights, slot.rights, &slot.rights);
    if (status != OK) {
        handle_slot_close(slot);
        return status;
    }
    return sys_publish_slot(slot, out);
}

/* --- Signals. --- */

struct waiter {
    struct observer observer;
    struct thread *thread;
    _Atomic signals_t seen;             /* the signals when a trigger was set; 0: not yet */
};

static void waiter_notify(struct observer *observer, struct object *object, signals_t observed,
                          bool hand_over)
{
    struct waiter *waiter = container_of(observer, struct waiter, observer);

    assert(spin_held(&object->lock));
    list_remove(&observer->link);
    atomic_store(&waiter->seen, observed);
    if (hand_over)
        thread_unpark_next(waiter->thread);
    else
        thread_unpark(waiter->thread);
}

static const struct observer_ops waiter_ops = { .notify = waiter_notify };

/*
 * Sleep until a signal is set that is among `signals`; *out_observed are all signals at that
 * moment, or at the end.
 */
static status_t wait_for_signals(struct object *object, signals_t signals, int64_t deadline,
                                 signals_t *out_observed)
{
    struct waiter waiter = {
        .observer = { .ops = &waiter_ops, .trigger = signals },
        .thread = current_thread(),
    };
    status_t status = OK;

    *out_observed = atomic_load(&object->signals);
    if (*out_observed & signals)
        return OK;
    if (deadline <= 0)
        return ERR_TIMED_OUT;
    if (!object_observe(object, &waiter.observer))
        return ERR_BAD_HANDLE;

    while (status == OK && atomic_load(&waiter.seen) == 0) {
        if (thread_killed())
            status = ERR_CANCELED;
        else if (!thread_park_until(deadline))
            status = ERR_TIMED_OUT;
    }
    object_unobserve(object, &waiter.observer);

    signals_t seen = atomic_load(&waiter.seen);

    *out_observed = seen ? seen : atomic_load(&object->signals);
    return seen ? OK : status;
}

status_t sys_object_wait_one(handle_t handle, signals_t signals, int64_t deadline, uaddr_t observed)
{
    struct object *object;
    signals_t now;
    status_t status = sys_lookup(handle, OBJECT_ANY, RIGHT_WAIT, &object);

    if (status != OK)
        return status;
    status = wait_for_signals(object, signals, deadline, &now);
    object_unref(object);
    if (observed && (status == OK || status == ERR_TIMED_OUT)) {
        status_t copied = user_copy_out(observed, &now, sizeof(now));

        if (copied != OK)
            return copied;
    }
    return status;
}

status_t sys_object_wait_async(handle_t handle, handle_t port, uint64_t key, signals_t signals,
                               uint32_t options)
{
    struct object *object, *port_object;
    status_t status = sys_lookup(handle, OBJECT_ANY, RIGHT_WAIT, &object);

    if (status != OK)
        return status;
    status = sys_lookup(port, OBJECT_PORT, RIGHT_WRITE, &port_object);
    if (status == OK) {
        if (options != WAIT_ASYNC_ONCE && options != WAIT_ASYNC_PERSISTENT)
            status = ERR_INVALID_ARGS;
        else
            status = port_observe(port_from_object(port_object), object, key, signals, options);
        object_unref(port_object);
    }
    object_unref(object);
    return status;
}

status_t sys_object_signal(handle_t handle, signals_t clear, signals_t set)
{
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_ANY, RIGHT_WRITE, &object);

    if (status != OK)
        return status;
    if ((clear | set) & ~SIGNAL_USER_ALL)
        status = ERR_INVALID_ARGS;
    else
        object_signal(object, clear, set);
    object_unref(object);
    return status;
}

/* --- Children and names. --- */

/* The process or thread that `parent` lists under this koid, with a reference; NULL: none. */
static struct object *find_child(struct object *parent, uint64_t koid)
{
    if (parent->ops->type == OBJECT_SYSTEM) {
        struct process *process = process_find(koid);

        return process ? &process->object : NULL;
    }
    struct thread *thread = process_find_thread(process_from_object(parent), koid);

    return thread ? &thread->object : NULL;
}

status_t sys_object_get_child(handle_t handle, uint64_t koid, rights_t rights, uaddr_t out)
{
    struct object *parent;
    rights_t held;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_ANY, RIGHT_INSPECT,
                                    &parent, &held);
    if (status != OK)
        return status;

    uint32_t type = parent->ops->type;
    bool has_children = type == OBJECT_SYSTEM || type == OBJECT_PROCESS;
    struct object *child = has_children ? find_child(parent, koid) : NULL;

    object_unref(parent);
    if (!child)
        return has_children ? ERR_NOT_FOUND : ERR_WRONG_TYPE;
    status = narrow_rights(rights, held & child->ops->default_rights, &rights);
    if (status != OK) {
        object_unref(child);
        return status;
    }
    return sys_new_handle(child, rights, out);
}

/* Where an object keeps its name, and the lock that guards it; NULL: it has none. */
static char *find_name(struct object *object, struct spinlock **out_lock)
{
    *out_lock = &object->lock;
    switch (object->ops->type) {
    case OBJECT_PROCESS:
        return process_from_object(object)->name;
    case OBJECT_THREAD:
        return thread_from_object(object)->name;
    case OBJECT_VMO:
        *out_lock = &vmo_from_object(object)->family->lock;
        return vmo_from_object(object)->name;
    default:
        return NULL;
    }
}

status_t sys_object_set_name(handle_t handle, uaddr_t name, size_t length)
{
    char text[NAME_MAX_LENGTH + 1] = "";
    struct spinlock *lock;
    struct object *object;
    rights_t held;
    status_t status = handle_lookup(current_process()->handles, handle, OBJECT_ANY, RIGHT_NONE,
                                    &object, &held);
    if (status != OK)
        return status;

    char *place = find_name(object, &lock);

    if (!place)
        status = ERR_WRONG_TYPE;
    else if (!(held & RIGHT_WRITE))
        status = ERR_ACCESS_DENIED;
    else
        status = sys_copy_name(text, name, length);
    if (status == OK) {
        spin_lock(lock);
        memcpy(place, text, sizeof(text));
        spin_unlock(lock);
    }
    object_unref(object);
    return status;
}
