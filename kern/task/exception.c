/*
 * exception.c: the end of a program that did what it may not.
 *
 * One line on the console says what, where and who; then the process dies with EXIT_CODE_FAULT.
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

/* What the program did, in words that an address follows where there is one. */
static const char *describe(enum user_exception kind, bool jump, status_t reason)
{
    switch (kind) {
    case EXC_ILLEGAL_INSTRUCTION: return "illegal instruction";
    case EXC_BREAKPOINT:          return "breakpoint";
    case EXC_MISALIGNED:          return "misaligned access to address";
    case EXC_ACCESS_FAULT:        return "access to an address where no memory is:";
    case EXC_PAGE_FAULT:          break;
    }
    if (reason == ERR_ACCESS_DENIED)
        return jump ? "jump to address without execute permission"
                    : "access without permission to address";
    if (reason == ERR_NOT_FOUND)
        return jump ? "jump to unmapped address" : "access to unmapped address";
    return "no page at address";
}

void user_exception(enum user_exception kind, uint64_t address, uint64_t pc, status_t reason)
{
    struct process *process = current_process();
    bool has_address = kind != EXC_ILLEGAL_INSTRUCTION && kind != EXC_BREAKPOINT;
    bool has_reason = kind == EXC_PAGE_FAULT && reason != ERR_ACCESS_DENIED &&
                      reason != ERR_NOT_FOUND;
    char name[sizeof(process->name)], where[24] = "";

    if (thread_killed())                /* its wait for the page ended so: only this thread dies */
        thread_exit();
    spin_lock(&process->object.lock);
    memcpy(name, process->name, sizeof(name));
    spin_unlock(&process->object.lock);
    if (has_address)
        format_string(where, sizeof(where), " 0x%lx", address);
    kprintf("quire: %s[%lu]: %s%s at pc 0x%lx%s%s%s\n", name, process->object.koid,
            describe(kind, address == pc, reason), where, pc, has_reason ? " (" : "",
            has_reason ? status_meaning(reason) : "", has_reason ? ")" : "");
    process_kill(process, EXIT_CODE_FAULT, true);
    thread_exit();
}
