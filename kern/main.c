/*
 * main.c: the order in which the kernel comes to life.
 *
 * arch/ has set up translation, traps and the boot console and has read the device tree into
 * `machine`.  This is the boot hart, on the stack that becomes its idle thread's; no other hart
 * runs before arch_start_harts.
 */
#include "arch.h"

#include "dev/console.h"
#include "dev/disk.h"
#include "lib/command_line.h"
#include "lib/kprintf.h"
#include "lib/random.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "sys/system.h"
#include "task/sched.h"
#include "vm/fault.h"
#include "vm/pager_watch.h"
#include "vm/reclaim.h"

#define QUIRE_VERSION "0.1"

void kernel_main(void)
{
    frame_init();                           /* everything else allocates */
    heap_init();                            /* objects come out of frames */
    random_init(machine.seed, machine.seed_size);   /* trees of timers and regions use it */
    sched_init_hart(this_hart());           /* from here on somebody is "the current thread" */
    console_init();                         /* its writers and readers are threads that sleep */
    system_init();                          /* the first program gets a handle to it */
    vm_init();                              /* before the first page fault */
    pager_watch_init();                     /* a kernel thread: needs the scheduler */
    reclaim_init();                         /* likewise */

    uint32_t online = arch_start_harts((uint32_t)command_line_number("harts", MAX_HARTS));

    kprintf("quire %s: %u hart%s, %lu MiB of memory\n", QUIRE_VERSION, online,
            online == 1 ? "" : "s", frame_total * PAGE_SIZE >> 20);
    disks_init();
    { extern void swap_device_try(void); swap_device_try(); }
                              /* their interrupts go to the harts online now */
    first_program_start();                  /* it runs when we become the idle thread */
    sched_idle();
}

void kernel_secondary_main(void)
{
    sched_init_hart(this_hart());
    sched_idle();
}
