/*
 * default_pager_object.h: the management calls of the OSF Mach default pager, over Quire's own (sys_backing_store_*).
 *
 * A port is a handle: default_pager_handle() names the default pager, block_open() opens a device.  Every call answers
 * KERN_INVALID_ARGUMENT for a port that names nothing, or something else than is asked for; only success writes results.
 */
#pragma once

#include <quire.h>

typedef handle_t mach_port_t;
typedef int      kern_return_t;
typedef int      integer_t;
typedef unsigned natural_t;
typedef uint64_t vm_size_t;
typedef uint64_t vm_offset_t;
typedef uint64_t recnum_t;              /* the number of a record of a device */
typedef natural_t mach_msg_type_number_t;
typedef mach_port_t *mach_port_array_t;

#define MACH_PORT_NULL         ((mach_port_t)HANDLE_INVALID)
#define KERN_SUCCESS           0
#define KERN_INVALID_ARGUMENT  4
#define KERN_FAILURE           5
#define KERN_RESOURCE_SHORTAGE 6

typedef struct default_pager_info {
    vm_size_t dpi_total_space, dpi_free_space, dpi_page_size;           /* bytes */
} default_pager_info_t;

typedef struct default_pager_info_64 {
    vm_size_t dpi_total_space, dpi_free_space, dpi_page_size;           /* bytes */
    int dpi_flags;
} default_pager_info_64_t;

#define DPI_OVERCOMMITTED 1             /* there is more anonymous memory than free space: it could not all be paged out */

/* An object with pages on backing store: who it is (its koid), and how many bytes it has there. */
typedef struct default_pager_object {
    vm_offset_t dpo_object;
    vm_size_t dpo_size;
} default_pager_object_t;
typedef default_pager_object_t *default_pager_object_array_t;

typedef struct default_pager_page {
    vm_offset_t dpp_offset;             /* bytes, in the object */
} default_pager_page_t;
typedef default_pager_page_t *default_pager_page_array_t;

#define HI_WAT_ALERT 1
#define LO_WAT_ALERT 2

typedef int backing_store_flavor_t;
typedef integer_t *backing_store_info_t;

#define BACKING_STORE_BASIC_INFO 1

struct backing_store_basic_info {
    /* Of all stores.  They stop at the greatest number there is. */
    natural_t pageout_calls, pagein_calls;
    natural_t pages_in, pages_out;
    natural_t pages_unavail;            /* zero, because nothing had been written to them */
    natural_t pages_init, pages_init_writes;            /* 0: nothing is ever pushed into a copy */
    /* Of this one. */
    natural_t bs_pages_total, bs_pages_free;
    natural_t bs_pages_in, bs_pages_in_fail;
    natural_t bs_pages_out, bs_pages_out_fail;
    integer_t bs_priority;              /* 4 or 0 */
    integer_t bs_clsize;                /* bytes */
};
typedef struct backing_store_basic_info *backing_store_basic_info_t;

#define BACKING_STORE_BASIC_INFO_COUNT \
    ((mach_msg_type_number_t)(sizeof(struct backing_store_basic_info) / sizeof(integer_t)))

/* A memory object that pages to the default pager: a resizable VMO.  RESOURCE_SHORTAGE. */
kern_return_t default_pager_object_create(mach_port_t default_pager, vm_size_t object_size,
                                          mach_port_t *memory_object);
/* All segments together; the part of a segment beyond its last whole cluster is not counted. */
kern_return_t default_pager_info(mach_port_t default_pager, default_pager_info_t *info);
/* Also whether memory is over-committed, if the program has the system handle: else it is not told. */
kern_return_t default_pager_info_64(mach_port_t default_pager, default_pager_info_64_t *info);

/*
 * Which objects have pages on backing store.  Both arrays are the caller's to free(); the ports are all null, there are no
 * name ports.  A page that several objects share is counted for one of them.  RESOURCE_SHORTAGE.
 */
kern_return_t default_pager_objects(mach_port_t default_pager,
                                    default_pager_object_array_t *objects,
                                    mach_msg_type_number_t *object_count,
                                    mach_port_array_t *ports,
                                    mach_msg_type_number_t *port_count);
/*
 * Which pages of a memory object are on backing store and not in memory, in ascending order; free() the array.
 * INVALID_ARGUMENT: `object` is no anonymous VMO; RESOURCE_SHORTAGE.
 */
kern_return_t default_pager_object_pages(mach_port_t default_pager, mach_port_t object,
                                         default_pager_page_array_t *pages,
                                         mach_msg_type_number_t *page_count);
/*
 * Tell the port, once, that less than hi_wat bytes are free (HI_WAT_ALERT) or that more than lo_wat are (LO_WAT_ALERT): a SIGNAL
 * packet with the flag as its key.  Only what the latest call asked for is told.  INVALID_ARGUMENT: other flags.
 */
kern_return_t default_pager_triggers(mach_port_t default_pager, vm_size_t hi_wat, vm_size_t lo_wat,
                                     int flags, mach_port_t port);

/*
 * An empty store.  priority: 4 and -1 are 4, the rest 0.  clsize: bytes, made 1, 2, 4 or 8 pages; 0: the usual.
 * RESOURCE_SHORTAGE.
 */
kern_return_t default_pager_backing_store_create(mach_port_t default_pager, int priority,
                                                 int clsize, mach_port_t *backing_store);
/* FAILURE: the store holds pages that no other has room for; nothing has changed.  After success the port is gone. */
kern_return_t default_pager_backing_store_delete(mach_port_t backing_store);
/*
 * Use records [offset, offset + count) of the device, each record_size bytes: a power of two, at most a page.
 * INVALID_ARGUMENT also: beyond the device, or some of it belongs to a segment; RESOURCE_SHORTAGE: no memory, or too many
 * segments; FAILURE: the device cannot be written.
 */
kern_return_t default_pager_add_segment(mach_port_t backing_store, mach_port_t device,
                                        recnum_t offset, recnum_t count, int record_size);
/* flavor: BACKING_STORE_BASIC_INFO; *size: how many integers `info` has room for, and then how many were written. */
kern_return_t default_pager_backing_store_info(mach_port_t backing_store,
                                               backing_store_flavor_t flavor,
                                               backing_store_info_t info,
                                               mach_msg_type_number_t *size);
