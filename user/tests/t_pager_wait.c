/*
 * t_pager_wait.c: who waits for a pager and who does not, and threads that are killed while
 * they wait.
 *
 * Machine: cpus=4
 */
#include "pager_rig.h"
#include "toucher.h"

static info_pager_vmo_t pager_info(handle_t vmo)
{
    static info_pager_vmo_t list[64];
    uint64_t koid = vmo_info(vmo).koid;
    size_t count = 0;

    CHECK_OK(
        sys_object_get_info(system_handle(), INFO_PAGER_LIST, list, sizeof list, &count, NULL));
    for (size_t i = 0; i < count; i++)
        if (list[i].vmo_koid == koid)
            return list[i];
    CHECK(!"the VMO is in the list of pager-backed VMOs");
    return list[0];
}

TEST(without_may_block_nobody_waits)
{
    static char bytes[3 * PAGE_SIZE];
    struct rig rig = rig_create(8);
    uint64_t page = PAGE_SIZE;

    CHECK_STATUS(sys_vmo_read(rig.vmo, 0, bytes, 2 * page, 1), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_write(rig.vmo, 0, bytes, 2 * page, 1), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, 0, 8 * page, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_PREFETCH, 0, page, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ALWAYS_NEED, 0, page, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 10, 20, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 10, page - 10, NULL, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_DECOMMIT, 0, page, NULL, 0), ERR_NOT_SUPPORTED);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_DONT_NEED, 0, 8 * page, NULL, 0));
    CHECK_OK(sys_vmo_read(rig.vmo, 0, bytes, 2 * page, 0));
    expect_silence(rig.port);
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_EQ(pager_info(rig.vmo).outstanding, 0);

    supply(rig, 0, 1);                          /* what is there can be had */
    supply(rig, 2, 1);
    CHECK_OK(sys_vmo_read(rig.vmo, 0, bytes, 0, page));
    CHECK_STATUS(sys_vmo_read(rig.vmo, 0, bytes, 0, 3 * page), ERR_SHOULD_WAIT);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, 2 * page, page, NULL, 0));
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 10, 20, NULL, 0));
    CHECK(vmo_is_filled(rig.vmo, 10, 20, 0) &&
          vmo_is_filled(rig.vmo, 30, page - 30, content_of(0)));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(zeroing_part_of_a_page_asks_for_it)
{
    struct rig rig = rig_create(2);

    accesses[0].op = VMO_OP_ZERO;
    access_start_bytes(&accesses[0], ACCESS_OP, rig.vmo, PAGE_SIZE + 100, 50);
    expect_read(rig, 1, 1);
    fail(rig, 1, 1, ERR_IO);
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    access_start_bytes(&accesses[0], ACCESS_OP, rig.vmo, PAGE_SIZE + 100, 50);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(vmo_is_filled(rig.vmo, PAGE_SIZE, 100, content_of(1)));
    CHECK(vmo_is_filled(rig.vmo, PAGE_SIZE + 100, 50, 0));
    CHECK(vmo_is_filled(rig.vmo, PAGE_SIZE + 150, PAGE_SIZE - 150, content_of(1)));
    expect_silence(rig.port);
    rig_close(rig);
}

static void wait_on_port(void *port)
{
    port_packet_t packet;

    sys_port_wait(*(handle_t *)port, DEADLINE_INFINITE, &packet);
}

TEST(the_thread_state_tells_who_waits_for_a_pager)
{
    static struct raw_thread other;
    struct rig rig = rig_create(1);
    handle_t empty = new_port();

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    raw_thread_start(&other, wait_on_port, &empty);
    wait_until_asked(&accesses[0]);
    wait_until_asleep(other.handle);
    CHECK_EQ(thread_state(other.handle), THREAD_BLOCKED);
    CHECK_EQ(thread_state(thread_self()), THREAD_RUNNING);
    CHECK_EQ(pager_info(rig.vmo).outstanding, 1);
    kill_asleep(&other);
    supply(rig, 0, 1);
    CHECK_OK(
        sys_object_wait_one(accesses[0].thread.handle, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_EQ(thread_state(accesses[0].thread.handle), THREAD_DEAD);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_OK(sys_handle_close(empty));
    rig_close(rig);
}

TEST(a_killed_waiter_takes_its_request_along)
{
    struct rig rig = rig_create(4);
    static const enum access_kind kinds[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_OP };

    accesses[0].op = VMO_OP_COMMIT;
    for (size_t i = 0; i < array_size(kinds); i++) {
        access_start(&accesses[0], kinds[i], rig.vmo, 1, 2);
        wait_until_asked(&accesses[0]);
        kill_asleep(&accesses[0].thread);
        CHECK_EQ(accesses[0].status, 1);        /* the call never returned */
        expect_silence(rig.port);               /* its unread packet went */
        CHECK_EQ(pager_info(rig.vmo).outstanding, 0);

        access_start(&accesses[0], kinds[i], rig.vmo, 1, 2);
        expect_read(rig, 1, 2);
        wait_until_asked(&accesses[0]);
        kill_asleep(&accesses[0].thread);
        CHECK_EQ(pager_info(rig.vmo).outstanding, 0);
        access_start(&accesses[0], kinds[i], rig.vmo, 1, 2);    /* asks anew */
        expect_read(rig, 1, 2);
        wait_until_asked(&accesses[0]);
        kill_asleep(&accesses[0].thread);
    }
    /* what ends the call of a thread that is killed: it dies there */
    COVERS("vmo_read", CANCELED);
    COVERS("vmo_write", CANCELED);
    COVERS("vmo_op_range", CANCELED);
    supply(rig, 1, 2);                          /* a late answer */
    CHECK(is_supplied(rig.vmo, 1, 2));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(a_killed_waiter_in_line_is_never_asked_for)
{
    struct rig rig = rig_create(4);

    for (unsigned i = 0; i < 3; i++) {
        access_start(&accesses[i], ACCESS_READ, rig.vmo, i, 1);
        wait_until_asked(&accesses[i]);
    }
    kill_asleep(&accesses[1].thread);
    expect_read(rig, 0, 1);
    expect_read(rig, 2, 1);
    expect_silence(rig.port);
    supply(rig, 0, 3);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_OK(access_end(&accesses[2]));
    rig_close(rig);
}

/* The second has hung on the first's request: it takes it over, and the pager notices nothing. */
static void first_is_killed(bool packet_read)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
    wait_until_asked(&accesses[0]);
    for (unsigned i = 1; i < 4; i++) {
        access_start(&accesses[i], ACCESS_READ, rig.vmo, i / 2, 1);
        wait_until_asked(&accesses[i]);
    }
    if (packet_read)
        expect_read(rig, 0, 2);
    kill_asleep(&accesses[0].thread);
    CHECK_EQ(pager_info(rig.vmo).outstanding, 3);
    if (!packet_read)
        expect_read(rig, 0, 2);
    expect_silence(rig.port);
    kill_asleep(&accesses[1].thread);
    CHECK_EQ(pager_info(rig.vmo).outstanding, 2);
    supply(rig, 0, 2);
    for (unsigned i = 2; i < 4; i++) {
        CHECK_OK(access_end(&accesses[i]));
        CHECK(access_read_content(&accesses[i]));
    }
    expect_silence(rig.port);
    CHECK_EQ(pager_info(rig.vmo).outstanding, 0);
    rig_close(rig);
}

TEST(the_second_waiter_inherits_an_unread_request)
{
    first_is_killed(false);
}

TEST(the_second_waiter_inherits_a_delivered_request)
{
    first_is_killed(true);
}

/* Who takes over a request gets the failure of its own page only. */
TEST(an_inherited_failure_is_not_the_heirs)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 4);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 2, 1);
    wait_until_asked(&accesses[1]);
    expect_read(rig, 0, 4);
    kill_asleep(&accesses[0].thread);
    fail(rig, 0, 1, ERR_IO);
    supply(rig, 1, 3);
    CHECK_OK(access_end(&accesses[1]));
    CHECK(access_read_content(&accesses[1]));

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    expect_read(rig, 0, 1);
    fail(rig, 0, 1, ERR_IO);
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    rig_close(rig);
}

TEST(a_killed_process_waits_no_more)
{
    struct rig rig = rig_create(4);
    struct tiny first = toucher_create(rig.vmo, VM_READ, 4 * PAGE_SIZE);
    struct tiny second = toucher_create(rig.vmo, VM_READ | VM_WRITE, 4 * PAGE_SIZE);
    handle_t threads[2] = { first.thread, second.thread };

    toucher_start(first, toucher_load, 3 * PAGE_SIZE);
    CHECK(comes_true(waits_for_pager, &threads[0]));
    toucher_start(second, toucher_store, 3 * PAGE_SIZE);
    CHECK(comes_true(waits_for_pager, &threads[1]));
    CHECK_OK(sys_task_kill(first.process));
    CHECK_EQ(toucher_result(first), EXIT_CODE_KILLED);
    expect_read(rig, 3, 1);
    expect_silence(rig.port);
    supply(rig, 3, 1);
    CHECK_EQ(toucher_result(second), 1);
    CHECK(vmo_is_filled(rig.vmo, 3 * PAGE_SIZE, 1, 90));
    CHECK_EQ(vmo_info(rig.vmo).num_mappings, 0);
    rig_close(rig);
}

TEST(a_vmo_outlives_its_waiters)
{
    struct rig rig = rig_create(2);
    uint64_t vmos = live_vmos();

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    /* the waiter has the last reference */
    CHECK_OK(sys_handle_close(rig.vmo));
    expect_read(rig, 0, 1);
    expect_silence(rig.port);
    kill_asleep(&accesses[0].thread);
    expect_complete(rig);
    CHECK_EQ(live_vmos(), vmos - 1);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

/* --- Many readers, a pager that answers in its own way, and kills in between. --- */

#define CROWD_PAGES 64u

struct reader {
    struct raw_thread thread;
    handle_t vmo;
    uint64_t random;
    atomic_uint *end;
    atomic_uint wrong, reads;
    unsigned char bytes[4 * PAGE_SIZE];
};

static void read_at_random(void *argument)
{
    struct reader *reader = argument;

    while (!atomic_load(reader->end)) {
        uint64_t first = next_random(&reader->random) % CROWD_PAGES,
                 count = 1 + next_random(&reader->random) % 4;

        if (count > CROWD_PAGES - first)
            count = CROWD_PAGES - first;
        status_t status = sys_vmo_read(reader->vmo, VMO_MAY_BLOCK, reader->bytes, first * PAGE_SIZE,
                                       count * PAGE_SIZE);
        for (uint64_t i = 0; i < count && status == OK; i++)
            if (reader->bytes[i * PAGE_SIZE] != content_of(first + i) ||
                reader->bytes[i * PAGE_SIZE + PAGE_SIZE - 1] != content_of(first + i))
                atomic_fetch_add(&reader->wrong, 1);
        if (status != OK && status != ERR_IO)
            atomic_fetch_add(&reader->wrong, 1);
        atomic_fetch_add(&reader->reads, 1);
    }
}

/* Answer requests until all is supplied; some with failures, some in parts, some in reverse. */
static void answer_at_random(struct rig rig, uint64_t *random)
{
    while (committed(rig.vmo) < CROWD_PAGES) {
        port_packet_t packet;

        CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
        uint64_t first = packet.page_request.offset / PAGE_SIZE,
                 count = packet.page_request.length / PAGE_SIZE;

        if (next_random(random) % 3 == 0)
            fail(rig, first, count, ERR_IO);
        else
            for (uint64_t i = count; i > 0; i--)
                supply(rig, first + i - 1, 1);
    }
}

TEST(a_crowd_of_readers)
{
    static struct reader readers[6];
    static atomic_uint end;
    uint64_t random = 0xbadcafe;

    for (unsigned round = 0; round < 10; round++) {
        struct rig rig = rig_create(CROWD_PAGES);

        atomic_store(&end, 0);
        for (unsigned i = 0; i < array_size(readers); i++) {
            readers[i].vmo = rig.vmo;
            readers[i].random = next_random(&random);
            readers[i].end = &end;
            readers[i].wrong = readers[i].reads = 0;
            raw_thread_start(&readers[i].thread, read_at_random, &readers[i]);
        }
        CHECK_OK(sys_task_kill(readers[round % 5].thread.handle));
        answer_at_random(rig, &random);
        CHECK_OK(sys_task_kill(readers[round % 5 + 1].thread.handle));
        atomic_store(&end, 1);
        for (unsigned i = 0; i < array_size(readers); i++) {
            wait_for_end(readers[i].thread.handle);
            CHECK_EQ(readers[i].wrong, 0);
        }
        CHECK(is_supplied(rig.vmo, 0, CROWD_PAGES));
        CHECK_EQ(pager_info(rig.vmo).outstanding, 0);
        rig_close(rig);
    }
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
