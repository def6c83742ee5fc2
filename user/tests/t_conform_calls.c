/*
 * t_conform_calls.c: conformance, sections 1.0 (order of the checks, ownership, rights), 1.1 and
 * 1.2 (making pagers and their VMOs).
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* --- The calls that name a pager and one of its VMOs; their other arguments are right. --- */

enum { CALL_DETACH, CALL_SUPPLY, CALL_FAIL, CALLS };

static handle_t aux;

static status_t call(unsigned number, handle_t pager, handle_t vmo)
{
    switch (number) {
    case CALL_DETACH:
        return sys_pager_detach_vmo(pager, vmo);
    case CALL_SUPPLY:
        return sys_pager_supply_pages(pager, vmo, 0, AT(1), aux, 0);
    default:
        return sys_pager_op_range(pager, PAGER_OP_FAIL, vmo, 0, AT(1), DELIVERED(ERR_IO));
    }
}

/* All of them answer this, and nothing happens. */
static void all_refuse(struct rig rig, handle_t pager, handle_t vmo, status_t expected)
{
    aux = new_filled(1, 'a');
    for (unsigned i = 0; i < CALLS; i++)
        CHECK_STATUS(call(i, pager, vmo), expected);
    CHECK(page_is(aux, 0, 'a'));
    CHECK_EQ(committed(rig.vmo), 0);
    expect_silence(rig.port);
    CLOSE(aux);
}

/* 1.0: check 1, alignment, comes before the handles. */
TEST(alignment_is_checked_before_handles)
{
    const uint64_t io = DELIVERED(ERR_IO);

    CHECK_STATUS(sys_pager_supply_pages(HANDLE_INVALID, HANDLE_INVALID, 1, 0, HANDLE_INVALID, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(HANDLE_INVALID, HANDLE_INVALID, 0, 1, HANDLE_INVALID, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(HANDLE_INVALID, HANDLE_INVALID, 0, 0, HANDLE_INVALID, 1),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(HANDLE_INVALID, 99, HANDLE_INVALID, 1, 0, io),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(HANDLE_INVALID, 99, HANDLE_INVALID, 0, 1, io),
                 ERR_INVALID_ARGS);
}

/* 1.0: check 2: the pager handle is invalid, not a pager, or lacks the right. */
TEST(the_pager_handle_is_checked)
{
    struct rig rig = rig_create(1);
    handle_t weak = with_rights(new_pager(), RIGHT_TRANSFER | RIGHT_INSPECT);

    all_refuse(rig, HANDLE_INVALID, rig.vmo, ERR_BAD_HANDLE);
    all_refuse(rig, rig.vmo, rig.vmo, ERR_WRONG_TYPE);
    all_refuse(rig, weak, rig.vmo, ERR_ACCESS_DENIED);
    CLOSE(weak);
    rig_close(rig);
}

/* 1.0: check 2 comes before check 3: of two wrong handles the pager's decides. */
TEST(the_pager_handle_is_checked_before_the_vmo_handle)
{
    struct rig rig = rig_create(1);
    handle_t weak = with_rights(new_pager(), RIGHT_TRANSFER);

    all_refuse(rig, rig.port, HANDLE_INVALID, ERR_WRONG_TYPE);
    all_refuse(rig, weak, HANDLE_INVALID, ERR_ACCESS_DENIED);
    all_refuse(rig, HANDLE_INVALID, rig.port, ERR_BAD_HANDLE);
    CLOSE(weak);
    rig_close(rig);
}

/* 1.0: check 3: the VMO handle is invalid, not a VMO, or lacks WRITE. */
TEST(the_vmo_handle_is_checked)
{
    struct rig rig = rig_create(1);
    handle_t reader = reduced(rig.vmo, RIGHT_READ | RIGHT_MAP);

    all_refuse(rig, rig.pager, HANDLE_INVALID, ERR_BAD_HANDLE);
    all_refuse(rig, rig.pager, rig.port, ERR_WRONG_TYPE);
    all_refuse(rig, rig.pager, reader, ERR_ACCESS_DENIED);
    CLOSE(reader);
    rig_close(rig);
}

/* 1.0: check 3 comes before check 4: a foreign VMO without WRITE is ACCESS_DENIED. */
TEST(rights_are_checked_before_ownership)
{
    struct rig rig = rig_create(1);
    handle_t foreign = with_rights(new_vmo(1), RIGHT_READ);

    all_refuse(rig, rig.pager, foreign, ERR_ACCESS_DENIED);
    CLOSE(foreign);
    rig_close(rig);
}

/* 1.0: check 4: an anonymous VMO has no pager. */
TEST(an_anonymous_vmo_is_foreign)
{
    struct rig rig = rig_create(1);
    handle_t plain = new_vmo(1);

    all_refuse(rig, rig.pager, plain, ERR_INVALID_ARGS);
    CLOSE(plain);
    rig_close(rig);
}

/* 1.0: check 4: so is a clone of one of the pager's VMOs. */
TEST(a_clone_is_foreign)
{
    struct rig rig = rig_create(1);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 1);

    all_refuse(rig, rig.pager, clone, ERR_INVALID_ARGS);
    CLOSE(clone);
    rig_close(rig);
}

/* 1.0: check 4: so is a slice. */
TEST(a_slice_is_foreign)
{
    struct rig rig = rig_fixed(2);
    handle_t slice = new_child(rig.vmo, VMO_CHILD_SLICE, 0, 1);

    all_refuse(rig, rig.pager, slice, ERR_INVALID_ARGS);
    CLOSE(slice);
    rig_close(rig);
}

/* 1.0: check 4: so is a reference, which is a child of its own here. */
TEST(a_reference_is_foreign)
{
    struct rig rig = rig_create(1);
    handle_t reference = new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0);

    all_refuse(rig, rig.pager, reference, ERR_INVALID_ARGS);
    CLOSE(reference);
    rig_close(rig);
}

/* 1.0: check 4: a VMO of another pager, even on the same port with the same key. */
TEST(another_pagers_vmo_is_foreign)
{
    struct rig rig = rig_create(1);
    handle_t other = new_pager();

    all_refuse(rig, other, rig.vmo, ERR_INVALID_ARGS);
    CLOSE(other);
    rig_close(rig);
}

/* 1.0: check 4: a VMO whose pager was closed, and a pager made afterwards. */
TEST(a_later_pager_does_not_inherit)
{
    struct rig rig = rig_create(1);

    CLOSE(rig.pager);
    rig.pager = new_pager();
    all_refuse(rig, rig.pager, rig.vmo, ERR_INVALID_ARGS);
    rig_close(rig);
}

/* 1.0: check 4 comes before check 5: a foreign VMO decides over an invalid aux. */
TEST(ownership_is_checked_before_aux)
{
    struct rig rig = rig_create(1);
    handle_t plain = new_vmo(1);

    CHECK_STATUS(sys_pager_supply_pages(rig.pager, plain, 0, AT(1), HANDLE_INVALID, 0),
                 ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_supply_pages(rig.pager, plain, 0, AT(1), rig.port, 0),
                 ERR_INVALID_ARGS);
    CLOSE(plain);
    rig_close(rig);
}

/* 1.0: check 5: the aux handle is invalid, not a VMO, or lacks READ or WRITE. */
TEST(the_aux_handle_is_checked)
{
    struct rig rig = rig_create(1);
    handle_t plain = new_vmo(1);
    handle_t reader = reduced(plain, RIGHT_READ), writer = reduced(plain, RIGHT_WRITE);

    CHECK_STATUS(try_supply(rig, 0, 1, HANDLE_INVALID, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(try_supply(rig, 0, 1, rig.port, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(try_supply(rig, 0, 1, reader, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(try_supply(rig, 0, 1, writer, 0), ERR_ACCESS_DENIED);
    CLOSE(plain, reader, writer);
    rig_close(rig);
}

/* 1.0: check 5 comes before check 6: an invalid aux decides over a bad range. */
TEST(aux_is_checked_before_the_range)
{
    struct rig rig = rig_create(1);

    CHECK_STATUS(try_supply(rig, 5, 1, HANDLE_INVALID, 0), ERR_BAD_HANDLE);
    rig_close(rig);
}

/* 1.0: check 4 comes before check 6: a foreign VMO decides over op, data and range. */
TEST(ownership_is_checked_before_the_operation)
{
    struct rig rig = rig_create(1);
    struct rig foreign = { rig.pager, rig.port, new_vmo(1) };

    CHECK_STATUS(try_op(foreign, 99, 0, 1, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(try_op(foreign, PAGER_OP_FAIL, 7, 1, DELIVERED(ERR_IO)), ERR_INVALID_ARGS);
    CLOSE(foreign.vmo);
    rig_close(rig);
}

/* --- Rights. --- */

/* 1.0: a new pager handle carries TRANSFER, INSPECT, ATTACH_VMO and MANAGE_VMO. */
TEST(the_rights_of_a_new_pager)
{
    handle_t pager = new_pager(), copy;

    CHECK_EQ(rights_of(pager),
             RIGHT_TRANSFER | RIGHT_INSPECT | RIGHT_ATTACH_VMO | RIGHT_MANAGE_VMO);
    CHECK_STATUS(sys_handle_duplicate(pager, RIGHT_SAME_RIGHTS, &copy), ERR_ACCESS_DENIED);
    CLOSE(pager);
}

/* 1.0: create_vmo needs ATTACH_VMO of the pager and WRITE of the port, no more and no less. */
TEST(rights_of_create_vmo)
{
    handle_t attaching = with_rights(new_pager(), RIGHT_ATTACH_VMO), port = new_port();
    handle_t managing = with_rights(new_pager(), RIGHT_MANAGE_VMO);
    handle_t writer = reduced(port, RIGHT_WRITE), reader = reduced(port, RIGHT_READ), vmo;

    CHECK_STATUS(sys_pager_create_vmo(managing, 0, writer, 1, AT(1), &vmo), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_pager_create_vmo(attaching, 0, reader, 1, AT(1), &vmo), ERR_ACCESS_DENIED);
    CHECK_OK(sys_pager_create_vmo(attaching, 0, writer, 1, AT(1), &vmo));
    CLOSE(attaching, managing, writer, reader, port, vmo);
}

/* 1.0: detach_vmo needs ATTACH_VMO and MANAGE_VMO of the pager, WRITE of the VMO. */
TEST(rights_of_detach_vmo)
{
    static const rights_t missing[] = { RIGHT_ATTACH_VMO, RIGHT_MANAGE_VMO };

    for (unsigned i = 0; i < 2; i++) {
        struct rig rig = rig_create(1);

        rig.pager = with_rights(rig.pager, missing[i]);
        CHECK_STATUS(sys_pager_detach_vmo(rig.pager, rig.vmo), ERR_ACCESS_DENIED);
        rig_close(rig);
    }
    struct rig rig = rig_create(1);
    handle_t writer = reduced(rig.vmo, RIGHT_WRITE);
    rig.pager = with_rights(rig.pager, RIGHT_ATTACH_VMO | RIGHT_MANAGE_VMO);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, writer));
    CLOSE(writer);
    rig_close(rig);
}

/* 1.0: supply_pages and op_range need MANAGE_VMO of the pager, WRITE of the VMO, READ and WRITE
 * of aux. */
TEST(rights_of_supply_and_op_range)
{
    struct rig rig = rig_create(2), narrow = rig;
    handle_t plain = new_filled(1, 'a'), both = reduced(plain, RIGHT_READ | RIGHT_WRITE);

    rig.pager = narrow.pager = with_rights(rig.pager, RIGHT_MANAGE_VMO);
    narrow.vmo = reduced(rig.vmo, RIGHT_WRITE);
    CHECK_OK(try_supply(narrow, 0, 1, both, 0));
    CHECK_OK(try_fail(narrow, 0, 1, ERR_IO));
    CHECK(page_is(rig.vmo, 0, 'a'));
    CLOSE(plain, both, narrow.vmo);
    rig_close(rig);
}

/* 1.0: the numbers of packets, commands, operations and options are the known ones. */
TEST(numbers)
{
    CHECK(PKT_PAGE_REQUEST == 9 && sizeof(port_packet_t) == 48);
    CHECK(PAGER_VMO_READ == 0 && PAGER_VMO_COMPLETE == 1 && PAGER_VMO_DIRTY == 2);
    CHECK(PAGER_OP_FAIL == 1 && PAGER_OP_DIRTY == 2);
    CHECK(PAGER_OP_WRITEBACK_BEGIN == 3 && PAGER_OP_WRITEBACK_END == 4);
    CHECK(VMO_RESIZABLE == 1 << 1 && VMO_TRAP_DIRTY == 1 << 3 && VMO_OP_COMMIT == 1);
    CHECK(VMO_OP_DECOMMIT == 2 && VMO_OP_ZERO == 10 && VMO_OP_DONT_NEED == 12);
    CHECK(VMO_OP_ALWAYS_NEED == 13 && VMO_OP_PREFETCH == 14);
    CHECK(VMO_CHILD_SNAPSHOT == 1 << 0 && VMO_CHILD_RESIZABLE == 1 << 2);
    CHECK(VMO_CHILD_SLICE == 1 << 3 && VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE == 1 << 4);
    CHECK(VMO_CHILD_NO_WRITE == 1 << 5 && VMO_CHILD_REFERENCE == 1 << 6);
}

/* --- Making pagers. --- */

/* 1.1: unknown options are INVALID_ARGS (bit 0 is this system's PAGER_WANTS_WRITEBACK). */
TEST(pager_create_refuses_unknown_options)
{
    handle_t pager;

    for (unsigned bit = 1; bit < 32; bit++)
        CHECK_STATUS(sys_pager_create(1u << bit, &pager), ERR_INVALID_ARGS);
}

/* 1.1: an unwritable result is INVALID_ARGS, and no pager is left. */
TEST(pager_create_refuses_bad_results)
{
    uint64_t pagers = system_info().objects[OBJECT_PAGER];

    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_pager_create(0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(system_info().objects[OBJECT_PAGER], pagers);
}

/* --- Making VMOs. --- */

static status_t try_create(uint32_t options, uint64_t size)
{
    handle_t pager = new_pager(), port = new_port(), vmo = HANDLE_INVALID;
    status_t status = sys_pager_create_vmo(pager, options, port, 1, size, &vmo);

    if (status == OK)
        CLOSE(vmo);
    CLOSE(pager, port);
    return status;
}

/* 1.2: only RESIZABLE and TRAP_DIRTY are options: DISCARDABLE, UNBOUNDED and unknown ones are
 * INVALID_ARGS. */
TEST(create_vmo_refuses_unknown_options)
{
    CHECK_OK(try_create(VMO_RESIZABLE, AT(1)));
    for (unsigned bit = 0; bit < 32; bit++)
        if (!((VMO_RESIZABLE | VMO_TRAP_DIRTY) & 1u << bit)) {
            CHECK_STATUS(try_create(1u << bit, AT(1)), ERR_INVALID_ARGS);
            CHECK_STATUS(try_create(1u << bit | VMO_RESIZABLE, AT(1)), ERR_INVALID_ARGS);
        }
}

/* 1.2: sys_vmo_create itself refuses TRAP_DIRTY. */
TEST(vmo_create_refuses_trap_dirty)
{
    handle_t vmo;

    CHECK_STATUS(sys_vmo_create(AT(1), VMO_TRAP_DIRTY, &vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create(AT(1), VMO_TRAP_DIRTY | VMO_RESIZABLE, &vmo), ERR_INVALID_ARGS);
}

/* 1.2: the size is rounded up to a page; 0 is legal. */
TEST(sizes_are_rounded_up)
{
    static const struct { uint64_t size, pages; } sizes[] = {
        { 0, 0 }, { 1, 1 }, { PAGE_SIZE - 1, 1 }, { PAGE_SIZE, 1 }, { PAGE_SIZE + 1, 2 },
    };
    handle_t pager = new_pager(), port = new_port(), vmo;

    for (size_t i = 0; i < array_size(sizes); i++) {
        CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, sizes[i].size, &vmo));
        CHECK_EQ(vmo_info(vmo).size_bytes, AT(sizes[i].pages));
        CHECK_EQ(vmo_info(vmo).content_size, sizes[i].size);
        CLOSE(vmo);
    }
    CLOSE(pager, port);
}

/* 1.2: a size that overflows when rounded, or is above the maximum, is OUT_OF_RANGE. */
TEST(sizes_have_a_limit)
{
    CHECK_STATUS(try_create(0, UINT64_MAX), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_create(0, UINT64_MAX - PAGE_SIZE + 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_create(VMO_RESIZABLE, VMO_SIZE_MAX + 1), ERR_OUT_OF_RANGE);
    CHECK_OK(try_create(0, VMO_SIZE_MAX));
}

/* 1.2: of the port handle too: invalid, not a port, lacks WRITE. */
TEST(the_port_handle_is_checked)
{
    handle_t pager = new_pager(), port = new_port(), reader = reduced(port, RIGHT_READ);
    handle_t plain = new_vmo(1), vmo;

    CHECK_STATUS(sys_pager_create_vmo(pager, 0, HANDLE_INVALID, 1, AT(1), &vmo), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, plain, 1, AT(1), &vmo), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_pager_create_vmo(pager, 0, reader, 1, AT(1), &vmo), ERR_ACCESS_DENIED);
    CLOSE(pager, port, reader, plain);
}

/* 1.2: the rights are those of an ordinary VMO, with RESIZE only if it is RESIZABLE. */
TEST(the_rights_of_a_new_vmo)
{
    struct rig fixed = rig_fixed(1), resizable = rig_create(1);
    handle_t plain = new_vmo(1), plain_resizable = new_resizable_vmo(1);

    CHECK_EQ(rights_of(fixed.vmo), rights_of(plain));
    CHECK_EQ(rights_of(resizable.vmo), rights_of(plain_resizable));
    CHECK_EQ(rights_of(resizable.vmo), rights_of(fixed.vmo) | RIGHT_RESIZE);
    CLOSE(plain, plain_resizable);
    rig_close(fixed);
    rig_close(resizable);
}

/* 1.2: ZERO_CHILDREN works as usual. */
TEST(zero_children_works)
{
    struct rig rig = rig_create(1);

    CHECK(childless(rig.vmo));
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 1);
    CHECK(!childless(rig.vmo));
    CLOSE(clone);
    CHECK(childless(rig.vmo));
    rig_close(rig);
}

/* 1.2: one port serves many VMOs; the kernel does not interpret the key, which may even repeat. */
TEST(keys_are_not_interpreted)
{
    static const uint64_t keys[] = { 0, UINT64_MAX, 7, 7 };
    handle_t pager = new_pager(), port = new_port(), vmos[4];

    for (unsigned i = 0; i < 4; i++) {
        vmos[i] = new_pager_vmo(pager, port, keys[i], 8);
        ask(i, ACCESS_READ, vmos[i], i, 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct rig rig = { pager, port, vmos[i] };

        expect_packet(port, keys[i], PAGER_VMO_READ, i, 1);
        supply(rig, i, 1);
        ends_with_content(i);
    }
    close_all(vmos, 4);
    CLOSE(pager, port);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
