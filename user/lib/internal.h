/*
 * internal.h: what the files of the library share among themselves.
 */
#pragma once

#include <quire.h>
#include <sys/types.h>

/* --- start.c --- */

extern char __tdata_start[], __tdata_end[], __tbss_end[];
extern char __tls_size[];               /* an absolute symbol: its address is the value */

void tls_init(void *area);
extern __thread handle_t current_thread_handle;

/* --- locks.c: the lock that the C library knows only by pointer. --- */

struct __lock {
    struct quire_mutex mutex;
    _Atomic uintptr_t owner;            /* thread pointer of who holds a recursive lock */
    uint32_t depth;
};

/* --- descriptor.c --- */

enum { DESCRIPTOR_MAX = 64 };
enum descriptor_kind { DESCRIPTOR_FREE, DESCRIPTOR_CONSOLE, DESCRIPTOR_STREAM, DESCRIPTOR_PIPE };

/*
 * Put a handle at descriptor `number`, closing what was there; the handle moves.  WRONG_TYPE,
 * OUT_OF_RANGE: not moved.
 */
status_t descriptor_set(int number, handle_t handle);
/* The same at the lowest free number. */
status_t descriptor_add(handle_t handle, int *out_number);
/* Kind and borrowed handle; DESCRIPTOR_FREE if the number is not open. */
enum descriptor_kind descriptor_get(int number, handle_t *out_handle);
/* Close it; BAD_HANDLE. */
status_t descriptor_close(int number);

/*
 * --- line.c: one edited line from the console, at most size bytes, with its newline; 0 bytes: end
 * of input. ---
 */
status_t line_read(handle_t console, char *line, size_t size, size_t *out_length);

/* --- elf.c --- */

enum { ELF_SEGMENTS_MAX = 16 };

struct elf_segment {
    uint64_t address, file_offset, file_size, memory_size;
    uint32_t flags;                     /* VM_READ | VM_WRITE | VM_EXECUTE */
};

struct elf_image {
    uint64_t entry;
    uint32_t segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX];      /* by address, no two in one page */
};

/*
 * Read and check the headers of a program.  INVALID_ARGS unless it can be loaded between base and
 * top.
 */
status_t elf_read(handle_t vmo, uint64_t base, uint64_t top, struct elf_image *out_image);
/* Map its segments into a new process. */
status_t elf_map(const struct elf_image *image, handle_t vmo, handle_t process);
