/* types.h: addresses, page arithmetic, and the few macros that all of the kernel uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

typedef uint64_t paddr_t;   /* a physical address */
typedef uint64_t uaddr_t;   /* an address that a user program gave: only copied through */
typedef uint64_t vaddr_t;   /* a virtual address of either side */

/* Statuses that exist only inside the kernel; syscall_dispatch asserts that none escapes. */
enum {
    ERR_RETRY      = -1001,     /* something changed meanwhile: look again from the top */
    ERR_USER_FAULT = -1002,     /* a copy met a page that is not there: resolve it, call again */
};

#define PAGE_MASK (PAGE_SIZE - 1)
#define MAX_HARTS 8

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define array_size(a) (sizeof(a) / sizeof((a)[0]))

/* What the compiler shall not decide: of paths that are gone often, and of what is seldom needed on them. */
#define INLINE   inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define UNUSED   __attribute__((unused))

static inline bool page_aligned(uint64_t x)   { return (x & PAGE_MASK) == 0; }
static inline uint64_t page_floor(uint64_t x) { return x & ~PAGE_MASK; }
static inline uint64_t page_ceil(uint64_t x)  { return (x + PAGE_MASK) & ~PAGE_MASK; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Number of the highest, of the lowest bit set; x is not 0. */
static inline uint32_t highest_bit(uint64_t x) { return 63 - (uint32_t)__builtin_clzl(x); }
static inline uint32_t lowest_bit(uint64_t x)  { return (uint32_t)__builtin_ctzl(x); }

/* Is [offset, offset + length) inside an object of this size?  Safe against overflow. */
static inline bool range_inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}
