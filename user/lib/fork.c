/*
 * fork.c: fork: a process that is a copy of this one.
 *
 * The kernel knows snapshots of memory and copies of handle tables; that is all a fork needs.  Each
 * region of ours is mapped in the child at the same place: memory that can be written from a
 * snapshot of its VMO (one for all regions of that VMO), other memory and shared memory from the
 * same VMO.  The child's first thread then returns from the same call, with a handle to its process.
 * The connection to the file server is shared: a reply goes to the call that it answers.
 *
 * Invariant: what is in `struct forking` is closed before fork returns here.
 * Locks: all that fork_prepare takes, so that what they guard is whole in the child.
 */
#include "internal.h"

#include <errno.h>
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
    handle_t own;                       /* to the process, for itself */
    struct {
        uint64_t koid;                  /* of the VMO; */
        handle_t copy;                  /* what the child has in its place */
    } snapshots[SNAPSHOTS_MAX];         /* the latest ones, in a ring */
    size_t snapshot_count;
};

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

/*
 * 1. The process with copies of our handles, and one to itself.  2. It becomes a child of ours, but
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
        status = sys_handle_duplicate(forking->process, RIGHT_SAME_RIGHTS, &forking->own);
    /* 2. */
    if (status == OK)
        status = child_expect_locked(forking->process, out_number);
    if (status != OK)
        return status;
    /* 3. */
    status = copy_memory(forking);
    if (status == OK)
        status = signals_fork_parent(forking->process);
    if (status == OK)
        status = sys_process_start(forking->process, forking->thread, (uintptr_t)fork_continue,
                                   place.words[1], forking->own, (uintptr_t)&place);
    if (status == OK)
        forking->own = HANDLE_INVALID;
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
    close_if_valid(forking.own);
    close_if_valid(forking.thread);
    close_if_valid(forking.process);
    return status;
}

/* The child's first steps, with all locks still held that the parent took. */
static void begin_child(handle_t own)
{
    own_process_replace(own);
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
    handle_t own = fork_mark(&place);
    if (own != HANDLE_INVALID) {
        begin_child(own);
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
