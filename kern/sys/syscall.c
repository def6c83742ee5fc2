/*
 * syscall.c: from a number and eight words to a call of sys_NAME.
 *
 * abi/syscalls.def is expanded twice: into one adapter a call, which narrows each word to the type
 * of its argument (whatever the user left in the upper bits), and into the table of the adapters.
 */
#include "sys/syscalls.h"

#include "arch.h"
#include "lib/status.h"

#define IN(T)  uaddr_t
#define OUT(T) uaddr_t

#define UNUSED __attribute__((unused))
#define WORDS \
    UNUSED uint64_t w0, UNUSED uint64_t w1, UNUSED uint64_t w2, UNUSED uint64_t w3, \
    UNUSED uint64_t w4, UNUSED uint64_t w5, UNUSED uint64_t w6, UNUSED uint64_t w7

/* `return call;`, by the type of its result. */
#define RETURN_status_t(call) return call
#define RETURN_int64_t(call)  return call
#define RETURN_void(call)     call; return 0

#define SYSCALL(number, result, name, doc, statuses, count, ...) \
    static int64_t call_##name(WORDS) \
    { \
        RETURN_##result(sys_##name(FROM_WORDS(count, ##__VA_ARGS__))); \
    }
#include "abi/syscalls.def"
#undef SYSCALL

static int64_t (*const adapters[])(WORDS) = {
#define SYSCALL(number, result, name, doc, statuses, count, ...) [number] = call_##name,
#include "abi/syscalls.def"
#undef SYSCALL
};

int64_t syscall_dispatch(const uint64_t words[8], uint64_t number)
{
    this_hart()->syscalls++;
    if (number >= array_size(adapters) || !adapters[number])
        return ERR_BAD_SYSCALL;

    int64_t result = adapters[number](words[0], words[1], words[2], words[3],
                                      words[4], words[5], words[6], words[7]);

    assert(result != ERR_RETRY && result != ERR_USER_FAULT);
    return result;
}
