/*
 * foreground.c: waiting for what runs in the foreground, and ^C.
 *
 * The console sets a signal when ^C is typed.  While the shell waits for a job it waits for that
 * too, and sends SIGINT to the job's processes and all that they have started.  A port tells of
 * both.
 *
 * A shell in a shell: both hear of the ^C, and the inner one answers it.  It says with a signal of
 * its process that it does, and the outer one leaves its job alone.
 */
#include "sh.h"

#include <quire/line.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_CONSOLE = 0 };               /* a process has its koid as key */

static handle_t port;
static uint64_t members[COMMANDS_MAX];  /* koids of the foreground job */
static size_t member_count;
bool job_interrupted;

/* Of a process: a shell that answers ^C itself. */
#define ANSWERS_INTERRUPTS SIGNAL_USER_1

/* The shell itself must survive the ^C of a shell that it runs in. */
static void nothing(int number)
{
    (void)number;
}

static bool connect(void)
{
    if (port != HANDLE_INVALID)
        return true;
    if (sys_port_create(0, &port) != OK)
        return false;
    if (sys_object_wait_async(console_handle(), port, KEY_CONSOLE, SIGNAL_USER_0,
                              WAIT_ASYNC_PERSISTENT) == OK && signal(SIGINT, nothing) != SIG_ERR &&
        sys_object_signal(process_self(), 0, ANSWERS_INTERRUPTS) == OK)
        return true;
    sys_handle_close(port);
    port = HANDLE_INVALID;
    return false;
}

/* --- The processes of a job. --- */

static uint64_t related(handle_t process, uint64_t *out_koid)
{
    info_handle_basic_t info = { 0 };
    sys_object_get_info(process, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL);
    *out_koid = info.koid;
    return info.related_koid;
}

static bool is_member(const uint64_t *koids, size_t count, uint64_t koid)
{
    for (size_t i = 0; i < count; i++)
        if (koids[i] == koid)
            return true;
    return false;
}

static void interrupt_process(uint64_t koid)
{
    handle_t process;
    if (sys_object_get_child(system_handle(), koid, RIGHT_SAME_RIGHTS, &process) != OK)
        return;
    process_signal(process, SIGINT);
    sys_handle_close(process);
}

static bool answers_interrupts(uint64_t koid)
{
    handle_t process;
    if (sys_object_get_child(system_handle(), koid, RIGHT_SAME_RIGHTS, &process) != OK)
        return false;
    bool answers = sys_object_wait_one(process, ANSWERS_INTERRUPTS, 0, NULL) == OK &&
                   sys_object_wait_one(process, SIGNAL_TERMINATED, 0, NULL) != OK;
    sys_handle_close(process);
    return answers;
}

/* To the koids of processes, those that they started, and so on: how many it are then. */
static size_t add_descendants(uint64_t **in_out_koids, size_t found)
{
    info_process_t *list;
    size_t count;
    if (info_list(system_handle(), INFO_PROCESS_LIST, sizeof *list, (void **)&list, &count) != OK)
        return found;
    uint64_t *koids = realloc(*in_out_koids, (count + found) * sizeof *koids);
    for (bool grows = koids != NULL; grows;) {
        grows = false;
        for (size_t i = 0; i < count; i++) {
            handle_t process;
            uint64_t koid = list[i].koid, maker;
            if (is_member(koids, found, koid) ||
                sys_object_get_child(system_handle(), koid, RIGHT_SAME_RIGHTS, &process) != OK)
                continue;
            maker = related(process, &koid);
            sys_handle_close(process);
            if (is_member(koids, found, maker)) {
                koids[found++] = koid;
                grows = true;
            }
        }
    }
    if (koids != NULL)
        *in_out_koids = koids;
    free(list);
    return found;
}

static bool some_answers(const uint64_t *koids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (answers_interrupts(koids[i]))
            return true;
    return false;
}

/* The job and all that it started, also what these start before they are told. */
static void interrupt_all(uint64_t **in_out_koids, size_t found)
{
    for (size_t told = 0; told < found; found = add_descendants(in_out_koids, found))
        for (; told < found; told++)
            interrupt_process((*in_out_koids)[told]);
}

static void interrupt(void)
{
    if (sys_object_wait_one(console_handle(), SIGNAL_USER_0, 0, NULL) != OK)
        return;
    uint64_t *koids = malloc((member_count + 1) * sizeof *koids);
    if (koids == NULL)
        return;
    memcpy(koids, members, member_count * sizeof *koids);
    size_t found = add_descendants(&koids, member_count);
    if (!some_answers(koids, found)) {
        sys_object_signal(console_handle(), SIGNAL_USER_0, 0);
        if (!job_interrupted) {
            printf("^C\n");
            fflush(stdout);
        }
        job_interrupted = true;
        interrupt_all(&koids, found);
    }
    free(koids);
}

/* --- Waiting. --- */

/* A ^C that was typed at the prompt is forgotten. */
void foreground_line_begin(void)
{
    port_packet_t packet;
    sys_object_signal(console_handle(), SIGNAL_USER_0, 0);
    job_interrupted = false;
    if (connect())
        while (sys_port_wait(port, 0, &packet) == OK)
            ;
}

void foreground_begin(const handle_t *processes, size_t count)
{
    member_count = 0;
    for (size_t i = 0; i < count && port != HANDLE_INVALID; i++)
        if (processes[i] != HANDLE_INVALID)
            related(processes[i], &members[member_count++]);
}

/* Until the process has ended; what runs in the background also until there is a ^C: then false. */
static bool wait_with_console(handle_t process)
{
    port_packet_t packet;
    uint64_t koid;
    related(process, &koid);
    if (sys_object_wait_async(process, port, koid, SIGNAL_TERMINATED, WAIT_ASYNC_ONCE) != OK)
        return true;
    for (;;) {
        status_t status = sys_port_wait(port, DEADLINE_INFINITE, &packet);
        if (status == OK && packet.key == koid)
            return true;
        if (status == OK && packet.key == KEY_CONSOLE)
            interrupt();
        if (job_interrupted && member_count == 0) {
            sys_port_cancel(port, process, koid);
            return false;
        }
    }
}

bool job_wait_in_background(handle_t process)
{
    member_count = 0;
    return port == HANDLE_INVALID || wait_with_console(process);
}

int64_t job_wait(handle_t process)
{
    int64_t code = STATUS_NOT_RUNNABLE;
    handle_t kept;
    if (member_count > 0)
        wait_with_console(process);
    if (sys_handle_duplicate(process, RIGHT_SAME_RIGHTS, &kept) != OK)
        kept = HANDLE_INVALID;
    process_wait(process, &code);
    if (kept != HANDLE_INVALID) {
        int number = process_end_signal(kept, code);
        if (code == EXIT_CODE_KILLED && number != SIGKILL)
            code = 128 + number;
        sys_handle_close(kept);
    }
    return code;
}

/* Back at the prompt: what was typed up to the ^C is gone, as on any terminal. */
void foreground_line_end(void)
{
    if (job_interrupted)
        line_drop_interrupted(console_handle());
    if (job_interrupted && last_status == 0)
        last_status = STATUS_INTERRUPTED;       /* it came between two commands */
    job_interrupted = false;
    member_count = 0;
}
