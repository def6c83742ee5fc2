/*
 * free.c: what physical memory is used for, and the kernel's counters (-c).
 */
#include <inttypes.h>
#include <quire.h>
#include <stdio.h>
#include <string.h>

static void print_counters(const info_system_t *info)
{
    printf("up %" PRIu64 ".%03" PRIu64 " s, %" PRIu32 " harts, idle %" PRIu64 ".%03" PRIu64 " s\n",
           info->uptime / 1000000000, info->uptime / 1000000 % 1000, info->harts,
           info->idle_time / 1000000000, info->idle_time / 1000000 % 1000);
    printf("switches %" PRIu64 ", hand-overs %" PRIu64 ", faults %" PRIu64 ", calls %" PRIu64
           ", interrupts %" PRIu64 ", shootdowns %" PRIu64 "\n", info->context_switches,
           info->hand_overs, info->page_faults, info->syscalls, info->interrupts,
           info->tlb_shootdowns);
}

int main(int argument_count, char **arguments)
{
    static const char *const kinds[FRAME_KINDS] = {
        "free", "kernel", "page tables", "anonymous", "pager", "device", "in flight",
    };
    info_system_t info;
    status_t status = sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL,
                                          NULL);
    if (status != OK) {
        fprintf(stderr, "free: %s\n", status_text(status));
        return 1;
    }
    printf("%-12s %10s %10s\n", "", "pages", "KiB");
    printf("%-12s %10" PRIu64 " %10" PRIu64 "\n", "all", info.memory_bytes / PAGE_SIZE,
           info.memory_bytes / 1024);
    for (int i = 0; i < FRAME_KINDS; i++)
        printf("%-12s %10" PRIu64 " %10" PRIu64 "\n", kinds[i], info.frames[i],
               info.frames[i] * (PAGE_SIZE / 1024));
    if (argument_count > 1 && strcmp(arguments[1], "-c") == 0)
        print_counters(&info);
    return 0;
}
