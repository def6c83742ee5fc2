/*
 * t_adversary_race.c: stores that go on in the moment at which the pager acts: whatever a call has taken from somebody, that
 * somebody can no longer write to when the call returns, on no hart.
 *
 * Machine: cpus=4
 */
#include "adversary.h"

#define PAGES  4u
#define ROUNDS 150u

/* --- Who stores all the time. --- */

static struct scribbler {
    struct raw_thread thread;
    volatile uint64_t *memory;          /* PAGES pages */
    handle_t vmo;
    volatile uint64_t stored;
} scribblers[2];
static volatile bool stopping;

static void scribble(void *argument)
{
    struct scribbler *scribbler = argument;

    for (uint64_t value = 1; !stopping; value++) {
        for (unsigned page = 0; page < PAGES; page++)
            scribbler->memory[page * (PAGE_SIZE / 8)] = value;
        scribbler->stored = value;
    }
}

/* Besides the stores: sizes, snapshots and zeros. */
static void disturb(void *argument)
{
    struct scribbler *scribbler = argument;
    handle_t copy;

    for (uint64_t value = 1; !stopping; value++) {
        switch (value % 3) {
        case 0:
            sys_vmo_set_size(scribbler->vmo, (PAGES + value % 5) * PAGE_SIZE);
            break;
        case 1:
            sys_vmo_op_range(scribbler->vmo, VMO_OP_DECOMMIT, 0, PAGE_SIZE, NULL, 0);
            break;
        case 2:
            if (sys_vmo_create_child(scribbler->vmo, SNAPSHOT, 0, PAGES * PAGE_SIZE, &copy) == OK)
                sys_handle_close(copy);
            break;
        }
        scribbler->stored = value;
    }
}

static void scribbler_start(unsigned number, void (*run)(void *), handle_t vmo, char *memory)
{
    struct scribbler *scribbler = &scribblers[number];

    scribbler->vmo = vmo;
    scribbler->memory = (volatile uint64_t *)memory;
    scribbler->stored = 0;
    raw_thread_start(&scribbler->thread, run, scribbler);
}

static bool has_gone_on(void *argument)
{
    const struct scribbler *scribbler = argument;

    return scribbler->stored > 0;
}

static void scribblers_stop(unsigned count)
{
    stopping = true;
    for (unsigned i = 0; i < count; i++)
        wait_for_end(scribblers[i].thread.handle);
    stopping = false;
}

static uint64_t word_of(handle_t vmo, uint64_t page)
{
    uint64_t word = 0;

    CHECK_OK(sys_vmo_read(vmo, 0, &word, page * PAGE_SIZE, sizeof word));
    return word;
}

/* --- Aux memory is written to while it is supplied: what arrived changes no more. --- */

static void supply_from_busy_hands(void)
{
    handle_t aux = new_resizable_vmo(PAGES);
    char *memory = map_vmo(aux, READ_WRITE, 0, PAGES * PAGE_SIZE);
    unsigned supplied = 0;

    scribbler_start(0, scribble, aux, memory);
    scribbler_start(1, disturb, aux, memory);
    for (unsigned i = 0; i < 2; i++)
        CHECK(comes_true(has_gone_on, &scribblers[i]));
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rig rig = rig_create(PAGES);
        uint64_t words[PAGES];
        status_t status = try_supply(rig, 0, PAGES, aux);

        CHECK_OK(status);
        for (unsigned page = 0; page < PAGES; page++) {
            words[page] = word_of(rig.vmo, page);
            supplied += words[page] != 0;
        }
        sys_nanosleep(after(200000));
        for (unsigned page = 0; page < PAGES; page++)
            CHECK_EQ(word_of(rig.vmo, page), words[page]);
        rig_close(rig);
    }
    CHECK(supplied > 0);
    scribblers_stop(2);
    unmap(memory, PAGES * PAGE_SIZE);
    CLOSE(aux);
}

TEST(aux_is_written_to_while_it_is_supplied)
{
    leaves_nothing(supply_from_busy_hands);
}

/* --- A page that is written to while it is written back: what came after BEGIN makes it dirty again. --- */

static void write_back_from_busy_hands(void)
{
    struct rig rig = rig_create(PAGES);
    char *memory = map_vmo(rig.vmo, READ_WRITE, 0, PAGES * PAGE_SIZE);
    int64_t limit = after(PATIENCE);
    unsigned dirty = 0;

    supply(rig, 0, PAGES);
    scribbler_start(0, scribble, rig.vmo, memory);
    CHECK(comes_true(has_gone_on, &scribblers[0]));
    for (unsigned round = 0; round < ROUNDS || (dirty == 0 && sys_clock_get() < limit); round++) {
        vmo_dirty_range_t ranges[PAGES];
        uint64_t page = round % PAGES, written, later;
        size_t found = 0;

        begin(rig, page, 1);
        written = word_of(rig.vmo, page);
        sys_nanosleep(after(100000));
        end(rig, page, 1);
        later = word_of(rig.vmo, page);
        CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, page * PAGE_SIZE, PAGE_SIZE,
                                              ranges, sizeof ranges, &found, NULL));
        CHECK(found == 1 || later == written);
        dirty += found == 1;
    }
    CHECK(dirty > 0);
    scribblers_stop(1);
    unmap(memory, PAGES * PAGE_SIZE);
    rig_close(rig);
}

TEST(a_page_is_written_to_while_it_is_written_back)
{
    leaves_nothing(write_back_from_busy_hands);
}

/* --- Detach and eviction take only what is clean, whoever stores just then. --- */

/* Pages that are stored to are dirty, so neither eviction nor detach takes one, and no value goes back. */
static void evict_from_busy_hands(void)
{
    struct rig rig = rig_create(PAGES);
    char *memory = map_vmo(rig.vmo, READ_WRITE, 0, PAGES * PAGE_SIZE);
    uint64_t evicted, last[PAGES] = { 0 };

    supply(rig, 0, PAGES);
    scribbler_start(0, scribble, rig.vmo, memory);
    CHECK(comes_true(has_gone_on, &scribblers[0]));
    for (unsigned round = 0; round < ROUNDS / 10; round++) {
        CHECK_OK(sys_system_reclaim(system_handle(), 32, &evicted));
        for (uint64_t page = 0; page < PAGES; page++) {
            uint64_t word = word_of(rig.vmo, page);

            CHECK(word >= last[page]);
            last[page] = word;
        }
    }
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, PAGES * PAGE_SIZE);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    for (uint64_t page = 0; page < PAGES; page++)
        CHECK(word_of(rig.vmo, page) >= last[page]);
    scribblers_stop(1);
    unmap(memory, PAGES * PAGE_SIZE);
    expect_complete(rig);
    rig_close(rig);
}

TEST(pages_are_evicted_and_detached_while_they_are_written_to)
{
    leaves_nothing(evict_from_busy_hands);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
