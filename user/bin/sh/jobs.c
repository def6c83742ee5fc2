/*
 * jobs.c: programs that run in the background.
 *
 * A background process is remembered, with its handle, until somebody has waited for it.
 */
#include "sh.h"

#include <inttypes.h>
#include <string.h>

enum { JOBS_MAX = 64 };

static struct {
    uint64_t koid;
    handle_t process;
} jobs[JOBS_MAX];
static size_t job_count;

int64_t jobs_wait(uint64_t koid)
{
    int64_t result = koid == 0 ? 0 : STATUS_NOT_FOUND;
    for (size_t i = 0; i < job_count;) {
        if (koid != 0 && jobs[i].koid != koid) {
            i++;
            continue;
        }
        if (!job_wait_in_background(jobs[i].process))
            return STATUS_INTERRUPTED;
        int64_t code = job_wait(jobs[i].process);
        if (koid != 0 || code != 0)
            result = code;
        memmove(jobs + i, jobs + i + 1, (--job_count - i) * sizeof jobs[0]);
    }
    return result;
}

static bool has_ended(handle_t process)
{
    return sys_object_wait_one(process, SIGNAL_TERMINATED, 0, NULL) == OK;
}

/* When there are too many, one that has ended is forgotten, or the first. */
void job_add(handle_t process, const char *name)
{
    info_process_t info = { 0 };
    sys_object_get_info(process, INFO_PROCESS, &info, sizeof info, NULL, NULL);
    if (interactive)
        printf("[%" PRIu64 "] %s\n", info.koid, name);
    if (job_count == JOBS_MAX) {
        size_t i = 0;
        while (i + 1 < job_count && !has_ended(jobs[i].process))
            i++;
        i = has_ended(jobs[i].process) ? i : 0;
        sys_handle_close(jobs[i].process);
        memmove(jobs + i, jobs + i + 1, (--job_count - i) * sizeof jobs[0]);
    }
    jobs[job_count].koid = info.koid;
    jobs[job_count++].process = process;
}

void jobs_print(void)
{
    for (size_t i = 0; i < job_count; i++) {
        info_process_t info = { 0 };
        sys_object_get_info(jobs[i].process, INFO_PROCESS, &info, sizeof info, NULL, NULL);
        printf("%%%zu  %6" PRIu64 "  %-8s %s\n", i + 1, jobs[i].koid,
               has_ended(jobs[i].process) ? "ended" : "running", info.name);
    }
}

uint64_t job_koid(size_t number)
{
    return number > 0 && number <= job_count ? jobs[number - 1].koid : 0;
}
