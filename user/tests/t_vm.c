/*
 * t_vm.c: what mapping, unmapping and protecting refuse, and that a refusal changes nothing.
 */
#include "toucher.h"

#define PLACE 0x2100000000ul            /* where nothing else is */

static status_t map_at(uintptr_t at, uint32_t options, handle_t vmo, uint64_t offset,
                       uint64_t length)
{
    uintptr_t mapped;

    return sys_vm_map(process_self(), options | VM_FIXED, at, vmo, offset, length, &mapped);
}

static bool same_address_space(info_process_t a, info_process_t b)
{
    return a.num_regions == b.num_regions && a.mapped_bytes == b.mapped_bytes &&
           a.num_handles == b.num_handles;
}

TEST(map_refuses_handles)
{
    handle_t vmo = new_vmo(2), event = new_event();
    handle_t looker = reduced(process_self(), RIGHT_INSPECT),
             unmappable = reduced(vmo, RIGHT_READ | RIGHT_WRITE);
    handle_t reader = reduced(vmo, RIGHT_MAP | RIGHT_READ),
             writer = reduced(vmo, RIGHT_MAP | RIGHT_WRITE);
    info_process_t before = own_info();
    uintptr_t at = 77;

    CHECK_STATUS(sys_vm_map(HANDLE_INVALID, VM_READ, 0, vmo, 0, PAGE_SIZE, &at), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vm_map(event, VM_READ, 0, vmo, 0, PAGE_SIZE, &at), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vm_map(looker, VM_READ, 0, vmo, 0, PAGE_SIZE, &at), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, HANDLE_INVALID, 0, PAGE_SIZE, &at),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, event, 0, PAGE_SIZE, &at), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, unmappable, 0, PAGE_SIZE, &at),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE, 0, reader, 0, PAGE_SIZE, &at),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_map(process_self(), VM_EXECUTE, 0, reader, 0, PAGE_SIZE, &at),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, writer, 0, PAGE_SIZE, &at),
                 ERR_ACCESS_DENIED);
    CHECK_EQ(at, 77);
    CHECK(same_address_space(before, own_info()));
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(unmappable));
    CHECK_OK(sys_handle_close(looker));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(map_refuses_arguments)
{
    static const uint32_t bad_options[] = {
        VM_WRITE, VM_WRITE | VM_EXECUTE, VM_READ | 128, VM_READ | 0x80000000u
    };
    handle_t vmo = new_vmo(2);
    uintptr_t at = 77;

    edge();
    info_process_t before = own_info();
    for (size_t i = 0; i < array_size(bad_options); i++)
        CHECK_STATUS(sys_vm_map(process_self(), bad_options[i], PLACE, vmo, 0, PAGE_SIZE, &at),
                     ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, 0, &at), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 1, vmo, 0, PAGE_SIZE, &at), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 1, PAGE_SIZE, &at), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, 2 * PAGE_SIZE + 1, &at),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, PAGE_SIZE, PAGE_SIZE + 1, &at),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 3 * PAGE_SIZE, 1, &at),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, SIZE_MAX, &at), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0 - PAGE_SIZE, 2 * PAGE_SIZE, &at),
                 ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, PAGE_SIZE, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    CHECK_EQ(at, 77);
    CHECK(same_address_space(before, own_info()));
    CHECK_EQ(vmo_info(vmo).num_mappings, 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(map_refuses_places)
{
    static const uintptr_t outside[] = { 0,
                                         PAGE_SIZE,
                                         USER_BASE - PAGE_SIZE,
                                         USER_TOP - PAGE_SIZE,
                                         USER_TOP,
                                         0xffffffc080200000ul,
                                         0 - 2 * PAGE_SIZE };
    handle_t vmo = new_vmo(2);
    info_process_t before = own_info();

    for (size_t i = 0; i < array_size(outside); i++)
        CHECK_STATUS(map_at(outside[i], VM_READ, vmo, 0, 2 * PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK(same_address_space(before, own_info()));

    CHECK_OK(map_at(PLACE, VM_READ, vmo, 0, 2 * PAGE_SIZE));
    before = own_info();
    CHECK_STATUS(map_at(PLACE, VM_READ, vmo, 0, PAGE_SIZE), ERR_ALREADY_EXISTS);
    CHECK_STATUS(map_at(PLACE - PAGE_SIZE, VM_READ, vmo, 0, 2 * PAGE_SIZE), ERR_ALREADY_EXISTS);
    CHECK_STATUS(map_at(PLACE + PAGE_SIZE, VM_READ, vmo, 0, 2 * PAGE_SIZE), ERR_ALREADY_EXISTS);
    COVERS("vm_map", ALREADY_EXISTS);
    CHECK(same_address_space(before, own_info()));
    unmap((void *)PLACE, 2 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(map_finds_no_room)
{
    handle_t vmo;
    uintptr_t at;

    CHECK_OK(sys_vmo_create(USER_TOP, 0, &vmo));
    info_process_t before = own_info();
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, USER_TOP, &at), ERR_NO_SPACE);
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, USER_TOP - USER_BASE, &at),
                 ERR_NO_SPACE);
    CHECK(same_address_space(before, own_info()));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(map_with_commit_does_not_wait_for_a_pager)
{
    handle_t pager, port = new_port(), vmo;
    port_packet_t packet;
    uintptr_t at;

    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, PAGE_SIZE, &vmo));
    info_process_t before = own_info();
    CHECK_STATUS(sys_vm_map(process_self(), VM_READ | VM_COMMIT, 0, vmo, 0, PAGE_SIZE, &at),
                 ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE | VM_COMMIT, 0, vmo, 0, PAGE_SIZE, &at),
                 ERR_SHOULD_WAIT);
    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
    CHECK(same_address_space(before, own_info()));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(pager));
    CHECK_OK(sys_handle_close(port));
}

TEST(unmap_refuses)
{
    handle_t vmo = new_vmo(2), event = new_event(), looker = reduced(process_self(), RIGHT_INSPECT);

    CHECK_OK(map_at(PLACE, READ_WRITE, vmo, 0, 2 * PAGE_SIZE));
    info_process_t before = own_info();
    CHECK_STATUS(sys_vm_unmap(HANDLE_INVALID, PLACE, PAGE_SIZE), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vm_unmap(event, PLACE, PAGE_SIZE), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vm_unmap(looker, PLACE, PAGE_SIZE), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_unmap(process_self(), PLACE, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), PLACE + 1, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), 0, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), USER_TOP, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), 0xffffffc080200000ul, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), PLACE, SIZE_MAX), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), PLACE, 0 - PLACE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_unmap(process_self(), PLACE + 2 * PAGE_SIZE, PAGE_SIZE), ERR_NOT_FOUND);
    CHECK(same_address_space(before, own_info()));
    CHECK(is_writable((void *)PLACE) && is_writable((void *)(PLACE + PAGE_SIZE)));
    unmap((void *)PLACE, 2 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(looker));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(protect_refuses)
{
    handle_t vmo = new_vmo(2), event = new_event(), looker = reduced(process_self(), RIGHT_INSPECT);
    handle_t reader = reduced(vmo, RIGHT_MAP | RIGHT_READ);

    CHECK_OK(map_at(PLACE, VM_READ, vmo, 0, PAGE_SIZE));
    CHECK_OK(map_at(PLACE + PAGE_SIZE, VM_READ, reader, PAGE_SIZE, PAGE_SIZE));
    info_process_t before = own_info();
    CHECK_STATUS(sys_vm_protect(HANDLE_INVALID, VM_READ, PLACE, PAGE_SIZE), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vm_protect(event, VM_READ, PLACE, PAGE_SIZE), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vm_protect(looker, VM_READ, PLACE, PAGE_SIZE), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ | VM_SHARED, PLACE, PAGE_SIZE),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_WRITE, PLACE, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ | VM_COMMIT, PLACE, PAGE_SIZE),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, PLACE + 8, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, PLACE, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, PLACE, SIZE_MAX), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, USER_TOP, PAGE_SIZE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vm_protect(process_self(), READ_WRITE, PLACE + 2 * PAGE_SIZE, PAGE_SIZE),
                 ERR_NOT_FOUND);
    /* Refused for a part: nothing changes in the rest. */
    CHECK_STATUS(sys_vm_protect(process_self(), READ_WRITE, PLACE, 2 * PAGE_SIZE),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ | VM_EXECUTE, PLACE, 3 * PAGE_SIZE),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vm_protect(process_self(), VM_READ, PLACE, 3 * PAGE_SIZE), ERR_NOT_FOUND);
    CHECK(same_address_space(before, own_info()));
    CHECK(is_readable((void *)PLACE) && !is_writable((void *)PLACE));
    CHECK_OK(sys_vm_protect(process_self(), READ_WRITE, PLACE, 1));
    CHECK(is_writable((void *)PLACE) && !is_writable((void *)(PLACE + PAGE_SIZE)));
    unmap((void *)PLACE, 2 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(looker));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_dead_process_has_no_address_space)
{
    handle_t vmo = new_vmo(1);
    struct tiny tiny = tiny_start(tiny_exit, 0);
    uintptr_t at;

    CHECK_OK(sys_object_wait_one(tiny.process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_STATUS(sys_vm_map(tiny.process, VM_READ, 0, vmo, 0, PAGE_SIZE, &at), ERR_BAD_STATE);
    CHECK_STATUS(sys_vm_unmap(tiny.process, USER_BASE, PAGE_SIZE), ERR_BAD_STATE);
    CHECK_STATUS(sys_vm_protect(tiny.process, VM_READ, USER_BASE, PAGE_SIZE), ERR_BAD_STATE);
    CHECK_EQ(tiny_end_of(tiny).num_regions, 0);
    CHECK_EQ(vmo_info(vmo).num_mappings, 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(hints_are_followed_where_there_is_room)
{
    handle_t vmo = new_vmo(2);
    uintptr_t first, second, third;

    CHECK_OK(sys_vm_map(process_self(), VM_READ, PLACE, vmo, 0, 2 * PAGE_SIZE, &first));
    CHECK_EQ(first, PLACE);
    CHECK_OK(
        sys_vm_map(process_self(), VM_READ, PLACE + PAGE_SIZE, vmo, 0, 2 * PAGE_SIZE, &second));
    CHECK(second + 2 * PAGE_SIZE <= PLACE || second >= PLACE + 2 * PAGE_SIZE);
    /* too low to be a place */
    CHECK_OK(sys_vm_map(process_self(), VM_READ, PAGE_SIZE, vmo, 0, 1, &third));
    CHECK(third >= USER_BASE && third % PAGE_SIZE == 0);
    unmap((void *)first, 2 * PAGE_SIZE);
    unmap((void *)second, 2 * PAGE_SIZE);
    unmap((void *)third, 1);
    CHECK_EQ(vmo_info(vmo).num_mappings, 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
