/*
 * exception.c: the end of a program that did what it may not.
 *
 * The process dies with EXIT_CODE_FAULT, and one line on the console says what, where and who: the
 * line of the first of its threads, should several fault together.  It is printed before the thread
 * ends, so before anybody hears of the death.
 */
#include "lib/kprintf.h"
#include "lib/string.h"
#include "task/process.h"

static const char *status_meaning(status_t status)
{
    switch (status) {
#define ERROR(name, value, meaning) case ERR_##name: return #name ": " meaning;
#include "abi/errors.def"
#undef ERROR
    default: return "unknown status";
    }
}

void user_exception(enum user_exception kind, uint64_t address, uint64_t pc, status_t reason)
{
    static const char *const what[] = {
        [EXC_LOAD_FAULT] = "load from",
        [EXC_STORE_FAULT] = "store to",
        [EXC_FETCH_FAULT] = "jump to",
        [EXC_MISALIGNED] = "misaligned access to",
        [EXC_ACCESS_FAULT] = "access without memory at",
        [EXC_ILLEGAL_INSTRUCTION] = "illegal instruction",
        [EXC_BREAKPOINT] = "breakpoint",
    };
    struct process *process = current_process();
    const char *detail = "", *kind_of_address = "";
    char name[sizeof(process->name)], where[64] = "";

    /* Killed: its wait for the page ended so, and only this thread dies. */
    if (thread_killed() || !process_kill(process, EXIT_CODE_FAULT, true))
        thread_exit();
    if (reason == ERR_ACCESS_DENIED)
        kind_of_address = "protected ";
    else if (reason == ERR_NOT_FOUND)
        kind_of_address = "unmapped ";
    else if (reason != OK)
        detail = status_meaning(reason);
    if (kind != EXC_ILLEGAL_INSTRUCTION && kind != EXC_BREAKPOINT)
        format_string(where, sizeof(where), " %saddress 0x%lx", kind_of_address, address);
    spin_lock(&process->object.lock);
    memcpy(name, process->name, sizeof(name));
    spin_unlock(&process->object.lock);
    kprintf("quire: %s[%lu]: %s%s at pc 0x%lx%s%s%s\n", name, process->object.koid, what[kind],
            where, pc, *detail ? " (" : "", detail, *detail ? ")" : "");
    thread_exit();
}
