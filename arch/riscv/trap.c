/*
 * trap.c: what to do about a trap, once trap.S has saved the registers.
 *
 * System calls do not come here.  Interrupts arrive only where no lock is held: in user mode, in
 * arch_idle_wait and in arch_interrupt_window.  The functions named trap_ are called by trap.S.
 */
#include "asm_offsets.h"
#include "platform.h"

#include "lib/kprintf.h"

static_assert(sizeof(struct trap_frame) == FRAME_SIZE &&
              offsetof(struct trap_frame, status) == FRAME_STATUS,
              "asm_offsets.h names struct trap_frame");
static_assert(USER_TOP == 1ul << USER_TOP_BIT, "user_copy.S");
static_assert(KERNEL_STACK_SIZE == 1ul << STACK_BIT, "one bit tells a stack from its guard");

extern const char trap_entry[];
extern const char user_copy_words[], user_copy_bytes[], user_copy_end[];

/* This hart takes traps, and user code may read the clock and the counters. */
void trap_init_hart(void)
{
    csr_write("stvec", trap_entry);
    csr_write("sscratch", 0);
    csr_write("scounteren", 7);
    csr_clear("sstatus", SSTATUS_SIE | SSTATUS_SPP | SSTATUS_SUM);
    csr_set("sstatus", SSTATUS_FS);
    fp_clear();
    fp_set_state(SSTATUS_FS_INITIAL);
    csr_write("sie", 1ul << IRQ_SOFTWARE | 1ul << IRQ_TIMER | 1ul << IRQ_EXTERNAL);
    this_hart()->emergency_sp = (uint64_t)(emergency_stacks + this_hart()->index + 1);
}

static void dispatch_interrupt(uint64_t number)
{
    if (panicking)
        arch_halt();
    this_hart()->interrupts++;
    if (number == IRQ_SOFTWARE) {
        csr_clear("sip", 1ul << IRQ_SOFTWARE);  /* hart->reschedule does the rest, on the way out */
    } else if (number == IRQ_TIMER) {
        arch_timer_set(UINT64_MAX);
        interrupt_timer();
    } else if (number == IRQ_EXTERNAL) {
        plic_dispatch();
    }
}

/* [fault 1/8] A load, store or fetch of a page that is not there (or not allowed), or worse. */
void trap_from_user(struct trap_frame *frame, uint64_t cause, uint64_t value)
{
    static const struct { uint8_t access, kind; } page_faults[] = {
        [CAUSE_LOAD_PAGE] = { MMU_READ, EXCEPTION_LOAD_FAULT },
        [CAUSE_STORE_PAGE] = { MMU_WRITE, EXCEPTION_STORE_FAULT },
        [CAUSE_FETCH_PAGE] = { MMU_EXECUTE, EXCEPTION_FETCH_FAULT },
    };

    if (cause < array_size(page_faults) && page_faults[cause].access) {
        this_hart()->page_faults++;
        status_t status = vm_fault(value, page_faults[cause].access);

        if (status != OK)
            user_exception(page_faults[cause].kind, value, status);
    } else if (cause & CAUSE_INTERRUPT) {
        dispatch_interrupt(cause & ~CAUSE_INTERRUPT);
    } else if (cause == CAUSE_ILLEGAL) {
        user_exception(EXCEPTION_ILLEGAL_INSTRUCTION, frame->x[0], OK);
    } else if (cause == CAUSE_BREAKPOINT) {
        user_exception(EXCEPTION_BREAKPOINT, frame->x[0], OK);
    } else if (cause == CAUSE_FETCH_MISALIGNED || cause == CAUSE_LOAD_MISALIGNED ||
               cause == CAUSE_STORE_MISALIGNED) {
        user_exception(EXCEPTION_MISALIGNED, value, OK);
    } else {
        user_exception(EXCEPTION_ACCESS_FAULT, value, OK);
    }
}

/* Before every return to user mode but the fast one of system calls.  A kill sets `reschedule`. */
void trap_leave(void)
{
    assert_no_spinlocks();
    if (this_hart()->reschedule)
        return_to_user();
}

/* A fault of a copy on its user side: go on where it can end.  False: it was something else. */
static bool user_copy_fixup(struct trap_frame *frame, uint64_t cause, uint64_t address)
{
    uint64_t pc = frame->x[0];

    if (cause < CAUSE_LOAD_MISALIGNED || cause == CAUSE_USER_ECALL || cause == CAUSE_FETCH_PAGE ||
        cause > CAUSE_STORE_PAGE || address >= USER_TOP)
        return false;
    if (pc < (uint64_t)user_copy_words || pc >= (uint64_t)user_copy_end)
        return false;
    frame->x[0] = (uint64_t)(pc < (uint64_t)user_copy_bytes ? user_copy_bytes : user_copy_end);
    return true;
}

static _Noreturn void report_kernel_fault(const struct trap_frame *frame, uint64_t cause,
                                          uint64_t value)
{
    static const char names[] = " pc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5"
                                " a6 a7 s2 s3 s4 s5 s6 s7 s8 s9s10s11 t3 t4 t5 t6";

    for (uint32_t i = 0; i < 32; i++)
        kprintf("%.*s %016lx%s", 3, &names[3 * i], frame->x[i], i % 4 == 3 ? "\n" : "  ");
    panic("trap in the kernel: cause %lu, address 0x%lx, pc 0x%lx", cause, value, frame->x[0]);
}

void trap_from_kernel(struct trap_frame *frame, uint64_t cause, uint64_t value)
{
    if (cause & CAUSE_INTERRUPT)
        dispatch_interrupt(cause & ~CAUSE_INTERRUPT);
    else if (!user_copy_fixup(frame, cause, value))
        report_kernel_fault(frame, cause, value);
}

_Noreturn void trap_stack_overflow(uint64_t sp, uint64_t pc)
{
    panic("kernel stack overflow: sp 0x%lx, pc 0x%lx", sp, pc);
}

void arch_interrupt_window(void)
{
    assert_no_spinlocks();
    csr_set("sstatus", SSTATUS_SIE);
    csr_clear("sstatus", SSTATUS_SIE);
}

/* wfi ends for a pending interrupt even while they are off: none slips in before the sleep. */
void arch_idle_wait(void)
{
    this_hart()->idle_time -= arch_time();
    __asm__ volatile("wfi" ::: "memory");
    this_hart()->idle_time += arch_time();
    arch_interrupt_window();
}
