/*
 * vmstat.c: the kernel's counters, as they move.
 *
 * The first line counts from the start of the system, each further one from the line before it:
 * `vmstat SECONDS` goes on for ever, `vmstat SECONDS COUNT` prints that many lines.  Memory is what
 * is used now, in KiB.  In and out are pages that came from backing store and went there.  Idle is of
 * all harts together.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdio.h>

enum { LINES_PER_HEAD = 20 };

struct sample {
    info_system_t system;
    struct swap_space swap;
};

static void print_head(void)
{
    printf("-------------------- memory, KiB --------------------"
           " ------------------ counts ------------------- ---- swap --- %%\n");
    printf("    free   kernel  tables     anon    pager   device"
           "  faults switches handover    calls  intrs shoot     in    out idle\n");
}

static void print_line(const struct sample *new, const struct sample *old)
{
    const info_system_t *now = &new->system, *before = &old->system;
    const uint64_t *moved = new->swap.moved.pages, *moved_before = old->swap.moved.pages;
    static const struct { int kind, width; } kinds[] = {
        { FRAME_FREE, 8 }, { FRAME_KERNEL, 8 }, { FRAME_TABLE, 7 }, { FRAME_ANON, 8 },
        { FRAME_PAGER, 8 }, { FRAME_DEVICE, 8 },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        printf("%s%*" PRIu64, i > 0 ? " " : "", kinds[i].width,
               now->frames[kinds[i].kind] * (PAGE_SIZE / 1024));
    uint64_t all = (now->uptime - before->uptime) * now->harts;
    uint64_t idle = now->idle_time - before->idle_time;
    printf(" %7" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %5" PRIu64
           " %6" PRIu64 " %6" PRIu64 " %4" PRIu64 "\n", now->page_faults - before->page_faults,
           now->context_switches - before->context_switches,
           now->hand_overs - before->hand_overs, now->syscalls - before->syscalls,
           now->interrupts - before->interrupts, now->tlb_shootdowns - before->tlb_shootdowns,
           moved[SWAP_IN] - moved_before[SWAP_IN], moved[SWAP_OUT] - moved_before[SWAP_OUT],
           all == 0 ? 0 : idle >= all ? 100 : idle * 100 / all);
    fflush(stdout);
}

int main(int argument_count, char **arguments)
{
    int64_t interval = argument_count > 1 ? interval_read(arguments[1]) : 0;
    long count = argument_count > 2 ? count_read(arguments[2]) : argument_count > 1 ? 0 : 1;
    if (interval < 0 || count < 0 || argument_count > 3)
        return usage("vmstat [SECONDS [COUNT]]");

    struct sample before = { 0 }, now = { 0 };
    int64_t next = sys_clock_get();
    for (long line = 0; count == 0 || line < count; line++) {
        if (line > 0) {
            next += interval;
            sys_nanosleep(next);
        }
        status_t status = system_info(&now.system);
        if (status != OK)
            errx(1, "%s", status_text(status));
        (void)swap_space_read(&now.swap);       /* without the right to ask, nothing moves */
        if (line % LINES_PER_HEAD == 0)
            print_head();
        print_line(&now, &before);
        before = now;
    }
    return 0;
}
