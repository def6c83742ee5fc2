/*
 * types.h: the types and numbers that kernel and user code share.
 *
 * Nothing here refers to kernel structures.  All sizes and offsets are bytes, all times
 * nanoseconds.  Where a Zircon name exists the number is Zircon's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef uint32_t handle_t;
typedef int32_t  status_t;
typedef uint32_t rights_t;
typedef uint32_t signals_t;

#define HANDLE_INVALID    0u
#define DEADLINE_INFINITE INT64_MAX
#define PAGE_SIZE         4096ul
#define PAGE_SHIFT        12

enum {
    OK = 0,
#define ERROR(name, value, meaning) ERR_##name = value,
#include "errors.def"
#undef ERROR
};

enum {
    RIGHT_NONE = 0,
#define RIGHT(name, bit, meaning) RIGHT_##name = 1 << bit,
#include "rights.def"
#undef RIGHT
};
#define RIGHT_SAME_RIGHTS 0x80000000u   /* sys_handle_duplicate, _replace: keep what the handle has */

/* Signals of every object.  USER_0..7 belong to programs. */
enum { SIGNAL_READABLE = 1 << 0, SIGNAL_WRITABLE = 1 << 1, SIGNAL_PEER_CLOSED = 1 << 2,
       SIGNAL_TERMINATED = 1 << 3, SIGNAL_ZERO_CHILDREN = 1 << 23,
       SIGNAL_USER_0 = 1 << 24, SIGNAL_USER_1 = 1 << 25 };
#define SIGNAL_USER_ALL 0xff000000u

enum { WAIT_ASYNC_ONCE = 0, WAIT_ASYNC_PERSISTENT = 1 };

/* Object types, as INFO_HANDLE_BASIC reports them. */
enum { OBJECT_ANY = 0, OBJECT_PROCESS, OBJECT_THREAD, OBJECT_VMO, OBJECT_PORT, OBJECT_CHANNEL,
       OBJECT_PIPE, OBJECT_STREAM, OBJECT_EVENT, OBJECT_PAGER, OBJECT_BLOCK, OBJECT_CONSOLE,
       OBJECT_SYSTEM, OBJECT_BACKING_STORE, OBJECT_DEFAULT_PAGER };

/* Ports. */
enum { PKT_USER = 0, PKT_SIGNAL = 1, PKT_PAGE_REQUEST = 9, PKT_BLOCK = 16, PKT_EXCEPTION = 17 };

typedef struct {
    uint64_t key;
    uint32_t type;
    status_t status;
    union {
        struct { uint64_t u64[4]; } user;
        struct { signals_t trigger, observed; uint64_t count, reserved0, reserved1; } signal;
        struct { uint16_t command, flags; uint32_t reserved0; uint64_t offset, length, reserved1; } page_request;
        struct { uint32_t op, reserved0; uint64_t dev_offset, length, reserved1; } block;
        struct { uint64_t thread_koid; uint32_t kind; status_t reason; uint64_t address, pc; } exception;
    };
} port_packet_t;

_Static_assert(sizeof(port_packet_t) == 48, "a packet is 48 bytes");

/* Channels. */
#define CHANNEL_MAX_BYTES   65536u
#define CHANNEL_MAX_HANDLES 64u
#define CHANNEL_MAX_QUEUED  256u

/* Both messages of a call begin with a uint32_t transaction id, which the kernel chooses. */
typedef struct {
    const void *wr_bytes;
    const handle_t *wr_handles;
    void *rd_bytes;
    handle_t *rd_handles;
    uint32_t wr_num_bytes, wr_num_handles, rd_num_bytes, rd_num_handles;
} channel_call_args_t;

/* Virtual memory objects. */
enum { VMO_RESIZABLE = 1 << 1, VMO_TRAP_DIRTY = 1 << 3 };
enum { VMO_CHILD_SNAPSHOT = 1 << 0, VMO_CHILD_RESIZABLE = 1 << 2, VMO_CHILD_SLICE = 1 << 3,
       VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE = 1 << 4, VMO_CHILD_NO_WRITE = 1 << 5,
       VMO_CHILD_REFERENCE = 1 << 6 };
enum { VMO_OP_COMMIT = 1, VMO_OP_DECOMMIT = 2, VMO_OP_ZERO = 10, VMO_OP_DONT_NEED = 12,
       VMO_OP_ALWAYS_NEED = 13, VMO_OP_PREFETCH = 14, VMO_OP_SYNC = 32 };
#define VMO_OP_MAY_BLOCK 0x80000000u
enum { VMO_MAY_BLOCK = 1 };
#define VMO_SIZE_MAX (1ull << 48)

/* Of READ, WRITE and EXECUTE none: nobody may access it (a guard).  SHARED: fork shares the VMO instead of taking a snapshot. */
enum { VM_READ = 1, VM_WRITE = 2, VM_EXECUTE = 4, VM_FIXED = 8, VM_MAP_RANGE = 16, VM_COMMIT = 32, VM_SHARED = 64 };

/* User memory lies between these two. */
#define USER_BASE 0x10000ul
#define USER_TOP  0x4000000000ul

/* Pagers. */
enum { PAGER_WANTS_WRITEBACK = 1 << 0 };
enum { PAGER_VMO_READ = 0, PAGER_VMO_COMPLETE = 1, PAGER_VMO_DIRTY = 2, PAGER_VMO_WRITEBACK = 16 };
enum { PAGER_OP_FAIL = 1, PAGER_OP_DIRTY = 2, PAGER_OP_WRITEBACK_BEGIN = 3, PAGER_OP_WRITEBACK_END = 4 };
enum { VMO_DIRTY_RANGE_IS_ZERO = 1 };
enum { PAGER_VMO_STATS_MODIFIED = 1, PAGER_RESET_VMO_STATS = 1 };
enum { VM_PAGER_OK, VM_PAGER_BAD, VM_PAGER_FAIL, VM_PAGER_PEND, VM_PAGER_ERROR, VM_PAGER_AGAIN };

typedef struct { uint64_t offset, length, options; } vmo_dirty_range_t;
typedef struct { uint32_t modified; } pager_vmo_stats_t;

/* Block devices. */
enum { BLOCK_READ = 0, BLOCK_WRITE = 1, BLOCK_FLUSH = 2 };
enum { BLOCK_INFO_READ_ONLY = 1 << 0, BLOCK_INFO_FLUSH = 1 << 1 };

typedef struct {
    uint64_t size;              /* of this disk or partition */
    uint64_t disk_offset;       /* where a partition begins on its disk; 0 for a disk */
    uint32_t block_size;        /* offsets and lengths are multiples of it */
    uint32_t max_transfer;      /* longest single request */
    uint32_t flags, disk;       /* disk: its number */
    uint64_t reads, writes, flushes, errors;    /* requests completed on the whole disk */
} block_info_t;

/* Backing stores. */
enum { SWAP_IN, SWAP_OUT };
/* Counters of the whole system, by SWAP_; zero_fills: anonymous pages that nothing had been written to. */
typedef struct { uint64_t calls[2], pages[2], zero_fills; } info_swap_t;
typedef struct {
    info_swap_t system;
    uint64_t pages_total, pages_free;
    uint64_t pages_retired;                     /* could not be written; neither free nor used any more */
    uint64_t pages[2], pages_failed[2];         /* by SWAP_ */
    uint32_t priority, cluster_size;            /* 0 or 4; bytes */
} info_backing_store_t;

/* Streams and seeking. */
enum { STREAM_READ = 1, STREAM_WRITE = 2, STREAM_APPEND = 4 };
enum { STREAM_SEEK_START = 0, STREAM_SEEK_CURRENT = 1, STREAM_SEEK_END = 2 };

/* Processes and threads. */
enum { PROCESS_COPY_HANDLES = 1 << 0 };
enum { THREAD_ANSWERS_EXCEPTIONS = 1 << 0 };     /* its process' port is not asked about it */
enum { THREAD_NEW = 0, THREAD_RUNNING = 1, THREAD_BLOCKED = 2, THREAD_BLOCKED_PAGER = 3,
       THREAD_EXCEPTION = 4, THREAD_DEAD = 5 };
#define NAME_MAX_LENGTH 31              /* bytes of an object's name, without the final zero */

/* Exceptions: what a thread did, or met.  `reason` of the packet is the status of the page path for the first three. */
enum { EXCEPTION_LOAD_FAULT, EXCEPTION_STORE_FAULT, EXCEPTION_FETCH_FAULT, EXCEPTION_MISALIGNED, EXCEPTION_ACCESS_FAULT,
       EXCEPTION_ILLEGAL_INSTRUCTION, EXCEPTION_BREAKPOINT, EXCEPTION_INTERRUPT /* sys_thread_interrupt */ };
enum { EXCEPTION_RETRY = 1, EXCEPTION_KILL_THREAD = 2 };

/* sys_object_get_info. */
enum { INFO_HANDLE_BASIC = 1, INFO_PROCESS = 2, INFO_THREAD = 3, INFO_VMO = 4, INFO_SYSTEM = 5,
       INFO_PROCESS_MAPS = 6, INFO_PROCESS_LIST = 7, INFO_PROCESS_THREADS = 8,
       INFO_PAGER_LIST = 9, INFO_FRAME_MAP = 10, INFO_SEGMENT_LIST = 11, INFO_SWAP_PAGE_LIST = 12 };
enum { INFO_VMO_PAGED = 1 << 0, INFO_VMO_RESIZABLE = 1 << 1, INFO_VMO_IS_COW_CLONE = 1 << 2,
       INFO_VMO_PAGER_BACKED = 1 << 5 };

typedef struct { uint64_t koid, related_koid; uint32_t type; rights_t rights; } info_handle_basic_t;
typedef struct {
    uint64_t koid;
    int64_t  exit_code;         /* valid when exited */
    uint32_t started, exited, killed, num_threads, num_handles, num_regions;
    uint64_t mapped_bytes, resident_bytes;  /* resident: pages entered in the page table */
    char     name[32];
} info_process_t;
typedef struct { uint64_t koid; uint32_t state; uint32_t hart; uint64_t run_time; char name[32]; } info_thread_t;
typedef struct {
    uint64_t koid, parent_koid, size_bytes, committed_bytes, populated_bytes, change_events;
    uint32_t flags, num_children, num_mappings, share_count;
    rights_t handle_rights;
    uint32_t reserved;
    uint64_t content_size, dirty_bytes;
    char     name[32];
} info_vmo_t;
/* flags: VM_READ, _WRITE, _EXECUTE, _SHARED; allowed: the most that sys_vm_protect may give.  vmo_koid: what the handle named that was mapped. */
typedef struct { uint64_t base, length, vmo_offset, vmo_koid, vmo_size, resident_bytes; uint32_t flags, allowed; } info_map_t;

/* What a frame is used for. */
enum { FRAME_FREE = 0, FRAME_KERNEL, FRAME_TABLE, FRAME_ANON, FRAME_PAGER, FRAME_DEVICE, FRAME_BUSY, FRAME_KINDS };

typedef struct {
    uint64_t koid, uptime, memory_bytes;    /* memory: RAM that the kernel manages */
    uint64_t frames[FRAME_KINDS];           /* by kind; their sum times PAGE_SIZE is memory_bytes */
    uint64_t objects[16];                   /* live objects by OBJECT_ type */
    uint32_t harts, reserved;
    uint64_t context_switches, hand_overs, page_faults, syscalls, interrupts, tlb_shootdowns;
    uint64_t idle_time;                     /* nanoseconds that harts slept, all together */
} info_system_t;

typedef struct {                            /* one pager-backed VMO */
    uint64_t pager_koid, vmo_koid, key, size_bytes, resident_bytes;
    uint64_t requests;                      /* packets delivered */
    uint64_t pages_asked, pages_supplied, failures;
    uint32_t detached, outstanding;         /* threads waiting now */
    char     owner[32];                     /* process that made the pager */
} info_pager_vmo_t;

/* A segment of a backing store: a range of a disk, in bytes, and its pages. */
typedef struct {
    uint64_t store_koid, offset, length, pages_total, pages_free;
    uint32_t disk, priority, cluster_size, draining;
} info_segment_t;

/* A block in use: of which VMO (of several that share the page, one; 0: it is about to be freed), where it is; in_memory: there too. */
typedef struct { uint64_t vmo_koid, vmo_offset, disk_offset; uint32_t disk, in_memory; } info_swap_page_t;

/* INFO_FRAME_MAP: a run of equal frames. */
typedef struct { uint64_t base, frames; uint32_t kind, reserved; uint64_t owner_koid; } info_frame_run_t;

/* sys_system_power. */
enum { POWER_OFF = 0, POWER_REBOOT = 1 };

/* sys_thread_read_state / write_state: the registers of a user thread.  x[0] is the pc. */
typedef struct { uint64_t x[32], f[32], fcsr; } thread_state_t;
