/*
 * t_snapshot_busy.c: snapshots while others are at work: writers on other harts, transfers of a
 * disk, and supplies of pages that snapshots hold.
 *
 * Machine: cpus=4
 */
#include "cow.h"
#include "disk_rig.h"

#define PAGES 12

/* --- Writers.  Each counts upwards in a word of its own on every page, first page first. --- */

static struct writer {
    struct raw_thread thread;
    volatile uint64_t *memory;          /* its word on the first page */
    handle_t vmo;                       /* or, if memory is NULL, written through the kernel */
    uint64_t offset;
} writers[3];

static void count_upwards(void *argument)
{
    struct writer *writer = argument;

    for (uint64_t value = 1;; value++)
        for (uint64_t page = 0; page < PAGES; page++) {
            if (writer->memory)
                writer->memory[page * PAGE_SIZE / 8] = value;
            else
                sys_vmo_write(writer->vmo, 0, &value, page * PAGE_SIZE + writer->offset,
                              sizeof value);
        }
}

static uint64_t word_at(handle_t vmo, uint64_t offset)
{
    uint64_t word = 0;

    CHECK_OK(sys_vmo_read(vmo, 0, &word, offset, sizeof word));
    return word;
}

/* At one moment the first pages hold n, the others n - 1. */
static void check_is_one_moment(handle_t child)
{
    for (unsigned i = 0; i < array_size(writers); i++) {
        uint64_t first = word_at(child, writers[i].offset), previous = first;

        for (uint64_t page = 1; page < PAGES; page++) {
            uint64_t value = word_at(child, page * PAGE_SIZE + writers[i].offset);

            CHECK(value == previous || (value == first - 1 && previous == first));
            previous = value;
        }
    }
}

static uint64_t sum_of(handle_t vmo)
{
    static uint64_t words[PAGE_SIZE / 8];
    uint64_t sum = 0;

    for (uint64_t page = 0; page < PAGES; page++) {
        CHECK_OK(sys_vmo_read(vmo, 0, words, page * PAGE_SIZE, PAGE_SIZE));
        for (unsigned i = 0; i < array_size(words); i++)
            sum = 31 * sum + words[i];
    }
    return sum;
}

static void start_writers(handle_t vmo, volatile uint64_t *memory)
{
    for (unsigned i = 0; i < array_size(writers); i++) {
        writers[i].offset = 8 * (1 + 170 * i);
        writers[i].memory = i < 2 ? memory + writers[i].offset / 8 : NULL;
        writers[i].vmo = vmo;
        raw_thread_start(&writers[i].thread, count_upwards, &writers[i]);
    }
}

static void stop_writers(void)
{
    for (unsigned i = 0; i < array_size(writers); i++) {
        CHECK_OK(sys_task_kill(writers[i].thread.handle));
        wait_for_end(writers[i].thread.handle);
    }
}

TEST(a_snapshot_is_one_moment)
{
    handle_t vmo = new_vmo(PAGES), children[8];
    volatile uint64_t *memory = (volatile uint64_t *)map_vmo(vmo, READ_WRITE, 0, PAGES * PAGE_SIZE);

    start_writers(vmo, memory);
    for (int round = 0; round < 12; round++) {
        uint64_t sums[array_size(children)];
        unsigned count = 1 + round % array_size(children);

        for (unsigned i = 0; i < count; i++) {
            children[i] = new_child(i % 3 == 2 ? children[i - 1] : vmo, i % 2 ? ON_WRITE : SNAPSHOT,
                                    0, PAGES);
            sums[i] = sum_of(children[i]);
            check_is_one_moment(children[i]);
        }
        for (unsigned i = 0; i < count; i++) {          /* and stays that moment */
            CHECK_EQ(sum_of(children[i]), sums[i]);
            CLOSE(children[i]);
        }
    }
    stop_writers();
    unmap((char *)memory, PAGES * PAGE_SIZE);
    CLOSE(vmo);
}

/* --- A disk. --- */

#define LENGTH (PAGES * PAGE_SIZE)

TEST(a_snapshot_waits_for_what_a_disk_brings)
{
    handle_t device = open_scratch(), port = new_port();

    disk_fill(device, 0, LENGTH, 90);
    for (int round = 0; round < 40; round++) {
        handle_t vmo = new_vmo(PAGES), child;

        if (round % 2)
            vmo_fill(vmo, 0, LENGTH, 1);
        CHECK_OK(sys_block_submit(device, port, DISK_KEY, BLOCK_READ, vmo, 0, 0, LENGTH));
        child = new_child(vmo, SNAPSHOT, 1, PAGES);
        CHECK(vmo_is_filled(child, 0, LENGTH - PAGE_SIZE, 90));
        fill_page(child, 0, 2);
        fill_page(vmo, 2, 3);
        expect_done(port, DISK_KEY, BLOCK_READ, 0, LENGTH);
        CHECK(page_is(vmo, 1, 90) && page_is(vmo, 2, 3) && page_is(child, 0, 2) &&
              page_is(child, 1, 90));
        CLOSE(vmo, child);
    }
    CLOSE(device, port);
}

TEST(a_disk_writes_what_was_there_when_it_was_asked)
{
    handle_t device = open_scratch(), port = new_port();

    for (int round = 0; round < 40; round++) {
        handle_t vmo = new_vmo(PAGES), child;

        vmo_fill(vmo, 0, LENGTH, 10 + round);
        if (round % 2) { /* the disk is given pages that are shared already */
            child = new_child(vmo, SNAPSHOT, 0, PAGES);
            CHECK_OK(sys_block_submit(device, port, DISK_KEY, BLOCK_WRITE, vmo, 0, 0, LENGTH));
        } else {
            CHECK_OK(sys_block_submit(device, port, DISK_KEY, BLOCK_WRITE, vmo, 0, 0, LENGTH));
            child = new_child(vmo, SNAPSHOT, 0, PAGES);
        }
        CHECK(vmo_is_filled(child, 0, LENGTH, 10 + round));
        vmo_fill(child, 0, LENGTH, 200);
        expect_done(port, DISK_KEY, BLOCK_WRITE, 0, LENGTH);
        CHECK(vmo_is_filled(vmo, 0, LENGTH, 10 + round));
        CHECK(disk_is_filled(device, 0, LENGTH, 10 + round));
        CLOSE(vmo, child);
    }
    CLOSE(device, port);
}

/* What a disk brings is for this VMO alone. */
TEST(a_disk_read_into_shared_pages_copies_them)
{
    handle_t device = open_scratch(), vmo = new_vmo(PAGES), child;

    disk_fill(device, 0, LENGTH, 91);
    vmo_fill(vmo, 0, LENGTH, 5);
    child = new_child(vmo, SNAPSHOT, 0, PAGES);
    char *at = map_vmo(child, VM_READ, 0, LENGTH);
    transfer(device, BLOCK_READ, vmo, SECTOR, 0, LENGTH - 2 * SECTOR);
    CHECK(vmo_is_filled(vmo, 0, SECTOR, 5) && vmo_is_filled(vmo, SECTOR, LENGTH - 2 * SECTOR, 91));
    CHECK(vmo_is_filled(vmo, LENGTH - SECTOR, SECTOR, 5));
    CHECK(vmo_is_filled(child, 0, LENGTH, 5));
    CHECK_EQ(at[PAGE_SIZE], 5);
    transfer(device, BLOCK_READ, child, 0, 0, PAGE_SIZE);
    CHECK_EQ(at[0], 91);
    CHECK(vmo_is_filled(vmo, 0, SECTOR, 5));
    unmap(at, LENGTH);
    CLOSE(device, vmo, child);
}

TEST(transfers_do_not_go_into_a_pagers_clone)
{
    struct rig rig = rig_create(2);
    handle_t device = open_scratch(), clone = new_child(rig.vmo, ON_WRITE, 0, 2), port = new_port();

    supply(rig, 0, 2);
    CHECK_STATUS(sys_block_submit(device, port, 1, BLOCK_READ, clone, 0, 0, PAGE_SIZE),
                 ERR_NOT_SUPPORTED);
    CHECK(page_is(clone, 0, content_of(0)));
    CLOSE(device, clone, port);
    rig_close(rig);
}

/* A disk's own pages under a clone: read through, copied when written, never written back. */
TEST(a_clone_of_a_device)
{
    handle_t device = open_scratch(), vmo, clone;

    disk_fill(device, 0, 4 * PAGE_SIZE, 92);
    CHECK_OK(sys_block_create_vmo(device, 0, &vmo));
    clone = new_child(vmo, ON_WRITE, 1, 3);
    char *at = map_vmo(clone, READ_WRITE, 0, 3 * PAGE_SIZE);
    CHECK_EQ(at[0], 92);
    at[1] = 7;
    put_byte(clone, PAGE_SIZE, 8);
    CHECK(page_is(vmo, 1, 92) && page_is(vmo, 2, 92));
    put_byte(vmo, 3 * PAGE_SIZE, 9);
    CHECK_EQ(at[2 * PAGE_SIZE], 9);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_SYNC, 0, 4 * PAGE_SIZE, NULL, 0));
    CHECK(disk_is_filled(device, 0, 3 * PAGE_SIZE, 92) &&
          disk_is_filled(device, 3 * PAGE_SIZE + SECTOR, SECTOR, 92));
    CHECK_EQ(committed(clone), 2);
    unmap(at, 3 * PAGE_SIZE);
    CLOSE(clone);
    disk_fill(device, 0, 4 * PAGE_SIZE, 0);
    CLOSE(vmo, device);
}

/* --- Supplying. --- */

/* The pages that a snapshot holds too are copied, the others move; nothing is left in aux. */
TEST(pages_that_a_snapshot_holds_can_be_supplied)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(4), child;

    for (uint64_t i = 0; i < 3; i++)
        fill_page(aux, i, 30 + (int)i);
    child = new_child(aux, SNAPSHOT, 0, 2);
    char *at = map_vmo(child, VM_READ, 0, 2 * PAGE_SIZE);
    CHECK_EQ(at[0] + at[PAGE_SIZE], 61);
    int64_t before = frames_held();
    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 4 * PAGE_SIZE, aux, 0));
    CHECK_EQ(frames_held(), before + 2);
    CHECK(page_is(rig.vmo, 0, 30) && page_is(rig.vmo, 2, 32) && page_is(rig.vmo, 3, 0));
    CHECK(page_is(child, 0, 30) && page_is(child, 1, 31) && page_is(aux, 0, 0) &&
          page_is(aux, 2, 0));
    fill_page(rig.vmo, 0, 40);
    put_byte(child, PAGE_SIZE, 41);
    CHECK_EQ(frames_held(), before + 2);
    CHECK_EQ(at[0], 30);
    CHECK_EQ(byte_of(rig.vmo, 1), 31);
    CHECK_OK(
        sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, child, 0)); /* stays as it is */
    CHECK_EQ(byte_of(rig.vmo, 0), 40);
    unmap(at, 2 * PAGE_SIZE);
    CLOSE(aux, child);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
