/*
 * helpers.c: the first and the last paragraph of every system call: handles in, results out.
 *
 * A new handle is made in three steps, so that nothing is left behind if one fails: its value is
 * reserved, stored for the user, and only then made to name the object.
 */
#include "sys/helpers.h"

#include "vm/fault.h"

status_t sys_lookup(handle_t handle, uint32_t type, rights_t rights, struct object **out_object)
{
    return handle_lookup(current_process()->handles, handle, type, rights, out_object, NULL);
}

/* Make `count` handles at once, or none; the slots are used up. */
static status_t publish(uint32_t count, const struct handle_slot *slots, const uaddr_t *outs)
{
    struct handle_table *table = current_process()->handles;
    handle_t values[2];
    status_t status = handle_reserve(table, count, values);
    bool reserved = status == OK;

    for (uint32_t i = 0; status == OK && i < count; i++)
        status = user_copy_out(outs[i], &values[i], sizeof(handle_t));
    for (uint32_t i = 0; i < count; i++) {
        if (status == OK)
            handle_install(table, values[i], slots[i]);
        else
            handle_slot_close(slots[i]);
    }
    if (status != OK && reserved)
        handle_unreserve(table, count, values);
    return status;
}

status_t sys_publish_slot(struct handle_slot slot, uaddr_t out)
{
    return publish(1, &slot, &out);
}

status_t sys_new_handle(struct object *object, rights_t rights, uaddr_t out)
{
    struct handle_slot slot = handle_slot_make(object, rights);

    object_unref(object);
    return publish(1, &slot, &out);
}

status_t sys_new_handles(struct object *a, rights_t a_rights, uaddr_t a_out, struct object *b,
                         rights_t b_rights, uaddr_t b_out)
{
    struct handle_slot slots[2] = { handle_slot_make(a, a_rights), handle_slot_make(b, b_rights) };
    uaddr_t outs[2] = { a_out, b_out };

    object_unref(a);
    object_unref(b);
    return publish(2, slots, outs);
}

status_t sys_copy_name(char name[32], uaddr_t from, size_t length)
{
    if (length > NAME_MAX_LENGTH)
        return ERR_OUT_OF_RANGE;
    name[length] = '\0';
    return length > 0 ? user_copy_in(name, from, length) : OK;
}

status_t sys_copy_out_u64(uaddr_t out, uint64_t value)
{
    return out == 0 ? OK : user_copy_out(out, &value, sizeof(value));
}
