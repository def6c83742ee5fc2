/*
 * t_random_calls.c: 10,000 random system calls from 4 threads: the kernel lives, and everything is
 * given back.
 *
 * The calls are made by this program as a child, so that all it made ends with it.  Arguments are
 * partly valid: handles
 * of every type, pointers into a scratch area where the kernel stores results, sizes and offsets
 * that mean something,
 * among numbers that mean nothing.  The child gives up the few rights with which a random call
 * could harm others or
 * itself: its own memory and threads, power, the disk, the console.  A thread that a call put to
 * sleep is killed and
 * replaced.
 *
 * The seed is printed; `tests/t_random_calls run SEED` does the same again, as far as timing
 * allows.
 *
 * Machine: cpus=4
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4, CALLS = 10000, KINDS = 16, SCRATCH_PAGES = 16 };

#define SCRATCH       0x1800000000ul
#define SCRATCH_SIZE  (SCRATCH_PAGES * PAGE_SIZE)
#define SLEEP_ALLOWED (SECOND / 200)

static const struct {
    uint16_t number;
    const char *parameters;             /* "handle_t, handle, OUT(size_t), actual" */
} calls[] = {
#define SYSCALL(number, result, name, meaning, statuses, count, ...) { number, #__VA_ARGS__ },
#include "abi/syscalls.def"
#undef SYSCALL
};

enum {
#define SYSCALL(number, result, name, ...) CALL_##name = number,
#include "abi/syscalls.def"
#undef SYSCALL
};

struct caller {
    struct raw_thread thread;
    uint64_t random;                    /* state of the generator */
    _Atomic uint64_t calls_made;
    uint64_t calls_seen;                /* by the watcher, */
    int64_t seen_at;                    /* and when it last saw a change */
};

static struct caller callers[THREADS];
static _Atomic handle_t handles[4 * KINDS];     /* of all types; closed and replaced by and by */
static atomic_int calls_left;

/* --- Random arguments. --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1d;
}

static uint64_t pick(uint64_t *state, const uint64_t *values, size_t count)
{
    return values[next_random(state) % count];
}

static uint64_t random_size(uint64_t *state)
{
    static const uint64_t sizes[] = {
        0, 1, 2, 4, 8, 48, 64, 100, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE,
        16 * PAGE_SIZE,
        INT64_MAX, UINT64_MAX, -PAGE_SIZE, 1ull << 63,
    };
    return pick(state, sizes, array_size(sizes));
}

static uint64_t random_address(uint64_t *state)
{
    static const uint64_t bad[] = {
        0, 1, PAGE_SIZE, SCRATCH - 1, SCRATCH + SCRATCH_SIZE, SCRATCH + SCRATCH_SIZE - 3, USER_TOP,
        0xffffffc080200000, 0x8000000000000000, UINT64_MAX,
    };
    uint64_t kind = next_random(state) % 8;

    if (kind == 0)
        return pick(state, bad, array_size(bad));
    return SCRATCH + (next_random(state) % SCRATCH_SIZE & (kind < 3 ? -PAGE_SIZE : -8ul));
}

static uint64_t random_handle(uint64_t *state)
{
    uint64_t kind = next_random(state) % 8;

    if (kind == 0)
        return next_random(state) % 4 == 0 ? 0 : (uint32_t)next_random(state);
    return handles[next_random(state) % array_size(handles)];
}

/* One bit, but never an address in this program. */
static uint64_t random_bit(uint64_t *state)
{
    uint64_t bit = next_random(state) % 40;

    return 1ull << (bit < 16 ? bit : bit + 24);
}

/* Any number but a handle's: as an address that might be one in this program. */
static uint64_t random_word(uint64_t *state)
{
    switch (next_random(state) % 4) {
    case 0:  return random_address(state);
    case 1:  return random_size(state);
    case 2:  return random_bit(state);
    default: return next_random(state) % 8;
    }
}

/* An argument of this type, mostly. */
static uint64_t random_argument(uint64_t *state, const char *type)
{
    if (next_random(state) % 16 == 0)
        return random_word(state);
    if (strncmp(type, "handle_t,", 9) == 0 || strncmp(type, "OBJECT(", 7) == 0)
        return random_handle(state);
    if (strncmp(type, "OUT(", 4) == 0 || strncmp(type, "IN(", 3) == 0)
        return random_address(state);
    return random_word(state);
}

/* --- Handles of every type. --- */

static handle_t make_child(bool thread)
{
    handle_t process, made = HANDLE_INVALID;

    if (sys_process_create("random", 6, 0, &process) != OK)
        return HANDLE_INVALID;
    if (!thread)
        return process;
    sys_thread_create(process, "random", 6, 0, &made);
    sys_handle_close(process);
    return made;
}

static handle_t make_paged(void)
{
    handle_t pager, port, vmo = HANDLE_INVALID;

    if (sys_port_create(0, &port) != OK)
        return HANDLE_INVALID;
    if (sys_pager_create(0, &pager) == OK) {
        sys_pager_create_vmo(pager, VMO_RESIZABLE, port, 1, 4 * PAGE_SIZE, &vmo);
        handles[KINDS] = pager;
    }
    sys_handle_close(port);
    return vmo;
}

/* A new object; of what comes in pairs, the second goes where it may be found. */
static handle_t make_object(uint64_t kind)
{
    handle_t made = HANDLE_INVALID, second = HANDLE_INVALID;

    switch (kind % 10) {
    case 0: sys_event_create(0, &made); break;
    case 1: sys_port_create(0, &made); break;
    case 2: sys_channel_create(0, &made, &second); break;
    case 3: sys_pipe_create(0, &made, &second); break;
    case 4: sys_vmo_create(4 * PAGE_SIZE, VMO_RESIZABLE, &made); break;
    case 5: made = make_paged(); break;
    case 6: made = make_child(false); break;
    case 7: made = make_child(true); break;
    case 8: sys_pager_create(0, &made); break;
    case 9:
        if (sys_vmo_create(PAGE_SIZE, 0, &second) == OK)
            sys_stream_create(STREAM_READ | STREAM_WRITE, second, 0, &made);
        break;
    }
    if (second != HANDLE_INVALID)
        sys_handle_close(atomic_exchange(&handles[KINDS + 1 + kind % KINDS], second));
    return made;
}

/* Put a new object in the place of some older one. */
static void refresh_handle(uint64_t *state)
{
    size_t place = KINDS + next_random(state) % (array_size(handles) - KINDS);

    sys_handle_close(atomic_exchange(&handles[place], make_object(next_random(state))));
}

/* --- The calls. --- */

static void call(uint64_t number, const uint64_t *words)
{
    register uint64_t t0 __asm__("t0") = number;
    register uint64_t a0 __asm__("a0") = words[0];
    register uint64_t a1 __asm__("a1") = words[1];
    register uint64_t a2 __asm__("a2") = words[2];
    register uint64_t a3 __asm__("a3") = words[3];
    register uint64_t a4 __asm__("a4") = words[4];
    register uint64_t a5 __asm__("a5") = words[5];
    register uint64_t a6 __asm__("a6") = words[6];
    register uint64_t a7 __asm__("a7") = words[7];

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5),
                     "+r"(a6), "+r"(a7), "+r"(t0)
                     :: "memory", "t1", "t2", "t3", "t4", "t5", "t6");
}

/*
 * Now and then the memory that calls read holds something that has a meaning: handles, addresses,
 * numbers.
 */
static void fill_structure(uint64_t *state)
{
    uint64_t words[6];

    for (unsigned i = 0; i < array_size(words); i++)
        words[i] = i % 2 ? random_word(state) : random_handle(state) << 32 | random_handle(state);
    sys_vmo_write(handles[0], 0, words, next_random(state) % SCRATCH_SIZE / 8 * 8, sizeof words);
}

static void random_call(uint64_t *state)
{
    size_t which = next_random(state) % array_size(calls);
    uint64_t number = calls[which].number;
    const char *type = calls[which].parameters;
    uint64_t words[8] = { 0 };

    if (number == CALL_process_exit || number == CALL_thread_exit ||
        number == CALL_handle_close_others)
        number = next_random(state) % 256 + 128;        /* no call at all */
    for (unsigned i = 0; i < 8 && *type; i++) {
        words[i] = random_argument(state, type);
        type += strcspn(type, ",");                     /* behind the type, and behind the name */
        type += strspn(type, ", ");
        type += strcspn(type, ",");
        type += strspn(type, ", ");
    }
    if (next_random(state) % 4 == 0)
        fill_structure(state);
    call(number, words);
}

static void make_calls(void *argument)
{
    struct caller *caller = argument;

    while (atomic_fetch_sub(&calls_left, 1) > 0) {
        if (caller->calls_made % 4 == 0)
            refresh_handle(&caller->random);
        random_call(&caller->random);
        caller->calls_made++;
    }
}

/* --- The child. --- */

static bool replace(handle_t handle, rights_t rights, size_t place)
{
    handle_t weak;

    if (sys_handle_duplicate(handle, rights, &weak) != OK)
        return false;
    handles[place] = weak;
    return true;
}

/* Give up what would do harm, and put what is left among the handles. */
static bool prepare(void)
{
    uintptr_t at;
    handle_t vmo;

    for (int number = 0; number < 3; number++)
        close(number);
    if (sys_vmo_create(SCRATCH_SIZE, 0, &vmo) != OK ||
        sys_vm_map(process_self(), VM_READ | VM_WRITE | VM_FIXED, SCRATCH, vmo, 0, SCRATCH_SIZE,
                   &at) != OK)
        return false;
    handles[0] = vmo;
    bool done = replace(process_self(), RIGHT_INSPECT | RIGHT_WAIT, 1) &&        /* READ: its memory's VMOs */
                replace(thread_self(), RIGHT_INSPECT | RIGHT_WAIT | RIGHT_READ, 2) &&
                replace(console_handle(), RIGHT_INSPECT | RIGHT_WAIT | RIGHT_DUPLICATE, 3);
    if (done && system_handle() != HANDLE_INVALID)
        done = replace(system_handle(), RIGHT_READ | RIGHT_INSPECT | RIGHT_WAIT | RIGHT_DUPLICATE,
                       4);
    if (done && default_pager_handle() != HANDLE_INVALID)       /* there are no devices to give to its stores */
        done = replace(default_pager_handle(), RIGHT_WRITE | RIGHT_INSPECT | RIGHT_WAIT | RIGHT_DUPLICATE,
                       5);
    for (size_t i = 6; done && i < array_size(handles); i++)
        handles[i] = make_object(i);
    return done;
}

static bool start_caller(struct caller *caller)
{
    handle_t thread;

    if (sys_thread_create(process_self(), "caller", 6, 0, &thread) != OK)
        return false;
    caller->thread.handle = thread;
    caller->seen_at = sys_clock_get();
    return sys_thread_start(thread, (uintptr_t)raw_thread_entry,
                            (uintptr_t)caller->thread.stack + sizeof caller->thread.stack,
                            (uintptr_t)caller,
                            (uintptr_t)make_calls) == OK;
}

/*
 * See how a caller gets on; one that sleeps for long is killed and replaced.  False if that cannot
 * be done.
 */
static bool watch(struct caller *caller, bool *out_ended)
{
    uint64_t made = caller->calls_made;
    info_thread_t info;

    if (sys_object_get_info(caller->thread.handle, INFO_THREAD, &info, sizeof info, NULL,
                            NULL) != OK)
        return false;
    *out_ended = info.state == THREAD_DEAD;
    if (made != caller->calls_seen || (info.state != THREAD_BLOCKED &&
                                       info.state != THREAD_BLOCKED_PAGER)) {
        caller->calls_seen = made;
        caller->seen_at = sys_clock_get();
        return true;
    }
    if (sys_clock_get() < caller->seen_at + SLEEP_ALLOWED)
        return true;
    if (sys_task_kill(caller->thread.handle) != OK ||
        sys_object_wait_one(caller->thread.handle, SIGNAL_TERMINATED, after(PATIENCE), NULL) != OK)
        return false;
    sys_handle_close(caller->thread.handle);
    caller->calls_made++;
    return start_caller(caller);
}

static int run(uint64_t seed)
{
    unsigned ended = 0;

    if (!prepare())
        return 1;
    calls_left = CALLS;
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i].random = (seed + i) * 0x9e3779b97f4a7c15 | 1;
        if (!start_caller(&callers[i]))
            return 2;
    }
    while (ended < THREADS) {
        ended = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            bool has_ended;
            if (!watch(&callers[i], &has_ended))
                return 3;
            ended += has_ended;
        }
        sys_nanosleep(0);
    }
    return 0;
}

int test_helper(int argument_count, char **arguments)
{
    return argument_count > 2 ? run(strtoull(arguments[2], NULL, 0)) : 100;
}

/* --- The case. --- */

static info_system_t system_info(void)
{
    info_system_t info = { 0 };

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    return info;
}

static void run_child(uint64_t seed)
{
    char text[24];
    const char *const arguments[] = { test_arguments[0], "run", text, NULL };
    handle_t image, process;

    snprintf(text, sizeof text, "%#llx", (unsigned long long)seed);
    printf("# tests/t_random_calls run %s\n", text);
    CHECK_EQ(fflush(stdout), 0);
    CHECK_OK(program_open(test_arguments[0], &image));
    struct spawn_arguments spawning = { .image = image, .arguments = arguments };
    status_t status = spawn(&spawning, &process);
    CHECK_OK(sys_handle_close(image));
    CHECK_OK(status);
    CHECK_EQ(exit_code_of(process), 0);
}

/*
 * Does the system hold what it held then?  Of the kernel's own frames no more: its heap gives a frame back when nothing is left in it,
 * so what lives on may lie in a frame more or less.
 */
static bool is_as_before(void *argument)
{
    const info_system_t *before = argument;
    info_system_t now = system_info();

    for (unsigned kind = FRAME_TABLE; kind < FRAME_KINDS; kind++)
        if (now.frames[kind] != before->frames[kind])
            return false;
    return memcmp(now.objects, before->objects, sizeof now.objects) == 0 &&
           now.frames[FRAME_KERNEL] <= before->frames[FRAME_KERNEL];
}

static void print_difference(const info_system_t *before, const info_system_t *now)
{
    for (unsigned type = 0; type < array_size(now->objects); type++) {
        if (now->objects[type] != before->objects[type])
            printf("# objects of type %u: %llu, were %llu\n", type,
                   (unsigned long long)now->objects[type],
                   (unsigned long long)before->objects[type]);
    }
    for (unsigned kind = 0; kind < FRAME_KINDS; kind++) {
        if (now->frames[kind] != before->frames[kind])
            printf("# frames of kind %u: %llu, were %llu\n", kind, (unsigned long long)now->frames[kind],
                   (unsigned long long)before->frames[kind]);
    }
}

static uint64_t random_seed(void)
{
    uint64_t seed = 0;

    CHECK_OK(sys_random(&seed, sizeof seed));
    return seed;
}

/*
 * Caches of the kernel, of this program and of the file server grow to what a run needs, and then
 * no more; so after some
 * run everything is as it was after the one before.  What leaks would leak every time.
 */
TEST(ten_thousand_random_calls_leave_nothing_behind)
{
    if (system_handle() == HANDLE_INVALID)
        test_skip("no system handle");
    info_system_t before = system_info(), now;

    for (unsigned round = 0; round < 8; round++) {
        run_child(random_seed());
        if (comes_true_within(round > 0 ? 4 * SECOND : SECOND, is_as_before, &before))
            return;
        now = system_info();
        print_difference(&before, &now);
        before = now;
    }
    CHECK(!"the last run left as much as the one before");
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
