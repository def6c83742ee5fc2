/*
 * t_cow_pointers.c: system calls whose buffers lie in pages that are shared copy-on-write, while
 * other threads unmap them, take snapshots of them and change their protection.
 *
 * All memory here holds one pattern, and whoever writes, writes the pattern: so whatever a call has
 * read or written at whatever moment, every word of every page and snapshot must be the pattern's.
 *
 * Machine: cpus=4
 */
#include "cow.h"

#include <stdio.h>

#define PAGES    8u
#define OUT_PAGE PAGES                  /* where calls put what is not the pattern */
#define WORDS    (PAGE_SIZE / 8)
#define WINDOW   0x2600000000ul
#define DURATION (2 * SECOND)

static handle_t vmo, port, channel, other_end;
static volatile bool stopping;
static volatile int wrong_line;         /* where something was not as it should be */
static volatile int wrong_status;

static void note(int line, status_t status)
{
    if (!wrong_line) {
        wrong_status = status;
        wrong_line = line;
    }
}

static uint64_t pattern(uint64_t page, uint64_t word)
{
    return (page + 1) * 0x0101010101010101ull ^ word << 20;
}

static bool is_pattern(const uint64_t *words, uint64_t page)
{
    for (uint64_t i = 0; i < WORDS; i++)
        if (words[i] != pattern(page, i))
            return false;
    return true;
}

static bool holds_pattern(handle_t of, uint64_t *words)
{
    for (uint64_t page = 0; page < PAGES; page++)
        if (sys_vmo_read(of, 0, words, page * PAGE_SIZE, PAGE_SIZE) != OK ||
            !is_pattern(words, page))
            return false;
    return true;
}

static void expect_one_of(int line, status_t status, status_t another)
{
    if (status != OK && status != ERR_INVALID_ARGS && status != another)
        note(line, status);
}
#define EXPECT(call, another) expect_one_of(__LINE__, call, another)

static char *window_page(uint64_t page)
{
    return (char *)WINDOW + page * PAGE_SIZE;
}

/* --- The callers. --- */

static struct caller {
    struct raw_thread thread;
    uint64_t random;
    handle_t scratch;                   /* pattern pages, written from and into the window */
    volatile uint64_t calls, refused;
    uint64_t words[PAGES * WORDS];
} callers[2];

/* Pages of the window into the scratch VMO, or the other way round. */
static void copy_pages(struct caller *caller, uint64_t page, uint64_t count, bool out)
{
    status_t status;

    if (out)
        status = sys_vmo_read(caller->scratch, 0, window_page(page), page * PAGE_SIZE,
                              count * PAGE_SIZE);
    else
        status = sys_vmo_write(caller->scratch, 0, window_page(page), page * PAGE_SIZE,
                               count * PAGE_SIZE);
    caller->calls++;
    caller->refused += status == ERR_INVALID_ARGS;
    EXPECT(status, OK);
}

/* Results of all kinds, into the last page of the window. */
static void take_results(uint64_t random)
{
    char *at = window_page(OUT_PAGE) + (random >> 8) % (PAGE_SIZE - 256) / 8 * 8;
    uint32_t bytes, handles;

    switch (random % 7) {
    case 0: EXPECT(sys_vmo_get_size(vmo, (uint64_t *)at), OK); break;
    case 1: EXPECT(sys_random(at, 64), OK); break;
    case 2: EXPECT(sys_port_wait(port, 0, (port_packet_t *)at), ERR_TIMED_OUT); break;
    case 3: EXPECT(sys_port_queue(port, (const port_packet_t *)at), ERR_SHOULD_WAIT); break;
    case 4:
        EXPECT(sys_object_get_info(vmo, INFO_VMO, at, sizeof(info_vmo_t), NULL, NULL), OK);
        break;
    case 5: EXPECT(sys_channel_write(channel, 0, at, 64, NULL, 0), ERR_SHOULD_WAIT); break;
    case 6:
        EXPECT(sys_channel_read(other_end, 0, at, NULL, 128, 0, &bytes, &handles), ERR_SHOULD_WAIT);
        break;
    }
}

static void call(void *argument)
{
    struct caller *caller = argument;

    while (!stopping) {
        uint64_t random = next_random(&caller->random);
        uint64_t page = random % PAGES, count = 1 + (random >> 8) % (PAGES - page);

        switch (random >> 60) {
        case 0: case 1: case 2: case 3: case 4: copy_pages(caller, page, count, false); break;
        case 5: case 6: case 7: case 8: case 9: copy_pages(caller, page, count, true); break;
        case 10:
            if (!holds_pattern(caller->scratch, caller->words))
                note(__LINE__, OK);
            break;
        default: take_results(random >> 16); break;
        }
    }
}

/* --- Those who take the memory away. --- */

static struct disturber {
    struct raw_thread thread;
    uint64_t random;
    volatile uint64_t snapshots, writes;
    uint64_t words[WORDS];
} disturbers[2];

static void check_snapshot(struct disturber *disturber, handle_t child)
{
    if (!holds_pattern(child, disturber->words))
        note(__LINE__, OK);
    disturber->snapshots++;
}

static void disturb(void *argument)
{
    struct disturber *disturber = argument;
    uintptr_t at;
    handle_t child;
    status_t status;

    while (!stopping) {
        uint64_t random = next_random(&disturber->random);
        uint64_t page = random % (PAGES + 1), count = 1 + (random >> 8) % (PAGES + 1 - page);

        switch (random >> 61) {
        case 0:                                 /* a hole for a moment */
            sys_vm_unmap(process_self(), (uintptr_t)window_page(page), count * PAGE_SIZE);
            sys_vm_map(process_self(), READ_WRITE | VM_FIXED, (uintptr_t)window_page(page), vmo,
                       page * PAGE_SIZE, count * PAGE_SIZE, &at);
            break;
        case 1:
            sys_vm_protect(process_self(), VM_READ, (uintptr_t)window_page(page),
                           count * PAGE_SIZE);
            break;
        case 2:
            sys_vm_protect(process_self(), READ_WRITE, (uintptr_t)window_page(page),
                           count * PAGE_SIZE);
            break;
        case 3: case 4:
            status = sys_vmo_create_child(vmo, SNAPSHOT, 0, (PAGES + 1) * PAGE_SIZE, &child);
            if (status != OK) {
                note(__LINE__, status);
                break;
            }
            if (random >> 20 & 1) {             /* what fork does: the copy takes the place */
                sys_vm_unmap(process_self(), (uintptr_t)window_page(page), count * PAGE_SIZE);
                sys_vm_map(process_self(), READ_WRITE | VM_FIXED, (uintptr_t)window_page(page),
                           child, page * PAGE_SIZE, count * PAGE_SIZE, &at);
            }
            check_snapshot(disturber, child);
            sys_handle_close(child);
            break;
        default:                                /* a write that changes nothing, but copies */
            page = page % PAGES;
            for (uint64_t i = 0; i < WORDS; i++)
                disturber->words[i] = pattern(page, i);
            status = sys_vmo_write(vmo, 0, disturber->words, page * PAGE_SIZE, PAGE_SIZE);
            if (status != OK)
                note(__LINE__, status);
            disturber->writes++;
            break;
        }
    }
}

/* --- The cases. --- */

static void fill_with_pattern(handle_t of)
{
    static uint64_t words[WORDS];

    for (uint64_t page = 0; page < PAGES; page++) {
        for (uint64_t i = 0; i < WORDS; i++)
            words[i] = pattern(page, i);
        CHECK_OK(sys_vmo_write(of, 0, words, page * PAGE_SIZE, PAGE_SIZE));
    }
}

/* Even on a slow host everybody gets to do something. */
static bool all_have_worked(void *start)
{
    for (unsigned i = 0; i < array_size(callers); i++)
        if (callers[i].calls <= 10 || callers[i].refused == callers[i].calls ||
            disturbers[i].snapshots == 0 || disturbers[i].writes == 0)
            return false;
    return sys_clock_get() > *(int64_t *)start + DURATION;
}

static void race(uint64_t seed)
{
    int64_t start = sys_clock_get();
    info_system_t before = system_info(), now;
    uintptr_t at;

    vmo = new_vmo(PAGES + 1);
    port = new_port();
    CHECK_OK(sys_channel_create(0, &channel, &other_end));
    fill_with_pattern(vmo);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, WINDOW, vmo, 0,
                        (PAGES + 1) * PAGE_SIZE, &at));
    for (unsigned i = 0; i < array_size(callers); i++) {
        callers[i].random = next_random(&seed);
        callers[i].scratch = new_vmo(PAGES);
        fill_with_pattern(callers[i].scratch);
        raw_thread_start(&callers[i].thread, call, &callers[i]);
    }
    for (unsigned i = 0; i < array_size(disturbers); i++) {
        disturbers[i].random = next_random(&seed);
        raw_thread_start(&disturbers[i].thread, disturb, &disturbers[i]);
    }
    CHECK(comes_true(all_have_worked, &start));
    stopping = true;
    for (unsigned i = 0; i < array_size(callers); i++)
        wait_for_end(callers[i].thread.handle);
    for (unsigned i = 0; i < array_size(disturbers); i++)
        wait_for_end(disturbers[i].thread.handle);
    stopping = false;
    now = system_info();
    printf("# %llu ms, %llu of them idle; %llu shootdowns, %llu page faults, %llu calls\n",
           (unsigned long long)(sys_clock_get() - start) / 1000000,
           (unsigned long long)(now.idle_time - before.idle_time) / 1000000,
           (unsigned long long)(now.tlb_shootdowns - before.tlb_shootdowns),
           (unsigned long long)(now.page_faults - before.page_faults),
           (unsigned long long)(now.syscalls - before.syscalls));
}

static void check_the_end(void)
{
    static uint64_t words[WORDS];

    CHECK_EQ(wrong_line, 0);
    CHECK_STATUS(wrong_status, OK);
    CHECK(holds_pattern(vmo, words));
    for (unsigned i = 0; i < array_size(callers); i++) {
        CHECK(holds_pattern(callers[i].scratch, words));
        printf("# %llu copies, %llu refused; %llu snapshots, %llu writes\n",
               (unsigned long long)callers[i].calls, (unsigned long long)callers[i].refused,
               (unsigned long long)disturbers[i].snapshots,
               (unsigned long long)disturbers[i].writes);
        CLOSE(callers[i].scratch);
    }
}

TEST(buffers_that_others_take_away)
{
    race(0x1234567);
    check_the_end();
    sys_vm_unmap(process_self(), WINDOW, (PAGES + 1) * PAGE_SIZE);
    CLOSE(vmo, port, channel, other_end);
}

/* In one thread, so that the outcome is known: results go into the copy, not into the shared page. */
TEST(results_in_shared_pages_are_private)
{
    handle_t memory = new_vmo(2), child, made = HANDLE_INVALID;
    uint64_t *at;

    fill_page(memory, 0, 7);
    fill_page(memory, 1, 7);
    at = (uint64_t *)map_vmo(memory, READ_WRITE, 0, 2 * PAGE_SIZE);
    child = new_child(memory, SNAPSHOT, 0, 2);
    CHECK_OK(sys_vmo_get_size(memory, at));
    CHECK_EQ(*at, 2 * PAGE_SIZE);
    CHECK(page_is(child, 0, 7));
    CHECK_OK(
        sys_vmo_read(child, 0, at + WORDS, PAGE_SIZE, PAGE_SIZE)); /* a page onto its own copy */
    CHECK(page_is(memory, 1, 7));
    handle_t second = new_child(memory, SNAPSHOT, 0, 2);
    CHECK_OK(sys_vmo_create_child(memory, SNAPSHOT, 0, PAGE_SIZE,
                                  (handle_t *)(at + 3))); /* onto itself */
    made = *(handle_t *)(at + 3);
    CHECK(page_is(child, 0, 7));
    CHECK_EQ(byte_of(second, 0), 0);
    uint64_t word = 0;
    CHECK_OK(sys_vmo_read(second, 0, &word, 24, sizeof word));
    CHECK_EQ(word, 0x0707070707070707ll);
    CHECK_OK(sys_vm_protect(process_self(), VM_READ, (uintptr_t)at, PAGE_SIZE));
    CHECK_STATUS(sys_vmo_get_size(memory, at), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create_child(memory, SNAPSHOT, 0, PAGE_SIZE, (handle_t *)at),
                 ERR_INVALID_ARGS);
    unmap((char *)at, 2 * PAGE_SIZE);
    CLOSE(memory, child, second, made);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
