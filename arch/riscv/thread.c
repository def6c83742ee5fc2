/*
 * thread.c: the machine's part of threads: first steps, switching, floating point.
 *
 * Floating point: while a thread runs, its registers are in the unit and sstatus.FS says whether it changed them. FS
 * is "initial" exactly when all registers are zero, so threads without floating point switch for free.
 *
 * Locks: none; every function works on the current thread, or on one that does not run.
 */
#include "asm_offsets.h"
#include "platform.h"

#include "lib/string.h"
#include "task/process.h"

_Noreturn void user_enter(struct trap_frame *frame);

/* What stack_switch leaves on the stack of a thread that does not run. */
struct switch_frame { uint64_t ra, s[12], unused; };

static_assert(sizeof(struct switch_frame) == 112, "switch.S");
static_assert(offsetof(struct hart, held) == HART_HELD &&
              offsetof(struct hart, reschedule) == HART_RESCHEDULE &&
              offsetof(struct hart, scratch) == HART_SCRATCH &&
              offsetof(struct hart, emergency_sp) == HART_EMERGENCY &&
              offsetof(struct hart, kernel_sp) == HART_KERNEL_SP,
              "asm_offsets.h names struct hart");

void arch_thread_init(struct thread *thread, void (*entry)(void *), void *argument)
{
    struct trap_frame *user = (struct trap_frame *)((char *)thread->stack + KERNEL_STACK_SIZE) - 1;
    struct switch_frame *first = (struct switch_frame *)user - 1;

    *first = (struct switch_frame){
        .ra = (uint64_t)thread_first_run,
        .s = { [1] = (uint64_t)entry, [2] = (uint64_t)argument },
    };
    thread->user_frame = user;
    thread->arch.sp = (uint64_t)first;
    thread->arch.mmu = thread->process ? aspace_mmu(thread->process->aspace) : NULL;
    thread->arch.fp_live = false;
}

/* Kernel threads do not use the unit: what is in it stays, already saved. */
static NOINLINE void fp_switch(struct thread *from, struct thread *to)
{
    uint64_t state = csr_read("sstatus") & SSTATUS_FS;

    if (state == SSTATUS_FS_DIRTY) {
        fp_save(from->arch.fp);
        from->arch.fp_live = true;
        fp_set_state(SSTATUS_FS_CLEAN);
        state = SSTATUS_FS_CLEAN;
    }
    if (!to->process || (state == SSTATUS_FS_INITIAL && !to->arch.fp_live))
        return;

    csr_set("sstatus", SSTATUS_FS);
    if (to->arch.fp_live)
        fp_restore(to->arch.fp);
    else
        fp_clear();
    fp_set_state(to->arch.fp_live ? SSTATUS_FS_CLEAN : SSTATUS_FS_INITIAL);
}

struct thread *arch_switch(struct thread *from, struct thread *to)
{
    struct hart *hart = this_hart();

    hart->current = to;
    hart->kernel_sp = (uint64_t)to->stack + KERNEL_STACK_SIZE;
    mmu_switch(to->arch.mmu);
    if ((csr_read("sstatus") & SSTATUS_FS) != SSTATUS_FS_INITIAL || to->arch.fp_live)
        fp_switch(from, to);
    return stack_switch(&from->arch.sp, to->arch.sp, from);
}

void arch_user_sync(void)   { fp_switch(current_thread(), current_thread()); }
uaddr_t arch_user_pc(void)  { return current_thread()->user_frame->x[0]; }

static_assert(sizeof(thread_state_t) == (32 + 33) * sizeof(uint64_t), "f0..f31 and fcsr as in fp");

void arch_user_read(struct thread *thread, thread_state_t *state)
{
    memcpy(state->x, thread->user_frame->x, sizeof(state->x));
    memcpy(state->f, thread->arch.fp, sizeof(thread->arch.fp));
}

void arch_user_write(struct thread *thread, thread_state_t *state)
{
    memcpy(thread->user_frame->x, state->x, sizeof(state->x));
    memcpy(thread->arch.fp, state->f, sizeof(thread->arch.fp));
    thread->arch.fp_live = true;
}

void arch_enter_user(uaddr_t entry, uaddr_t stack, uint64_t a0, uint64_t a1)
{
    struct trap_frame *frame = current_thread()->user_frame;

    *frame = (struct trap_frame){ .x = { [0] = entry, [2] = stack, [10] = a0, [11] = a1 } };
    csr_clear("sstatus", SSTATUS_SPP);
    user_enter(frame);
}
