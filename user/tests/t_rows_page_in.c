/*
 * t_rows_page_in.c: the feature table's rows on page-in, 52 to 65: what comes, and what else comes with it.
 *
 * Rows 54, 55 and 64 of a disk that fails: test/test_rows_disk.py.
 *
 * Machine: cpus=4
 */
#include "rows_rig.h"

enum { TRIES = 20 };                    /* for what others' page-out may disturb */

/* Each page of a range is answered for itself: there, zeros, or an error. */
TEST(row_52_one_answer_for_each_page)
{
    handle_t vmo = new_paged_out(8, 2, 1), hole = new_vmo(1);
    struct rig rig = rig_create(4);

    mark(vmo, 5, 2);
    page_out(vmo);
    CHECK(is_marked(vmo, 2, 1) && is_marked(vmo, 5, 2));
    CHECK(vmo_is_filled(vmo, 0, AT(2), 0) && vmo_is_filled(vmo, AT(3), AT(2), 0) && page_is(vmo, 7, 0));

    for (uint64_t i = 0; i < 4; i++)
        access_start(&accesses[i], ACCESS_READ, rig.vmo, i, 1);
    for (uint64_t i = 0; i < 4; i++) {
        port_packet_t packet;

        CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
        CHECK_EQ(packet.page_request.length, AT(1));
        wait_until_asked(&accesses[packet.page_request.offset / PAGE_SIZE]);
    }
    supply(rig, 0, 1);
    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, AT(1), AT(1), hole, 0));
    fail(rig, 2, 1, ERR_IO);
    supply(rig, 3, 1);
    ENDS(0, OK);
    ENDS(1, OK);
    ENDS(2, ERR_IO);
    ENDS(3, OK);
    CHECK(is_supplied(rig.vmo, 0, 1) && page_is(rig.vmo, 1, 0) && is_supplied(rig.vmo, 3, 1));
    expect_silence(rig.port);
    rig_close(rig);
    CLOSE(vmo, hole);
}

TEST(row_53_what_nobody_has_is_zeros_or_the_originals)
{
    handle_t vmo = new_paged_out(4, 0, 2), child = new_child(vmo, SNAPSHOT, 0, 4);
    struct rig rig = rig_create(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    fill_page(vmo, 0, 'n');
    CHECK(is_marked(child, 0, 2) && vmo_is_filled(child, AT(2), AT(2), 0));
    CHECK(page_is(vmo, 0, 'n'));
    page_out(vmo);
    CHECK(is_marked(child, 0, 2) && page_is(vmo, 0, 'n'));
    supply(rig, 0, 2);
    put_byte(clone, 0, 'c');
    CHECK(byte_of(clone, 0) == 'c' && byte_of(rig.vmo, 0) == content_of(0));
    CHECK(is_supplied(clone, 1, 1));
    CLOSE(vmo, child, clone);
    rig_close(rig);
}

TEST(row_54_an_error_is_of_its_page_alone)
{
    struct rig rig = rig_create(3);
    char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(3));

    supply(rig, 0, 1);
    supply(rig, 2, 1);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 1, 1);
    expect_read(rig, 1, 1);
    fail(rig, 0, 3, ERR_IO);            /* what is there stays there */
    ENDS(1, ERR_IO);
    CHECK(memory[0] == content_of(0) && memory[AT(2)] == content_of(2));
    CHECK(is_supplied(rig.vmo, 0, 1) && is_supplied(rig.vmo, 2, 1));
    unmap(memory, AT(3));
    rig_close(rig);
}

TEST(row_55_an_error_is_told_once)
{
    struct rig rig = rig_create(1);

    for (int i = 0; i < 3; i++) {
        access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
        expect_read(rig, 0, 1);
        fail(rig, 0, 1, ERR_IO);
        ENDS(0, ERR_IO);
    }
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    ENDS(0, OK);
    CHECK(access_read_content(&accesses[0]));
    rig_close(rig);
}

TEST(row_56_the_reason_reaches_who_faulted)
{
    static const status_t reasons[] = { ERR_IO, ERR_IO_DATA_INTEGRITY, ERR_NO_SPACE, ERR_BAD_STATE };
    struct rig rig = rig_create(1);
    handle_t port = new_port();
    char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

    for (size_t i = 0; i < array_size(reasons); i++) {
        touch_start_bound(&accesses[0], port, ACCESS_LOAD, memory, 0);
        expect_read(rig, 0, 1);
        fail(rig, 0, 1, reasons[i]);
        expect_report(port, accesses[0].thread.handle, EXCEPTION_LOAD_FAULT, reasons[i]);
        retry(accesses[0].thread.handle);       /* and asks again */
        expect_read(rig, 0, 1);
        fail(rig, 0, 1, ERR_IO);
        expect_report(port, accesses[0].thread.handle, EXCEPTION_LOAD_FAULT, ERR_IO);
        CHECK_OK(sys_exception_resume(accesses[0].thread.handle, EXCEPTION_KILL_THREAD));
        wait_for_end(accesses[0].thread.handle);
    }
    unmap(memory, AT(1));
    CHECK_OK(sys_handle_close(port));
    rig_close(rig);
}

/* A device that ends inside a page: the page is there, zeros behind the end; no page is behind it. */
TEST(row_57_a_short_read_ends_in_zeros)
{
    handle_t device = open_scratch(), part, vmo;
    char byte;

    swap_off();
    disk_fill(device, 0, AT(4), 'e');
    CHECK_OK(sys_block_create_partition(device, 0, PAGE_SIZE + 3 * SECTOR, RIGHT_SAME_RIGHTS, &part));
    CHECK_OK(sys_block_create_vmo(part, 0, &vmo));
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE + 3 * SECTOR, 'e'));
    CHECK(vmo_is_filled(vmo, PAGE_SIZE + 3 * SECTOR, PAGE_SIZE - 3 * SECTOR, 0));
    CHECK_STATUS(sys_vmo_read(vmo, 0, &byte, AT(2), 1), ERR_OUT_OF_RANGE);
    CLOSE(vmo, part, device);
}

/* How far what is wanted goes on is known without asking or reading anything. */
TEST(row_58_the_run_is_known_before_the_transfer)
{
    struct rig rig = rig_create(16);
    handle_t vmo;
    uint64_t last = 0;
    char byte;

    supply(rig, 9, 1);
    CHECK_STATUS(sys_vmo_read(rig.vmo, 0, &byte, AT(3), 1), ERR_SHOULD_WAIT);   /* no packet */
    expect_silence(rig.port);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 3, 12);
    expect_read(rig, 3, 6);             /* up to what is there */
    supply(rig, 3, 6);
    expect_read(rig, 10, 5);
    supply(rig, 10, 5);
    ENDS(0, OK);
    CHECK(access_read_content(&accesses[0]));
    rig_close(rig);

    for (int i = 0; i < TRIES && last != 4; i++) {
        vmo = new_paged_out(64, 0, 8);  /* 0; 1 to 3; 4 to 7, of 7 that would be read */
        CHECK(bring(vmo, 0) == 1 && bring(vmo, 1) <= 3);
        last = bring(vmo, 4);
        CHECK(last <= 4);
        CHECK_OK(sys_handle_close(vmo));
    }
    CHECK_EQ(last, 4);
}

/* --- Reading ahead. --- */

/* Read pages [0, 16) as a reader that goes on, counting what was asked of the disk. */
static info_swap_t read_in_order(handle_t vmo)
{
    info_swap_t before = counters().system, now;

    for (uint64_t i = 0; i < CLUSTER; i++)
        bring(vmo, i);
    now = counters().system;
    return (info_swap_t){ .calls[SWAP_IN] = now.calls[SWAP_IN] - before.calls[SWAP_IN],
                          .pages[SWAP_IN] = now.pages[SWAP_IN] - before.pages[SWAP_IN] };
}

TEST(row_59_neighbours_come_in_one_transfer)
{
    info_swap_t asked;
    struct rig rig = rig_create(16);

    memset(&asked, 0, sizeof asked);
    for (int i = 0; i < TRIES && (asked.calls[SWAP_IN] != 4 || asked.pages[SWAP_IN] != CLUSTER); i++) {
        handle_t vmo = new_paged_out(2 * CLUSTER, 0, CLUSTER);
        handle_t other = new_paged_out(2 * CLUSTER, 0, CLUSTER);

        read_in_order(other);           /* what it needs is there from now on */
        asked = read_in_order(vmo);     /* 1 + 3 + 7 + 5 pages */
        CLOSE(vmo, other);
    }
    CHECK_EQ(asked.calls[SWAP_IN], 4);
    CHECK_EQ(asked.pages[SWAP_IN], CLUSTER);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 16);
    expect_read(rig, 0, 16);
    supply(rig, 0, 16);
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* Aligned runs of 16 pages lie together on the disk: steps that end at one are cut, so a reader skips to the next. */
TEST(row_60_the_window_grows_and_starts_over)
{
    static const struct { uint64_t page, pages; } steps[] = {
        { 0, 1 }, { 1, 3 }, { 4, 7 }, { 16, 15 }, { 32, 16 }, { 48, 16 },
        { 128, 1 }, { 129, 3 }, { 96, 1 }, { 112, 3 }, { 64, 1 },
    };
    size_t good = 0;

    for (int i = 0; i < TRIES && good < array_size(steps); i++) {
        handle_t vmo = new_paged_out(160, 0, 160);

        for (good = 0; good < array_size(steps); good++) {
            uint64_t came = bring(vmo, steps[good].page);

            CHECK(came >= 1 && came <= steps[good].pages);
            if (came != steps[good].pages)
                break;                  /* it was written in pieces */
        }
        CHECK_OK(sys_handle_close(vmo));
    }
    CHECK_EQ(good, array_size(steps));
}

/* Who jumps about gets what he asks for, whether of backing store or of a pager. */
TEST(row_61_random_reads_bring_single_pages)
{
    handle_t vmo = new_paged_out(256, 0, 256);
    struct rig rig = rig_create(256);
    char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(256));

    for (uint64_t i = 1; i < 16; i++)
        CHECK_EQ(bring(vmo, i * 101 % 16 * 16), 1);
    CHECK_EQ(committed(vmo), 15);
    for (uint64_t i = 0; i < 16; i++) {
        uint64_t page = i * 101 % 256;

        load_start(&accesses[0], memory + AT(page));
        expect_read(rig, page, 1);
        supply(rig, page, 1);
        access_end(&accesses[0]);
    }
    expect_silence(rig.port);
    unmap(memory, AT(256));
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

/* The next pages on the disk may be another's: a parent's, behind the end of a child that goes on reading. */
TEST(row_62_reading_ahead_ends_with_the_vmo)
{
    handle_t vmo = new_vmo(64), child;
    struct rig rig = rig_create(5);

    swap_on();
    mark(vmo, 0, 64);
    child = new_child(vmo, SNAPSHOT, 0, 10);
    page_out(vmo);
    for (uint64_t i = 0; i < 10; i++)
        bring(child, i);
    CHECK_EQ(committed(child), 10);
    CHECK_EQ(committed(vmo), 10);
    CHECK(is_marked(vmo, 0, 64));

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 2, 3);
    expect_read(rig, 2, 3);             /* up to the end of the VMO */
    supply(rig, 2, 3);
    ENDS(0, OK);
    expect_silence(rig.port);
    rig_close(rig);
    CLOSE(vmo, child);
}

TEST(row_63_reading_ahead_ends_at_what_is_there)
{
    handle_t vmo = new_paged_out(64, 0, 16);
    struct rig rig = rig_create(6);

    CHECK_EQ(bring(vmo, 6), 1);
    fill_page(vmo, 6, 'd');             /* newer than what the disk has */
    CHECK(bring(vmo, 7) <= 3);
    for (uint64_t i = 0; i < 6; i++)
        bring(vmo, i);
    CHECK(page_is(vmo, 6, 'd'));
    CHECK(is_marked(vmo, 0, 6) && is_marked(vmo, 7, 9));
    page_out(vmo);
    CHECK(page_is(vmo, 6, 'd') && is_marked(vmo, 0, 6) && is_marked(vmo, 7, 9));

    supply(rig, 2, 1);
    write_byte(rig, 2, 'd');
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 6);
    expect_read(rig, 0, 2);
    supply(rig, 0, 6);                  /* over the dirty page too */
    ENDS(0, OK);
    CHECK(byte_of(rig.vmo, 2) == 'd' && dirty_is(rig, "2+1"));
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

/* Of what nobody asked for nobody hears an error. */
TEST(row_64_a_failure_of_what_was_not_asked_for_is_silent)
{
    struct rig rig = rig_create(8);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    fail(rig, 1, 7, ERR_IO);
    CHECK(is_waiting(&accesses[0]));
    supply(rig, 0, 1);
    ENDS(0, OK);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 1, 1);
    expect_read(rig, 1, 1);             /* it is asked for as if nothing had been */
    supply(rig, 1, 1);
    ENDS(0, OK);
    rig_close(rig);
}

static uint32_t fail_after(uint32_t countdown)
{
    uint32_t left = 0;

    CHECK_OK(sys_system_fail_allocation(system_handle(), countdown, &left));
    return left;
}

/* The first frame is needed, the second would be for a neighbour. */
TEST(row_65_without_memory_only_the_page_itself_comes)
{
    uint64_t came = 0;
    char byte = 0;

    for (int i = 0; i < TRIES && came != 1; i++) {
        handle_t vmo = new_paged_out(32, 0, 16);

        CHECK_EQ(bring(vmo, 0), 1);
        fail_after(2);
        status_t status = sys_vmo_read(vmo, 0, &byte, AT(1), 1);
        uint32_t left = fail_after(0);

        CHECK_OK(status);
        CHECK_EQ(byte, (char)mark_of(1));
        if (left == 0)                  /* else its neighbour on the disk was another's */
            came = committed(vmo) - 1;
        CHECK(is_marked(vmo, 0, 16));
        CHECK_OK(sys_handle_close(vmo));
    }
    CHECK_EQ(came, 1);                  /* of three */
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
