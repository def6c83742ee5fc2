/*
 * t_pager_supply.c: answers to page requests: supplying pages, and failing them.
 *
 * Machine: cpus=4
 */
#include "pager_rig.h"
#include "toucher.h"

static const status_t deliverable[] = { ERR_IO, ERR_IO_DATA_INTEGRITY, ERR_BAD_STATE, ERR_NO_SPACE,
                                        ERR_BUFFER_TOO_SMALL };

static status_t supply_from(struct rig rig, uint64_t first, uint64_t count, handle_t aux,
                            uint64_t aux_first)
{
    return sys_pager_supply_pages(rig.pager, rig.vmo, first * PAGE_SIZE, count * PAGE_SIZE, aux,
                                  aux_first * PAGE_SIZE);
}

TEST(supply_refuses_handles)
{
    struct rig rig = rig_create(4);
    handle_t event = new_event(), aux = new_vmo(4), other_pager = new_pager();
    handle_t unmanaged = with_rights(new_pager(), RIGHT_ATTACH_VMO),
             reader = reduced(rig.vmo, RIGHT_READ);
    handle_t aux_reader = reduced(aux, RIGHT_READ), aux_writer = reduced(aux, RIGHT_WRITE);

    vmo_fill(aux, 0, 4 * PAGE_SIZE, 'a');
    CHECK_STATUS(sys_pager_supply_pages(HANDLE_INVALID, rig.vmo, 0, PAGE_SIZE, aux, 0),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_supply_pages(event, rig.vmo, 0, PAGE_SIZE, aux, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_supply_pages(unmanaged, rig.vmo, 0, PAGE_SIZE, aux, 0),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, HANDLE_INVALID, 0, PAGE_SIZE, aux, 0),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, event, 0, PAGE_SIZE, aux, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, reader, 0, PAGE_SIZE, aux, 0),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, HANDLE_INVALID, 0),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, event, 0),
                 ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, aux_reader, 0),
                 ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, aux_writer, 0),
                 ERR_ACCESS_DENIED);
    /* Not this pager's VMO: seen before the aux handle is. */
    CHECK_STATUS(sys_pager_supply_pages(other_pager, rig.vmo, 0, PAGE_SIZE, HANDLE_INVALID, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, aux, 0, PAGE_SIZE, HANDLE_INVALID, 0),
                 ERR_INVALID_ARGS);
    CHECK(vmo_is_filled(aux, 0, 4 * PAGE_SIZE, 'a'));
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_OK(sys_handle_close(aux_writer));
    CHECK_OK(sys_handle_close(aux_reader));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(unmanaged));
    CHECK_OK(sys_handle_close(other_pager));
    CHECK_OK(sys_handle_close(aux));
    CHECK_OK(sys_handle_close(event));
    rig_close(rig);
}

TEST(supply_refuses_ranges)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(8), other = new_pager_vmo(rig.pager, rig.port, 2, 4);
    uint64_t end = 0 - PAGE_SIZE;

    vmo_fill(aux, 0, 8 * PAGE_SIZE, 'a');
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 1, PAGE_SIZE, aux, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 1, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, aux, 1),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(HANDLE_INVALID, rig.vmo, 1, PAGE_SIZE, aux, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, other, 0),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, PAGE_SIZE, rig.vmo, 0),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 4 * PAGE_SIZE, aux, 5 * PAGE_SIZE),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, 2 * PAGE_SIZE, aux, end),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 0, end, aux, PAGE_SIZE),
                 ERR_OUT_OF_RANGE);
    CHECK(vmo_is_filled(aux, 0, 8 * PAGE_SIZE, 'a'));
    /* From here on the pages have left aux already. */
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, 3 * PAGE_SIZE, 2 * PAGE_SIZE, aux, 0),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, end, 2 * PAGE_SIZE, aux, 2 * PAGE_SIZE),
                 ERR_OUT_OF_RANGE);
    CHECK(vmo_is_filled(aux, 0, 4 * PAGE_SIZE, 0) &&
          vmo_is_filled(aux, 4 * PAGE_SIZE, 4 * PAGE_SIZE, 'a'));
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_OK(supply_from(rig, 4, 0, aux, 8));
    CHECK_OK(sys_handle_close(other));
    CHECK_OK(sys_handle_close(aux));
    expect_packet(rig.port, 2, PAGER_VMO_COMPLETE, 0, 0);
    rig_close(rig);
}

TEST(supply_moves_frames)
{
    struct rig rig = rig_create(32);
    handle_t aux = new_vmo(32);

    vmo_fill(aux, 0, 32 * PAGE_SIZE, 'm');
    supply(rig, 31, 1);                         /* the list of pages has its nodes */
    const char *memory = map_vmo(aux, VM_READ, 0, 32 * PAGE_SIZE);
    CHECK_EQ(memory[PAGE_SIZE], 'm');
    uint64_t free_frames = system_info().frames[FRAME_FREE];
    CHECK_OK(supply_from(rig, 0, 16, aux, 1));
    CHECK_EQ(system_info().frames[FRAME_FREE], free_frames);
    CHECK_EQ(committed(rig.vmo), 17);
    CHECK_EQ(committed(aux), 16);
    CHECK(vmo_is_filled(rig.vmo, 0, 16 * PAGE_SIZE, 'm'));
    CHECK(vmo_is_filled(aux, PAGE_SIZE, 16 * PAGE_SIZE, 0));
    CHECK(memory[0] == 'm' && memory[PAGE_SIZE] == 0 && memory[17 * PAGE_SIZE] == 'm');
    unmap(memory, 32 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(aux));
    rig_close(rig);
}

TEST(holes_supply_zeros)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(4);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);

    vmo_fill(aux, PAGE_SIZE, PAGE_SIZE, 'h');
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 4);
    expect_read(rig, 0, 4);
    CHECK_OK(supply_from(rig, 0, 4, aux, 0));
    CHECK_OK(access_end(&accesses[0]));
    CHECK(vmo_is_filled(rig.vmo, 0, PAGE_SIZE, 0) &&
          vmo_is_filled(rig.vmo, PAGE_SIZE, PAGE_SIZE, 'h'));
    CHECK(vmo_is_filled(rig.vmo, 2 * PAGE_SIZE, 2 * PAGE_SIZE, 0));
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK(memory[2 * PAGE_SIZE] == 0);          /* the frame of zeros is mapped ... */
    vmo_fill(rig.vmo, 2 * PAGE_SIZE, 1, 'n');
    CHECK(memory[2 * PAGE_SIZE] == 'n');        /* ... and gives way */
    memory[3 * PAGE_SIZE] = 'o';
    CHECK(vmo_is_filled(rig.vmo, 3 * PAGE_SIZE, 1, 'o'));
    CHECK_EQ(committed(rig.vmo), 3);
    expect_silence(rig.port);
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(aux));
    rig_close(rig);
}

TEST(what_is_there_stays)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(4);

    supply(rig, 1, 2);
    vmo_fill(aux, 0, 4 * PAGE_SIZE, 'n');
    uint64_t free_frames = system_info().frames[FRAME_FREE];
    CHECK_OK(supply_from(rig, 0, 4, aux, 0));
    CHECK(vmo_is_filled(rig.vmo, 0, PAGE_SIZE, 'n') &&
          vmo_is_filled(rig.vmo, 3 * PAGE_SIZE, PAGE_SIZE, 'n'));
    CHECK(is_supplied(rig.vmo, 1, 2));
    CHECK_EQ(committed(aux), 0);
    /* the two that were too many */
    CHECK(system_info().frames[FRAME_FREE] >= free_frames + 2);
    CHECK_OK(sys_handle_close(aux));
    rig_close(rig);
}

TEST(supply_before_the_packet_is_read_withdraws_it)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 2);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 3, 1);     /* in line behind it */
    wait_until_asked(&accesses[1]);
    supply(rig, 0, 2);
    CHECK_OK(access_end(&accesses[0]));
    expect_read(rig, 3, 1);
    expect_silence(rig.port);
    supply(rig, 3, 1);
    CHECK_OK(access_end(&accesses[1]));

    rig_close(rig);
    rig = rig_create(4);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 3, 1);
    wait_until_asked(&accesses[1]);
    supply(rig, 3, 1);                          /* answered in line: its packet never comes */
    CHECK_OK(access_end(&accesses[1]));
    expect_read(rig, 0, 1);
    expect_silence(rig.port);
    supply(rig, 0, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(rig);
}

TEST(less_and_more_than_asked)
{
    struct rig rig = rig_create(8);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 2, 4);
    expect_read(rig, 2, 4);
    supply(rig, 4, 1);
    supply(rig, 3, 1);
    supply(rig, 5, 1);
    CHECK(is_waiting(&accesses[0]));            /* the page that it needs first is missing */
    expect_silence(rig.port);
    supply(rig, 0, 8);
    CHECK_OK(access_end(&accesses[0]));
    CHECK(access_read_content(&accesses[0]));
    CHECK(is_supplied(rig.vmo, 0, 8));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(nobody_has_to_ask)
{
    struct rig rig = rig_create(4);

    supply(rig, 0, 4);
    CHECK(is_supplied(rig.vmo, 0, 4));
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    expect_silence(rig.port);
    CHECK_EQ(touch(rig.vmo, VM_READ, 4 * PAGE_SIZE, toucher_load, 3 * PAGE_SIZE), content_of(3));
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(op_range_refuses)
{
    struct rig rig = rig_create(4);
    handle_t event = new_event(), other_pager = new_pager(), reader = reduced(rig.vmo, RIGHT_READ);
    handle_t unmanaged = with_rights(new_pager(), RIGHT_ATTACH_VMO);
    const uint64_t io = (uint64_t)(int64_t)ERR_IO, page = PAGE_SIZE;
    const uint32_t op = PAGER_OP_FAIL;

    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 1, page, io), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 0, 1, io), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(HANDLE_INVALID, op, rig.vmo, 0, page, io), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_op_range(event, op, rig.vmo, 0, page, io), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_op_range(unmanaged, op, rig.vmo, 0, page, io), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, HANDLE_INVALID, 0, page, io), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, event, 0, page, io), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, reader, 0, page, io), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_op_range(other_pager, op, rig.vmo, 0, page, io), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, 0, rig.vmo, 0, page, io), ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_pager_op_range(rig.pager, 99, rig.vmo, 0, page, io), ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 4 * page, page, io), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 0 - page, 2 * page, io),
                 ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 0, page, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 0, page, (uint32_t)ERR_IO),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 0, page,
                                    (uint64_t)(int64_t)ERR_NO_MEMORY),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, op, rig.vmo, 0, 0, 1), ERR_INVALID_ARGS);
    /* nobody waits: no effect */
    CHECK_OK(sys_pager_op_range(rig.pager, op, rig.vmo, 0, 4 * page, io));
    CHECK_OK(sys_pager_op_range(rig.pager, op, rig.vmo, 4 * page, 0, io));
    CHECK_OK(sys_handle_close(unmanaged));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(other_pager));
    CHECK_OK(sys_handle_close(event));
    rig_close(rig);
}

TEST(fail_reaches_who_waits_once)
{
    struct rig rig = rig_create(4);

    for (size_t i = 0; i < array_size(deliverable); i++) {
        access_start(&accesses[0], ACCESS_READ, rig.vmo, 1, 1);
        access_start(&accesses[1], ACCESS_WRITE, rig.vmo, 1, 1);
        wait_until_asked(&accesses[0]);
        wait_until_asked(&accesses[1]);
        expect_read(rig, 1, 1);
        fail(rig, 0, 4, deliverable[i]);
        CHECK_STATUS(access_end(&accesses[0]), deliverable[i]);
        CHECK_STATUS(access_end(&accesses[1]), deliverable[i]);
        expect_silence(rig.port);
    }
    COVERS("vmo_read", IO, BAD_STATE);
    COVERS("vmo_write", IO, BAD_STATE);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 1, 1);     /* nothing is remembered */
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(rig);
}

TEST(fail_reaches_operations)
{
    static const struct { uint32_t op; status_t expected; } ops[] = {
        { VMO_OP_COMMIT, ERR_IO }, { VMO_OP_PREFETCH, ERR_IO }, { VMO_OP_ALWAYS_NEED, OK },
    };
    struct rig rig = rig_create(4);

    for (size_t i = 0; i < array_size(ops); i++) {
        op_start(&accesses[0], ops[i].op, rig.vmo, 0, 2);
        expect_read(rig, 0, 2);
        fail(rig, 0, 2, ERR_IO);
        CHECK_STATUS(access_end(&accesses[0]), ops[i].expected);
    }
    op_start(&accesses[0], VMO_OP_ZERO, rig.vmo, 0, 1);
    CHECK_OK(access_end(&accesses[0]));                         /* whole pages need no content */
    COVERS("vmo_op_range", IO);
    rig_close(rig);
}

TEST(fail_behind_the_first_page_is_asked_again)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    expect_read(rig, 0, 3);
    fail(rig, 2, 1, ERR_IO);
    supply(rig, 0, 2);
    expect_read(rig, 2, 1);
    fail(rig, 2, 1, ERR_NO_SPACE);
    CHECK_STATUS(access_end(&accesses[0]), ERR_NO_SPACE);
    CHECK(accesses[0].buffer[0] == content_of(0) && accesses[0].buffer[PAGE_SIZE] == content_of(1));
    rig_close(rig);
}

TEST(fail_kills_who_touched_a_mapping)
{
    struct rig rig = rig_create(2);

    for (size_t i = 0; i < array_size(deliverable); i++) {
        struct tiny toucher = toucher_create(rig.vmo, VM_READ | VM_WRITE, 2 * PAGE_SIZE);

        toucher_start(toucher, i % 2 ? toucher_load : toucher_store, PAGE_SIZE);
        expect_read(rig, 1, 1);
        fail(rig, 1, 1, deliverable[i]);
        CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    }
    CHECK_EQ(committed(rig.vmo), 0);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
