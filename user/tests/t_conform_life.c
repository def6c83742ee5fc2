/*
 * t_conform_life.c: conformance, section 2.8: pager, port and VMO end.
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* --- 2.8: the pager's last handle. --- */

/* 2.8: last pager handle closed: all waiters are woken and get BAD_STATE. */
TEST(closing_the_pager_ends_waits)
{
    struct rig rig = rig_create(8);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(8));

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    expect_read(rig, 0, 2);
    ask(1, ACCESS_WRITE, rig.vmo, 1, 1);
    ask_op(2, VMO_OP_COMMIT, rig.vmo, 4, 1);
    touch_asks(3, ACCESS_LOAD, memory + AT(5));
    CLOSE(rig.pager);
    ENDS(0, ERR_BAD_STATE);
    ENDS(1, ERR_BAD_STATE);
    ENDS(2, ERR_BAD_STATE);
    expect_crash(3, ERR_BAD_STATE);
    expect_silence(rig.port);
    unmap((char *)memory, AT(8));
    CLOSE(rig.vmo, rig.port);
}

/* 2.8: last pager handle closed: all pages are kept and can be read, clean ones too. */
TEST(closing_the_pager_keeps_pages)
{
    struct rig rig = rig_supplied(4, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(4));

    memory[0] = 5;
    CLOSE(rig.pager);
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK(memory[0] == 5 && memory[AT(1)] == content_of(1));
    CHECK_EQ(byte_of(rig.vmo, 2), ERR_BAD_STATE);
    load_crashes(memory + AT(3), ERR_BAD_STATE);
    unmap((char *)memory, AT(4));
    CLOSE(rig.vmo, rig.port);
}

/* 2.8: last pager handle closed: nothing is delivered, then or when the VMO goes. */
TEST(closing_the_pager_sends_nothing)
{
    struct rig rig = rig_create(1);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    CLOSE(rig.pager);
    ENDS(0, ERR_BAD_STATE);
    expect_silence(rig.port);
    CLOSE(rig.vmo);
    expect_silence(rig.port);
    CLOSE(rig.port);
}

/* 2.8: last pager handle closed: it ends the service of all its VMOs, and of no other's. */
TEST(closing_one_pager_of_two)
{
    struct rig rig = rig_create(1), other = rig_create(1);
    handle_t second = new_pager_vmo(rig.pager, rig.port, 2, 1);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_READ, second, 0, 1);
    ask(2, ACCESS_READ, other.vmo, 0, 1);
    CLOSE(rig.pager);
    ENDS(0, ERR_BAD_STATE);
    ENDS(1, ERR_BAD_STATE);
    serve_read(other, 0, 1);
    ends_with_content(2);
    CLOSE(rig.vmo, rig.port, second);
    rig_close(other);
}

/* --- 2.8: the port. --- */

/* 2.8: port closed: waiters stay, whether their packet was read or not; later ones ask in vain. */
TEST(closing_the_port_keeps_waiters)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    CLOSE(rig.port);
    ask(2, ACCESS_READ, rig.vmo, 2, 1);
    for (unsigned i = 0; i < 3; i++)
        WAITS(i);
    supply(rig, 0, 4);                          /* supply still works, and wakes */
    for (unsigned i = 0; i < 3; i++)
        ends_with_content(i);
    CLOSE(rig.vmo, rig.pager);
}

/* 2.8: port closed: detach still unblocks, with BAD_STATE. */
TEST(detach_without_a_port)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    CLOSE(rig.port);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    ENDS(0, ERR_BAD_STATE);
    ENDS(1, ERR_BAD_STATE);
    CLOSE(rig.vmo, rig.pager);
}

/* 2.8: port closed: failing, and closing the pager, unblock too; pages are unaffected. */
TEST(the_end_without_a_port)
{
    struct rig rig = rig_supplied(3, 2, 1);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_READ, rig.vmo, 1, 1);
    CLOSE(rig.port);
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_IO);
    CLOSE(rig.pager);
    ENDS(1, ERR_BAD_STATE);
    CHECK(is_supplied(rig.vmo, 2, 1));
    CLOSE(rig.vmo);
}

/* --- 2.8: the VMO. --- */

/* 2.8: last reference gone: its pages are freed, dirty ones too, and one COMPLETE comes. */
TEST(the_last_handle_completes)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t second = reduced(rig.vmo, RIGHT_READ);
    int64_t before = frames_held();

    put_byte(rig.vmo, 0, 1);
    CLOSE(rig.vmo);
    expect_silence(rig.port);
    CLOSE(second);
    expect_complete(rig);
    CHECK_EQ(frames_held(), before - 4);
    expect_silence(rig.port);
    CLOSE(rig.pager, rig.port);
}

/* 2.8: a mapping is a reference. */
TEST(the_last_mapping_completes)
{
    struct rig rig = rig_supplied(1, 0, 1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    CLOSE(rig.vmo);
    expect_silence(rig.port);
    CHECK_EQ(memory[0], content_of(0));
    unmap((char *)memory, AT(1));
    expect_complete(rig);
    CLOSE(rig.pager, rig.port);
}

/* 2.8: so is a clone, which goes on asking. */
TEST(the_last_clone_completes)
{
    struct rig rig = rig_create(2), rootless = rig;
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    rootless.vmo = reduced(rig.vmo, RIGHT_WRITE);
    CLOSE(rig.vmo);
    ask(0, ACCESS_READ, clone, 0, 1);
    serve_read(rootless, 0, 1);
    ends_with_content(0);
    CLOSE(rootless.vmo);
    expect_silence(rig.port);
    CHECK_EQ(byte_of(clone, 0), content_of(0));
    CLOSE(clone);
    expect_complete(rig);
    CLOSE(rig.pager, rig.port);
}

/* 2.8: so is a stream. */
TEST(the_last_stream_completes)
{
    struct rig rig = rig_create(1);
    handle_t stream;

    CHECK_OK(sys_stream_create(STREAM_READ, rig.vmo, 0, &stream));
    CLOSE(rig.vmo);
    expect_silence(rig.port);
    CLOSE(stream);
    expect_complete(rig);
    CLOSE(rig.pager, rig.port);
}

/* 2.8: detach, then the VMO gone: still exactly one COMPLETE. */
TEST(detach_and_the_vmos_end_complete_once)
{
    for (unsigned read_between = 0; read_between < 2; read_between++) {
        struct rig rig = rig_create(1);

        CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
        if (read_between)
            expect_complete(rig);
        CLOSE(rig.vmo);
        if (!read_between)
            expect_complete(rig);
        expect_silence(rig.port);
        CLOSE(rig.pager, rig.port);
    }
}

/* 2.8: detach, then the pager closed: at most the one COMPLETE. */
TEST(detach_and_the_pagers_end_complete_once)
{
    for (unsigned read_between = 0; read_between < 2; read_between++) {
        struct rig rig = rig_create(1);

        CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
        if (read_between)
            expect_complete(rig);
        CLOSE(rig.pager);
        expect_silence(rig.port);
        CLOSE(rig.vmo, rig.port);
    }
}

/* 2.8: after COMPLETE the key is free: a new VMO may have it. */
TEST(a_key_can_be_used_again)
{
    struct rig rig = rig_create(1);

    for (unsigned round = 0; round < 3; round++) {
        CLOSE(rig.vmo);
        expect_complete(rig);
        rig.vmo = new_pager_vmo(rig.pager, rig.port, RIG_KEY, 1);
        ask(0, ACCESS_READ, rig.vmo, 0, 1);
        serve_read(rig, 0, 1);
        ends_with_content(0);
    }
    rig_close(rig);
}

/* 2.8: last pager handle closed: a COMPLETE still in the port is withdrawn. */
TEST(closing_the_pager_withdraws_complete)
{
    struct rig rig = rig_create(1);

    CLOSE(rig.vmo);
    CLOSE(rig.pager);
    expect_silence(rig.port);
    CLOSE(rig.port);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
