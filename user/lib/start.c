/*
 * start.c: from the start message to main.
 *
 * The parent leaves one message in the channel that is our first argument (abi/start.h).  It is
 * read to the bottom of the first stack and stays there, since start_program never returns: argv
 * and envp point into it.
 *
 * Invariant: after start_program has called main, the handles of this file never change, except
 * root_fs.
 */
#include "internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USER_HANDLES_MAX = CHANNEL_MAX_HANDLES };

int main(int argument_count, char **arguments, char **environment);
typedef void constructor(void);
extern constructor *const __init_array_start[], *const __init_array_end[];     /* user.ld */
extern char **environ;
void start_program(handle_t channel, bool is_exec);

__thread handle_t current_thread_handle;
const char *program_name = "?";

static handle_t process, console, boot_system, initrd, root_fs, default_pager;
static struct spawn_handle user_handles[USER_HANDLES_MAX];
static size_t user_handle_count;

handle_t process_self(void)         { return process; }
handle_t console_handle(void)       { return console; }
handle_t system_handle(void)        { return boot_system; }
handle_t initrd_handle(void)        { return initrd; }
handle_t default_pager_handle(void) { return default_pager; }
handle_t root_fs_handle(void)       { return root_fs; }

void root_fs_set(handle_t channel)
{
    if (root_fs != HANDLE_INVALID)
        sys_handle_close(root_fs);
    root_fs = channel;
}

/* A thread is given its handle, except the one that fork left in a child: it is the oldest there. */
handle_t thread_self(void)
{
    info_thread_t oldest;
    if (current_thread_handle == HANDLE_INVALID &&
        sys_object_get_info(process, INFO_PROCESS_THREADS, &oldest, sizeof oldest, NULL, NULL) == OK)
        sys_object_get_child(process, oldest.koid, RIGHT_SAME_RIGHTS, &current_thread_handle);
    return current_thread_handle;
}

void own_process_replace(handle_t own_process)
{
    sys_handle_close(process);
    sys_handle_close(current_thread_handle);
    process = own_process;
    current_thread_handle = HANDLE_INVALID;
}

handle_t start_handle(uint32_t tag)
{
    for (size_t i = 0; i < user_handle_count; i++)
        if (user_handles[i].tag == tag)
            return user_handles[i].handle;
    return HANDLE_INVALID;
}

/* Runs before there are thread-local variables. */
void tls_init(void *area)
{
    size_t initialised = __tdata_end - __tdata_start;
    memcpy(area, __tdata_start, initialised);
    memset((char *)area + initialised, 0, (uintptr_t)__tls_size - initialised);
}

static void take_descriptor(uint32_t tag, handle_t handle)
{
    int number = (tag & ~TAG_NONBLOCKING) >> 16;
    if (descriptor_set(number, handle) != OK)
        sys_handle_close(handle);
    else if ((tag & TAG_NONBLOCKING) != 0)
        descriptor_set_flags(number, O_NONBLOCK);
}

static void take_handle(uint32_t tag, handle_t handle)
{
    switch (tag & 0xffff) {
    case START_PROCESS:       process = handle; break;
    case START_THREAD:        current_thread_handle = handle; break;
    case START_CONSOLE:       console = handle; break;
    case START_SYSTEM:        boot_system = handle; break;
    case START_INITRD:        initrd = handle; break;
    case START_ROOT_FS:       root_fs = handle; break;
    case START_DEFAULT_PAGER: default_pager = handle; break;
    case START_FD:
        take_descriptor(tag, handle);
        break;
    default:
        if (user_handle_count < USER_HANDLES_MAX)
            user_handles[user_handle_count++] = (struct spawn_handle){ handle, tag };
        else
            sys_handle_close(handle);
    }
}

/* A program that was given a console but no descriptors talks to the console. */
static void open_console(void)
{
    for (int number = 0; number < 3; number++) {
        handle_t copy;
        if (descriptor_get(number, &copy) != DESCRIPTOR_FREE)
            return;
    }
    for (int number = 0; number < 3; number++) {
        handle_t copy;
        if (sys_handle_duplicate(console, RIGHT_SAME_RIGHTS, &copy) == OK &&
            descriptor_set(number, copy) != OK)
            sys_handle_close(copy);
    }
}

/* The strings from `text` on as an array that ends with NULL; returns what follows them. */
static char *split_strings(char *text, const char *end, uint32_t count, char **out)
{
    for (uint32_t i = 0; i < count && text < end; i++) {
        *out++ = text;
        text += strnlen(text, end - text) + 1;
    }
    *out = NULL;
    return text;
}

/* Read a message and take its handles.  It is our maker's: a wrong one ends the program. */
static void read_message(handle_t channel, struct start_message *message, uint32_t length)
{
    handle_t handles[CHANNEL_MAX_HANDLES];
    uint32_t handle_count = 0;
    status_t status = sys_channel_read(channel, 0, message, handles, length, CHANNEL_MAX_HANDLES,
                                       &length, &handle_count);
    const uint32_t *tags = (const uint32_t *)(message + 1);
    if (status != OK || message->magic != START_MAGIC || message->handle_count != handle_count ||
        length < sizeof *message + handle_count * sizeof *tags ||
        (uint64_t)message->argument_count + message->environment_count > length)
        sys_process_exit(ERR_INVALID_ARGS);
    for (uint32_t i = 0; i < handle_count; i++)
        take_handle(tags[i], handles[i]);
}

static void read_more(handle_t channel)
{
    struct {
        struct start_message head;
        uint32_t tags[CHANNEL_MAX_HANDLES];
    } message;
    read_message(channel, &message.head, sizeof message);
}

/* is_exec: there was another program in this process, and the pages of its exec are still mapped. */
void start_program(handle_t channel, bool is_exec)
{
    uint32_t length = 0, handle_count = 0;
    status_t status = sys_channel_read(channel, 0, NULL, NULL, 0, 0, &length, &handle_count);
    if (status != ERR_BUFFER_TOO_SMALL || length < sizeof(struct start_message) ||
        length > CHANNEL_MAX_BYTES)
        sys_process_exit(ERR_INVALID_ARGS);

    struct start_message *message = __builtin_alloca(length + 1);
    read_message(channel, message, length);
    for (uint32_t i = 0; i < message->more_messages; i++)
        read_more(channel);
    sys_handle_close(channel);
    if (is_exec)
        sys_vm_unmap(process, EXEC_PAGES, EXEC_PAGES_SIZE);
    signals_thread_begin(0);
    if (message->ignored_signals != 0 || message->blocked_signals != 0)
        signals_inherit(message->ignored_signals, message->blocked_signals);
    open_console();

    char *text = (char *)(message + 1) + message->handle_count * sizeof(uint32_t);
    char *end = (char *)message + length;
    *end = 0;
    char **arguments = __builtin_alloca((message->argument_count + 1) * sizeof *arguments);
    environ = __builtin_alloca((message->environment_count + 1) * sizeof *environ);
    text = split_strings(text, end, message->argument_count, arguments);
    split_strings(text, end, message->environment_count, environ);

    if (arguments[0] != NULL)
        program_name = arguments[0];
    int argument_count = 0;
    while (arguments[argument_count] != NULL)
        argument_count++;
    for (constructor *const *run = __init_array_start; run < __init_array_end; run++)
        (*run)();
    exit(main(argument_count, arguments, environ));
}
