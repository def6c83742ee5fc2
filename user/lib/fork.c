/*
 * fork.c: fork: a process that is a copy of this one.
 *
 * The kernel knows snapshots of memory and copies of handle tables; that is all a fork needs.  Each
 * region of ours is mapped in the child at the same place: memory that can be written from a
 * snapshot of its VMO (one for all regions of that VMO), other memory and shared memory from the
 * same VMO.  The child's first thread then returns from the same call.  Handles that cannot be
 * duplicated stay here, so what the child needs of its own comes to it in a message.
 *
 * Invariant: what is in `struct forking` is closed before fork returns here.
 * Locks: all that fork_prepare takes, so that what they guard is whole in the child.
 */
#include "internal.h"

#include <errno.h>
#include <quire/fs.h>
#include <string.h>
#include <unistd.h>

/* See fork.S. */
struct fork_place {
    uint64_t words[28];
};

handle_t fork_mark(struct fork_place *place) __attribute__((returns_twice));
void fork_continue(void);

enum { SNAPSHOTS_MAX = 64 };
#define ENTERED_MAX (64 * PAGE_SIZE)    /* pages of such regions are entered at once: few faults */

struct forking {
    handle_t process, thread;
    handle_t parent_end, child_end;     /* of the channel that carries the child's own handles */
    struct {
        uint64_t koid;                  /* of the VMO; */
        handle_t copy;                  /* what the child has in its place */
    } snapshots[SNAPSHOTS_MAX];         /* the latest ones, in a ring */
    size_t snapshot_count;
};

/* What the message carries, in this order. */
enum { CHILD_PROCESS, CHILD_THREAD, CHILD_ROOT_FS, CHILD_HANDLES };

static struct fork_place place;         /* guarded by the locks of fork_prepare */

static void close_if_valid(handle_t handle)
{
    if (handle != HANDLE_INVALID)
        sys_handle_close(handle);
}

static void remember(struct forking *forking, uint64_t koid, handle_t copy)
{
    size_t i = forking->snapshot_count++ % SNAPSHOTS_MAX;
    if (forking->snapshot_count > SNAPSHOTS_MAX)
        sys_handle_close(forking->snapshots[i].copy);
    forking->snapshots[i].koid = koid;
    forking->snapshots[i].copy = copy;
}

static handle_t remembered(const struct forking *forking, uint64_t koid)
{
    for (size_t i = 0; i < forking->snapshot_count && i < SNAPSHOTS_MAX; i++)
        if (forking->snapshots[i].koid == koid)
            return forking->snapshots[i].copy;
    return HANDLE_INVALID;
}

/*
 * What the child maps in the place of a VMO; `vmo` is used up.  A copy of a clone is another clone of
 * the same file; memory that nobody may ever write to needs no copy.
 */
static status_t copy_vmo(struct forking *forking, const info_map_t *region, handle_t vmo,
                         handle_t *out_copy)
{
    handle_t copy = remembered(forking, region->vmo_koid);
    status_t status = OK;
    if (copy == HANDLE_INVALID) {
        copy = vmo;
        vmo = HANDLE_INVALID;
        if ((region->flags & VM_SHARED) == 0 && (region->allowed & VM_WRITE) != 0) {
            vmo = copy;
            status = sys_vmo_create_child(vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0,
                                          region->vmo_size, &copy);
        }
        if (status == OK)
            remember(forking, region->vmo_koid, copy);
    }
    close_if_valid(vmo);
    *out_copy = copy;
    return status;
}

static status_t copy_memory(struct forking *forking)
{
    info_map_t region;
    handle_t vmo, copy;
    uintptr_t address = 0, mapped;
    status_t status;
    while ((status = sys_vm_get_mapping(process_self(), address, &region, &vmo)) == OK) {
        status = copy_vmo(forking, &region, vmo, &copy);
        if (status == OK)
            status = sys_vm_map(forking->process, region.flags | VM_FIXED |
                                (region.length <= ENTERED_MAX ? VM_MAP_RANGE : 0), region.base,
                                copy, region.vmo_offset, region.length, &mapped);
        if (status != OK)
            return status;
        address = region.base + region.length;
    }
    return status == ERR_NOT_FOUND ? OK : status;
}

/* A server that is gone must not keep us from a copy. */
static status_t send_handles(struct forking *forking)
{
    handle_t handles[CHILD_HANDLES];
    uint32_t count = CHILD_ROOT_FS;
    status_t status = sys_handle_duplicate(forking->process, RIGHT_SAME_RIGHTS,
                                           &handles[CHILD_PROCESS]);
    if (status != OK)
        return status;
    status = sys_handle_duplicate(forking->thread, RIGHT_SAME_RIGHTS, &handles[CHILD_THREAD]);
    if (status != OK) {
        sys_handle_close(handles[CHILD_PROCESS]);
        return status;
    }
    if (root_fs_handle() != HANDLE_INVALID &&
        fs_connect(root_fs_handle(), &handles[CHILD_ROOT_FS]) == OK)
        count++;
    return sys_channel_write(forking->parent_end, 0, NULL, 0, handles, count);
}

/*
 * 1. The process with its handles, and what it needs of its own.  2. It becomes a child of ours, but
 * for the list.  3. Its memory: late, as from now on each page that either writes to is copied.
 */
static status_t make_child(struct forking *forking, pid_t *out_number)
{
    /* 1. */
    status_t status = sys_process_create(program_name, strnlen(program_name, NAME_MAX_LENGTH),
                                         PROCESS_COPY_HANDLES, &forking->process);
    if (status == OK)
        status = sys_thread_create(forking->process, "main", 4, 0, &forking->thread);
    if (status == OK)
        status = sys_channel_create(0, &forking->parent_end, &forking->child_end);
    if (status == OK)
        status = send_handles(forking);
    /* 2. */
    if (status == OK)
        status = child_expect_locked(forking->process, out_number);
    if (status != OK)
        return status;
    /* 3. */
    status = copy_memory(forking);
    if (status == OK)
        status = sys_process_start(forking->process, forking->thread, (uintptr_t)fork_continue,
                                   place.words[1], forking->child_end, (uintptr_t)&place);
    if (status == OK)
        forking->child_end = HANDLE_INVALID;
    child_expected_locked(status == OK);
    forking->process = HANDLE_INVALID;          /* the child's record has it, or closed it */
    return status;
}

static status_t fork_here(pid_t *out_number)
{
    struct forking forking = { .process = HANDLE_INVALID };
    status_t status = make_child(&forking, out_number);
    for (size_t i = 0; i < forking.snapshot_count && i < SNAPSHOTS_MAX; i++)
        sys_handle_close(forking.snapshots[i].copy);
    close_if_valid(forking.parent_end);
    close_if_valid(forking.child_end);
    close_if_valid(forking.thread);
    close_if_valid(forking.process);
    return status;
}

/* The child's first steps, with all locks still held that the parent took. */
static void begin_child(handle_t channel)
{
    handle_t handles[CHILD_HANDLES] = { HANDLE_INVALID };
    uint32_t bytes, count;
    status_t status = sys_channel_read(channel, 0, NULL, handles, 0, CHILD_HANDLES, &bytes, &count);
    if (status != OK || count < CHILD_ROOT_FS)
        sys_process_exit(EXIT_CODE_KILLED);
    sys_handle_close(channel);
    own_handles_replace(handles[CHILD_PROCESS], handles[CHILD_THREAD], handles[CHILD_ROOT_FS]);
    children_forget_locked();
    fork_child();
    if (signals_fork_child() != OK)     /* without memory for them it cannot go on */
        sys_process_exit(EXIT_CODE_KILLED);
}

/* EAGAIN, ENOMEM.  Only the calling thread lives on in the child. */
pid_t fork(void)
{
    pid_t number = 0;
    signals_hold();
    fork_prepare();
    handle_t channel = fork_mark(&place);
    if (channel != HANDLE_INVALID) {
        begin_child(channel);
        signals_release();
        return 0;
    }
    status_t status = fork_here(&number);
    fork_parent();
    signals_release();
    if (status == OK)
        return number;
    errno = status == ERR_NO_MEMORY ? ENOMEM : EAGAIN;
    return -1;
}

/* The child has a copy of everything, so it may do more than POSIX allows it. */
pid_t vfork(void)
{
    return fork();
}
