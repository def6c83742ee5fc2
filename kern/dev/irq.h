/*
 * irq.h: which code serves which device interrupt.
 */
#pragma once

#include "lib/types.h"

/*
 * From now on `handler(argument)` runs at each interrupt `irq`: on any hart, interrupts off, no locks held; it may take
 * spinlocks and unpark threads, and never sleeps.  OUT_OF_RANGE; ALREADY_EXISTS.
 */
status_t irq_register(uint32_t irq, void (*handler)(void *argument), void *argument);
