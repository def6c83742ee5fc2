/* sys_object.c: calls that work on any handle or object. */
#include "ipc/port.h"
#include "sys/helpers.h"
#include "vm/backing_store.h"
#include "vm/fault.h"

status_t sys_handle_close(handle_t handle)
{
    struct handle_slot slot;
    status_t status = handle_remove(current_process()->handles, handle, &slot);

    if (status == OK)
        handle_slot_close(slot);
    return status;
}

status_t sys_handle_close_others(handle_t handle)
{
    struct object *object;
    status_t status = sys_lookup(handle, OBJECT_ANY, RIGHT_NONE, &object);

    if (status != OK)
        return status;
    handle_table_close(current_process()->handles, handle);
    object_unref(object);
    return OK;
}

status_t sys_handle_duplicate(rights_t held, struct object *object, rights_t rights, uaddr_t out)
{
    status_t status = sys_narrow_rights(held, &rights);

    return status == OK ? sys_publish(handle_slot_make(object, rights), out) : status;
}

status_t sys_handle_replace(handle_t handle, rights_t rights, uaddr_t out)
{
    struct handle_slot slot;
    status_t status = handle_remove(current_process()->handles, handle, &slot);

    if (status != OK)
        return status;
    status = sys_narrow_rights(slot.rights, &rights);
    if (status != OK) {
        handle_slot_close(slot);
        return status;
    }
    slot.rights = rights;
    return sys_publish(slot, out);
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
    thread_wake(waiter->thread, hand_over);
}

static const struct observer_ops waiter_ops = { .notify = waiter_notify };

/*
 * Sleep until a signal is set that is among `signals`; *out_observed are all signals at that moment, or at the end.
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
        if (thread_should_leave())
            status = ERR_CANCELED;
        else if (!thread_park_until(deadline))
            status = ERR_TIMED_OUT;
    }
    object_unobserve(object, &waiter.observer);

    signals_t seen = atomic_load(&waiter.seen);

    *out_observed = seen ? seen : atomic_load(&object->signals);
    return seen ? OK : status;
}

status_t sys_object_wait_one(struct object *object, signals_t signals, int64_t deadline,
                             uaddr_t observed)
{
    signals_t now;
    status_t status = wait_for_signals(object, signals, deadline, &now);

    if (observed && (status == OK || status == ERR_TIMED_OUT)) {
        status_t copied = user_copy_out(observed, &now, sizeof(now));

        if (copied != OK)
            return copied;
    }
    return status;
}

status_t sys_object_wait_async(struct object *object, struct port *port, uint64_t key,
                               signals_t signals, uint32_t options)
{
    if (options != WAIT_ASYNC_ONCE && options != WAIT_ASYNC_PERSISTENT)
        return ERR_INVALID_ARGS;
    return port_observe(port, object, key, signals, options);
}

status_t sys_object_signal(struct object *object, signals_t clear, signals_t set)
{
    if ((clear | set) & ~SIGNAL_USER_ALL)
        return ERR_INVALID_ARGS;
    object_signal(object, clear, set);
    return OK;
}

/* --- Children and names. --- */

status_t sys_object_get_child(rights_t held, struct object *parent, uint64_t koid, rights_t rights,
                              uaddr_t out)
{
    bool is_process = parent->ops == &process_ops;
    bool is_pager = parent->ops->type == OBJECT_DEFAULT_PAGER;

    if (!is_process && !is_pager && parent->ops->type != OBJECT_SYSTEM)
        return ERR_WRONG_TYPE;
    struct object *child = is_pager ? backing_store_find(koid) :
                           process_next(is_process ? process_from_object(parent) : NULL, koid);

    if (!child)
        return ERR_NOT_FOUND;
    status_t status = child->koid == koid ? OK : ERR_NOT_FOUND;

    if (status == OK)
        status = sys_narrow_rights(held & child->ops->default_rights, &rights);
    if (status == OK)
        status = sys_publish(handle_slot_make(child, rights), out);
    object_unref(child);
    return status;
}

status_t sys_object_set_name(rights_t held, struct object *object, uaddr_t name, size_t length)
{
    char text[NAME_MAX_LENGTH + 1] = "";

    if (object->ops->name_offset == 0)
        return ERR_WRONG_TYPE;
    if (!(held & RIGHT_WRITE))
        return ERR_ACCESS_DENIED;
    status_t status = sys_copy_name(text, name, length);

    if (status == OK)
        object_set_name(object, text);
    return status;
}
