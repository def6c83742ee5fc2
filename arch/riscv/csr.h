/* csr.h: the control and status registers that supervisor mode uses, and their bits. */
#pragma once

#include <stdint.h>

#define SSTATUS_SIE      (1ul << 1)         /* interrupts are taken in supervisor mode */
#define SSTATUS_SPP      (1ul << 8)         /* the trap came from supervisor mode */
#define SSTATUS_FS       (3ul << 13)        /* floating-point unit: off, initial, clean, dirty */
#define SSTATUS_FS_INITIAL (1ul << 13)
#define SSTATUS_FS_CLEAN (2ul << 13)
#define SSTATUS_FS_DIRTY (3ul << 13)
#define SSTATUS_SUM      (1ul << 18)        /* supervisor may touch user pages */

/* Interrupt numbers; the same bits in sie and sip. */
#define IRQ_SOFTWARE 1
#define IRQ_TIMER    5
#define IRQ_EXTERNAL 9

#define CAUSE_INTERRUPT (1ul << 63)
enum {
    CAUSE_FETCH_MISALIGNED = 0, CAUSE_FETCH_ACCESS = 1, CAUSE_ILLEGAL = 2, CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4, CAUSE_LOAD_ACCESS = 5, CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE_ACCESS = 7, CAUSE_USER_ECALL = 8, CAUSE_FETCH_PAGE = 12, CAUSE_LOAD_PAGE = 13,
    CAUSE_STORE_PAGE = 15,
};

#define SATP_SV39       (8ul << 60)
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MASK  0xfffful

#define CSR_STIMECMP "0x14d"                /* by number: older assemblers do not know the name */

#define csr_read(name) ({ \
    uint64_t csr_value; \
    __asm__ volatile("csrr %0, " name : "=r"(csr_value) :: "memory"); \
    csr_value; \
})
#define csr_write(name, value) csr_do("csrw", name, value)
#define csr_set(name, bits)    csr_do("csrs", name, bits)
#define csr_clear(name, bits)  csr_do("csrc", name, bits)
#define csr_do(what, name, value) \
    __asm__ volatile(what " " name ", %0" :: "rK"((uint64_t)(value)) : "memory")

/* What the floating-point unit is said to be: SSTATUS_FS_... */
static inline void fp_set_state(uint64_t state)
{
    csr_clear("sstatus", SSTATUS_FS);
    csr_set("sstatus", state);
}

static inline void flush_tlb_all(void) { __asm__ volatile("sfence.vma" ::: "memory"); }
static inline void flush_tlb_asid(uint64_t asid)
{
    __asm__ volatile("sfence.vma zero, %0" :: "r"(asid) : "memory");
}
static inline void flush_tlb_page(uint64_t address, uint64_t asid)
{
    __asm__ volatile("sfence.vma %0, %1" :: "r"(address), "r"(asid) : "memory");
}
static inline void flush_code(void) { __asm__ volatile("fence.i" ::: "memory"); }
