/* helpers.c: the first and the last paragraph of system calls: handles in, results out. */
#include "sys/helpers.h"

#include "vm/fault.h"

status_t sys_resolve_fault(void)
{
    const struct user_missing *missing = &current_thread()->missing;

    return user_touch(missing->address, missing->length, missing->write);
}

/* Make `count` handles at once, or none; the slots are used up. */
static status_t publish(uint32_t count, const struct handle_slot *slots, const uaddr_t *outs)
{
    handle_t values[2];
    status_t status;

    do {
        status = handle_add(current_process()->handles, count, slots, values, outs);
        if (status != ERR_USER_FAULT)
            break;
        status = OK;
        for (uint32_t i = 0; status == OK && i < count; i++)
            status = user_touch(outs[i], sizeof(handle_t), true);
    } while (status == OK);
    for (uint32_t i = 0; status != OK && i < count; i++)
        handle_slot_close(slots[i]);
    return status;
}

status_t sys_publish(struct handle_slot slot, uaddr_t out) { return publish(1, &slot, &out); }

status_t sys_new_handle(struct object *object, rights_t rights, uaddr_t out)
{
    struct handle_slot slot = handle_slot_make(object, rights);

    object_unref(object);
    return sys_publish(slot, out);
}

status_t sys_create(uint32_t options, status_t (*create)(struct object **), uaddr_t out)
{
    struct object *object;
    status_t status = options == 0 ? create(&object) : ERR_INVALID_ARGS;

    return status == OK ? sys_new_handle(object, object->ops->default_rights, out) : status;
}

status_t sys_create_pair(uint32_t options, status_t (*create)(struct object *[2]),
                         const rights_t without[2], const uaddr_t outs[2])
{
    struct object *ends[2];
    struct handle_slot slots[2];
    status_t status = options == 0 ? create(ends) : ERR_INVALID_ARGS;

    if (status != OK)
        return status;
    for (uint32_t i = 0; i < 2; i++) {
        slots[i] = handle_slot_make(ends[i], ends[i]->ops->default_rights & ~without[i]);
        object_unref(ends[i]);
    }
    return publish(2, slots, outs);
}

status_t sys_narrow_rights(rights_t held, rights_t *rights)
{
    if (*rights == RIGHT_SAME_RIGHTS)
        *rights = held;
    return *rights & ~held ? ERR_INVALID_ARGS : OK;
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
