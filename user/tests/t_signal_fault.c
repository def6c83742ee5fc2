/*
 * t_signal_fault.c: faults as signals: their kinds, repair, other stacks, deaths.
 */
#include "posix.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#define UNUSED __attribute__((unused))

static siginfo_t seen;
static volatile int handled;
static sigjmp_buf place;
static volatile char *volatile nowhere = (char *)0x50;

static void remember(UNUSED int number, siginfo_t *info, UNUSED void *context)
{
    seen = *info;
    handled++;
    siglongjmp(place, 1);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

    CHECK_EQ(sigaction(number, &action, NULL), 0);
    handled = 0;
}

static int in_child(int (*function)(void *), void *argument)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(function(argument));
    CHECK(pid > 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What a store to the address is told as. */
static int store_code(volatile char *address)
{
    seen = (siginfo_t){ 0 };
    if (sigsetjmp(place, 1) == 0)
        *address = 1;
    return seen.si_code;
}

TEST(kinds_of_faults)
{
    static const char constant;
    char *guard = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    handle(SIGSEGV, remember, 0);
    CHECK_EQ(store_code((char *)0x40), SEGV_MAPERR);
    CHECK_EQ(seen.si_signo, SIGSEGV);
    CHECK_EQ((uintptr_t)seen.si_addr, 0x40);
    CHECK_EQ(store_code((char *)&constant), SEGV_ACCERR);
    CHECK(seen.si_addr == &constant);
    CHECK(guard != MAP_FAILED);
    CHECK_EQ(store_code(guard + 5), SEGV_ACCERR);
    CHECK(seen.si_addr == guard + 5);
    CHECK_EQ(store_code((char *)USER_TOP), SEGV_MAPERR);
    CHECK_EQ(handled, 4);
    CHECK_EQ(munmap(guard, PAGE_SIZE), 0);
}

TEST(instructions)
{
    handle(SIGILL, remember, 0);
    if (sigsetjmp(place, 1) == 0)
        __asm__ volatile("unimp");
    CHECK_EQ(seen.si_signo, SIGILL);
    handle(SIGTRAP, remember, 0);
    if (sigsetjmp(place, 1) == 0)
        __asm__ volatile("ebreak");
    CHECK_EQ(seen.si_signo, SIGTRAP);
    CHECK_EQ(seen.si_code, TRAP_BRKPT);
}

static void skip(UNUSED int number, UNUSED siginfo_t *info, void *context)
{
    ucontext_t *where = context;

    where->uc_mcontext.__gregs[REG_PC] += 4;
    where->uc_mcontext.__gregs[REG_A0] = 42;
    handled++;
}

TEST(a_handler_changes_registers)
{
    register long value __asm__("a0") = 1;

    handle(SIGILL, skip, 0);
    __asm__ volatile(".word 0" : "+r"(value));
    CHECK_EQ(value, 42);
    CHECK_EQ(handled, 1);
}

/* --- Repair: memory that comes when it is touched. --- */

enum { PAGES = 64 };
static char *lazy;

static void give_page(UNUSED int number, siginfo_t *info, UNUSED void *context)
{
    char *page = (char *)((uintptr_t)info->si_addr & -PAGE_SIZE);

    if (page < lazy || page >= lazy + PAGES * PAGE_SIZE)
        _exit(9);
    handled++;
    mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE);
    *page = (page - lazy) / PAGE_SIZE;
}

TEST(memory_given_by_a_handler)
{
    int sum = 0;

    lazy = mmap(NULL, PAGES * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(lazy != MAP_FAILED);
    handle(SIGSEGV, give_page, 0);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < PAGES; i++)
            sum += lazy[i * PAGE_SIZE];
    CHECK_EQ(sum, 3 * PAGES * (PAGES - 1) / 2);
    CHECK_EQ(handled, PAGES);
    CHECK_EQ(munmap(lazy, PAGES * PAGE_SIZE), 0);
}

static void fault_again(UNUSED int number, UNUSED siginfo_t *info, UNUSED void *context)
{
    if (++handled < 5)
        *nowhere = 1;
    siglongjmp(place, 1);
}

TEST(a_fault_in_the_handler_of_a_fault)
{
    handle(SIGSEGV, fault_again, SA_NODEFER);
    if (sigsetjmp(place, 1) == 0)
        *nowhere = 1;
    CHECK_EQ(handled, 5);
}

/* --- The stack. --- */

static char other_stack[SIGSTKSZ] __attribute__((aligned(16)));

/* Uses up the stack; the compiler cannot make a loop of it. */
static int overflow(int depth)
{
    volatile char room[1024];

    room[0] = depth;
    return depth < 1000000 ? overflow(depth + 1) + room[0] : 0;
}

static void on_other_stack(UNUSED int number, UNUSED siginfo_t *info, UNUSED void *context)
{
    char here;

    handled++;
    siglongjmp(place, &here > other_stack && &here < other_stack + sizeof other_stack ? 2 : 3);
}

TEST(a_stack_overflow_on_another_stack)
{
    stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof other_stack }, old;

    CHECK_EQ(sigaltstack(&stack, &old), 0);
    CHECK(old.ss_flags & SS_DISABLE);
    handle(SIGSEGV, on_other_stack, SA_ONSTACK);
    for (int i = 1; i <= 3; i++) {
        int value = sigsetjmp(place, 1);

        if (value == 0)
            overflow(0);
        CHECK_EQ(value, 2);
        CHECK_EQ(handled, i);
    }
    stack.ss_flags = SS_DISABLE;
    CHECK_EQ(sigaltstack(&stack, &old), 0);
    CHECK_EQ(old.ss_flags, 0);
    CHECK(old.ss_sp == other_stack);
    stack = (stack_t){ .ss_sp = other_stack, .ss_size = 10 };
    CHECK_ERRNO(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_flags = 55;
    CHECK_ERRNO(sigaltstack(&stack, NULL), EINVAL);
}

static int overflow_here(UNUSED void *unused)
{
    return overflow(0);
}

TEST(a_stack_overflow_without_one_is_the_end)
{
    handle(SIGSEGV, on_other_stack, 0);
    CHECK_EQ(in_child(overflow_here, NULL), -SIGSEGV);
}

/* --- Deaths. --- */

static int store_nowhere(UNUSED void *unused)
{
    *nowhere = 1;
    return 1;
}

static int break_here(UNUSED void *unused)
{
    __asm__ volatile("ebreak");
    return 1;
}

static int store_blocked(void *unused)
{
    sigset_t set;

    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return store_nowhere(unused);
}

TEST(without_a_handler)
{
    handle(SIGSEGV, (void *)SIG_DFL, 0);
    CHECK_EQ(in_child(store_nowhere, NULL), -SIGSEGV);
    handle(SIGSEGV, (void *)SIG_IGN, 0);
    CHECK_EQ(in_child(store_nowhere, NULL), -SIGSEGV);
    handle(SIGSEGV, remember, 0);
    CHECK_EQ(in_child(store_blocked, NULL), -SIGSEGV);
    handle(SIGTRAP, (void *)SIG_DFL, 0);
    CHECK_EQ(in_child(break_here, NULL), -SIGTRAP);
}

static void leave(UNUSED int number, UNUSED siginfo_t *info, UNUSED void *context)
{
    _exit(33);
}

TEST(exit_in_a_handler)
{
    handle(SIGSEGV, leave, 0);
    CHECK_EQ(in_child(store_nowhere, NULL), 33);
}
