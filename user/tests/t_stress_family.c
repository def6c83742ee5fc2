/*
 * t_stress_family.c: one family of VMOs under everything at once: stores through mappings and by
 * calls, snapshots of snapshots, resizing, supplying, transfers, windows that come and go.
 *
 * A writer stores one number after the other into all words of its pages, in order.  So at every
 * moment its pages hold n up to some word and n - 1 behind it, and that is what a snapshot must show,
 * and go on showing: a store that slips past the write protection, on whatever hart, is seen.
 *
 * Machine: cpus=4 memory=32M
 */
#include "disk_rig.h"
#include "stress.h"

#define OWN      4u                     /* pages of each writer */
#define WRITERS  3u
#define FIXED    (OWN * WRITERS)        /* the pages that stay; behind them the tail */
#define TAIL     32u
#define MARK     0x7a117a117a117a11ull  /* what the tail is filled with */
#define WINDOW   0x2800000000ul         /* where writers, and behind them others, map the VMO */

static handle_t vmo, device;
static handle_t pagers[1], ports[2];

/* --- Writers. --- */

static void store(struct worker *worker)
{
    volatile uint64_t *words = (uint64_t *)(WINDOW + worker->number * OWN * PAGE_SIZE);

    for (uint64_t i = 0; i < OWN * WORDS; i++)
        words[i] = worker->steps + 1;
}

static void write_by_call(struct worker *worker)
{
    for (uint64_t i = 0; i < OWN * WORDS; i++)
        worker->words[i] = worker->steps + 1;
    status_t status = sys_vmo_write(vmo, 0, worker->words, worker->number * OWN * PAGE_SIZE,
                                    OWN * PAGE_SIZE);
    EXPECT(status == OK, status);
}

/* --- Snapshots. --- */

/* A writer's pages are n up to some word and n - 1 from there on: their sum, which settles both. */
static uint64_t check_pages(struct worker *worker, handle_t of, unsigned writer)
{
    uint64_t sum = 0, *words = worker->words, steps = 0;
    status_t status = sys_vmo_read(of, 0, words, writer * OWN * PAGE_SIZE, OWN * PAGE_SIZE);

    EXPECT(status == OK, status);
    for (uint64_t i = 0; i < OWN * WORDS; i++) {
        sum += words[i];
        if (i > 0 && words[i] != words[i - 1]) {
            EXPECT(words[i] + 1 == words[i - 1], (int64_t)i);
            steps++;
        }
    }
    EXPECT(steps <= 1, (int64_t)steps);
    return sum;
}

static handle_t make_child(handle_t of)
{
    handle_t child = HANDLE_INVALID;
    status_t status = sys_vmo_create_child(of, SNAPSHOT, 0, FIXED * PAGE_SIZE, &child);

    EXPECT(status == OK, status);
    return child;
}

/* Words of one page of the child change; nobody else sees that. */
static void scribble(struct worker *worker, handle_t child, uint64_t page)
{
    for (uint64_t i = 0; i < WORDS; i++)
        worker->words[i] = MARK;
    status_t status = sys_vmo_write(child, 0, worker->words, page * PAGE_SIZE, PAGE_SIZE);

    EXPECT(status == OK, status);
}

static void take_snapshot(struct worker *worker)
{
    uint64_t sums[WRITERS], random = next_random(&worker->random);
    handle_t child = make_child(vmo), grandchild;

    for (unsigned i = 0; i < WRITERS; i++)
        sums[i] = check_pages(worker, child, i);
    grandchild = make_child(child);
    scribble(worker, random & 1 ? child : grandchild, (random >> 8) % FIXED);
    if (random & 2)
        sys_nanosleep(0);
    for (unsigned i = 0; i < WRITERS; i++) {
        uint64_t sum = check_pages(worker, random & 1 ? grandchild : child, i);

        EXPECT(sum == sums[i], (int64_t)(sum - sums[i]));
    }
    sys_handle_close(child);
    sys_handle_close(grandchild);
}

/* --- The tail: it goes, and comes back as zeros. --- */

static bool all_are(const uint64_t *words, uint64_t count, uint64_t a, uint64_t b)
{
    for (uint64_t i = 0; i < count; i++)
        if (words[i] != a && words[i] != b)
            return false;
    return true;
}

static void resize(struct worker *worker)
{
    uint64_t random = next_random(&worker->random);
    uint64_t page = FIXED + random % TAIL, less = FIXED + (random >> 8) % (TAIL + 1);
    status_t status = sys_vmo_set_size(vmo, (FIXED + TAIL) * PAGE_SIZE);

    EXPECT(status == OK, status);
    scribble(worker, vmo, page);
    status = sys_vmo_set_size(vmo, less * PAGE_SIZE);
    EXPECT(status == OK, status);
    status = sys_vmo_set_size(vmo, (FIXED + TAIL) * PAGE_SIZE);
    EXPECT(status == OK, status);
    status = sys_vmo_read(vmo, 0, worker->words, page * PAGE_SIZE, PAGE_SIZE);
    EXPECT(status == OK && all_are(worker->words, WORDS, 0, page < less ? MARK : 0), status);
}

/* Pages of the tail, and copies of the writers' pages, become those of a pager's VMO. */
static void supply_from_it(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), pages = random % 4 + 1;
    uint64_t from = FIXED + (random >> 8) % (TAIL - 4);
    handle_t paged, child;
    status_t status = sys_pager_create_vmo(pagers[0], 0, ports[0], 1, OWN * PAGE_SIZE, &paged);

    EXPECT(status == OK, status);
    if (random >> 63) {
        status = sys_pager_supply_pages(pagers[0], paged, 0, pages * PAGE_SIZE, vmo,
                                        from * PAGE_SIZE);
        EXPECT(status == OK || status == ERR_OUT_OF_RANGE || status == ERR_BAD_STATE, status);
        if (status == OK) {
            status = sys_vmo_read(paged, 0, worker->words, 0, pages * PAGE_SIZE);
            EXPECT(status == OK && all_are(worker->words, pages * WORDS, 0, MARK), status);
        }
    } else {
        child = make_child(vmo);
        status = sys_pager_supply_pages(pagers[0], paged, 0, OWN * PAGE_SIZE, child, 0);
        EXPECT(status == OK || status == ERR_BAD_STATE, status);    /* a transfer has a page */
        if (status == OK)
            check_pages(worker, paged, 0);
        sys_handle_close(child);
    }
    sys_handle_close(paged);
}

/* --- Windows and transfers. --- */

static void look_through_window(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), page = random % FIXED;
    uint32_t enter = random >> 32 & 1 ? VM_MAP_RANGE : 0;
    uintptr_t at = WINDOW + (FIXED + page) * PAGE_SIZE;
    volatile uint64_t *word = (uint64_t *)at + (random >> 8) % WORDS;
    status_t status = sys_vm_map(process_self(), READ_WRITE | VM_FIXED | enter, at, vmo,
                                 page * PAGE_SIZE, (FIXED - page) * PAGE_SIZE, &at);

    EXPECT(status == OK, status);
    uint64_t first = *word;

    if (random >> 33 & 1)
        sys_vm_protect(process_self(), VM_READ, at, PAGE_SIZE);
    uint64_t second = *word;

    EXPECT(second >= first, (int64_t)(second - first));
    status = sys_vm_unmap(process_self(), at, (FIXED - page) * PAGE_SIZE);
    EXPECT(status == OK, status);
}

/* The device has hold of some pages while the others go on. */
static void transfer_some(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), page = random % FIXED;
    uint64_t length = ((random >> 8) % (FIXED - page) + 1) * PAGE_SIZE;
    port_packet_t packet;
    status_t status = sys_block_submit(device, ports[1], 1, BLOCK_WRITE, vmo, page * PAGE_SIZE, 0,
                                       length);

    EXPECT(status == OK, status);
    if (status == OK)
        status = sys_port_wait(ports[1], DEADLINE_INFINITE, &packet);
    EXPECT(status == OK && packet.status == OK, status);
}

static struct worker workers[] = {
    { .step = store, .number = 0 },
    { .step = store, .number = 1 },
    { .step = write_by_call, .number = 2 },
    { .step = take_snapshot },
    { .step = take_snapshot },
    { .step = resize },
    { .step = supply_from_it },
    { .step = look_through_window },
    { .step = transfer_some },
};

static void stress(void)
{
    uint64_t seed = stress_begin();
    uintptr_t at;

    device = open_scratch();
    pagers[0] = new_pager();
    ports[0] = new_port();
    ports[1] = new_port();
    vmo = new_resizable_vmo(FIXED + TAIL);
    vmo_fill(vmo, 0, FIXED * PAGE_SIZE, 0);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, WINDOW, vmo, 0, FIXED * PAGE_SIZE,
                        &at));
    workers_start(workers, array_size(workers), &seed);
    workers_let_run(workers, array_size(workers));
    unmap((char *)WINDOW, FIXED * PAGE_SIZE);
    CHECK_EQ(vmo_info(vmo).num_children, 0);
    CLOSE(device, pagers[0], ports[0], ports[1], vmo);
}

int test_helper(int count, char **arguments)
{
    return soak(count, arguments, (void (*const[])(void)){ stress, NULL });
}

static bool no_more_pager_frames(void *before)
{
    return system_info().frames[FRAME_PAGER] <= ((info_system_t *)before)->frames[FRAME_PAGER];
}

TEST(every_snapshot_is_one_moment)
{
    info_system_t before = system_info();

    stress();
    CHECK(objects_come_down_to(OBJECT_VMO, before.objects[OBJECT_VMO]));
    CHECK(comes_true(no_more_pager_frames, &before));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
