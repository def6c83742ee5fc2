/* sys_system.c: the system object and its calls. */
#include "sys/system.h"

#include "dev/block.h"
#include "sys/helpers.h"
#include "vm/fault.h"
#include "vm/reclaim.h"

struct object system_object, default_pager_object;

static const struct object_ops system_ops = {
    .type = OBJECT_SYSTEM,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE | RIGHT_DESTROY,
};

static const struct object_ops default_pager_ops = {
    .type = OBJECT_DEFAULT_PAGER,
    .default_rights = RIGHTS_BASIC | RIGHT_WRITE | RIGHT_DESTROY,
};

void system_init(void)
{
    object_init(&system_object, &system_ops, 0);
    object_init(&default_pager_object, &default_pager_ops, 0);
}

status_t sys_system_power(UNUSED struct object *object, uint32_t action, uint32_t code)
{
    if (action == POWER_OFF)
        arch_power_off(code);
    if (action == POWER_REBOOT)
        arch_reboot();
    return ERR_INVALID_ARGS;
}

status_t sys_system_get_block(rights_t held, UNUSED struct object *object, uint32_t index,
                              uaddr_t out)
{
    struct disk *disk = disk_by_index(index);
    rights_t rights = block_ops.default_rights;
    struct block *block;

    if (!disk)
        return ERR_NOT_FOUND;
    if (!(held & RIGHT_WRITE) || (disk_info(disk)->flags & BLOCK_INFO_READ_ONLY))
        rights &= ~RIGHT_WRITE;
    status_t status = block_create(disk, 0, disk_info(disk)->size, &block);

    return status == OK ? sys_new_handle(&block->object, rights, out) : status;
}

status_t sys_system_reclaim(UNUSED struct object *object, uint64_t pages, uaddr_t out)
{
    return sys_copy_out_u64(out, reclaim(pages, false));
}

/* The countdown stands still while the result is stored. */
status_t sys_system_fail_allocation(UNUSED struct object *object, uint32_t countdown, uaddr_t left)
{
    uint32_t before = this_hart()->fail_countdown;

    this_hart()->fail_countdown = 0;
    status_t status = user_copy_out(left, &before, sizeof(before));

    this_hart()->fail_countdown = status == OK ? countdown : before;
    return status;
}
