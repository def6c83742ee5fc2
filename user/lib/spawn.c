/*
 * spawn.c: a new process from a program.
 *
 * Everything is made in the parent: address space, stack, and the start message with the child's
 * handles. One call starts it.  Until then it has never run, so undoing is closing handles.
 *
 * Invariant: struct spawning owns every handle in `handles` until the message is sent.
 */
#include "internal.h"

#include <quire/fs.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* A spawn in progress. */
struct spawning {
    handle_t process, thread;
    handle_t parent_end, child_end;             /* of the channel that carries the start message */
    handle_t handles[CHANNEL_MAX_HANDLES];
    uint32_t tags[CHANNEL_MAX_HANDLES];
    uint32_t handle_count;
    status_t status;                            /* the first failure; later steps do nothing then */
};

static void close_if_valid(handle_t handle)
{
    if (handle != HANDLE_INVALID)
        sys_handle_close(handle);
}

/* Give a handle to the child; it moves in every case. */
static void give(struct spawning *child, handle_t handle, uint32_t tag)
{
    if (child->status == OK && child->handle_count == CHANNEL_MAX_HANDLES)
        child->status = ERR_OUT_OF_RANGE;
    if (child->status != OK) {
        sys_handle_close(handle);
        return;
    }
    child->handles[child->handle_count] = handle;
    child->tags[child->handle_count++] = tag;
}

static void give_copy(struct spawning *child, handle_t handle, uint32_t tag)
{
    handle_t copy;
    if (child->status != OK || handle == HANDLE_INVALID)
        return;
    child->status = sys_handle_duplicate(handle, RIGHT_SAME_RIGHTS, &copy);
    if (child->status == OK)
        give(child, copy, tag);
}

static void give_root_fs(struct spawning *child)
{
    handle_t channel;
    if (child->status != OK || root_fs_handle() == HANDLE_INVALID)
        return;
    /* A server that is gone must not keep the rescue shell from running programs. */
    if (fs_connect(root_fs_handle(), &channel) == OK)
        give(child, channel, START_ROOT_FS);
}

/* A stream goes with the VMO of its pages, under the same number. */
static void give_descriptor(struct spawning *child, const struct descriptor *descriptor,
                            uint32_t number)
{
    give_copy(child, descriptor->handle, START_FD | number << 16);
    give_copy(child, descriptor->pages, START_FD | number << 16);
}

static void give_descriptors(struct spawning *child, const struct spawn_arguments *arguments)
{
    static const int standard[] = { 0, 1, 2 };
    const int *numbers = arguments->descriptors;
    size_t count = arguments->descriptor_count;
    if (numbers == NULL) {
        numbers = standard;
        count = 3;
    }
    for (size_t i = 0; i < count && child->status == OK; i++) {
        struct descriptor descriptor;
        if (numbers[i] < 0)
            continue;
        if (descriptor_find(numbers[i], &descriptor))
            give_descriptor(child, &descriptor, i);
        else if (arguments->descriptors != NULL)
            child->status = ERR_BAD_HANDLE;
    }
}

static void create_process(struct spawning *child, const char *name)
{
    size_t length = strnlen(name, NAME_MAX_LENGTH);
    child->status = sys_process_create(name, length, 0, &child->process);
    if (child->status == OK)
        child->status = sys_thread_create(child->process, "main", 4, 0, &child->thread);
    if (child->status == OK)
        child->status = sys_channel_create(0, &child->parent_end, &child->child_end);
}

static void map_stack(struct spawning *child)
{
    handle_t vmo;
    uintptr_t base;
    if (child->status == OK)
        child->status = sys_vmo_create(STACK_SIZE, 0, &vmo);
    if (child->status != OK)
        return;
    child->status = sys_vm_map(child->process, VM_READ | VM_WRITE | VM_FIXED, STACK_BASE, vmo, 0,
                               STACK_SIZE, &base);
    if (child->status == OK)            /* the guard: no store gets past it */
        child->status = sys_vm_protect(child->process, VM_READ, STACK_BASE, PAGE_SIZE);
    sys_handle_close(vmo);
}

static size_t strings_size(const char *const *strings, uint32_t *out_count)
{
    size_t size = 0;
    uint32_t count = 0;
    for (; strings[count] != NULL; count++)
        size += strlen(strings[count]) + 1;
    *out_count = count;
    return size;
}

static char *copy_strings(char *to, const char *const *strings)
{
    for (; *strings != NULL; strings++)
        to = stpcpy(to, *strings) + 1;
    return to;
}

/*
 * The environment with PWD as it is here: an array to be freed, whose strings are borrowed except
 * the last, which is in the same block.  NULL without memory.
 */
static const char **child_environment(const char *const *from)
{
    char directory[FS_PATH_MAX + 1];
    size_t count = 0, kept = 0;
    current_directory(directory);
    while (from[count] != NULL)
        count++;
    const char **strings = malloc((count + 2) * sizeof *strings + strlen(directory) +
                                  sizeof "PWD=");
    if (strings == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(from[i], "PWD=", 4) != 0)
            strings[kept++] = from[i];
    strings[kept] = (char *)(strings + count + 2);
    strcpy(stpcpy((char *)strings[kept], "PWD="), directory);
    strings[kept + 1] = NULL;
    return strings;
}

/* Write the start message with all handles into the channel. */
static void send_message(struct spawning *child, const struct elf_image *image,
                         const char *const *arguments, const char *const *environment)
{
    struct start_message head = {
        .magic = START_MAGIC,
        .handle_count = child->handle_count,
        .image_base = image->segments[0].address,
        .stack_base = STACK_BASE,
        .stack_size = STACK_SIZE,
    };
    const struct elf_segment *last = &image->segments[image->segment_count - 1];
    head.image_size = last->address + last->memory_size - head.image_base;
    size_t tags_size = child->handle_count * sizeof child->tags[0];
    size_t size = sizeof head + tags_size + strings_size(arguments, &head.argument_count) +
                  strings_size(environment, &head.environment_count);
    if (size > CHANNEL_MAX_BYTES) {
        child->status = ERR_OUT_OF_RANGE;
        return;
    }
    char *message = malloc(size);
    if (message == NULL) {
        child->status = ERR_NO_MEMORY;
        return;
    }
    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, child->tags, tags_size);
    copy_strings(copy_strings(message + sizeof head + tags_size, arguments), environment);
    uint32_t count = child->handle_count;
    child->handle_count = 0;            /* a write takes the handles, also when it fails */
    child->status = sys_channel_write(child->parent_end, 0, message, size, child->handles, count);
    free(message);
}

static void send_environment(struct spawning *child, const struct elf_image *image,
                             const struct spawn_arguments *arguments)
{
    const char **environment = child_environment(
        arguments->environment != NULL ? arguments->environment : (const char *const *)environ);
    if (environment == NULL)
        child->status = ERR_NO_MEMORY;
    else
        send_message(child, image, arguments->arguments, environment);
    free(environment);
}

static void start(struct spawning *child, uint64_t entry)
{
    child->status = sys_process_start(child->process, child->thread, entry, STACK_TOP,
                                      child->child_end, 0);
    if (child->status == OK)
        child->child_end = HANDLE_INVALID;
}

/*
 * 1. Take the caller's handles.  2. Read the program.  3. Make the process and its memory.  4. Give
 * it its other handles.  5. Send the message and start.
 */
status_t spawn(const struct spawn_arguments *arguments, handle_t *out_process)
{
    struct spawning child = { .status = OK };
    struct elf_image image;

    /* 1. */
    for (size_t i = 0; i < arguments->handle_count; i++)
        give(&child, arguments->handles[i].handle, arguments->handles[i].tag);
    /* 2. */
    if (child.status == OK && arguments->arguments[0] == NULL)
        child.status = ERR_INVALID_ARGS;
    if (child.status == OK)
        child.status = elf_read(arguments->image, USER_BASE, IMAGE_TOP, &image);
    /* 3. */
    if (child.status == OK)
        create_process(&child, arguments->arguments[0]);
    if (child.status == OK)
        child.status = elf_map(&image, arguments->image, child.process);
    map_stack(&child);
    /* 4. */
    give_copy(&child, child.process, START_PROCESS);
    give_copy(&child, child.thread, START_THREAD);
    give_copy(&child, console_handle(), START_CONSOLE);
    give_copy(&child, system_handle(), START_SYSTEM);
    give_copy(&child, default_pager_handle(), START_DEFAULT_PAGER);
    give_copy(&child, initrd_handle(), START_INITRD);
    give_root_fs(&child);
    give_descriptors(&child, arguments);
    /* 5. */
    if (child.status == OK)
        send_environment(&child, &image, arguments);
    if (child.status == OK)
        start(&child, image.entry);

    for (uint32_t i = 0; i < child.handle_count; i++)
        sys_handle_close(child.handles[i]);
    close_if_valid(child.parent_end);
    close_if_valid(child.child_end);
    close_if_valid(child.thread);
    if (child.status == OK)
        *out_process = child.process;
    else
        close_if_valid(child.process);
    return child.status;
}
