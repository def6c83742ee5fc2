/*
 * t_pager.c: making pagers and their VMOs, the packets they get, and what the calls refuse.
 *
 * Machine: cpus=4
 */
#include "pager_rig.h"
#include "toucher.h"

TEST(create_refuses)
{
    uint32_t before = open_handles();
    handle_t pager;

    CHECK_STATUS(sys_pager_create(2, &pager), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_create(0x80000000u, &pager), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_pager_create(0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(open_handles(), before);
}

TEST(create_vmo_refuses)
{
    handle_t pager = new_pager(), port = new_port(), event = new_event();
    handle_t deaf = reduced(port, RIGHT_READ),
             unattached = with_rights(new_pager(), RIGHT_MANAGE_VMO);
    handle_t vmo;

    edge();
    uint64_t vmos = live_vmos();
    CHECK_STATUS(sys_pager_create_vmo(HANDLE_INVALID, 0, port, 1, PAGE_SIZE, &vmo), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_create_vmo(event, 0, port, 1, PAGE_SIZE, &vmo), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_create_vmo(unattached, 0, port, 1, PAGE_SIZE, &vmo), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, HANDLE_INVALID, 1, PAGE_SIZE, &vmo),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, event, 1, PAGE_SIZE, &vmo), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, deaf, 1, PAGE_SIZE, &vmo), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_create_vmo(pager, 1, port, 1, PAGE_SIZE, &vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_create_vmo(pager, 1 << 4, port, 1, PAGE_SIZE, &vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, port, 1, VMO_SIZE_MAX + 1, &vmo), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, port, 1, UINT64_MAX, &vmo), ERR_OUT_OF_RANGE);
    CHECK_EQ(live_vmos(), vmos);
    expect_silence(port);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)          /* the VMO is made, and goes again */
        CHECK_STATUS(sys_pager_create_vmo(pager, 0, port, i, PAGE_SIZE, bad_pointer(i)),
                     ERR_INVALID_ARGS);
    CHECK_EQ(live_vmos(), vmos);
    CHECK_OK(sys_handle_close(unattached));
    CHECK_OK(sys_handle_close(deaf));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(pager));
}

TEST(what_a_new_vmo_says_of_itself)
{
    handle_t pager = new_pager(), port = new_port(), vmo;
    const uint32_t pager_flags = INFO_VMO_PAGER_BACKED;

    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, 5000, &vmo));
    info_vmo_t info = vmo_info(vmo);
    CHECK_EQ(info.size_bytes, 2 * PAGE_SIZE);
    CHECK_EQ(info.content_size, 5000);
    CHECK_EQ(info.committed_bytes, 0);
    CHECK(info.flags & pager_flags && !(info.flags & INFO_VMO_RESIZABLE));
    CHECK(!(info.handle_rights & RIGHT_RESIZE));
    CHECK_STATUS(sys_vmo_set_size(vmo, 0), ERR_UNAVAILABLE);
    CHECK_OK(sys_handle_close(vmo));

    CHECK_OK(sys_pager_create_vmo(pager, VMO_RESIZABLE, port, 1, 0, &vmo));
    info = vmo_info(vmo);
    CHECK(info.flags & INFO_VMO_RESIZABLE && info.handle_rights & RIGHT_RESIZE);
    CHECK_EQ(info.size_bytes, 0);
    CHECK_OK(sys_handle_close(vmo));

    vmo = new_vmo(1);
    CHECK(!(vmo_info(vmo).flags & pager_flags));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(pager));
}

TEST(one_touch_asks_for_one_page)
{
    struct rig rig = rig_create(8);
    char *memory = map_vmo(rig.vmo, VM_READ, 0, 8 * PAGE_SIZE);

    for (uint64_t i = 0; i < 8; i += 3) {
        load_start(&accesses[0], memory + i * PAGE_SIZE + 17);
        expect_read(rig, i, 1);
        expect_silence(rig.port);
        wait_until_asked(&accesses[0]);
        supply(rig, i, 1);
        access_end(&accesses[0]);
        CHECK_EQ(accesses[0].buffer[0], content_of(i));
        CHECK_EQ(committed(rig.vmo), i / 3 + 1);
    }
    expect_silence(rig.port);
    unmap(memory, 8 * PAGE_SIZE);
    rig_close(rig);
}

TEST(a_store_asks_for_one_page_and_changes_it)
{
    struct rig rig = rig_create(4);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);

    store_start(&accesses[0], memory + 2 * PAGE_SIZE, 'S');
    expect_read(rig, 2, 1);
    supply(rig, 2, 1);
    access_end(&accesses[0]);
    expect_silence(rig.port);
    CHECK_EQ(memory[2 * PAGE_SIZE], 'S');
    CHECK_EQ(memory[2 * PAGE_SIZE + 1], content_of(2));
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, PAGE_SIZE);
    unmap(memory, 4 * PAGE_SIZE);
    rig_close(rig);
}

TEST(a_read_asks_for_what_it_needs)
{
    struct rig rig = rig_create(8);

    supply(rig, 3, 1);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 1, 6);
    expect_read(rig, 1, 2);                     /* up to the page that is there */
    supply(rig, 1, 2);
    expect_read(rig, 4, 3);
    supply(rig, 4, 3);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(access_read_content(&accesses[0]));
    CHECK(is_supplied(rig.vmo, 1, 6));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(a_write_asks_and_stays)
{
    struct rig rig = rig_create(4);

    memset(accesses[0].buffer, 'W', PAGE_SIZE);
    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, 1, 1);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(vmo_is_filled(rig.vmo, PAGE_SIZE, PAGE_SIZE, 'W'));
    supply(rig, 0, 2);                          /* what a client wrote stays */
    CHECK(vmo_is_filled(rig.vmo, PAGE_SIZE, PAGE_SIZE, 'W'));
    CHECK(is_supplied(rig.vmo, 0, 1));
    rig_close(rig);
}

TEST(operations_ask_for_their_range)
{
    struct rig rig = rig_create(12);
    static const uint32_t ops[] = { VMO_OP_COMMIT, VMO_OP_PREFETCH, VMO_OP_ALWAYS_NEED };

    for (size_t i = 0; i < array_size(ops); i++) {
        op_start(&accesses[0], ops[i], rig.vmo, 4 * i, 3);
        expect_read(rig, 4 * i, 3);
        supply(rig, 4 * i, 3);
        CHECK_OK(access_end(&accesses[0]));
        CHECK(is_supplied(rig.vmo, 4 * i, 3));
    }
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(zeroing_whole_pages_asks_nobody)
{
    struct rig rig = rig_create(4);

    supply(rig, 1, 1);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, 0, 3 * PAGE_SIZE, NULL, 0));
    CHECK(vmo_is_filled(rig.vmo, 0, 3 * PAGE_SIZE, 0));
    supply(rig, 0, 4);                          /* too late for the first three */
    CHECK(vmo_is_filled(rig.vmo, 0, 3 * PAGE_SIZE, 0));
    CHECK(is_supplied(rig.vmo, 3, 1));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(keys_tell_vmos_apart)
{
    static const uint64_t keys[] = { 0, UINT64_MAX, 5, 5, 0x8000000000000000ull };
    handle_t pager = new_pager(), other_pager = new_pager(), port = new_port();
    handle_t vmos[array_size(keys)];
    struct rig rig = { pager, port, HANDLE_INVALID };

    for (size_t i = 0; i < array_size(keys); i++)
        vmos[i] = new_pager_vmo(i == 4 ? other_pager : pager, port, keys[i], 8);
    for (size_t i = 0; i < array_size(keys); i++) {
        rig.vmo = vmos[i];
        rig.pager = i == 4 ? other_pager : pager;
        access_start(&accesses[0], ACCESS_READ, vmos[i], i, 2);
        expect_packet(port, keys[i], PAGER_VMO_READ, i, 2);
        supply(rig, i, 2);
        CHECK_OK(access_end(&accesses[0]));
        CHECK(access_read_content(&accesses[0]));
    }
    for (size_t i = 0; i < array_size(keys); i++) {
        CHECK_EQ(committed(vmos[i]), 2);
        CHECK_OK(sys_handle_close(vmos[i]));
        expect_packet(port, keys[i], PAGER_VMO_COMPLETE, 0, 0);
    }
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(other_pager));
    CHECK_OK(sys_handle_close(pager));
}

TEST(a_vmo_has_one_packet_in_the_port)
{
    struct rig rig = rig_create(8);
    handle_t other = new_pager_vmo(rig.pager, rig.port, 99, 8);
    struct rig other_rig = { rig.pager, rig.port, other };

    for (unsigned i = 0; i < 3; i++) {          /* in line behind each other */
        access_start(&accesses[i], ACCESS_READ, rig.vmo, 2 * i, 1);
        wait_until_asked(&accesses[i]);
    }
    access_start(&accesses[3], ACCESS_READ, other, 7, 1);
    wait_until_asked(&accesses[3]);
    expect_read(rig, 0, 1);
    /* the busy VMO went to the end of the line */
    expect_packet(rig.port, 99, PAGER_VMO_READ, 7, 1);
    expect_read(rig, 2, 1);
    expect_read(rig, 4, 1);
    expect_silence(rig.port);
    supply(rig, 4, 1);                          /* answered in any order */
    CHECK_OK(access_end(&accesses[2]));
    supply(rig, 0, 3);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_OK(access_end(&accesses[1]));
    supply(other_rig, 7, 1);
    CHECK_OK(access_end(&accesses[3]));
    for (unsigned i = 0; i < 4; i++)
        CHECK(access_read_content(&accesses[i]));
    CHECK_OK(sys_handle_close(other));
    rig_close(rig);
}

TEST(two_threads_on_one_page_make_one_request)
{
    struct rig rig = rig_create(2);
    char *memory = map_vmo(rig.vmo, VM_READ, 0, 2 * PAGE_SIZE);

    for (unsigned i = 0; i < 4; i++)
        load_start(&accesses[i], memory + PAGE_SIZE + i);
    for (unsigned i = 0; i < 4; i++)
        wait_until_asked(&accesses[i]);
    expect_read(rig, 1, 1);
    expect_silence(rig.port);
    supply(rig, 1, 1);
    for (unsigned i = 0; i < 4; i++) {
        access_end(&accesses[i]);
        CHECK_EQ(accesses[i].buffer[0], content_of(1));
    }
    expect_silence(rig.port);
    unmap(memory, 2 * PAGE_SIZE);
    rig_close(rig);
}

TEST(overlapping_reads_clip_and_chain)
{
    struct rig rig = rig_create(16);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 4, 4);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 2, 4);     /* clipped to 2-3 */
    wait_until_asked(&accesses[1]);
    /* begins inside the first: chained */
    access_start(&accesses[2], ACCESS_READ, rig.vmo, 6, 6);
    wait_until_asked(&accesses[2]);
    expect_read(rig, 4, 4);
    expect_read(rig, 2, 2);
    expect_silence(rig.port);
    supply(rig, 4, 4);
    CHECK_OK(access_end(&accesses[0]));
    expect_read(rig, 8, 4);                                     /* what the third still needs */
    supply(rig, 2, 2);
    CHECK_OK(access_end(&accesses[1]));
    CHECK(is_waiting(&accesses[2]));
    supply(rig, 8, 4);
    CHECK_OK(access_end(&accesses[2]));
    for (unsigned i = 0; i < 3; i++)
        CHECK(access_read_content(&accesses[i]));
    rig_close(rig);
}

TEST(the_buffer_of_a_call_may_be_paged)
{
    struct rig rig = rig_create(4);
    handle_t target = new_vmo(2);
    char *memory = map_vmo(rig.vmo, VM_READ, 0, 4 * PAGE_SIZE);

    accesses[0].address = memory + PAGE_SIZE;
    access_start(&accesses[0], ACCESS_WRITE_FROM, target, 0, 2);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    expect_read(rig, 2, 1);
    fail(rig, 2, 1, ERR_IO);                    /* then it is no buffer */
    CHECK_STATUS(access_end(&accesses[0]), ERR_INVALID_ARGS);
    CHECK(vmo_is_filled(target, 0, PAGE_SIZE, content_of(1)));
    CHECK(vmo_is_filled(target, PAGE_SIZE, PAGE_SIZE, 0));
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(target));
    rig_close(rig);
}

TEST(another_process_waits_too)
{
    struct rig rig = rig_create(2);
    struct tiny toucher = toucher_create(rig.vmo, VM_READ, 2 * PAGE_SIZE);

    toucher_start(toucher, toucher_load, PAGE_SIZE);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    CHECK_EQ(toucher_result(toucher), content_of(1));
    rig_close(rig);
}

TEST(code_may_be_paged)
{
    static const uint32_t return_7[] = { 0x00700513, 0x00008067 };      /* li a0, 7; ret */
    struct rig rig = rig_create(2);
    struct tiny toucher = toucher_create(rig.vmo, VM_READ | VM_EXECUTE, 2 * PAGE_SIZE);
    handle_t aux = new_vmo(1);

    CHECK_OK(sys_vmo_write(aux, 0, return_7, 0, sizeof return_7));
    toucher_start(toucher, toucher_call, PAGE_SIZE);
    expect_read(rig, 1, 1);
    CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, PAGE_SIZE, PAGE_SIZE, aux, 0));
    CHECK_EQ(toucher_result(toucher), 7);
    CHECK_OK(sys_handle_close(aux));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
