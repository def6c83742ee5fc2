/*
 * pager_watch.c: see pager_watch.h.
 *
 * Invariant: thread->pager_wait_since is not 0 exactly while the thread waits for a user pager; the watcher
 * reads it without a lock, and a wake-up too many does no harm.
 */
#include "vm/pager_watch.h"

#include "lib/kprintf.h"
#include "lib/command_line.h"
#include "task/process.h"
#include "vm/pager.h"

#define SECOND 1000000000ul

_Atomic uint64_t pager_watch_time = 1;
static uint64_t report_after, time_out_after, first_limit;

status_t pager_watch_check(struct page_request *request)
{
    uint64_t waited = max_u64(arch_time(), request->asked_at) - request->asked_at;

    if (time_out_after && waited >= time_out_after)
        return ERR_TIMED_OUT;
    if (report_after && waited >= report_after && !request->reported && request->vmo) {
        request->reported = true;
        kprintf("quire: slow pager: thread %lu waits %lu s for pages %lu..%lu of vmo %lu (key 0x%lx)\n",
                current_thread()->object.koid, waited / SECOND, request->first,
                request->first + request->count - 1, request->vmo->object.koid,
                user_source_of(request->vmo)->key);
    }
    return OK;
}

static void wake_late_threads(struct process *process)
{
    uint64_t now = arch_time();

    spin_lock(&process->lock);
    list_for_each(&process->threads, node) {
        struct thread *thread = list_entry(node, struct thread, process_link);
        uint64_t since = atomic_load_explicit(&thread->pager_wait_since, memory_order_relaxed);

        if (since && now > since && now - since >= first_limit)
            thread_unpark(thread);
    }
    spin_unlock(&process->lock);
}

static void watch(UNUSED void *argument)
{
    uint64_t period = max_u64(first_limit / 8, SECOND / 4);
    struct object *process;

    for (;;) {
        int64_t next = arch_time() + period;

        atomic_store_explicit(&pager_watch_time, next, memory_order_relaxed);
        while (thread_park_until(next))
            ;
        for (uint64_t koid = 0; (process = process_next(NULL, koid + 1)); object_unref(process)) {
            koid = process->koid;
            wake_late_threads(process_from_object(process));
        }
    }
}

void pager_watch_init(void)
{
    report_after = command_line_number("pager_report", 20) * SECOND;
    time_out_after = command_line_number("pager_timeout", 300) * SECOND;
    first_limit = report_after && time_out_after ? min_u64(report_after, time_out_after)
                                                 : report_after + time_out_after;
    if (first_limit && thread_start_kernel("pager watch", watch, NULL) != OK)
        kprintf("quire: no memory for the pager watch; waits for pagers have no limit\n");
}
