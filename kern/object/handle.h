/*
 * handle.h: a process' names for objects, each with its rights.
 *
 * A handle value is an index and a generation, so a stale one is refused rather than meaning something
 * else.  handle_lookup is the only door from a number to an object.
 */
#pragma once

#include "object/object.h"

#define HANDLE_INDEX_BITS 14
#define HANDLE_TABLE_MAX  (1u << HANDLE_INDEX_BITS)     /* handles in one process */
#define HANDLE_CHUNK      128u

struct handle_entry {
    _Atomic(struct object *) object;    /* NULL: free */
    union {
        rights_t rights;            /* in use */
        uint32_t next_free;         /* free: an index, or NO_ENTRY */
    };
    uint32_t generation;
};

struct handle_table {
    struct spinlock lock;           /* RANK_HANDLES: all below */
    bool closed;
    uint32_t used;                  /* entries with an object */
    uint32_t capacity;              /* entries made so far */
    uint32_t first_free;
    _Atomic(struct handle_entry *) chunks[HANDLE_TABLE_MAX / HANDLE_CHUNK];
};

/* A handle that is in no table: in a message, or on its way.  Holds a handle count and a reference. */
struct handle_slot {
    struct object *object;
    rights_t rights;
};

struct handle_table *handle_table_create(void);         /* NULL: no memory */
/* A table with every handle of this one that has RIGHT_DUPLICATE, under the same value.  NULL: no memory. */
struct handle_table *handle_table_copy(struct handle_table *table);
/* Close everything, then free.  No other thread may use the table. */
void handle_table_destroy(struct handle_table *table);
/* Old by the time it is used, with the lock as without it. */
static inline uint32_t handle_table_count(const struct handle_table *table) { return table->used; }
/* The object of the first entry from *index on that is in use, with a reference; *index moves behind it.  NULL: there is none. */
struct object *handle_table_next(struct handle_table *table, uint32_t *index);

/* Close every handle but this one; if it is HANDLE_INVALID the table refuses new handles from now on (process exit). */
void handle_table_close(struct handle_table *table, handle_t kept);

/*
 * The object behind a handle with a reference for the caller.  BAD_HANDLE; WRONG_TYPE unless type is OBJECT_ANY;
 * ACCESS_DENIED unless all of `rights` are there: checked in this order.  out_rights may be NULL.
 */
status_t handle_lookup(struct handle_table *table, handle_t handle, uint32_t type, rights_t rights,
                       struct object **out_object, rights_t *out_rights);

/*
 * The two halves of it.  What is found between begin_reading and end_reading lives until then: meanwhile closing a handle of the
 * table waits, so take what references you need, and do no more.
 */
static inline void handle_begin_reading(struct handle_table *table)
{
    atomic_store_explicit(&this_hart()->reading, table, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}
static inline void handle_end_reading(void)
{
    atomic_store_explicit(&this_hart()->reading, NULL, memory_order_release);
}

/*
 * The entry that a value names, and its object if it is in use; NULL if the value is stale or was
 * never given out.  Without the lock: the object is read first, so a match is the object's own.
 */
static inline struct handle_entry *handle_find_entry(struct handle_table *table, handle_t handle,
                                                     struct object **out_object)
{
    uint32_t index = handle & (HANDLE_TABLE_MAX - 1);
    struct handle_entry *chunk = atomic_load_explicit(&table->chunks[index / HANDLE_CHUNK],
                                                      memory_order_relaxed);
    if (!chunk)
        return NULL;
    struct handle_entry *entry = &chunk[index % HANDLE_CHUNK];

    *out_object = atomic_load_explicit(&entry->object, memory_order_acquire);
    return entry->generation == handle >> HANDLE_INDEX_BITS ? entry : NULL;
}

/* handle_lookup without the reference. */
static inline status_t handle_peek(struct handle_table *table, handle_t handle, uint32_t type, rights_t rights,
                                   struct object **out_object, rights_t *out_rights)
{
    struct object *object;
    struct handle_entry *entry = handle_find_entry(table, handle, &object);

    if (!entry || !object)
        return ERR_BAD_HANDLE;
    if (type != OBJECT_ANY && object->ops->type != type)
        return ERR_WRONG_TYPE;
    if (rights & ~entry->rights)
        return ERR_ACCESS_DENIED;
    *out_object = object;
    if (out_rights)
        *out_rights = entry->rights;
    return OK;
}

/*
 * Make `count` handles, all or none: the slots' counts move into the table.  Each value goes to `values` and to user
 * memory at outs[i] (outs may be NULL).  NO_MEMORY, NO_RESOURCES; ERR_USER_FAULT: one of outs is not there now.
 */
status_t handle_add(struct handle_table *table, uint32_t count, const struct handle_slot *slots, handle_t *values,
                    const uaddr_t *outs);

/* Take a handle out of the table; the caller owns the slot.  BAD_HANDLE. */
status_t handle_remove(struct handle_table *table, handle_t handle, struct handle_slot *out_slot);

/* A slot for an object: one more handle and reference. */
static inline struct handle_slot handle_slot_make(struct object *object, rights_t rights)
{
    object_add_handle(object);
    return (struct handle_slot){ object, rights };
}
/* Drop it: may run unreachable and destroy, so no locks may be held. */
static inline void handle_slot_close(struct handle_slot slot) { object_drop_handle(slot.object); }
