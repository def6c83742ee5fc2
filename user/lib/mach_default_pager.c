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

/* All records of a list of the default pager; the caller frees them. */
static kern_return_t list(mach_port_t default_pager, uint32_t topic, size_t record_size,
                          void **out_records, size_t *out_count)
{
    return result(info_list(default_pager, topic, record_size, out_records, out_count));
}

kern_return_t default_pager_info(mach_port_t default_pager, default_pager_info_t *info)
{
    void *records;
    size_t count;
    default_pager_info_t sum = { .dpi_page_size = PAGE_SIZE };
    kern_return_t status = list(default_pager, INFO_SEGMENT_LIST, sizeof(info_segment_t), &records,
                                &count);
    if (status != KERN_SUCCESS)
        return status;
    const info_segment_t *segments = records;
    for (size_t i = 0; i < count; i++) {
        sum.dpi_total_space += segments[i].pages_total * PAGE_SIZE;
        sum.dpi_free_space += segments[i].pages_free * PAGE_SIZE;
    }
    free(records);
    *info = sum;
    return KERN_SUCCESS;
}

kern_return_t default_pager_info_64(mach_port_t default_pager, default_pager_info_64_t *info)
{
    default_pager_info_t sum;
    info_system_t system = { 0 };
    kern_return_t status = default_pager_info(default_pager, &sum);
    if (status != KERN_SUCCESS)
        return status;
    sys_object_get_info(system_handle(), INFO_SYSTEM, &system, sizeof system, NULL, NULL);
    bool over = system.frames[FRAME_ANON] * PAGE_SIZE > sum.dpi_free_space;
    *info = (default_pager_info_64_t){
        sum.dpi_total_space, sum.dpi_free_space, sum.dpi_page_size, over ? DPI_OVERCOMMITTED : 0,
    };
    return KERN_SUCCESS;
}

/* --- What is on backing store. --- */

static int by_object(const void *a, const void *b)
{
    const info_swap_page_t *first = a, *second = b;
    if (first->vmo_koid != second->vmo_koid)
        return first->vmo_koid < second->vmo_koid ? -1 : 1;
    return first->vmo_offset < second->vmo_offset ? -1 : first->vmo_offset > second->vmo_offset;
}

/* Blocks in use that belong to an object, sorted by object and offset. */
static kern_return_t list_pages(mach_port_t default_pager, info_swap_page_t **out_pages,
                                size_t *out_count)
{
    void *records;
    size_t count, kept = 0;
    kern_return_t status = list(default_pager, INFO_SWAP_PAGE_LIST, sizeof(info_swap_page_t),
                                &records, &count);
    if (status != KERN_SUCCESS)
        return status;
    info_swap_page_t *pages = records;
    for (size_t i = 0; i < count; i++)
        if (pages[i].vmo_koid != 0)
            pages[kept++] = pages[i];
    qsort(pages, kept, sizeof *pages, by_object);
    *out_pages = pages;
    *out_count = kept;
    return KERN_SUCCESS;
}

kern_return_t default_pager_objects(mach_port_t default_pager,
                                    default_pager_object_array_t *objects,
                                    mach_msg_type_number_t *object_count,
                                    mach_port_array_t *ports,
                                    mach_msg_type_number_t *port_count)
{
    info_swap_page_t *pages;
    size_t count, found = 0;
    kern_return_t status = list_pages(default_pager, &pages, &count);
    if (status != KERN_SUCCESS)
        return status;
    default_pager_object_t *sums = calloc(count + 1, sizeof *sums);
    mach_port_t *names = calloc(count + 1, sizeof *names);
    if (!sums || !names) {
        free(sums);
        free(names);
        free(pages);
        return KERN_RESOURCE_SHORTAGE;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && pages[i].vmo_koid != pages[i - 1].vmo_koid)
            found++;
        sums[found].dpo_object = pages[i].vmo_koid;
        sums[found].dpo_size += PAGE_SIZE;
    }
    free(pages);
    *objects = sums;
    *ports = names;
    *object_count = *port_count = (mach_msg_type_number_t)(found + (count > 0));
    return KERN_SUCCESS;
}

kern_return_t default_pager_object_pages(mach_port_t default_pager, mach_port_t object,
                                         default_pager_page_array_t *pages,
                                         mach_msg_type_number_t *page_count)
{
    info_vmo_t vmo;
    info_swap_page_t *all;
    size_t count, found = 0;
    status_t known = sys_object_get_info(object, INFO_VMO, &vmo, sizeof vmo, NULL, NULL);
    if (known != OK || (vmo.flags & INFO_VMO_PAGER_BACKED))
        return KERN_INVALID_ARGUMENT;
    kern_return_t status = list_pages(default_pager, &all, &count);
    if (status != KERN_SUCCESS)
        return status;
    default_pager_page_t *offsets = calloc(count + 1, sizeof *offsets);
    for (size_t i = 0; offsets && i < count; i++)
        if (all[i].vmo_koid == vmo.koid && !all[i].in_memory)
            offsets[found++].dpp_offset = all[i].vmo_offset;
    free(all);
    if (!offsets)
        return KERN_RESOURCE_SHORTAGE;
    *pages = offsets;
    *page_count = (mach_msg_type_number_t)found;
    return KERN_SUCCESS;
}

/* --- Alerts. --- */

static void cancel_alerts(mach_port_t default_pager, mach_port_t port)
{
    sys_port_cancel(port, default_pager, HI_WAT_ALERT);
    sys_port_cancel(port, default_pager, LO_WAT_ALERT);
}

kern_return_t default_pager_triggers(mach_port_t default_pager, vm_size_t hi_wat, vm_size_t lo_wat,
                                     int flags, mach_port_t port)
{
    if (flags & ~(HI_WAT_ALERT | LO_WAT_ALERT))
        return KERN_INVALID_ARGUMENT;
    status_t status = sys_default_pager_set_alerts(default_pager, 0, UINT64_MAX);
    if (status == OK)
        cancel_alerts(default_pager, port);
    if (status == OK && (flags & HI_WAT_ALERT))
        status = sys_object_wait_async(default_pager, port, HI_WAT_ALERT, SIGNAL_USER_0,
                                       WAIT_ASYNC_ONCE);
    if (status == OK && (flags & LO_WAT_ALERT))
        status = sys_object_wait_async(default_pager, port, LO_WAT_ALERT, SIGNAL_USER_1,
                                       WAIT_ASYNC_ONCE);
    if (status == OK)
        status = sys_default_pager_set_alerts(
            default_pager, flags & HI_WAT_ALERT ? hi_wat / PAGE_SIZE + (hi_wat % PAGE_SIZE != 0) : 0,
            flags & LO_WAT_ALERT ? lo_wat / PAGE_SIZE : UINT64_MAX);
    if (status != OK)
        cancel_alerts(default_pager, port);
    return result(status);
}

/* --- Stores. --- */

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
        .pages_unavail = counter(store.system.zero_fills),
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
