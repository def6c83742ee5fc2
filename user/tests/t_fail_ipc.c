/*
 * t_fail_ipc.c: memory runs out (see fail.h) in channels, ports, pipes and devices.
 *
 * Machine: cpus=4
 */
#include "fail.h"

/* --- Channels, ports, pipes. --- */

static void prepare_message(void)
{
    CHECK_OK(sys_channel_create(0, &held[0], &held[1]));
    for (int i = 0; i < 2; i++)
        made[i] = new_event();
}

static status_t send_small(void)
{
    return sys_channel_write(held[0], 0, page, 100, made, 2);
}

static status_t send_large(void)
{
    return sys_channel_write(held[0], 0, page, sizeof page, made, 2);
}

/* Sent or not, the handles have left. */
static void undo_message(status_t status)
{
    (void)status;
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(sys_handle_close(made[i]), ERR_BAD_HANDLE);
        made[i] = HANDLE_INVALID;
    }
    close_held();
}

TEST(messages)
{
    try(&(struct attempt){ prepare_message, send_small, undo_message }, 1);
    try(&(struct attempt){ prepare_message, send_large, undo_message }, 5);
}

static void prepare_message_from_fresh(void)
{
    uintptr_t at;

    prepare_message();
    held[2] = new_vmo(4);
    CHECK_OK(sys_vmo_write(held[2], 0, made, PAGE_SIZE, sizeof made));
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[2], 0, 4 * PAGE_SIZE, &at));
}

static status_t send_from_fresh(void)
{
    return sys_channel_write(held[0], 0, (void *)FAR, PAGE_SIZE, (handle_t *)(FAR + PAGE_SIZE), 2);
}

/* While their list could not be read the handles stayed. */
static void undo_message_from_fresh(status_t status)
{
    status_t closed = sys_handle_close(made[0]);

    CHECK(closed == ERR_BAD_HANDLE || (closed == OK && status == ERR_NO_MEMORY));
    CHECK_STATUS(sys_handle_close(made[1]), closed);
    unmap((void *)FAR, 4 * PAGE_SIZE);
    undo_message(status);
}

TEST(messages_from_memory_that_is_not_there_yet)
{
    try(&(struct attempt){ prepare_message_from_fresh, send_from_fresh, undo_message_from_fresh }, 2);
}

static void prepare_receive(void)
{
    uintptr_t at;

    prepare_message();
    CHECK_OK(send_large());
    held[2] = new_vmo(16);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[2], 0, 16 * PAGE_SIZE, &at));
    made[0] = made[1] = HANDLE_INVALID;
}

static status_t receive(void)
{
    return sys_channel_read(held[1], 0, (void *)FAR, (handle_t *)(FAR + 8 * PAGE_SIZE), sizeof page, 2,
                            (uint32_t *)(FAR + 9 * PAGE_SIZE), (uint32_t *)(FAR + 10 * PAGE_SIZE));
}

/* A message that could not be taken is still there. */
static void undo_receive(status_t status)
{
    if (status != OK)
        CHECK_OK(receive());
    CHECK_EQ(*(uint32_t *)(FAR + 9 * PAGE_SIZE), sizeof page);
    CHECK(memcmp((void *)FAR, page, sizeof page) == 0);
    for (int i = 0; i < 2; i++)
        CHECK_OK(sys_handle_close(((handle_t *)(FAR + 8 * PAGE_SIZE))[i]));
    unmap((void *)FAR, 16 * PAGE_SIZE);
    close_held();
}

TEST(messages_received)
{
    try(&(struct attempt){ prepare_receive, receive, undo_receive }, 8);
}

/* Answers each call with its own bytes and a new handle, until the channel closes. */
static void answer(void *channel)
{
    static char bytes[sizeof page];
    handle_t end = *(handle_t *)channel, event;
    uint32_t length, handles;

    while (sys_object_wait_one(end, SIGNAL_READABLE | SIGNAL_PEER_CLOSED, DEADLINE_INFINITE, NULL) == OK &&
           sys_channel_read(end, 0, bytes, NULL, sizeof bytes, 0, &length, &handles) == OK) {
        event = new_event();
        CHECK_OK(sys_channel_write(end, 0, bytes, length, &event, 1));
    }
    CHECK_OK(sys_handle_close(end));
}

static void prepare_call(void)
{
    uintptr_t at;

    held[1] = new_vmo(16);
    CHECK_OK(sys_vm_map(process_self(), READ_WRITE | VM_FIXED, FAR, held[1], 0, 16 * PAGE_SIZE, &at));
}

static status_t call_server(void)
{
    const channel_call_args_t arguments = {
        .wr_bytes = page, .wr_num_bytes = sizeof page,
        .rd_bytes = (void *)FAR, .rd_num_bytes = sizeof page,
        .rd_handles = (handle_t *)(FAR + 8 * PAGE_SIZE), .rd_num_handles = 1,
    };
    uint32_t length, handles;

    return sys_channel_call(held[0], 0, DEADLINE_INFINITE, &arguments, &length, &handles);
}

static void undo_call(status_t status)
{
    if (status == OK)
        CHECK_OK(sys_handle_close(*(handle_t *)(FAR + 8 * PAGE_SIZE)));
    unmap((void *)FAR, 16 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(held[1]));
    held[1] = HANDLE_INVALID;
}

TEST(calls)
{
    handle_t server, thread;

    CHECK_OK(sys_channel_create(0, &held[0], &server));
    CHECK_OK(quire_thread_create(answer, &server, &thread));
    try(&(struct attempt){ prepare_call, call_server, undo_call }, 8);
    close_held();
    CHECK_OK(quire_thread_join(thread));
}

static void prepare_port(void)
{
    held[0] = new_port();
    held[1] = new_event();
}

static status_t queue_packet(void)
{
    static const port_packet_t packet = { .type = PKT_USER };

    return sys_port_queue(held[0], &packet);
}

static status_t observe(void)
{
    return sys_object_wait_async(held[1], held[0], 7, SIGNAL_USER_0, WAIT_ASYNC_PERSISTENT);
}

TEST(port_packets)
{
    try(&(struct attempt){ prepare_port, queue_packet, undo_held }, 1);
    try(&(struct attempt){ prepare_port, observe, undo_held }, 1);
}

static void prepare_pipe(void)
{
    CHECK_OK(sys_pipe_create(0, &held[0], &held[1]));
}

/* Some bytes written are a success. */
static status_t write_pipe(void)
{
    size_t actual;

    return sys_pipe_write(held[1], page, sizeof page, &actual);
}

TEST(pipe_bytes)
{
    try(&(struct attempt){ prepare_pipe, write_pipe, undo_held }, 4);
}

/* --- Devices. --- */

static status_t make_partition(void)
{
    return sys_block_create_partition(held[0], 0, SCRATCH / 2, RIGHT_SAME_RIGHTS, &made[0]);
}

static status_t make_device_vmo(void)
{
    return sys_block_create_vmo(held[0], 0, &made[0]);
}

static status_t open_disk(void)
{
    return sys_system_get_block(system_handle(), 0, &made[0]);
}

TEST(devices)
{
    held[0] = open_scratch();
    try(&(struct attempt){ NULL, make_partition, close_made }, 1);
    try(&(struct attempt){ NULL, make_device_vmo, close_made }, 2);
    try(&(struct attempt){ NULL, open_disk, close_made }, 1);
    close_held();
}

static void prepare_transfer(void)
{
    held[1] = new_port();
    held[2] = new_vmo(8);
}

/* Pages that a snapshot shares are copied before the device writes into them. */
static void prepare_shared_transfer(void)
{
    prepare_transfer();
    vmo_fill(held[2], 0, 3 * PAGE_SIZE, 1);
    CHECK_OK(sys_vmo_create_child(held[2], VMO_CHILD_SNAPSHOT, 0, 8 * PAGE_SIZE, &held[3]));
}

static status_t start_reading(void)
{
    return sys_block_submit(held[0], held[1], DISK_KEY, BLOCK_READ, held[2], 0, 0, 4 * PAGE_SIZE);
}

static void undo_transfer(status_t status)
{
    if (status == OK)
        expect_done(held[1], DISK_KEY, BLOCK_READ, 0, 4 * PAGE_SIZE);
    else
        CHECK_EQ(committed(held[2]), 0);
    CHECK_OK(sys_handle_close(held[1]));
    CHECK_OK(sys_handle_close(held[2]));
    held[1] = held[2] = HANDLE_INVALID;
}

static void undo_shared_transfer(status_t status)
{
    if (status == OK)
        expect_done(held[1], DISK_KEY, BLOCK_READ, 0, 4 * PAGE_SIZE);
    else
        CHECK(vmo_is_filled(held[2], 0, 3 * PAGE_SIZE, 1));
    CHECK(vmo_is_filled(held[3], 0, 3 * PAGE_SIZE, 1));
    for (int i = 1; i < 4; i++) {
        CHECK_OK(sys_handle_close(held[i]));
        held[i] = HANDLE_INVALID;
    }
}

TEST(transfers)
{
    held[0] = open_scratch();
    try(&(struct attempt){ prepare_shared_transfer, start_reading, undo_shared_transfer }, 5);
    try(&(struct attempt){ prepare_transfer, start_reading, undo_transfer }, 6);
    close_held();
}

static void prepare_device_vmo(void)
{
    CHECK_OK(sys_block_create_vmo(held[0], 0, &held[1]));
}

/* Fewer pages are read when there is no memory for more. */
static status_t read_device(void)
{
    return sys_vmo_read(held[1], 0, page, 0, sizeof page);
}

static void prepare_dirty_device_vmo(void)
{
    prepare_device_vmo();
    CHECK_OK(read_device());
    CHECK_OK(sys_vmo_write(held[1], 0, page, 0, 2 * PAGE_SIZE));
}

static status_t sync_device(void)
{
    return sys_vmo_op_range(held[1], VMO_OP_SYNC, 0, sizeof page, NULL, 0);
}

static void close_device_vmo(status_t status)
{
    (void)status;
    CHECK_OK(sys_handle_close(held[1]));
    held[1] = HANDLE_INVALID;
}

TEST(device_pages)
{
    held[0] = open_scratch();
    try(&(struct attempt){ prepare_device_vmo, read_device, close_device_vmo }, 4);
    try(&(struct attempt){ prepare_dirty_device_vmo, sync_device, close_device_vmo }, 2);
    close_held();
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
