/*
 * t_vm_regions.c: what mappings show: shared pages, holes, protection, sizes that change below
 * them, other processes.
 *
 * Machine: cpus=4
 */
#include "toucher.h"

#define PLACE 0x2100000000ul            /* where nothing else is */

TEST(mappings_of_one_vmo_show_the_same_bytes)
{
    handle_t vmo = new_vmo(3);
    char *all = map_vmo(vmo, READ_WRITE, 0, 3 * PAGE_SIZE);
    char *last = map_vmo(vmo, READ_WRITE, PAGE_SIZE, 2 * PAGE_SIZE);
    const char *reader = map_vmo(vmo, VM_READ, 2 * PAGE_SIZE, PAGE_SIZE);
    char byte = 0;

    /* all see zeros */
    CHECK(all[2 * PAGE_SIZE + 5] == 0 && last[PAGE_SIZE + 5] == 0 && reader[5] == 0);
    all[2 * PAGE_SIZE + 5] = 'a';
    CHECK(last[PAGE_SIZE + 5] == 'a' && reader[5] == 'a');
    last[PAGE_SIZE + 5] = 'b';
    CHECK(all[2 * PAGE_SIZE + 5] == 'b' && reader[5] == 'b');
    CHECK_OK(sys_vmo_read(vmo, 0, &byte, 2 * PAGE_SIZE + 5, 1));
    CHECK_EQ(byte, 'b');

    CHECK(all[PAGE_SIZE] == 0 && last[0] == 0);
    byte = 'c';
    CHECK_OK(sys_vmo_write(vmo, 0, &byte, PAGE_SIZE, 1));
    CHECK(all[PAGE_SIZE] == 'c' && last[0] == 'c');
    CHECK_EQ(vmo_info(vmo).num_mappings, 3);
    CHECK_EQ(committed(vmo), 2);
    unmap(all, 3 * PAGE_SIZE);
    unmap(reader, PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
    CHECK(last[0] == 'c');                      /* a mapping keeps its VMO */
    unmap(last, 2 * PAGE_SIZE);
}

TEST(a_hole_in_the_middle)
{
    handle_t vmo = new_vmo(4);
    char *memory = map_vmo(vmo, READ_WRITE, 0, 4 * PAGE_SIZE);
    info_process_t before = own_info();

    for (int i = 0; i < 4; i++)
        memory[i * PAGE_SIZE] = (char)('0' + i);
    unmap(memory + PAGE_SIZE, 2 * PAGE_SIZE);
    CHECK_EQ(own_info().num_regions, before.num_regions + 1);
    CHECK_EQ(own_info().mapped_bytes, before.mapped_bytes - 2 * PAGE_SIZE);
    CHECK(memory[0] == '0' && memory[3 * PAGE_SIZE] == '3');
    CHECK(!is_readable(memory + PAGE_SIZE) && !is_readable(memory + 3 * PAGE_SIZE - 1));
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, (uintptr_t)memory, 4 * PAGE_SIZE),
                 ERR_NOT_FOUND);
    CHECK(is_writable(memory));

    uintptr_t at;
    CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_FIXED, (uintptr_t)memory + PAGE_SIZE, vmo,
                        PAGE_SIZE, 2 * PAGE_SIZE, &at));
    CHECK(memory[PAGE_SIZE] == '1' && memory[2 * PAGE_SIZE] == '2');
    CHECK_EQ(vmo_info(vmo).num_mappings, 3);
    unmap(memory, 4 * PAGE_SIZE);               /* three regions at once */
    CHECK_EQ(own_info().num_regions, before.num_regions - 1);
    CHECK_EQ(vmo_info(vmo).num_mappings, 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(protect_splits_regions)
{
    handle_t vmo = new_vmo(3);
    char *memory = map_vmo(vmo, READ_WRITE, 0, 3 * PAGE_SIZE);
    uint32_t regions = own_info().num_regions;

    memset(memory, 'p', 3 * PAGE_SIZE);
    CHECK_OK(sys_vm_protect(process_self(), VM_READ, (uintptr_t)memory + PAGE_SIZE, PAGE_SIZE));
    CHECK_EQ(own_info().num_regions, regions + 2);
    CHECK(is_writable(memory) && !is_writable(memory + PAGE_SIZE) &&
          is_writable(memory + 2 * PAGE_SIZE));
    CHECK(is_readable(memory + PAGE_SIZE) && memory[PAGE_SIZE] == 'p');
    CHECK_OK(sys_vm_protect(process_self(), VM_EXECUTE, (uintptr_t)memory + PAGE_SIZE, PAGE_SIZE));
    CHECK(!is_readable(memory + PAGE_SIZE));
    CHECK_OK(sys_vm_protect(process_self(), READ_WRITE, (uintptr_t)memory, 3 * PAGE_SIZE));
    memory[PAGE_SIZE] = 'q';
    CHECK(vmo_is_filled(vmo, PAGE_SIZE, 1, 'q'));
    unmap(memory, 3 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(commit_and_map_range)
{
    handle_t vmo = new_vmo(8), system = process_self();
    uintptr_t at;

    CHECK_OK(sys_vm_map(system, READ_WRITE | VM_COMMIT, 0, vmo, 0, 4 * PAGE_SIZE, &at));
    CHECK_EQ(committed(vmo), 4);
    unmap((void *)at, 4 * PAGE_SIZE);

    uint64_t resident = own_info().resident_bytes;
    CHECK_OK(
        sys_vm_map(system, READ_WRITE | VM_MAP_RANGE, 0, vmo, 2 * PAGE_SIZE, 6 * PAGE_SIZE, &at));
    /* what is there, and no more */
    CHECK_EQ(own_info().resident_bytes, resident + 2 * PAGE_SIZE);
    CHECK_EQ(committed(vmo), 4);
    unmap((void *)at, 6 * PAGE_SIZE);
    CHECK_EQ(own_info().resident_bytes, resident);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(loads_and_stores_need_permission)
{
    handle_t vmo = new_vmo(1);

    vmo_fill(vmo, 0, PAGE_SIZE, 3);
    CHECK_EQ(touch(vmo, VM_READ, PAGE_SIZE, toucher_load, 8), 3);
    CHECK_EQ(touch(vmo, VM_READ, PAGE_SIZE, toucher_store, 8), EXIT_CODE_FAULT);
    CHECK_EQ(touch(vmo, VM_EXECUTE, PAGE_SIZE, toucher_load, 8), EXIT_CODE_FAULT);
    CHECK_EQ(touch(vmo, READ_WRITE, PAGE_SIZE, toucher_load, PAGE_SIZE), EXIT_CODE_FAULT);
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE, 3));
    CHECK_EQ(touch(vmo, READ_WRITE, PAGE_SIZE, toucher_store, 8), 1);
    CHECK(vmo_is_filled(vmo, 8, 1, 90));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(code_needs_permission)
{
    static const uint32_t return_7[] = { 0x00700513, 0x00008067 };      /* li a0, 7; ret */
    handle_t vmo = new_vmo(1);

    CHECK_OK(sys_vmo_write(vmo, 0, return_7, 0, sizeof return_7));
    CHECK_EQ(touch(vmo, VM_READ | VM_EXECUTE, PAGE_SIZE, toucher_call, 0), 7);
    CHECK_EQ(touch(vmo, VM_EXECUTE, PAGE_SIZE, toucher_call, 0), 7);
    CHECK_EQ(touch(vmo, READ_WRITE, PAGE_SIZE, toucher_call, 0), EXIT_CODE_FAULT);
    CHECK_EQ(touch(vmo, VM_READ, PAGE_SIZE, toucher_call, 0), EXIT_CODE_FAULT);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(beyond_the_end_there_is_nothing)
{
    handle_t vmo = new_resizable_vmo(4);
    char *memory = map_vmo(vmo, READ_WRITE, 0, 4 * PAGE_SIZE);

    memset(memory, 's', 4 * PAGE_SIZE);
    struct tiny loader = toucher_create(vmo, VM_READ, 4 * PAGE_SIZE);
    struct tiny storer = toucher_create(vmo, READ_WRITE, 4 * PAGE_SIZE);
    CHECK_OK(sys_vmo_set_size(vmo, 2 * PAGE_SIZE));
    CHECK(!is_readable(memory + 2 * PAGE_SIZE) && is_readable(memory + 2 * PAGE_SIZE - 1));
    toucher_start(loader, toucher_load, 2 * PAGE_SIZE);
    toucher_start(storer, toucher_store, 3 * PAGE_SIZE);
    CHECK_EQ(toucher_result(loader), EXIT_CODE_FAULT);
    CHECK_EQ(toucher_result(storer), EXIT_CODE_FAULT);

    CHECK_OK(sys_vmo_set_size(vmo, 4 * PAGE_SIZE));             /* the mapping is still there */
    for (size_t i = 0; i < 4 * PAGE_SIZE; i++)
        CHECK(memory[i] == (i < 2 * PAGE_SIZE ? 's' : 0));
    memory[3 * PAGE_SIZE] = 't';
    CHECK(vmo_is_filled(vmo, 3 * PAGE_SIZE, 1, 't'));
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(decommit_and_zero_show_in_mappings)
{
    handle_t vmo = new_vmo(3);
    char *memory = map_vmo(vmo, READ_WRITE, 0, 3 * PAGE_SIZE);

    memset(memory, 'w', 3 * PAGE_SIZE);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_DECOMMIT, 0, PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_ZERO, PAGE_SIZE, PAGE_SIZE + 1, NULL, 0));
    for (size_t i = 0; i < 3 * PAGE_SIZE; i++)
        CHECK(memory[i] == (i <= 2 * PAGE_SIZE ? 0 : 'w'));
    memory[0] = 'x';
    CHECK(vmo_is_filled(vmo, 0, 1, 'x'));
    unmap(memory, 3 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

/* A process on another hart has the page in its TLB. */
TEST(another_process_sees_what_is_written)
{
    handle_t vmo = new_vmo(1);
    struct tiny watcher = toucher_create(vmo, VM_READ, PAGE_SIZE);
    char byte = 42;

    toucher_start(watcher, toucher_watch, 0);
    CHECK_OK(sys_vmo_write(vmo, 0, &byte, 0, 1));
    CHECK_EQ(toucher_result(watcher), 42);
    CHECK_OK(sys_handle_close(vmo));
}

static bool has_counted(void *counter)
{
    return *(volatile uint32_t *)counter > 1000;
}

/* Start a process that counts in the VMO, and wait until it does. */
static struct tiny counting(handle_t vmo, uint32_t *counter)
{
    struct tiny toucher = toucher_create(vmo, READ_WRITE, PAGE_SIZE);

    toucher_start(toucher, toucher_count, 0);
    CHECK(comes_true(has_counted, counter));
    return toucher;
}

TEST(what_is_taken_away_is_gone_at_once)
{
    handle_t vmo = new_resizable_vmo(1);
    uint32_t *counter = (uint32_t *)map_vmo(vmo, READ_WRITE, 0, PAGE_SIZE);
    struct tiny toucher = counting(vmo, counter);

    CHECK_OK(sys_vm_protect(toucher.process, VM_READ, TOUCHER_WINDOW, PAGE_SIZE));
    uint32_t count = *(volatile uint32_t *)counter;
    CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    CHECK_EQ(*(volatile uint32_t *)counter, count);

    *counter = 0;
    toucher = counting(vmo, counter);
    CHECK_OK(sys_vm_unmap(toucher.process, TOUCHER_WINDOW, PAGE_SIZE));
    count = *(volatile uint32_t *)counter;
    CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    CHECK_EQ(*(volatile uint32_t *)counter, count);

    *counter = 0;
    toucher = counting(vmo, counter);
    CHECK_OK(sys_vmo_set_size(vmo, 0));
    CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    CHECK_OK(sys_vmo_set_size(vmo, PAGE_SIZE));
    CHECK_EQ(*(volatile uint32_t *)counter, 0);
    unmap(counter, PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

/* Regions are split while their pages are taken away: no page table may be missed. */
static _Atomic uint32_t split_round, decommit_round;
static handle_t split_vmo;

static void decommit_each_round(void *unused)
{
    (void)unused;
    for (uint32_t round = 1;; round++) {
        while (atomic_load(&split_round) < round)
            ;
        if (split_round == UINT32_MAX)
            return;
        CHECK_OK(sys_vmo_op_range(split_vmo, VMO_OP_DECOMMIT, 0, 8 * PAGE_SIZE, NULL, 0));
        atomic_store(&decommit_round, round);
    }
}

TEST(a_split_hides_no_page)
{
    char stored = 1, kept;
    uint64_t random = 88172645463325252ull;
    int64_t end = after(2 * SECOND);
    handle_t thread;

    split_vmo = new_vmo(8);
    CHECK_OK(quire_thread_create(decommit_each_round, NULL, &thread));
    for (uint32_t round = 1; round <= 3000 && sys_clock_get() < end; round++) {
        volatile char *at = map_vmo(split_vmo, READ_WRITE, 0, 8 * PAGE_SIZE);

        at[7 * PAGE_SIZE] = stored;
        atomic_store(&split_round, round);
        for (uint64_t pause = next_random(&random) % 256; pause > 0; pause--)
            __asm__ volatile("nop");
        CHECK_OK(sys_vm_protect(process_self(), VM_READ, (uintptr_t)at + 4 * PAGE_SIZE, PAGE_SIZE));
        while (atomic_load(&decommit_round) < round)
            ;
        CHECK_OK(sys_vmo_read(split_vmo, 0, &kept, 7 * PAGE_SIZE, 1));
        CHECK_EQ(at[7 * PAGE_SIZE], kept);
        unmap((const void *)at, 8 * PAGE_SIZE);
    }
    atomic_store(&split_round, UINT32_MAX);
    CHECK_OK(quire_thread_join(thread));
    CHECK_OK(sys_handle_close(split_vmo));
}

/*
 * --- Random calls against a model: which page of the VMO each page shows, and with which
 * permission. ---
 */

#define MODEL_PAGES 32u

struct shown {
    uint32_t flags;                     /* 0: nothing is mapped */
    uint32_t page;
};

static void model_map(handle_t vmo, struct shown *model, uint32_t first, uint32_t count,
                      uint64_t random)
{
    uint32_t flags = random & 1 ? VM_READ : READ_WRITE, page = random / 2 % MODEL_PAGES;
    status_t expected = OK;
    uintptr_t at;

    for (uint32_t i = first; i < first + count; i++)
        if (model[i].flags)
            expected = ERR_ALREADY_EXISTS;
    if (page + count > MODEL_PAGES)
        expected = ERR_OUT_OF_RANGE;
    CHECK_STATUS(sys_vm_map(process_self(), flags | VM_FIXED, PLACE + first * PAGE_SIZE, vmo,
                            page * PAGE_SIZE, count * PAGE_SIZE, &at),
                 expected);
    for (uint32_t i = 0; i < count && expected == OK; i++)
        model[first + i] = (struct shown){ flags, page + i };
}

static void model_unmap(struct shown *model, uint32_t first, uint32_t count)
{
    status_t expected = ERR_NOT_FOUND;

    for (uint32_t i = first; i < first + count; i++) {
        if (model[i].flags)
            expected = OK;
        model[i].flags = 0;
    }
    CHECK_STATUS(sys_vm_unmap(process_self(), PLACE + first * PAGE_SIZE, count * PAGE_SIZE),
                 expected);
}

static void model_protect(struct shown *model, uint32_t first, uint32_t count, uint32_t flags)
{
    status_t expected = OK;

    for (uint32_t i = first; i < first + count; i++)
        if (!model[i].flags)
            expected = ERR_NOT_FOUND;
    CHECK_STATUS(sys_vm_protect(process_self(), flags, PLACE + first * PAGE_SIZE,
                                count * PAGE_SIZE),
                 expected);
    for (uint32_t i = first; i < first + count && expected == OK; i++)
        model[i].flags = flags;
}

static void check_shown(const struct shown *model)
{
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        uint32_t *at = (uint32_t *)(PLACE + i * PAGE_SIZE);

        CHECK_EQ(is_readable(at), model[i].flags != 0);
        CHECK_EQ(is_writable(at), model[i].flags == READ_WRITE);
        if (model[i].flags)
            CHECK_EQ(*at, model[i].page);
    }
}

TEST(random_regions_match_a_model)
{
    static struct shown model[MODEL_PAGES];
    handle_t vmo = new_vmo(MODEL_PAGES);
    info_process_t before = own_info();
    uint64_t random = 0x12345;

    for (uint32_t i = 0; i < MODEL_PAGES; i++)
        CHECK_OK(sys_vmo_write(vmo, 0, &i, i * PAGE_SIZE, sizeof i));
    for (int i = 0; i < 600; i++) {
        uint32_t first = next_random(&random) % MODEL_PAGES;
        uint32_t count = 1 + next_random(&random) % (i % 2 ? MODEL_PAGES - first : 1);

        switch (next_random(&random) % 4) {
        case 0:
        case 1: model_map(vmo, model, first, count, next_random(&random)); break;
        case 2:
            model_protect(model, first, count, next_random(&random) & 1 ? VM_READ : READ_WRITE);
            break;
        case 3: model_unmap(model, first, count); break;
        }
        if (i % 10 == 9)
            check_shown(model);
    }
    model_unmap(model, 0, MODEL_PAGES);
    CHECK_EQ(own_info().num_regions, before.num_regions);
    CHECK_EQ(own_info().mapped_bytes, before.mapped_bytes);
    CHECK_EQ(vmo_info(vmo).num_mappings, 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
