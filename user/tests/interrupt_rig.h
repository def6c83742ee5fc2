/*
 * interrupt_rig.h: a thread that is interrupted, the victim, and what it may do meanwhile.
 */
#pragma once

#include "exception_rig.h"

static struct raw_thread threads[4];
static struct raw_thread *const victim = &threads[0];

static handle_t port;                   /* the victim's reports come here */
static handle_t thing;
static volatile status_t status;
static volatile size_t actual;
static char bytes[1 << 20];

static inline void victim_start(void (*function)(void *), void *argument)
{
    port = new_port();
    status = 1;
    actual = 0;
    raw_thread_start_bound(victim, port, function, argument);
}

static inline port_packet_t interrupt_victim(void)
{
    CHECK_OK(sys_thread_interrupt(victim->handle));
    port_packet_t packet = expect_report(port, victim->handle, EXCEPTION_INTERRUPT, OK);
    CHECK_EQ(packet.exception.address, 0);
    return packet;
}

static inline void victim_end(void)
{
    wait_for_end(victim->handle);
    expect_silence(port);
    CHECK_OK(sys_handle_close(port));
}

static inline void victim_kill(void)
{
    CHECK_OK(sys_task_kill(victim->handle));
    victim_end();
}

/* --- What it may do. --- */

static volatile uint64_t turns;

static inline void spin(void *unused)
{
    (void)unused;
    for (;;)
        turns++;
}

static inline void wait_time(void *unused)
{
    (void)unused;
    status = sys_nanosleep(DEADLINE_INFINITE);
}
