/*
 * t_mapping.c: guards, regions that merge, shared mappings, sys_vm_get_mapping, and what a map that
 * is refused leaves behind.
 *
 * Machine: cpus=4
 */
#include "pager_rig.h"
#include "toucher.h"

#define PLACE 0x2200000000ul            /* where nothing else is, */
#define ROOM  0x1000000ul               /* nor this far above */
#define MAX_REGIONS 64

static void map_page(unsigned page, uint32_t options, handle_t vmo, unsigned from, unsigned count)
{
    uintptr_t at;

    CHECK_OK(sys_vm_map(process_self(), options | VM_FIXED, PLACE + page * PAGE_SIZE, vmo,
                        from * PAGE_SIZE, count * PAGE_SIZE, &at));
}

static void unmap_pages(unsigned page, unsigned count)
{
    unmap((void *)(PLACE + page * PAGE_SIZE), count * PAGE_SIZE);
}

static void protect_pages(unsigned page, unsigned count, uint32_t options)
{
    CHECK_OK(sys_vm_protect(process_self(), options, PLACE + page * PAGE_SIZE, count * PAGE_SIZE));
}

/* How many regions are there at PLACE, and do they cover `pages` pages? */
static unsigned regions_at_place(unsigned pages)
{
    static info_map_t maps[MAX_REGIONS];
    unsigned found = 0;
    uint64_t length = 0;
    size_t count;

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, maps, sizeof maps, &count, NULL));
    CHECK(count < MAX_REGIONS);
    for (size_t i = 0; i < count; i++) {
        if (maps[i].base >= PLACE && maps[i].base < PLACE + ROOM) {
            found++;
            length += maps[i].length;
        }
    }
    CHECK_EQ(length, pages * PAGE_SIZE);
    return found;
}

static info_map_t mapping_at(uintptr_t address, handle_t *vmo)
{
    info_map_t info = { 0 };

    CHECK_OK(sys_vm_get_mapping(process_self(), address, &info, vmo));
    return info;
}

static rights_t rights_of(handle_t handle)
{
    info_handle_basic_t info = { 0 };

    CHECK_OK(sys_object_get_info(handle, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    return info.rights;
}

/* --- Guards. --- */

TEST(nobody_may_access_a_guard)
{
    handle_t vmo = new_vmo(1);

    vmo_fill(vmo, 0, PAGE_SIZE, 7);
    CHECK_EQ(touch(vmo, 0, PAGE_SIZE, toucher_load, 0), EXIT_CODE_FAULT);
    CHECK_EQ(touch(vmo, 0, PAGE_SIZE, toucher_store, 0), EXIT_CODE_FAULT);
    CHECK_EQ(touch(vmo, 0, PAGE_SIZE, toucher_call, 0), EXIT_CODE_FAULT);
    CHECK_EQ(touch(vmo, VM_MAP_RANGE | VM_COMMIT, PAGE_SIZE, toucher_load, 0), EXIT_CODE_FAULT);
    map_page(0, 0, vmo, 0, 1);
    CHECK(!is_readable((void *)PLACE) && !is_writable((void *)PLACE));
    CHECK_EQ(mapping_at(PLACE, NULL).flags, 0);
    unmap_pages(0, 1);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_guard_needs_no_right_but_map)
{
    handle_t vmo = new_vmo(1), mapper = reduced(vmo, RIGHT_MAP);

    map_page(0, 0, mapper, 0, 1);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, PLACE, PAGE_SIZE), ERR_ACCESS_DENIED);
    CHECK(!is_readable((void *)PLACE));
    unmap_pages(0, 1);
    CHECK_OK(sys_handle_close(mapper));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(protection_comes_and_goes)
{
    handle_t vmo = new_vmo(3);
    char *memory = (char *)PLACE;

    map_page(0, READ_WRITE, vmo, 0, 3);
    memset(memory, 'g', 3 * PAGE_SIZE);
    uint64_t resident = own_info().resident_bytes;
    protect_pages(1, 1, 0);
    CHECK_EQ(own_info().resident_bytes, resident - PAGE_SIZE);
    CHECK(is_writable(memory) && !is_readable(memory + PAGE_SIZE) && is_writable(memory + 2 * PAGE_SIZE));
    CHECK_EQ(regions_at_place(3), 3);
    protect_pages(0, 3, 0);
    CHECK(!is_readable(memory) && !is_readable(memory + 2 * PAGE_SIZE));
    CHECK_EQ(regions_at_place(3), 1);
    protect_pages(0, 3, READ_WRITE);
    CHECK(memory[0] == 'g' && memory[PAGE_SIZE] == 'g' && memory[3 * PAGE_SIZE - 1] == 'g');
    memory[PAGE_SIZE] = 'h';
    CHECK(vmo_is_filled(vmo, PAGE_SIZE, 1, 'h'));
    unmap_pages(0, 3);
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Merging. --- */

TEST(neighbours_merge)
{
    handle_t vmo = new_vmo(4);

    map_page(0, READ_WRITE, vmo, 0, 1);
    map_page(2, READ_WRITE, vmo, 2, 1);
    CHECK_EQ(regions_at_place(2), 2);
    CHECK_EQ(vmo_info(vmo).num_mappings, 2);
    map_page(1, READ_WRITE, vmo, 1, 1);         /* closes the gap */
    CHECK_EQ(regions_at_place(3), 1);
    CHECK_EQ(vmo_info(vmo).num_mappings, 1);
    map_page(3, READ_WRITE, vmo, 3, 1);
    CHECK_EQ(regions_at_place(4), 1);
    memset((char *)PLACE, 'm', 4 * PAGE_SIZE);
    CHECK(vmo_is_filled(vmo, 0, 4 * PAGE_SIZE, 'm'));
    unmap_pages(0, 4);
    CHECK_EQ(vmo_info(vmo).num_mappings, 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(protect_back_merges)
{
    handle_t vmo = new_vmo(6);
    uint32_t before = own_info().num_regions;

    map_page(0, READ_WRITE, vmo, 0, 6);
    for (unsigned page = 0; page < 6; page += 2)
        protect_pages(page, 1, VM_READ);
    CHECK_EQ(regions_at_place(6), 6);
    CHECK_EQ(vmo_info(vmo).num_mappings, 6);
    protect_pages(2, 1, READ_WRITE);
    CHECK_EQ(regions_at_place(6), 4);
    protect_pages(1, 4, VM_READ);               /* one border inside the range, one at its end */
    CHECK_EQ(regions_at_place(6), 2);
    protect_pages(0, 6, READ_WRITE);
    CHECK_EQ(regions_at_place(6), 1);
    CHECK_EQ(own_info().num_regions, before + 1);
    CHECK_EQ(vmo_info(vmo).num_mappings, 1);
    unmap_pages(0, 6);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(what_differs_does_not_merge)
{
    handle_t vmo = new_vmo(4), other = new_vmo(4), reference;
    handle_t reader = reduced(vmo, RIGHT_MAP | RIGHT_READ);

    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &reference));
    map_page(0, VM_READ, vmo, 0, 1);
    map_page(1, VM_READ, other, 1, 1);          /* another VMO */
    CHECK_EQ(regions_at_place(2), 2);
    unmap_pages(1, 1);
    map_page(1, VM_READ, reference, 1, 1);      /* another object on the same pages */
    CHECK_EQ(regions_at_place(2), 2);
    unmap_pages(1, 1);
    map_page(1, VM_READ, vmo, 2, 1);            /* another offset */
    CHECK_EQ(regions_at_place(2), 2);
    unmap_pages(1, 1);
    map_page(1, READ_WRITE, vmo, 1, 1);         /* another protection */
    CHECK_EQ(regions_at_place(2), 2);
    unmap_pages(1, 1);
    map_page(1, VM_READ | VM_SHARED, vmo, 1, 1);
    CHECK_EQ(regions_at_place(2), 2);
    unmap_pages(1, 1);
    map_page(1, VM_READ, reader, 1, 1);         /* less is allowed */
    CHECK_EQ(regions_at_place(2), 2);
    CHECK_STATUS(sys_vm_protect(process_self(), READ_WRITE, PLACE, 2 * PAGE_SIZE), ERR_ACCESS_DENIED);
    unmap_pages(1, 1);
    map_page(1, VM_READ, vmo, 1, 1);
    CHECK_EQ(regions_at_place(2), 1);
    unmap_pages(0, 2);
    CHECK_OK(sys_handle_close(reference));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(other));
    CHECK_OK(sys_handle_close(vmo));
}

/* Pages are taken away from a VMO while its regions are split and merged: no page table is missed. */
static handle_t busy_vmo;
static atomic_bool stop;

static void take_pages_away(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop))
        CHECK_OK(sys_vmo_op_range(busy_vmo, VMO_OP_DECOMMIT, 0, 8 * PAGE_SIZE, NULL, 0));
}

static bool no_more_anonymous_frames(void *than)
{
    return system_info().frames[FRAME_ANON] <= *(uint64_t *)than;
}

TEST(regions_split_and_merge_while_pages_go)
{
    uint64_t random = 4711, frames = system_info().frames[FRAME_ANON];
    int64_t end = after(SECOND);
    handle_t thread;

    busy_vmo = new_vmo(8);
    map_page(0, READ_WRITE, busy_vmo, 0, 8);
    atomic_store(&stop, false);
    CHECK_OK(quire_thread_create(take_pages_away, NULL, &thread));
    for (int round = 0; round < 2000 && sys_clock_get() < end; round++) {
        unsigned page = next_random(&random) % 8;

        for (unsigned i = 0; i < 8; i++)
            ((volatile char *)PLACE)[i * PAGE_SIZE] = 1;
        protect_pages(page, 1 + next_random(&random) % (8 - page), VM_READ);
        protect_pages(0, 8, READ_WRITE);
        CHECK_EQ(vmo_info(busy_vmo).num_mappings, 1);
    }
    atomic_store(&stop, true);
    CHECK_OK(quire_thread_join(thread));
    CHECK_OK(sys_vmo_op_range(busy_vmo, VMO_OP_DECOMMIT, 0, 8 * PAGE_SIZE, NULL, 0));
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(((volatile char *)PLACE)[i * PAGE_SIZE], 0);
    unmap_pages(0, 8);
    CHECK_OK(sys_handle_close(busy_vmo));
    frames += 2;                        /* the thread's stack may have stayed */
    CHECK(comes_true(no_more_anonymous_frames, &frames));
}

/* --- VM_SHARED. --- */

TEST(shared_stays_with_the_region)
{
    handle_t vmo = new_vmo(4);

    map_page(0, READ_WRITE | VM_SHARED, vmo, 0, 2);
    map_page(2, READ_WRITE | VM_SHARED, vmo, 2, 2);
    CHECK_EQ(regions_at_place(4), 1);
    CHECK_EQ(mapping_at(PLACE, NULL).flags, READ_WRITE | VM_SHARED);
    protect_pages(1, 2, VM_READ);
    CHECK_EQ(mapping_at(PLACE, NULL).flags, READ_WRITE | VM_SHARED);
    CHECK_EQ(mapping_at(PLACE + PAGE_SIZE, NULL).flags, VM_READ | VM_SHARED);
    CHECK(is_readable((void *)(PLACE + PAGE_SIZE)) && !is_writable((void *)(PLACE + PAGE_SIZE)));
    protect_pages(1, 2, 0);
    CHECK_EQ(mapping_at(PLACE + PAGE_SIZE, NULL).flags, VM_SHARED);
    CHECK(!is_readable((void *)(PLACE + PAGE_SIZE)));
    protect_pages(1, 2, READ_WRITE);
    CHECK_EQ(regions_at_place(4), 1);
    CHECK(is_writable((void *)(PLACE + 3 * PAGE_SIZE)));
    unmap_pages(0, 4);
    CHECK_OK(sys_handle_close(vmo));
}

/* --- sys_vm_get_mapping. --- */

TEST(get_mapping_describes)
{
    handle_t vmo = new_vmo(8), reference, got = HANDLE_INVALID;

    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &reference));
    map_page(1, VM_READ, reference, 3, 4);
    info_map_t info = mapping_at(PLACE + 3 * PAGE_SIZE + 5, &got);
    CHECK(info.base == PLACE + PAGE_SIZE && info.length == 4 * PAGE_SIZE);
    CHECK_EQ(info.vmo_offset, 3 * PAGE_SIZE);
    CHECK_EQ(info.flags, VM_READ);
    CHECK_EQ(info.vmo_koid, vmo_info(reference).koid);
    CHECK_EQ(vmo_info(got).koid, info.vmo_koid);
    CHECK_EQ(info.allowed, VM_READ | VM_WRITE | VM_EXECUTE);
    CHECK_EQ(info.vmo_size, vmo_info(reference).size_bytes);
    CHECK_OK(sys_handle_close(got));

    /* Between mappings it tells of the next one, above the last of nothing. */
    CHECK_EQ(mapping_at(PLACE, NULL).base, PLACE + PAGE_SIZE);
    CHECK(mapping_at(PLACE + 5 * PAGE_SIZE, NULL).base >= PLACE + ROOM);
    CHECK_STATUS(sys_vm_get_mapping(process_self(), UINTPTR_MAX, &info, &got), ERR_NOT_FOUND);
    unmap_pages(1, 4);
    CHECK_OK(sys_handle_close(reference));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(get_mapping_walks_all)
{
    static info_map_t maps[MAX_REGIONS];
    info_map_t info;
    uintptr_t address = 0;
    size_t count;

    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, maps, sizeof maps, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(sys_vm_get_mapping(process_self(), address, &info, NULL));
        maps[i].resident_bytes = 0;
        CHECK(memcmp(&maps[i], &info, sizeof info) == 0);
        address = info.base + info.length;
    }
    CHECK_STATUS(sys_vm_get_mapping(process_self(), address, &info, NULL), ERR_NOT_FOUND);
}

TEST(the_handle_has_the_rights_of_the_mapping)
{
    const rights_t always = RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_MAP | RIGHT_WAIT | RIGHT_INSPECT;
    static const rights_t given[] = { 0, RIGHT_READ, RIGHT_READ | RIGHT_WRITE, RIGHT_READ | RIGHT_EXECUTE,
                                      RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE | RIGHT_RESIZE };
    handle_t vmo = new_resizable_vmo(1), got = HANDLE_INVALID;

    for (size_t i = 0; i < array_size(given); i++) {
        handle_t mapper = reduced(vmo, RIGHT_MAP | given[i]);

        map_page(0, 0, mapper, 0, 1);
        CHECK_OK(sys_handle_close(mapper));
        mapping_at(PLACE, &got);
        CHECK_EQ(rights_of(got), always | (given[i] & ~(rights_t)RIGHT_RESIZE));
        CHECK_OK(sys_handle_close(got));
        unmap_pages(0, 1);
    }
    CHECK_OK(sys_handle_close(vmo));
}

TEST(get_mapping_finds_what_no_handle_names)
{
    handle_t vmo = new_vmo(2), got = HANDLE_INVALID;

    map_page(0, READ_WRITE, vmo, 0, 2);
    *(char *)PLACE = 'k';
    CHECK_OK(sys_handle_close(vmo));
    mapping_at(PLACE, &got);
    CHECK_EQ(committed(got), 1);
    CHECK_EQ(vmo_info(got).share_count, 1);
    unmap_pages(0, 2);
    CHECK(vmo_is_filled(got, 0, 1, 'k'));
    CHECK_OK(sys_handle_close(got));
}

TEST(get_mapping_of_another_process)
{
    struct tiny tiny = tiny_create();
    info_map_t info;
    handle_t code = HANDLE_INVALID, looker = reduced(tiny.process, RIGHT_READ);

    CHECK_OK(sys_vm_get_mapping(looker, 0, &info, &code));
    CHECK(info.base == USER_BASE && info.length == PAGE_SIZE && info.flags == (VM_READ | VM_EXECUTE));
    CHECK_EQ(vmo_info(code).num_mappings, 1);
    CHECK_OK(sys_handle_close(looker));
    CHECK_OK(sys_handle_close(tiny.thread));
    CHECK_OK(sys_task_kill(tiny.process));
    CHECK_STATUS(sys_vm_get_mapping(tiny.process, 0, &info, &code), ERR_NOT_FOUND);
    CHECK_EQ(vmo_info(code).num_mappings, 0);
    CHECK_OK(sys_handle_close(tiny.process));
    CHECK_OK(sys_handle_close(code));
}

TEST(get_mapping_refuses)
{
    handle_t event = new_event(), looker = reduced(process_self(), RIGHT_INSPECT | RIGHT_WRITE), got = 77;
    info_map_t info;

    edge();
    uint32_t before = open_handles();
    CHECK_STATUS(sys_vm_get_mapping(HANDLE_INVALID, 0, &info, NULL), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vm_get_mapping(event, 0, &info, NULL), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vm_get_mapping(looker, 0, &info, NULL), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_get_mapping(process_self(), USER_TOP, &info, NULL), ERR_NOT_FOUND);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_vm_get_mapping(process_self(), 0, bad_pointer(i), &got), ERR_INVALID_ARGS);
    for (unsigned i = 1; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_vm_get_mapping(process_self(), 0, &info, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(got, 77);
    CHECK_EQ(open_handles(), before);
    CHECK_OK(sys_handle_close(looker));
    CHECK_OK(sys_handle_close(event));
}

/* --- VM_COMMIT. --- */

TEST(a_refused_map_commits_nothing)
{
    handle_t vmo = new_vmo(4);
    uintptr_t at;

    map_page(1, VM_READ, vmo, 3, 1);
    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE | VM_COMMIT | VM_FIXED, PLACE, vmo, 0,
                            4 * PAGE_SIZE, &at), ERR_ALREADY_EXISTS);
    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE | VM_COMMIT | VM_FIXED, USER_TOP, vmo, 0,
                            PAGE_SIZE, &at), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE | VM_COMMIT, 0, vmo, 0, 5 * PAGE_SIZE, &at),
                 ERR_OUT_OF_RANGE);
    CHECK_EQ(committed(vmo), 0);
    unmap_pages(1, 1);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_commit_that_would_wait_undoes_the_map)
{
    struct rig rig = rig_create(4);
    uintptr_t at;

    supply(rig, 0, 3);
    map_page(0, VM_READ, rig.vmo, 0, 1);
    map_page(3, VM_READ, rig.vmo, 3, 1);
    info_process_t before = own_info();
    /* Its neighbours are of the same kind: the undoing must not take them too. */
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ | VM_COMMIT | VM_FIXED, PLACE + PAGE_SIZE, rig.vmo,
                            2 * PAGE_SIZE, 2 * PAGE_SIZE, &at), ERR_SHOULD_WAIT);
    expect_silence(rig.port);
    CHECK(own_info().num_regions == before.num_regions && own_info().mapped_bytes == before.mapped_bytes);
    CHECK_EQ(vmo_info(rig.vmo).num_mappings, 2);
    map_page(1, VM_READ | VM_COMMIT, rig.vmo, 1, 2);
    CHECK_EQ(regions_at_place(4), 1);
    CHECK_EQ(mapping_at(PLACE, NULL).length, 4 * PAGE_SIZE);
    unmap_pages(0, 4);
    rig_close(rig);
}

TEST(commit_maps_what_it_commits)
{
    handle_t vmo = new_vmo(8);
    uint64_t resident;

    map_page(0, READ_WRITE, vmo, 0, 4);
    resident = own_info().resident_bytes;
    map_page(4, READ_WRITE | VM_COMMIT, vmo, 4, 4);
    CHECK_EQ(committed(vmo), 4);
    CHECK_EQ(own_info().resident_bytes, resident + 4 * PAGE_SIZE);
    CHECK_EQ(regions_at_place(8), 1);
    unmap_pages(0, 8);
    CHECK_OK(sys_handle_close(vmo));
}

/* --- Lists while mappings change. --- */

static void remap(void *unused)
{
    handle_t vmo = new_vmo(8);

    (void)unused;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        map_page(0, READ_WRITE, vmo, 0, 8);
        protect_pages(i % 7, 1, VM_READ);
        ((volatile char *)PLACE)[7 * PAGE_SIZE] = 1;
        unmap_pages(i % 8, 1);
        unmap_pages(0, 8);
    }
    CHECK_OK(sys_handle_close(vmo));
}

TEST(maps_are_listed_while_they_change)
{
    static info_map_t maps[MAX_REGIONS];
    int64_t end = after(SECOND);
    handle_t thread;
    size_t count;

    atomic_store(&stop, false);
    CHECK_OK(quire_thread_create(remap, NULL, &thread));
    for (int round = 0; round < 1000 && sys_clock_get() < end; round++) {
        CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, maps, sizeof maps, &count, NULL));
        for (size_t i = 0; i < count; i++) {
            CHECK(maps[i].length > 0 && maps[i].length % PAGE_SIZE == 0);
            CHECK(maps[i].resident_bytes <= maps[i].length && maps[i].vmo_koid != 0);
            CHECK(i == 0 || maps[i].base >= maps[i - 1].base + maps[i - 1].length);
        }
    }
    atomic_store(&stop, true);
    CHECK_OK(quire_thread_join(thread));
    CHECK_EQ(regions_at_place(0), 0);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
