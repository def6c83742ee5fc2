/*
 * t_stress_writeback.c: writers of several pagers' VMOs, one thread that serves all of these, and others that take memory back
 * all the while.
 *
 * A word of a page is what was last written there, plainly, after any number of evictions: the server keeps what it was given to
 * write down.  In the end all is written down, and the dirty budgets are as in the beginning.
 *
 * Machine: cpus=4 memory=32M
 */
#include "stress.h"

#define PAGERS  3u
#define PAGES   900u                    /* each; together they are more than the budget */
#define WRITERS 6u

static struct served {
    handle_t pager, vmo;
    uint64_t *mapped;                   /* the VMO, for stores */
    uint64_t stable[PAGES];             /* one word a page, as written down */
} served[PAGERS];
static handle_t port, stream[PAGERS];
static struct raw_thread server;
static volatile bool serving;
static uint64_t counts[PAGERS][PAGES];  /* how often the word was raised; one writer for each page */

/* --- The server. --- */

static void supply_from_stable(struct served *from, uint64_t first, uint64_t count)
{
    handle_t aux;

    EXPECT(sys_vmo_create(count * PAGE_SIZE, 0, &aux) == OK, 0);
    for (uint64_t i = 0; i < count; i++)
        EXPECT(sys_vmo_write(aux, 0, &from->stable[first + i], i * PAGE_SIZE, 8) == OK, 0);
    EXPECT(sys_pager_supply_pages(from->pager, from->vmo, first * PAGE_SIZE, count * PAGE_SIZE, aux, 0) == OK, 0);
    sys_handle_close(aux);
}

/* Now and then a page comes out badly, and has to be written again. */
static void write_down(struct served *to, uint64_t *random)
{
    static vmo_dirty_range_t ranges[16];
    static int32_t results[PAGES];
    uint64_t count = 1;

    for (uint64_t at = 0; count > 0; at = count ? ranges[count - 1].offset + ranges[count - 1].length : 0) {
        EXPECT(sys_pager_query_dirty_ranges(to->pager, to->vmo, at, PAGES * PAGE_SIZE - at, ranges, sizeof ranges,
                                            &count, NULL) == OK, 0);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t first = ranges[i].offset / PAGE_SIZE, pages = ranges[i].length / PAGE_SIZE;

            EXPECT(sys_pager_op_range(to->pager, PAGER_OP_WRITEBACK_BEGIN, to->vmo, ranges[i].offset, ranges[i].length,
                                      0) == OK, 0);
            for (uint64_t j = 0; j < pages; j++) {
                uint64_t word = 0;
                status_t status = sys_vmo_read(to->vmo, 0, &word, (first + j) * PAGE_SIZE, 8);

                EXPECT(status == OK, status);
                results[j] = next_random(random) % 16 == 0 ? VM_PAGER_AGAIN : VM_PAGER_OK;
                if (results[j] == VM_PAGER_OK)
                    to->stable[first + j] = word;
            }
            EXPECT(sys_pager_op_range(to->pager, PAGER_OP_WRITEBACK_END, to->vmo, ranges[i].offset, ranges[i].length,
                                      (uintptr_t)results) == OK, 0);
        }
    }
}

static void serve(void *random)
{
    port_packet_t packet;
    status_t status;

    while (!wrong.line) {
        status = sys_port_wait(port, serving ? after(SECOND / 20) : 0, &packet);
        if (status == ERR_TIMED_OUT && !serving)
            return;
        if (status == ERR_TIMED_OUT)
            continue;
        EXPECT(status == OK, status);
        struct served *to = &served[packet.key];

        if (packet.page_request.command == PAGER_VMO_READ)
            supply_from_stable(to, packet.page_request.offset / PAGE_SIZE, packet.page_request.length / PAGE_SIZE);
        else if (packet.page_request.command == PAGER_VMO_WRITEBACK)
            write_down(to, random);
        else
            EXPECT(false, packet.page_request.command);
    }
}

/* --- Who writes, reads and takes memory back. --- */

/* A page of his own, through a call, a stream or a mapping. */
static void raise_word(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), which = random % PAGERS;
    uint64_t page = (random >> 8) % (PAGES / WRITERS) * WRITERS + worker->number, word = ~0ull;
    uint64_t *count = &counts[which][page];
    volatile uint64_t *mapped = served[which].mapped + page * WORDS;
    size_t done = 0;
    status_t status;

    if (random >> 62 == 0) {
        word = *mapped;
    } else {
        status = sys_vmo_read(served[which].vmo, VMO_MAY_BLOCK, &word, page * PAGE_SIZE, 8);
        EXPECT(status == OK, status);
    }
    EXPECT(word == *count, (int64_t)word);
    word = ++*count;
    switch (random >> 60 & 3) {
    case 0:
        *mapped = word;
        break;
    case 1:
        status = sys_stream_write_at(stream[which], &word, page * PAGE_SIZE, 8, &done);
        EXPECT(status == OK && done == 8, status);
        break;
    default:
        status = sys_vmo_write(served[which].vmo, VMO_MAY_BLOCK, &word, page * PAGE_SIZE, 8);
        EXPECT(status == OK, status);
    }
}

static void take_back(struct worker *worker)
{
    uint64_t went, random = next_random(&worker->random);

    EXPECT(sys_system_reclaim(system_handle(), random % 64, &went) == OK, 0);
    EXPECT(went <= random % 64, (int64_t)went);
}

static struct worker workers[WRITERS + 1];

static void start(void)
{
    static uint64_t server_random;
    uint64_t seed = stress_begin();

    CHECK_OK(sys_port_create(0, &port));
    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < PAGERS; i++) {
        memset(served[i].stable, 0, sizeof served[i].stable);
        CHECK_OK(sys_pager_create(PAGER_WANTS_WRITEBACK, &served[i].pager));
        CHECK_OK(sys_pager_create_vmo(served[i].pager, 0, port, i, PAGES * PAGE_SIZE, &served[i].vmo));
        CHECK_OK(sys_stream_create(STREAM_WRITE, served[i].vmo, 0, &stream[i]));
        served[i].mapped = (uint64_t *)map_vmo(served[i].vmo, VM_READ | VM_WRITE, 0, PAGES * PAGE_SIZE);
    }
    serving = true;
    server_random = seed;
    raw_thread_start(&server, serve, &server_random);
    for (uint32_t i = 0; i <= WRITERS; i++) {
        workers[i].number = i;
        workers[i].step = i < WRITERS ? raise_word : take_back;
    }
    workers_start(workers, array_size(workers), &seed);
}

static void check_end(void)
{
    static uint64_t random = 1;

    serving = false;
    wait_for_end(server.handle);
    for (uint32_t i = 0; i < PAGERS; i++) {
        while (vmo_info(served[i].vmo).dirty_bytes > 0)
            write_down(&served[i], &random);
        for (uint64_t page = 0; page < PAGES; page++)
            EXPECT(served[i].stable[page] == counts[i][page], (int64_t)page);
        CHECK_OK(sys_pager_detach_vmo(served[i].pager, served[i].vmo));
        unmap(served[i].mapped, PAGES * PAGE_SIZE);
        CLOSE(stream[i], served[i].vmo, served[i].pager);
    }
    CLOSE(port);
    CHECK_EQ(wrong.line, 0);
}

/* How many pages one pager may have dirty now. */
static uint64_t room(void)
{
    handle_t pager, vmo, requests = new_port();
    uint64_t pages = 0;

    CHECK_OK(sys_pager_create(PAGER_WANTS_WRITEBACK, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, VMO_RESIZABLE, requests, 0, 0, &vmo));
    CHECK_OK(sys_vmo_set_size(vmo, 1ull << 32));
    while (sys_vmo_write(vmo, 0, "x", pages * PAGE_SIZE, 1) == OK)
        pages++;
    CLOSE(vmo, pager, requests);
    return pages;
}

static bool room_is(void *pages)
{
    return room() == *(uint64_t *)pages;
}

static void stress(void)
{
    start();
    workers_let_run(workers, array_size(workers));
    check_end();
}

TEST(writers_of_several_pagers)
{
    uint64_t before = room();

    stress();
    CHECK(comes_true(room_is, &before));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}

int test_helper(int count, char **arguments)
{
    return soak(count, arguments, (void (*const[])(void)){ stress, NULL });
}
