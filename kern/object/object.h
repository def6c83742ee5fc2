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
#include "sync/spinlock.h"

/* What nearly every handle may do. */
#define RIGHTS_BASIC (RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT)

struct object;

struct object_ops {
    uint32_t type;                              /* OBJECT_ of abi/types.h */
    rights_t default_rights;
    uint32_t name_offset;                       /* of a char[32], guarded by object.lock; 0: has none */
    void (*unreachable)(struct object *);       /* once, at the latest before destroy; no locks held; may be NULL */
    void (*destroy)(struct object *);           /* no locks held; frees the object */
};

struct object {
    /* Immutable. */
    const struct object_ops *ops;
    uint64_t koid;                              /* never reused */
    uint64_t related_koid;                      /* the other end of a channel or pipe, a thread's process, a pager's or process' maker; 0: none */

    atomic_uint references;
    atomic_uint handles;                        /* each holds a reference too */
    atomic_uint unreachable;                    /* ops->unreachable has been run, or is about to be */
    struct object *next_ending;                 /* in the object_reaper of the thread that ends it */

    /* Guarded by lock (RANK_OBJECT); signals are cleared without it. */
    struct spinlock lock;
    _Atomic signals_t signals;
    struct list observers;                      /* struct observer */
};

struct observer {
    struct list_node link;                      /* object.lock */
    const struct observer_ops *ops;
    signals_t trigger;
};

struct observer_ops {
    /* Called with object.lock held when it is about to be attached: false refuses.  NULL: nothing to do. */
    bool (*attach)(struct observer *);
    /*
     * Called with object.lock held when a signal of the trigger became set.  May list_remove(&link).  hand_over: the thread
     * that this wakes should run as soon as the caller blocks (thread_wake).
     */
    void (*notify)(struct observer *, struct object *, signals_t observed, bool hand_over);
    /*
     * The object's last handle is closed.  claim, called with object.lock held, says true if nobody else is detaching the
     * observer; then it is detached, and release is called with no locks held.  Both NULL: it stays attached.
     */
    bool (*claim)(struct observer *);
    void (*release)(struct observer *);
};

/* What a thread has still to end: objects that died while it was ending another one.  In struct thread, zero at first. */
struct object_reaper {
    struct object *first;
    bool running;
};

/* One reference, no handle.  ops lives for ever. */
void object_init(struct object *object, const struct object_ops *ops, signals_t signals);
/* The structure that begins with this object, which is one of the kind (process, thread, ...). */
#define object_as(kind, object) ((struct kind *)object_checked(object, &kind##_ops))
static inline struct object *object_checked(struct object *object, const struct object_ops *ops)
{
    assert(object->ops == ops);
    return object;
}
/* Tell two new objects that they are each other's other end. */
static inline void object_relate(struct object *a, struct object *b)
{
    a->related_koid = b->koid;
    b->related_koid = a->koid;
}
static inline void object_ref(struct object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}
/* For lists that hold no reference: true if there still was one, and now is one more. */
static inline bool count_unless_zero(atomic_uint *references)
{
    unsigned count = atomic_load_explicit(references, memory_order_relaxed);

    while (count > 0 && !atomic_compare_exchange_weak(references, &count, count + 1))
        ;
    return count > 0;
}
static inline bool object_ref_unless_dead(struct object *object)
{
    return count_unless_zero(&object->references);
}

/* True if it was the last one. */
static inline bool object_drop_reference(struct object *object)
{
    uint32_t before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel);

    assert(before > 0);
    return before == 1;
}
/* Run what is due for the object now, or after the end that this thread is in the middle of. */
void object_end(struct object *object);
/* May destroy: then no spinlock may be held.  Inside another object's end it is put off until that has returned. */
static inline void object_unref(struct object *object)
{
    if (object_drop_reference(object))
        object_end(object);
}

/* One handle more, with its reference / one fewer: handle_slot_make and handle_slot_close are for everybody else. */
void object_add_handle(struct object *object);
void object_drop_handle(struct object *object);

/* The destroy of an object that is one piece of the heap and holds nothing. */
void object_free(struct object *object);
/* An object with nothing but signals, by which programs tell each other of something.  NO_MEMORY. */
status_t event_create(struct object **out_event);

/* Set signals and tell observers whose trigger became set, or let their threads be handed the processor.  Takes object.lock. */
void object_raise(struct object *object, signals_t set, bool hand_over);
/* Clear, then set signals.  Nobody is told of a signal that is cleared, so that needs no lock. */
static inline void object_signal_hint(struct object *object, signals_t clear, signals_t set, bool hand_over)
{
    signals_t before = atomic_load_explicit(&object->signals, memory_order_relaxed);

    clear &= ~set;
    if (before & clear)
        atomic_fetch_and_explicit(&object->signals, ~clear, memory_order_relaxed);
    if (set & ~before)
        object_raise(object, set, hand_over);
}
static inline void object_signal(struct object *object, signals_t clear, signals_t set)
{
    object_signal_hint(object, clear, set, false);
}
/*
 * Attach an observer; if its trigger is set already, notify is called at once.  False, and not attached, if the object has
 * no handles any more or the observer refuses.  Takes object.lock.
 */
bool object_observe(struct object *object, struct observer *observer);
/* Detach if still attached: afterwards notify is not running and will not run. */
void object_unobserve(struct object *object, struct observer *observer);

/* The name of an object that has one.  Take object.lock. */
void object_get_name(struct object *object, char to[32]);
void object_set_name(struct object *object, const char from[32]);

/* Live objects of a type. */
#define OBJECT_TYPES 16u
extern _Atomic uint64_t object_counts[OBJECT_TYPES];
static inline uint64_t object_count(uint32_t type) { return object_counts[type]; }

/* Supplied by higher layers (task/thread.c): the calling thread's. */
struct object_reaper *current_reaper(void);
