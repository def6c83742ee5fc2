/*
 * cow.h: what the tests of snapshots, clones and slices share.
 */
#pragma once

#include "pager_rig.h"

#define SNAPSHOT VMO_CHILD_SNAPSHOT
#define ON_WRITE VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE

/* The range is given in pages. */
static inline handle_t new_child(handle_t vmo, uint32_t options, uint64_t first, uint64_t pages)
{
    handle_t child = HANDLE_INVALID;

    CHECK_OK(sys_vmo_create_child(vmo, options, first * PAGE_SIZE, pages * PAGE_SIZE, &child));
    return child;
}

static inline status_t try_child(handle_t vmo, uint32_t options, uint64_t offset, uint64_t size)
{
    handle_t child;
    status_t status = sys_vmo_create_child(vmo, options, offset, size, &child);

    if (status == OK)
        CHECK_OK(sys_handle_close(child));
    return status;
}

static inline void close_all(const handle_t *handles, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_OK(sys_handle_close(handles[i]));
}
#define CLOSE(...) close_all((const handle_t[]){ __VA_ARGS__ },                              \
                             sizeof((const handle_t[]){ __VA_ARGS__ }) / sizeof(handle_t))

static inline handle_t new_filled(uint64_t pages, int byte)
{
    handle_t vmo = new_vmo(pages);

    vmo_fill(vmo, 0, pages * PAGE_SIZE, byte);
    return vmo;
}

/* Every byte of a page. */
static inline void fill_page(handle_t vmo, uint64_t page, int byte)
{
    vmo_fill(vmo, page * PAGE_SIZE, PAGE_SIZE, byte);
}

static inline bool page_is(handle_t vmo, uint64_t page, int byte)
{
    return vmo_is_filled(vmo, page * PAGE_SIZE, PAGE_SIZE, byte);
}

static inline void put_byte(handle_t vmo, uint64_t offset, char byte)
{
    CHECK_OK(sys_vmo_write(vmo, 0, &byte, offset, 1));
}

/* Of a page; the status if it cannot be had without waiting. */
static inline int byte_of(handle_t vmo, uint64_t page)
{
    unsigned char byte = 0;
    status_t status = sys_vmo_read(vmo, 0, &byte, page * PAGE_SIZE, 1);

    return status == OK ? byte : status;
}

static inline rights_t rights_of(handle_t handle)
{
    info_handle_basic_t info = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    return info.rights;
}

/* Is ZERO_CHILDREN set now? */
static inline bool childless(handle_t vmo)
{
    signals_t observed = 0;
    status_t status = sys_object_wait_one(vmo, SIGNAL_ZERO_CHILDREN, 0, &observed);

    CHECK(status == OK || status == ERR_TIMED_OUT);
    return observed & SIGNAL_ZERO_CHILDREN;
}

/* Frames with content, in the whole system. */
static inline int64_t frames_held(void)
{
    info_system_t info = system_info();

    return (int64_t)(info.frames[FRAME_ANON] + info.frames[FRAME_PAGER] +
                     info.frames[FRAME_DEVICE] + info.frames[FRAME_BUSY]);
}

/* The next packet asks for these pages of the root; answer it. */
static inline void serve_read(struct rig rig, uint64_t first, uint64_t count)
{
    expect_read(rig, first, count);
    supply(rig, first, count);
}

/* Start the access and see that it waits for the pager. */
static inline void ask(unsigned number, enum access_kind kind, handle_t vmo, uint64_t first,
                       uint64_t count)
{
    access_start(&accesses[number], kind, vmo, first, count);
    wait_until_asked(&accesses[number]);
}
