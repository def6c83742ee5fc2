/*
 * fake_machine.c: the rest of what kern/ asks of a machine: a clock, a console, an end.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "fake.h"
#include "lib/kprintf.h"
#include "task/sched.h"
#include "vm/fault.h"
#include "vm/pager_watch.h"
#include "vm/reclaim.h"

struct hart harts[MAX_HARTS];
uint32_t hart_count = 1;
volatile bool panicking;

static uint64_t now = 1000000, alarm_at = UINT64_MAX;
static char console[1 << 14];
static size_t console_length;

void machine_start(void)
{
    harts[0].online = true;
    scheduler_start();
    vm_init();
    pager_watch_init();
    memory_size(1024);
    reclaim_init();
    run_all();                          /* it falls asleep */
    frame_low = 0;
    memory_size(PLENTY);
    heap_driver_start();
}

void panic(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail("the kernel panics: %s", text);
}

/* With one hart and no switch under a spinlock a lock is never seen taken, unless by its own holder. */
void spin_contended(struct spinlock *lock)
{
    fail("a spinlock (%s) is taken twice", lock_rank_name(lowest_bit(lock->rank_bit)));
}

_Noreturn void arch_halt(void)
{
    abort();
}

/* --- Time. --- */

uint64_t arch_time(void)                { return now; }
uint64_t arch_wall_time(void)           { return 0; }
void arch_timer_set(uint64_t deadline)  { alarm_at = deadline; }

bool expire_next_timer(void)
{
    if (alarm_at == UINT64_MAX)
        return false;
    now = max_u64(now, alarm_at);
    alarm_at = UINT64_MAX;
    interrupt_timer();
    timer_program(UINT64_MAX);
    return true;
}

void advance_time(uint64_t nanoseconds)
{
    uint64_t until = now + nanoseconds;

    while (alarm_at <= until)
        expire_next_timer();
    now = until;
}

/* --- Console and interrupts between harts. --- */

void console_write_kernel(const char *text, size_t length)
{
    length = min_u64(length, sizeof console - 1 - console_length);
    memcpy(console + console_length, text, length);
    console_length += length;
    console[console_length] = '\0';
}

const char *console_text(void)
{
    console_length = 0;
    return console;
}

void arch_send_reschedule(uint32_t hart_mask)
{
    check(hart_mask == 0);
}
