/*
 * t_swap_leaving.c: stores that are deleted while others add to them and memory pages to them.
 *
 * Machine: cpus=4
 */
#include "cow.h"
#include "disk_rig.h"

enum { ROUNDS = 100, PIECE = 128, PIECES = (SCRATCH / PAGE_SIZE) / PIECE, PAGES = 256 };

static struct raw_thread adder;
static handle_t store, device;
static atomic_uint added;
static atomic_int surprise;             /* a status that no add may have here */

static handle_t new_store(int32_t priority)
{
    handle_t made = HANDLE_INVALID;

    CHECK_OK(sys_backing_store_create(default_pager_handle(), priority, 0, &made));
    return made;
}

static size_t segments(void)
{
    static info_segment_t records[31];
    size_t count = 0;

    CHECK_OK(sys_object_get_info(default_pager_handle(), INFO_SEGMENT_LIST, records, sizeof records, &count, NULL));
    return count;
}

/* Piece after piece until the store is gone. */
static void add_pieces(void *argument)
{
    status_t status = OK;

    (void)argument;
    for (uint64_t i = 0; status != ERR_BAD_STATE && i < PIECES; ) {
        status = sys_backing_store_add_segment(store, device, i * PIECE, PIECE, PAGE_SIZE);
        if (status == OK) {
            i++;
            atomic_fetch_add(&added, 1);
        } else if (status != ERR_BAD_STATE && status != ERR_NO_RESOURCES) {
            atomic_store(&surprise, status);
        }
    }
}

static bool some_were_added(void *wanted) { return atomic_load(&added) >= *(unsigned *)wanted; }

/* An add comes before the end, and the segment goes with the others, or after it, and there is none. */
TEST(delete_against_add)
{
    size_t before = segments();

    device = open_scratch();
    atomic_store(&surprise, OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned wanted = round % 5;
        handle_t all = new_store(4);

        atomic_store(&added, 0);
        store = new_store(4);
        raw_thread_start(&adder, add_pieces, NULL);
        CHECK(comes_true(some_were_added, &wanted));
        CHECK_OK(sys_backing_store_delete(store));
        wait_for_end(adder.handle);
        CHECK_EQ(segments(), before);
        CHECK_OK(sys_backing_store_add_segment(all, device, 0, SCRATCH / PAGE_SIZE, PAGE_SIZE));
        CHECK_OK(sys_backing_store_delete(all));
        CHECK_OK(sys_handle_close(all));
        CHECK_OK(sys_handle_close(store));
    }
    CHECK_STATUS(atomic_load(&surprise), OK);
    CHECK_OK(sys_handle_close(device));
}

/* Many times there and back: nothing is lost of two places and one VMO. */
TEST(pages_follow_their_stores)
{
    handle_t stores[2], swap, vmo = new_vmo(PAGES);
    uint64_t gone = 0;

    device = open_scratch();
    CHECK_OK(block_open("swap0", &swap));
    for (uint64_t i = 0; i < PAGES; i++)
        put_byte(vmo, i * PAGE_SIZE, (char)('a' + i % 26));
    stores[0] = new_store(4);
    CHECK_OK(sys_backing_store_add_segment(stores[0], device, 0, SCRATCH / PAGE_SIZE, PAGE_SIZE));
    for (unsigned round = 0; round < 6; round++) {
        CHECK_OK(sys_system_reclaim(system_handle(), 2 * PAGES, &gone));
        stores[1] = new_store(4);
        CHECK_OK(sys_backing_store_add_segment(stores[1], round % 2 ? device : swap, 0, SCRATCH / PAGE_SIZE, PAGE_SIZE));
        CHECK_OK(sys_backing_store_delete(stores[0]));
        CHECK_OK(sys_handle_close(stores[0]));
        stores[0] = stores[1];
        for (uint64_t i = 0; i < PAGES; i++)
            CHECK_EQ(byte_of(vmo, i), 'a' + i % 26);
    }
    CHECK_OK(sys_backing_store_delete(stores[0]));
    CHECK_STATUS(sys_backing_store_delete(stores[0]), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(stores[0]));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(swap));
    CHECK_OK(sys_handle_close(device));
}

/* A block that cannot be read, and a caller that is killed: test/test_swap_leaving.py. */
COVERS("backing_store_delete", IO, CANCELED);

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
