/*
 * exec.c: another program in this process.
 *
 * The new program's memory, stack and start message are made beside the old one's, as spawn does it
 * for a child; all that can be refused is refused then.  What follows is a list of system calls:
 * unmap everything, map the new program, close all handles that are not in the message.  Two pages
 * that stay, one with the few instructions that make the calls and one with the list, carry them out
 * and jump; the new program unmaps them.
 *
 * Invariant: until the other threads are ended nothing of the caller's has changed.
 * Locks: `commit_lock` is held from the place of the two pages on.
 */
#include "giving.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;
extern const char exec_page_code[], exec_page_code_end[];

enum {
#define SYSCALL(number, result, name, ...) CALL_##name = number,
#include "abi/syscalls.def"
#undef SYSCALL
};

/* See exec_page.S. */
struct exec_call {
    int64_t call;
    uint64_t arguments[7];
};

struct exec_jump {
    int64_t end;                        /* -1 */
    uint64_t stack, handle, entry;
};

enum { CALLS_MAX = ELF_SEGMENTS_MAX + 5, THREADS_MAX = 16 };

static struct quire_mutex commit_lock;
FORK_TAKES(commit_lock);

/* The second of the pages that stay. */
#define LIST_PAGE (EXEC_PAGES + PAGE_SIZE)
struct list_page {
    uintptr_t mapped;                   /* where sys_vm_map writes a result that nobody reads */
    struct exec_call calls[CALLS_MAX];
    struct exec_jump jump;              /* behind the last call, wherever that is */
};

_Static_assert(sizeof(struct list_page) <= PAGE_SIZE, "one page");

/* An exec in progress. */
struct execution {
    handle_t image, stack, parent_end, child_end;
    struct elf_image elf;
    struct elf_mapping mappings[ELF_SEGMENTS_MAX];
    bool prepared;                      /* the mappings are to be dropped */
    struct giving giving;
    struct list_page list;
    size_t call_count;
};

static void close_if_valid(handle_t handle)
{
    if (handle != HANDLE_INVALID)
        sys_handle_close(handle);
}

static void drop(struct execution *execution)
{
    giving_drop(&execution->giving);
    for (uint32_t i = 0; execution->prepared && i < execution->elf.segment_count; i++)
        elf_mapping_drop(&execution->mappings[i]);
    close_if_valid(execution->stack);
    close_if_valid(execution->parent_end);
    close_if_valid(execution->child_end);
}

static void give_descriptors(struct giving *giving)
{
    struct descriptor descriptor;
    for (int number = 0; number < DESCRIPTOR_MAX; number++)
        if (descriptor_find(number, &descriptor) && !descriptor.close_on_exec)
            give_descriptor(giving, &descriptor, number);
}

static status_t make_program(struct execution *execution, const char *const *arguments,
                             const char *const *environment)
{
    status_t status = elf_read(execution->image, USER_BASE, IMAGE_TOP, &execution->elf);
    if (status == OK)
        status = elf_prepare(&execution->elf, execution->image, execution->mappings);
    if (status != OK)
        return status;
    execution->prepared = true;
    status = sys_vmo_create(STACK_SIZE, 0, &execution->stack);
    if (status == OK)
        status = sys_object_set_name(execution->stack, "stack", 5);
    if (status == OK)
        status = sys_channel_create(0, &execution->parent_end, &execution->child_end);
    if (status != OK)
        return status;
    give_usual(&execution->giving, process_self(), thread_self());
    give_descriptors(&execution->giving);
    giving_send(&execution->giving, execution->parent_end, &execution->elf, arguments, environment);
    return execution->giving.status;
}

/* --- The list. --- */

static void add(struct execution *execution, int64_t call, const uint64_t arguments[7])
{
    struct exec_call *entry = &execution->list.calls[execution->call_count++];
    entry->call = call;
    memcpy(entry->arguments, arguments, sizeof entry->arguments);
}

static void add_map(struct execution *execution, const struct elf_mapping *mapping)
{
    add(execution, CALL_vm_map, (const uint64_t[7]){
        process_self(), mapping->options, mapping->address, mapping->vmo, mapping->offset,
        mapping->length, LIST_PAGE + offsetof(struct list_page, mapped),
    });
}

static void make_list(struct execution *execution)
{
    handle_t process = process_self();
    const uintptr_t behind = EXEC_PAGES + EXEC_PAGES_SIZE;
    add(execution, CALL_vm_unmap, (const uint64_t[7]){ process, USER_BASE, EXEC_PAGES - USER_BASE });
    add(execution, CALL_vm_unmap, (const uint64_t[7]){ process, behind, USER_TOP - behind });
    add_map(execution, &(struct elf_mapping){
        .options = VM_READ | VM_WRITE | VM_FIXED, .address = STACK_BASE, .vmo = execution->stack,
        .length = STACK_SIZE,
    });
    add(execution, CALL_vm_protect, (const uint64_t[7]){ process, 0, STACK_BASE, PAGE_SIZE });
    for (uint32_t i = 0; i < execution->elf.segment_count; i++)
        add_map(execution, &execution->mappings[i]);
    add(execution, CALL_handle_close_others, (const uint64_t[7]){ execution->child_end });
    const struct exec_jump jump = {
        .end = -1, .stack = STACK_TOP, .handle = execution->child_end,
        .entry = execution->elf.entry,
    };
    memcpy(&execution->list.calls[execution->call_count], &jump, sizeof jump);
}

static status_t map_pages(const struct list_page *list)
{
    handle_t vmo;
    uintptr_t mapped;
    status_t status = sys_vmo_create(EXEC_PAGES_SIZE, 0, &vmo);
    if (status != OK)
        return status;
    status = sys_vmo_write(vmo, 0, exec_page_code, 0, exec_page_code_end - exec_page_code);
    if (status == OK)
        status = sys_vmo_write(vmo, 0, list, PAGE_SIZE, sizeof *list);
    if (status == OK)
        status = sys_vm_map(process_self(), VM_READ | VM_EXECUTE | VM_FIXED, EXEC_PAGES, vmo, 0,
                            PAGE_SIZE, &mapped);
    if (status == OK)
        status = sys_vm_map(process_self(), VM_READ | VM_WRITE | VM_FIXED, LIST_PAGE, vmo,
                            PAGE_SIZE, PAGE_SIZE, &mapped);
    if (status != OK)
        sys_vm_unmap(process_self(), EXEC_PAGES, EXEC_PAGES_SIZE);
    sys_handle_close(vmo);
    return status;
}

/* --- No way back from here on. --- */

static void end_thread(uint64_t koid)
{
    handle_t thread;
    if (sys_object_get_child(process_self(), koid, RIGHT_SAME_RIGHTS, &thread) != OK)
        return;
    sys_task_kill(thread);
    sys_object_wait_one(thread, SIGNAL_TERMINATED, DEADLINE_INFINITE, NULL);
    sys_handle_close(thread);
}

static void end_other_threads(void)
{
    info_thread_t threads[THREADS_MAX], self;
    size_t count, available;
    sys_object_get_info(thread_self(), INFO_THREAD, &self, sizeof self, NULL, NULL);
    do {
        count = available = 0;
        sys_object_get_info(process_self(), INFO_PROCESS_THREADS, threads, sizeof threads, &count,
                            &available);
        for (size_t i = 0; i < count; i++)
            if (threads[i].koid != self.koid)
                end_thread(threads[i].koid);
    } while (available > 1);
}

/* The signal thread is among those that end: from then on nothing may stop this one. */
static _Noreturn void replace(const char *name)
{
    uint32_t ignored, blocked;
    signals_inheritance(&ignored, &blocked);
    signals_end((ignored | blocked) != 0);
    end_other_threads();
    sys_object_set_name(process_self(), name, strnlen(name, NAME_MAX_LENGTH));
    ((void (*)(uintptr_t))EXEC_PAGES)(LIST_PAGE + offsetof(struct list_page, calls));
    __builtin_unreachable();
}

static int exec_error(status_t status)
{
    switch (status) {
    case ERR_INVALID_ARGS: return ENOEXEC;
    case ERR_WRONG_TYPE:   return EACCES;
    case ERR_OUT_OF_RANGE: return E2BIG;
    default:               return status_errno(status);
    }
}

/* Of two threads that come here the second waits, and ends with the others. */
static status_t commit(struct execution *execution, const char *name)
{
    quire_mutex_lock(&commit_lock);
    make_list(execution);
    sys_vm_unmap(process_self(), EXEC_PAGES, EXEC_PAGES_SIZE);
    status_t status = map_pages(&execution->list);
    if (status == OK)
        replace(name);
    quire_mutex_unlock(&commit_lock);
    return status;
}

/* The image stays the caller's when this returns, which is with an error. */
static int exec_image(handle_t image, char *const *arguments, char *const *environment)
{
    struct execution *execution = calloc(1, sizeof *execution);
    if (execution == NULL)
        return ENOMEM;
    execution->image = image;
    giving_init(&execution->giving);
    status_t status = make_program(execution, (const char *const *)arguments,
                                   (const char *const *)environment);
    if (status == OK)
        status = commit(execution, arguments[0]);
    drop(execution);
    free(execution);
    return exec_error(status);
}

static int exec_named(const char *name, char *const *arguments, char *const *environment)
{
    handle_t image;
    if (arguments == NULL || arguments[0] == NULL) {
        errno = EINVAL;
        return -1;
    }
    status_t status = program_open(name, &image);
    int error = exec_error(status);
    if (status == OK) {
        signals_hold();
        error = exec_image(image, arguments, environment);
        signals_release();
        sys_handle_close(image);
    }
    errno = error;
    return -1;
}

int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    return exec_named(file, arguments, environment);
}

int execvp(const char *file, char *const arguments[])
{
    return execvpe(file, arguments, environ);
}

int execve(const char *path, char *const arguments[], char *const environment[])
{
    char absolute[FS_PATH_MAX + 1];
    status_t status = path_absolute(path, absolute);
    if (status == OK)
        return exec_named(absolute, arguments, environment);
    errno = status == ERR_NOT_FOUND ? ENOENT : ENAMETOOLONG;
    return -1;
}

int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}

/* --- Lists of arguments, which end with NULL; an environment may follow. --- */

static size_t count_arguments(va_list list)
{
    size_t count = 1;
    while (va_arg(list, char *) != NULL)
        count++;
    return count;
}

/* Behind `first` come the list's, with its NULL. */
#define TAKE_ARGUMENTS(first, list)                                                               \
    va_list list;                                                                                 \
    va_start(list, first);                                                                        \
    char *arguments[count_arguments(list) + 1];                                                   \
    va_end(list);                                                                                 \
    va_start(list, first);                                                                        \
    arguments[0] = (char *)first;                                                                 \
    for (size_t i = 1; (arguments[i] = va_arg(list, char *)) != NULL; i++)                        \
        ;

int execl(const char *path, const char *first, ...)
{
    TAKE_ARGUMENTS(first, list)
    va_end(list);
    return execv(path, arguments);
}

int execlp(const char *file, const char *first, ...)
{
    TAKE_ARGUMENTS(first, list)
    va_end(list);
    return execvp(file, arguments);
}

int execle(const char *path, const char *first, ...)
{
    TAKE_ARGUMENTS(first, list)
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return execve(path, arguments, environment);
}
