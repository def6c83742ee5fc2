/*
 * syscall.c: from a number and eight words to a call of sys_NAME.
 *
 * abi/syscalls.def is expanded twice: into one adapter a call, which narrows each word to the type
 * of its argument (whatever the user left in the upper bits), and into the table of the adapters
 * and of the handles that are looked up before.  Every object found is held until the call is over.
 *
 * A call that met user memory that is not there, with nothing done that counts, answers
 * ERR_USER_FAULT: the memory is made present and the call made again with the same objects.
 */
#include "sys/helpers.h"

#define IN(T)     uaddr_t
#define OUT(T)    uaddr_t
#define OBJECT(T) struct T *

/* The first two words, or the objects they name; all words as they came; rights of the first. */
#define WORDS \
    UNUSED uint64_t w0, UNUSED uint64_t w1, UNUSED const uint64_t *words, UNUSED rights_t held

/* `return call;`, by the type of its result. */
#define RETURN_status_t(call) return call
#define RETURN_int64_t(call)  return call
#define RETURN_void(call)     call; return 0

#define SYSCALL(number, result, name, doc, statuses, count, ...) \
    static int64_t call_##name(WORDS) \
    { \
        RETURN_##result(sys_##name(FROM_WORDS(count, ##__VA_ARGS__))); \
    }
#define SYSCALL_HELD(number, name, handles, doc, statuses, count, ...) \
    static int64_t call_##name(WORDS) \
    { \
        return sys_##name(held, FROM_WORDS(count, __VA_ARGS__)); \
    }
#include "abi/syscalls.def"

static const struct call {
    int64_t (*adapter)(WORDS);
    struct wanted {
        bool given;
        uint8_t type;
        rights_t rights;
    } handles[2];
} calls[] = {
#define FIRST(object_type, needed)  .handles[0] = { true, OBJECT_##object_type, needed },
#define SECOND(object_type, needed) .handles[1] = { true, OBJECT_##object_type, needed },
#define SYSCALL(number, result, name, ...) [number] = { .adapter = call_##name },
#define SYSCALL_ON(number, name, wanted, ...) [number] = { wanted .adapter = call_##name },
#include "abi/syscalls.def"
};

int64_t syscall_dispatch(const uint64_t words[8], uint64_t number)
{
    this_hart()->syscalls++;
    if (number >= array_size(calls) || !calls[number].adapter)
        return ERR_BAD_SYSCALL;

    const struct call *call = &calls[number];
    uint64_t first[2] = { words[0], words[1] };
    struct object *objects[2];
    rights_t held[2] = { RIGHT_NONE };
    uint32_t found = 0;
    int64_t result = OK;

    while (result == OK && found < 2 && call->handles[found].given) {
        const struct wanted *wanted = &call->handles[found];

        result = handle_lookup(current_process()->handles, words[found], wanted->type,
                               wanted->rights, &objects[found], &held[found]);
        if (result == OK) {
            first[found] = (uint64_t)objects[found];
            found++;
        }
    }
    while (result == OK) {
        result = call->adapter(first[0], first[1], words, held[0]);
        if (result != ERR_USER_FAULT)
            break;
        result = sys_resolve_fault();
    }
    while (found > 0)
        object_unref(objects[--found]);
    assert(result != ERR_RETRY);
    return result;
}
