/*
 * t_writeback.c: pagers made with PAGER_WANTS_WRITEBACK: the packet that asks for write-back.
 *
 * Machine: cpus=4
 */
#include "writeback_rig.h"

#define RETRY SECOND                    /* until the kernel asks again a pager that does not answer */

/* --- The packet. --- */

TEST(dirty_pages_are_asked_for)
{
    struct rig rig = writeback_create(6, VMO_RESIZABLE);

    supply(rig, 0, 6);
    write_byte(rig, 1, 'a');
    write_byte(rig, 3, 'b');
    evict(ALL);
    expect_writeback(rig, 1, 3);            /* from the first to the last */
    expect_silence(rig.port);
    CHECK(dirty_is(rig, "1+1 3+1"));
    CHECK(committed(rig.vmo) == 2 && byte_of(rig.vmo, 1) == 'a' && byte_of(rig.vmo, 3) == 'b');
    rig_close(rig);
}

TEST(written_down_pages_go)
{
    struct rig rig = dirty_rig(4, 4, 0);

    CHECK_EQ(dirty_pages(rig.vmo), 4);
    evict(ALL);
    expect_writeback(rig, 0, 4);
    write_back(rig);
    CHECK(dirty_pages(rig.vmo) == 0 && committed(rig.vmo) == 4);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 0);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(nothing_dirty_nothing_asked)
{
    struct rig rig = dirty_rig(4, 2, 2);

    evict(ALL);
    expect_silence(rig.port);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(9)));     /* dirty zeros hold no memory */
    evict(ALL);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(pages_being_written_are_not_asked_for)
{
    struct rig rig = dirty_rig(4, 4, 0);

    begin(rig, 0, 3);
    write_byte(rig, 1, 'e');
    evict(ALL);
    expect_writeback(rig, 1, 3);            /* 1 and 3 are dirty, 0 and 2 await being clean */
    rig_close(rig);
}

TEST(who_did_not_ask_is_not_told)
{
    struct rig rig = rig_create(4);

    supply(rig, 0, 4);
    write_byte(rig, 2, 'd');
    evict(ALL);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(clones_and_slices_ask_for_nothing_of_their_own)
{
    struct rig rig = writeback_create(4, 0);
    handle_t slice, clone;

    supply(rig, 0, 4);
    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SLICE, AT(2), AT(2), &slice));
    CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, AT(4), &clone));
    CHECK_OK(sys_vmo_write(clone, VMO_MAY_BLOCK, "c", 0, 1));
    evict(ALL);
    expect_silence(rig.port);
    supply(rig, 3, 1);
    CHECK_OK(sys_vmo_write(slice, VMO_MAY_BLOCK, "s", AT(1), 1));
    evict(ALL);
    expect_writeback(rig, 3, 1);            /* the root's offsets */
    CHECK_OK(sys_handle_close(slice));
    CHECK_OK(sys_handle_close(clone));
    rig_close(rig);
}

/* --- Merging. --- */

TEST(unread_packets_merge)
{
    struct rig rig = writeback_create(8, VMO_RESIZABLE);

    supply(rig, 0, 8);
    write_byte(rig, 5, 'd');
    evict(ALL);
    supply(rig, 2, 2);
    write_byte(rig, 2, 'd');
    evict(ALL);                             /* page 3 goes */
    evict(ALL);
    expect_writeback(rig, 2, 4);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(vmos_do_not_merge)
{
    struct rig rig = dirty_rig(2, 1, 0), other = { rig.pager, rig.port, HANDLE_INVALID };
    port_packet_t packet;
    uint64_t keys = 0;

    other.vmo = new_pager_vmo(rig.pager, rig.port, 7, 2);
    supply(other, 0, 2);
    write_byte(other, 1, 'd');
    evict(ALL);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(sys_port_wait(rig.port, after(PATIENCE), &packet));
        CHECK_EQ(packet.page_request.command, PAGER_VMO_WRITEBACK);
        CHECK_EQ(packet.page_request.offset, packet.key == 7 ? AT(1) : 0);
        CHECK_EQ(packet.page_request.length, AT(1));
        keys += packet.key;
    }
    CHECK_EQ(keys, RIG_KEY + 7);
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(other.vmo));
    rig_close(rig);
}

/* --- Beside READ and DIRTY. --- */

TEST(an_unread_read_is_not_in_the_way)
{
    struct rig rig = dirty_rig(4, 1, 0);

    ask(0, ACCESS_READ, rig.vmo, 2, 1);
    evict(ALL);
    expect_read(rig, 2, 1);
    expect_writeback(rig, 0, 1);
    supply(rig, 2, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(rig);
}

TEST(an_unanswered_read_is_not_in_the_way)
{
    struct rig rig = dirty_rig(4, 1, 0);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 2, 1);
    expect_read(rig, 2, 1);
    evict(ALL);
    expect_writeback(rig, 0, 1);
    write_back(rig);
    CHECK(is_waiting(&accesses[0]));
    supply(rig, 2, 1);
    CHECK_OK(access_end(&accesses[0]));
    rig_close(rig);
}

TEST(an_unread_writeback_is_not_in_the_way)
{
    struct rig rig = dirty_rig(4, 1, 0);

    evict(ALL);
    ask(0, ACCESS_READ, rig.vmo, 2, 1);
    expect_writeback(rig, 0, 1);
    expect_read(rig, 2, 1);
    supply(rig, 2, 1);                      /* with the write-back open */
    CHECK_OK(access_end(&accesses[0]));
    write_back(rig);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(a_read_is_withdrawn_and_the_writeback_stays)
{
    struct rig rig = dirty_rig(4, 1, 0);

    ask(0, ACCESS_READ, rig.vmo, 2, 1);
    evict(ALL);
    supply(rig, 2, 1);
    CHECK_OK(access_end(&accesses[0]));
    expect_writeback(rig, 0, 1);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(dirty_requests_are_independent_too)
{
    struct rig rig = writeback_create(4, VMO_TRAP_DIRTY);

    supply(rig, 0, 2);
    pager_op(rig, PAGER_OP_DIRTY, 0, 1, 0);
    ask(0, ACCESS_WRITE, rig.vmo, 1, 1);
    evict(ALL);                             /* the clean page that is waited for goes */
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, 1, 1);
    expect_writeback(rig, 0, 1);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, AT(1), AT(1), 0), ERR_NOT_FOUND);
    expect_read(rig, 1, 1);
    supply(rig, 1, 1);
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, 1, 1);
    pager_op(rig, PAGER_OP_DIRTY, 1, 1, 0);
    CHECK_OK(access_end(&accesses[0]));
    CHECK_EQ(dirty_pages(rig.vmo), 2);
    rig_close(rig);
}

/* --- Again? --- */

TEST(not_asked_again_before_the_end)
{
    int64_t limit = after(PATIENCE);

    for (bool in_time = false; !in_time; ) {    /* on a host that is too slow for it the kernel asks again */
        struct rig rig = dirty_rig(4, 2, 0);
        int64_t since = sys_clock_get();
        port_packet_t packet;

        CHECK(since < limit);
        evict(ALL);
        expect_writeback(rig, 0, 2);
        evict(ALL);
        begin(rig, 0, 1);
        evict(ALL);
        status_t status = sys_port_wait(rig.port, 0, &packet);
        in_time = sys_clock_get() - since < RETRY;
        CHECK(!in_time || status == ERR_TIMED_OUT);
        end(rig, 0, 1);
        if (in_time) {
            evict(ALL);
            expect_writeback(rig, 1, 1);        /* that one is dirty still */
        }
        rig_close(rig);
    }
}

/* Until the port has a packet: when it came. */
static int64_t evict_until_asked(struct rig rig)
{
    int64_t limit = after(PATIENCE);
    port_packet_t packet;
    status_t status;

    do {
        CHECK(sys_clock_get() < limit);
        evict(ALL);
        status = sys_port_wait(rig.port, 0, &packet);
    } while (status == ERR_TIMED_OUT);
    CHECK_OK(status);
    CHECK_EQ(packet.page_request.command, PAGER_VMO_WRITEBACK);
    return sys_clock_get();
}

TEST(asked_again_after_a_while)
{
    struct rig rig = dirty_rig(4, 1, 0);
    int64_t since = sys_clock_get();

    expect_silence(rig.port);
    evict_until_asked(rig);
    CHECK(evict_until_asked(rig) - since >= RETRY);
    rig_close(rig);
}

TEST(asked_again_a_while_after_a_failure)
{
    static const int32_t failures[] = { VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_AGAIN };

    for (unsigned i = 0; i < array_size(failures); i++) {
        struct rig rig = dirty_rig(2, 1, 0);
        int64_t since = sys_clock_get();

        evict_until_asked(rig);
        begin(rig, 0, 1);
        CHECK_OK(try_end_with(rig, 0, 1, &failures[i]));
        CHECK(evict_until_asked(rig) - since >= RETRY);
        CHECK_EQ(byte_of(rig.vmo, 0), 'd');
        rig_close(rig);
    }
}

/* --- The end. --- */

TEST(detach_withdraws)
{
    struct rig rig = dirty_rig(4, 2, 0);

    evict(ALL);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    expect_complete(rig);
    evict(ALL);
    expect_silence(rig.port);               /* nothing after COMPLETE, though pages are dirty */
    CHECK(dirty_is(rig, "0+2"));
    rig_close(rig);
}

TEST(nothing_after_an_unread_complete)
{
    struct rig rig = dirty_rig(4, 2, 0);

    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    evict(ALL);
    expect_complete(rig);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(complete_behind_a_read_packet)
{
    struct rig rig = dirty_rig(4, 2, 0);

    ask(0, ACCESS_READ, rig.vmo, 3, 1);
    evict(ALL);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_STATUS(access_end(&accesses[0]), ERR_BAD_STATE);
    expect_complete(rig);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(the_end_of_the_vmo_withdraws)
{
    struct rig rig = dirty_rig(4, 2, 0);

    evict(ALL);
    CHECK_OK(sys_handle_close(rig.vmo));
    expect_complete(rig);
    expect_silence(rig.port);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(closing_the_pager_withdraws)
{
    struct rig rig = dirty_rig(4, 2, 0);

    evict(ALL);
    CHECK_OK(sys_handle_close(rig.pager));
    expect_silence(rig.port);
    evict(ALL);
    expect_silence(rig.port);
    CHECK(byte_of(rig.vmo, 0) == 'd' && byte_of(rig.vmo, 1) == 'd');
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(a_closed_port_is_not_asked)
{
    struct rig rig = dirty_rig(4, 2, 0);

    evict(ALL);
    CHECK_OK(sys_handle_close(rig.port));
    evict(ALL);
    write_back(rig);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.pager));
}

/* The packet may name what is no more there: who answers hears of it. */
TEST(a_shrink_under_the_packet)
{
    struct rig rig = dirty_rig(4, 4, 2);

    evict(ALL);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1)));
    expect_writeback(rig, 2, 2);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_BEGIN, rig.vmo, AT(2), AT(2), 0), ERR_OUT_OF_RANGE);
    CHECK_EQ(dirty_pages(rig.vmo), 0);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
