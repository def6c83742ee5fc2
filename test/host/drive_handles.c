/*
 * drive_handles.c: handle tables against a list of what every value means.
 */
#include "host.h"
#include "object/handle.h"

#define TABLES  2u
#define OBJECTS 5u
#define LIVE    400u
#define STALE   64u

struct live { handle_t value; uint32_t object, table; rights_t rights; };

static struct handle_table *tables[TABLES];
static struct object *objects[OBJECTS];
static struct live live[LIVE];
static uint32_t live_count;
static struct { handle_t value; uint32_t table; } stale[STALE];
static uint32_t stale_count;

static uint32_t count_live(uint32_t table, uint32_t object)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < live_count; i++)
        count += (table == TABLES || live[i].table == table) && (object == OBJECTS || live[i].object == object);
    return count;
}

static void remember_stale(handle_t value, uint32_t table)
{
    uint32_t i = stale_count < STALE ? stale_count++ : choose(STALE);

    stale[i].value = value;
    stale[i].table = table;
}

/* A value given out now means nothing else: neither another entry, nor one that was closed. */
static void check_new(handle_t value, uint32_t table)
{
    check(value != HANDLE_INVALID);
    for (uint32_t i = 0; i < live_count; i++)
        check(live[i].table != table || live[i].value != value);
    for (uint32_t i = 0; i < stale_count; i++)
        check(stale[i].table != table || stale[i].value != value);
}

static void put(uint32_t table, struct handle_slot slot, uint32_t object)
{
    handle_t value;
    status_t status;

    fail_allocation(one_in(8));
    status = handle_add(tables[table], 1, &slot, &value, NULL);
    if (allocation_failed())
        check_equal(status, ERR_NO_MEMORY);
    else
        check_equal(status, OK);
    step("put object %u into table %u: %d, 0x%x", object, table, status, status == OK ? value : 0);
    if (status != OK) {
        handle_slot_close(slot);
        return;
    }
    check_new(value, table);
    live[live_count++] = (struct live){ value, object, table, slot.rights };
}

static void make(void)
{
    uint32_t object = choose(OBJECTS);

    if (live_count < LIVE)
        put(choose(TABLES), handle_slot_make(objects[object], choose(1 << 16)), object);
}

/* Take a handle out; close it or move it to a table, perhaps with fewer rights (replace). */
static void take(void)
{
    struct handle_slot slot;
    struct live taken;

    if (live_count == 0)
        return;
    uint32_t i = choose(live_count);

    taken = live[i];
    live[i] = live[--live_count];
    step("take 0x%x out of table %u", taken.value, taken.table);
    check_equal(handle_remove(tables[taken.table], taken.value, &slot), OK);
    check(slot.object == objects[taken.object]);
    check_equal(slot.rights, taken.rights);
    remember_stale(taken.value, taken.table);
    slot.rights &= choose(1 << 16);
    if (one_in(2))
        handle_slot_close(slot);
    else
        put(choose(TABLES), slot, taken.object);
}

static void look_up(void)
{
    uint32_t type = (uint32_t[]){ OBJECT_ANY, OBJECT_EVENT, OBJECT_VMO }[choose(3)];
    rights_t wanted = one_in(2) ? 0 : 1u << choose(16), rights = 0;
    struct object *object = NULL;

    if (live_count == 0)
        return;
    struct live *entry = &live[choose(live_count)];
    status_t expected = type == OBJECT_VMO ? ERR_WRONG_TYPE : wanted & ~entry->rights ? ERR_ACCESS_DENIED : OK;

    step("look up 0x%x in table %u", entry->value, entry->table);
    check_equal(handle_lookup(tables[entry->table], entry->value, type, wanted, &object, &rights), expected);
    if (expected == OK) {
        check(object == objects[entry->object]);
        check_equal(rights, entry->rights);
        object_unref(object);
    }
}

static void look_up_nonsense(void)
{
    uint32_t table = choose(TABLES);
    handle_t value = one_in(3) ? choose(1ull << 32) : choose(300);
    struct handle_slot slot;
    struct object *object;

    if (stale_count > 0 && one_in(2)) {
        uint32_t i = choose(stale_count);

        table = stale[i].table;
        value = stale[i].value;
    }
    for (uint32_t i = 0; i < live_count; i++)
        if (live[i].table == table && live[i].value == value)
            return;
    step("look up 0x%x in table %u, which means nothing", value, table);
    check_equal(handle_lookup(tables[table], value, OBJECT_ANY, 0, &object, NULL), ERR_BAD_HANDLE);
    check_equal(handle_remove(tables[table], value, &slot), ERR_BAD_HANDLE);
}

/* All or nothing, up to the limit exactly. */
static void add_many(void)
{
    static handle_t values[HANDLE_TABLE_MAX + 1];
    static struct handle_slot slots[HANDLE_TABLE_MAX + 1];
    uint32_t table = choose(TABLES), room = HANDLE_TABLE_MAX - count_live(table, OBJECTS);
    uint32_t count = one_in(20) ? room + choose(2) : choose(200);
    status_t status;

    for (uint32_t i = 0; i < count; i++)
        slots[i] = handle_slot_make(objects[i % OBJECTS], RIGHT_NONE);
    fail_allocation(choose(4));
    status = handle_add(tables[table], count, slots, values, NULL);
    step("add %u to table %u: %d", count, table, status);
    if (allocation_failed())
        check_equal(status, ERR_NO_MEMORY);
    else
        check_equal(status, count > room ? ERR_NO_RESOURCES : OK);
    check_equal(handle_table_count(tables[table]), HANDLE_TABLE_MAX - room + (status == OK ? count : 0));
    for (uint32_t i = 0; i < count; i++) {
        if (status == OK) {
            check_new(values[i], table);
            check_equal(handle_remove(tables[table], values[i], &slots[i]), OK);
            check(slots[i].object == objects[i % OBJECTS]);
        }
        handle_slot_close(slots[i]);
    }
}

static void close_table(uint32_t table)
{
    struct handle_slot slot = handle_slot_make(objects[0], RIGHT_NONE);
    handle_t value;

    step("close table %u", table);
    if (one_in(2)) {
        handle_table_close(tables[table], HANDLE_INVALID);
        check_equal(handle_table_count(tables[table]), 0);
        check_equal(handle_add(tables[table], 1, &slot, &value, NULL), ERR_NO_RESOURCES);
    }
    handle_slot_close(slot);
    handle_table_destroy(tables[table]);
    for (uint32_t i = live_count; i-- > 0;)
        if (live[i].table == table)
            live[i] = live[--live_count];
    for (uint32_t i = stale_count; i-- > 0;)
        if (stale[i].table == table)
            stale[i] = stale[--stale_count];
    tables[table] = handle_table_create();
}

/* A table becomes a copy of the other: what may be duplicated is there under its value, the rest means nothing. */
static void copy_table(uint32_t from, uint32_t to)
{
    struct handle_table *copy;
    uint32_t before;

    if (live_count + count_live(from, OBJECTS) > LIVE || to == from)
        return;
    step("copy table %u to %u", from, to);
    fail_allocation(choose(4));
    copy = handle_table_copy(tables[from]);
    check_equal(copy == NULL, allocation_failed());
    if (!copy)
        return;
    close_table(to);
    handle_table_destroy(tables[to]);
    tables[to] = copy;
    before = live_count;
    for (uint32_t i = 0; i < before; i++) {
        if (live[i].table == from && live[i].rights & RIGHT_DUPLICATE)
            live[live_count++] = (struct live){ live[i].value, live[i].object, to, live[i].rights };
        else if (live[i].table == from)
            remember_stale(live[i].value, to);
    }
}

static void check_counts(void)
{
    for (uint32_t i = 0; i < OBJECTS; i++) {
        check_equal(objects[i]->handles, count_live(TABLES, i));
        check_equal(objects[i]->references, count_live(TABLES, i) + 1);
    }
    for (uint32_t i = 0; i < TABLES; i++)
        check_equal(handle_table_count(tables[i]), count_live(i, OBJECTS));
}

void drive_handles(uint32_t steps)
{
    live_count = stale_count = 0;
    for (uint32_t i = 0; i < TABLES; i++)
        tables[i] = handle_table_create();
    for (uint32_t i = 0; i < OBJECTS; i++)
        check_equal(event_create(&objects[i]), OK);
    while (steps-- > 0 && choices_left()) {
        switch (choose(8)) {
        case 0:
        case 1:
        case 2:
            make();
            break;
        case 3:
        case 4:
            take();
            break;
        case 5:
            look_up();
            break;
        case 6:
            look_up_nonsense();
            break;
        default:
            if (one_in(10))
                add_many();
            else if (one_in(100))
                close_table(choose(TABLES));
            else if (one_in(30))
                copy_table(choose(TABLES), choose(TABLES));
        }
        check_counts();
    }
    for (uint32_t i = 0; i < TABLES; i++)
        handle_table_destroy(tables[i]);
    for (uint32_t i = 0; i < OBJECTS; i++)
        object_unref(objects[i]);
}
