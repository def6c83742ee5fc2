/*
 * t_rows_page_out.c: the feature table's rows on page-out, 75 to 89: results, clusters, and pages that are used meanwhile.
 *
 * Rows 77, 78 and 87 of a disk that fails: test/test_rows_disk.py.
 *
 * Machine: cpus=4
 */
#include "rows_rig.h"

enum { ROUNDS = 30 };

static handle_t device_vmo(handle_t device)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_block_create_vmo(device, 0, &vmo));
    return vmo;
}

static status_t sync(handle_t vmo, uint64_t first, uint64_t count)
{
    return sys_vmo_op_range(vmo, VMO_OP_SYNC, AT(first), AT(count), NULL, 0);
}

/* --- Results. --- */

TEST(row_75_each_page_has_its_result)
{
    static const int32_t results[] = { VM_PAGER_OK, VM_PAGER_ERROR, VM_PAGER_AGAIN, VM_PAGER_OK };
    struct rig rig = dirty_rig(4, 4, 0);

    begin(rig, 0, 4);
    CHECK_OK(try_end_with(rig, 0, 4, results));
    CHECK(dirty_is(rig, "1+2") && committed(rig.vmo) == 4);
    rig_close(rig);
}

/* What was written well is not written again; whoever overwrites the disk behind the kernel's back sees that. */
TEST(row_76_written_pages_are_clean)
{
    struct rig rig = dirty_rig(2, 2, 0);
    handle_t device, vmo;

    begin(rig, 0, 2);
    end(rig, 0, 2);
    CHECK(dirty_is(rig, "") && dirty_pages(rig.vmo) == 0);
    page_out(rig.vmo);
    expect_silence(rig.port);
    rig_close(rig);

    swap_off();
    device = open_scratch();
    vmo = device_vmo(device);
    vmo_fill(vmo, 0, AT(2), 'a');
    CHECK_OK(sync(vmo, 0, 2));
    CHECK_EQ(dirty_pages(vmo), 0);
    disk_fill(device, 0, AT(2), 'b');
    CHECK_OK(sync(vmo, 0, 2));
    CHECK(disk_is_filled(device, 0, AT(2), 'b'));
    CLOSE(vmo, device);
}

TEST(row_77_pages_that_failed_stay_dirty)
{
    static const int32_t failed[] = { VM_PAGER_ERROR, VM_PAGER_ERROR };
    struct rig rig = dirty_rig(2, 2, 0);

    begin(rig, 0, 2);
    CHECK_OK(try_end_with(rig, 0, 2, failed));
    evict(ALL);
    CHECK(dirty_is(rig, "0+2") && committed(rig.vmo) == 2);
    CHECK(byte_of(rig.vmo, 0) == 'd' && byte_of(rig.vmo, 1) == 'd');
    write_back(rig);                    /* the next try */
    CHECK(dirty_is(rig, ""));
    page_out(rig.vmo);
    rig_close(rig);
}

/* Without backing store page-out looks once and ends; what could not go goes as soon as there is some. */
TEST(row_78_pages_without_room_wait_for_it)
{
    static const int32_t failed[] = { VM_PAGER_FAIL };
    struct rig rig = dirty_rig(1, 1, 0);
    handle_t vmo = new_vmo(64);

    swap_off();
    mark(vmo, 0, 64);
    for (int i = 0; i < 4; i++)
        evict(ALL);
    CHECK_EQ(committed(vmo), 64);
    swap_on();
    page_out(vmo);
    CHECK(is_marked(vmo, 0, 64));
    CHECK_OK(sys_handle_close(vmo));

    begin(rig, 0, 1);
    CHECK_OK(try_end_with(rig, 0, 1, failed));
    CHECK(dirty_is(rig, "0+1") && byte_of(rig.vmo, 0) == 'd');
    rig_close(rig);
}

/* The rest of the run is dirty again and is written from there. */
TEST(row_79_again_cuts_the_run)
{
    static const int32_t results[] = { VM_PAGER_OK, VM_PAGER_OK, VM_PAGER_AGAIN, VM_PAGER_AGAIN };
    struct rig rig = dirty_rig(4, 4, 0);

    begin(rig, 0, 4);
    CHECK_OK(try_end_with(rig, 0, 4, results));
    CHECK(dirty_is(rig, "2+2"));
    begin(rig, 2, 2);
    end(rig, 2, 2);
    CHECK(dirty_is(rig, ""));
    for (uint64_t i = 0; i < 4; i++)
        CHECK_EQ(byte_of(rig.vmo, i), 'd');
    rig_close(rig);
}

/* What has no place is gone: the pager supplies the page anew, and the VMO is no larger. */
TEST(row_80_bad_pages_are_dropped)
{
    static const int32_t results[] = { VM_PAGER_OK, VM_PAGER_BAD };
    struct rig rig = dirty_rig(2, 2, 0);

    begin(rig, 0, 2);
    CHECK_OK(try_end_with(rig, 0, 2, results));
    CHECK(dirty_is(rig, "") && committed(rig.vmo) == 1);
    CHECK_EQ(vmo_info(rig.vmo).size_bytes, AT(2));
    CHECK_STATUS(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    supply(rig, 1, 1);
    CHECK(byte_of(rig.vmo, 0) == 'd' && is_supplied(rig.vmo, 1, 1));
    rig_close(rig);
}

TEST(row_81_pending_pages_end_with_their_transfer)
{
    static const int32_t pending[] = { VM_PAGER_PEND, VM_PAGER_PEND };
    struct rig rig = dirty_rig(2, 2, 0);
    handle_t vmo = new_vmo(256);
    uint64_t before, left;

    begin(rig, 0, 2);
    CHECK_OK(try_end_with(rig, 0, 2, pending));
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 2);    /* it awaits the second END */
    end(rig, 0, 2);
    page_out(rig.vmo);
    rig_close(rig);

    /* frames of pages on their way out are given back when they are written, not before */
    swap_on();
    mark(vmo, 0, 256);
    before = counters().pages[SWAP_OUT];
    while ((left = committed(vmo)) > 0) {
        CHECK(256 - left <= counters().pages[SWAP_OUT] - before);
        evict(ALL);
    }
    CHECK(is_marked(vmo, 0, 256));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(row_82_sync_returns_when_it_is_on_the_disk)
{
    handle_t device, vmo;

    swap_off();
    device = open_scratch();
    vmo = device_vmo(device);
    for (int byte = 'a'; byte < 'm'; byte++) {
        vmo_fill(vmo, 0, AT(32), byte);
        CHECK_OK(sync(vmo, 0, 32));
        CHECK(disk_is_filled(device, 0, AT(32), byte));
        CHECK_EQ(dirty_pages(vmo), 0);
    }
    CLOSE(vmo, device);
}

/* Written and then let go of. */
TEST(row_83_pages_are_gone_after_the_write)
{
    struct rig rig = dirty_rig(2, 2, 0);
    handle_t device, vmo;

    swap_off();
    device = open_scratch();
    vmo = device_vmo(device);
    vmo_fill(vmo, 0, AT(4), 'w');
    CHECK_OK(sync(vmo, 0, 4));
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, AT(4), NULL, 0));
    CHECK_EQ(committed(vmo), 0);
    CHECK(vmo_is_filled(vmo, 0, AT(4), 'w'));
    CLOSE(vmo, device);

    write_back(rig);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_DONT_NEED, 0, AT(2), NULL, 0));
    page_out(rig.vmo);
    CHECK_STATUS(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* --- Clusters. --- */

/* Beside the pages of the test there are those of everybody else, in shorter runs. */
TEST(row_84_dirty_neighbours_go_together)
{
    handle_t vmo = new_vmo(1024), others;
    struct rig rig = dirty_rig(8, 8, 0);
    info_swap_t before, now;

    others = new_paged_out(64, 0, 64);  /* everybody has been out once */
    mark(vmo, 0, 1024);
    before = counters().system;
    page_out(vmo);
    now = counters().system;
    CHECK(now.pages[SWAP_OUT] - before.pages[SWAP_OUT] >= 1024);
    CHECK((now.calls[SWAP_OUT] - before.calls[SWAP_OUT]) * 8 <=
          now.pages[SWAP_OUT] - before.pages[SWAP_OUT]);

    expect_writeback(rig, 0, 8);        /* one packet for all */
    expect_silence(rig.port);
    rig_close(rig);
    CLOSE(vmo, others);
}

/* Wherever the clock meets them, 16 pages of which the first is a multiple of 16 go as one, and come back as one. */
TEST(row_85_clusters_are_aligned)
{
    uint64_t came = 0;

    for (int i = 0; i < 20 && came != CLUSTER; i++) {
        handle_t vmo = new_paged_out(64, 0, 56);

        bring(vmo, 0);
        bring(vmo, 1);
        bring(vmo, 4);
        bring(vmo, 16);                 /* the window is 15 pages now, and the next one 16 */
        came = bring(vmo, 32);
        CHECK(came <= CLUSTER);
        CHECK_OK(sys_handle_close(vmo));
    }
    CHECK_EQ(came, CLUSTER);
}

/* --- Pages that are used while they are written. --- */

static volatile uint64_t *counted;
static volatile bool counting;
static atomic_uint wrong_counts;

enum { COUNTED = 64 };

/* Each page counts how often it was written to. */
static void count_up(void *unused)
{
    uint64_t round = 0;

    (void)unused;
    while (counting) {
        for (uint64_t i = 0; i < COUNTED; i++) {
            volatile uint64_t *word = &counted[i * PAGE_SIZE / sizeof(uint64_t)];

            if (*word != round)
                atomic_fetch_add(&wrong_counts, 1);
            *word = round + 1;
        }
        round++;
    }
}

TEST(row_86_stores_during_a_write_are_seen)
{
    static struct raw_thread thread;
    struct rig rig = dirty_rig(1, 1, 0);
    char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));
    handle_t vmo = new_vmo(COUNTED);

    memory[0] = 'd';
    begin(rig, 0, 1);
    memory[0] = 'e';
    end(rig, 0, 1);
    CHECK(dirty_is(rig, "0+1"));
    begin(rig, 0, 1);
    end(rig, 0, 1);
    CHECK(dirty_is(rig, "") && memory[0] == 'e');
    unmap(memory, AT(1));
    rig_close(rig);

    swap_on();
    counted = (uint64_t *)map_vmo(vmo, READ_WRITE, 0, AT(COUNTED));
    counting = true;
    raw_thread_start(&thread, count_up, NULL);
    for (int i = 0; i < ROUNDS; i++)
        evict(ALL);
    counting = false;
    wait_for_end(thread.handle);
    CHECK_EQ(atomic_load(&wrong_counts), 0);
    CHECK(vmo_info(vmo).change_events > 0);
    unmap((void *)counted, AT(COUNTED));
    CHECK_OK(sys_handle_close(vmo));
}

/* Whoever failed to write it: the page is there, and as it was. */
TEST(row_87_a_failed_write_loses_nothing)
{
    static const int32_t failures[] = { VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_AGAIN };
    struct rig rig = writeback_create(3, VMO_RESIZABLE);
    char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(3));

    supply(rig, 0, 3);
    for (uint64_t i = 0; i < 3; i++)
        memory[AT(i)] = (char)('x' + i);
    begin(rig, 0, 3);
    CHECK_OK(try_end_with(rig, 0, 3, failures));
    evict(ALL);
    for (uint64_t i = 0; i < 3; i++)
        CHECK(memory[AT(i)] == (char)('x' + i) && memory[AT(i) + 1] == (char)content_of(i));
    unmap(memory, AT(3));
    rig_close(rig);
}

TEST(row_88_a_read_behind_a_write_is_never_stale)
{
    handle_t vmo = new_vmo(CLUSTER);

    swap_on();
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < CLUSTER; i++)
            put_byte(vmo, AT(i), (char)(round + (int)i));
        evict(ALL);
        for (uint64_t i = 0; i < CLUSTER; i++)
            CHECK_EQ((char)byte_of(vmo, i), (char)(round + (int)i));
    }
    CHECK(vmo_info(vmo).change_events > 0);
    CHECK_OK(sys_handle_close(vmo));
}

/* The same of backing store, on a slow disk: test/test_rows_disk.py. */
TEST(row_89_a_page_being_written_is_read_from_memory)
{
    struct rig rig = dirty_rig(1, 1, 0);

    begin(rig, 0, 1);
    CHECK_EQ(byte_of(rig.vmo, 0), 'd');
    expect_silence(rig.port);
    end(rig, 0, 1);
    CHECK(dirty_is(rig, ""));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
