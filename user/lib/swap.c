/*
 * swap.c: devices for the default pager, as swapon and the first program give them.
 */
#include <quire/tool.h>

enum { CLUSTER_PAGES = 8 };

status_t swap_add(handle_t device, int32_t priority)
{
    handle_t store;
    block_info_t info;
    status_t status = sys_block_get_info(device, &info);
    if (status == OK)
        status = sys_backing_store_create(default_pager_handle(), priority, CLUSTER_PAGES * PAGE_SIZE, &store);
    if (status != OK)
        return status;
    status = sys_backing_store_add_segment(store, device, 0, info.size / info.block_size, info.block_size);
    sys_handle_close(store);
    return status;
}
