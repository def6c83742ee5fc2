/*
 * object.h: what every thing that a handle can name begins with.
 *
 * Two events end an object.  When the last *handle* closes nobody can name it any more: ops->unreachable
 * fails or wakes whoever depends on it.  When the last *reference* goes nobody points at it: ops->destroy
 * frees it.  A sleeping thread holds a reference, not a handle.
 *
 * Signals live here.  Whoever raises one calls the observers with object.lock held; they wake a thread
 * or queue a packet, which takes locks of higher rank only.
 */
#pragma once

#include "lib/list.h"
#include "lib/status.h"
#include "sync/spinlock.h"

struct object;

struct object_ops {
    uint32_t type;                              /* OBJECT_ of abi/types.h */
    const char *name;
    rights_t default_rights;
    void (*unreachable)(struct object *);       /* no locks held; may be NULL */
    void (*destroy)(struct object *);           /* no locks held; frees the object */
};

struct object {
    /* Immutable. */
    const struct object_ops *ops;
    uint64_t koid;                              /* never reused */

    atomic_uint references;
    atomic_uint handles;                        /* each holds a reference too */

    /* Guarded by lock (RANK_OBJECT). */
    struct spinlock lock;
    _Atomic signals_t signals;
    struct list observers;                      /* struct observer */
};

struct observer {
    struct list_node link;                      /* object.lock */
    signals_t trigger;
    /* Called with object.lock held when (observed & trigger) != 0.  May list_remove(&link). */
    void (*notify)(struct observer *, struct object *, signals_t observed);
};

/* One reference, no handle.  ops->name etc. live for ever. */
void object_init(struct object *object, const struct object_ops *ops, signals_t signals);
static inline void object_ref(struct object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}
/* May destroy: no spinlock may be held. */
void object_unref(struct object *object);

/* Clear, then set signals, and tell observers whose trigger became set.  Takes object.lock. */
void object_signal(struct object *object, signals_t clear, signals_t set);
/* Attach an observer; if its trigger is set already, notify is called at once.  Takes object.lock. */
void object_observe(struct object *object, struct observer *observer);
/* Detach if still attached: afterwards notify is not running and will not run. */
void object_unobserve(struct object *object, struct observer *observer);

/* Live objects of a type. */
uint64_t object_count(uint32_t type);
