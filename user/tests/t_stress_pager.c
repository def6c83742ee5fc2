/*
 * t_stress_pager.c: pagers that die, detach, fail and shrink their VMOs, while clones of these are
 * read, written, faulted in through mappings and cloned again.
 *
 * Each generation has a pager, a root and a clone of it.  Whatever happens, a page shows what the
 * pager supplies for it, what was written there, or zeros beyond a limit: one of them as a whole.
 *
 * Machine: cpus=4 memory=32M
 */
#include "stress.h"

#define PAGES       16u
#define GENERATIONS 4u
#define WINDOW      0x2900000000ul
#define WRITTEN     0x3717e33717e33717ull

static struct generation {
    _Atomic(handle_t) pager, root, clone;
} generations[GENERATIONS];
static handle_t port;

/* The bytes of a page of the root. */
static uint64_t content(uint64_t page)
{
    return (page + 1) * 0x0101010101010101ull;
}

static void expect_known(int line, status_t status)
{
    if (status != OK && status != ERR_BAD_HANDLE && status != ERR_BAD_STATE && status != ERR_IO &&
        status != ERR_OUT_OF_RANGE && status != ERR_TIMED_OUT && status != ERR_INVALID_ARGS)
        note(line, status);
}
#define CALL(call) expect_known(__LINE__, call)

static handle_t any_clone(uint64_t random)
{
    return atomic_load(&generations[random % GENERATIONS].clone);
}

static void fill(struct worker *worker, uint64_t value)
{
    for (uint64_t i = 0; i < WORDS; i++)
        worker->words[i] = value;
}

static void check_page(struct worker *worker, uint64_t page)
{
    uint64_t first = worker->words[0];

    EXPECT(first == content(page) || first == WRITTEN || first == 0, (int64_t)first);
    for (uint64_t i = 1; i < WORDS; i++)
        EXPECT(worker->words[i] == first, (int64_t)worker->words[i]);
}

/* --- Those who use the memory. --- */

static void read_or_write(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), page = (random >> 8) % PAGES;
    handle_t clone = any_clone(random);
    status_t status;

    if (random >> 62 == 0) {
        fill(worker, WRITTEN);
        CALL(sys_vmo_write(clone, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE));
        return;
    }
    status = sys_vmo_read(clone, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE);
    CALL(status);
    if (status == OK)
        check_page(worker, page);
}

/* A clone of a clone is exact: what it shows of its own it shows for good. */
static void clone_again(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), page = (random >> 8) % PAGES;
    handle_t child;
    status_t status = sys_vmo_create_child(any_clone(random), ON_WRITE, 0, PAGES * PAGE_SIZE,
                                           &child);
    CALL(status);
    if (status != OK)
        return;
    fill(worker, WRITTEN);
    status = sys_vmo_write(child, VMO_MAY_BLOCK, worker->words, page * PAGE_SIZE, PAGE_SIZE);
    CALL(status);
    if (status == OK) {
        status = sys_vmo_read(child, 0, worker->words, page * PAGE_SIZE, PAGE_SIZE);
        EXPECT(status == OK && worker->words[0] == WRITTEN, status);
    }
    CALL(sys_handle_close(child));
}

/* The kernel touches the mapping, so that a page that cannot be had is a status. */
static void fault(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), page = (random >> 8) % PAGES;
    uintptr_t at = WINDOW + worker->number * PAGES * PAGE_SIZE;
    status_t status = sys_vm_map(process_self(), READ_WRITE | VM_FIXED, at, any_clone(random), 0,
                                 PAGES * PAGE_SIZE, &at);
    handle_t copy;

    CALL(status);
    if (status != OK)
        return;
    status = sys_vmo_create(PAGE_SIZE, 0, &copy);
    EXPECT(status == OK, status);
    for (unsigned i = 0; i < 4; i++, page = (page + 1) % PAGES) {
        status = sys_vmo_write(copy, 0, (void *)(at + page * PAGE_SIZE), 0, PAGE_SIZE);
        CALL(status);
        if (status == OK) {
            CALL(sys_vmo_read(copy, 0, worker->words, 0, PAGE_SIZE));
            check_page(worker, page);
        }
        if (status == OK && random >> 63)
            CALL(sys_vmo_read(copy, 0, (void *)(at + page * PAGE_SIZE), 0, PAGE_SIZE));
    }
    CALL(sys_handle_close(copy));
    CALL(sys_vm_unmap(process_self(), at, PAGES * PAGE_SIZE));
}

/* --- Those who have the pages. --- */

static void answer(struct worker *worker)
{
    uint64_t random = next_random(&worker->random);
    port_packet_t packet;
    handle_t aux;

    if (sys_port_wait(port, after(1000000), &packet) != OK ||
        packet.page_request.command != PAGER_VMO_READ)
        return;
    struct generation *generation = &generations[packet.key % GENERATIONS];
    handle_t pager = atomic_load(&generation->pager), root = atomic_load(&generation->root);
    uint64_t first = packet.page_request.offset / PAGE_SIZE;
    uint64_t count = packet.page_request.length / PAGE_SIZE;

    if (random % 8 == 0) {
        CALL(sys_pager_op_range(pager, PAGER_OP_FAIL, root, first * PAGE_SIZE, count * PAGE_SIZE,
                                (uint64_t)(int64_t)ERR_IO));
        return;
    }
    EXPECT(first + count <= PAGES && sys_vmo_create(count * PAGE_SIZE, 0, &aux) == OK,
           (int64_t)first);
    for (uint64_t i = 0; i < count; i++) {
        fill(worker, content(first + i));
        CALL(sys_vmo_write(aux, 0, worker->words, i * PAGE_SIZE, PAGE_SIZE));
    }
    CALL(sys_pager_supply_pages(pager, root, first * PAGE_SIZE, count * PAGE_SIZE, aux, 0));
    CALL(sys_handle_close(aux));
}

static void replace(_Atomic(handle_t) *place, handle_t handle)
{
    handle_t old = atomic_exchange(place, handle);

    if (old != HANDLE_INVALID)
        CALL(sys_handle_close(old));
}

/* A generation ends: the pager first, the root first, detached before, or shrunk; another begins. */
static void replace_generation(struct worker *worker)
{
    uint64_t random = next_random(&worker->random), key = random % GENERATIONS;
    struct generation *generation = &generations[key];
    handle_t pager = HANDLE_INVALID, root = HANDLE_INVALID, clone = HANDLE_INVALID;

    sys_nanosleep(after((random >> 8) % 3000000));
    if (random >> 63)
        CALL(sys_vmo_set_size(atomic_load(&generation->root), (random >> 32) % PAGES * PAGE_SIZE));
    if (random >> 62 & 1)
        CALL(sys_pager_detach_vmo(atomic_load(&generation->pager),
                                  atomic_load(&generation->root)));
    if (random >> 61 & 1)
        replace(&generation->root, HANDLE_INVALID);
    if (random >> 60 & 1)
        replace(&generation->pager, HANDLE_INVALID);
    if (random >> 59 & 1)
        return;
    CALL(sys_pager_create(0, &pager));
    CALL(sys_pager_create_vmo(pager, VMO_RESIZABLE, port, key, PAGES * PAGE_SIZE, &root));
    CALL(sys_vmo_create_child(root, ON_WRITE, 0, PAGES * PAGE_SIZE, &clone));
    replace(&generation->pager, pager);
    replace(&generation->root, root);
    replace(&generation->clone, clone);
}

static struct worker workers[] = {
    { .step = replace_generation }, { .step = read_or_write }, { .step = read_or_write },
    { .step = clone_again }, { .step = fault, .number = 0 }, { .step = fault, .number = 1 },
    { .step = answer },
};

/* Requests whose answer went to another generation are ended by the close of their pager. */
static void stress(void)
{
    struct workers all = { workers, array_size(workers), after(stress_time) };
    uint64_t seed = stress_begin();

    port = new_port();
    workers_start(workers, array_size(workers), &seed);
    CHECK(comes_true_within(stress_time + PATIENCE, workers_are_done, &all));
    stopping = true;
    CHECK_OK(sys_object_wait_one(workers[0].thread.handle, SIGNAL_TERMINATED, after(PATIENCE),
                                 NULL));
    for (unsigned i = 0; i < GENERATIONS; i++)
        replace(&generations[i].pager, HANDLE_INVALID);
    workers_stop(workers, array_size(workers));
}

/* In a process of its own: handles end with it. */
int test_helper(int count, char **arguments)
{
    return soak(count, arguments, (void (*const[])(void)){ stress, NULL });
}

TEST(pagers_die_while_clones_fault)
{
    struct leftovers before;

    CHECK_EQ(exit_code_of(start_helper("nothing", HANDLE_INVALID)), 2);
    before = leftovers_now();
    CHECK_EQ(exit_code_of(start_helper("soak", HANDLE_INVALID)), 0);
    CHECK(comes_true(nothing_is_left_over, &before));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
