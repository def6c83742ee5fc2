/*
 * panic.c: the end after a bug of the kernel's own.
 *
 * The first hart to panic stops the others (they see `panicking` where they wait, or get an interrupt), reports,
 * and switches off with exit status 255, or halts for a debugger with panic=halt on the command line.
 *
 * Locks: none are taken; the console goes without its own while `panicking` is set.
 */
#include "arch.h"

#include "lib/command_line.h"
#include "lib/kprintf.h"
#include "lib/string.h"
#include "task/thread.h"

#define PANIC_EXIT_CODE 255

volatile bool panicking;

static _Atomic(struct hart *) panic_hart;

static void report(struct hart *hart, const char *message)
{
    kprintf("\npanic: %s\n", message);
    kprintf("    hart %u (id %lu), thread %s\n", hart->index, hart->id,
            hart->current ? hart->current->name : "none");
    for (uint32_t rank = 0; rank < RANK_COUNT; rank++)
        if (hart->held >> rank & 1)
            kprintf("    holds %s\n", lock_rank_name(rank));
    arch_backtrace();
}

void panic(const char *format, ...)
{
    struct hart *hart = this_hart(), *nobody = NULL;
    char message[256];
    const char *option;
    size_t length;
    va_list arguments;

    if (!atomic_compare_exchange_strong(&panic_hart, &nobody, hart)) {
        if (nobody == hart)
            arch_power_off(PANIC_EXIT_CODE);    /* a panic while reporting one */
        arch_halt();
    }
    panicking = true;
    arch_send_reschedule((1u << hart_count) - 1);
    va_start(arguments, format);
    format_string_v(message, sizeof(message), format, arguments);
    va_end(arguments);
    report(hart, message);
    option = command_line_value("panic", &length);
    if (option && length == 4 && memcmp(option, "halt", 4) == 0)
        arch_halt();
    arch_power_off(PANIC_EXIT_CODE);
}
