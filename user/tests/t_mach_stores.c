/*
 * t_mach_stores.c: backing stores and segments, by the calls of the Mach default pager.
 */
#include <mach/default_pager_object.h>

#include <quire/test.h>
#include <string.h>

#define RECORD   512
#define RECORDS  (16ull << 20 >> 9)     /* of the partition */
#define BAD_PORT ((mach_port_t)0xdead)

/* The codes have no names to print. */
#define CHECK_KERN(expression, expected) CHECK_EQ(expression, expected)

static mach_port_t open_device(const char *label)
{
    mach_port_t device = MACH_PORT_NULL;

    if (block_open(label, &device) == ERR_NOT_FOUND)
        test_skip("there is no disk with that partition");
    return device;
}

static mach_port_t create(int priority, int clsize)
{
    mach_port_t store = MACH_PORT_NULL;

    CHECK_KERN(default_pager_backing_store_create(default_pager_handle(), priority, clsize, &store), KERN_SUCCESS);
    return store;
}

static struct backing_store_basic_info info_of(mach_port_t store)
{
    struct backing_store_basic_info info = { 0 };
    mach_msg_type_number_t size = BACKING_STORE_BASIC_INFO_COUNT;

    CHECK_KERN(default_pager_backing_store_info(store, BACKING_STORE_BASIC_INFO, (backing_store_info_t)&info, &size),
               KERN_SUCCESS);
    CHECK_EQ(size, BACKING_STORE_BASIC_INFO_COUNT);
    return info;
}

static default_pager_info_t space(void)
{
    default_pager_info_t info = { 0 };

    CHECK_KERN(default_pager_info(default_pager_handle(), &info), KERN_SUCCESS);
    return info;
}

static uint64_t system_info_of(uint32_t type)
{
    info_system_t info = { 0 };

    CHECK_OK(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL));
    return info.objects[type];
}

static void close_port(mach_port_t port)
{
    CHECK_OK(sys_handle_close(port));
}

TEST(row_01_a_new_store_is_empty)
{
    mach_port_t store = create(4, 0);
    struct backing_store_basic_info info = info_of(store);

    CHECK(store != MACH_PORT_NULL);
    CHECK(info.bs_pages_total == 0 && info.bs_pages_free == 0 && info.bs_pages_in == 0 && info.bs_pages_out == 0);
    CHECK_EQ(info.bs_clsize, 4 * PAGE_SIZE);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
}

TEST(row_02_two_priorities)
{
    static const int asked[] = { 4, -1, 1, 0, 3, 100 };

    for (int i = 0; i < 6; i++) {
        mach_port_t store = create(asked[i], 0);
        CHECK_EQ(info_of(store).bs_priority, i < 2 ? 4 : 0);
        CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    }
}

TEST(row_03_only_the_default_pager)
{
    mach_port_t store = create(4, 0), out = 77;
    const mach_port_t wrong[] = { MACH_PORT_NULL, BAD_PORT, store, system_handle() };
    default_pager_info_t info = { 1, 2, 3 };
    default_pager_info_64_t flags = { 1, 2, 3, 4 };
    default_pager_object_array_t objects = NULL;
    default_pager_page_array_t pages = NULL;
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 5, port_count = 6;
    mach_port_t object, port;

    CHECK_KERN(default_pager_object_create(default_pager_handle(), PAGE_SIZE, &object), KERN_SUCCESS);
    CHECK_OK(sys_port_create(0, &port));
    for (int i = 0; i < 4; i++) {
        CHECK_KERN(default_pager_backing_store_create(wrong[i], 4, 0, &out), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_object_create(wrong[i], PAGE_SIZE, &out), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_info(wrong[i], &info), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_info_64(wrong[i], &flags), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_objects(wrong[i], &objects, &count, &ports, &port_count), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_object_pages(wrong[i], object, &pages, &count), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_triggers(wrong[i], 0, 0, HI_WAT_ALERT, port), KERN_INVALID_ARGUMENT);
    }
    CHECK_EQ(out, 77);
    CHECK(info.dpi_total_space == 1 && info.dpi_free_space == 2 && info.dpi_page_size == 3);
    CHECK(flags.dpi_total_space == 1 && flags.dpi_flags == 4);
    CHECK(!objects && !pages && !ports && count == 5 && port_count == 6);
    close_port(port);
    close_port(object);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
}

TEST(row_04_cluster_sizes)
{
    static const struct { int asked, pages; } sizes[] = { { 3, 4 }, { 100, 8 }, { 1, 1 }, { 2, 2 }, { 8, 8 } };
    mach_port_t out = 77;

    for (int i = 0; i < 5; i++) {
        mach_port_t store = create(4, sizes[i].asked * (int)PAGE_SIZE);
        CHECK_EQ(info_of(store).bs_clsize, sizes[i].pages * PAGE_SIZE);
        CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    }
    CHECK_KERN(default_pager_backing_store_create(default_pager_handle(), 4, -4096, &out), KERN_INVALID_ARGUMENT);
    CHECK_EQ(out, 77);
}

TEST(row_06_segments_are_counted_in_records)
{
    static const int sizes[] = { 512, 1024, 2048, 4096 };
    mach_port_t device = open_device("scratch");

    for (int i = 0; i < 4; i++) {
        mach_port_t store = create(4, 4 * PAGE_SIZE);
        CHECK_KERN(default_pager_add_segment(store, device, 24, 3000, sizes[i]), KERN_SUCCESS);
        int pages = 3000 * sizes[i] / (int)PAGE_SIZE / 4 * 4;
        CHECK_EQ(info_of(store).bs_pages_total, pages);
        CHECK_EQ(info_of(store).bs_pages_free, pages);
        CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    }
    close_port(device);
}

TEST(row_07_the_part_behind_the_last_cluster_is_not_used)
{
    mach_port_t device = open_device("scratch"), store = create(4, 4 * PAGE_SIZE);

    CHECK_KERN(default_pager_add_segment(store, device, 0, 7 * 8, RECORD), KERN_SUCCESS);
    CHECK_EQ(info_of(store).bs_pages_total, 4);
    CHECK_EQ(info_of(store).bs_pages_free, 4);
    CHECK_KERN(default_pager_add_segment(store, device, 100, 16, PAGE_SIZE), KERN_SUCCESS);
    CHECK_EQ(info_of(store).bs_pages_total, 20);
    CHECK_KERN(default_pager_add_segment(store, device, 200, 3, PAGE_SIZE), KERN_SUCCESS);
    CHECK_EQ(info_of(store).bs_pages_total, 20);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_08_overlap_on_the_same_device_is_rejected)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0);

    CHECK_KERN(default_pager_add_segment(store, device, 10, 100, RECORD), KERN_SUCCESS);
    struct backing_store_basic_info before = info_of(store), after;
    default_pager_info_t all = space(), still;
    static const recnum_t ranges[][2] = { { 50, 150 }, { 0, 11 }, { 109, 1 }, { 10, 100 }, { 20, 10 }, { 0, 1000 } };
    for (int i = 0; i < 6; i++)
        CHECK_KERN(default_pager_add_segment(store, device, ranges[i][0], ranges[i][1], RECORD), KERN_INVALID_ARGUMENT);
    /* the bytes count, in whatever records they are told */
    CHECK_KERN(default_pager_add_segment(store, device, 13, 1, PAGE_SIZE), KERN_INVALID_ARGUMENT);
    after = info_of(store);
    still = space();
    CHECK(memcmp(&before.bs_pages_total, &after.bs_pages_total, 2 * sizeof(natural_t)) == 0);
    CHECK(memcmp(&all, &still, sizeof all) == 0);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_09_segments_may_touch)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0);

    CHECK_KERN(default_pager_add_segment(store, device, 100, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_add_segment(store, device, 0, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_add_segment(store, device, 200, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_10_the_same_range_of_another_device)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0), other;

    CHECK_OK(sys_block_create_partition(device, RECORDS / 2 * RECORD, RECORDS / 2 * RECORD, RIGHT_SAME_RIGHTS, &other));
    CHECK_KERN(default_pager_add_segment(store, device, 0, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_add_segment(store, other, 0, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(other);
    close_port(device);
}

TEST(row_11_overlap_is_checked_across_stores)
{
    mach_port_t device = open_device("scratch"), a = create(4, 0), b = create(0, 0);

    CHECK_KERN(default_pager_add_segment(a, device, 0, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_add_segment(b, device, 50, 100, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(b, device, 0, 1, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(b, device, 99, 1, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_EQ(info_of(b).bs_pages_total, 0);
    CHECK_KERN(default_pager_backing_store_delete(a), KERN_SUCCESS);
    CHECK_KERN(default_pager_add_segment(b, device, 50, 100, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_backing_store_delete(b), KERN_SUCCESS);
    close_port(device);
}

TEST(row_13_record_sizes)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0);
    static const int sizes[] = { 0, 3, 2 * 4096, -512, -1, 1000, 4095, INT32_MIN, INT32_MAX };

    for (int i = 0; i < 9; i++)
        CHECK_KERN(default_pager_add_segment(store, device, 0, 64, sizes[i]), KERN_INVALID_ARGUMENT);
    CHECK_EQ(info_of(store).bs_pages_total, 0);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_14_records_beyond_the_device)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0);

    CHECK_KERN(default_pager_add_segment(store, device, 0, 0, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(store, device, 0, RECORDS + 1, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(store, device, RECORDS, 1, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(store, device, (recnum_t)-1, 64, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(store, device, 64, (recnum_t)-64, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_add_segment(store, device, 0, (recnum_t)1 << 55, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_EQ(info_of(store).bs_pages_total, 0);
    CHECK_KERN(default_pager_add_segment(store, device, 0, RECORDS, RECORD), KERN_SUCCESS);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_15_the_segment_table_is_full)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0);
    unsigned count = 0;
    kern_return_t last;

    while ((last = default_pager_add_segment(store, device, count * 64, 64, RECORD)) == KERN_SUCCESS)
        count++;
    CHECK_KERN(last, KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(count, 31);
    CHECK_EQ(info_of(store).bs_pages_total, 31 * 8);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_16_no_memory)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0), out = 77;
    uint32_t left;

    CHECK_OK(sys_system_fail_allocation(system_handle(), 1, &left));
    CHECK_KERN(default_pager_add_segment(store, device, 0, RECORDS, RECORD), KERN_RESOURCE_SHORTAGE);
    CHECK_OK(sys_system_fail_allocation(system_handle(), 1, &left));
    CHECK_KERN(default_pager_backing_store_create(default_pager_handle(), 4, 0, &out), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(out, 77);
    CHECK_EQ(info_of(store).bs_pages_total, 0);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_17_ports_that_name_no_store)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0), second;
    struct backing_store_basic_info info;
    mach_msg_type_number_t size = BACKING_STORE_BASIC_INFO_COUNT;

    CHECK_OK(sys_handle_duplicate(store, RIGHT_SAME_RIGHTS, &second));
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    const mach_port_t wrong[] = { MACH_PORT_NULL, BAD_PORT, store, second, device, default_pager_handle() };
    for (int i = 0; i < 6; i++) {
        CHECK_KERN(default_pager_add_segment(wrong[i], device, 0, 64, RECORD), KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_backing_store_info(wrong[i], BACKING_STORE_BASIC_INFO, (backing_store_info_t)&info, &size),
                   KERN_INVALID_ARGUMENT);
        CHECK_KERN(default_pager_backing_store_delete(wrong[i]), KERN_INVALID_ARGUMENT);
    }
    close_port(second);
    close_port(device);
}

TEST(row_21_an_empty_store_is_deleted)
{
    uint64_t stores = system_info_of(OBJECT_BACKING_STORE);
    mach_port_t store = create(4, 0), second;
    struct backing_store_basic_info info;
    mach_msg_type_number_t size = BACKING_STORE_BASIC_INFO_COUNT;

    CHECK_OK(sys_handle_duplicate(store, RIGHT_SAME_RIGHTS, &second));
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_backing_store_info(second, BACKING_STORE_BASIC_INFO, (backing_store_info_t)&info, &size),
               KERN_INVALID_ARGUMENT);
    close_port(second);
    CHECK_EQ(system_info_of(OBJECT_BACKING_STORE), stores);
}

/* A segment needs a store, and a device: nothing else is one. */
TEST(what_is_no_device_is_refused)
{
    mach_port_t store = create(4, 0);
    const mach_port_t wrong[] = { MACH_PORT_NULL, BAD_PORT, store, default_pager_handle(), system_handle() };

    for (int i = 0; i < 5; i++)
        CHECK_KERN(default_pager_add_segment(store, wrong[i], 0, 64, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_EQ(info_of(store).bs_pages_total, 0);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
}

TEST(a_device_that_cannot_be_written)
{
    mach_port_t device = open_device("scratch"), store = create(4, 0), reader, weak;

    CHECK_OK(sys_handle_duplicate(device, RIGHT_READ | RIGHT_INSPECT, &reader));
    CHECK_OK(sys_handle_duplicate(store, RIGHT_INSPECT, &weak));
    CHECK_KERN(default_pager_add_segment(store, reader, 0, 64, RECORD), KERN_FAILURE);
    CHECK_KERN(default_pager_add_segment(weak, device, 0, 64, RECORD), KERN_INVALID_ARGUMENT);
    CHECK_EQ(info_of(store).bs_pages_total, 0);
    close_port(weak);
    close_port(reader);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    close_port(device);
}

TEST(row_18_flavor_and_count)
{
    mach_port_t store = create(4, 0);
    struct backing_store_basic_info info, untouched;
    mach_msg_type_number_t size = BACKING_STORE_BASIC_INFO_COUNT;

    memset(&info, 0x5a, sizeof info);
    untouched = info;
    for (int flavor = -1; flavor <= 3; flavor++)
        if (flavor != BACKING_STORE_BASIC_INFO)
            CHECK_KERN(default_pager_backing_store_info(store, flavor, (backing_store_info_t)&info, &size),
                       KERN_INVALID_ARGUMENT);
    size--;
    CHECK_KERN(default_pager_backing_store_info(store, BACKING_STORE_BASIC_INFO, (backing_store_info_t)&info, &size),
               KERN_INVALID_ARGUMENT);
    CHECK_EQ(size, BACKING_STORE_BASIC_INFO_COUNT - 1);
    CHECK(memcmp(&info, &untouched, sizeof info) == 0);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
}

TEST(row_20_all_space)
{
    mach_port_t device = open_device("scratch"), store = create(4, 4 * PAGE_SIZE);
    default_pager_info_t before = space(), after;

    CHECK_EQ(before.dpi_page_size, PAGE_SIZE);
    CHECK_KERN(default_pager_add_segment(store, device, 0, 64 * 8, RECORD), KERN_SUCCESS);
    after = space();
    CHECK_EQ(after.dpi_total_space - before.dpi_total_space, 64 * PAGE_SIZE);
    CHECK_EQ(after.dpi_free_space - before.dpi_free_space, 64 * PAGE_SIZE);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
    after = space();
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    close_port(device);
}

TEST(pages_of_what_is_no_object)
{
    mach_port_t store = create(4, 0), pager, port, paged;
    default_pager_page_array_t pages = NULL;
    mach_msg_type_number_t count = 5;

    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_port_create(0, &port));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 0, PAGE_SIZE, &paged));
    const mach_port_t wrong[] = { MACH_PORT_NULL, BAD_PORT, store, default_pager_handle(), pager, paged };
    for (int i = 0; i < 6; i++)
        CHECK_KERN(default_pager_object_pages(default_pager_handle(), wrong[i], &pages, &count), KERN_INVALID_ARGUMENT);
    CHECK(!pages && count == 5);
    close_port(paged);
    close_port(port);
    close_port(pager);
    CHECK_KERN(default_pager_backing_store_delete(store), KERN_SUCCESS);
}

TEST(alerts_that_cannot_be)
{
    mach_port_t port, event;
    port_packet_t packet;

    CHECK_OK(sys_port_create(0, &port));
    CHECK_OK(sys_event_create(0, &event));
    CHECK_KERN(default_pager_triggers(default_pager_handle(), UINT64_MAX, 0, 4, port), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_triggers(default_pager_handle(), UINT64_MAX, 0, -1, port), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_triggers(default_pager_handle(), UINT64_MAX, 0, HI_WAT_ALERT, event), KERN_INVALID_ARGUMENT);
    CHECK_KERN(default_pager_triggers(default_pager_handle(), UINT64_MAX, 0, HI_WAT_ALERT, MACH_PORT_NULL),
               KERN_INVALID_ARGUMENT);
    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
    close_port(event);
    close_port(port);
}

TEST(no_memory_for_an_object)
{
    mach_port_t out = 77;
    uint32_t left;

    CHECK_OK(sys_system_fail_allocation(system_handle(), 1, &left));
    CHECK_KERN(default_pager_object_create(default_pager_handle(), PAGE_SIZE, &out), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(out, 77);
}

TEST(objects_are_memory)
{
    mach_port_t object = MACH_PORT_NULL;
    const char text[] = "in an object of the default pager";
    char back[sizeof text];

    CHECK_KERN(default_pager_object_create(default_pager_handle(), 3 * PAGE_SIZE + 1, &object), KERN_SUCCESS);
    CHECK_OK(sys_vmo_write(object, 0, text, PAGE_SIZE - 5, sizeof text));
    CHECK_OK(sys_vmo_read(object, 0, back, PAGE_SIZE - 5, sizeof text));
    CHECK(memcmp(text, back, sizeof text) == 0);
    CHECK_OK(sys_vmo_set_size(object, 8 * PAGE_SIZE));
    close_port(object);
    object = 77;
    CHECK_KERN(default_pager_object_create(default_pager_handle(), UINT64_MAX, &object), KERN_INVALID_ARGUMENT);
    CHECK_EQ(object, 77);
}
