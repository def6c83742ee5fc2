/*
 * t_rows_stores.c: rows of the feature table about stores that are in use: counters, space, what is where, alerts.  The rows about
 * what is refused are in t_mach_stores.c and t_backing_store.c.
 *
 * Machine: cpus=2 memory=64M
 */
#include "row_rig.h"

static struct backing_store_basic_info mach_info(handle_t store)
{
    struct backing_store_basic_info info = { 0 };
    mach_msg_type_number_t size = BACKING_STORE_BASIC_INFO_COUNT;

    CHECK_EQ(default_pager_backing_store_info(store, BACKING_STORE_BASIC_INFO, (backing_store_info_t)&info, &size),
             KERN_SUCCESS);
    return info;
}

TEST(row_19_the_counters_count_pages)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo, late;
    enum { N = 256 };

    add_pages(store, 0, 1024);
    vmo = filled(N, 1);
    struct backing_store_basic_info first = mach_info(store), out, in, touched;
    evict(vmo);
    out = mach_info(store);
    CHECK(out.pages_out - first.pages_out >= N);
    CHECK(out.pages_out - first.pages_out <= N + FOREIGN);
    CHECK_EQ(out.bs_pages_out, out.pages_out - first.pages_out);
    CHECK(out.pageout_calls - first.pageout_calls >= N / 16 && out.pageout_calls - first.pageout_calls <= N + FOREIGN);
    check_all(vmo, N, 1);
    in = mach_info(store);
    CHECK(in.pages_in - out.pages_in >= N);
    CHECK(in.pages_in - out.pages_in <= N + FOREIGN);
    CHECK(in.bs_pages_in >= N);
    CHECK(in.pagein_calls > out.pagein_calls);
    late = filled(N, 2);
    touched = mach_info(store);
    CHECK(touched.pages_unavail - in.pages_unavail >= N);
    CHECK(touched.pages_unavail - in.pages_unavail <= N + FOREIGN);
    CHECK_EQ(touched.bs_pages_out_fail + touched.bs_pages_in_fail, 0);
    CHECK_EQ(touched.pages_init + touched.pages_init_writes, 0);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(late));
    delete_store(store);
}

/* What is free, and the blocks that are listed, make up the total: at a moment when nothing moves. */
static bool free_and_used_are_all(void *unused)
{
    default_pager_info_t before, after;

    (void)unused;
    CHECK_EQ(default_pager_info(default_pager_handle(), &before), KERN_SUCCESS);
    size_t used = list_blocks();
    CHECK_EQ(default_pager_info(default_pager_handle(), &after), KERN_SUCCESS);
    return memcmp(&before, &after, sizeof before) == 0 &&
           before.dpi_free_space + used * PAGE_SIZE == before.dpi_total_space;
}

TEST(row_20_free_space_falls_by_what_is_used)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(256, 3);
    default_pager_info_t before, after;

    add_pages(store, 0, 1024);
    CHECK_EQ(default_pager_info(default_pager_handle(), &before), KERN_SUCCESS);
    CHECK_EQ(before.dpi_page_size, PAGE_SIZE);
    evict(vmo);
    CHECK_EQ(default_pager_info(default_pager_handle(), &after), KERN_SUCCESS);
    CHECK_EQ(after.dpi_total_space, before.dpi_total_space);
    CHECK(before.dpi_free_space - after.dpi_free_space >= (256 - FOREIGN) * PAGE_SIZE);
    CHECK(before.dpi_free_space - after.dpi_free_space <= (256 + FOREIGN) * PAGE_SIZE);
    CHECK(comes_true(free_and_used_are_all, NULL));
    CHECK_OK(sys_handle_close(vmo));
    CHECK(comes_true(free_and_used_are_all, NULL));
    delete_store(store);
}

/* Runs [0, 8) and [32, 40) are two segments: no transfer crosses from one into the other. */
TEST(row_27_a_store_of_several_extents)
{
    settle();
    handle_t store = new_store(HIGH, 8), vmo;
    enum { EXTENTS = 28 };

    for (uint64_t i = 0; i < EXTENTS; i++)
        add_pages(store, 32 * i, 8);
    CHECK_EQ(store_info(store).pages_total, 8 * EXTENTS);
    vmo = filled(512, 4);
    fill_up(store);
    size_t inside = 0;
    for (uint64_t i = 0; i < EXTENTS; i++)
        inside += blocks_within(vmo, 32 * i, 8);
    CHECK(inside > 0);
    CHECK_EQ(blocks_within(vmo, 0, 32 * EXTENTS), inside);
    check_all(vmo, 512, 4);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

static bool lists(const default_pager_page_t *pages, size_t count, uint64_t offset)
{
    for (size_t i = 0; i < count; i++)
        if (pages[i].dpp_offset == offset)
            return true;
    return false;
}

TEST(row_29_objects_and_their_pages_are_listed)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = new_vmo(200);
    default_pager_page_array_t pages;
    default_pager_object_array_t objects;
    mach_port_array_t ports;
    mach_msg_type_number_t count, port_count;
    vm_size_t size = 0, all = 0;

    add_pages(store, 0, 1024);
    for (uint64_t i = 0; i < 200; i += 3)
        write_page(vmo, i, 5);
    CHECK_EQ(default_pager_object_pages(default_pager_handle(), vmo, &pages, &count), KERN_SUCCESS);
    CHECK_EQ(count, 0);
    free(pages);
    evict(vmo);
    CHECK_EQ(default_pager_object_pages(default_pager_handle(), vmo, &pages, &count), KERN_SUCCESS);
    CHECK_EQ(count, 67);
    for (uint64_t i = 0; i < 200; i++)
        CHECK_EQ(lists(pages, count, i * PAGE_SIZE), i % 3 == 0);
    free(pages);

    CHECK_EQ(default_pager_objects(default_pager_handle(), &objects, &count, &ports, &port_count), KERN_SUCCESS);
    CHECK_EQ(count, port_count);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(ports[i], MACH_PORT_NULL);
        if (objects[i].dpo_object == vmo_info(vmo).koid)
            size += objects[i].dpo_size;
        all += objects[i].dpo_size;
    }
    free(objects);
    free(ports);
    CHECK_EQ(size, 67 * PAGE_SIZE);
    CHECK(all >= (67 + PAGES - 2 * FOREIGN) * PAGE_SIZE);

    /* what comes back is listed no more, but keeps its block until it is written to */
    check_page(vmo, 3, 5);
    CHECK_EQ(default_pager_object_pages(default_pager_handle(), vmo, &pages, &count), KERN_SUCCESS);
    CHECK(count < 67);
    CHECK(!lists(pages, count, 3 * PAGE_SIZE));
    free(pages);
    CHECK_EQ(blocks_of(vmo), 67);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

/* --- Alerts. --- */

/* One packet, with this key; none more. */
static void expect_alert(handle_t port, uint64_t key)
{
    port_packet_t packet = { 0 };

    CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
    CHECK_EQ(packet.type, PKT_SIGNAL);
    CHECK_EQ(packet.key, key);
    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
}

static void expect_no_alert(handle_t port)
{
    port_packet_t packet;

    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
}

static void arm(vm_size_t below, vm_size_t above, int flags, handle_t port)
{
    CHECK_EQ(default_pager_triggers(default_pager_handle(), below, above, flags, port), KERN_SUCCESS);
}

TEST(row_49_one_alert_for_each_arming)
{
    settle();
    handle_t store = new_store(HIGH, 4), port = new_port(), vmo;
    default_pager_info_t info;

    add_pages(store, 0, 1024);
    CHECK_EQ(default_pager_info(default_pager_handle(), &info), KERN_SUCCESS);
    vm_size_t mark = info.dpi_free_space - 300 * PAGE_SIZE;
    arm(mark, 0, HI_WAT_ALERT, port);
    expect_no_alert(port);
    vmo = filled(512, 6);
    evict(vmo);
    expect_alert(port, HI_WAT_ALERT);
    /* it went up and down again, and nobody asked */
    check_all(vmo, 512, 6);
    drop_pages(vmo, 0, 512);
    for (uint64_t i = 0; i < 512; i++)
        write_page(vmo, i, 7);
    evict(vmo);
    expect_no_alert(port);
    /* armed while it holds: at once */
    arm(mark, 0, HI_WAT_ALERT, port);
    expect_alert(port, HI_WAT_ALERT);

    arm(0, mark, LO_WAT_ALERT, port);
    expect_no_alert(port);
    drop_pages(vmo, 0, 512);
    expect_alert(port, LO_WAT_ALERT);
    /* the latest arming is the one that counts */
    arm(0, info.dpi_total_space, LO_WAT_ALERT, port);
    arm(0, 0, 0, port);
    arm(UINT64_MAX, 0, HI_WAT_ALERT, port);
    expect_alert(port, HI_WAT_ALERT);
    arm(UINT64_MAX, 0, HI_WAT_ALERT | LO_WAT_ALERT, port);
    port_packet_t packets[2];
    for (int i = 0; i < 2; i++)
        CHECK_OK(sys_port_wait(port, after(PATIENCE), &packets[i]));
    CHECK_EQ(packets[0].key + packets[1].key, HI_WAT_ALERT + LO_WAT_ALERT);
    expect_no_alert(port);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    delete_store(store);
}

static bool over_committed(void)
{
    default_pager_info_64_t info = { 0 };

    CHECK_EQ(default_pager_info_64(default_pager_handle(), &info), KERN_SUCCESS);
    return info.dpi_flags & DPI_OVERCOMMITTED;
}

TEST(row_50_over_commitment_is_told_and_taken_back)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(512, 8);

    CHECK(over_committed());
    add_pages(store, 0, PAGES);
    CHECK(!over_committed());
    delete_store(store);
    CHECK(over_committed());
    CHECK_OK(sys_handle_close(vmo));
}

/* Who wants to be refused rather than killed commits: the call fails, and no fault ever does. */
TEST(row_51_committing_more_than_there_is_fails)
{
    drop_stores_but(0);
    uint64_t pages = system_info().memory_bytes / PAGE_SIZE;
    handle_t vmo = new_vmo(pages);
    uintptr_t at = 0;

    CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, pages * PAGE_SIZE, NULL, 0), ERR_NO_MEMORY);
    drop_pages(vmo, 0, pages);
    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE | VM_COMMIT, 0, vmo, 0, pages * PAGE_SIZE, &at), ERR_NO_MEMORY);
    drop_pages(vmo, 0, pages);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, 64 * PAGE_SIZE, NULL, 0));
    CHECK_EQ(committed(vmo), 64);
    CHECK_OK(sys_handle_close(vmo));
}
