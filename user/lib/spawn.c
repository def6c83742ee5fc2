/*
 * spawn.c: a new process from a program.
 *
 * Everything is made in the parent: address space, stack, and the start message with the child's
 * handles. One call starts it.  Until then it has never run, so undoing is closing handles.
 */
#include "giving.h"

#include <string.h>

/* A spawn in progress. */
struct spawning {
    handle_t process, thread;
    handle_t parent_end, child_end;             /* of the channel that carries the start message */
    struct giving giving;
};

static void close_if_valid(handle_t handle)
{
    if (handle != HANDLE_INVALID)
        sys_handle_close(handle);
}

static void give_descriptors(struct giving *giving, const struct spawn_arguments *arguments)
{
    static const int standard[] = { 0, 1, 2 };
    const int *numbers = arguments->descriptors;
    size_t count = arguments->descriptor_count;
    if (numbers == NULL) {
        numbers = standard;
        count = 3;
    }
    for (size_t i = 0; i < count && giving->status == OK; i++) {
        struct descriptor descriptor;
        if (numbers[i] < 0)
            continue;
        if (descriptor_find(numbers[i], &descriptor))
            give_descriptor(giving, &descriptor, i);
        else if (arguments->descriptors != NULL)
            giving->status = ERR_BAD_HANDLE;
    }
}

static void create_process(struct spawning *child, const char *name)
{
    size_t length = strnlen(name, NAME_MAX_LENGTH);
    child->giving.status = sys_process_create(name, length, 0, &child->process);
    if (child->giving.status == OK)
        child->giving.status = sys_thread_create(child->process, "main", 4, 0, &child->thread);
    if (child->giving.status == OK)
        child->giving.status = sys_channel_create(0, &child->parent_end, &child->child_end);
}

static void map_stack(struct spawning *child)
{
    handle_t vmo;
    uintptr_t base;
    if (child->giving.status == OK)
        child->giving.status = sys_vmo_create(STACK_SIZE, 0, &vmo);
    if (child->giving.status != OK)
        return;
    sys_object_set_name(vmo, "stack", 5);
    child->giving.status = sys_vm_map(child->process, VM_READ | VM_WRITE | VM_FIXED, STACK_BASE,
                                      vmo, 0, STACK_SIZE, &base);
    if (child->giving.status == OK)     /* the guard */
        child->giving.status = sys_vm_protect(child->process, 0, STACK_BASE, PAGE_SIZE);
    sys_handle_close(vmo);
}

static void start(struct spawning *child, uint64_t entry)
{
    uint32_t ignored, blocked;
    signals_inheritance(&ignored, &blocked);
    if ((ignored | blocked) != 0)
        signals_expect(child->process);
    child->giving.status = sys_process_start(child->process, child->thread, entry, STACK_TOP,
                                             child->child_end, 0);
    if (child->giving.status == OK)
        child->child_end = HANDLE_INVALID;
}

/*
 * 1. Take the caller's handles.  2. Read the program.  3. Make the process and its memory.  4. Give
 * it its other handles.  5. Send the message and start.
 */
status_t spawn(const struct spawn_arguments *arguments, handle_t *out_process)
{
    struct spawning child;
    struct giving *giving = &child.giving;
    struct elf_image image;
    giving_init(giving);
    child.process = child.thread = child.parent_end = child.child_end = HANDLE_INVALID;

    /* 1. */
    for (size_t i = 0; i < arguments->handle_count; i++)
        give(giving, arguments->handles[i].handle, arguments->handles[i].tag);
    /* 2. */
    if (giving->status == OK && arguments->arguments[0] == NULL)
        giving->status = ERR_INVALID_ARGS;
    if (giving->status == OK)
        giving->status = elf_read(arguments->image, USER_BASE, IMAGE_TOP, &image);
    /* 3. */
    if (giving->status == OK)
        create_process(&child, arguments->arguments[0]);
    if (giving->status == OK)
        giving->status = elf_map(&image, arguments->image, child.process);
    map_stack(&child);
    /* 4. */
    give_usual(giving, child.process, child.thread);
    give_descriptors(giving, arguments);
    /* 5. */
    giving_send(giving, child.parent_end, &image, arguments->arguments, arguments->environment);
    if (giving->status == OK)
        start(&child, image.entry);

    giving_drop(giving);
    close_if_valid(child.parent_end);
    close_if_valid(child.child_end);
    close_if_valid(child.thread);
    if (giving->status == OK)
        *out_process = child.process;
    else
        close_if_valid(child.process);
    return giving->status;
}
