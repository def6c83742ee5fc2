/*
 * t_adversary.c: pagers that do everything wrong that can be done with a packet: silent, late, out of order, twice, too much, too
 * little, to the wrong VMO, after the end.  The client gets what the contract says, other pagers' clients go on, nothing leaks.
 *
 * Machine: cpus=4
 */
#include "adversary.h"

static void silent(void)
{
    struct rig rig = rig_create(8);

    for (unsigned i = 0; i < 4; i++)
        ask(i, ACCESS_READ, rig.vmo, 2 * i, 1);
    others_go_on();
    for (unsigned i = 0; i < 4; i++) {
        CHECK(is_waiting(&accesses[i]));
        kill_asleep(&accesses[i].thread);
    }
    expect_silence(rig.port);           /* the packet went with who asked */
    rig_close(rig);
}

TEST(a_silent_pager)
{
    leaves_nothing(silent);
}

/* The answer comes when the client is dead, the page is there, the page is behind the end. */
static void late(void)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_filled(1, 'l');

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    kill_asleep(&accesses[0].thread);
    supply(rig, 0, 1);
    CHECK(is_supplied(rig.vmo, 0, 1));
    ask(0, ACCESS_READ, rig.vmo, 1, 1);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    ENDS(0, OK);
    CHECK_OK(try_supply(rig, 1, 1, aux));
    CHECK(is_supplied(rig.vmo, 1, 1));
    CHECK_EQ(committed(aux), 0);
    ask(0, ACCESS_READ, rig.vmo, 3, 1);
    expect_read(rig, 3, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 3 * PAGE_SIZE));
    ENDS(0, ERR_OUT_OF_RANGE);
    vmo_fill(aux, 0, PAGE_SIZE, 'l');
    CHECK_STATUS(try_supply(rig, 3, 1, aux), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 3, 1, (uint64_t)(int64_t)ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_EQ(committed(aux), 0);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));
    vmo_fill(aux, 0, PAGE_SIZE, 'l');
    CHECK_OK(try_supply(rig, 3, 1, aux));                       /* zeros are there now */
    CHECK(page_is(rig.vmo, 3, 0));
    CLOSE(aux);
    rig_close(rig);
}

TEST(a_late_pager)
{
    leaves_nothing(late);
}

static void out_of_order(void)
{
    struct rig rig = rig_create(4);

    for (unsigned i = 0; i < 4; i++)
        ask(i, i % 2 ? ACCESS_WRITE : ACCESS_READ, rig.vmo, i, 1);
    for (unsigned i = 0; i < 4; i++)
        expect_read(rig, i, 1);
    for (unsigned i = 4; i-- > 0;) {
        supply(rig, i, 1);
        ENDS(i, OK);
        for (unsigned other = 0; other < i; other++)
            CHECK(is_waiting(&accesses[other]));
    }
    CHECK(access_read_content(&accesses[0]) && access_read_content(&accesses[2]));
    rig_close(rig);
}

TEST(out_of_order_answers)
{
    leaves_nothing(out_of_order);
}

/* Every answer twice, and both at once: the first one counts. */
static void twice(void)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_filled(2, '2');

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    supply(rig, 0, 2);
    CHECK_OK(try_supply(rig, 0, 2, aux));
    fail(rig, 0, 2, ERR_IO);                                    /* to whom? */
    ENDS(0, OK);
    CHECK(access_read_content(&accesses[0]) && is_supplied(rig.vmo, 0, 2));
    ask(0, ACCESS_READ, rig.vmo, 2, 1);
    expect_read(rig, 2, 1);
    fail(rig, 2, 1, ERR_IO);
    fail(rig, 2, 1, ERR_NO_SPACE);
    supply(rig, 2, 1);
    ENDS(0, ERR_IO);
    ask(0, ACCESS_READ, rig.vmo, 3, 1);
    fail(rig, 3, 1, ERR_IO_DATA_INTEGRITY);                     /* before the packet was read */
    ENDS(0, ERR_IO_DATA_INTEGRITY);
    expect_silence(rig.port);
    CLOSE(aux);
    rig_close(rig);
}

TEST(answers_given_twice)
{
    leaves_nothing(twice);
}

/* More than there is: nothing of it is taken, and the client still waits. */
static void too_much(void)
{
    struct rig rig = rig_create(8);
    handle_t aux = new_filled(16, 'm');

    ask(0, ACCESS_READ, rig.vmo, 4, 1);
    expect_read(rig, 4, 1);
    CHECK_STATUS(try_supply(rig, 4, 5, aux), ERR_OUT_OF_RANGE);
    CHECK_EQ(committed(aux), 11);
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_STATUS(try_supply(rig, 0, 17, aux), ERR_OUT_OF_RANGE);
    CHECK_EQ(committed(aux), 11);
    CHECK_STATUS(try_supply(rig, 4, 1ull << 51, aux), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0 - PAGE_SIZE, 2 * PAGE_SIZE, aux,
                                        8 * PAGE_SIZE),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 4, 5, (uint64_t)(int64_t)ERR_IO), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 4, 1, (uint64_t)(int64_t)ERR_TIMED_OUT),
                 ERR_INVALID_ARGS);
    CHECK(is_waiting(&accesses[0]));
    supply(rig, 0, 8);                                          /* all there is */
    ENDS(0, OK);
    CHECK(access_read_content(&accesses[0]) && is_supplied(rig.vmo, 0, 8));
    CLOSE(aux);
    rig_close(rig);
}

TEST(too_much_is_supplied)
{
    leaves_nothing(too_much);
}

/* The client's range comes in parts, from behind, with a hole in it that fails. */
static void too_little(void)
{
    struct rig rig = rig_create(8);
    handle_t aux = new_vmo(0);

    op_start(&accesses[0], VMO_OP_COMMIT, rig.vmo, 0, 8);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 8);
    CHECK_OK(try_supply(rig, 0, 0, aux));                       /* nothing at all */
    for (unsigned page = 7; page > 0; page--) {
        supply(rig, page, 1);
        CHECK(is_waiting(&accesses[0]));
    }
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_IO);
    CHECK(is_supplied(rig.vmo, 1, 7));
    ask(0, ACCESS_READ, rig.vmo, 0, 8);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    ENDS(0, OK);
    CHECK(access_read_content(&accesses[0]));
    CLOSE(aux);
    rig_close(rig);
}

TEST(too_little_is_supplied)
{
    leaves_nothing(too_little);
}

/* The answer goes to another VMO of the pager, which did not ask; to one of another pager; to no pager's. */
static void wrong_vmo(void)
{
    struct rig rig = rig_create(2), foreign = rig_create(2), other = rig;
    handle_t aux = new_filled(1, 'w'), plain = new_vmo(2);

    other.vmo = new_pager_vmo(rig.pager, rig.port, RIG_KEY + 1, 2);
    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_READ, foreign.vmo, 0, 1);
    expect_read(rig, 0, 1);
    supply(other, 0, 1);
    CHECK(is_supplied(other.vmo, 0, 1));
    fail(other, 0, 2, ERR_IO);
    handle_t pager = foreign.pager;
    foreign.pager = rig.pager;
    CHECK_STATUS(try_supply(foreign, 0, 1, aux), ERR_INVALID_ARGS);
    CHECK_STATUS(try_op(foreign, PAGER_OP_FAIL, 0, 1, (uint64_t)(int64_t)ERR_IO), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, foreign.vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, plain, 0, PAGE_SIZE, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, other.vmo, 0),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, rig.vmo, 0),
                 ERR_NOT_SUPPORTED);
    CHECK(page_is(aux, 0, 'w'));
    CHECK(is_waiting(&accesses[0]) && is_waiting(&accesses[1]));
    kill_asleep(&accesses[1].thread);
    supply(rig, 0, 1);
    ENDS(0, OK);
    CLOSE(aux);
    CLOSE(plain);
    CLOSE(other.vmo);
    rig_close(rig);
    foreign.pager = pager;
    rig_close(foreign);
}

TEST(answers_to_the_wrong_vmo)
{
    leaves_nothing(wrong_vmo);
}

/* Everything that can be said after the end is said. */
static void after_detach(void)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_filled(1, 'd');

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_WRITE, rig.vmo, 1, 1);
    expect_read(rig, 0, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    ENDS(0, ERR_BAD_STATE);
    ENDS(1, ERR_BAD_STATE);
    for (int round = 0; round < 2; round++) {
        vmo_fill(aux, 0, PAGE_SIZE, 'd');
        CHECK_STATUS(try_supply(rig, 0, 1, aux), ERR_BAD_STATE);
        CHECK_EQ(committed(aux), 0);
        CHECK_STATUS(try_op(rig, PAGER_OP_FAIL, 0, 1, (uint64_t)(int64_t)ERR_IO), ERR_BAD_STATE);
        CHECK_OK(try_op(rig, PAGER_OP_WRITEBACK_BEGIN, 0, 4, 0));
        CHECK_OK(try_op(rig, PAGER_OP_WRITEBACK_END, 0, 4, 0));
        CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    }
    expect_complete(rig);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    ENDS(0, ERR_BAD_STATE);
    CLOSE(aux);
    CLOSE(rig.vmo);
    expect_silence(rig.port);
    CLOSE(rig.pager);
    CLOSE(rig.port);
}

TEST(answers_after_detach)
{
    leaves_nothing(after_detach);
}

static void steal(void *argument)
{
    port_packet_t packet;

    sys_port_wait(*(handle_t *)argument, after(PATIENCE), &packet);
}

/* A thief takes the packets and says nothing: what was stolen can be answered all the same, what comes later is asked for. */
static void stolen(void)
{
    struct rig rig = rig_create(4);
    static struct raw_thread thief;
    static handle_t port;

    port = rig.port;
    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    raw_thread_start(&thief, steal, &port);
    wait_for_end(thief.handle);
    ask(1, ACCESS_READ, rig.vmo, 0, 1);                        /* chained: no packet */
    expect_silence(rig.port);
    ask(2, ACCESS_READ, rig.vmo, 1, 1);
    expect_read(rig, 1, 1);
    supply(rig, 0, 2);
    for (unsigned i = 0; i < 3; i++)
        ENDS(i, OK);
    rig_close(rig);
}

TEST(packets_taken_by_another_thread)
{
    leaves_nothing(stolen);
}

/* The port goes at each step: before the packet is read, after, while the next one waits in line. */
static void port_goes(void)
{
    for (unsigned step = 0; step < 3; step++) {
        struct rig rig = rig_create(4);

        ask(0, ACCESS_READ, rig.vmo, 0, 1);
        if (step > 0)
            expect_read(rig, 0, 1);
        if (step > 1)
            ask(1, ACCESS_READ, rig.vmo, 1, 1);
        CLOSE(rig.port);
        ask(2, ACCESS_READ, rig.vmo, 2, 1);
        CHECK(is_waiting(&accesses[0]));
        supply(rig, 0, 2);
        ENDS(0, OK);
        if (step > 1)
            ENDS(1, OK);
        CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
        ENDS(2, ERR_BAD_STATE);
        CLOSE(rig.vmo);
        CLOSE(rig.pager);
    }
}

TEST(the_port_goes_at_each_step)
{
    leaves_nothing(port_goes);
}

/* --- Pagers that wait for themselves. --- */

static struct packet_waiter {
    struct raw_thread thread;
    handle_t port;
    port_packet_t *packet;
    volatile status_t status;
} waiter;

static void wait_for_packet(void *argument)
{
    struct packet_waiter *waiter = argument;

    waiter->status = sys_port_wait(waiter->port, after(PATIENCE), waiter->packet);
}

/* A pager whose packet should be written to a page that only it can supply: the packet stays, whoever answers. */
static void packet_into_own_vmo(void)
{
    struct rig rig = rig_create(2), other = rig_create(1);
    char *memory = map_vmo(rig.vmo, READ_WRITE, 0, PAGE_SIZE);
    port_packet_t *packet = (port_packet_t *)memory;

    ask(0, ACCESS_READ, other.vmo, 0, 1);
    waiter.port = other.port;
    waiter.packet = packet;
    raw_thread_start(&waiter.thread, wait_for_packet, &waiter);
    CHECK(comes_true(waits_for_pager, &waiter.thread.handle));
    CHECK_OK(sys_task_kill(waiter.thread.handle));
    wait_for_end(waiter.thread.handle);
    expect_silence(rig.port);
    raw_thread_start(&waiter.thread, wait_for_packet, &waiter);
    expect_read(rig, 0, 1);
    CHECK(is_waiting(&accesses[0]));
    supply(rig, 0, 1);
    wait_for_end(waiter.thread.handle);
    CHECK_OK(waiter.status);
    CHECK_EQ(packet->key, RIG_KEY);
    expect_silence(other.port);
    supply(other, 0, 1);
    ENDS(0, OK);
    unmap(memory, PAGE_SIZE);
    rig_close(other);
    rig_close(rig);
}

TEST(a_packet_into_the_pagers_own_vmo)
{
    leaves_nothing(packet_into_own_vmo);
}

/* Each of two pagers' VMOs is read into the other, both at once. */
static void crossed(void)
{
    struct rig one = rig_create(1), two = rig_create(1);
    char *first = map_vmo(one.vmo, READ_WRITE, 0, PAGE_SIZE);
    char *second = map_vmo(two.vmo, READ_WRITE, 0, PAGE_SIZE);

    accesses[0].address = second;
    access_start(&accesses[0], ACCESS_WRITE_FROM, one.vmo, 0, 1);
    accesses[1].address = first;
    access_start(&accesses[1], ACCESS_WRITE_FROM, two.vmo, 0, 1);
    /* neither may block for the VMO that it writes to, but for the buffer */
    ENDS(0, ERR_SHOULD_WAIT);
    ENDS(1, ERR_SHOULD_WAIT);
    supply(one, 0, 1);
    access_start(&accesses[0], ACCESS_WRITE_FROM, one.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    expect_read(two, 0, 1);
    accesses[1].address = second;
    access_start(&accesses[1], ACCESS_WRITE_FROM, one.vmo, 0, 1);
    wait_until_asked(&accesses[1]);
    fail(two, 0, 1, ERR_IO);
    ENDS(0, ERR_INVALID_ARGS);
    ENDS(1, ERR_INVALID_ARGS);
    CHECK(is_supplied(one.vmo, 0, 1));
    unmap(first, PAGE_SIZE);
    unmap(second, PAGE_SIZE);
    rig_close(one);
    rig_close(two);
}

TEST(two_vmos_that_need_each_other)
{
    leaves_nothing(crossed);
}

/* --- Many threads answer one packet. --- */

static struct answerer {
    struct raw_thread thread;
    struct rig rig;
    handle_t aux;
    bool failing;
    volatile status_t status;
} answerers[4];
static atomic_uint answerers_ready;

/* Each with bytes of its own, as a hole, as a failure: a page shows one answer as a whole. */
static void answer_at_once(void *argument)
{
    struct answerer *answerer = argument;

    atomic_fetch_add(&answerers_ready, 1);
    while (atomic_load(&answerers_ready) < array_size(answerers))
        ;
    if (answerer->failing)
        answerer->status = sys_pager_op_range(answerer->rig.pager, PAGER_OP_FAIL, answerer->rig.vmo,
                                              0, 4 * PAGE_SIZE, (uint64_t)(int64_t)ERR_IO);
    else
        answerer->status = sys_pager_supply_pages(answerer->rig.pager, answerer->rig.vmo, 0,
                                                  4 * PAGE_SIZE, answerer->aux, 0);
}

static void answered_at_once(void)
{
    for (unsigned round = 0; round < 20; round++) {
        struct rig rig = rig_create(4);

        ask(0, ACCESS_READ, rig.vmo, 0, 4);
        ask(1, ACCESS_WRITE, rig.vmo, 2, 1);
        atomic_store(&answerers_ready, 0);
        for (unsigned i = 0; i < array_size(answerers); i++) {
            answerers[i].rig = rig;
            answerers[i].failing = i == 3 && round % 2;
            answerers[i].aux = i == 2 ? new_vmo(4) : new_filled(4, 'a' + (int)i);
            raw_thread_start(&answerers[i].thread, answer_at_once, &answerers[i]);
        }
        for (unsigned i = 0; i < array_size(answerers); i++) {
            wait_for_end(answerers[i].thread.handle);
            CHECK_OK(answerers[i].status);
            CHECK(committed(answerers[i].aux) == (answerers[i].failing ? 4 : 0));
            CLOSE(answerers[i].aux);
        }
        status_t status = access_end(&accesses[0]);
        CHECK(status == OK || (status == ERR_IO && round % 2));
        status = access_end(&accesses[1]);
        CHECK(status == OK || (status == ERR_IO && round % 2));
        for (unsigned page = 0; page < 4; page++)
            CHECK(page == 2 || page_is(rig.vmo, page, 'a') || page_is(rig.vmo, page, 'b') ||
                  page_is(rig.vmo, page, 0) || page_is(rig.vmo, page, 'd'));
        rig_close(rig);
    }
}

TEST(answers_from_several_threads_at_once)
{
    leaves_nothing(answered_at_once);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
