/*
 * giving.c: what a program is started with: the start message (abi/start.h) in the making.
 *
 * A message holds 64 handles; when there are more, further messages of the same kind follow, with
 * handles and nothing else.
 *
 * Invariant: struct giving owns its handles until they are sent.
 */
#include "giving.h"

#include <fcntl.h>
#include <quire/fs.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

void giving_init(struct giving *giving)
{
    giving->status = OK;
    giving->count = 0;
}

void giving_drop(struct giving *giving)
{
    for (uint32_t i = 0; i < giving->count; i++)
        sys_handle_close(giving->handles[i]);
    giving->count = 0;
}

void give(struct giving *giving, handle_t handle, uint32_t tag)
{
    if (giving->status == OK && giving->count == GIVEN_MAX)
        giving->status = ERR_OUT_OF_RANGE;
    if (giving->status != OK) {
        sys_handle_close(handle);
        return;
    }
    giving->handles[giving->count] = handle;
    giving->tags[giving->count++] = tag;
}

void give_copy(struct giving *giving, handle_t handle, uint32_t tag)
{
    handle_t copy;
    if (giving->status != OK || handle == HANDLE_INVALID)
        return;
    giving->status = sys_handle_duplicate(handle, RIGHT_SAME_RIGHTS, &copy);
    if (giving->status == OK)
        give(giving, copy, tag);
}

static void give_root_fs(struct giving *giving)
{
    handle_t channel;
    if (giving->status != OK || root_fs_handle() == HANDLE_INVALID)
        return;
    /* A server that is gone must not keep the rescue shell from running programs. */
    if (fs_connect(root_fs_handle(), &channel) == OK)
        give(giving, channel, START_ROOT_FS);
}

void give_usual(struct giving *giving, handle_t process, handle_t thread)
{
    give_copy(giving, process, START_PROCESS);
    give_copy(giving, thread, START_THREAD);
    give_copy(giving, console_handle(), START_CONSOLE);
    give_copy(giving, system_handle(), START_SYSTEM);
    give_copy(giving, default_pager_handle(), START_DEFAULT_PAGER);
    give_copy(giving, initrd_handle(), START_INITRD);
    give_root_fs(giving);
}

/* A stream goes with the VMO of its pages, under the same number. */
void give_descriptor(struct giving *giving, const struct descriptor *descriptor, uint32_t number)
{
    uint32_t flag = descriptor->flags & O_NONBLOCK ? TAG_NONBLOCKING : 0;
    give_copy(giving, descriptor->handle, START_FD | number << 16 | flag);
    give_copy(giving, descriptor->pages, START_FD | number << 16);
}

/* --- Sending it. --- */

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

/* The handles of one message; they leave in every case. */
static status_t send_some(struct giving *giving, handle_t channel, const void *message, size_t size,
                          uint32_t first, uint32_t count)
{
    return sys_channel_write(channel, 0, message, size, giving->handles + first, count);
}

/* Those that did not fit into the first message. */
static status_t send_rest(struct giving *giving, handle_t channel, uint32_t sent)
{
    struct {
        struct start_message head;
        uint32_t tags[CHANNEL_MAX_HANDLES];
    } message;
    status_t status = OK;
    while (status == OK && sent < giving->count) {
        uint32_t count = giving->count - sent;
        if (count > CHANNEL_MAX_HANDLES)
            count = CHANNEL_MAX_HANDLES;
        message.head = (struct start_message){ .magic = START_MAGIC, .handle_count = count };
        memcpy(message.tags, giving->tags + sent, count * sizeof message.tags[0]);
        status = send_some(giving, channel, &message, sizeof message.head +
                           count * sizeof message.tags[0], sent, count);
        sent += count;
    }
    for (; sent < giving->count; sent++)
        sys_handle_close(giving->handles[sent]);
    giving->count = 0;
    return status;
}

static status_t send(struct giving *giving, handle_t channel, const struct elf_image *image,
                     const char *const *arguments, const char *const *environment)
{
    uint32_t count = giving->count < CHANNEL_MAX_HANDLES ? giving->count : CHANNEL_MAX_HANDLES;
    const struct elf_segment *last = &image->segments[image->segment_count - 1];
    struct start_message head = {
        .magic = START_MAGIC,
        .handle_count = count,
        .image_base = image->segments[0].address,
        .image_size = last->address + last->memory_size - image->segments[0].address,
        .stack_base = STACK_BASE,
        .stack_size = STACK_SIZE,
        .more_messages = (giving->count - count + CHANNEL_MAX_HANDLES - 1) / CHANNEL_MAX_HANDLES,
    };
    signals_inheritance(&head.ignored_signals, &head.blocked_signals);
    size_t tags_size = count * sizeof giving->tags[0];
    size_t size = sizeof head + tags_size + strings_size(arguments, &head.argument_count) +
                  strings_size(environment, &head.environment_count);
    if (size > CHANNEL_MAX_BYTES)
        return ERR_OUT_OF_RANGE;
    char *message = malloc(size);
    if (message == NULL)
        return ERR_NO_MEMORY;
    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, giving->tags, tags_size);
    copy_strings(copy_strings(message + sizeof head + tags_size, arguments), environment);
    status_t status = send_some(giving, channel, message, size, 0, count);
    free(message);
    if (status == OK)
        return send_rest(giving, channel, count);
    for (; count < giving->count; count++)
        sys_handle_close(giving->handles[count]);
    giving->count = 0;
    return status;
}

void giving_send(struct giving *giving, handle_t channel, const struct elf_image *image,
                 const char *const *arguments, const char *const *environment)
{
    if (giving->status != OK)
        return;
    const char **full = child_environment(
        environment != NULL ? environment : (const char *const *)environ);
    giving->status = full == NULL ? ERR_NO_MEMORY
                                  : send(giving, channel, image, arguments, full);
    free(full);
}
