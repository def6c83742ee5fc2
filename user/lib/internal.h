/*
 * internal.h: what the files of the library share among themselves.
 */
#pragma once

#include <quire.h>
#include <quire/fs.h>
#include <sys/types.h>

/* --- start.c --- */

extern char __tdata_start[], __tdata_end[], __tbss_end[];
extern char __tls_size[];               /* an absolute symbol: its address is the value */

void tls_init(void *area);
extern __thread handle_t current_thread_handle;
extern const char *program_name;        /* argv[0] */

/* --- locks.c: the lock that the C library knows only by pointer. --- */

struct __lock {
    struct quire_mutex mutex;
    _Atomic uintptr_t owner;            /* thread pointer of who holds a recursive lock */
    uint32_t depth;
};

/* --- descriptor.c --- */

enum { DESCRIPTOR_MAX = 64 };
enum descriptor_kind {
    DESCRIPTOR_FREE, DESCRIPTOR_CONSOLE, DESCRIPTOR_STREAM, DESCRIPTOR_PIPE,
    DESCRIPTOR_NULL,                    /* an event: nothing to read, what is written is lost */
};

struct descriptor {
    enum descriptor_kind kind;
    bool close_on_exec;
    handle_t handle;
    handle_t pages;                     /* a stream's VMO, for mmap and fstat; or HANDLE_INVALID */
    struct fs_attributes attributes;    /* as open found the file; mode 0: it was inherited */
};

/*
 * Put a handle at descriptor `number`, closing what was there; the handle moves.  A VMO becomes the
 * pages of the stream that is there already.  WRONG_TYPE, OUT_OF_RANGE: not moved.
 */
status_t descriptor_set(int number, handle_t handle);
/* Fill in the kind of a new descriptor from its handle; the rest is zero.  WRONG_TYPE. */
status_t descriptor_describe(handle_t handle, struct descriptor *out);
/* Take in a descriptor, handles and all, at the first free number from `lowest`.  NO_RESOURCES. */
status_t descriptor_add(const struct descriptor *descriptor, int lowest, int *out_number);
/* The same at `number`, closing what was there.  OUT_OF_RANGE. */
status_t descriptor_put(int number, const struct descriptor *descriptor);
/* A copy with handles of its own.  BAD_HANDLE. */
status_t descriptor_duplicate(int number, struct descriptor *out);
/* Close the handles of a descriptor that is not in the table. */
void descriptor_drop(const struct descriptor *descriptor);
/* A look at a descriptor: its handles are borrowed.  False if the number is not open. */
bool descriptor_find(int number, struct descriptor *out);
/* Kind and borrowed handle; DESCRIPTOR_FREE if the number is not open. */
enum descriptor_kind descriptor_get(int number, handle_t *out_handle);
/* Set the flag; BAD_HANDLE. */
status_t descriptor_set_close_on_exec(int number, bool value);
/* Close it; BAD_HANDLE. */
status_t descriptor_close(int number);

/* --- path.c --- */

/* The current directory: absolute, without symbolic links. */
void current_directory(char out[static FS_PATH_MAX + 1]);
/* `path` from the root on.  NOT_FOUND: it is empty; INVALID_ARGS: too long. */
status_t path_absolute(const char *path, char out[static FS_PATH_MAX + 1]);
/* Set errno for what the file server said about a path, and return -1. */
int path_fail(status_t status);
/* fs_stat of any path. */
status_t path_stat(const char *path, uint32_t flags, struct fs_attributes *out_attributes);

/* --- wait.c --- */

/* A new child, which waitpid will know.  The handle moves on success. */
status_t child_add(handle_t process, pid_t *out_number);

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
