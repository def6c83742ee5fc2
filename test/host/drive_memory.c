/*
 * drive_memory.c: every allocation of every operation fails once.
 *
 * An operation is run with its first allocation failing, then its second, until none is left to fail.  Each time it
 * must say ERR_NO_MEMORY and leave nothing behind: as many frames and objects as before, and it works when asked again.
 */
#include "host.h"
#include "ipc/channel.h"
#include "ipc/pipe.h"
#include "ipc/port.h"
#include "vm/aspace.h"
#include "vm/pager.h"
#include "vm/stream.h"

#define PAGES (VMO_SIZE_MAX >> PAGE_SHIFT)

/* What operations work on; made anew for each. */
static struct vmo *vmo, *aux, *paged, *clone, *fixed;
static struct port *port;
static struct pager *pager;
static struct process *process;
static struct channel *ends[2];
static struct pipe *reader, *writer;
static struct object *event;
static uint64_t mapped, page_index, number;

/* What an operation made. */
static struct object *made[2];
static uint64_t made_address;

static struct aspace *aspace(void)      { return process->aspace; }

/* --- Operations: run, and undo after success. --- */

static void undo_made(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (made[i])
            object_unref(made[i]);
        made[i] = NULL;
    }
}

static void nothing(void)
{
}

static status_t run_process(void)       { return process_create("new", NULL, (struct process **)&made[0]); }
static status_t run_thread(void)        { return thread_create(process, "new", (struct thread **)&made[0]); }
static status_t run_vmo(void)           { return vmo_create(number, true, (struct vmo **)&made[0]); }
static status_t run_event(void)         { return event_create(&made[0]); }
static status_t run_port(void)          { return port_create(&made[0]); }
static status_t run_channel(void)       { return channel_create(made); }
static status_t run_stream(void)        { return stream_create(vmo, STREAM_READ, 0, (struct stream **)&made[0]); }

static status_t run_pipe(void)          { return pipe_create(made); }
static status_t run_pager(void)         { return pager_create(true, &made[0]); }

static status_t run_pager_vmo(void)
{
    return pager_create_vmo(pager, VMO_RESIZABLE, port, number, number, (struct vmo **)&made[0]);
}

static struct message *message;

static status_t run_message(void)       { return message_create(number % (CHANNEL_MAX_BYTES + 1), number % 65, &message); }
static void undo_message(void)          { message_destroy(message); }

static handle_t values[300];

static status_t run_add(void)
{
    struct handle_slot slots[array_size(values)];

    for (uint32_t i = 0; i < array_size(slots); i++)
        slots[i] = handle_slot_make(event, RIGHT_NONE);
    status_t status = handle_add(process->handles, array_size(values), slots, values, NULL);

    for (uint32_t i = 0; status != OK && i < array_size(slots); i++)
        handle_slot_close(slots[i]);
    return status;
}

static void undo_add(void)
{
    struct handle_slot slot;

    for (uint32_t i = 0; i < array_size(values); i++) {
        check_equal(handle_remove(process->handles, values[i], &slot), OK);
        handle_slot_close(slot);
    }
}

static status_t run_observe(void)       { return port_observe(port, event, number, SIGNAL_USER_0, number % 2); }
static void undo_observe(void)          { check(port_cancel(port, event, number)); }

static status_t run_queue(void)
{
    port_packet_t content = { .key = number };

    return port_queue_user(port, &content);
}

static void undo_queue(void)            { check_equal(port_wait(port, 0, WINDOW_BASE), OK); }

static void undo_page(void)             { check_equal(vmo_decommit(vmo, page_index << PAGE_SHIFT, PAGE_SIZE), OK); }

static status_t run_write(void)
{
    uint64_t done;

    return vmo_copy(vmo, (page_index << PAGE_SHIFT) + 7, WINDOW_BASE, 100, VMO_FROM_USER, false, &done);
}

static status_t run_commit(void)
{
    return vmo_commit(vmo, page_index << PAGE_SHIFT, PAGE_SIZE, WANT_WRITE, false);
}

static struct vmo_transfer transfer;

static status_t run_transfer(void)
{
    return vmo_transfer_begin(vmo, page_index << PAGE_SHIFT, 5 * PAGE_SIZE - 512, true, &transfer);
}

static void undo_transfer(void)
{
    end_transfer(&transfer, ERR_IO);
}

static status_t run_map(void)
{
    return aspace_map(aspace(), VM_READ | VM_WRITE, VM_READ | VM_WRITE, 0, vmo, 0, 8 * PAGE_SIZE, &made_address);
}

static void undo_map(void)              { check_equal(aspace_unmap(aspace(), made_address, 8 * PAGE_SIZE), OK); }
static status_t run_load(void)          { return user_access(mapped + 3 * PAGE_SIZE, false, window); }
static status_t run_store(void)         { return user_access(mapped + 3 * PAGE_SIZE, true, window); }

static void undo_access(void)
{
    check_equal(vmo_set_size(vmo, 0), OK);
    check_equal(vmo_set_size(vmo, VMO_SIZE_MAX), OK);
}

/* A hole in the middle needs two borders; on failure the mapping still serves all of its pages. */
static status_t run_punch(void)         { return aspace_unmap(aspace(), mapped + 2 * PAGE_SIZE, 3 * PAGE_SIZE); }
static status_t run_protect(void)       { return aspace_protect(aspace(), VM_READ, mapped + 2 * PAGE_SIZE, 3 * PAGE_SIZE); }

static status_t run_supply(void)
{
    uint64_t failing = fail_allocation(0), done;

    for (uint64_t i = 0; i < 3; i++)
        check_equal(vmo_copy(aux, 2 * i * PAGE_SIZE, WINDOW_BASE, PAGE_SIZE, VMO_FROM_USER, false, &done), OK);
    fail_allocation(failing);
    return pager_supply_pages(paged, page_index << PAGE_SHIFT, 5 * PAGE_SIZE, aux, 0);
}

/* Something to share: pages and a stretch of zeros, found again by the undoing. */
static void prepare_child(void)
{
    uint64_t failing = fail_allocation(0), done;

    for (uint64_t i = 0; i < 3; i++)
        check_equal(vmo_copy(vmo, (page_index + i) << PAGE_SHIFT, WINDOW_BASE, 9, VMO_FROM_USER, false, &done), OK);
    fail_allocation(failing);
}

static void undo_child(void)
{
    undo_made();
    check(vmo->children == 0 && (vmo->object.signals & SIGNAL_ZERO_CHILDREN));
    check_equal(vmo_decommit(vmo, page_index << PAGE_SHIFT, 3 * PAGE_SIZE), OK);
}

static status_t run_snapshot(void)
{
    status_t status;

    prepare_child();
    status = vmo_create_child(vmo, VMO_CHILD_SNAPSHOT, page_index / 2 << PAGE_SHIFT, VMO_SIZE_MAX, (struct vmo **)&made[0]);
    if (status != OK)
        made[0] = NULL;
    return status;
}

static status_t run_clone(void)
{
    return vmo_create_child(paged, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, VMO_SIZE_MAX, (struct vmo **)&made[0]);
}

static status_t run_slice(void)
{
    return vmo_create_child(fixed, VMO_CHILD_SLICE, PAGE_SIZE, PAGE_SIZE, (struct vmo **)&made[0]);
}

static status_t run_reference(void)
{
    return vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, (struct vmo **)&made[0]);
}

/* A clone's zeros are markers, however many. */
static status_t run_zero_clone(void)
{
    return vmo_zero(clone, page_index << PAGE_SHIFT, VMO_SIZE_MAX - (page_index << PAGE_SHIFT), false);
}

static void undo_zero_clone(void)
{
    for (uint64_t i = 0; i < 3; i++)
        check_equal(page_list_get(&clone->pages, choose_between(page_index, PAGES - 1)), SLOT_ZERO);
}

static void empty_paged(void)
{
    check_equal(vmo_set_size(paged, 0), OK);
}

static status_t run_pipe_write(void)
{
    size_t actual;

    return pipe_write(writer, WINDOW_BASE, 3000, &actual);
}

static void undo_pipe_write(void)
{
    size_t actual;

    check_equal(pipe_read(reader, WINDOW_BASE, 3000, &actual), OK);
    check_equal(actual, 3000);
}

/* Reading a message with handles needs room in the table. */
static status_t run_channel_read(void)
{
    channel_call_args_t to = {
        .rd_bytes = (void *)WINDOW_BASE, .rd_handles = (handle_t *)(WINDOW_BASE + 0x10000),
        .rd_num_bytes = 100, .rd_num_handles = 64,
    };

    return channel_read(ends[1], &to, 0, 0);
}

/* partial: what came before the failure may stay; only the end is compared. */
static const struct operation {
    const char *name;
    status_t (*run)(void);
    void (*undo)(void);
    bool partial;
} operations[] = {
    { "process", run_process, undo_made, false },
    { "thread", run_thread, undo_made, false },
    { "vmo", run_vmo, undo_made, false },
    { "event", run_event, undo_made, false },
    { "port", run_port, undo_made, false },
    { "channel", run_channel, undo_made, false },
    { "pipe", run_pipe, undo_made, false },
    { "stream", run_stream, undo_made, false },
    { "pager", run_pager, undo_made, false },
    { "pager VMO", run_pager_vmo, undo_made, false },
    { "message", run_message, undo_message, false },
    { "handles", run_add, undo_add, true },
    { "observer", run_observe, undo_observe, false },
    { "user packet", run_queue, undo_queue, false },
    { "write", run_write, undo_page, false },
    { "commit", run_commit, undo_page, false },
    { "transfer", run_transfer, undo_transfer, false },
    { "map", run_map, undo_map, false },
    { "load", run_load, undo_access, false },
    { "store", run_store, undo_access, true },
    { "hole", run_punch, nothing, true },
    { "protect", run_protect, nothing, true },
    { "supply", run_supply, empty_paged, true },
    { "snapshot", run_snapshot, undo_child, true },
    { "clone", run_clone, undo_made, false },
    { "slice", run_slice, undo_made, false },
    { "reference", run_reference, undo_made, false },
    { "zeros in a clone", run_zero_clone, undo_zero_clone, true },
    { "pipe write", run_pipe_write, undo_pipe_write, false },
    { "channel read", run_channel_read, nothing, true },
};

/* --- The world around them. --- */

static void fill_channel(void)
{
    struct message *full;

    check_equal(message_create(10, 64, &full), OK);
    memcpy(full->only, "0123456789", 10);
    for (uint32_t i = 0; i < 64; i++)
        full->handles[i] = handle_slot_make(event, RIGHT_WAIT);
    check_equal(channel_write(ends[0], full), OK);
}

static void make_world(void)
{
    struct object *pair[2];

    page_index = one_in(2) ? choose(PAGES - 5) : choose(64);
    number = choose(1 << 20);
    check_equal(vmo_create(VMO_SIZE_MAX, true, &vmo), OK);
    check_equal(vmo_create(5 * PAGE_SIZE, true, &aux), OK);
    check_equal(port_create(&pair[0]), OK);
    port = container_of(pair[0], struct port, object);
    check_equal(pager_create(false, &pair[0]), OK);
    pager = pager_from_object(pair[0]);
    check_equal(pager_create_vmo(pager, VMO_RESIZABLE, port, 1, VMO_SIZE_MAX, &paged), OK);
    check_equal(vmo_create_child(paged, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, VMO_SIZE_MAX, &clone), OK);
    check_equal(vmo_create(2 * PAGE_SIZE, false, &fixed), OK);
    check_equal(process_create("world", NULL, &process), OK);
    check_equal(channel_create(pair), OK);
    ends[0] = (struct channel *)pair[0];
    ends[1] = (struct channel *)pair[1];
    check_equal(pipe_create(pair), OK);
    reader = (struct pipe *)pair[0];
    writer = (struct pipe *)pair[1];
    check_equal(event_create(&event), OK);
    object_add_handle(event);
    object_add_handle(&port->object);
    check_equal(aspace_map(aspace(), VM_READ | VM_WRITE, VM_READ | VM_WRITE, 0, vmo, 0, 8 * PAGE_SIZE, &mapped), OK);
    fill_channel();
}

static void end_world(void)
{
    object_drop_handle(&port->object);
    object_drop_handle(event);
    object_unref(event);
    object_unref((struct object *)reader);
    object_unref((struct object *)writer);
    object_unref((struct object *)ends[0]);
    object_unref((struct object *)ends[1]);
    object_unref(&process->object);
    object_unref(&fixed->object);
    object_unref(&clone->object);
    object_unref(&paged->object);
    object_unref((struct object *)pager);
    object_unref(&port->object);
    object_unref(&aux->object);
    object_unref(&vmo->object);
}

/* With the n-th allocation failing: true if there was an n-th. */
static bool run_failing(const struct operation *operation, uint64_t n)
{
    uint64_t frames = frames_live(), heap = heap_live();
    status_t status;

    fail_allocation(n);
    status = operation->run();
    step("%s, page %lu, allocation %lu: %d", operation->name, page_index, n, status);
    if (!allocation_failed()) {
        check_equal(status, OK);
        operation->undo();
        return false;
    }
    check_equal(status, ERR_NO_MEMORY);
    if (!operation->partial) {
        check_equal(frames_live(), frames);
        check_equal(heap_live(), heap);
    }
    return true;
}

/* Loads, stores and calls of this thread are those of the new process. */
static void drive_operation(const struct operation *operation)
{
    struct process *director = current_thread()->process;
    uint64_t n = 1;

    make_world();
    current_thread()->process = process;
    while (run_failing(operation, n))
        n++;
    check(n > 1);
    current_thread()->process = director;
    end_world();
}

void drive_memory(uint32_t steps)
{
    while (steps-- > 0 && choices_left())
        for (size_t i = 0; i < array_size(operations); i++)
            drive_operation(&operations[i]);
}
