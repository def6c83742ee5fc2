/*
 * t_adversary_dirty.c: pagers that lie about what is dirty and what they wrote: operations in the wrong order, twice, at once, on ranges
 * and VMOs that are not theirs, and writers whom nobody lets write.  A lie costs the liar's own data at most.
 *
 * Machine: cpus=4
 */
#include "adversary.h"

/* --- The wrong order. --- */

/* Nothing is ended that was not begun, and nothing that was stored since. */
static void disordered(void)
{
    struct rig rig = rig_create(8);

    supply(rig, 0, 4);
    write_byte(rig, 0, 'a');
    write_byte(rig, 1, 'b');
    end(rig, 0, 8);
    CHECK(dirty_is(rig, "0+2"));
    begin(rig, 0, 8);
    begin(rig, 1, 1);
    write_byte(rig, 1, 'c');
    end(rig, 0, 8);
    CHECK(dirty_is(rig, "1+1"));
    end(rig, 0, 8);
    CHECK(dirty_is(rig, "1+1"));
    begin(rig, 0, 8);
    end(rig, 2, 6);                     /* not what was begun */
    CHECK(dirty_is(rig, "1+1"));
    end(rig, 0, 8);
    CHECK(dirty_is(rig, ""));
    end(rig, 0, 8);
    CHECK(byte_of(rig.vmo, 0) == 'a' && byte_of(rig.vmo, 1) == 'c');
    rig_close(rig);
}

TEST(write_back_in_the_wrong_order)
{
    leaves_nothing(disordered);
}

static void disordered_zeros(void)
{
    struct rig rig = rig_create(4);

    CHECK_OK(sys_vmo_set_size(rig.vmo, 8 * PAGE_SIZE));
    end(rig, 0, 8);
    CHECK(dirty_is(rig, "4+4z"));
    pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, 0, 8, VMO_DIRTY_RANGE_IS_ZERO);
    write_byte(rig, 5, 'z');
    CHECK_OK(sys_vmo_set_size(rig.vmo, 6 * PAGE_SIZE));
    CHECK_OK(sys_vmo_set_size(rig.vmo, 8 * PAGE_SIZE));
    end(rig, 0, 8);                     /* 4 was zero then and is; 5 was stored to; 6 and 7 came after */
    CHECK(dirty_is(rig, "5+1 6+2z"));
    ask(0, ACCESS_READ, rig.vmo, 4, 1);
    expect_read(rig, 4, 1);
    supply(rig, 4, 1);
    ENDS(0, OK);
    CHECK(byte_of(rig.vmo, 5) == 'z' && page_is(rig.vmo, 6, 0));
    rig_close(rig);
}

TEST(zeros_in_the_wrong_order)
{
    leaves_nothing(disordered_zeros);
}

/* Ended, but never written: who says so loses his own data, when it is dropped, and nothing else. */
static void liar(void)
{
    struct rig rig = rig_create(2);
    char byte;

    supply(rig, 0, 2);
    write_byte(rig, 0, 'a');
    write_byte(rig, 1, 'b');
    begin(rig, 0, 1);
    end(rig, 0, 1);
    CHECK_EQ(byte_of(rig.vmo, 0), 'a');
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_STATUS(sys_vmo_read(rig.vmo, 0, &byte, 0, 1), ERR_BAD_STATE);
    CHECK_EQ(byte_of(rig.vmo, 1), 'b');
    expect_complete(rig);
    rig_close(rig);
}

TEST(a_liars_pages_are_lost)
{
    leaves_nothing(liar);
}

/* --- What is not theirs. --- */

static void refused(struct rig rig, status_t expected, uint64_t first, uint64_t count)
{
    vmo_dirty_range_t ranges[2];
    size_t actual = 7, avail = 7;

    CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, first, count, (uint64_t)(int64_t)ERR_IO), expected);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, first, count, 0), expected);
    CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, first, count, 0), expected);
    CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, first, count, VMO_DIRTY_RANGE_IS_ZERO),
                 expected);
    CHECK_STATUS(try_op(rig, PAGER_OP_WRITEBACK_END, first, count, 0), expected);
    CHECK_STATUS(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, first * PAGE_SIZE,
                                              count * PAGE_SIZE, ranges, sizeof ranges, &actual,
                                              &avail),
                 expected);
    CHECK(actual == 7 && avail == 7);
}

static void not_theirs(void)
{
    struct rig rig = trap_create(4), foreign = rig;
    pager_vmo_stats_t stats;

    foreign.pager = new_pager();
    supply(rig, 0, 3);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 5 * PAGE_SIZE));
    pager_op(rig, PAGER_OP_DIRTY, 0, 2, 0);
    write_byte(rig, 0, 'a');
    ask(0, ACCESS_WRITE, rig.vmo, 2, 1);
    ask(1, ACCESS_READ, rig.vmo, 3, 1);
    refused(foreign, ERR_INVALID_ARGS, 0, 5);
    CHECK_STATUS(sys_pager_query_vmo_stats(foreign.pager, rig.vmo, PAGER_RESET_VMO_STATS, &stats,
                                           sizeof stats),
                 ERR_INVALID_ARGS);
    refused(rig, ERR_OUT_OF_RANGE, 4, 2);
    refused(rig, ERR_OUT_OF_RANGE, 5, 1);
    refused(rig, ERR_OUT_OF_RANGE, 1ull << 51, 1);
    refused(rig, ERR_OUT_OF_RANGE, 1, (1ull << 52) - 1);
    CHECK(dirty_is(rig, "0+2 4+1z"));
    CHECK(is_modified(rig, 0));
    wait_until_asked(&accesses[0]);     /* or looks again whether it must ask */
    CHECK(is_waiting(&accesses[1]));
    pager_op(rig, PAGER_OP_DIRTY, 2, 1, 0);
    ENDS(0, OK);
    fail(rig, 3, 1, ERR_IO);
    ENDS(1, ERR_IO);
    CLOSE(foreign.pager);
    rig_close(rig);
}

TEST(ranges_that_are_not_theirs)
{
    leaves_nothing(not_theirs);
}

/* --- Who may not write. --- */

/* Nobody lets the writers write; readers do not care, and whoever ends the wait ends it. */
static void silent(void)
{
    struct rig rig = trap_create(4);

    supply(rig, 0, 4);
    ask(0, ACCESS_WRITE, rig.vmo, 0, 1);
    ask(1, ACCESS_WRITE, rig.vmo, 0, 2);
    ask(2, ACCESS_WRITE, rig.vmo, 3, 1);
    CHECK(is_supplied(rig.vmo, 0, 4));
    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, "x", 2 * PAGE_SIZE, 1), ERR_SHOULD_WAIT);
    others_go_on();
    kill_asleep(&accesses[0].thread);
    CHECK(is_waiting(&accesses[1]));
    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    ENDS(2, ERR_OUT_OF_RANGE);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    ENDS(1, ERR_BAD_STATE);
    CHECK_EQ(committed(rig.vmo), 0);
    rig_close(rig);
}

TEST(a_silent_pagers_writers)
{
    leaves_nothing(silent);
}

/* The wrong kind of answer, too little, too much, out of order, twice. */
static void confused(void)
{
    struct rig rig = trap_create(8), other = rig;
    handle_t aux = new_filled(4, 'x');

    other.vmo = new_pager_vmo(rig.pager, rig.port, RIG_KEY + 1, 8);
    supply(rig, 0, 4);
    supply(other, 0, 4);
    ask(0, ACCESS_WRITE, rig.vmo, 0, 4);
    ask(1, ACCESS_READ, rig.vmo, 4, 1);
    expect_dirty(rig, 0, 4);
    expect_read(rig, 4, 1);
    CHECK_OK(try_supply(rig, 0, 4, aux));                                   /* that is no leave */
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 4, 1, 0), ERR_NOT_FOUND);      /* that is no page */
    CHECK_STATUS(try_op(other, PAGER_OP_DIRTY, 0, 4, 0), ERR_NOT_SUPPORTED);
    for (unsigned page = 3; page > 0; page--) {
        pager_op(rig, PAGER_OP_DIRTY, page, 1, 0);
        pager_op(rig, PAGER_OP_DIRTY, page, 0, 0);
        CHECK(is_waiting(&accesses[0]) && is_waiting(&accesses[1]));
    }
    CHECK(dirty_is(rig, "1+3") && dirty_is(other, ""));
    pager_op(rig, PAGER_OP_DIRTY, 0, 1, 0);
    ENDS(0, OK);
    pager_op(rig, PAGER_OP_DIRTY, 0, 4, 0);
    fail(rig, 0, 4, ERR_NO_SPACE);
    CHECK(is_waiting(&accesses[1]));
    supply(rig, 4, 1);
    ENDS(1, OK);
    CLOSE(aux);
    CLOSE(other.vmo);
    rig_close(rig);
}

TEST(confused_answers)
{
    leaves_nothing(confused);
}

/* The range that was asked for is not all there any more: the answer is refused, and the writer looks again. */
static void shrunk(void)
{
    struct rig rig = trap_create(4);

    supply(rig, 0, 4);
    ask(0, ACCESS_WRITE, rig.vmo, 1, 3);
    expect_dirty(rig, 1, 3);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    CHECK(is_waiting(&accesses[0]));
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 1, 3, 0), ERR_OUT_OF_RANGE);
    CHECK(dirty_is(rig, ""));
    expect_dirty(rig, 1, 2);
    pager_op(rig, PAGER_OP_DIRTY, 1, 2, 0);
    ENDS(0, ERR_OUT_OF_RANGE);
    CHECK(dirty_is(rig, "1+2"));
    rig_close(rig);
}

TEST(leave_for_what_is_partly_gone)
{
    leaves_nothing(shrunk);
}

/* A pager that begins to write back at once whenever it lets somebody write: the writer asks again, until it gets its way. */
static void eager(void)
{
    struct rig rig = trap_create(1);

    supply(rig, 0, 1);
    accesses[0].buffer[0] = 'e';
    access_start_bytes(&accesses[0], ACCESS_WRITE, rig.vmo, 0, 1);
    for (unsigned round = 0; round < 16; round++) {
        port_packet_t packet;

        if (sys_port_wait(rig.port, after(SECOND / 10), &packet) != OK)
            break;
        pager_op(rig, PAGER_OP_DIRTY, 0, 1, 0);
        if (round < 15)
            begin(rig, 0, 1);
    }
    ENDS(0, OK);
    CHECK_EQ(byte_of(rig.vmo, 0), 'e');
    rig_close(rig);
}

TEST(an_eager_pager)
{
    leaves_nothing(eager);
}

/* --- Many threads at once. --- */

static struct liar {
    struct raw_thread thread;
    struct rig rig;
    uint64_t random;
    volatile status_t wrong;
} liars[3];
static volatile bool stopping;

/* BEGIN, END, DIRTY, queries and FAIL of anything at any moment, without a byte being written down. */
static void lie(void *argument)
{
    struct liar *liar = argument;
    vmo_dirty_range_t ranges[4];

    while (!stopping) {
        uint64_t random = next_random(&liar->random);
        uint64_t first = (random >> 16) % 8, count = 1 + (random >> 24) % (8 - first);
        uint32_t op = 1 + (uint32_t)(random >> 32) % 4;
        uint64_t data = op == PAGER_OP_FAIL ? (uint64_t)(int64_t)ERR_NO_SPACE : 0;
        status_t status = sys_pager_op_range(liar->rig.pager, op, liar->rig.vmo, first * PAGE_SIZE,
                                             count * PAGE_SIZE, data);

        if (status != OK)
            liar->wrong = status;
        status = sys_pager_query_dirty_ranges(liar->rig.pager, liar->rig.vmo, 0, 8 * PAGE_SIZE,
                                              ranges, sizeof ranges, NULL, NULL);
        if (status != OK)
            liar->wrong = status;
    }
}

/* All the writers see is their own bytes, and now and then that they may not write. */
static void lied_to(void)
{
    struct rig rig = trap_create(8);
    unsigned written = 0;
    char bytes[8];

    supply(rig, 0, 8);
    for (unsigned page = 0; page < 8; page++)
        bytes[page] = (char)content_of(page);
    stopping = false;
    for (unsigned i = 0; i < array_size(liars); i++) {
        liars[i].rig = rig;
        liars[i].random = 77 + i;
        liars[i].wrong = OK;
        raw_thread_start(&liars[i].thread, lie, &liars[i]);
    }
    for (unsigned step = 0; step < 400; step++) {
        unsigned page = step % 8;
        char byte = (char)step;
        status_t status = sys_vmo_write(rig.vmo, VMO_MAY_BLOCK, &byte, page * PAGE_SIZE, 1);

        CHECK(status == OK || status == ERR_NO_SPACE);
        if (status == OK)
            bytes[page] = byte;
        written += status == OK;
        CHECK_EQ(byte_of(rig.vmo, page), bytes[page]);
    }
    stopping = true;
    for (unsigned i = 0; i < array_size(liars); i++) {
        wait_for_end(liars[i].thread.handle);
        CHECK_OK(liars[i].wrong);
    }
    CHECK(written > 0);
    for (unsigned page = 0; page < 8; page++)
        CHECK_EQ(byte_of(rig.vmo, page), bytes[page]);
    rig_close(rig);
}

TEST(threads_that_lie_at_once)
{
    leaves_nothing(lied_to);
}

/* --- Too much. --- */

/* Leave to write to more zeros than there is memory: all of it or nothing, and the machine has its memory again. */
static void immense(void)
{
    struct rig rig = rig_create(0);
    uint64_t pages = 1ull << 30;
    handle_t aux = new_vmo(pages);

    CLOSE(rig.vmo);
    expect_complete(rig);
    CHECK_OK(sys_pager_create_vmo(rig.pager, VMO_TRAP_DIRTY, rig.port, RIG_KEY, pages * PAGE_SIZE,
                                  &rig.vmo));
    CHECK_OK(try_supply(rig, 0, pages, aux));
    CHECK_EQ(committed(rig.vmo), 0);
    ask(0, ACCESS_WRITE, rig.vmo, 5, 1);
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, pages, 0), ERR_NO_MEMORY);
    wait_until_asked(&accesses[0]);
    kill_asleep(&accesses[0].thread);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    CLOSE(rig.vmo);
    CLOSE(aux);
    CLOSE(rig.pager);
    CLOSE(rig.port);
}

TEST(leave_to_write_to_more_than_there_is)
{
    leaves_nothing(immense);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
