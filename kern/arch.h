/*
 * arch.h: the whole contract between the portable kernel and the machine.
 *
 * arch/riscv/ implements this and nothing else.  Physical addresses are paddr_t, times are nanoseconds.
 * Interrupts are off whenever kernel code runs, except inside arch_idle_wait and arch_interrupt_window.
 */
#pragma once

#include "lib/list.h"
#include "sync/spinlock.h"

struct thread;
struct trap_frame;

/* --- The direct map: every byte of RAM and of device registers has one kernel address. --- */

#define DIRECT_MAP 0xffffffc000000000ul

static inline void *phys_to_virt(paddr_t address)        { return (void *)(address + DIRECT_MAP); }
static inline paddr_t virt_to_phys(const void *address)  { return (paddr_t)address - DIRECT_MAP; }

/* --- What the firmware told us.  Filled in by arch before kernel_main. --- */

#define MAX_MEMORY_RANGES 8

struct memory_range { paddr_t base; uint64_t size; };

struct machine {
    struct memory_range memory[MAX_MEMORY_RANGES];          /* RAM */
    struct memory_range reserved[MAX_MEMORY_RANGES + 8];    /* not ours */
    uint32_t memory_ranges, reserved_ranges;
    paddr_t  initrd_base;
    uint64_t initrd_size;
    char     command_line[512];
    uint8_t  seed[64];                      /* entropy from the firmware */
    uint32_t seed_size;
    struct { paddr_t base; uint32_t irq; } virtio[32];      /* by ascending address */
    uint32_t virtio_count;
    paddr_t  rtc_base;                      /* 0: none */
};

extern struct machine machine;

/* --- Address translation of user space. --- */

enum mmu_flags { MMU_READ = 1, MMU_WRITE = 2, MMU_EXECUTE = 4 };

struct arch_mmu {
    struct spinlock lock;                   /* RANK_PAGE_TABLE */
    paddr_t  root;
    uint64_t satp;                          /* what names the space and its tables to a hart */
    struct list tables;                     /* frames of the tables below the root, by page->link */
    uint16_t asid;
    _Atomic uint32_t harts;                 /* harts whose TLB may hold entries; bit = index */
    _Atomic uint32_t stale_code;            /* harts that must fence.i before running this space */
    uint64_t resident;                      /* user pages mapped */
};

status_t arch_mmu_init(struct arch_mmu *mmu);
/* Frees the tables.  No hart may be in the space any more; mapped frames are not touched. */
void arch_mmu_destroy(struct arch_mmu *mmu);

/*
 * Enter one page, replacing what was there.  Takes mmu->lock.  Adding rights or filling an empty
 * entry needs no shootdown: other harts take a spurious fault and return.  When another frame or
 * fewer rights replace a valid entry, other harts' TLBs are flushed before it returns.  NO_MEMORY.
 */
status_t arch_mmu_map(struct arch_mmu *mmu, vaddr_t address, paddr_t frame, uint32_t flags);

/*
 * Enter count pages from address on, each where there is no entry yet: entries[i] is a frame with
 * its rights in the low bits.  All lie under one leaf table (2 MiB); without it nothing happens.
 */
void arch_mmu_map_around(struct arch_mmu *mmu, vaddr_t address, const uint64_t *entries,
                         uint32_t count);

/*
 * Reduce the rights of [address, address + length) to flags; 0 removes what is mapped there.  Every hart has forgotten
 * the old entries when it returns (one shootdown for the range).  Tables that became empty are freed only in destroy.
 * resident counts the pages of a range.  Cost grows with the tables present, not with length.  Take mmu->lock.
 */
void arch_mmu_protect(struct arch_mmu *mmu, vaddr_t address, uint64_t length, uint32_t flags);
uint64_t arch_mmu_resident(struct arch_mmu *mmu, vaddr_t address, uint64_t length);

/* Was the page at address used since this was last asked?  As far as the machine says so. */
bool arch_mmu_test_accessed(struct arch_mmu *mmu, vaddr_t address);

/* The code of this space changed: every hart fetches instructions anew before it next runs it. */
void arch_mmu_sync_code(struct arch_mmu *mmu);

/* --- Copies that never fault: the number of bytes NOT copied is returned (0 = all). ---
 * Addresses outside user space copy nothing.  No lock rules: usable under spinlocks. */
size_t arch_copy_from_user(void *to, uaddr_t from, size_t length);
size_t arch_copy_to_user(uaddr_t to, const void *from, size_t length);
size_t arch_store_to_user(uaddr_t to, uint32_t value);

/* Zero / copy one whole frame through the direct map. */
void arch_zero_page(void *page);
void arch_copy_page(void *to, const void *from);

/* --- Kernel stacks: KERNEL_STACK_SIZE bytes with an unmapped guard below. --- */
#define KERNEL_STACK_SIZE 16384ul
void *arch_stack_create(void);              /* lowest address of the stack, or NULL */
void arch_stack_destroy(void *stack);

/* --- Threads. --- */
struct arch_thread {
    uint64_t sp;                            /* saved kernel stack pointer while not running */
    struct arch_mmu *mmu;                   /* of its process; NULL: a kernel thread */
    bool     fp_live;                       /* the thread has floating-point state */
    uint64_t fp[33];                        /* f0..f31, fcsr: valid when not running; first 0 */
};

/* Prepare a thread that has never run: its first switch calls entry(argument) on its own stack. */
void arch_thread_init(struct thread *thread, void (*entry)(void *), void *argument);

/*
 * Save the running thread in `from`, run `to`; returns when something switches back, with the
 * thread that ran here before.  Sets hart->current, kernel_sp, address space and floating point.
 */
struct thread *arch_switch(struct thread *from, struct thread *to);
/*
 * Others may read and write the user registers of a thread between two arch_user_sync that it calls
 * itself: when it stops, and before it returns to user mode.  The caller orders that.
 */
void arch_user_sync(void);
void arch_user_read(struct thread *thread, thread_state_t *state);
void arch_user_write(struct thread *thread, thread_state_t *state);
uaddr_t arch_user_pc(void);                 /* of the current thread */
/* Drop to user mode for the first time, on the current thread's (empty) kernel stack. */
_Noreturn void arch_enter_user(uaddr_t entry, uaddr_t stack, uint64_t a0, uint64_t a1);

/* --- Time. --- */
uint64_t arch_time(void);                   /* nanoseconds since boot */
void arch_timer_set(uint64_t deadline);     /* interrupt on this hart then; UINT64_MAX: never */
uint64_t arch_wall_time(void);              /* nanoseconds since 1970; 0 without a clock chip */

/* --- Interrupts. --- */
void arch_idle_wait(void);                  /* sleep until an interrupt, take it, return */
void arch_interrupt_window(void);           /* take pending interrupts now; no locks may be held */
/* An IPI that sets hart->reschedule there and wakes it from idle; bits are indices. */
void arch_send_reschedule(uint32_t hart_mask);
/*
 * From now on `handler(argument)` runs at each device interrupt `irq`: on any online hart, with no
 * locks held; it may take spinlocks and unpark threads, and never sleeps.  For the boot hart, at
 * boot.  OUT_OF_RANGE; ALREADY_EXISTS: two drivers do not share a number.
 */
status_t arch_irq_register(uint32_t irq, void (*handler)(void *argument), void *argument);
/* All accesses to memory and devices before it come before all after it, for everyone. */
static inline void arch_device_fence(void)  { __asm__ volatile("fence iorw, iorw" ::: "memory"); }

/* --- Console bytes.  The caller serialises, get apart from the rest; put alone waits for room. --- */
void arch_console_put(char c);
bool arch_console_try_put(char c);          /* false: no room, a transmit interrupt will come */
int  arch_console_get(void);                /* -1: none */
void arch_console_transmit_interrupt(bool on);
extern uint32_t arch_console_irq;           /* 0: none */

/* --- Other harts.  Start them, so that at most `limit` run in all; says how many do.  Boot hart,
 * once, when frames can be allocated; each calls kernel_secondary_main. --- */
uint32_t arch_start_harts(uint32_t limit);

/* --- The end. --- */
_Noreturn void arch_power_off(uint32_t code);
_Noreturn void arch_reboot(void);
_Noreturn void arch_halt(void);             /* this hart, for ever */
void arch_backtrace(void);                  /* print who called whom, on this hart */

/* --- Supplied by higher layers. --- */
_Noreturn void kernel_main(void);           /* the boot hart, on its idle thread's stack */
_Noreturn void kernel_secondary_main(void); /* every other hart */
/* The words are the arguments, w0 and w1 their first two. */
int64_t syscall_dispatch(uint64_t w0, uint64_t w1, const uint64_t words[8], uint64_t number);
void interrupt_timer(void);                 /* the time set has come */
/* First thing on a new thread's stack, before its entry; arch_switch would return `previous`. */
void sched_switched(struct thread *previous);
void return_to_user(void);                  /* before a return to user mode, if hart->reschedule */
/* EXCEPTION_ kind: the thread stops and its exception port is asked, or its process ends; returns if it goes on. */
void user_exception(uint32_t kind, uint64_t address, status_t reason);
/* vm/fault.h */
status_t vm_fault(vaddr_t address, uint32_t access);
