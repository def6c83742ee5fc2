/*
 * t_conform_waits.c: conformance, section 4.4: who waits for the pager, who does not; with the rule
 * of this system that calls on VMOs wait only if told to.
 *
 * Machine: cpus=4
 */
#include "conform.h"

/* --- Who waits. --- */

/* 4.4: waits: loads and stores through a mapping. */
TEST(mapped_accesses_wait)
{
    struct rig rig = rig_create(2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    touch_asks(0, ACCESS_LOAD, memory);
    touch_asks(1, ACCESS_STORE, memory + AT(1));
    supply(rig, 0, 2);
    CHECK_EQ(touch_end(0), content_of(0));
    touch_end(1);
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 4.4: waits: vmo_read and vmo_write that may block. */
TEST(reads_and_writes_wait)
{
    struct rig rig = rig_create(2);

    ask(0, ACCESS_READ, rig.vmo, 0, 1);
    ask(1, ACCESS_WRITE, rig.vmo, 1, 1);
    supply(rig, 0, 2);
    ends_with_content(0);
    ENDS(1, OK);
    rig_close(rig);
}

static struct {
    struct raw_thread thread;
    handle_t handle;
    bool write;
    size_t actual;
    status_t status;
    char bytes[PAGE_SIZE];
    char *buffer;
} caller;

static void caller_start(void (*function)(void *))
{
    caller.status = 1;
    raw_thread_start(&caller.thread, function, NULL);
    CHECK(comes_true(waits_for_pager, &caller.thread.handle));
}

static status_t caller_end(void)
{
    wait_for_end(caller.thread.handle);
    return caller.status;
}

static void use_stream(void *unused)
{
    (void)unused;
    caller.status = caller.write
        ? sys_stream_write(caller.handle, caller.bytes, sizeof caller.bytes, &caller.actual)
        : sys_stream_read(caller.handle, caller.bytes, sizeof caller.bytes, &caller.actual);
}

/* 4.4: waits: stream reads and writes, always. */
TEST(streams_wait)
{
    struct rig rig = rig_create(2);

    for (unsigned i = 0; i < 2; i++) {
        caller.write = i == 1;
        CHECK_OK(sys_stream_create(STREAM_READ | STREAM_WRITE, rig.vmo, AT(i), &caller.handle));
        caller_start(use_stream);
        serve_read(rig, i, 1);
        CHECK_OK(caller_end());
        CHECK_EQ(caller.actual, PAGE_SIZE);
        CLOSE(caller.handle);
    }
    rig_close(rig);
}

/* 4.4: waits: COMMIT, PREFETCH, ALWAYS_NEED, partial ZERO that may block. */
TEST(range_operations_wait)
{
    static const uint32_t ops[] = {
        VMO_OP_COMMIT, VMO_OP_PREFETCH, VMO_OP_ALWAYS_NEED, VMO_OP_ZERO,
    };
    struct rig rig = rig_create(4);

    for (unsigned i = 0; i < 4; i++) {
        accesses[i].op = ops[i];
        access_start_bytes(&accesses[i], ACCESS_OP, rig.vmo, AT(i) + 1, 1);
        wait_until_asked(&accesses[i]);
    }
    supply(rig, 0, 4);
    for (unsigned i = 0; i < 4; i++)
        ENDS(i, OK);
    rig_close(rig);
}

static void get_info(void *unused)
{
    (void)unused;
    caller.status = sys_object_get_info(caller.handle, INFO_VMO, caller.buffer,
                                        sizeof(info_vmo_t), NULL, NULL);
}

static void read_packet(void *unused)
{
    (void)unused;
    caller.status = sys_port_wait(caller.handle, DEADLINE_INFINITE,
                                  (port_packet_t *)caller.buffer);
}

/* 4.4: waits: a call's copy to a user buffer that is pager backed, whatever the call. */
TEST(copies_to_the_user_wait)
{
    struct rig rig = rig_create(2);
    port_packet_t packet = { .key = 77, .type = PKT_USER };

    caller.buffer = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));
    caller.handle = rig.vmo;
    caller_start(get_info);
    serve_read(rig, 0, 1);
    CHECK_OK(caller_end());
    CHECK_EQ(((info_vmo_t *)caller.buffer)->size_bytes, AT(2));

    caller.handle = new_port();
    caller.buffer += AT(1);
    CHECK_OK(sys_port_queue(caller.handle, &packet));
    caller_start(read_packet);
    serve_read(rig, 1, 1);
    CHECK_OK(caller_end());
    CHECK_EQ(((port_packet_t *)caller.buffer)->key, 77);
    unmap(caller.buffer - AT(1), AT(2));
    CLOSE(caller.handle);
    rig_close(rig);
}

/* 4.4: waits: a call's copy from a user buffer that is pager backed, though it may not block. */
TEST(copies_from_the_user_wait)
{
    struct rig rig = rig_create(1);
    handle_t plain = new_vmo(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    accesses[0].address = memory;
    access_start(&accesses[0], ACCESS_WRITE_FROM, plain, 0, 1);
    wait_until_asked(&accesses[0]);
    serve_read(rig, 0, 1);
    ENDS(0, OK);
    CHECK(page_is(plain, 0, content_of(0)));
    unmap((char *)memory, AT(1));
    CLOSE(plain);
    rig_close(rig);
}

/* 4.4: a buffer that fails is a bad buffer: INVALID_ARGS. */
TEST(a_buffer_that_fails)
{
    struct rig rig = rig_create(1);
    handle_t plain = new_vmo(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));

    accesses[0].address = memory;
    access_start(&accesses[0], ACCESS_WRITE_FROM, plain, 0, 1);
    expect_read(rig, 0, 1);
    fail(rig, 0, 1, ERR_IO);
    ENDS(0, ERR_INVALID_ARGS);
    unmap((char *)memory, AT(1));
    CLOSE(plain);
    rig_close(rig);
}

/* --- Who does not. --- */

/* 4.4: never waits: info, listings of mappings. */
TEST(info_does_not_wait)
{
    struct rig rig = rig_create(1);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(1));
    static info_map_t maps[64];
    size_t count, all;

    CHECK_EQ(vmo_info(rig.vmo).committed_bytes, 0);
    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, maps, sizeof maps, &count,
                                 &all));
    CHECK(count > 0);
    expect_silence(rig.port);
    unmap((char *)memory, AT(1));
    rig_close(rig);
}

/* 4.4: never waits: DONT_NEED, MAP_RANGE, DECOMMIT, whole-page ZERO, with leave to block or not. */
TEST(operations_that_do_not_wait)
{
    struct rig rig = rig_create(2);
    const uint32_t may_block = VMO_OP_MAY_BLOCK;

    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(range_op(rig.vmo, VMO_OP_DONT_NEED | may_block * i, 0, 2));
        CHECK_STATUS(range_op(rig.vmo, VMO_OP_DECOMMIT | may_block * i, 0, 2), ERR_NOT_SUPPORTED);
        CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO | may_block * i, i, 1));
    }
    unmap(map_vmo(rig.vmo, VM_READ | VM_MAP_RANGE, 0, AT(2)), AT(2));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.4: never waits: set_size on page boundaries; sizes are whole pages here. */
TEST(set_size_does_not_wait)
{
    struct rig rig = rig_create(4);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(2)));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1) + 7));
    CHECK_EQ(vmo_info(rig.vmo).size_bytes, AT(2));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(8)));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.4: never waits: making children. */
TEST(making_children_does_not_wait)
{
    struct rig rig = rig_fixed(2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    CLOSE(new_child(rig.vmo, VMO_CHILD_SLICE, 0, 1), new_child(clone, ON_WRITE, 0, 2),
          new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0), clone);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.4: never waits: all pager calls, while others wait for the same pages. */
TEST(pager_calls_do_not_wait)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(1);

    ask(0, ACCESS_READ, rig.vmo, 0, 4);
    CHECK_OK(try_supply(rig, 1, 1, aux, 0));
    CHECK_OK(try_fail(rig, 2, 1, ERR_IO));
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    ENDS(0, ERR_BAD_STATE);
    expect_complete(rig);
    CLOSE(aux);
    rig_close(rig);
}

/* --- Without leave to block: SHOULD_WAIT, no packet, nothing changed. --- */

/* 4.4: vmo_read without MAY_BLOCK. */
TEST(a_read_may_not_block)
{
    struct rig rig = rig_supplied(2, 0, 1);
    char bytes[2] = { 'a', 'b' };

    CHECK_STATUS(sys_vmo_read(rig.vmo, 0, bytes, AT(1), 2), ERR_SHOULD_WAIT);
    CHECK(bytes[0] == 'a' && bytes[1] == 'b');
    CHECK_OK(sys_vmo_read(rig.vmo, 0, bytes, 0, 2));
    CHECK_EQ(bytes[0], content_of(0));
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.4: vmo_write without MAY_BLOCK. */
TEST(a_write_may_not_block)
{
    struct rig rig = rig_supplied(2, 0, 1);

    CHECK_STATUS(try_write(rig.vmo, 1), ERR_SHOULD_WAIT);
    CHECK_OK(try_write(rig.vmo, 0));
    CHECK_EQ(committed(rig.vmo), 1);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.4: COMMIT, PREFETCH, ALWAYS_NEED and partial ZERO without MAY_BLOCK. */
TEST(range_operations_may_not_block)
{
    struct rig rig = rig_supplied(2, 0, 1);
    static const uint32_t ops[] = { VMO_OP_COMMIT, VMO_OP_PREFETCH, VMO_OP_ALWAYS_NEED };

    for (size_t i = 0; i < array_size(ops); i++) {
        CHECK_STATUS(range_op(rig.vmo, ops[i], 0, 2), ERR_SHOULD_WAIT);
        CHECK_OK(range_op(rig.vmo, ops[i], 0, 1));
    }
    CHECK_STATUS(sys_vmo_op_range(rig.vmo, VMO_OP_ZERO, AT(1) + 8, 8, NULL, 0), ERR_SHOULD_WAIT);
    CHECK(committed(rig.vmo) == 1 && vmo_info(rig.vmo).dirty_bytes == 0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.4: through a clone or a slice, likewise. */
TEST(children_may_not_block)
{
    struct rig rig = rig_fixed(2);
    handle_t children[] = {
        new_child(rig.vmo, ON_WRITE, 0, 2), new_child(rig.vmo, VMO_CHILD_SLICE, 0, 1),
        new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0),
    };

    for (size_t i = 0; i < array_size(children); i++) {
        CHECK_EQ(byte_of(children[i], 0), ERR_SHOULD_WAIT);
        CHECK_STATUS(try_write(children[i], 0), ERR_SHOULD_WAIT);
        CHECK_STATUS(range_op(children[i], VMO_OP_COMMIT, 0, 1), ERR_SHOULD_WAIT);
        CHECK_EQ(committed(children[i]), 0);
    }
    expect_silence(rig.port);
    close_all(children, array_size(children));
    rig_close(rig);
}

/* 4.4: mapping with COMMIT never blocks: SHOULD_WAIT, nothing is mapped. */
TEST(map_with_commit_may_not_block)
{
    struct rig rig = rig_create(2);
    uintptr_t at;

    CHECK_STATUS(sys_vm_map(process_self(), READ_WRITE | VM_COMMIT, 0, rig.vmo, 0, AT(2), &at),
                 ERR_SHOULD_WAIT);
    CHECK_EQ(vmo_info(rig.vmo).num_mappings, 0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* --- Partial work. --- */

/* 4.4: vmo_read copies the prefix that is there; on error it returns the error. */
TEST(a_read_copies_the_prefix)
{
    struct rig rig = rig_supplied(3, 0, 1);

    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    expect_read(rig, 1, 2);
    CHECK_EQ(*(volatile char *)&accesses[0].buffer[PAGE_SIZE - 1], content_of(0));
    fail(rig, 1, 2, ERR_IO);
    ENDS(0, ERR_IO);
    rig_close(rig);
}

/* 4.4: vmo_write: bytes that were written stay. */
TEST(a_write_keeps_the_prefix)
{
    struct rig rig = rig_supplied(3, 0, 1);

    memset(accesses[0].buffer, 88, AT(3));
    access_start(&accesses[0], ACCESS_WRITE, rig.vmo, 0, 3);
    expect_read(rig, 1, 2);
    fail(rig, 1, 2, ERR_IO);
    ENDS(0, ERR_IO);
    CHECK(page_is(rig.vmo, 0, 88));
    CHECK_EQ(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
