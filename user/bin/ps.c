/*
 * ps.c: the processes, with their threads, handles and memory.  -t: the threads of each.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *state_name(const info_process_t *process)
{
    return !process->started ? "new" : process->exited ? "ended" : "runs";
}

/* Nothing for a process that has just ended. */
static void print_threads(uint64_t koid)
{
    static const char *const states[] = {
        [THREAD_NEW] = "new", [THREAD_RUNNING] = "runs", [THREAD_BLOCKED] = "waits",
        [THREAD_BLOCKED_PAGER] = "page", [THREAD_EXCEPTION] = "fault", [THREAD_DEAD] = "ended",
    };
    handle_t process;
    void *records;
    size_t count;
    if (process_open(koid, &process) != OK)
        return;
    status_t status = info_list(process, INFO_PROCESS_THREADS, sizeof(info_thread_t), &records,
                                &count);
    sys_handle_close(process);
    if (status != OK)
        return;
    for (size_t i = 0; i < count; i++) {
        const info_thread_t *thread = (const info_thread_t *)records + i;
        printf("%6" PRIu64 " %-5s  hart %" PRIu32 "  %9.2f s   %s\n", thread->koid,
               states[thread->state], thread->hart, thread->run_time / 1e9, thread->name);
    }
    free(records);
}

int main(int argument_count, char **arguments)
{
    bool with_threads = false;
    void *records;
    size_t count;
    int option;
    while ((option = getopt(argument_count, arguments, "t")) != -1) {
        if (option != 't')
            return usage("ps [-t]");
        with_threads = true;
    }
    if (optind < argument_count)
        return usage("ps [-t]");
    status_t status = info_list(system_handle(), INFO_PROCESS_LIST, sizeof(info_process_t),
                                &records, &count);
    if (status != OK)
        errx(1, "%s", status_text(status));
    const info_process_t *processes = records;
    printf("  KOID STATE THREADS HANDLES REGIONS   MAPPED RESIDENT NAME\n");
    for (size_t i = 0; i < count; i++) {
        const info_process_t *process = &processes[i];
        printf("%6" PRIu64 " %-5s %7" PRIu32 " %7" PRIu32 " %7" PRIu32 " %7" PRIu64 "K %7" PRIu64
               "K %s\n", process->koid, state_name(process), process->num_threads,
               process->num_handles, process->num_regions, process->mapped_bytes / 1024,
               process->resident_bytes / 1024, process->name);
        if (with_threads)
            print_threads(process->koid);
    }
    free(records);
    return 0;
}
