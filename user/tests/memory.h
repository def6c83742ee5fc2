/*
 * memory.h: what the tests of VMOs, address spaces, pagers and devices share.
 */
#pragma once

#include "common.h"

#define READ_WRITE (VM_READ | VM_WRITE)

/* Another handle to the same object with only these rights. */
static inline handle_t reduced(handle_t handle, rights_t rights)
{
    handle_t out = HANDLE_INVALID;

    CHECK_OK(sys_handle_duplicate(handle, rights, &out));
    return out;
}

static inline handle_t new_vmo(uint64_t pages)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_vmo_create(pages * PAGE_SIZE, 0, &vmo));
    return vmo;
}

static inline handle_t new_resizable_vmo(uint64_t pages)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_vmo_create(pages * PAGE_SIZE, VMO_RESIZABLE, &vmo));
    return vmo;
}

static inline info_vmo_t vmo_info(handle_t vmo)
{
    info_vmo_t info = { 0 };

    CHECK_OK(sys_object_get_info(vmo, INFO_VMO, &info, sizeof info, NULL, NULL));
    return info;
}

static inline uint64_t committed(handle_t vmo)
{
    return vmo_info(vmo).committed_bytes / PAGE_SIZE;
}

static inline bool all_wait(handle_t process)
{
    info_thread_t threads[16];
    size_t count = 0;

    sys_object_get_info(process, INFO_PROCESS_THREADS, threads, sizeof threads, &count, NULL);
    for (size_t i = 0; i < count; i++)
        if (threads[i].state != THREAD_BLOCKED)
            return false;
    return true;
}

/* Does nothing run but this program? */
static inline bool others_rest(void *unused)
{
    info_process_t list[32], own = { 0 };
    size_t count = 0;
    bool rest = true;
    handle_t process;

    (void)unused;
    sys_object_get_info(process_self(), INFO_PROCESS, &own, sizeof own, NULL, NULL);
    sys_object_get_info(system_handle(), INFO_PROCESS_LIST, list, sizeof list, &count, NULL);
    for (size_t i = 0; i < count && rest; i++) {
        if (list[i].koid == own.koid ||
            sys_object_get_child(system_handle(), list[i].koid, RIGHT_SAME_RIGHTS, &process) != OK)
            continue;
        rest = all_wait(process);
        CHECK_OK(sys_handle_close(process));
    }
    return rest;
}

/* What the whole system holds.  Before the first time the shell, which started us, may come to rest. */
static inline info_system_t system_info(void)
{
    static bool asked_before;
    info_system_t info = { 0 };

    if (!asked_before)
        comes_true_within(SECOND, others_rest, NULL);
    asked_before = true;
    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    return info;
}

struct object_count {
    uint32_t type;
    uint64_t count;
};

static inline bool objects_are_no_more(void *argument)
{
    const struct object_count *than = argument;

    return system_info().objects[than->type] <= than->count;
}

/*
 * Of threads and processes that have ended, and of what they or a server had, something goes a little
 * later; what was counted before may have been on its way too.
 */
static inline bool objects_come_down_to(uint32_t type, uint64_t count)
{
    return comes_true(objects_are_no_more, &(struct object_count){ type, count });
}

static inline uint64_t live_vmos(void)
{
    return system_info().objects[OBJECT_VMO];
}

/*
 * Objects of the system that live threads do not explain.  A server makes workers when it needs
 * them, each a thread and the VMO of its stack, and keeps them: they are not what a test left
 * behind, but a thread that has ended, or its stack, would be.
 */
struct leftovers {
    int64_t objects[sizeof(((info_system_t *)NULL)->objects) / sizeof(uint64_t)];
    uint64_t busy;
};

static inline struct leftovers leftovers_now(void)
{
    static info_process_t processes[64];
    struct leftovers now;
    info_system_t info;
    size_t count = 0;
    int64_t threads = 0;

    do {                                /* both of one moment */
        info = system_info();
        CHECK_OK(sys_object_get_info(system_handle(), INFO_PROCESS_LIST, processes,
                                     sizeof processes, &count, NULL));
    } while (system_info().objects[OBJECT_THREAD] != info.objects[OBJECT_THREAD]);
    now.busy = info.frames[FRAME_BUSY];
    for (size_t i = 0; i < count; i++)
        threads += processes[i].num_threads;
    for (size_t type = 0; type < array_size(now.objects); type++)
        now.objects[type] = (int64_t)info.objects[type];
    now.objects[OBJECT_THREAD] -= threads;
    now.objects[OBJECT_VMO] -= threads;
    return now;
}

/* Transfers, and what servers have of a process, end a little after it. */
static inline bool nothing_is_left_over(void *argument)
{
    struct leftovers now = leftovers_now(), *then = (struct leftovers *)argument;

    for (size_t type = 0; type < array_size(now.objects); type++)
        if (now.objects[type] > then->objects[type])
            return false;
    return now.busy == 0;
}

static inline info_process_t own_info(void)
{
    info_process_t info = { 0 };

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS, &info, sizeof info, NULL, NULL));
    return info;
}

static inline char *map_vmo(handle_t vmo, uint32_t options, uint64_t offset, uint64_t length)
{
    uintptr_t at = 0;

    CHECK_OK(sys_vm_map(process_self(), options, 0, vmo, offset, length, &at));
    return (char *)at;
}

static inline void unmap(const void *at, uint64_t length)
{
    CHECK_OK(sys_vm_unmap(process_self(), (uintptr_t)at, length));
}

/* Can the kernel read, write a byte there on our behalf?  What is written is what was there. */
static inline bool is_readable(const void *at)
{
    handle_t vmo = new_vmo(1);
    status_t status = sys_vmo_write(vmo, 0, at, 0, 1);

    CHECK(status == OK || status == ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(vmo));
    return status == OK;
}

static inline bool is_writable(void *at)
{
    handle_t vmo = new_vmo(1);
    status_t status = sys_vmo_write(vmo, 0, at, 0, 1);

    if (status == OK)
        status = sys_vmo_read(vmo, 0, at, 0, 1);
    CHECK(status == OK || status == ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(vmo));
    return status == OK;
}

/* Numbers that are the same in every run. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Is every byte of a range of a VMO this one? */
static inline bool vmo_is_filled(handle_t vmo, uint64_t offset, size_t length, int byte)
{
    static unsigned char bytes[PAGE_SIZE];

    while (length > 0) {
        size_t part = length < sizeof bytes ? length : sizeof bytes;

        CHECK_OK(sys_vmo_read(vmo, 0, bytes, offset, part));
        for (size_t i = 0; i < part; i++)
            if (bytes[i] != byte)
                return false;
        offset += part;
        length -= part;
    }
    return true;
}

static inline void vmo_fill(handle_t vmo, uint64_t offset, size_t length, int byte)
{
    static unsigned char bytes[PAGE_SIZE];

    memset(bytes, byte, sizeof bytes);
    while (length > 0) {
        size_t part = length < sizeof bytes ? length : sizeof bytes;

        CHECK_OK(sys_vmo_write(vmo, 0, bytes, offset, part));
        offset += part;
        length -= part;
    }
}
