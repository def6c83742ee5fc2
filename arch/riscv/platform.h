/* platform.h: what only arch/riscv needs of the device tree, calls between its files, and to the firmware (SBI). */
#pragma once

#include "arch.h"
#include "csr.h"

#define PLIC_MAX_IRQ 127u

struct platform {
    uint64_t timebase;                      /* ticks of the time register a second */
    uint32_t hart_count;                    /* usable ones, also beyond MAX_HARTS */
    struct {                                /* as struct hart, which has their ids */
        uint32_t phandle;                   /* of its interrupt controller */
        uint32_t plic_context;              /* for supervisor mode; 0, the firmware's: none */
    } harts[MAX_HARTS];
    paddr_t  uart_base;                     /* 0: none */
    uint32_t uart_irq;
    paddr_t  plic_base;
    uint32_t plic_irqs;                     /* highest interrupt number that we use; 0: no PLIC */
    paddr_t  finisher_base;                 /* the "test" device that ends QEMU with a status */
};

extern struct platform platform;

/* devices.c: fill `machine` and `platform`; false if this is no device tree. */
bool devices_parse(const void *tree);

/* mmu.c: run the address space of a thread; NULL: the kernel's own. */
void mmu_switch(struct arch_mmu *mmu);
void mmu_probe_asids(void);
/* The table that an entry leads to, made if need be and then in the list `tables` unless that is NULL.  NULL: no memory. */
uint64_t *mmu_next_table(uint64_t *entry, struct list *tables);
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

/* The registers of interrupted code, as trap.S saves them; a thread's user registers at the very top of its stack. */
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
extern uint64_t kernel_root[512];

/* --- The firmware (sbi.c).  Extensions and functions have the numbers of the SBI specification. --- */

#define SBI_TIME   0x54494d45
#define SBI_IPI    0x735049
#define SBI_RFENCE 0x52464e43
#define SBI_HSM    0x48534d
#define SBI_SRST   0x53525354
enum { RFENCE_CODE = 0, RFENCE_TLB = 1, RFENCE_TLB_ASID = 2 };

/* The SBI error, 0 for none.  The arguments are in the order of the registers that the firmware reads (boot.S). */
int64_t sbi_call(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                 uint64_t function, uint64_t extension);

/*
 * A call that names a set of harts: an IPI (when it returns, it is sent) or a remote fence (it is done).  Bits of
 * `mask` are our indices, translated to hardware ids.  For TLB fences; length UINT64_MAX is the whole address space.
 */
void sbi_hart_call(uint64_t extension, uint64_t function, uint32_t mask, vaddr_t address,
                   uint64_t length, uint64_t asid);
