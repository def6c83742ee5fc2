/*
 * mach_default_pager.c: the Mach default pager's management calls over the native ones.
 */
#include <mach/default_pager_object.h>

#include <stdlib.h>
#include <string.h>

static kern_return_t result(status_t status)
{
    switch (status) {
    case OK:
        return KERN_SUCCESS;
    case ERR_NO_MEMORY:
    case ERR_NO_RESOURCES:
        return KERN_RESOURCE_SHORTAGE;
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_CANCELED:
        return KERN_FAILURE;
    default:
        return KERN_INVALID_ARGUMENT;
    }
}

/* Does the port name an object of this type, with these rights? */
static bool names(mach_port_t port, uint32_t type, rights_t rights)
{
    info_handle_basic_t info;
    return sys_object_get_info(port, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL) == OK &&
           info.type == type && (rights & ~info.rights) == 0;
}

kern_return_t default_pager_object_create(mach_port_t default_pager, vm_size_t object_size,
                                          mach_port_t *memory_object)
{
    if (!names(default_pager, OBJECT_DEFAULT_PAGER, RIGHT_WRITE))
        return KERN_INVALID_ARGUMENT;
    return result(sys_vmo_create(object_size, VMO_RESIZABLE, memory_object));
}

kern_return_t default_pager_info(mach_port_t default_pager, default_pager_info_t *info)
{
    void *records;
    size_t count;
    default_pager_info_t sum = { .dpi_page_size = PAGE_SIZE };
    status_t status = info_list(default_pager, INFO_SEGMENT_LIST, sizeof(info_segment_t), &records,
                                &count);
    if (status != OK)
        return result(status);
    const info_segment_t *segments = records;
    for (size_t i = 0; i < count; i++) {
        sum.dpi_total_space += segments[i].pages_total * PAGE_SIZE;
        sum.dpi_free_space += segments[i].pages_free * PAGE_SIZE;
    }
    free(records);
    *info = sum;
    return KERN_SUCCESS;
}

kern_return_t default_pager_backing_store_create(mach_port_t default_pager, int priority,
                                                 int clsize, mach_port_t *backing_store)
{
    if (clsize < 0)
        return KERN_INVALID_ARGUMENT;
    return result(sys_backing_store_create(default_pager, priority, (uint32_t)clsize,
                                           backing_store));
}

kern_return_t default_pager_backing_store_delete(mach_port_t backing_store)
{
    status_t status = sys_backing_store_delete(backing_store);
    if (status == OK)
        sys_handle_close(backing_store);
    return result(status);
}

kern_return_t default_pager_add_segment(mach_port_t backing_store, mach_port_t device,
                                        recnum_t offset, recnum_t count, int record_size)
{
    status_t status = sys_backing_store_add_segment(backing_store, device, offset, count,
                                                    (uint32_t)record_size);
    /* A right is missing: of which of the two? */
    if (status == ERR_ACCESS_DENIED && names(backing_store, OBJECT_BACKING_STORE, RIGHT_WRITE))
        return KERN_FAILURE;
    return result(status);
}

static natural_t counter(uint64_t value)
{
    return value < UINT32_MAX ? (natural_t)value : UINT32_MAX;
}

kern_return_t default_pager_backing_store_info(mach_port_t backing_store,
                                               backing_store_flavor_t flavor,
                                               backing_store_info_t info,
                                               mach_msg_type_number_t *size)
{
    info_backing_store_t store;
    if (flavor != BACKING_STORE_BASIC_INFO || *size < BACKING_STORE_BASIC_INFO_COUNT)
        return KERN_INVALID_ARGUMENT;
    status_t status = sys_backing_store_info(backing_store, &store, sizeof store);
    if (status != OK)
        return result(status);
    const struct backing_store_basic_info basic = {
        .pageout_calls = counter(store.system.calls[SWAP_OUT]),
        .pagein_calls = counter(store.system.calls[SWAP_IN]),
        .pages_in = counter(store.system.pages[SWAP_IN]),
        .pages_out = counter(store.system.pages[SWAP_OUT]),
        .bs_pages_total = counter(store.pages_total),
        .bs_pages_free = counter(store.pages_free),
        .bs_pages_in = counter(store.pages[SWAP_IN]),
        .bs_pages_in_fail = counter(store.pages_failed[SWAP_IN]),
        .bs_pages_out = counter(store.pages[SWAP_OUT]),
        .bs_pages_out_fail = counter(store.pages_failed[SWAP_OUT]),
        .bs_priority = (integer_t)store.priority,
        .bs_clsize = (integer_t)store.cluster_size,
    };
    memcpy(info, &basic, sizeof basic);
    *size = BACKING_STORE_BASIC_INFO_COUNT;
    return KERN_SUCCESS;
}
