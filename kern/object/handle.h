/*
 * handle.h: a process' names for objects, each with its rights.
 *
 * A handle value is an index and a generation, so a stale one is refused rather than meaning something
 * else.  handle_lookup is the only door from a number to an object.
 */
#pragma once

#include "object/object.h"

#define HANDLE_TABLE_MAX 16384u         /* handles in one process */

struct handle_table;                    /* layout in handle.c */

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
uint32_t handle_table_count(struct handle_table *table);

/* Close every handle but this one; if it is HANDLE_INVALID the table refuses new handles from now on (process exit). */
void handle_table_close(struct handle_table *table, handle_t kept);

/*
 * The object behind a handle with a reference for the caller.  BAD_HANDLE; WRONG_TYPE unless type is OBJECT_ANY;
 * ACCESS_DENIED unless all of `rights` are there: checked in this order.  out_rights may be NULL.
 */
status_t handle_lookup(struct handle_table *table, handle_t handle, uint32_t type, rights_t rights,
                       struct object **out_object, rights_t *out_rights);

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
