/*
 * syscall.c: from a number and eight words to a call of sys_NAME.
 *
 * abi/syscalls.def is expanded twice: into one adapter a call, which narrows each word to the type
 * of its argument (whatever the user left in the upper bits), and into the table of the adapters
 * and of the handles that are looked up before.  The objects found are held during the call.
 *
 * A call on objects that met user memory that is not there, with nothing done that counts, answers
 * ERR_USER_FAULT: the memory is made present and the call made again.  So is one that found no
 * frame, once page-out has made room; only when there is none the user sees NO_MEMORY.  Other calls are made once.
 */
#include "sys/helpers.h"
#include "vm/reclaim.h"

#define TRIES 16u       /* to find frames for a call: one that gives back what it got may never find enough */

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

/* Of a size that makes an index a shift. */
static const struct __attribute__((aligned(32))) call {
    int64_t (*adapter)(WORDS);
    struct {
        bool given;
        uint8_t type;
        rights_t rights;
    } first, second;
} calls[] = {
#define FIRST(object_type, needed)  .first = { true, OBJECT_##object_type, needed },
#define SECOND(object_type, needed) .second = { true, OBJECT_##object_type, needed },
#define SYSCALL(number, result, name, ...) [number] = { .adapter = call_##name },
#define SYSCALL_ON(number, name, wanted, ...) [number] = { wanted .adapter = call_##name },
#include "abi/syscalls.def"
};

/* Not part of syscall_dispatch, which so saves few registers for calls that are over soon. */
static NOINLINE int64_t call_on_objects(const struct call *call, const uint64_t *words)
{
    struct handle_table *table = current_process()->handles;
    struct object *first, *second = NULL;
    uint32_t tries = 0;
    rights_t held;

    handle_begin_reading(table);
    int64_t result = handle_peek(table, words[0], call->first.type, call->first.rights, &first, &held);

    if (result == OK)
        object_ref(first);
    handle_end_reading();
    if (result != OK)
        return result;
    if (call->second.given)
        result = handle_lookup(table, words[1], call->second.type, call->second.rights, &second,
                               NULL);
    while (result == OK) {
        result = call->adapter((uint64_t)first, second ? (uint64_t)second : words[1], words, held);
        if (result == ERR_USER_FAULT)
            result = sys_resolve_fault();
        else if (result == ERR_NO_MEMORY && tries++ < TRIES && reclaim_for_retry())
            result = OK;
        else
            break;
    }
    if (second)
        object_unref(second);
    object_unref(first);
    assert(result != ERR_RETRY);
    return result;
}

int64_t syscall_dispatch(uint64_t w0, uint64_t w1, const uint64_t words[8], uint64_t number)
{
    const struct call *call = &calls[number];

    this_hart()->syscalls++;
    if (number >= array_size(calls) || !call->adapter)
        return ERR_BAD_SYSCALL;
    if (call->first.given)
        return call_on_objects(call, words);
    int64_t result = call->adapter(w0, w1, words, RIGHT_NONE);

    assert(result != ERR_RETRY && result != ERR_USER_FAULT);
    return result;
}
