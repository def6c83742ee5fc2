/*
 * irq.c: from the number of a device interrupt to the driver that serves it.
 *
 * Invariant: an entry is filled in before its interrupt is enabled and never changes afterwards, so
 * that interrupt_device reads the table without a lock.  Two drivers do not share a number.
 * Locks: none; drivers register during the boot, on one hart.
 */
#include "dev/irq.h"

#include "arch.h"
#include "lib/kprintf.h"

#define IRQ_COUNT 128u

static struct {
    void (*handler)(void *argument);
    void *argument;
} irq_table[IRQ_COUNT];

status_t irq_register(uint32_t irq, void (*handler)(void *argument), void *argument)
{
    if (irq == 0 || irq >= IRQ_COUNT)
        return ERR_OUT_OF_RANGE;
    if (irq_table[irq].handler)
        return ERR_ALREADY_EXISTS;
    irq_table[irq].argument = argument;
    irq_table[irq].handler = handler;
    arch_irq_enable(irq);
    return OK;
}

/* Called by the trap code for each interrupt claimed; see arch.h. */
void interrupt_device(uint32_t irq)
{
    if (irq < IRQ_COUNT && irq_table[irq].handler)
        irq_table[irq].handler(irq_table[irq].argument);
    else
        kprintf("interrupt %u has no driver\n", irq);
}
