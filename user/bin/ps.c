/*
 * ps.c: the processes, with their threads, handles and memory.
 */
#include <inttypes.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>

static const char *state_name(const info_process_t *process)
{
    return !process->started ? "new" : process->exited ? "ended" : "runs";
}

int main(void)
{
    void *records;
    size_t count;
    status_t status = info_list(system_handle(), INFO_PROCESS_LIST, sizeof(info_process_t),
                                &records, &count);
    if (status != OK) {
        fprintf(stderr, "ps: %s\n", status_text(status));
        return 1;
    }
    const info_process_t *processes = records;
    printf("  KOID STATE THREADS HANDLES REGIONS   MAPPED RESIDENT NAME\n");
    for (size_t i = 0; i < count; i++) {
        const info_process_t *process = &processes[i];
        printf("%6" PRIu64 " %-5s %7" PRIu32 " %7" PRIu32 " %7" PRIu32 " %7" PRIu64 "K %7" PRIu64
               "K %s\n", process->koid, state_name(process), process->num_threads,
               process->num_handles, process->num_regions, process->mapped_bytes / 1024,
               process->resident_bytes / 1024, process->name);
    }
    free(records);
    return 0;
}
