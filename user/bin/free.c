/*
 * free.c: what physical memory is used for, and the kernel's counters (-c).
 *
 * Cached are the pages of files and devices: whoever supplied them can do so again, so they go when
 * memory is short.  Used is all that is neither free nor cached.  Swap is what page-out can write
 * anonymous memory to; used is what is not free there.  -h: sizes in few digits.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdio.h>
#include <unistd.h>

static bool in_few_digits;

static void print_size(uint64_t frames)
{
    char text[SIZE_TEXT];
    if (in_few_digits)
        printf(" %9s", size_text(frames * PAGE_SIZE, text));
    else
        printf(" %9" PRIu64, frames * (PAGE_SIZE / 1024));
}

static void print_summary(const info_system_t *info)
{
    uint64_t total = info->memory_bytes / PAGE_SIZE;
    uint64_t cached = info->frames[FRAME_PAGER] + info->frames[FRAME_DEVICE];
    uint64_t free = info->frames[FRAME_FREE];
    printf("%-12s %9s %9s %9s %9s\n", in_few_digits ? "" : "KiB", "total", "used", "free",
           "cached");
    printf("%-12s", "memory");
    print_size(total);
    print_size(total - free - cached);
    print_size(free);
    print_size(cached);
    printf("\n");
}

/* Only for those who may ask. */
static void print_swap(void)
{
    struct swap_space space;
    if (swap_space_read(&space) != OK)
        return;
    printf("%-12s", "swap");
    print_size(space.total);
    print_size(space.total - space.free);
    print_size(space.free);
    printf("\n");
}

static void print_kinds(const info_system_t *info)
{
    static const char *const kinds[FRAME_KINDS] = {
        "free", "kernel", "page tables", "anonymous", "pager", "device", "in flight",
    };
    uint64_t total = info->memory_bytes / PAGE_SIZE;
    printf("\n%-12s %9s %9s %6s\n", "use", in_few_digits ? "size" : "KiB", "pages", "%");
    for (int i = 0; i < FRAME_KINDS; i++) {
        printf("%-12s", kinds[i]);
        print_size(info->frames[i]);
        printf(" %9" PRIu64 " %6.1f\n", info->frames[i], 100.0 * info->frames[i] / total);
    }
}

static void print_counters(const info_system_t *info)
{
    printf("\nup %.3f s, %" PRIu32 " harts, idle %.3f s\n", info->uptime / 1e9, info->harts,
           info->idle_time / 1e9);
    printf("switches %" PRIu64 ", hand-overs %" PRIu64 ", faults %" PRIu64 ", calls %" PRIu64
           ", interrupts %" PRIu64 ", shootdowns %" PRIu64 "\n", info->context_switches,
           info->hand_overs, info->page_faults, info->syscalls, info->interrupts,
           info->tlb_shootdowns);
}

int main(int argument_count, char **arguments)
{
    bool with_counters = false;
    info_system_t info;
    int option;
    while ((option = getopt(argument_count, arguments, "ch")) != -1) {
        if (option == 'c')
            with_counters = true;
        else if (option == 'h')
            in_few_digits = true;
        else
            return usage("free [-ch]");
    }
    if (optind < argument_count)
        return usage("free [-ch]");
    status_t status = system_info(&info);
    if (status != OK)
        errx(1, "%s", status_text(status));
    print_summary(&info);
    print_swap();
    print_kinds(&info);
    if (with_counters)
        print_counters(&info);
    return 0;
}
