/*
 * handle.c: a process' handle table.
 *
 * A handle value is an index (low bits) and the generation of its entry (high bits), which changes each time the
 * entry is freed, so a value that was closed is refused until the generations of that entry have wrapped.  Entries
 * live in chunks; both are made when needed and stay until the table goes.
 *
 * A lookup takes no lock.  It says in hart->reading that it is under way, and whoever empties an
 * entry waits for those before the object is dropped and the generation changes.
 *
 * Invariant: an entry is in use (object set) or in the free list (no object).  Generations are never
 * 0, so no value is HANDLE_INVALID.
 * Locks: table.lock guards all changes; objects are closed with it released.
 */
#include "object/handle.h"

#include "arch.h"
#include "mm/heap.h"

#define GENERATION_MAX  ((1u << (32 - HANDLE_INDEX_BITS)) - 1)
#define NO_ENTRY        UINT32_MAX

static_assert(HANDLE_CHUNK * sizeof(struct handle_entry) <= HEAP_MAX, "a chunk is one heap object");

struct handle_table *handle_table_create(void)
{
    struct handle_table *table = heap_alloc_zeroed(sizeof(*table));

    if (table) {
        spin_init(&table->lock, RANK_HANDLES);
        table->first_free = NO_ENTRY;
    }
    return table;
}

static inline struct handle_entry *entry_at(struct handle_table *table, uint32_t index)
{
    return &table->chunks[index / HANDLE_CHUNK][index % HANDLE_CHUNK];
}

static void free_entry(struct handle_table *table, uint32_t index)
{
    struct handle_entry *entry = entry_at(table, index);

    entry->generation = entry->generation == GENERATION_MAX ? 1 : entry->generation + 1;
    entry->next_free = table->first_free;
    table->first_free = index;
}

static status_t grow(struct handle_table *table)
{
    uint32_t index = table->capacity;

    if (index == HANDLE_TABLE_MAX)
        return ERR_NO_RESOURCES;
    if (index % HANDLE_CHUNK == 0) {
        struct handle_entry *chunk = heap_alloc_zeroed(HANDLE_CHUNK * sizeof(struct handle_entry));

        if (!chunk)
            return ERR_NO_MEMORY;
        table->chunks[index / HANDLE_CHUNK] = chunk;
    }
    table->capacity++;
    free_entry(table, index);
    return OK;
}

/* What is not copied is free in the copy, with the next generation: its old value stays refused there. */
struct handle_table *handle_table_copy(struct handle_table *table)
{
    struct handle_table *copy = handle_table_create();
    status_t status = OK;

    if (!copy)
        return NULL;
    spin_lock(&table->lock);
    while (status == OK && copy->capacity < table->capacity)
        status = grow(copy);
    copy->first_free = NO_ENTRY;
    for (uint32_t index = table->capacity; status == OK && index-- > 0; ) {
        struct handle_entry *entry = entry_at(copy, index);

        *entry = *entry_at(table, index);
        if (entry->object && (entry->rights & RIGHT_DUPLICATE)) {
            object_add_handle(entry->object);
            copy->used++;
        } else {
            entry->object = NULL;
            free_entry(copy, index);
        }
    }
    spin_unlock(&table->lock);
    if (status == OK)
        return copy;
    handle_table_destroy(copy);
    return NULL;
}

status_t handle_add(struct handle_table *table, uint32_t count, const struct handle_slot *slots,
                    handle_t *values, const uaddr_t *outs)
{
    uint32_t taken = 0;

    spin_lock(&table->lock);
    status_t status = table->closed ? ERR_NO_RESOURCES : OK;

    while (status == OK && taken < count) {
        uint32_t index = table->first_free;

        if (index == NO_ENTRY) {
            status = grow(table);
        } else {
            struct handle_entry *entry = entry_at(table, index);

            table->first_free = entry->next_free;
            values[taken] = entry->generation << HANDLE_INDEX_BITS | index;
            if (outs && arch_store_to_user(outs[taken], values[taken]) != 0)
                status = ERR_USER_FAULT;
            taken++;
        }
    }
    for (uint32_t i = 0; status != OK && i < taken; i++)
        free_entry(table, values[i] & (HANDLE_TABLE_MAX - 1));
    for (uint32_t i = 0; status == OK && i < count; i++) {
        struct handle_entry *entry = entry_at(table, values[i] & (HANDLE_TABLE_MAX - 1));

        entry->rights = slots[i].rights;
        atomic_store_explicit(&entry->object, slots[i].object, memory_order_release);
        table->used++;
    }
    spin_unlock(&table->lock);
    return status;
}

status_t handle_lookup(struct handle_table *table, handle_t handle, uint32_t type, rights_t rights,
                       struct object **out_object, rights_t *out_rights)
{
    handle_begin_reading(table);
    status_t status = handle_peek(table, handle, type, rights, out_object, out_rights);

    if (status == OK)
        object_ref(*out_object);
    handle_end_reading();
    return status;
}

/* Whoever may have seen what an entry held has its own reference when this returns. */
static void wait_for_lookups(const struct handle_table *table)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < hart_count; i++)
        while (atomic_load_explicit(&harts[i].reading, memory_order_acquire) == table)
            if (panicking)
                arch_halt();
}

/* Empty entry `index` into *out_slot if it is in use. */
static bool take_entry(struct handle_table *table, uint32_t index, struct handle_slot *out_slot)
{
    struct handle_entry *entry = entry_at(table, index);
    struct object *object = atomic_load_explicit(&entry->object, memory_order_relaxed);

    if (!object)
        return false;
    atomic_store_explicit(&entry->object, NULL, memory_order_relaxed);
    wait_for_lookups(table);
    *out_slot = (struct handle_slot){ object, entry->rights };
    free_entry(table, index);
    table->used--;
    return true;
}

status_t handle_remove(struct handle_table *table, handle_t handle, struct handle_slot *out_slot)
{
    struct object *object;

    spin_lock(&table->lock);
    bool taken = handle_find_entry(table, handle, &object) &&
                 take_entry(table, handle & (HANDLE_TABLE_MAX - 1), out_slot);

    spin_unlock(&table->lock);
    return taken ? OK : ERR_BAD_HANDLE;
}

struct object *handle_table_next(struct handle_table *table, uint32_t *index)
{
    struct object *object = NULL;

    spin_lock(&table->lock);
    while (!object && *index < table->capacity)
        object = entry_at(table, (*index)++)->object;
    if (object)
        object_ref(object);
    spin_unlock(&table->lock);
    return object;
}

void handle_table_close(struct handle_table *table, handle_t kept)
{
    struct handle_slot slot;

    spin_lock(&table->lock);
    table->closed = kept == HANDLE_INVALID;
    for (uint32_t index = 0; index < table->capacity; index++) {
        if (index == (kept & (HANDLE_TABLE_MAX - 1)) && kept != HANDLE_INVALID)
            continue;
        if (take_entry(table, index, &slot)) {
            spin_unlock(&table->lock);
            handle_slot_close(slot);
            spin_lock(&table->lock);
        }
    }
    spin_unlock(&table->lock);
}

void handle_table_destroy(struct handle_table *table)
{
    handle_table_close(table, HANDLE_INVALID);
    for (uint32_t i = 0; i * HANDLE_CHUNK < table->capacity; i++)
        heap_free(table->chunks[i]);
    heap_free(table);
}
