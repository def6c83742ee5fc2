/*
 * timer.c: time and its interrupt.
 *
 * The time register counts ticks at the frequency that the device tree names.  The next interrupt
 * is set with the stimecmp register where the machine has it (Sstc), by the firmware elsewhere.
 *
 * Locks: none; every hart has its own comparator.
 */
#include "platform.h"

#define SECOND 1000000000ul

static bool has_compare;
static uint64_t start_ticks;

/* Boot hart, before trap_init_hart. */
void timer_init(void)
{
    has_compare = timer_compare_present();
    start_ticks = csr_read("time");
}

/* Whole seconds apart from the rest: neither product exceeds 64 bits. */
uint64_t arch_time(void)
{
    uint64_t ticks = csr_read("time") - start_ticks, rate = platform.timebase;

    return ticks / rate * SECOND + ticks % rate * SECOND / rate;
}

/* At the first tick that is not before `deadline`. */
void arch_timer_set(uint64_t deadline)
{
    uint64_t rate = platform.timebase, seconds = deadline / SECOND, ticks = UINT64_MAX;

    if (seconds < UINT32_MAX)               /* else never, in a human life */
        ticks = start_ticks + seconds * rate + (deadline % SECOND * rate + SECOND - 1) / SECOND;
    if (has_compare)
        csr_write(CSR_STIMECMP, ticks);
    else
        sbi_call(ticks, 0, 0, 0, 0, 0, 0, SBI_TIME);
}

/* Reading the low half of the clock chip latches the high half. */
uint64_t arch_wall_time(void)
{
    if (!machine.rtc_base)
        return 0;

    volatile uint32_t *registers = phys_to_virt(machine.rtc_base);
    uint64_t low = registers[0];

    return (uint64_t)registers[1] << 32 | low;
}
