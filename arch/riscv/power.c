/*
 * power.c: the end, and calling other harts to attention.
 */
#include "csr.h"
#include "platform.h"
#include "sbi.h"

enum { FINISHER_PASS = 0x5555, FINISHER_FAIL = 0x3333, FINISHER_RESET = 0x7777 };
enum { SRST_SHUTDOWN = 0, SRST_COLD_REBOOT = 1 };

static void finisher_write(uint32_t value)
{
    if (platform.finisher_base)
        *(volatile uint32_t *)phys_to_virt(platform.finisher_base) = value;
}

/* The finisher hands `code` to whoever started the emulator; the firmware can only switch off. */
void arch_power_off(uint32_t code)
{
    finisher_write(code ? code << 16 | FINISHER_FAIL : FINISHER_PASS);
    sbi_call(SBI_SRST, 0, SRST_SHUTDOWN, code != 0, 0, 0, 0);
    arch_halt();
}

void arch_reboot(void)
{
    sbi_call(SBI_SRST, 0, SRST_COLD_REBOOT, 0, 0, 0, 0);
    finisher_write(FINISHER_RESET);
    arch_halt();
}

void arch_halt(void)
{
    csr_write("sie", 0);
    for (;;)
        __asm__ volatile("wfi");
}

/* The flag is visible before the interrupt that makes its reader look. */
void arch_send_reschedule(uint32_t hart_mask)
{
    for (uint32_t i = 0; i < hart_count; i++)
        if (hart_mask >> i & 1)
            harts[i].reschedule = true;
    hart_mask &= ~(1u << this_hart()->index);
    atomic_thread_fence(memory_order_seq_cst);
    sbi_hart_call(SBI_IPI, 0, hart_mask, 0, 0, 0);
}
