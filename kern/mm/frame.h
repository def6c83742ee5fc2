/*
 * frame.h: physical memory, one struct page for every frame of RAM.
 *
 * A frame belongs to exactly one user at a time, named by its kind.  Whoever allocated it owns it until
 * frame_free or until it hands it on (a supplied page changes owner by changing its struct page).
 */
#pragma once

#include "arch.h"
#include "lib/list.h"

/* The states of a page of a pager-backed or device VMO (vm/vmo.c). */
enum page_state {
    PAGE_CLEAN,
    PAGE_DIRTY,
    PAGE_AWAITING_CLEAN,        /* being written back */
    PAGE_FILLING,               /* busy, and its content is not there yet */
};

struct page {
    union {
        struct list_node link;  /* free list (frame_lock); tables of a space */
        struct {
            struct list_node *not_linked;
            uint64_t block;     /* FRAME_ANON: where on backing store the same bytes are; 0: nowhere (vm/swap.h) */
        };
    };

    /* Guarded by the family lock of the owner; the kernel's own frames are its users' business. */
    void *owner;                /* FRAME_ANON, FRAME_PAGER, FRAME_DEVICE: struct vmo_family or NULL; else its user's */
    uint64_t index;             /* page number in the family's coordinate (struct vmo, base) */
    uint64_t owner_koid;        /* of the first VMO that held it, for the memory map; read without a lock */
    uint32_t shares;            /* slots that hold it: more than one after a snapshot */
    uint8_t  busy : 6;          /* transfers that hold the frame: not freed or moved while > 0 */
    uint8_t  always_need : 1;   /* page-out spares it (vm/reclaim.c) */
    uint8_t  dont_need : 1;     /* or takes it first */
    uint8_t  state;             /* enum page_state */
    uint8_t  referenced;        /* 1: used through the kernel since the clock last looked; else the clock's (vm/reclaim.c) */

    _Atomic uint8_t kind;       /* FRAME_ of abi/types.h */
};

static_assert(sizeof(struct page) <= 48, "page descriptors stay under 1.2 % of memory");

/* For tests (sys_system_fail_allocation): is this the allocation of the running thread that has to fail? */
static inline bool allocation_fails(void)
{
    struct hart *hart = this_hart();

    hart->frames_ran_out = false;
    return hart->fail_countdown > 0 && --hart->fail_countdown == 0;
}

/* Boot: take the ranges of `machine`, minus the reserved ones. */
void frame_init(void);

/* One frame of uninitialised memory, or NULL: never sleeps.  Takes frame_lock. */
struct page *frame_alloc(uint8_t kind);
struct page *frame_alloc_zeroed(uint8_t kind);
/* Take the frame back; it must not be busy. */
void frame_free(struct page *page);
uint64_t frame_free_count(void);
/*
 * While fewer frames than frame_low are free each allocation asks frame_shortage of vm/reclaim.c, whatever locks are held, which wakes
 * page-out; false: what is left is not for this kind, and the allocation fails.
 */
extern uint64_t frame_low;
bool frame_shortage(uint8_t kind);
/*
 * The owner of a frame of a VMO, if `ref` says that it is not ending; NULL: no such frame, or no owner.  Who ends an owner calls
 * wait_for_readers before its memory goes.
 */
void *frame_ref_owner(struct page *page, bool (*ref)(void *owner));
void frame_wait_for_readers(void);

/* What a frame is counted as, and to change that: each is marked, and many can be counted together. */
extern _Atomic uint64_t frames_of_kind[FRAME_KINDS];
static inline uint8_t frame_kind(const struct page *page)
{
    return atomic_load_explicit(&page->kind, memory_order_relaxed);
}
static inline void frame_mark(struct page *page, uint8_t kind)
{
    atomic_store_explicit(&page->kind, kind, memory_order_release);
}
static inline void frame_recount(uint8_t from, uint8_t to, uint64_t frames)
{
    atomic_fetch_sub_explicit(&frames_of_kind[from], frames, memory_order_relaxed);
    atomic_fetch_add_explicit(&frames_of_kind[to], frames, memory_order_relaxed);
}
static inline void frame_set_kind(struct page *page, uint8_t kind)
{
    if (frame_kind(page) == kind)
        return;
    frame_recount(frame_kind(page), kind, 1);
    frame_mark(page, kind);
}

/* The lowest frame, how many there are, and their descriptors in this order; filled in at boot. */
extern paddr_t frame_base;
extern uint64_t frame_total;
extern struct page *frame_pages;
static inline struct page *frame_by_number(uint64_t number) { return &frame_pages[number]; }

static inline paddr_t page_to_phys(const struct page *page)
{
    return frame_base + ((uint64_t)(page - frame_pages) << PAGE_SHIFT);
}
struct page *phys_to_page(paddr_t address);     /* NULL: not RAM that we manage */
static inline void *page_to_virt(const struct page *page)
{
    return phys_to_virt(page_to_phys(page));
}

/* Kernel memory by whole frames, as addresses: page tables, stacks, rings. */
void *frame_alloc_virt(uint8_t kind);           /* zeroed, or NULL */
void frame_free_virt(void *address);
