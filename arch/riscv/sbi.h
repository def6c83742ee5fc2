/*
 * sbi.h: calls to the machine-mode firmware (the Supervisor Binary Interface).
 */
#pragma once

#include "lib/types.h"

/* Extensions and functions, by the numbers of the SBI specification. */
#define SBI_TIME   0x54494d45
#define SBI_IPI    0x735049
#define SBI_RFENCE 0x52464e43
#define SBI_HSM    0x48534d
#define SBI_SRST   0x53525354
enum { RFENCE_CODE = 0, RFENCE_TLB = 1, RFENCE_TLB_ASID = 2 };

struct sbi_result { int64_t error, value; };

struct sbi_result sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1,
                           uint64_t a2, uint64_t a3, uint64_t a4);

/*
 * The calls that name a set of harts; bits of `mask` are our indices, translated to hardware ids.
 * Each returns when it is done on all of them (an IPI: when it is sent).
 */
void sbi_send_ipi(uint32_t mask);
void sbi_remote_code_fence(uint32_t mask);
/* length UINT64_MAX: the whole address space. */
void sbi_remote_tlb_flush(uint32_t mask, vaddr_t address, uint64_t length);
void sbi_remote_tlb_flush_asid(uint32_t mask, vaddr_t address, uint64_t length, uint16_t asid);
