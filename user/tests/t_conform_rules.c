/*
 * t_conform_rules.c: conformance, section 0: the rules that matter most (1 to 7 and 10).
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* 0: rule 1: the pager acts on ranges; one answer completes all the requests it covers. */
TEST(one_range_answers_many_requests)
{
    struct rig rig = rig_create(8);

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    ask(1, ACCESS_WRITE, rig.vmo, 3, 1);
    ask_op(2, VMO_OP_COMMIT, rig.vmo, 5, 3);
    supply(rig, 0, 8);
    ends_with_content(0);
    ENDS(1, OK);
    ENDS(2, OK);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 0: rule 1: nothing is allocated per fault: waiting costs neither frames nor objects. */
TEST(a_waiting_fault_holds_no_page)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));
    int64_t before = frames_held();

    touch_asks(0, ACCESS_LOAD, memory);
    CHECK_EQ(frames_held(), before);
    CHECK_EQ(committed(rig.vmo), 0);
    serve_read(rig, 0, 1);
    CHECK_EQ(touch_end(0), content_of(0));
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 0: rule 2: the waiter looks everything up again: the mapping may have been replaced. */
TEST(the_waiter_sees_the_mapping_that_replaced_its_own)
{
    struct rig rig = rig_create(1);
    handle_t other = new_filled(1, 77);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));
    uintptr_t at;

    touch_asks(0, ACCESS_LOAD, memory);
    expect_read(rig, 0, 1);
    unmap((char *)memory, AT(1));
    CHECK_OK(sys_vm_map(process_self(), VM_READ | VM_FIXED, (uintptr_t)memory, other, 0, AT(1),
                        &at));
    supply(rig, 0, 1);
    CHECK_EQ(touch_end(0), 77);
    unmap((char *)memory, AT(1));
    CLOSE(other);
    rig_close(rig);
}

/* 0: rule 2: the mapping may be gone. */
TEST(the_waiter_finds_its_mapping_gone)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    touch_asks(0, ACCESS_LOAD, memory);
    expect_read(rig, 0, 1);
    unmap((char *)memory, AT(1));
    supply(rig, 0, 1);
    expect_crash(0, ERR_NOT_FOUND);
    rig_close(rig);
}

/* 0: rule 2: the mapping may have lost the permission. */
TEST(the_waiter_finds_its_mapping_read_only)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(1));

    touch_asks(0, ACCESS_STORE, memory);
    expect_read(rig, 0, 1);
    CHECK_OK(sys_vm_protect(process_self(), VM_READ, (uintptr_t)memory, AT(1)));
    supply(rig, 0, 1);
    expect_crash(0, ERR_ACCESS_DENIED);
    CHECK(is_supplied(rig.vmo, 0, 1));
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 0: rule 2: the VMO may have been resized: away and back, the new part reads as zeros. */
TEST(the_waiter_finds_the_vmo_resized)
{
    struct rig rig = rig_create(4);

    ask(0, ACCESS_READ, rig.vmo, 1, 1);
    ask(1, ACCESS_READ, rig.vmo, 3, 1);
    expect_read(rig, 1, 1);
    expect_read(rig, 3, 1);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(2)));
    ENDS(1, ERR_OUT_OF_RANGE);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(4)));
    WAITS(0);
    access_start(&accesses[1], ACCESS_READ, rig.vmo, 3, 1);
    ENDS(1, OK);
    CHECK_EQ(accesses[1].buffer[0], 0);
    supply(rig, 1, 1);
    ends_with_content(0);
    rig_close(rig);
}

/* 0: rule 3: supplying over existing content is ignored, without an error. */
TEST(supply_never_overwrites)
{
    struct rig rig = rig_supplied(4, 0, 2);
    handle_t aux = new_filled(4, 201);

    put_byte(rig.vmo, AT(1), 5);
    CHECK_OK(try_supply(rig, 0, 4, aux, 0));
    CHECK(is_supplied(rig.vmo, 0, 1));
    CHECK_EQ(byte_of(rig.vmo, 1), 5);
    CHECK(page_is(rig.vmo, 2, 201) && page_is(rig.vmo, 3, 201));
    CLOSE(aux);
    rig_close(rig);
}

/* 0: rule 4: supply needs no request. */
TEST(supply_needs_no_request)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK(is_supplied(rig.vmo, 0, 2));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 0: rule 4: supply may cover less than the request, and more. */
TEST(supply_covers_less_or_more)
{
    struct rig rig = rig_create(8);

    ask(0, ACCESS_READ, rig.vmo, 2, 3);
    expect_read(rig, 2, 3);
    supply(rig, 2, 1);
    supply(rig, 4, 1);
    WAITS(0);
    supply(rig, 0, 8);
    ends_with_content(0);
    CHECK(is_supplied(rig.vmo, 0, 8));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 0: rule 4: supply may come before the packet is read, which is then withdrawn. */
TEST(an_early_supply_withdraws_the_packet)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 2);
    supply(rig, 0, 2);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 0: rule 5: failing is an event, not a state: the next access asks again. */
TEST(a_failure_is_not_remembered)
{
    struct rig rig = rig_create(2);

    for (unsigned round = 0; round < 3; round++) {
        ask(0, ACCESS_READ, rig.vmo, 1, 1);
        expect_read(rig, 1, 1);
        fail(rig, 0, 2, ERR_IO);
        ENDS(0, ERR_IO);
    }
    ask(0, ACCESS_READ, rig.vmo, 1, 1);
    serve_read(rig, 1, 1);
    ends_with_content(0);
    rig_close(rig);
}

/* 0: rule 6: detach fails outstanding and future requests, drops clean pages, keeps dirty ones,
 * posts one COMPLETE. */
TEST(detach_in_one_view)
{
    struct rig rig = rig_supplied(4, 1, 2);

    put_byte(rig.vmo, AT(2), 9);
    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    ENDS(0, ERR_BAD_STATE);
    CHECK_EQ(byte_of(rig.vmo, 1), ERR_BAD_STATE);
    CHECK_EQ(byte_of(rig.vmo, 2), 9);
    CHECK_EQ(committed(rig.vmo), 1);
    expect_complete(rig);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 0: rule 7: the port holds at most one packet per VMO; taking it lets the next one in. */
TEST(one_packet_per_vmo)
{
    struct rig rig = rig_create(4);
    struct rig other = { rig.pager, rig.port, new_pager_vmo(rig.pager, rig.port, 2, 1) };

    for (unsigned i = 0; i < 3; i++)
        ask(i, ACCESS_READ, rig.vmo, i, 1);
    ask(3, ACCESS_READ, other.vmo, 0, 1);
    expect_read(rig, 0, 1);                 /* the busy VMO's second comes behind the other's */
    expect_packet(rig.port, 2, PAGER_VMO_READ, 0, 1);
    expect_read(rig, 1, 1);
    expect_read(rig, 2, 1);
    expect_silence(rig.port);
    supply(rig, 0, 3);
    supply(other, 0, 1);
    for (unsigned i = 0; i < 4; i++)
        ends_with_content(i);
    CLOSE(other.vmo);
    expect_packet(rig.port, 2, PAGER_VMO_COMPLETE, 0, 0);
    rig_close(rig);
}

/* 0: rule 10: a clone's reads go to the root's pager under the root's key and offsets. */
TEST(a_clone_reads_through_its_root)
{
    struct rig rig = rig_create(8);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 5, 2);

    ask(0, ACCESS_READ, clone, 0, 2);
    serve_read(rig, 5, 2);
    ENDS(0, OK);
    CHECK(accesses[0].buffer[0] == content_of(5) && accesses[0].buffer[AT(1)] == content_of(6));
    CLOSE(clone);
    rig_close(rig);
}

/* 0: rule 10: a clone's writes are never dirty-tracked. */
TEST(a_clones_writes_are_not_tracked)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    put_byte(clone, 0, 1);
    CHECK_EQ(vmo_info(rig.vmo).dirty_bytes, 0);
    CHECK_EQ(vmo_info(clone).dirty_bytes, 0);
    CHECK(is_supplied(rig.vmo, 0, 2));
    CLOSE(clone);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
