/*
 * t_rows_policy.c: the feature table's rows on policy that need little memory: 132, 140 and 142.
 *
 * Called with an argument it is a hog, which writes anonymous memory and verifies it.
 *
 * Machine: cpus=4 memory=32M
 */
#include "rows_rig.h"
#include "stress.h"

static uint64_t memory_pages(void)
{
    return system_info().memory_bytes / PAGE_SIZE;
}

static uint64_t free_pages(void)
{
    return system_info().frames[FRAME_FREE];
}

/* What user memory may not have is there for the kernel, for pagers, and so for page-out. */
TEST(row_132_a_reserve_stays)
{
    uint64_t pages = memory_pages();
    handle_t vmo = new_vmo(2 * pages), events[64];

    swap_off();
    CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, AT(2 * pages), NULL, 0), ERR_NO_MEMORY);
    uint64_t left = free_pages(), had = committed(vmo);
    for (size_t i = 0; i < array_size(events); i++)
        events[i] = new_event();
    close_all(events, array_size(events));
    CHECK_OK(sys_handle_close(vmo));
    CHECK(left >= pages / 512);         /* an eighth of where page-out begins */
    CHECK(had > pages / 4 && had < pages);

    swap_on();                          /* with it the same memory, and more, can be had */
    vmo = new_vmo(2 * pages);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, AT(pages), NULL, 0));
    CHECK(vmo_info(vmo).change_events > 0);
    CHECK(vmo_is_filled(vmo, 0, AT(pages), 0));
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Row 140. --- */

static int hog(uint64_t pages)
{
    handle_t vmo = new_vmo(pages);
    volatile uint64_t *memory = (uint64_t *)map_vmo(vmo, READ_WRITE, 0, AT(pages));
    uint64_t wrong = 0, words = PAGE_SIZE / sizeof(uint64_t);

    for (uint64_t i = 0; i < pages; i++)
        memory[i * words] = memory[i * words + words - 1] = ~i;
    for (uint64_t i = 0; i < pages; i++)
        wrong += memory[i * words] != ~i || memory[i * words + words - 1] != ~i;
    return wrong != 0;
}

/* `much` is as much as there is memory, `too much` more than memory and backing store hold. */
static int64_t run_hog(const char *how_much)
{
    return exit_code_of(start_helper(how_much, HANDLE_INVALID));
}

/* As long as page-out gets on, however slowly, nobody dies; when nothing can go any more, somebody does. */
TEST(row_140_a_kill_only_without_any_progress)
{
    swap_on();
    for (int i = 0; i < 2; i++)
        CHECK_EQ(run_hog("much"), 0);
    CHECK_EQ(run_hog("too much"), EXIT_CODE_KILLED);
    CHECK_EQ(run_hog("much"), 0);
}

/* --- Row 142: who waits for memory has hold of nothing that page-out needs. --- */

enum { HOGS = 2, TRANSFERERS = 2, DISK_READERS = 2, OWN_PAGES = 4096 };
enum { USERS = HOGS + TRANSFERERS + DISK_READERS };

static struct worker users[USERS];
static handle_t user_memory[HOGS + TRANSFERERS], user_ports[TRANSFERERS], big_device, big_disk;

static void step_hog(struct worker *worker)
{
    handle_t memory = user_memory[worker->number];
    uint64_t page = next_random(&worker->random) % OWN_PAGES, word = page * 8;

    status_t status = sys_vmo_write(memory, 0, &word, AT(page) + 64, sizeof word);
    EXPECT(status == OK, status);
    page = next_random(&worker->random) % OWN_PAGES;
    status = sys_vmo_read(memory, 0, &word, AT(page) + 64, sizeof word);
    EXPECT(status == OK && (word == 0 || word == page * 8), (int64_t)word);
}

/* From the disk into pages that may be on backing store, and are busy meanwhile. */
static void step_transferer(struct worker *worker)
{
    handle_t memory = user_memory[worker->number], own_port = user_ports[worker->number - HOGS];
    uint64_t page = next_random(&worker->random) % (OWN_PAGES / 4 - 8);
    port_packet_t packet;
    status_t status = sys_block_submit(big_device, own_port, 0, BLOCK_READ, memory, AT(page),
                                       AT(page), AT(8));

    EXPECT(status == OK || status == ERR_NO_MEMORY, status);
    if (status == OK) {
        status = sys_port_wait(own_port, after(PATIENCE), &packet);
        EXPECT(status == OK && packet.status == OK, status);
    }
}

static void step_disk_reader(struct worker *worker)
{
    uint64_t page = next_random(&worker->random) % (OWN_PAGES - 4);
    status_t status = sys_vmo_read(big_disk, 0, worker->words, AT(page), AT(4));

    EXPECT(status == OK, status);
}

TEST(row_142_who_waits_for_memory_holds_nothing)
{
    static void (*const steps[])(struct worker *) = { step_hog, step_transferer, step_disk_reader };
    uint64_t seed = stress_begin();

    swap_on();
    CHECK_OK(block_open("swap0", &big_device));
    CHECK_OK(sys_block_create_vmo(big_device, 0, &big_disk));
    for (unsigned i = 0; i < USERS; i++) {
        users[i].number = i;
        users[i].step = steps[i / 2];
        if (i < HOGS + TRANSFERERS)
            user_memory[i] = new_vmo(OWN_PAGES);
        if (i >= HOGS && i < HOGS + TRANSFERERS)
            user_ports[i - HOGS] = new_port();
    }
    workers_start(users, USERS, &seed);
    workers_let_run(users, USERS);
    close_all(user_memory, array_size(user_memory));
    close_all(user_ports, array_size(user_ports));
    CLOSE(big_disk, big_device);
}

TEST(nothing_is_left_behind)
{
    rows_end();
}

int test_helper(int count, char **arguments)
{
    (void)count;
    return hog(memory_pages() * (strcmp(arguments[1], "much") == 0 ? 1 : 4));
}
