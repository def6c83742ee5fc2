/*
 * pressure.h: a file of 64 MiB read on a machine of 32: pages go as others come, and nobody notices.
 *
 * The pager says what each page holds and forgets it.  Readers go through calls, streams and mappings; every word must be right,
 * no call may say NO_MEMORY, and anonymous memory stays as it is.
 *
 * ENOUGH pages have to go before the test is over, or as many as a slow host manages in half a minute, but no fewer than AT_LEAST.
 */
#pragma once

#include "stress.h"

#define PAGES   16384u                  /* 64 MiB */
#define CLUSTER 16u                     /* pages supplied together */
#define READERS 6u
#define OWN     64u                     /* anonymous pages of each reader */
#define AT_LEAST 64u

static handle_t pager, port, vmo, clone, stream, aux;
static uint64_t *mapped, *mapped_clone;
static struct raw_thread server;
static struct worker workers[READERS];
static uint64_t own[READERS][OWN * WORDS] __attribute__((aligned(PAGE_SIZE)));

static uint64_t word_of(uint64_t page, uint64_t word)
{
    return (page * WORDS + word) * 0x9e3779b97f4a7c15ull;
}

/* --- The pager. --- */

/* In clusters, which may hold more than was asked for. */
static void supply_cluster(uint64_t first)
{
    static uint64_t words[WORDS];
    status_t status;

    for (uint64_t i = 0; i < CLUSTER; i++) {
        for (uint64_t j = 0; j < WORDS; j++)
            words[j] = word_of(first + i, j);
        status = sys_vmo_write(aux, 0, words, i * PAGE_SIZE, PAGE_SIZE);
        EXPECT(status == OK, status);
    }
    status = sys_pager_supply_pages(pager, vmo, first * PAGE_SIZE, CLUSTER * PAGE_SIZE, aux, 0);
    EXPECT(status == OK, status);
}

static void serve(void *argument)
{
    port_packet_t packet;
    status_t status;

    (void)argument;
    while ((status = sys_port_wait(port, after(PATIENCE), &packet)) == OK && packet.type == PKT_PAGE_REQUEST) {
        uint64_t first = packet.page_request.offset / PAGE_SIZE / CLUSTER * CLUSTER;
        uint64_t end = (packet.page_request.offset + packet.page_request.length) / PAGE_SIZE;

        EXPECT(packet.page_request.command == PAGER_VMO_READ, packet.page_request.command);
        for (; first < end; first += CLUSTER)
            supply_cluster(first);
    }
    EXPECT(status == OK, status);
}

/* --- Readers. --- */

static void check_words(const volatile uint64_t *words, uint64_t page, uint64_t step)
{
    for (uint64_t i = 0; i < WORDS; i += step)
        EXPECT(words[i] == word_of(page, i), (int64_t)page);
}

/* Half of them go through from the beginning, half jump about. */
static uint64_t next_page(struct worker *worker, uint64_t count)
{
    uint64_t page = worker->number % 2 ? next_random(&worker->random) % PAGES : worker->steps * count % PAGES;

    return page + count <= PAGES ? page : PAGES - count;
}

static void read_by_call(struct worker *worker)
{
    uint64_t page = next_page(worker, 4);
    status_t status = sys_vmo_read(worker->steps % 2 ? clone : vmo, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE,
                                   4 * PAGE_SIZE);

    EXPECT(status == OK, status);
    for (uint64_t i = 0; i < 4; i++)
        check_words(worker->words + i * WORDS, page + i, 1);
}

static void read_by_stream(struct worker *worker)
{
    uint64_t page = next_page(worker, 4);
    size_t done = 0;
    status_t status = sys_stream_read_at(stream, worker->words, page * PAGE_SIZE, 4 * PAGE_SIZE, &done);

    EXPECT(status == OK && done == 4 * PAGE_SIZE, status);
    for (uint64_t i = 0; i < 4; i++)
        check_words(worker->words + i * WORDS, page + i, 1);
}

static void read_by_mapping(struct worker *worker)
{
    uint64_t page = next_page(worker, 4);

    for (uint64_t i = 0; i < 4; i++)
        check_words((worker->steps % 2 ? mapped_clone : mapped) + (page + i) * WORDS, page + i, 16);
}

/* And what is nobody's but its own. */
static void read_somehow(struct worker *worker)
{
    static void (*const ways[])(struct worker *) = { read_by_call, read_by_stream, read_by_mapping };
    uint64_t i = worker->steps % (OWN * WORDS / 64) * 64;

    ways[worker->number / 2](worker);
    EXPECT(own[worker->number][i] == ~i, (int64_t)i);
}

static void start(void)
{
    uint64_t seed = stress_begin();

    CHECK_OK(sys_port_create(0, &port));
    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 0, PAGES * PAGE_SIZE, &vmo));
    CHECK_OK(sys_vmo_create(CLUSTER * PAGE_SIZE, 0, &aux));
    clone = new_child(vmo, ON_WRITE, 0, PAGES);
    CHECK_OK(sys_stream_create(STREAM_READ, vmo, 0, &stream));
    mapped = (uint64_t *)map_vmo(vmo, VM_READ, 0, PAGES * PAGE_SIZE);
    mapped_clone = (uint64_t *)map_vmo(clone, VM_READ, 0, PAGES * PAGE_SIZE);
    raw_thread_start(&server, serve, NULL);
    for (uint32_t i = 0; i < READERS; i++) {
        workers[i].number = i;
        workers[i].step = read_somehow;
        for (uint64_t j = 0; j < OWN * WORDS; j++)
            own[i][j] = ~j;
    }
    workers_start(workers, READERS, &seed);
}

static void finish(void)
{
    port_packet_t last = { .type = PKT_USER };

    CHECK_OK(sys_port_queue(port, &last));
    wait_for_end(server.handle);
    for (uint32_t i = 0; i < READERS; i++)
        for (uint64_t j = 0; j < OWN * WORDS; j++)
            EXPECT(own[i][j] == ~j, (int64_t)j);
    unmap(mapped, PAGES * PAGE_SIZE);
    unmap(mapped_clone, PAGES * PAGE_SIZE);
    CLOSE(stream, clone, vmo, pager, aux, port);
    CHECK_EQ(wrong.line, 0);
}

/* On a host with fewer processors than there are harts, each page that is mapped goes slowly. */
static bool enough_went(void *half_a_minute_is_over)
{
    sys_nanosleep(after(SECOND / 50));  /* the question takes the lock that everybody here needs */
    uint64_t went = vmo_info(vmo).change_events;
    return wrong.line || went > ENOUGH ||
           (went > AT_LEAST && sys_clock_get() > *(int64_t *)half_a_minute_is_over);
}

static void pressure(void)
{
    start();
    int64_t half_a_minute_is_over = after(30 * SECOND);
    CHECK(comes_true_within(stress_time + 2 * PATIENCE, enough_went, &half_a_minute_is_over));
    workers_let_run(workers, READERS);
    CHECK(vmo_info(vmo).committed_bytes < 32u << 20);
    finish();
}

/* Beside it: a pager that never answers, and pages that cannot go because they are dirty. */
static void pressure_beside_silence(void)
{
    struct rig silent = rig_create(512);

    CHECK_OK(sys_vmo_set_size(silent.vmo, 1024 * PAGE_SIZE));
    for (uint64_t i = 512; i < 1024; i++)
        put_byte(silent.vmo, i * PAGE_SIZE, 'd');
    access_start(&accesses[0], ACCESS_READ, silent.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    pressure();
    CHECK(is_waiting(&accesses[0]));
    for (uint64_t i = 512; i < 1024; i++)
        CHECK_EQ(byte_of(silent.vmo, i), 'd');
    serve_read(silent, 0, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(silent);
}
