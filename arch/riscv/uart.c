/*
 * uart.c: the console's bytes, through a 16550 with its 16-byte queues.
 *
 * The chip says only when its output queue is empty, so `room` counts what still fits since then.
 * A machine without one writes into nothing.
 *
 * Locks: the console's, of its input for arch_console_get, of its output for the rest.
 */
#include "platform.h"

/* The registers, in their order. */
enum { DATA, INTERRUPT_ENABLE, FIFO_CONTROL, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS };
enum { INTERRUPT_RECEIVE = 1, INTERRUPT_TRANSMIT = 2 };
enum { STATUS_RECEIVED = 1, STATUS_EMPTY = 0x20 };
#define QUEUE_SIZE 16

uint32_t arch_console_irq;

static uint8_t nothing[] = { [LINE_STATUS] = STATUS_EMPTY };
static volatile uint8_t *registers = nothing;
static uint32_t room;

void uart_init(void)
{
    if (!platform.uart_base)
        return;
    registers = phys_to_virt(platform.uart_base);
    registers[INTERRUPT_ENABLE] = 0;
    registers[LINE_CONTROL] = 3;           /* 8 bits; the firmware has set the speed */
    registers[FIFO_CONTROL] = 1;
    registers[MODEM_CONTROL] = 0xb;        /* ready; interrupts reach the controller */
    registers[INTERRUPT_ENABLE] = INTERRUPT_RECEIVE;
    arch_console_irq = platform.uart_irq;
}

bool arch_console_try_put(char c)
{
    if (registers[LINE_STATUS] & STATUS_EMPTY)
        room = QUEUE_SIZE;
    if (room == 0)
        return false;
    room--;
    registers[DATA] = (uint8_t)c;
    return true;
}

void arch_console_put(char c)
{
    while (!arch_console_try_put(c))
        ;
}

int arch_console_get(void)
{
    return registers[LINE_STATUS] & STATUS_RECEIVED ? registers[DATA] : -1;
}

void arch_console_transmit_interrupt(bool on)
{
    registers[INTERRUPT_ENABLE] = INTERRUPT_RECEIVE | (on ? INTERRUPT_TRANSMIT : 0);
}
