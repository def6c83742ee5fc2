/*
 * process.c: processes from creation to the end of their last thread.
 *
 * References run one way: every thread object holds its process, the process holds no thread (a started thread holds itself
 * until it has left its stack).  So both lists, of all processes and of a process' threads, contain objects that may be
 * dying: who finds one there takes a reference only if there still is one, and an object unlinks itself before it is freed.
 *
 * Invariant: both lists are in the order of koids, which are given out under their locks.  `exiting` is set
 * before the last started thread is gone or, for a process never started, by whoever kills it; who sets it
 * without leaving a thread behind runs finish(), once.
 * Locks: process->lock for threads and exit state; processes_lock for the list of all.
 */
#include "task/process.h"

#include "lib/kprintf.h"
#include "lib/string.h"
#include "mm/heap.h"

static struct spinlock processes_lock = SPINLOCK_INITIALIZER(RANK_TASKS);
static struct list all_processes = LIST_INITIALIZER(all_processes);

static void process_destroy(struct object *object)
{
    struct process *process = process_from_object(object);

    assert(list_empty(&process->threads));
    spin_lock(&processes_lock);
    list_remove(&process->all_link);
    spin_unlock(&processes_lock);
    handle_table_destroy(process->handles);
    if (!process->exited)
        aspace_clear(process->aspace);
    aspace_destroy(process->aspace);
    if (process->exceptions.port)
        object_unref(process->exceptions.port);
    heap_free(process);
}

const struct object_ops process_ops = {
    .type = OBJECT_PROCESS,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE | RIGHT_DESTROY,
    .name_offset = offsetof(struct process, name), .destroy = process_destroy,
};

status_t process_create(const char *name, struct handle_table *handles, struct process **out_process)
{
    struct process *process = heap_alloc_zeroed(sizeof(*process));

    if (!process)
        return ERR_NO_MEMORY;
    process->handles = handles ? handle_table_copy(handles) : handle_table_create();
    if (!process->handles || !(process->aspace = aspace_create())) {
        if (process->handles)
            handle_table_destroy(process->handles);
        heap_free(process);
        return ERR_NO_MEMORY;
    }
    spin_init(&process->lock, RANK_PROCESS);
    list_init(&process->threads);
    wait_queue_init(&process->futexes);
    format_string(process->name, sizeof(process->name), "%s", name);
    spin_lock(&processes_lock);
    object_init(&process->object, &process_ops, 0);
    list_push_back(&all_processes, &process->all_link);
    spin_unlock(&processes_lock);
    *out_process = process;
    return OK;
}

status_t process_start(struct thread *thread, bool as_first, struct handle_slot handle,
                       const uint64_t words[4])
{
    struct process *process = thread->process;
    handle_t value;
    status_t status = OK;

    spin_lock(&process->lock);
    if (process->started == as_first || process->exiting || thread->life != LIFE_NEW)
        status = ERR_BAD_STATE;
    else if (handle.object)
        status = handle_add(process->handles, 1, &handle, &value, NULL);
    if (status == OK) {
        memcpy(thread->start, words, sizeof(thread->start));
        if (handle.object)
            thread->start[2] = value;
        process->started = true;
        process->thread_count++;
        thread_start_locked(thread);
    }
    spin_unlock(&process->lock);
    return status;
}

/* No thread of the process will run user code again: give back what it had, and tell. */
static void finish(struct process *process)
{
    handle_table_close(process->handles, HANDLE_INVALID);
    aspace_clear(process->aspace);
    spin_lock(&process->lock);
    process->exited = true;
    spin_unlock(&process->lock);
    object_signal(&process->object, 0, SIGNAL_TERMINATED);
}

/* Unless that has begun (false): no new threads from here on, and those that exist die. */
static bool begin_exit_locked(struct process *process, int64_t code, bool killed)
{
    if (process->exiting)
        return false;
    process->exiting = true;
    process->exit_code = code;
    process->was_killed = killed;
    list_for_each(&process->threads, node)
        thread_kill_locked(list_entry(node, struct thread, process_link));
    return true;
}

bool process_kill(struct process *process, int64_t code, bool killed)
{
    spin_lock(&process->lock);

    bool first = begin_exit_locked(process, code, killed);
    bool over = first && process->thread_count == 0;

    spin_unlock(&process->lock);
    if (over)
        finish(process);
    return first;
}

void process_thread_exited(void)
{
    struct thread *me = current_thread();
    struct process *process = me->process;

    spin_lock(&process->lock);
    me->life = LIFE_DEAD;
    list_remove(&me->process_link);

    bool last = --process->thread_count == 0;

    if (last)
        begin_exit_locked(process, 0, false);
    spin_unlock(&process->lock);
    if (last)
        finish(process);
}

struct object *process_next(struct process *process, uint64_t koid)
{
    struct spinlock *lock = process ? &process->lock : &processes_lock;
    struct list *list = process ? &process->threads : &all_processes;
    size_t link_offset = process ? offsetof(struct thread, process_link) :
                                   offsetof(struct process, all_link);
    struct object *found = NULL;

    spin_lock(lock);
    list_for_each(list, node) {
        struct object *object = (struct object *)((char *)node - link_offset);

        if (object->koid >= koid && object_ref_unless_dead(object)) {
            found = object;
            break;
        }
    }
    spin_unlock(lock);
    return found;
}
