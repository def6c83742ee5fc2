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

/* The SBI error, 0 for none. */
int64_t sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1, uint64_t a2,
                 uint64_t a3, uint64_t a4);

/*
 * A call that names a set of harts: an IPI (when it returns, it is sent) or a remote fence (it is
 * done).  Bits of `mask` are our indices, translated to hardware ids.  For TLB fences; length
 * UINT64_MAX is the whole address space.
 */
void sbi_hart_call(uint64_t extension, uint64_t function, uint32_t mask, vaddr_t address,
                   uint64_t length, uint64_t asid);
