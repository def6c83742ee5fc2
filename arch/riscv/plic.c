/*
 * plic.c: device interrupts, from the platform-level interrupt controller to interrupt_device.
 *
 * The controller has one context for each hart and mode; which is whose comes from the device tree.
 * Every enabled interrupt is offered to all online harts and the first to claim it serves it.
 *
 * Locks: none.  Claim and complete are single registers of one hart; interrupts are enabled by the
 * boot hart only, while it starts devices.
 */
#include "platform.h"

#define PLIC_ENABLE    0x2000
#define PLIC_CONTEXT   0x200000
#define ENABLE_STRIDE  0x80
#define CONTEXT_STRIDE 0x1000
#define NO_CONTEXT     UINT32_MAX

static uint32_t enabled[32];                    /* one bit an interrupt */
static uint32_t contexts[MAX_HARTS];            /* by hart index */

static volatile uint32_t *plic_register(uint64_t offset)
{
    return phys_to_virt(platform.plic_base + offset);
}

static void write_enables(const struct hart *hart, uint32_t word)
{
    uint32_t context = contexts[hart->index];

    if (context != NO_CONTEXT)
        *plic_register(PLIC_ENABLE + context * ENABLE_STRIDE + word * 4) = enabled[word];
}

void plic_init(void)
{
    for (uint32_t irq = 1; platform.plic_base && irq <= platform.plic_irqs; irq++)
        *plic_register(irq * 4) = 0;
}

/* This hart takes every interrupt that is or will be enabled. */
void plic_init_hart(struct hart *hart)
{
    contexts[hart->index] = NO_CONTEXT;
    for (uint32_t i = 0; platform.plic_base && i < platform.plic_context_count; i++)
        if (platform.plic_contexts[i].hart_id == hart->id)
            contexts[hart->index] = platform.plic_contexts[i].context;
    if (contexts[hart->index] == NO_CONTEXT)
        return;
    for (uint32_t word = 0; word <= platform.plic_irqs / 32; word++)
        write_enables(hart, word);
    *plic_register(PLIC_CONTEXT + contexts[hart->index] * CONTEXT_STRIDE) = 0;  /* threshold: all */
}

void arch_irq_enable(uint32_t irq)
{
    if (!platform.plic_base || irq == 0 || irq > platform.plic_irqs)
        return;
    enabled[irq / 32] |= 1u << (irq % 32);
    *plic_register(irq * 4) = 1;                /* priority */
    for (uint32_t i = 0; i < hart_count; i++)
        if (harts[i].online)
            write_enables(&harts[i], irq / 32);
}

void plic_dispatch(void)
{
    uint64_t offset = PLIC_CONTEXT + contexts[this_hart()->index] * CONTEXT_STRIDE + 4;
    uint32_t irq;

    while ((irq = *plic_register(offset)) != 0) {
        interrupt_device(irq);
        *plic_register(offset) = irq;
    }
}
