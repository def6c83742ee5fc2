/*
 * plic.c: device interrupts, from the platform-level interrupt controller to their drivers.
 *
 * The controller has one context for each hart and mode; which is whose comes from the device tree.
 * Every enabled interrupt is offered to all online harts and the first to claim it serves it.
 *
 * Invariant: a handler is filled in before its interrupt is enabled and never changes afterwards.
 * Locks: none.  Claim and complete are single registers of one hart; drivers register during the boot, on one hart.
 */
#include "platform.h"

#include "lib/kprintf.h"

#define PLIC_ENABLE    0x2000
#define PLIC_CONTEXT   0x200000
#define ENABLE_STRIDE  0x80
#define CONTEXT_STRIDE 0x1000

static struct {
    void (*handler)(void *argument);
    void *argument;
} handlers[PLIC_MAX_IRQ + 1];
static uint32_t enabled[PLIC_MAX_IRQ / 32 + 1]; /* one bit an interrupt */

static volatile uint32_t *plic_register(uint64_t offset)
{
    return phys_to_virt(platform.plic_base + offset);
}

static void write_enables(const struct hart *hart)
{
    uint32_t context = platform.harts[hart->index].plic_context;

    for (uint32_t word = 0; context && word <= platform.plic_irqs / 32; word++)
        *plic_register(PLIC_ENABLE + context * ENABLE_STRIDE + word * 4) = enabled[word];
}

/* This hart takes every interrupt that is or will be enabled. */
void plic_init_hart(struct hart *hart)
{
    uint32_t context = platform.harts[hart->index].plic_context;

    write_enables(hart);
    if (context)
        *plic_register(PLIC_CONTEXT + context * CONTEXT_STRIDE) = 0;    /* threshold: all */
}

status_t arch_irq_register(uint32_t irq, void (*handler)(void *argument), void *argument)
{
    if (irq == 0 || irq > platform.plic_irqs)
        return ERR_OUT_OF_RANGE;
    if (handlers[irq].handler)
        return ERR_ALREADY_EXISTS;
    handlers[irq].argument = argument;
    handlers[irq].handler = handler;
    enabled[irq / 32] |= 1u << (irq % 32);
    *plic_register(irq * 4) = 1;                /* priority */
    for (uint32_t i = 0; i < hart_count; i++)
        if (harts[i].online)
            write_enables(&harts[i]);
    return OK;
}

void plic_dispatch(void)
{
    uint64_t offset = PLIC_CONTEXT + platform.harts[this_hart()->index].plic_context * CONTEXT_STRIDE + 4;
    uint32_t irq;

    while ((irq = *plic_register(offset)) != 0) {
        if (irq <= PLIC_MAX_IRQ && handlers[irq].handler)
            handlers[irq].handler(handlers[irq].argument);
        else
            kprintf("interrupt %u has no driver\n", irq);
        *plic_register(offset) = irq;
    }
}
