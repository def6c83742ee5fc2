/*
 * sbi.c: calls to the machine-mode firmware, and the end, which it may bring.
 *
 * The firmware names sets of harts by hardware id, 64 at a time from a base; the kernel names them
 * by index.  sbi_hart_call translates, in one call when all ids are below 64.
 *
 * Locks: none; the firmware serialises, and serves fences even on harts whose interrupts are off.
 */
#include "platform.h"

void sbi_hart_call(uint64_t extension, uint64_t function, uint32_t mask, vaddr_t address,
                   uint64_t length, uint64_t asid)
{
    uint64_t low_ids = 0;

    for (uint32_t i = 0; mask; i++, mask >>= 1) {
        if (!(mask & 1))
            continue;
        if (harts[i].id < 64)
            low_ids |= 1ul << harts[i].id;
        else
            sbi_call(1, harts[i].id, address, length, asid, 0, function, extension);
    }
    if (low_ids)
        sbi_call(low_ids, 0, address, length, asid, 0, function, extension);
}

/* --- Power, and calling other harts to attention. --- */

#define FINISHER_PATIENCE 1000000000ull /* nanoseconds */
enum { FINISHER_PASS = 0x5555, FINISHER_FAIL = 0x3333, FINISHER_RESET = 0x7777 };
enum { SRST_SHUTDOWN = 0, SRST_COLD_REBOOT = 1 };

static void finisher_write(uint32_t value)
{
    uint64_t deadline = arch_time() + FINISHER_PATIENCE;

    if (!platform.finisher_base)
        return;
    *(volatile uint32_t *)phys_to_virt(platform.finisher_base) = value;
    /* Newer emulators end a moment later; asking the firmware meanwhile would lose the code. */
    while (arch_time() < deadline)
        ;
}

/* The finisher hands `code` to whoever started the emulator; the firmware can only switch off. */
void arch_power_off(uint32_t code)
{
    finisher_write(code ? code << 16 | FINISHER_FAIL : FINISHER_PASS);
    sbi_call(SRST_SHUTDOWN, code != 0, 0, 0, 0, 0, 0, SBI_SRST);
    arch_halt();
}

void arch_reboot(void)
{
    sbi_call(SRST_COLD_REBOOT, 0, 0, 0, 0, 0, 0, SBI_SRST);
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
