/*
 * t_rows_page_in_edges.c: the feature table's rows on page-in, 66 to 74: ends, holes, and several who want the same.
 *
 * Machine: cpus=4
 */
#include "rows_rig.h"

enum { THREADS = 4, ROUNDS = 24, CROWD = 20 };

/* What is behind the end of the content shows as zeros when the content grows over it. */
static void check_tail(handle_t vmo)
{
    handle_t stream;
    size_t done = 0;

    CHECK_OK(sys_vmo_set_content_size(vmo, AT(1) + 100));
    CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, vmo, 0, &stream));
    CHECK_OK(sys_stream_write_at(stream, "end", AT(2) - 3, 3, &done));
    CHECK_EQ(done, 3);
    CHECK_OK(sys_handle_close(stream));
    CHECK(vmo_is_filled(vmo, AT(1) + 100, PAGE_SIZE - 103, 0));
}

TEST(row_66_zeros_behind_the_end_in_the_last_page)
{
    handle_t vmo = new_paged_out(2, 0, 2);
    struct rig rig = rig_create(2);

    check_tail(vmo);
    CHECK(page_is(vmo, 0, mark_of(0)) && vmo_is_filled(vmo, AT(1), 100, mark_of(1)));
    supply(rig, 0, 2);
    check_tail(rig.vmo);
    CHECK(is_supplied(rig.vmo, 0, 1) && vmo_is_filled(rig.vmo, AT(1), 100, content_of(1)));
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(row_67_a_hole_reads_as_zeros_without_a_transfer)
{
    handle_t vmo = new_paged_out(1024, 40, 2), hole = new_vmo(2);
    struct rig rig = rig_create(2);
    uint64_t read_before, read_after;

    CHECK(page_is(vmo, 0, 0) && page_is(vmo, 1023, 0));     /* what this needs itself is there now */
    read_before = counters().pages[SWAP_IN];
    for (uint64_t i = 0; i < 1024; i++)
        if (i < 40 || i >= 42)
            CHECK(page_is(vmo, i, 0));
    read_after = counters().pages[SWAP_IN];
    CHECK_EQ(read_after, read_before);
    CHECK_EQ(committed(vmo), 0);
    CHECK(is_marked(vmo, 40, 2));

    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, AT(2), hole, 0));
    CHECK(vmo_is_filled(rig.vmo, 0, AT(2), 0) && committed(rig.vmo) == 0);
    expect_silence(rig.port);
    rig_close(rig);
    CLOSE(vmo, hole);
}

TEST(row_68_behind_the_end_is_a_fault)
{
    handle_t vmo = new_paged_out(4, 0, 4);
    struct rig rig = rig_create(4);
    char *memory = map_vmo(vmo, READ_WRITE, 0, AT(4)), *paged = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    CHECK_OK(sys_vmo_set_size(vmo, AT(2)));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(2)));
    expect_fault(&accesses[0], ACCESS_LOAD, memory + AT(2), ERR_OUT_OF_RANGE);
    expect_fault(&accesses[0], ACCESS_STORE, memory + AT(3), ERR_OUT_OF_RANGE);
    expect_fault(&accesses[0], ACCESS_LOAD, paged + AT(2), ERR_OUT_OF_RANGE);
    expect_fault(&accesses[0], ACCESS_STORE, paged + AT(3), ERR_OUT_OF_RANGE);
    expect_silence(rig.port);
    CHECK_EQ(memory[AT(1)], mark_of(1));
    unmap(memory, AT(4));
    unmap(paged, AT(4));
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Several who want the same page. --- */

static atomic_uint round_number, rounds_done;
static volatile const char *round_memory;
static volatile char seen[THREADS];

static void load_each_round(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (unsigned round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&round_number) < round)
            ;
        seen[number] = round_memory[AT(round * 2 * CLUSTER)];
        atomic_fetch_add(&rounds_done, 1);
    }
}

/* Everybody loads the page of this round: how many transfers that took. */
static uint64_t one_round(unsigned round)
{
    uint64_t before = counters().system.calls[SWAP_IN];

    atomic_store(&round_number, round);
    while (atomic_load(&rounds_done) < round * THREADS)
        ;
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(seen[i], (char)mark_of(round * 2 * CLUSTER));
    return counters().system.calls[SWAP_IN] - before;
}

/* The first rounds bring in what the test itself needs. */
TEST(row_69_two_threads_one_page_one_transfer)
{
    static struct raw_thread threads[THREADS];
    handle_t vmo = new_paged_out((ROUNDS + 1) * 2 * CLUSTER, 0, (ROUNDS + 1) * 2 * CLUSTER);
    struct rig rig = rig_create(1);

    round_memory = map_vmo(vmo, VM_READ, 0, AT((ROUNDS + 1) * 2 * CLUSTER));
    atomic_store(&round_number, 0);
    atomic_store(&rounds_done, 0);
    for (unsigned i = 0; i < THREADS; i++)
        raw_thread_start(&threads[i], load_each_round, (void *)(uintptr_t)i);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        uint64_t transfers = one_round(round);

        CHECK(transfers >= 1 && (transfers == 1 || round <= ROUNDS / 4));
    }
    for (unsigned i = 0; i < THREADS; i++)
        wait_for_end(threads[i].handle);
    CHECK_EQ(committed(vmo), ROUNDS);
    unmap((const void *)round_memory, AT((ROUNDS + 1) * 2 * CLUSTER));

    for (unsigned i = 0; i < array_size(accesses); i++)
        access_start(&accesses[i], ACCESS_READ, rig.vmo, 0, 1);
    for (unsigned i = 0; i < array_size(accesses); i++)
        wait_until_asked(&accesses[i]);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    for (unsigned i = 0; i < array_size(accesses); i++) {
        ENDS(i, OK);
        CHECK(access_read_content(&accesses[i]));
    }
    expect_silence(rig.port);
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

static bool nothing_is_busy(void *unused)
{
    (void)unused;
    return system_info().frames[FRAME_BUSY] == 0;
}

/* Who wants several pages goes on once, when the last one is there. */
TEST(row_70_a_range_ends_with_its_last_page)
{
    static const uint64_t order[] = { 2, 0, 3, 1 };
    handle_t vmo = new_paged_out(16, 0, 16), device = open_scratch();
    struct rig rig = rig_create(4);

    op_start(&accesses[0], VMO_OP_COMMIT, rig.vmo, 0, 4);
    expect_read(rig, 0, 4);
    for (size_t i = 0; i < array_size(order); i++) {
        CHECK(is_waiting(&accesses[0]));
        supply(rig, order[i], 1);
    }
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);

    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, AT(16), NULL, 0));
    CHECK_EQ(committed(vmo), 16);
    CHECK(is_marked(vmo, 0, 16));
    CHECK(comes_true(nothing_is_busy, NULL));
    CLOSE(vmo, device);
}

/* Pages that are there enter the page table together. */
TEST(row_71_pages_are_mapped_in_bulk)
{
    handle_t vmo = new_vmo(16);
    struct rig rig = rig_create(16);
    char *memory, *paged;

    mark(vmo, 0, 16);
    supply(rig, 0, 16);
    memory = map_vmo(vmo, READ_WRITE | VM_MAP_RANGE, 0, AT(16));
    paged = map_vmo(rig.vmo, VM_READ | VM_MAP_RANGE, 0, AT(16));
    CHECK_EQ(mapped_pages(memory), 16);
    CHECK_EQ(mapped_pages(paged), 16);
    unmap(paged, AT(16));
    paged = map_vmo(rig.vmo, VM_READ, 0, AT(16));
    CHECK_EQ(mapped_pages(paged), 0);
    CHECK_EQ(paged[0], content_of(0));          /* by one fault */
    CHECK_EQ(mapped_pages(paged), 16);
    unmap(paged, AT(16));
    unmap(memory, AT(16));
    /* pages on backing store are not brought in for it */
    swap_on();
    page_out(vmo);
    memory = map_vmo(vmo, READ_WRITE | VM_MAP_RANGE, 0, AT(16));
    CHECK(mapped_pages(memory) == 0 && committed(vmo) == 0);
    CHECK(is_marked(vmo, 0, 16));
    unmap(memory, AT(16));
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(row_72_pages_may_be_offered)
{
    struct rig rig = rig_create(4);
    char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(4));

    supply(rig, 1, 2);                  /* nobody asked */
    CHECK(is_supplied(rig.vmo, 1, 2));
    CHECK(memory[AT(1)] == content_of(1) && memory[AT(2)] == content_of(2));
    supply(rig, 0, 4);                  /* two of them are there */
    CHECK(is_supplied(rig.vmo, 0, 4));
    expect_silence(rig.port);
    unmap(memory, AT(4));
    rig_close(rig);
}

/* Mach told the pager; here the supply succeeds, and what was there stays. */
TEST(row_73_a_supply_over_a_page_keeps_the_old_data)
{
    struct rig rig = rig_create(2);
    handle_t other = new_filled(2, 'o');

    supply(rig, 0, 2);
    write_byte(rig, 1, 'd');
    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, 0, AT(2), other, 0));
    CHECK(is_supplied(rig.vmo, 0, 1));
    CHECK(byte_of(rig.vmo, 1) == 'd' && dirty_is(rig, "1+1"));
    CHECK(vmo_is_filled(other, 0, AT(2), 0));   /* its pages went all the same */
    CHECK_OK(sys_handle_close(other));
    rig_close(rig);
}

/* --- How many are asked for at once. --- */

static struct raw_thread crowd[CROWD];
static volatile const char *crowd_memory;
static volatile char crowd_seen[CROWD];

static void load_own(void *argument)
{
    uintptr_t number = (uintptr_t)argument;

    crowd_seen[number] = crowd_memory[AT(number * 2 * CLUSTER)];
}

/* A pager has one packet of a VMO to read; 16 transfers of the default pager may run. Who comes later waits, and gets his page. */
TEST(row_74_requests_of_an_object_are_limited)
{
    handle_t vmo = new_paged_out(CROWD * 2 * CLUSTER, 0, CROWD * 2 * CLUSTER);
    struct rig rig = rig_create(4);
    port_packet_t packet = { .type = PKT_USER };

    for (uint64_t i = 0; i < 4; i++)
        access_start(&accesses[i], ACCESS_READ, rig.vmo, i, 1);
    for (uint64_t i = 0; i < 4; i++)
        wait_until_asked(&accesses[i]);
    CHECK_OK(sys_port_queue(rig.port, &packet));
    for (unsigned i = 0; i < 5; i++) {
        CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
        CHECK_EQ(packet.type, i == 1 ? PKT_USER : PKT_PAGE_REQUEST);    /* in line behind one that was not read */
        if (i != 1)
            supply(rig, packet.page_request.offset / PAGE_SIZE, 1);
    }
    expect_silence(rig.port);
    for (unsigned i = 0; i < 4; i++)
        ENDS(i, OK);
    rig_close(rig);

    crowd_memory = map_vmo(vmo, VM_READ, 0, AT(CROWD * 2 * CLUSTER));
    for (uintptr_t i = 0; i < CROWD; i++)
        raw_thread_start(&crowd[i], load_own, (void *)i);
    for (unsigned i = 0; i < CROWD; i++) {
        wait_for_end(crowd[i].handle);
        CHECK_EQ(crowd_seen[i], (char)mark_of(i * 2 * CLUSTER));
    }
    unmap((const void *)crowd_memory, AT(CROWD * 2 * CLUSTER));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
