/*
 * platform.h: what the device tree said that only arch/riscv needs, and the calls between its
 * files.
 */
#pragma once

#include "arch.h"
#include "sync/hart.h"

#define MAX_PLATFORM_HARTS 64
#define NO_CONTEXT         UINT32_MAX
#define PLIC_MAX_IRQ       127u

struct platform_hart {
    uint64_t id;
    uint32_t phandle;                       /* of its interrupt controller */
    uint32_t plic_context;                  /* for supervisor mode, or NO_CONTEXT */
};

struct platform {
    uint64_t timebase;                      /* ticks of the time register a second */
    struct platform_hart harts[MAX_PLATFORM_HARTS];     /* usable ones, in the order of the tree */
    uint32_t hart_count, harts_ignored;     /* ignored: what is not in the list */
    paddr_t  uart_base;                     /* 0: none */
    uint32_t uart_irq, uart_shift;          /* shift: registers are 1 << shift bytes apart */
    paddr_t  plic_base;
    uint32_t plic_irqs;                     /* highest interrupt number that we use; 0: no PLIC */
    paddr_t  finisher_base;                 /* the "test" device that ends QEMU with a status */
};

extern struct platform platform;

/* devices.c: fill `machine` and `platform`; false if this is no device tree. */
bool devices_parse(const void *tree);

/* mmu_boot.c */
extern uint64_t kernel_root[512];
void mmu_boot(void);                        /* the final kernel half, with W^X */

/* mmu.c: run the address space of a thread; NULL: the kernel's own. */
void mmu_switch(struct arch_mmu *mmu);
void mmu_probe_asids(void);
uint64_t *mmu_next_table(uint64_t *entry);  /* what it leads to, made if need be; NULL: no memory */
/* Page-table entries. */
enum {
    PTE_VALID = 1, PTE_READ = 2, PTE_WRITE = 4, PTE_EXECUTE = 8, PTE_USER = 16, PTE_GLOBAL = 32,
    PTE_ACCESSED = 64, PTE_DIRTY = 128,
};
#define PTE_KERNEL_DATA (PTE_VALID | PTE_READ | PTE_WRITE | PTE_GLOBAL | PTE_ACCESSED | PTE_DIRTY)
static inline uint64_t pte_make(paddr_t at, uint64_t flags) { return at >> 12 << 10 | flags; }
static inline paddr_t pte_address(uint64_t entry)           { return entry >> 10 << 12; }
static inline uint64_t *pte_table(uint64_t entry)   { return phys_to_virt(pte_address(entry)); }

/* stack.c */
#define STACK_AREA 0xffffffff80000000ul     /* one gigabyte: its root entry is fixed at boot */
extern uint64_t stack_area_table[512];
#define EMERGENCY_STACK_SIZE 4096
extern uint8_t emergency_stacks[MAX_HARTS][EMERGENCY_STACK_SIZE];

/* Per device, per hart. */
void trap_init_hart(void);
void timer_init(void);
void uart_init(void);
void plic_init_hart(struct hart *hart);
void plic_dispatch(void);

/*
 * The registers of interrupted code, as trap.S saves them.  A thread's user registers are always in
 * the frame at the very top of its kernel stack.
 */
struct trap_frame {
    uint64_t x[32];                         /* x[0] holds the pc; x[i] register i */
    uint64_t status;                        /* sstatus, in frames of traps from the kernel only */
    uint64_t reserved;                      /* the stack pointer stays 16-byte aligned */
};

/* fp.S, switch.S, boot.S, user_copy.S */
void fp_save(uint64_t registers[33]);
void fp_restore(const uint64_t registers[33]);
void fp_clear(void);
struct thread *stack_switch(uint64_t *save_sp, uint64_t load_sp, struct thread *previous);
void thread_first_run(void);
bool timer_compare_present(void);
extern const char secondary_entry[], boot_stack[];
