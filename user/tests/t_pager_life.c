/*
 * t_pager_life.c: how the service ends: detach, the pager's or the port's end, the VMO's end, a
 * smaller size.
 *
 * Machine: cpus=4
 */
#include "pager_rig.h"
#include "toucher.h"

TEST(detach_refuses)
{
    struct rig rig = rig_create(1);
    handle_t event = new_event(), other_pager = new_pager(), plain = new_vmo(1);
    handle_t reader = reduced(rig.vmo, RIGHT_READ);
    handle_t unattached = with_rights(new_pager(), RIGHT_MANAGE_VMO);
    handle_t unmanaged = with_rights(new_pager(), RIGHT_ATTACH_VMO);

    CHECK_STATUS(sys_pager_detach_vmo(HANDLE_INVALID, rig.vmo), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_detach_vmo(event, rig.vmo), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_detach_vmo(unattached, rig.vmo), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_detach_vmo(unmanaged, rig.vmo), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, event), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, reader), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_detach_vmo(other_pager, rig.vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_detach_vmo(rig.pager, plain), ERR_INVALID_ARGS);
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(unmanaged));
    CHECK_OK(sys_handle_close(unattached));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(plain));
    CHECK_OK(sys_handle_close(other_pager));
    CHECK_OK(sys_handle_close(event));
    rig_close(rig);
}

TEST(detach_ends_the_waits)
{
    struct rig rig = rig_create(4);
    struct tiny toucher = toucher_create(rig.vmo, VM_READ, 4 * PAGE_SIZE);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_WRITE, rig.vmo, 0, 1);    /* chained to the first */
    access_start(&accesses[2], ACCESS_READ, rig.vmo, 1, 2);     /* in line behind it */
    op_start(&accesses[3], VMO_OP_ALWAYS_NEED, rig.vmo, 3, 1);
    for (unsigned i = 1; i < 4; i++)
        wait_until_asked(&accesses[i]);
    expect_read(rig, 0, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    for (unsigned i = 0; i < 3; i++)
        CHECK_STATUS(access_end(&accesses[i]), ERR_BAD_STATE);
    CHECK_OK(access_end(&accesses[3]));
    expect_complete(rig);
    toucher_start(toucher, toucher_load, PAGE_SIZE);
    CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));         /* once more: nothing happens */
    CHECK_OK(sys_handle_close(rig.vmo));
    expect_silence(rig.port);                                   /* one COMPLETE is all */
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(detach_keeps_what_was_written)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(1);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);
    char byte;

    supply(rig, 0, 3);
    memory[0] = 'd';
    CHECK_EQ(memory[PAGE_SIZE], content_of(1));
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_EQ(memory[0], 'd');
    CHECK_EQ(committed(rig.vmo), 1);                            /* the clean pages are gone */
    CHECK_STATUS(sys_vmo_read(rig.vmo, 0, &byte, PAGE_SIZE, 1), ERR_BAD_STATE);
    CHECK_STATUS(sys_vmo_read(rig.vmo, VMO_MAY_BLOCK, &byte, PAGE_SIZE, 1), ERR_BAD_STATE);
    CHECK_STATUS(sys_vmo_write(rig.vmo, VMO_MAY_BLOCK, &byte, PAGE_SIZE, 1), ERR_BAD_STATE);
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_COMMIT, PAGE_SIZE, 1, NULL, 0), ERR_BAD_STATE);
    CHECK_OK(sys_vmo_op_range(rig.vmo, VMO_OP_ALWAYS_NEED | VMO_OP_MAY_BLOCK, 0, 4 * PAGE_SIZE,
                              NULL, 0));
    CHECK(!is_readable(memory + PAGE_SIZE));
    vmo_fill(aux, 0, PAGE_SIZE, 'x');
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, rig.vmo, PAGE_SIZE, PAGE_SIZE, aux, 0),
                 ERR_BAD_STATE);
    CHECK_EQ(committed(aux), 0);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_FAIL, rig.vmo, 0, PAGE_SIZE,
                                    (uint64_t)(int64_t)ERR_IO),
                 ERR_BAD_STATE);
    expect_complete(rig);
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(aux));
    rig_close(rig);
}

TEST(the_last_pager_handle_ends_the_service)
{
    struct rig rig = rig_create(4);
    char byte = 0;

    supply(rig, 3, 1);
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 1, 1);
    wait_until_asked(&accesses[1]);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    CHECK_STATUS(access_end(&accesses[1]), ERR_BAD_STATE);
    /* the unread READ went, and no COMPLETE came */
    expect_silence(rig.port);
    CHECK(is_supplied(rig.vmo, 3, 1));
    CHECK_STATUS(sys_vmo_read(rig.vmo, VMO_MAY_BLOCK, &byte, 0, 1), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(rig.vmo));
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(an_unread_complete_goes_with_the_pager)
{
    struct rig rig = rig_create(1);
    handle_t moved;

    CHECK_OK(sys_handle_replace(rig.pager, RIGHT_SAME_RIGHTS, &moved));
    CHECK_OK(sys_pager_detach_vmo(moved, rig.vmo));
    CHECK_OK(sys_handle_close(moved));
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(a_dropped_vmo_completes)
{
    struct rig rig = rig_create(2);
    handle_t second = reduced(rig.vmo, RIGHT_READ);
    char *memory;

    supply(rig, 0, 1);
    memory = map_vmo(rig.vmo, VM_READ, 0, PAGE_SIZE);
    uint64_t vmos = live_vmos();
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(second));
    expect_silence(rig.port);                                   /* the mapping holds it */
    CHECK_EQ(memory[0], content_of(0));
    unmap(memory, PAGE_SIZE);
    expect_complete(rig);
    CHECK_EQ(live_vmos(), vmos - 1);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(a_closed_port_leaves_waiters_until_detach)
{
    struct rig rig = rig_create(4);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 1);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 2, 1);
    wait_until_asked(&accesses[0]);
    wait_until_asked(&accesses[1]);
    CHECK_OK(sys_handle_close(rig.port));
    access_start(&accesses[2], ACCESS_READ, rig.vmo, 3, 1);     /* asks in vain */
    wait_until_asked(&accesses[2]);
    supply(rig, 2, 1);                                          /* supply needs no port */
    CHECK_OK(access_end(&accesses[1]));
    CHECK(access_read_content(&accesses[1]));
    CHECK(is_waiting(&accesses[0]) && is_waiting(&accesses[2]));
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    CHECK_STATUS(access_end(&accesses[2]), ERR_BAD_STATE);
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.pager));
}

TEST(a_smaller_size_ends_waits_beyond_it)
{
    struct rig rig = rig_create(8);
    struct tiny toucher = toucher_create(rig.vmo, VM_READ, 8 * PAGE_SIZE);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 6, 1);
    wait_until_asked(&accesses[0]);
    access_start(&accesses[1], ACCESS_WRITE, rig.vmo, 7, 1);
    wait_until_asked(&accesses[1]);
    op_start(&accesses[2], VMO_OP_COMMIT, rig.vmo, 2, 3);       /* the last of it goes */
    wait_until_asked(&accesses[2]);
    toucher_start(toucher, toucher_load, 5 * PAGE_SIZE);
    expect_read(rig, 6, 1);
    expect_read(rig, 7, 1);
    expect_read(rig, 2, 3);
    expect_read(rig, 5, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, 4 * PAGE_SIZE));
    CHECK_STATUS(access_end(&accesses[0]), ERR_OUT_OF_RANGE);
    CHECK_STATUS(access_end(&accesses[1]), ERR_OUT_OF_RANGE);
    CHECK_EQ(toucher_result(toucher), EXIT_CODE_FAULT);
    CHECK(is_waiting(&accesses[2]));
    supply(rig, 2, 2);
    CHECK_OK(access_end(&accesses[2]));

    /* what grows is zero, and nobody is asked */
    CHECK_OK(sys_vmo_set_size(rig.vmo, 8 * PAGE_SIZE));
    CHECK(vmo_is_filled(rig.vmo, 4 * PAGE_SIZE, 4 * PAGE_SIZE, 0));
    supply(rig, 0, 8);
    CHECK(is_supplied(rig.vmo, 0, 4) && vmo_is_filled(rig.vmo, 4 * PAGE_SIZE, 4 * PAGE_SIZE, 0));
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- A pager in another process. --- */

/*
 * The helper: serve whoever asks through the channel; it sends its VMO first, and dies at the
 * first request.
 */
int test_helper(int argument_count, char **arguments)
{
    struct rig rig = rig_create(4);
    handle_t channel = start_handle(START_USER), sent;
    port_packet_t packet;

    (void)argument_count;
    supply(rig, 3, 1);
    if (sys_handle_duplicate(rig.vmo, RIGHT_SAME_RIGHTS, &sent) != OK ||
        sys_channel_write(channel, 0, NULL, 0, &sent, 1) != OK ||
        sys_port_wait(rig.port, DEADLINE_INFINITE, &packet) != OK)
        return 1;
    if (strcmp(arguments[1], "crash") == 0)
        __builtin_trap();
    return 23;
}

static void pager_process_dies(const char *how, int64_t expected_code)
{
    handle_t ours, theirs, vmo;
    uint32_t bytes, handles;
    uint64_t pagers = system_info().objects[OBJECT_PAGER];

    CHECK_OK(sys_channel_create(0, &ours, &theirs));
    handle_t process = start_helper(how, theirs);
    CHECK_OK(sys_object_wait_one(ours, SIGNAL_READABLE, after(PATIENCE), NULL));
    CHECK_OK(sys_channel_read(ours, 0, NULL, &vmo, 0, 1, &bytes, &handles));
    CHECK(is_supplied(vmo, 3, 1));
    access_start(&accesses[0], ACCESS_READ, vmo, 0, 1);
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    CHECK_EQ(exit_code_of(process), expected_code);
    access_start(&accesses[0], ACCESS_READ, vmo, 1, 1);
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    CHECK(is_supplied(vmo, 3, 1));
    CHECK_OK(sys_handle_close(vmo));
    CHECK(objects_come_down_to(OBJECT_PAGER, pagers));          /* it lived as long as its last VMO */
    CHECK_OK(sys_handle_close(ours));
}

TEST(a_pager_process_exits)
{
    pager_process_dies("exit", 23);
}

TEST(a_pager_process_crashes)
{
    pager_process_dies("crash", EXIT_CODE_FAULT);
}

/*
 * The pager's last handle goes while VMOs are made: the call succeeds or says so, and nothing
 * is left.
 */

struct race {
    handle_t pager, port;
    atomic_int ready;
    unsigned delay;
    status_t status;
};

static void create_in_race(void *argument)
{
    struct race *race = argument;
    handle_t vmo;

    atomic_fetch_add(&race->ready, 1);
    while (atomic_load(&race->ready) < 2)
        ;
    race->status = sys_pager_create_vmo(race->pager, 0, race->port, 1, PAGE_SIZE, &vmo);
    if (race->status == OK)
        sys_handle_close(vmo);
}

TEST(create_vmo_races_with_the_last_close)
{
    static struct raw_thread thread;
    static struct race race;
    uint64_t vmos;

    race.port = new_port();
    vmos = live_vmos();
    for (unsigned i = 0; i < 300; i++) {
        race.pager = new_pager();
        atomic_store(&race.ready, 0);
        raw_thread_start(&thread, create_in_race, &race);
        while (atomic_load(&race.ready) < 1)
            sys_nanosleep(0);
        atomic_fetch_add(&race.ready, 1);
        for (volatile unsigned wait = i * 4; wait > 0; wait--)
            ;
        CHECK_OK(sys_handle_close(race.pager));
        wait_for_end(thread.handle);
        CHECK(race.status == OK || race.status == ERR_BAD_HANDLE || race.status == ERR_BAD_STATE);
        COVERS("pager_create_vmo", BAD_STATE);
    }
    CHECK_EQ(live_vmos(), vmos);
    CHECK_OK(sys_handle_close(race.port));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
