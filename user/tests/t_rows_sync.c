/*
 * t_rows_sync.c: the feature table's rows on cleaning and sync, 90 to 99.
 *
 * What Mach's lock_request did is here WRITEBACK_BEGIN and _END for pagers, VMO_OP_SYNC and _DECOMMIT for device VMOs.  Row 93,
 * precious pages, does not exist: a page that is clean is its source's to give again.  fsx and fsync on files (rows 97, 99) wait
 * for a file server that writes; here they are of memory and of the device.
 *
 * Machine: cpus=4
 */
#include "rows_rig.h"

#include <stdlib.h>

enum { ROUNDS = 40, PAGES = 32 };

static handle_t device, disk;           /* the scratch partition, and its VMO */

static void open_disk(void)
{
    swap_off();
    device = open_scratch();
    CHECK_OK(sys_block_create_vmo(device, 0, &disk));
}

static void close_disk(void)
{
    CLOSE(disk, device);
}

static status_t sync(uint64_t first, uint64_t count)
{
    return sys_vmo_op_range(disk, VMO_OP_SYNC, AT(first), AT(count), NULL, 0);
}

TEST(row_90_clean_and_flush_are_two_things)
{
    struct rig rig = dirty_rig(4, 4, 0);

    open_disk();
    vmo_fill(disk, 0, AT(4), 'c');
    CHECK_EQ(dirty_pages(disk), 4);
    CHECK_OK(sync(0, 4));
    CHECK(dirty_pages(disk) == 0 && committed(disk) == 4);
    CHECK_OK(sys_vmo_op_range(disk, VMO_OP_DECOMMIT, 0, AT(4), NULL, 0));
    CHECK_EQ(committed(disk), 0);
    CHECK(vmo_is_filled(disk, 0, AT(4), 'c'));
    close_disk();

    write_back(rig);
    CHECK(dirty_pages(rig.vmo) == 0 && committed(rig.vmo) == 4);
    page_out(rig.vmo);
    rig_close(rig);
}

TEST(row_91_flush_without_clean_loses_what_was_written)
{
    open_disk();
    disk_fill(device, 0, AT(2), 'o');
    vmo_fill(disk, 0, AT(2), 'n');
    CHECK_OK(sys_vmo_op_range(disk, VMO_OP_DECOMMIT, 0, AT(2), NULL, 0));
    CHECK(vmo_is_filled(disk, 0, AT(2), 'o') && dirty_pages(disk) == 0);
    close_disk();
}

/* --- Two who sync. --- */

static atomic_uint sync_round, sync_started, sync_failures;

static void sync_each_round(void *unused)
{
    (void)unused;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&sync_round) < round)
            ;
        atomic_store(&sync_started, round);
        if (sync(0, PAGES) != OK)
            atomic_fetch_add(&sync_failures, 1);
    }
}

/* The other one is on its way; what was stored before our own sync is on the disk after it, whoever wrote it there. */
static void sync_beside_another(bool store_again)
{
    static struct raw_thread thread;

    open_disk();
    atomic_store(&sync_round, 0);
    raw_thread_start(&thread, sync_each_round, NULL);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        int byte = (int)(round * 2);

        vmo_fill(disk, 0, AT(PAGES), byte);
        atomic_store(&sync_round, round);
        while (atomic_load(&sync_started) < round)
            ;
        if (store_again)
            vmo_fill(disk, 0, AT(PAGES), ++byte);
        CHECK_OK(sync(0, PAGES));
        CHECK(disk_is_filled(device, 0, AT(PAGES), byte));
    }
    wait_for_end(thread.handle);
    CHECK_EQ(atomic_load(&sync_failures), 0);
    close_disk();
}

TEST(row_92_sync_waits_for_writes_in_flight)
{
    sync_beside_another(true);
}

TEST(row_99_sync_waits_for_what_others_write)
{
    sync_beside_another(false);
}

/* Nothing is sent; the count of pages that the kernel took tells, once they are gone. */
TEST(row_94_eviction_can_be_noticed)
{
    handle_t vmo = new_paged_out(8, 0, 8);
    struct rig rig = rig_create(8);
    uint64_t before = vmo_info(rig.vmo).change_events;

    CHECK(vmo_info(vmo).change_events >= 8);
    supply(rig, 0, 8);
    CHECK_EQ(vmo_info(rig.vmo).change_events, before);
    page_out(rig.vmo);
    CHECK_EQ(vmo_info(rig.vmo).change_events, before + 8);
    expect_silence(rig.port);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    ENDS(0, OK);
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(row_95_what_was_cut_off_is_zeros)
{
    handle_t vmo = new_paged_out(16, 0, 16);
    struct rig rig = rig_create(16);

    CHECK_OK(sys_vmo_set_size(vmo, AT(3)));
    CHECK_OK(sys_vmo_set_size(vmo, AT(16)));
    CHECK(vmo_is_filled(vmo, AT(3), AT(13), 0));
    CHECK(is_marked(vmo, 0, 3));
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_ZERO, AT(1) + 100, AT(1), NULL, 0));
    page_out(vmo);
    CHECK(page_is(vmo, 0, mark_of(0)) && vmo_is_filled(vmo, AT(1), 100, mark_of(1)));
    CHECK(vmo_is_filled(vmo, AT(1) + 100, PAGE_SIZE, 0) && vmo_is_filled(vmo, AT(3), AT(13), 0));

    supply(rig, 0, 16);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(3)));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(16)));
    CHECK(vmo_is_filled(rig.vmo, AT(3), AT(13), 0) && is_supplied(rig.vmo, 0, 3));
    expect_silence(rig.port);
    rig_close(rig);
    CHECK_OK(sys_handle_close(vmo));
}

/* Blocks that are being written are not another's before that is over. */
TEST(row_96_a_cut_does_not_free_what_is_in_transfer)
{
    handle_t next = new_resizable_vmo(64), vmo;

    swap_on();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        vmo = new_resizable_vmo(64);
        vmo_fill(vmo, 0, AT(64), 0xee);
        mark(next, 0, 64);
        evict(ALL);
        CHECK_OK(sys_vmo_set_size(vmo, AT(round % 64)));
        evict(ALL);
        CHECK(is_marked(next, 0, 64));
        CHECK(vmo_is_filled(vmo, 0, AT(round % 64), 0xee));
        CHECK_OK(sys_vmo_set_size(vmo, AT(64)));
        CHECK(vmo_is_filled(vmo, AT(round % 64), AT(64 - round % 64), 0));
        CHECK_OK(sys_handle_close(vmo));
    }
    CHECK_OK(sys_handle_close(next));
}

/* --- Row 97: operations at random, and a model. --- */

enum { MODEL_PAGES = 48, STEPS = 1500 };

static unsigned char model[MODEL_PAGES * PAGE_SIZE], model_bytes[4 * PAGE_SIZE];

struct range { uint64_t offset, length; };

/* Somewhere below `end`, of a few bytes or of pages. */
static struct range some_range(uint64_t *random, uint64_t end)
{
    uint64_t most = next_random(random) % 2 ? 300 : sizeof model_bytes, offset = next_random(random) % end;
    uint64_t length = 1 + next_random(random) % most;

    return (struct range){ offset, length < end - offset ? length : end - offset };
}

static void check_model(handle_t vmo, const char *memory, struct range range)
{
    CHECK(memcmp(memory + range.offset, model + range.offset, range.length) == 0);
    CHECK_OK(sys_vmo_read(vmo, 0, model_bytes, range.offset, range.length));
    CHECK(memcmp(model_bytes, model + range.offset, range.length) == 0);
}

/* The size, in pages, after it. */
static uint64_t model_step(handle_t vmo, char *memory, handle_t stream, uint64_t pages,
                           uint64_t *random)
{
    struct range range = some_range(random, AT(pages));
    uint64_t choice = next_random(random) % 16, done = 0;
    int byte = (int)(next_random(random) % 255) + 1;

    if (choice < 8) {
        memset(model + range.offset, byte, range.length);
        memset(model_bytes, byte, range.length);
    }
    if (choice < 3) {
        CHECK_OK(sys_vmo_write(vmo, 0, model_bytes, range.offset, range.length));
    } else if (choice < 6) {
        memset(memory + range.offset, byte, range.length);
    } else if (choice < 8) {
        CHECK_OK(sys_stream_write_at(stream, model_bytes, range.offset, range.length, &done));
        CHECK_EQ(done, range.length);
    } else if (choice < 9) {
        memset(model + range.offset, 0, range.length);
        CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_ZERO, range.offset, range.length, NULL, 0));
    } else if (choice < 10) {
        uint64_t size = MODEL_PAGES / 4 + next_random(random) % (MODEL_PAGES * 3 / 4);

        memset(model + AT(size), 0, AT(MODEL_PAGES - size));
        CHECK_OK(sys_vmo_set_size(vmo, AT(size)));
        CHECK_OK(sys_vmo_set_content_size(vmo, AT(size)));
        pages = size;
    } else if (choice < 11) {
        evict(ALL);
    } else {
        check_model(vmo, memory, range);
    }
    return pages;
}

TEST(row_97_calls_streams_and_mappings_agree)
{
    handle_t vmo = new_resizable_vmo(MODEL_PAGES), stream;
    char *memory = map_vmo(vmo, READ_WRITE, 0, AT(MODEL_PAGES));
    uint64_t random = 0x5eed, pages = MODEL_PAGES;

    swap_on();
    CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, vmo, 0, &stream));
    for (int i = 0; i < STEPS; i++)
        pages = model_step(vmo, memory, stream, pages, &random);
    for (uint64_t i = 0; i < pages; i++)
        check_model(vmo, memory, (struct range){ AT(i), PAGE_SIZE });
    CHECK(vmo_info(vmo).change_events > 0);
    unmap(memory, AT(MODEL_PAGES));
    CLOSE(stream, vmo);
}

TEST(row_98_a_range_is_cleaned_alone)
{
    struct rig rig = dirty_rig(8, 8, 0);

    open_disk();
    disk_fill(device, 0, AT(8), '-');
    vmo_fill(disk, 0, AT(8), 'r');
    CHECK_OK(sync(2, 3));
    CHECK_EQ(dirty_pages(disk), 5);
    CHECK(disk_is_filled(device, 0, AT(2), '-') && disk_is_filled(device, AT(2), AT(3), 'r') &&
          disk_is_filled(device, AT(5), AT(3), '-'));
    close_disk();

    begin(rig, 2, 3);
    end(rig, 2, 3);
    CHECK(dirty_is(rig, "0+2 5+3"));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    rows_end();
}
